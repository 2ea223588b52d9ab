/* The store while another process takes its files over: what is queued waits, and is that one's or goes on here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/store/store_messages.h"
#include "control/store/store_private.h"

/* What is told of the files while nobody reads them; and none of the messages gets a number that another one has. */
struct known {
	int64_t last_message, messages[MESSAGE_STATES];
	uint64_t put, written, lost;
};

static struct known
what_is_known(const struct store_writer *writer)
{
	struct known known = { .last_message = writer->last_message,
			       .put = writer->put,
			       .written = writer->written,
			       .lost = writer->lost };

	memcpy(known.messages, writer->messages, sizeof known.messages);
	return known;
}

static void
rest(struct store *store, const struct known *known)
{
	struct store_writer *writer = &store->writer;

	store_writer_rest(writer, &store->reports);
	writer->last_message = known->last_message;
	writer->put = known->put;
	writer->written = known->written;
	writer->lost = known->lost;
	memcpy(writer->messages, known->messages, sizeof writer->messages);
	store_change_rest(&store->change, store, &store->inventory);
}

int
store_suspend(struct store *store, unsigned wait_ms, const struct pump *pump,
	      char error[STORE_ERROR_MAX])
{
	struct known known;
	int code;

	if (store->suspended)
		return 0;
	if (store->change.open) {
		snprintf(error, STORE_ERROR_MAX, "another change is being written: try again");
		return -EBUSY;
	}
	code = store_flush(store, wait_ms, pump, error);
	if (code < 0)
		return code;
	store_change_fini(&store->change);
	known = what_is_known(&store->writer);
	store_writer_fini(&store->writer);
	sqlite3_close(store->reader);
	store->reader = NULL;
	store_file_close(&store->inventory);
	store_file_close(&store->reports);
	close(store->lock_fd);
	store->lock_fd = -1;
	rest(store, &known);
	store->suspended = true;
	return 0;
}

/* What waits, with its numbers: who asked for those before goes on asking. */
struct waiting {
	struct records kept, queue;
	uint64_t put, settled, written, lost;
};

/* Out of the queue that nobody writes. */
static struct waiting
take_waiting(struct store_writer *writer)
{
	struct waiting waiting;

	store_writer_note_settled(writer);
	waiting = (struct waiting){ .kept = writer->kept,
				    .queue = writer->queue,
				    .put = writer->put,
				    .settled = writer->settled,
				    .written = writer->written,
				    .lost = writer->lost };
	writer->kept = writer->queue = (struct records){ 0 };
	return waiting;
}

static void
put_back(struct store_writer *writer, const struct waiting *waiting)
{
	writer->kept = waiting->kept;
	writer->queue = waiting->queue;
	writer->put = waiting->put;
	writer->settled = waiting->settled;
	writer->written = waiting->written;
	writer->lost = waiting->lost;
	writer->first_ms = store_now_ms();
}

int
store_resume(struct store *store, char error[STORE_ERROR_MAX])
{
	const struct known known = what_is_known(&store->writer);
	struct waiting waiting;
	int code;

	if (!store->suspended)
		return 0;
	waiting = take_waiting(&store->writer);
	store_change_fini(&store->change);
	store_writer_fini(&store->writer);
	code = store_open_files(store, error);
	if (code < 0) {
		store_file_close(&store->inventory);
		store_file_close(&store->reports);
		if (store->lock_fd >= 0)
			close(store->lock_fd);
		store->lock_fd = -1;
		rest(store, &known); /* whatever was read of them up to there */
	}
	put_back(&store->writer, &waiting);
	if (store->writer.last_message < known.last_message)
		store->writer.last_message = known.last_message;
	store->suspended = code < 0;
	return code;
}

/* ---- versions ---- */

static int
check_file(const char *path, const struct store_schema *schema, char error[STORE_ERROR_MAX])
{
	struct store_file file = { .path = path, .schema = schema };
	int version = -1, code = sqlite3_open_v2(path, &file.db, SQLITE_OPEN_READONLY, NULL);
	sqlite3_stmt *stmt = NULL;

	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(file.db, "PRAGMA user_version", -1, &stmt, NULL);
	if (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	if (code != SQLITE_OK)
		code = store_file_error(&file, code, "read it", error);
	store_file_close(&file);
	if (code < 0 || version == schema->n_steps)
		return code;
	snprintf(error, STORE_ERROR_MAX,
		 "%.300s: its schema is %d, and this version's is %d: stop the appliance and start "
		 "it, "
		 "which brings the store there",
		 path, version, schema->n_steps);
	return -EINVAL;
}

int
store_check_version(const char *path, char error[STORE_ERROR_MAX])
{
	char reports[4096 + 16];
	int code = check_file(path, &store_inventory_schema, error);

	snprintf(reports, sizeof reports, "%s-reports", path);
	return code < 0 ? code : check_file(reports, &store_reports_schema, error);
}

/* ---- what waits ---- */

enum store_waiting_kind
store_waiting_kind(const struct store_waiting *waiting)
{
	switch (waiting->kind) {
	case JOURNAL_REPORT:
		return STORE_WAITING_REPORT;
	case JOURNAL_VISIT:
		return STORE_WAITING_VISIT;
	case JOURNAL_UNKNOWN:
		return STORE_WAITING_UNKNOWN;
	case JOURNAL_NOTE:
		return STORE_WAITING_NOTE;
	default:
		return STORE_WAITING_OTHER;
	}
}

static void
each_of(const struct records *records, void (*each)(void *ctx, const struct store_waiting *waiting),
	void *ctx)
{
	struct records_at at = { 0 };
	const struct journal_entry *entry;

	while ((entry = records_next(records, &at))) {
		const struct store_waiting waiting = {
			.kind = entry->kind,
			.status = entry->status,
			.format = entry->format,
			.device = entry->device,
			.task = entry->task,
			.started_ms = entry->started_ms,
			.finished_ms = entry->finished_ms,
			.count = entry->count,
			.name = entry->text,
			.name_len = entry->name_len,
			.more = entry->has_more ? entry->text + entry->name_len + 1 : NULL,
			.joins = entry->joins,
		};

		each(ctx, &waiting);
	}
}

void
store_each_waiting(const struct store *store,
		   void (*each)(void *ctx, const struct store_waiting *waiting), void *ctx)
{
	each_of(&store->writer.kept, each, ctx);
	each_of(&store->writer.queue, each, ctx);
}

int
store_put_waiting(struct store *store, const struct store_waiting *waiting)
{
	const struct journal_entry entry = {
		.kind = waiting->kind,
		.status = waiting->status,
		.format = waiting->format,
		.device = waiting->device,
		.task = waiting->task,
		.started_ms = waiting->started_ms,
		.finished_ms = waiting->finished_ms,
		.count = waiting->count,
	};

	if (waiting->kind > JOURNAL_NOTE)
		return -EINVAL;
	if (waiting->kind == JOURNAL_MESSAGE &&
	    (int64_t)waiting->count > store->writer.last_message)
		store->writer.last_message = (int64_t)waiting->count;
	return store_writer_put(
		       &store->writer, &entry,
		       &(struct journal_text){ waiting->name, waiting->name_len, waiting->more })
		       ? 0
		       : -ENOMEM;
}
