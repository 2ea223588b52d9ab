#include "control/store/store_change.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "control/guard/thread_guard.h"
#include "control/store/store_change_internal.h"

enum {
	IDLE_MS = 1000,   /* without a change: then what the last one left is seen to */
	SCRUB_MS = 10000, /* ... or after so long between two of many changes */
};

/* ---- the thread: its loop, under the lock ---- */

static void
fail(struct store_change *change, int code)
{
	struct timespec ts;

	if (change->result || change->wish == CHANGE_ROLLBACK)
		return;
	if (change->cancel) {
		change->result = -ETIMEDOUT;
		snprintf(change->error, sizeof change->error,
			 "%s: the change was not saved in time and is undone; the disk is slow or "
			 "another process holds the file locked; try again",
			 change->file->path);
	} else {
		change->result =
			store_file_error(change->file, code, "save the change", change->error);
	}
	if (!change->failing) {
		clock_gettime(CLOCK_REALTIME, &ts);
		change->failing_since_ms =
			(uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	}
	change->failing = true;
}

/* What is written to a file that was removed goes with it. */
static bool
is_there(struct store_change *change)
{
	if (store_file_is_there(change->file))
		return true;
	if (!change->result) {
		change->result = -ENOENT;
		snprintf(change->error, sizeof change->error,
			 "%s: cannot save the change: the file was removed or replaced while this "
			 "program runs; put it back and start again",
			 change->file->path);
	}
	return false;
}

/* All that was put is executed: now the end of it, one way or the other. */
static void
finish(struct store_change *change)
{
	bool save = change->wish == CHANGE_COMMIT && !change->result && !change->cancel;
	int code = SQLITE_OK;

	if (change->wish == CHANGE_COMMIT && change->cancel)
		fail(change, SQLITE_INTERRUPT);
	save = save && is_there(change);
	assert(change->open && !change->done && !change->queue.count);
	change->finishing = true;
	pthread_mutex_unlock(&change->lock);
	if (save)
		code = change_sql_commit(change);
	pthread_mutex_lock(&change->lock);
	if (code != SQLITE_OK)
		fail(change, code);
	else if (save)
		change->failing = false;
	change->serial += save && code == SQLITE_OK;
	if (save && !change->unscrubbed)
		change->unscrubbed_ms = store_now_ms();
	change->unscrubbed |= save;
	pthread_mutex_unlock(&change->lock);
	change_sql_roll_back(change); /* nothing is left of a change that was committed */
	pthread_mutex_lock(&change->lock);
	change->done = true;
}

/* Whether the disk takes a change again, so that nobody need try one to learn it. */
static void
probe(struct store_change *change)
{
	int code;

	pthread_mutex_unlock(&change->lock);
	change->above = 0;
	change->begun = false;
	code = change_sql_commit(change);
	change_sql_roll_back(change);
	pthread_mutex_lock(&change->lock);
	if (code == SQLITE_OK)
		change->failing = false;
}

/*
 * Removed and replaced keys stand in the write-ahead log until it is emptied. Another process that
 * reads may hold that up: then the next time does it.
 */
static void
scrub(struct store_change *change)
{
	int code;

	pthread_mutex_unlock(&change->lock);
	code = sqlite3_wal_checkpoint_v2(change->file->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
					 NULL);
	pthread_mutex_lock(&change->lock);
	change->scrubs++;
	change->unscrubbed = code != SQLITE_OK; /* SQLITE_BUSY: somebody still reads the log */
	change->unscrubbed_ms = store_now_ms();
}

/* Waits for records or a wish. False: it is time to end. */
static bool
wait_for_work(struct store_change *change)
{
	for (;;) {
		uint64_t until = store_now_ms() + IDLE_MS;
		struct timespec ts = { (time_t)(until / 1000), (long)(until % 1000) * 1000000 };

		if (change->open && !change->done &&
		    (change->queue.chunks > 1 || change->wish != CHANGE_OPEN))
			return true;
		if (change->ending)
			return false;
		if (!change->open && change->unscrubbed &&
		    store_now_ms() - change->unscrubbed_ms >= SCRUB_MS) {
			scrub(change);
			continue; /* who asked meanwhile woke nobody */
		}
		if (change->open || (!change->failing && !change->unscrubbed))
			pthread_cond_wait(&change->wake, &change->lock);
		else if (pthread_cond_timedwait(&change->wake, &change->lock, &ts) != ETIMEDOUT)
			continue;
		else if (change->failing)
			probe(change);
		else
			scrub(change);
	}
}

static void *
run(void *arg)
{
	struct store_change *change = arg;

	thread_guard_enter(THREAD_STORE);
	pthread_mutex_lock(&change->lock);
	while (wait_for_work(change)) {
		struct records taken = { 0 };
		bool skip = change->result || change->cancel || change->wish == CHANGE_ROLLBACK;
		int code = SQLITE_OK;

		records_move(&taken, &change->queue, SIZE_MAX);
		pthread_mutex_unlock(&change->lock);
		if (!skip && taken.count)
			code = change_sql_execute(change, &taken);
		records_clear(&taken);
		pthread_mutex_lock(&change->lock);
		if (code != SQLITE_OK)
			fail(change, code);
		if (change->wish != CHANGE_OPEN && !change->queue.count)
			finish(change);
		pthread_cond_broadcast(&change->told);
	}
	pthread_mutex_unlock(&change->lock);
	return NULL;
}

/* ---- life ---- */

void
store_change_rest(struct store_change *change, struct store *store, struct store_file *file)
{
	pthread_condattr_t attr;

	*change = (struct store_change){ .store = store, .file = file, .slow_ms = CHANGE_SLOW_MS };
	pthread_mutex_init(&change->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&change->wake, &attr);
	pthread_cond_init(&change->told, &attr);
	pthread_condattr_destroy(&attr);
}

int
store_change_init(struct store_change *change, struct store *store, struct store_file *file,
		  char error[STORE_ERROR_MAX])
{
	int code;

	store_change_rest(change, store, file);
	code = change_sql_prepare(change, error);
	if (code < 0)
		store_change_fini(change);
	return code;
}

int
store_change_start(struct store_change *change)
{
	int code = pthread_create(&change->thread, NULL, run, change);

	change->started = code == 0;
	return -code;
}

void
store_change_fini(struct store_change *change)
{
	if (change->open)
		store_change_rollback(change);
	if (change->started) {
		pthread_mutex_lock(&change->lock);
		change->ending = true;
		pthread_cond_signal(&change->wake);
		pthread_mutex_unlock(&change->lock);
		pthread_join(change->thread, NULL);
	}
	for (unsigned i = 0; i < SQL_CHANGE_COUNT; i++)
		sqlite3_finalize(change->sql[i]);
	sealer_free(change->sealer);
	records_clear(&change->queue);
	records_clear(&change->after);
	pthread_cond_destroy(&change->wake);
	pthread_cond_destroy(&change->told);
	pthread_mutex_destroy(&change->lock);
}
