#include "control/store/store_writer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/guard/thread_guard.h"

#define NEVER UINT64_MAX

#define NEWS_ROW "(?, ?, ?, ?, ?, ?, ?, ?)"
#define NEWS_ROWS4 NEWS_ROW "," NEWS_ROW "," NEWS_ROW "," NEWS_ROW
#define NEWS_ROWS8 NEWS_ROWS4 "," NEWS_ROWS4

static const char *const texts[SQL_COUNT] = {
	[SQL_PUT_TASK] = "INSERT OR REPLACE INTO task VALUES (?1, ?2, ?3)",
	[SQL_PUT_SUMMARY] = "INSERT INTO summary VALUES (?1, ?2)",
	[SQL_ADD_ENTRY] = "INSERT INTO news VALUES " NEWS_ROW,
	[SQL_ADD_ENTRIES] = "INSERT INTO news VALUES " NEWS_ROWS8 "," NEWS_ROWS8,
	[SQL_PUT_LOG] = "INSERT OR REPLACE INTO report_log VALUES (?1, ?2, ?3)",
	[SQL_DROP_LOG] = "DELETE FROM report_log WHERE place = ?1",
	[SQL_PUT_UNKNOWN] = "INSERT OR REPLACE INTO unknown VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_DROP_UNKNOWN] = "DELETE FROM unknown WHERE name = ?1",
	[SQL_KEEP_UNKNOWNS] = "DELETE FROM unknown WHERE name NOT IN"
			      " (SELECT name FROM unknown ORDER BY last_ms DESC LIMIT ?1)",
	[SQL_TELL_SERIAL] = "INSERT OR REPLACE INTO meta VALUES ('serial', ?1)",
	[SQL_FORGET_TASK] = "DELETE FROM task WHERE number = ?1",
	/* Places hold the task in their lower 31 bits. All rows are read: tasks go rarely. */
	[SQL_FORGET_TASK_REPORTS] = "DELETE FROM report WHERE place & 2147483647 = ?1",
	[SQL_FORGET_TASK_LOGS] = "DELETE FROM report_log WHERE place & 2147483647 = ?1",
	[SQL_FORGET_TASK_ENTRIES] = "DELETE FROM news WHERE task = ?1",
	[SQL_DROP_REPORTS] = "DELETE FROM report WHERE place BETWEEN ?1 AND ?2",
	[SQL_DROP_LOGS] = "DELETE FROM report_log WHERE place BETWEEN ?1 AND ?2",
	[SQL_DROP_VISIT] = "DELETE FROM visit WHERE device = ?1",
	[SQL_FOLD_REPORT] = "INSERT OR REPLACE INTO report SELECT (device << 31) | task, status,"
			    " started_ms, finished_ms, summary, member FROM news"
			    " WHERE seq = ?1 AND status <> 255", /* STORE_REPORT_REMOVED */
	[SQL_FOLD_REMOVAL] = "DELETE FROM report WHERE place = ?1",
	[SQL_FOLD_VISIT] = "INSERT OR REPLACE INTO visit SELECT device, finished_ms, summary"
			   " FROM news WHERE seq = ?1",
	[SQL_DROP_ENTRIES] = "DELETE FROM news WHERE seq <= ?1",
	[SQL_FIND_LOGS_TO_RESEAL] = "SELECT place, text, kek FROM report_log WHERE place >= ?1"
				    " AND kek IS NOT ?2 ORDER BY place LIMIT ?3",
	[SQL_RESEAL_LOG] = "UPDATE report_log SET text = ?2, kek = ?3 WHERE place = ?1",
	[SQL_PUT_MESSAGE] =
		"INSERT INTO outbox (id, state, what, device, account, attempts, created_ms,"
		" due_ms, key, target, subject, payload, kek)"
		" VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[SQL_FIND_MESSAGE] = "SELECT state FROM outbox WHERE id = ?1",
	[SQL_SET_MESSAGE] = "UPDATE outbox SET state = ?2, due_ms = ?3, attempts = ?4, error = ?5"
			    " WHERE id = ?1",
	[SQL_REPLACE_MESSAGES] = "DELETE FROM outbox WHERE device > 0 AND state = 2 AND id < ?1 AND"
				 " (device, target, what, account) = (SELECT device, target, what,"
				 " account FROM outbox WHERE id = ?1)",
	[SQL_RETRY_MESSAGES] =
		"UPDATE outbox SET state = 1, due_ms = ?1, attempts = 0 WHERE state = 2",
	[SQL_WIPE_MESSAGE] = "UPDATE outbox SET payload = zeroblob(length(payload))"
			     " WHERE id = ?1 AND kek IS NULL",
	[SQL_DROP_MESSAGE] = "DELETE FROM outbox WHERE id = ?1",
	[SQL_FIND_MESSAGES_TO_RESEAL] = "SELECT id, payload, kek FROM outbox WHERE kek IS NOT ?1"
					" AND id > ?3 ORDER BY id LIMIT ?2",
	[SQL_RESEAL_MESSAGE] = "UPDATE outbox SET payload = ?2, kek = ?3 WHERE id = ?1",
	/* Apart from what else is in `meta`, by the names' first letters. */
	[SQL_PUT_NOTE] = "INSERT OR REPLACE INTO meta VALUES ('note:' || ?1, ?2)",
	[SQL_DROP_NOTE] = "DELETE FROM meta WHERE name = 'note:' || ?1",
};

uint64_t
store_now_ms(void)
{
	return clock_now_us() / 1000;
}

/* ---- each kind of entry ---- */

static const char *
more_of(const struct journal_entry *entry)
{
	return entry->text + entry->name_len + 1;
}

static int64_t
place_of(uint32_t device, uint32_t task)
{
	assert(task <= INT32_MAX);
	return (int64_t)device << 31 | task;
}

static int
write_task(struct store_writer *writer, const struct journal_entry *entry)
{
	sqlite3_stmt *stmt = writer->sql[SQL_PUT_TASK];

	sqlite3_bind_int64(stmt, 1, entry->task);
	sqlite3_bind_text(stmt, 2, entry->text, (int)entry->name_len, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, more_of(entry), (int)entry->more_len, SQLITE_STATIC);
	return store_file_run(stmt);
}

static int
write_log(struct store_writer *writer, const struct journal_entry *entry)
{
	sqlite3_stmt *stmt = writer->sql[entry->has_more ? SQL_PUT_LOG : SQL_DROP_LOG];
	const struct seal_place place = { SEAL_LOG,
					  (uint64_t)place_of(entry->device, entry->task) };
	int code;

	if (!entry->has_more && !writer->any_logs)
		return SQLITE_OK;
	sqlite3_bind_int64(stmt, 1, (int64_t)place.row);
	if (!entry->has_more)
		return store_file_run(stmt);
	writer->any_logs = true;
	secrets_bind_kek(writer->sealer, stmt, 3);
	code = secrets_bind(writer->sealer, stmt, 2, &place, more_of(entry), entry->more_len);
	return code == SQLITE_OK ? store_file_run(stmt) : code;
}

/* Reports and visits. The row's number stays in the record until the transaction is through. */
static int
append_entry(struct store_writer *writer, struct journal_entry *entry)
{
	int code = SQLITE_OK;

	entry->seq = 0;
	if (id_set_has(&writer->removed, entry->device))
		return SQLITE_OK;
	if (entry->kind == JOURNAL_REPORT)
		code = write_log(writer, entry);
	return code == SQLITE_OK ? store_news_put(writer, entry) : code;
}

static int
write_unknown(struct store_writer *writer, const struct journal_entry *entry)
{
	sqlite3_stmt *stmt = writer->sql[SQL_PUT_UNKNOWN];

	sqlite3_bind_blob(stmt, 1, entry->text, (int)entry->name_len, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, more_of(entry), (int)entry->more_len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (int64_t)entry->started_ms);
	sqlite3_bind_int64(stmt, 4, (int64_t)entry->finished_ms);
	sqlite3_bind_int64(stmt, 5, (int64_t)entry->count);
	sqlite3_bind_int(stmt, 6, entry->format);
	sqlite3_bind_int64(stmt, 7, entry->device);
	return store_file_run(stmt);
}

/* What comes of it later is dropped; what is in `news` already is not merged. */
static int
drop_device(struct store_writer *writer, const struct journal_entry *entry)
{
	static const enum writer_sql ranges[] = { SQL_DROP_REPORTS, SQL_DROP_LOGS };
	sqlite3_stmt *stmt = writer->sql[SQL_DROP_VISIT];
	int code;

	if (id_set_add(&writer->removed, entry->device) < 0)
		return SQLITE_NOMEM;
	sqlite3_bind_int64(stmt, 1, entry->device);
	code = store_file_run(stmt);
	for (unsigned i = 0; code == SQLITE_OK && i < 2; i++) {
		stmt = writer->sql[ranges[i]];
		sqlite3_bind_int64(stmt, 1, place_of(entry->device, 0));
		sqlite3_bind_int64(stmt, 2, place_of(entry->device, INT32_MAX));
		code = store_file_run(stmt);
	}
	return code;
}

static int
write_note(struct store_writer *writer, const struct journal_entry *entry)
{
	sqlite3_stmt *stmt = writer->sql[entry->has_more ? SQL_PUT_NOTE : SQL_DROP_NOTE];

	sqlite3_bind_text(stmt, 1, entry->text, (int)entry->name_len, SQLITE_STATIC);
	if (entry->has_more)
		sqlite3_bind_text(stmt, 2, more_of(entry), (int)entry->more_len, SQLITE_STATIC);
	return store_file_run(stmt);
}

/* What waits for its merge, too: a merge of rows that are not there does nothing. */
static int
forget_task(struct store_writer *writer, const struct journal_entry *entry)
{
	int code = SQLITE_OK;

	for (int i = SQL_FORGET_TASK; code == SQLITE_OK && i <= SQL_FORGET_TASK_ENTRIES; i++) {
		sqlite3_bind_int64(writer->sql[i], 1, entry->task);
		code = store_file_run(writer->sql[i]);
	}
	return code;
}

/* All that is no report or visit. */
static int
write_other(struct store_writer *writer, const struct journal_entry *entry)
{
	sqlite3_stmt *stmt;

	switch ((enum journal_kind)entry->kind) {
	case JOURNAL_TASK:
		return write_task(writer, entry);
	case JOURNAL_REPORT:
	case JOURNAL_VISIT:
		break;
	case JOURNAL_UNKNOWN:
		return write_unknown(writer, entry);
	case JOURNAL_REMOVED:
		return drop_device(writer, entry);
	case JOURNAL_SERIAL:
		stmt = writer->sql[SQL_TELL_SERIAL];
		sqlite3_bind_int64(stmt, 1, (int64_t)entry->count);
		return store_file_run(stmt);
	case JOURNAL_FORGET_TASK:
		return forget_task(writer, entry);
	case JOURNAL_FORGET:
		stmt = writer->sql[SQL_DROP_UNKNOWN];
		sqlite3_bind_blob(stmt, 1, entry->text, (int)entry->name_len, SQLITE_STATIC);
		return store_file_run(stmt);
	case JOURNAL_RESEAL:
		return store_reseal_some_logs(writer, (int64_t)entry->count);
	case JOURNAL_MESSAGE:
		return store_write_message(writer, entry);
	case JOURNAL_MESSAGE_RELEASED:
	case JOURNAL_MESSAGE_POSTPONED:
	case JOURNAL_MESSAGE_RETRIED:
	case JOURNAL_MESSAGE_DROPPED:
		return store_change_message(writer, entry);
	case JOURNAL_NOTE:
		return write_note(writer, entry);
	case JOURNAL_KEEP:
		stmt = writer->sql[SQL_KEEP_UNKNOWNS];
		sqlite3_bind_int64(stmt, 1, (int64_t)entry->count);
		return store_file_run(stmt);
	}
	return SQLITE_MISUSE;
}

static int
write_entry(struct store_writer *writer, struct journal_entry *entry)
{
	int code;

	if (entry->kind == JOURNAL_REPORT || entry->kind == JOURNAL_VISIT)
		return append_entry(writer, entry);
	/* In the order in which they came: it may be about rows that are gathered. */
	code = store_news_flush(writer);
	return code == SQLITE_OK ? write_other(writer, entry) : code;
}

/* ---- a transaction ---- */

static bool
has_messages(const struct store_writer *writer)
{
	struct records_at at = { 0 };
	const struct journal_entry *entry;

	while ((entry = records_next(&writer->slice, &at)))
		if (entry->kind == JOURNAL_MESSAGE)
			return true;
	return false;
}

/* A device finishes once its key counts as written: no loss of power may take that key. Reports may wait for the disk. */
static int
begin(const struct store_writer *writer)
{
	return store_file_exec(writer->file,
			       has_messages(writer) ? "PRAGMA synchronous=FULL; BEGIN IMMEDIATE"
						    : "PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE");
}

static int
write_slice(struct store_writer *writer, struct merge_progress *progress)
{
	struct records_at at = { 0 };
	struct journal_entry *entry;
	int code = begin(writer);

	writer->news.n = 0; /* of one that failed */
	while (code == SQLITE_OK && (entry = records_next(&writer->slice, &at)))
		code = write_entry(writer, entry);
	if (code == SQLITE_OK)
		code = store_news_flush(writer);
	if (code == SQLITE_OK && writer->merging.entries)
		code = store_merge_some(writer, progress);
	if (code == SQLITE_OK)
		code = store_file_exec(writer->file, "COMMIT");
	return code;
}

/* SQLite's, after each commit. */
static int
note_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
	((struct store_writer *)ctx)->log_pages = pages;
	return SQLITE_OK;
}

static void
shorten_log(struct store_writer *writer)
{
	if (store_checkpoint_tell(&writer->checkpoint, writer->log_pages))
		sqlite3_wal_checkpoint_v2(writer->file->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
					  NULL);
}

/* It is written: the rows of reports and visits are to be merged some day. */
static void
remember_slice(struct store_writer *writer)
{
	struct records_at at = { 0 };
	const struct journal_entry *entry;

	while ((entry = records_next(&writer->slice, &at))) {
		struct recent_entry latest = { entry->device, entry->task, entry->seq };

		if (entry->kind != JOURNAL_REPORT && entry->kind != JOURNAL_VISIT)
			continue;
		if (entry->kind == JOURNAL_VISIT)
			latest.task = WRITER_VISIT;
		if (latest.seq)
			recent_set(&writer->recent, &latest);
	}
}

/* SQLite's result. The slice is as it was when it fails. */
static int
transact(struct store_writer *writer)
{
	unsigned summaries = writer->summaries.count;
	struct merge_progress progress;
	int code;

	if (!writer->merging.entries && store_merge_wanted(writer))
		store_merge_begin(writer);
	if (recent_reserve(&writer->recent, writer->slice.count) < 0)
		return SQLITE_NOMEM;
	progress = (struct merge_progress){ writer->merged, writer->dropped };
	code = write_slice(writer, &progress);
	if (code != SQLITE_OK) {
		if (!sqlite3_get_autocommit(writer->file->db))
			store_file_exec(writer->file, "ROLLBACK");
		summaries_cut(&writer->summaries, summaries);
		store_forget_messages(writer);
		return code;
	}
	remember_slice(writer);
	if (writer->merging.entries)
		store_merge_accept(writer, &progress);
	shorten_log(writer);
	if (writer->messages_changed)
		store_accept_messages(writer);
	return SQLITE_OK;
}

/* ---- what is written ---- */

void
store_writer_note_settled(struct store_writer *writer)
{
	/* What is queued was put last, without a gap; what was kept out of it has gaps before it. */
	if (!writer->slice.count && !writer->kept.count)
		writer->settled = writer->put - writer->queue.count;
}

/* ---- the thread ---- */

/* When there is something to write; NEVER: nothing. Under the lock, as all up to run(). */
static uint64_t
due_ms(const struct store_writer *writer)
{
	size_t queued = writer->kept.count + writer->queue.count;

	if (writer->holding)
		return NEVER;
	if (writer->retry_ms)
		return writer->retry_ms;
	if (writer->gathering)
		return NEVER; /* the rest comes at once */
	if (queued && (writer->urgent || writer->ending || queued >= WRITER_SLICE))
		return 0;
	if (queued)
		return writer->first_ms + WRITER_WAIT_MS;
	if (!writer->ending && store_merge_wanted(writer))
		return writer->first_ms + WRITER_WAIT_MS;
	return NEVER;
}

static void
sleep_until(struct store_writer *writer, uint64_t due)
{
	struct timespec ts = { (time_t)(due / 1000), (long)(due % 1000) * 1000000 };

	if (due == NEVER)
		pthread_cond_wait(&writer->wake, &writer->lock);
	else
		pthread_cond_timedwait(&writer->wake, &writer->lock, &ts);
}

/* What belongs to the last one of the slice comes with it. */
static void
take_joined(struct store_writer *writer)
{
	for (;;) {
		struct records_at at = { 0 };
		const struct journal_entry *next = records_next(&writer->queue, &at);

		if (!next || !next->joins)
			return;
		records_move(&writer->slice, &writer->queue, writer->slice.count + 1);
	}
}

/* Takes a slice, unless one is to be tried again. False: it is time to end. */
static bool
take_slice(struct store_writer *writer)
{
	for (;;) {
		uint64_t due = due_ms(writer);
		uint64_t now = store_now_ms();

		if (writer->ending && due == NEVER)
			return false;
		if (writer->ending && writer->failure &&
		    now >= writer->ending_ms + WRITER_LAST_TRIES_MS)
			return false;
		if (now >= due)
			break;
		sleep_until(writer, due);
	}
	if (writer->slice.count)
		return true;
	store_writer_note_settled(writer);
	records_move(&writer->slice, &writer->kept, SIZE_MAX);
	records_move(&writer->slice, &writer->queue, WRITER_SLICE);
	take_joined(writer);
	writer->slice_until = writer->put - writer->queue.count;
	if (!writer->queue.count)
		writer->urgent = false;
	if (writer->has_next_sealer) {
		sealer_free(writer->sealer);
		writer->sealer = writer->next_sealer;
		writer->next_sealer = NULL;
		writer->has_next_sealer = false;
	}
	writer->slice_ms = writer->first_ms;
	writer->first_ms = store_now_ms();
	return true;
}

static void
settle(struct store_writer *writer, int code)
{
	if (code == SQLITE_OK) {
		writer->written += writer->slice.count;
		writer->failure = 0;
		writer->retry_ms = 0;
		writer->back_off_ms = WRITER_RETRY_MIN_MS;
		records_clear(&writer->slice);
		writer->settled = writer->slice_until;
	} else {
		if (!writer->failure)
			writer->failing_since_ms = clock_now_ms();
		writer->failure =
			store_file_error(writer->file, code, "write the journal", writer->error);
		writer->retry_ms = store_now_ms() + writer->back_off_ms;
		writer->back_off_ms *= 2;
		if (writer->back_off_ms > WRITER_RETRY_MAX_MS)
			writer->back_off_ms = WRITER_RETRY_MAX_MS;
	}
	pthread_cond_broadcast(&writer->done);
}

/* Behind settle(): who is told looks at what is written. Its hook may take other locks, but no call of the store. */
static void
tell_messages(struct store_writer *writer)
{
	if (writer->messages_tell && writer->on_messages)
		writer->on_messages(writer->on_messages_ctx);
	writer->messages_tell = false;
}

static void *
run(void *arg)
{
	struct store_writer *writer = arg;

	thread_guard_enter(THREAD_STORE);
	pthread_mutex_lock(&writer->lock);
	while (take_slice(writer)) {
		int code;

		pthread_mutex_unlock(&writer->lock);
		code = transact(writer);
		pthread_mutex_lock(&writer->lock);
		settle(writer, code);
		tell_messages(writer);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

/* ---- life ---- */

static int
prepare_all(struct store_writer *writer)
{
	sqlite3_stmt *any = store_file_prepare(writer->file, "SELECT 1 FROM report_log LIMIT 1");
	int code = any ? sqlite3_step(any) : sqlite3_extended_errcode(writer->file->db);

	sqlite3_finalize(any);
	writer->any_logs = code == SQLITE_ROW;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return code;
	for (unsigned i = 0; i < SQL_COUNT; i++) {
		writer->sql[i] = store_file_prepare(writer->file, texts[i]);
		if (!writer->sql[i])
			return sqlite3_extended_errcode(writer->file->db);
	}
	return SQLITE_OK;
}

void
store_writer_rest(struct store_writer *writer, struct store_file *file)
{
	pthread_condattr_t attr;

	*writer = (struct store_writer){ .file = file,
					 .queue_max = STORE_QUEUE_MAX,
					 .back_off_ms = WRITER_RETRY_MIN_MS,
					 .next_seq = 1,
					 .merge_at = WRITER_MERGE_AT };
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->wake, &attr);
	pthread_cond_init(&writer->done, &attr);
	pthread_condattr_destroy(&attr);
}

int
store_writer_init(struct store_writer *writer, struct store_file *file, char error[STORE_ERROR_MAX])
{
	int code;

	store_writer_rest(writer, file);
	code = prepare_all(writer);
	if (code == SQLITE_OK)
		code = summaries_load(&writer->summaries, file);
	if (code == SQLITE_OK)
		code = store_restore_messages(writer);
	if (code == SQLITE_OK)
		code = store_merge_restore(writer);
	if (code == SQLITE_OK)
		return 0;
	code = store_file_error(file, code, "read it", error);
	store_writer_fini(writer);
	return code;
}

int
store_writer_start(struct store_writer *writer)
{
	int code = store_checkpoint_start(&writer->checkpoint, writer->file);

	if (code < 0)
		return code;
	sqlite3_wal_hook(writer->file->db, note_pages, writer);
	code = pthread_create(&writer->thread, NULL, run, writer);
	writer->started = code == 0;
	return -code;
}

void
store_writer_fini(struct store_writer *writer)
{
	if (writer->started) {
		pthread_mutex_lock(&writer->lock);
		writer->ending = true;
		writer->ending_ms = store_now_ms();
		writer->back_off_ms = WRITER_RETRY_MIN_MS;
		if (writer->retry_ms)
			writer->retry_ms = 1;
		pthread_cond_signal(&writer->wake);
		pthread_mutex_unlock(&writer->lock);
		pthread_join(writer->thread, NULL);
	}
	store_checkpoint_fini(&writer->checkpoint);
	for (unsigned i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(writer->sql[i]);
	sealer_free(writer->sealer);
	sealer_free(writer->next_sealer);
	records_clear(&writer->kept);
	records_clear(&writer->queue);
	records_clear(&writer->slice);
	recent_fini(&writer->recent);
	recent_fini(&writer->merging);
	summaries_fini(&writer->summaries);
	id_set_fini(&writer->removed);
	pthread_cond_destroy(&writer->wake);
	pthread_cond_destroy(&writer->done);
	pthread_mutex_destroy(&writer->lock);
}
