/* News moves from its table to those of reports and visits, in order of devices. */

#include "control/store/store_writer.h"
#include <assert.h>

/* Rows of a transaction: no clock, so that a busy machine does not fall behind its own journal. */
enum {
	FOLD_MIN = 2048,
	FOLD_PACE = 3, /* as many times as rows came: one to move, one to delete, one ahead */
	FOLD_DROP_STEP = 2048,
};

int
store_merge_restore(struct store_writer *writer)
{
	sqlite3_stmt *stmt =
		store_file_prepare(writer->file, "SELECT seq, device, task FROM news ORDER BY seq");
	int code;

	if (!stmt)
		return sqlite3_extended_errcode(writer->file->db);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct recent_entry entry = {
			.seq = sqlite3_column_int64(stmt, 0),
			.device = (uint32_t)sqlite3_column_int64(stmt, 1),
			.task = WRITER_VISIT,
		};

		if (sqlite3_column_type(stmt, 2) != SQLITE_NULL)
			entry.task = (uint32_t)sqlite3_column_int64(stmt, 2);
		if (recent_reserve(&writer->recent, 1) < 0) {
			code = SQLITE_NOMEM;
			break;
		}
		if (!writer->recent.count)
			writer->dropped = entry.seq - 1;
		recent_set(&writer->recent, &entry);
		writer->next_seq = entry.seq + 1;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/*
 * Rows count, not the places that they are of: a few devices that come again and again would leave a
 * journal without end.
 */
bool
store_merge_wanted(const struct store_writer *writer)
{
	size_t rows = (size_t)(writer->next_seq - 1 - writer->dropped);

	return writer->merging.entries || (writer->recent.count && rows >= writer->merge_at);
}

static int
merge_entry(struct store_writer *writer, const struct recent_entry *entry)
{
	sqlite3_stmt *stmt = writer->sql[SQL_FOLD_REPORT];
	int code;

	if (id_set_has(&writer->removed, entry->device))
		return SQLITE_OK;
	if (entry->task == WRITER_VISIT)
		stmt = writer->sql[SQL_FOLD_VISIT];
	sqlite3_bind_int64(stmt, 1, entry->seq);
	code = store_file_run(stmt);
	if (code != SQLITE_OK || sqlite3_changes(writer->file->db) || entry->task == WRITER_VISIT)
		return code;
	stmt = writer->sql[SQL_FOLD_REMOVAL];
	sqlite3_bind_int64(stmt, 1, (int64_t)entry->device << 31 | entry->task);
	return store_file_run(stmt);
}

/* After all entries: the rows that they stood in. */
static int
drop_entries(struct store_writer *writer, struct merge_progress *progress)
{
	sqlite3_stmt *stmt = writer->sql[SQL_DROP_ENTRIES];
	int64_t end = progress->dropped + FOLD_DROP_STEP;

	if (end > writer->merging.last_seq)
		end = writer->merging.last_seq;
	assert(end >= progress->dropped);
	sqlite3_bind_int64(stmt, 1, end);
	progress->dropped = end;
	return store_file_run(stmt);
}

void
store_merge_begin(struct store_writer *writer)
{
	assert(!writer->merging.entries);
	writer->merging = writer->recent;
	writer->recent = (struct recent){ 0 };
	writer->merged = 0;
	recent_sort(&writer->merging);
}

int
store_merge_some(struct store_writer *writer, struct merge_progress *progress)
{
	const struct recent *merging = &writer->merging;
	size_t want = FOLD_MIN + writer->slice.count * FOLD_PACE;
	int code = SQLITE_OK;

	for (size_t done = 0; done < want && code == SQLITE_OK; done++) {
		if (progress->merged < merging->count) {
			code = merge_entry(writer, &merging->entries[progress->merged++]);
		} else if (progress->dropped < merging->last_seq) {
			code = drop_entries(writer, progress);
			done += FOLD_DROP_STEP - 1;
		} else {
			break;
		}
	}
	return code;
}

void
store_merge_accept(struct store_writer *writer, const struct merge_progress *progress)
{
	assert(progress->merged <= writer->merging.count && progress->merged >= writer->merged);
	writer->merged = progress->merged;
	writer->dropped = progress->dropped;
	if (writer->merged == writer->merging.count && writer->dropped == writer->merging.last_seq)
		recent_fini(&writer->merging);
}
