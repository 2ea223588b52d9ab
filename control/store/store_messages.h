/*
 * store_messages.h - the outbox: messages to other systems that must not be lost, kept until they are delivered.
 *
 * They lie in the file of the reports, so that a message and the report of its run are one transaction
 * (store_together()). What they hold is sealed as keys are. A message is HELD until its run has ended well, DUE until
 * somebody took it, and DEAD when it was given up. What was HELD when the process ended is DUE at the next start: nobody
 * knows any more whether the device finished.
 *
 * Putting and changing are journal entries: they never wait, any thread may make them, and they are never lost to a full
 * queue. Allocates.
 */
#pragma once

#include "control/store/store.h"

enum message_state { MESSAGE_HELD, MESSAGE_DUE, MESSAGE_DEAD, MESSAGE_STATES };

enum {
	MESSAGE_KEY_MAX = 40,
	MESSAGE_TARGET_MAX = 64,
	MESSAGE_SUBJECT_MAX = 320,
	MESSAGE_BYTES_MAX = 8192,
	MESSAGE_ERROR_MAX = 200,
	MESSAGE_NO_DEVICE = 0, /* no device has this number + 1 */
};

struct store_message {
	int64_t id; /* store_message_id() */
	enum message_state state;
	uint8_t what;    /* the caller's */
	uint32_t device; /* its number + 1; MESSAGE_NO_DEVICE */
	uint32_t
		account; /* the caller's: a newer message of one device, target, `what` and account replaces dead ones */
	uint32_t attempts;
	uint64_t created_ms, due_ms; /* wall clock */
	const char *key;             /* that receivers tell copies by: no space in it */
	const char *target;          /* name of who gets it: no space in it */
	const char *subject;         /* whom it is about, for people */
	const char *error;           /* why the last attempt failed; NULL: none did */
	const void *bytes;           /* secret */
	size_t len;
};

/* ---- making them: the control thread ---- */

/* The number of the next message: above all that there are. */
int64_t store_message_id(struct store *store);
/* False: out of memory, there is none. */
bool store_put_message(struct store *store, const struct store_message *message);
/* Between these, everything that is put is one transaction. No other call of the store but puts. */
void store_begin_together(struct store *store);
void store_end_together(struct store *store);
/*
 * What to ask store_is_written() about: all that was put before. The second has it written soon. What a full queue lost
 * meanwhile counts as written in its turn, and no message is ever lost so.
 */
uint64_t store_put_so_far(struct store *store);
uint64_t store_hurry(struct store *store);
bool store_is_written(struct store *store, uint64_t until);

/* ---- what becomes of them: any thread ---- */

/* HELD to DUE, for good: its run has ended well. False: out of memory; the next start does it. */
bool store_release_message(struct store *store, int64_t id);
/* It is delivered, or not wanted any more: gone, and what it held is overwritten. */
void store_drop_message(struct store *store, int64_t id);
/* An attempt failed: it is due later, or DEAD. */
void store_postpone_message(struct store *store, int64_t id, const struct store_message *as);
/* A dead one, 0: all of them, are due now. */
void store_retry_message(struct store *store, int64_t id, uint64_t now_ms);

/* How many there are, by state; what is queued is counted once it is written. */
void store_count_messages(struct store *store, uint64_t counts[MESSAGE_STATES]);
/* Called by the store's thread when messages were written. Before store_start(). */
void store_on_messages(struct store *store, void (*written)(void *ctx), void *ctx);

/* ---- reading: each thread with a reader of its own ---- */

struct message_reader;

/* Of a store that is open, whose keys it has, those of later store_use_keys() too. NULL: out of memory, no file, or too many. */
struct message_reader *message_reader_new(struct store *store);
void message_reader_free(struct message_reader *reader);

/*
 * The next ones of a target that are due: their numbers, in order of their times. One whose device has an older message to
 * the target that is not dead is not due before that is gone: what a device had first arrives first. Their count; -EIO.
 */
int message_reader_due(struct message_reader *reader, const char *target, uint64_t now_ms,
		       int64_t *ids, unsigned n);
/* When the next one of the target is due; UINT64_MAX: none is. */
uint64_t message_reader_next(struct message_reader *reader, const char *target);
/* One of them, until the next call; NULL: there is none. *error: -EBADMSG: what it holds cannot be opened, and is empty. */
const struct store_message *message_reader_get(struct message_reader *reader, int64_t id,
					       int *error);
/* Those from a number on, in its order, without what they hold. False once `each` returned false. */
bool message_reader_list(struct message_reader *reader, int64_t from,
			 bool (*each)(void *ctx, const struct store_message *), void *ctx);
