/* Summaries that many reports share are kept once, so that a report takes 30 bytes and not 80. */
#include <stdlib.h>
#include <string.h>

#include "control/store/store_writer.h"
#include "tasks/hash.h"

enum { INDEX_SIZE = WRITER_SUMMARIES_MAX * 4 };

static uint16_t *
slot_of(const struct summaries *summaries, const char *text)
{
	uint32_t hash = hash32_bytes(HASH32_EMPTY, text, strlen(text));

	for (size_t at = hash % INDEX_SIZE;; at = (at + 1) % INDEX_SIZE) {
		unsigned id = summaries->index[at];

		if (!id || strcmp(summaries->texts[id - 1], text) == 0)
			return &summaries->index[at];
	}
}

unsigned
summaries_find(const struct summaries *summaries, const char *text)
{
	return *slot_of(summaries, text);
}

static bool
keep(struct summaries *summaries, unsigned id, const char *text)
{
	uint16_t *slot = slot_of(summaries, text);
	char *copy;

	if (*slot)
		return true;
	copy = strdup(text);
	if (!copy)
		return false;
	summaries->texts[id - 1] = copy;
	*slot = (uint16_t)id;
	return true;
}

unsigned
summaries_add(struct summaries *summaries, const char *text)
{
	if (summaries->count >= summaries->room || !keep(summaries, summaries->count + 1, text))
		return 0;
	return ++summaries->count;
}

void
summaries_cut(struct summaries *summaries, unsigned count)
{
	if (summaries->count == count)
		return;
	for (unsigned id = count + 1; id <= summaries->count; id++) {
		free(summaries->texts[id - 1]);
		summaries->texts[id - 1] = NULL;
	}
	summaries->count = count;
	memset(summaries->index, 0, INDEX_SIZE * sizeof *summaries->index);
	for (unsigned id = 1; id <= count; id++)
		if (summaries->texts[id - 1])
			*slot_of(summaries, summaries->texts[id - 1]) = (uint16_t)id;
}

static int
load_rows(struct summaries *summaries, sqlite3_stmt *stmt)
{
	int code;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		const char *text = (const char *)sqlite3_column_text(stmt, 1);

		if (id < 1 || id > WRITER_SUMMARIES_MAX || !text)
			return SQLITE_CORRUPT;
		if (!keep(summaries, (unsigned)id, text))
			return SQLITE_NOMEM;
		summaries->count = (unsigned)id;
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
summaries_load(struct summaries *summaries, const struct store_file *file)
{
	sqlite3_stmt *stmt;
	int code;

	*summaries = (struct summaries){ .room = WRITER_SUMMARIES_MAX };
	summaries->texts = calloc(WRITER_SUMMARIES_MAX, sizeof *summaries->texts);
	summaries->index = calloc(INDEX_SIZE, sizeof *summaries->index);
	if (!summaries->texts || !summaries->index)
		return SQLITE_NOMEM;
	stmt = store_file_prepare(file, "SELECT id, text FROM summary ORDER BY id");
	if (!stmt)
		return sqlite3_extended_errcode(file->db);
	code = load_rows(summaries, stmt);
	sqlite3_finalize(stmt);
	return code;
}

void
summaries_fini(struct summaries *summaries)
{
	for (unsigned i = 0; summaries->texts && i < WRITER_SUMMARIES_MAX; i++)
		free(summaries->texts[i]);
	free(summaries->texts);
	free(summaries->index);
	*summaries = (struct summaries){ 0 };
}
