#include "control/policy/csv_table.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "control/hash_index.h"
#include "control/inventory/csv_row.h"
#include "tasks/hash.h"

struct csv_table {
	struct arena *arena;
	char **cells; /* row by row; the first row names the columns */
	size_t columns, rows;
	struct hash_index *indices; /* of records, a column each; slots NULL: not asked for yet */
};

/* One reading; cells are unquoted in place, in a copy of the text. */
struct reader {
	const char *file;
	char *at, *end;
	uint32_t line;
	struct csv_table *table;
	size_t n_cells, capacity;
	struct arena *arena;
	struct diag_list *diags;
	bool failed;
};

static void
wrong(struct reader *reader, uint32_t line, const char *text)
{
	struct place place = { .file = reader->file, .line = line };

	diag_error(reader->diags, &place, "%s", text);
	reader->failed = true;
}

/* Doubling in an arena wastes as much again, once. */
static bool
add_cell(struct reader *reader, char *cell)
{
	size_t capacity = reader->capacity ? reader->capacity * 2 : 256;
	char **cells;

	assert(reader->n_cells <= reader->capacity);
	if (reader->n_cells == reader->capacity) {
		cells = arena_alloc(reader->arena, capacity * sizeof *cells);
		if (!cells) {
			wrong(reader, reader->line, "out of memory");
			return false;
		}
		if (reader->n_cells)
			memcpy(cells, reader->table->cells, reader->n_cells * sizeof *cells);
		reader->table->cells = cells;
		reader->capacity = capacity;
	}
	reader->table->cells[reader->n_cells++] = cell;
	return true;
}

/* One record of `len` bytes. False when the reading is over. */
static bool
take_record(struct reader *reader, size_t len)
{
	struct csv_cell cells[CSV_TABLE_COLUMNS_MAX + 1];
	struct csv_row row = { .cells = cells, .separator = ',' };
	const char *complaint;

	row.max = reader->table->columns ? (unsigned)reader->table->columns : CSV_TABLE_COLUMNS_MAX;
	complaint = csv_row_split(&row, reader->at, reader->at + len);
	if (!complaint && reader->table->columns && row.n < reader->table->columns)
		complaint = "has fewer cells than the first line has columns";
	if (complaint && !reader->table->columns && row.n > row.max)
		complaint = "too many columns";
	if (complaint) {
		wrong(reader, reader->line, complaint);
		return false;
	}
	reader->table->columns = row.n;
	for (unsigned i = 0; i < row.n; i++)
		if (!add_cell(reader, cells[i].text))
			return false;
	return true;
}

static void
check_header(struct reader *reader)
{
	struct csv_table *table = reader->table;

	for (size_t i = 0; i < table->columns; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(table->cells[i], table->cells[k]) == 0)
				wrong(reader, 1, "two columns have one name");
}

static void
read_all(struct reader *reader)
{
	struct csv_form form = { ',', '\n' };

	if (reader->end - reader->at >= 3 && memcmp(reader->at, "\xef\xbb\xbf", 3) == 0)
		reader->at += 3;
	if (!memchr(reader->at, '\n', (size_t)(reader->end - reader->at)))
		form.newline = '\r';
	while (reader->at < reader->end) {
		size_t left = (size_t)(reader->end - reader->at);
		struct csv_scan scan = { 0 };

		if (!csv_row_find(&form, reader->at, left, &scan) &&
		    !csv_row_last(&form, reader->at, left, &scan)) {
			wrong(reader, reader->line, "a quote is not closed");
			return;
		}
		if (scan.len) { /* an empty line is none */
			if (!take_record(reader, scan.len))
				return;
			reader->table->rows++;
		}
		reader->at += scan.whole;
		reader->line += scan.lines;
	}
	if (!reader->table->rows)
		wrong(reader, 1, "the first line must name the columns");
	else
		check_header(reader);
}

struct csv_table *
csv_table_parse(const char *file, const char *text, size_t len, struct arena *arena,
		struct diag_list *diags)
{
	struct reader reader = { .file = file, .line = 1, .arena = arena, .diags = diags };
	struct place place = { .file = file };

	if (memchr(text, '\0', len)) {
		diag_error(diags, &place, "a NUL byte is no text");
		return NULL;
	}
	reader.table = arena_alloc(arena, sizeof *reader.table);
	reader.at = arena_copy(arena, text, len);
	if (!reader.table || !reader.at) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	*reader.table = (struct csv_table){ .arena = arena };
	reader.end = reader.at + len;
	read_all(&reader);
	if (reader.failed)
		return NULL;
	reader.table->indices =
		arena_alloc(arena, reader.table->columns * sizeof *reader.table->indices);
	if (!reader.table->indices) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	memset(reader.table->indices, 0, reader.table->columns * sizeof *reader.table->indices);
	return reader.table;
}

/* ---- look-ups ---- */

static bool
is_text(const char *text, const char *other, size_t len)
{
	return strlen(text) == len && memcmp(text, other, len) == 0;
}

/* The column's number; `columns`: there is none. */
static size_t
column_of(const struct csv_table *table, const char *name, size_t len)
{
	size_t i = 0;

	while (i < table->columns && !is_text(table->cells[i], name, len))
		i++;
	return i;
}

static const char *
cell(const struct csv_table *table, size_t row, size_t column)
{
	assert(row < table->rows && column < table->columns);
	return table->cells[row * table->columns + column];
}

/* The record, or HASH_INDEX_NONE. */
static uint32_t
find(const struct csv_table *table, size_t column, const char *key, size_t len, uint32_t hash)
{
	const struct hash_index *index = &table->indices[column];
	uint32_t at, row = hash_index_first(index, hash, &at);

	while (row != HASH_INDEX_NONE && !is_text(cell(table, row, column), key, len))
		row = hash_index_next(index, hash, &at);
	return row;
}

/* The first of equal keys stays. */
static bool
make_index(struct csv_table *table, size_t column)
{
	size_t bytes = hash_index_bytes(table->rows);
	void *slots = bytes ? arena_alloc(table->arena, bytes) : NULL;

	if (!slots)
		return false;
	hash_index_place(&table->indices[column], slots, table->rows);
	for (size_t row = 1; row < table->rows; row++) {
		const char *key = cell(table, row, column);
		size_t len = strlen(key);
		uint32_t hash = hash32_bytes(HASH32_EMPTY, key, len);

		if (find(table, column, key, len, hash) == HASH_INDEX_NONE)
			hash_index_add(&table->indices[column], hash, (uint32_t)row);
	}
	return true;
}

const char *
csv_table_find(struct csv_table *table, const char *by, size_t by_len, const char *key,
	       size_t key_len, const char *wanted, size_t wanted_len)
{
	size_t by_column = column_of(table, by, by_len);
	size_t column = column_of(table, wanted, wanted_len);
	uint32_t row;

	if (by_column == table->columns || column == table->columns)
		return NULL;
	if (!table->indices[by_column].slots && !make_index(table, by_column))
		return NULL;
	row = find(table, by_column, key, key_len, hash32_bytes(HASH32_EMPTY, key, key_len));
	return row == HASH_INDEX_NONE ? NULL : cell(table, row, column);
}

size_t
csv_table_columns(const struct csv_table *table, const char *const **names)
{
	*names = (const char *const *)table->cells;
	return table->columns;
}
