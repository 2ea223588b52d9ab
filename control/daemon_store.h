/*
 * daemon_store.h - the daemon's store and audit file: opened by whoever may write them, one process at a
 * time.
 *
 * Owner: the daemon. Control thread.
 */
#pragma once

#include "control/daemon.h"

/* The store and its keys. 0; -1, and it is logged why not. */
int daemon_store_open(struct daemon *daemon);
/* The audit file. The store's lock is held: nobody else goes on its chain. The same. */
int daemon_audit_open(struct daemon *daemon);

/*
 * For the next process: what is queued is written, and both are closed. 0, or -1 and a sentence: nothing has
 * changed then.
 */
int daemon_store_leave(struct daemon *daemon, char error[STORE_ERROR_MAX]);
/* They are ours again, as the next process is not ready after all. 0; -1, and it is logged why not. */
int daemon_store_return(struct daemon *daemon);
