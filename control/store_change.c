#include "control/store_change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/setting_values.h"
#include "control/store_private.h"

enum {
	PUMP_MS = 1,
	IDLE_MS = 1000, /* without a change: then what the last one left is seen to */
	NO_TEXT = UINT32_MAX,
};

enum device_text {
	TEXT_ENDPOINT,
	TEXT_IDENTITY,
	TEXT_KEY,
	TEXT_DOMAIN,
	TEXT_GROUPS,
	TEXT_SETTINGS,
	TEXT_COUNT,
};

enum op_kind { OP_PUT, OP_REMOVE };

struct change_op {
	struct record record;
	uint8_t kind;
	bool key_is_hex;
	uint16_t format;
	uint32_t id;
	uint64_t created_ms, last_bootstrap_ms;
	uint32_t len[TEXT_COUNT]; /* NO_TEXT: NULL */
	uint8_t bytes[];
};

static const char *const texts[SQL_CHANGE_COUNT] = {
	[SQL_PUT_DEVICE] = "INSERT OR REPLACE INTO device"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[SQL_REMOVE_DEVICE] = "DELETE FROM device WHERE id = ?1",
	[SQL_PUT_NEXT] = "UPDATE meta SET value = max(value, ?1) WHERE name = 'next_device'",
};

/* ---- the thread: operations ---- */

static int
put_device(struct store_change *change, const struct change_op *op)
{
	sqlite3_stmt *stmt = change->sql[SQL_PUT_DEVICE];
	/* Parameters in the order of enum device_text; key_is_hex stands behind the key. */
	static const int at[TEXT_COUNT] = { 2, 3, 4, 6, 7, 8 };
	const uint8_t *bytes = op->bytes;
	int code;

	sqlite3_bind_int64(stmt, 1, op->id);
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		if (op->len[i] == NO_TEXT) {
			sqlite3_bind_null(stmt, at[i]);
			continue;
		}
		if (i == TEXT_KEY || i == TEXT_SETTINGS)
			sqlite3_bind_blob(stmt, at[i], bytes, (int)op->len[i], SQLITE_STATIC);
		else
			sqlite3_bind_text(stmt, at[i], (const char *)bytes, (int)op->len[i],
					  SQLITE_STATIC);
		bytes += op->len[i];
	}
	sqlite3_bind_int(stmt, 5, op->key_is_hex);
	sqlite3_bind_int64(stmt, 9, (int64_t)op->created_ms);
	sqlite3_bind_int64(stmt, 10, (int64_t)op->last_bootstrap_ms);
	sqlite3_bind_int(stmt, 11, op->format);
	code = store_file_run(stmt);
	if (op->id >= change->above)
		change->above = op->id + 1;
	return code;
}

static int
remove_device(struct store_change *change, const struct change_op *op)
{
	sqlite3_bind_int64(change->sql[SQL_REMOVE_DEVICE], 1, op->id);
	return store_file_run(change->sql[SQL_REMOVE_DEVICE]);
}

/* Waits for another process's lock, unless nobody waits for the change any more. */
static int
begin(struct store_change *change)
{
	uint64_t end = store_now_ms() + CHANGE_BUSY_MS;
	bool cancel;
	int code;

	do {
		code = store_file_exec(change->file, "BEGIN IMMEDIATE");
		pthread_mutex_lock(&change->lock);
		cancel = change->cancel;
		pthread_mutex_unlock(&change->lock);
	} while ((code & 0xff) == SQLITE_BUSY && !cancel && store_now_ms() < end);
	change->begun = code == SQLITE_OK;
	change->above = 0;
	return code;
}

static int
execute(struct store_change *change, const struct records *records)
{
	struct records_at at = { 0 };
	const struct change_op *op;
	int code = change->begun ? SQLITE_OK : begin(change);

	while (code == SQLITE_OK && (op = records_next(records, &at)))
		code = op->kind == OP_PUT ? put_device(change, op) : remove_device(change, op);
	return code;
}

static void
roll_back(struct store_change *change)
{
	if (!sqlite3_get_autocommit(change->file->db))
		store_file_exec(change->file, "ROLLBACK");
	change->begun = false;
}

static int
commit(struct store_change *change)
{
	int code = change->begun ? SQLITE_OK : begin(change);

	sqlite3_bind_int64(change->sql[SQL_PUT_NEXT], 1, change->above);
	if (code == SQLITE_OK)
		code = store_file_run(change->sql[SQL_PUT_NEXT]);
	if (code == SQLITE_OK)
		code = store_file_exec(change->file, "COMMIT");
	return code;
}

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

/* All that was put is executed: now the end of it, one way or the other. */
static void
finish(struct store_change *change)
{
	bool save = change->wish == CHANGE_COMMIT && !change->result && !change->cancel;
	int code = SQLITE_OK;

	if (change->wish == CHANGE_COMMIT && change->cancel)
		fail(change, SQLITE_INTERRUPT);
	change->committing = save;
	pthread_mutex_unlock(&change->lock);
	if (save)
		code = commit(change);
	pthread_mutex_lock(&change->lock);
	if (code != SQLITE_OK)
		fail(change, code);
	else if (save)
		change->failing = false;
	change->unscrubbed |= save;
	pthread_mutex_unlock(&change->lock);
	roll_back(change); /* nothing is left of a change that was committed */
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
	code = commit(change);
	roll_back(change);
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
	pthread_mutex_unlock(&change->lock);
	sqlite3_wal_checkpoint_v2(change->file->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	pthread_mutex_lock(&change->lock);
	change->unscrubbed = false;
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

	pthread_mutex_lock(&change->lock);
	while (wait_for_work(change)) {
		struct records taken = { 0 };
		bool skip = change->result || change->cancel || change->wish == CHANGE_ROLLBACK;
		int code = SQLITE_OK;

		records_move(&taken, &change->queue, SIZE_MAX);
		pthread_mutex_unlock(&change->lock);
		if (!skip && taken.count)
			code = execute(change, &taken);
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

/* ---- the control thread ---- */

/* Waits until the thread tells something, PUMP_MS at most. Under the lock. */
static void
wait_told(struct store_change *change)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += PUMP_MS * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&change->told, &change->lock, &ts);
}

struct store_change *
store_change_begin(struct store *store)
{
	struct store_change *change = &store->change;

	if (!change->started || change->open)
		return NULL;
	pthread_mutex_lock(&change->lock);
	change->open = true;
	change->done = change->cancel = change->committing = false;
	change->wish = CHANGE_OPEN;
	change->result = 0;
	pthread_mutex_unlock(&change->lock);
	return change;
}

/* A change that takes no more: its end will be nothing. */
static void
give_up(struct store_change *change, int result, const char *why)
{
	if (change->result)
		return;
	change->result = result;
	snprintf(change->error, sizeof change->error, "%s: cannot save the change: %s",
		 change->file->path, why);
}

/* Room for an operation, or NULL: the change has failed. Takes the lock, and keeps it if so. */
static struct change_op *
add_op(struct store_change *change, size_t size)
{
	uint64_t end = store_now_ms() + CHANGE_STALL_MS;
	struct change_op *op = NULL;

	pthread_mutex_lock(&change->lock);
	while (change->queue.chunks >= CHANGE_CHUNKS_MAX && !change->result) {
		pthread_cond_signal(&change->wake);
		wait_told(change);
		if (store_now_ms() >= end && change->queue.chunks >= CHANGE_CHUNKS_MAX)
			give_up(change, -ETIMEDOUT,
				"the disk takes too long; look for what keeps it busy and try "
				"again");
	}
	if (!change->result) {
		op = records_add(&change->queue, size);
		if (!op)
			give_up(change, -ENOMEM, "out of memory; change less at once");
	}
	if (!op)
		pthread_mutex_unlock(&change->lock);
	return op;
}

static void
op_added(struct store_change *change)
{
	bool full = change->queue.chunks > 1;

	pthread_mutex_unlock(&change->lock);
	if (full)
		pthread_cond_signal(&change->wake);
}

void
store_change_put_device(struct store_change *change, const struct store_device *device)
{
	const struct device_spec *spec = &device->spec;
	const void *at[TEXT_COUNT] = {
		spec->endpoint, spec->identity, spec->key_len ? spec->key : NULL,
		spec->domain,   spec->groups,   spec->values
	};
	uint32_t len[TEXT_COUNT];
	struct change_op *op;
	struct record record;
	size_t size = 0, used = 0;

	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		len[i] = !at[i]               ? NO_TEXT
			 : i == TEXT_KEY      ? spec->key_len
			 : i == TEXT_SETTINGS ? (uint32_t)setting_values_size(at[i])
					      : (uint32_t)strlen(at[i]);
		size += at[i] ? len[i] : 0;
	}
	op = add_op(change, sizeof *op + size);
	if (!op)
		return;
	record = op->record;
	*op = (struct change_op){
		.record = record,
		.kind = OP_PUT,
		.key_is_hex = spec->key_is_hex,
		.format = device->format,
		.id = device->id,
		.created_ms = spec->created_ms,
		.last_bootstrap_ms = device->last_bootstrap_ms,
	};
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		op->len[i] = len[i];
		if (!at[i])
			continue;
		memcpy(op->bytes + used, at[i], len[i]);
		used += len[i];
	}
	op_added(change);
	if (device->id >= change->store->next_device)
		change->store->next_device = device->id + 1;
}

/* News for when the change is through: until then nothing of it may show. */
static void
tell_later(struct store_change *change, const struct news *news, const uint8_t *name, size_t len)
{
	struct news *copy = records_add(&change->after, sizeof *copy + len);
	struct record record;

	if (!copy) {
		pthread_mutex_lock(&change->lock);
		give_up(change, -ENOMEM, "out of memory; change less at once");
		pthread_mutex_unlock(&change->lock);
		return;
	}
	record = copy->record;
	*copy = *news;
	copy->record = record;
	copy->name_len = (uint32_t)len;
	if (len)
		memcpy(copy->text, name, len);
}

void
store_change_remove_device(struct store_change *change, uint32_t id)
{
	struct change_op *op = add_op(change, sizeof *op);
	struct record record;

	if (!op)
		return;
	record = op->record;
	*op = (struct change_op){ .record = record, .kind = OP_REMOVE, .id = id };
	op_added(change);
	tell_later(change, &(struct news){ .kind = NEWS_GONE, .device = id }, NULL, 0);
}

void
store_change_remove_unknown(struct store_change *change, const uint8_t *name, size_t len)
{
	tell_later(change, &(struct news){ .kind = NEWS_FORGET }, name, len);
}

static void
tell_news(struct store_change *change)
{
	struct records_at at = { 0 };
	const struct news *news;

	while ((news = records_next(&change->after, &at))) {
		struct news_text text = { news->text, news->name_len, NULL };

		store_writer_put(&change->store->writer, news, &text);
	}
}

static void
close_change(struct store_change *change)
{
	records_clear(&change->after);
	change->open = false;
	pthread_cond_signal(&change->wake); /* the thread may have waited for this to be idle */
}

void
store_change_rollback(struct store_change *change)
{
	pthread_mutex_lock(&change->lock);
	change->wish = CHANGE_ROLLBACK;
	change->cancel = true;
	sqlite3_interrupt(change->file->db);
	pthread_cond_signal(&change->wake);
	while (!change->done)
		wait_told(change);
	close_change(change);
	pthread_mutex_unlock(&change->lock);
}

int
store_change_commit(struct store_change *change, unsigned wait_ms, void (*pump)(void *ctx),
		    void *ctx, char error[STORE_ERROR_MAX])
{
	uint64_t end = store_now_ms() + wait_ms;
	int result;

	pthread_mutex_lock(&change->lock);
	change->wish = CHANGE_COMMIT;
	pthread_cond_signal(&change->wake);
	while (!change->done) {
		wait_told(change);
		pthread_mutex_unlock(&change->lock);
		if (pump)
			pump(ctx);
		pthread_mutex_lock(&change->lock);
		/* Once SQLite commits, only it can tell how that ends. */
		if (store_now_ms() < end || change->done || change->committing)
			continue;
		change->cancel = true;
		sqlite3_interrupt(change->file->db);
	}
	result = change->result;
	if (result)
		snprintf(error, STORE_ERROR_MAX, "%s", change->error);
	pthread_mutex_unlock(&change->lock);
	if (!result)
		tell_news(change);
	pthread_mutex_lock(&change->lock);
	close_change(change);
	pthread_mutex_unlock(&change->lock);
	return result;
}

/* ---- life ---- */

int
store_change_init(struct store_change *change, struct store *store, struct store_file *file,
		  char error[STORE_ERROR_MAX])
{
	pthread_condattr_t attr;
	int code = 0;

	*change = (struct store_change){ .store = store, .file = file };
	pthread_mutex_init(&change->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&change->wake, &attr);
	pthread_cond_init(&change->told, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned i = 0; i < SQL_CHANGE_COUNT && code == 0; i++) {
		change->sql[i] = store_file_prepare(file, texts[i]);
		if (!change->sql[i])
			code = store_file_error(file, sqlite3_extended_errcode(file->db), "read it",
						error);
	}
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
	records_clear(&change->queue);
	records_clear(&change->after);
	pthread_cond_destroy(&change->wake);
	pthread_cond_destroy(&change->told);
	pthread_mutex_destroy(&change->lock);
}
