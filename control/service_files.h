/*
 * service_files.h - the files that one process at a time may write: the service's store, and the
 * audit's. Opened, let go of for the next process, and taken back.
 *
 * Owner: whoever owns service and audit. Control thread.
 */
#pragma once

#include "control/audit/audit.h"
#include "control/runs/service.h"

/* The store and its keys. 0; -1, and it is logged why not. */
int service_files_open_store(struct service *service);
/* The audit file. The store's lock is held: nobody else goes on its chain. NULL, and it is logged why not. */
struct audit *service_files_open_audit(const struct config *config);

/*
 * For the next process: what is queued is written, and both are closed; *audit is NULL then. 0, or -1 and a sentence: nothing
 * has changed.
 */
int service_files_leave(struct service *service, struct audit **audit, char error[STORE_ERROR_MAX]);
/*
 * They are ours again, as the next process is not ready after all. 0; -1, and it is logged why not: the audit may be open all
 * the same.
 */
int service_files_return(struct service *service, struct audit **audit);
