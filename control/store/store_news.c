/* Reports and visits into `news`, some rows a statement: each run of one costs as much as two rows. */
#include <assert.h>

#include "control/store/store_writer.h"

enum { COLUMNS = 8 };

/* The number of a summary, now kept if there is room; 0: it stands in the report. */
static int
intern(struct store_writer *writer, const char *summary, unsigned *id)
{
	sqlite3_stmt *stmt = writer->sql[SQL_PUT_SUMMARY];

	*id = summaries_find(&writer->summaries, summary);
	if (*id)
		return SQLITE_OK;
	*id = summaries_add(&writer->summaries, summary);
	if (!*id)
		return SQLITE_OK;
	sqlite3_bind_int64(stmt, 1, *id);
	sqlite3_bind_text(stmt, 2, summary, -1, SQLITE_STATIC);
	return store_file_run(stmt);
}

static void
bind_row(sqlite3_stmt *stmt, unsigned row, const struct news_row *news)
{
	const struct journal_entry *entry = news->entry;
	int before = (int)row * COLUMNS;

	sqlite3_bind_int64(stmt, before + 1, entry->seq);
	sqlite3_bind_int64(stmt, before + 2, entry->device);
	if (entry->kind == JOURNAL_VISIT)
		sqlite3_bind_null(stmt, before + 3);
	else
		sqlite3_bind_int64(stmt, before + 3, entry->task);
	sqlite3_bind_int64(stmt, before + 4, entry->status);
	sqlite3_bind_int64(stmt, before + 5, (int64_t)entry->started_ms);
	sqlite3_bind_int64(stmt, before + 6, (int64_t)entry->finished_ms);
	if (news->summary || entry->kind == JOURNAL_VISIT)
		sqlite3_bind_int64(stmt, before + 7, news->summary);
	else
		sqlite3_bind_text(stmt, before + 7, entry->text, (int)entry->name_len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, before + 8, (int64_t)entry->count);
}

int
store_news_flush(struct store_writer *writer)
{
	struct news *news = &writer->news;
	sqlite3_stmt *stmt = writer->sql[news->n == NEWS_AT_ONCE ? SQL_ADD_ENTRIES : SQL_ADD_ENTRY];
	unsigned rows = news->n == NEWS_AT_ONCE ? NEWS_AT_ONCE : 1;
	int code = SQLITE_OK;

	for (unsigned i = 0; i < news->n && code == SQLITE_OK; i += rows) {
		for (unsigned row = 0; row < rows; row++)
			bind_row(stmt, row, &news->rows[i + row]);
		code = store_file_run(stmt);
	}
	news->n = 0;
	return code;
}

int
store_news_put(struct store_writer *writer, struct journal_entry *entry)
{
	unsigned summary = entry->format;
	int code = SQLITE_OK;

	if (entry->kind == JOURNAL_REPORT)
		code = intern(writer, entry->text, &summary);
	if (code != SQLITE_OK)
		return code;
	assert(writer->next_seq > 0);
	entry->seq = writer->next_seq++;
	writer->news.rows[writer->news.n++] = (struct news_row){ entry, summary };
	return writer->news.n == NEWS_AT_ONCE ? store_news_flush(writer) : SQLITE_OK;
}
