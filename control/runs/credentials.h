/*
 * credentials.h - keys of accounts that a run made, on their way to the servers of these accounts.
 *
 * The compiler tells them (compile_hooks.credential); they stay with the run's memory. Where a target wants it so, the run
 * waits before its Finish: the batch ends there and continues, the credentials go into the store, held, and once they are
 * on the disk (CONFIRM_STORED) or their target has them (CONFIRM_DELIVERED) the rest of the run is handed out. When the run
 * has ended well they are released with its report, in one transaction; when it failed they are taken back; and where
 * nobody knows, as the Finish was out, they are delivered, too: a server with a key too many does less harm than a device
 * whose server does not know it.
 *
 * Owner: the run's memory. Control thread. Allocates. What is kept here is wiped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/delivery/delivery_conf.h"
#include "control/delivery/sender.h"
#include "tasks/compile/compile.h"

struct batch;
struct device;
struct live_session;
struct record_reader;
struct record_writer;
struct run_credentials;
struct run_memory;
struct service;
struct session_event;

/* ---- while the run is compiled ---- */

/* A compilation begins: what a former one told is told again. */
void credentials_begin(struct run_memory *memory);
/* One was made. What there is no memory for ends the run: credentials_failed(). */
void credentials_add(struct service *service, const struct device *device,
		     struct run_memory *memory, const struct compile_credential *credential);
/* Whether the run goes on to its Finish now; false: it waits first. */
bool credentials_may_finish(const struct service *service, const struct run_memory *memory);
/* How long it may wait, in whole seconds. */
unsigned credentials_wait_s(const struct service *service, const struct run_memory *memory);
/* The batch is handed out: what will be known of its steps. */
void credentials_note_batch(struct run_memory *memory, const struct batch *batch, bool waits);

/* ---- before the Finish ---- */

/* The run goes to its Finish at once, as a step was refused: what it made goes with its report. */
void credentials_skip_wait(struct run_memory *memory);
/* Whether this ask for the rest of a run is one that waits for its credentials. */
bool credentials_are_due(const struct run_memory *memory);
/* They go into the store, and the run waits for confirm_poll() to go on or to end. */
void credentials_wait(struct service *service, struct device *device,
		      const struct session_event *event, unsigned worker);

/* ---- the end of the run ---- */

/* Why a run was ended for its credentials' sake; NULL: it was not. */
const char *credentials_failure(const struct run_memory *memory);
/* SESSION_FINISHED: they are due. */
void credentials_finished(struct service *service, struct device *device,
			  const struct session_event *event);
/* It ended otherwise; `event` NULL: it was cancelled. */
void credentials_ended(struct service *service, struct device *device,
		       const struct session_event *event);

/* ---- to the next process (pass.h) ---- */

/* Behind the record of its live session. NULL: nothing. */
void credentials_save(const struct run_credentials *credentials, struct record_writer *writer);
/*
 * Of the record at hand: PASSED_CREDENTIALS, and behind it PASSED_CREDENTIAL and PASSED_MESSAGE, for this live session. What
 * waited for the store when it was saved was put there before. 0, -ENOMEM, -EBADMSG.
 */
int credentials_load(struct service *service, struct live_session *live,
		     struct record_reader *reader);
int credentials_load_item(struct live_session *live, struct record_reader *reader);
int credentials_load_message(struct live_session *live, struct record_reader *reader);
/* Of the memory's end. NULL: nothing. */
void credentials_free(struct run_credentials *credentials);
