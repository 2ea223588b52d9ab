/*
 * CSV (RFC 4180). A row is found first, by counting quotes up to a line break, then split in place.
 * A row that can't be split costs its first line alone: reading goes on with the next line, so that
 * one stray quote does not swallow what follows.
 */
#include "control/inventory/import_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/inventory/setting_values.h"

enum { COLUMN_NAME_MAX = SETTING_NAME_MAX + 8 };

enum column_kind {
	COLUMN_ENDPOINT,
	COLUMN_IDENTITY,
	COLUMN_KEY,
	COLUMN_KEY_HEX,
	COLUMN_DOMAIN,
	COLUMN_GROUPS,
	COLUMN_VALUE,
	COLUMN_SECRET,
	COLUMN_KINDS
};

static const char *const column_names[] = { "endpoint", "identity", "key",    "key_hex",
					    "domain",   "groups",   "value.", "secret." };

struct column {
	enum column_kind kind;
	char name[COLUMN_NAME_MAX + 1];
	const char *value; /* the setting value's name, in `name` */
};

struct cell {
	char *text;
	size_t len;
	bool quoted;
};

struct csv {
	struct import *import;
	struct column *columns;
	struct cell *cells;
	unsigned n_columns, n_cells;
	bool dry; /* split() tells what is wrong, and changes nothing */
};

/* A row in the buffer, from import_at() on. */
struct extent {
	size_t len;     /* without its last line break */
	size_t whole;   /* with it */
	size_t first;   /* of its first line, the line break included */
	uint32_t lines; /* line breaks in `whole` */
};

/* --- finding a row --- */

enum found { FOUND, FOUND_END, FOUND_UNCLOSED, FOUND_TOO_LONG };

static size_t
count_quotes(const char *at, const char *end)
{
	size_t n = 0;

	while ((at = memchr(at, '"', (size_t)(end - at)))) {
		n++;
		at++;
	}
	return n;
}

/* The first line break from `from` on outside quotes, of which `quotes` are known so far; fills the buffer as needed. */
static enum found
find_row(struct import *import, struct extent *extent)
{
	size_t from = 0, quotes = 0;

	*extent = (struct extent){ 0 };
	for (;;) {
		const char *row = import_at(import);
		size_t len = import_left(import);
		const char *end = memchr(row + from, '\n', len - from);

		if (!end) {
			if (import_fill(import))
				continue;
			if (import->failed)
				return FOUND_END;
			extent->len = extent->whole = import_left(import);
			if (!extent->lines)
				extent->first = extent->whole;
			if (extent->len > IMPORT_ROW_MAX && quotes % 2 == 0)
				return FOUND_TOO_LONG;
			row = import_at(import);
			quotes += count_quotes(row + from, row + extent->len);
			if (quotes % 2)
				return FOUND_UNCLOSED;
			return extent->len ? FOUND : FOUND_END;
		}
		quotes += count_quotes(row + from, end);
		from = (size_t)(end - row) + 1;
		if (!extent->lines++)
			extent->first = from;
		if (quotes % 2 == 0) {
			extent->len = from - 1;
			extent->whole = from;
			return FOUND;
		}
		if (from > IMPORT_ROW_MAX)
			return FOUND_UNCLOSED;
	}
}

/* A line of which not even the end is in sight. */
static void
skip_line(struct import *import)
{
	const char *end;

	do {
		const char *line = import_at(import);

		end = memchr(line, '\n', import_left(import));
		import_take(import, end ? (size_t)(end - line) + 1 : import_left(import),
			    end ? 1 : 0);
	} while (!end && import_fill(import));
}

/* --- splitting it --- */

/* The cell in quotes at `*at`, undone in place; *at is behind the closing quote. False: none closes it. */
static bool
take_quoted(const struct csv *csv, char **at, const char *end, struct cell *cell)
{
	char *from = *at + 1, *to = from;

	*cell = (struct cell){ .text = from, .quoted = true };
	for (; from < end; from++) {
		if (*from == '"') {
			if (from + 1 == end || from[1] != '"')
				break;
			from++;
		}
		if (!csv->dry)
			*to = *from;
		to++;
	}
	if (from >= end)
		return false;
	*at = from + 1;
	cell->len = (size_t)(to - cell->text);
	if (!csv->dry)
		*to = '\0';
	return true;
}

/* NULL, or what is wrong with the row [at, end), where a NUL may be put at `end`. */
static const char *
split(struct csv *csv, char *at, char *end, unsigned max)
{
	csv->n_cells = 0;
	for (;;) {
		struct cell *cell = &csv->cells[csv->n_cells];
		char *comma;

		if (csv->n_cells++ == max)
			return "has more cells than the header has columns";
		if (at < end && *at == '"') {
			if (!take_quoted(csv, &at, end, cell))
				return "a quote is opened and never closed";
			if (at < end && *at != ',')
				return "text stands behind a closing quote; a quote within a cell "
				       "is written twice";
			comma = at < end ? at : NULL;
		} else {
			comma = memchr(at, ',', (size_t)(end - at));
			*cell = (struct cell){ .text = at,
					       .len = (size_t)((comma ? comma : end) - at) };
			if (cell->len && memchr(at, '"', cell->len))
				return "a quote stands within a cell that does not begin with one; "
				       "put the cell in quotes and write the quote twice";
			if (!csv->dry)
				at[cell->len] = '\0';
		}
		if (!comma)
			return NULL;
		at = comma + 1;
	}
}

/* --- the header --- */

static void
unknown_column(struct csv *csv, const char *name, const struct cell *cell)
{
	const char *nearest = diag_nearest(name, column_names, COLUMN_KINDS);
	struct text text;

	text_init(&text);
	text_put_untrusted(&text, cell->text, cell->len < 100 ? cell->len : 100);
	if (csv->n_cells == 1 && strpbrk(name, ";\t"))
		import_error(csv->import, NULL, NULL,
			     "the columns are separated by %s: save the file with commas",
			     strchr(name, ';') ? "semicolons" : "tabs");
	else if (strcmp(name, "key." IMPORT_LEFT_OUT) == 0)
		import_error(csv->import, NULL, NULL,
			     "this file was exported without its secrets; export it with them");
	else
		import_error(csv->import, NULL, NULL,
			     "unknown column \"%s\"%s%s%s; a setting value is value.NAME or "
			     "secret.NAME",
			     text_str(&text), nearest ? "; did you mean \"" : "",
			     nearest ? nearest : "", nearest ? "\"" : "");
	text_fini(&text);
	csv->import->failed = -EINVAL;
}

static void
trim(struct cell *cell)
{
	while (cell->len && cell->text[0] == ' ') {
		cell->text++;
		cell->len--;
	}
	while (cell->len && cell->text[cell->len - 1] == ' ')
		cell->text[--cell->len] = '\0';
}

static void
read_column(struct csv *csv, struct cell *cell)
{
	struct column *column = &csv->columns[csv->n_columns];

	trim(cell);
	for (unsigned i = 0; i < COLUMN_KINDS; i++) {
		size_t len = strlen(column_names[i]);
		bool value = i >= COLUMN_VALUE;

		if (cell->len > COLUMN_NAME_MAX || strlen(cell->text) != cell->len ||
		    strncmp(cell->text, column_names[i], len) != 0 ||
		    (value ? cell->len == len : cell->len != len))
			continue;
		*column = (struct column){ .kind = (enum column_kind)i };
		memcpy(column->name, cell->text, cell->len + 1);
		column->value = column->name + len;
		csv->n_columns++;
		return;
	}
	unknown_column(csv, cell->text, cell);
}

/* Two columns of one meaning: value.x and secret.x, too. */
static bool
is_same(const struct column *a, const struct column *b)
{
	bool values = a->kind >= COLUMN_VALUE && b->kind >= COLUMN_VALUE;

	return values ? strcmp(a->value, b->value) == 0 : a->kind == b->kind;
}

static void
check_columns(struct csv *csv)
{
	bool endpoint = false;

	for (unsigned i = 0; i < csv->n_columns; i++) {
		endpoint |= csv->columns[i].kind == COLUMN_ENDPOINT;
		for (unsigned j = 0; j < i; j++)
			if (is_same(&csv->columns[i], &csv->columns[j])) {
				import_error(
					csv->import, NULL, NULL,
					"the columns \"%s\" and \"%s\" say the same: leave one out",
					csv->columns[j].name, csv->columns[i].name);
				csv->import->failed = -EINVAL;
			}
	}
	if (endpoint)
		return;
	if (!csv->import->failed)
		import_error(csv->import, NULL, NULL,
			     "the first line must name the columns, and \"endpoint\" is not among "
			     "them");
	csv->import->failed = -EINVAL;
}

static void
read_header(struct csv *csv)
{
	struct import *import = csv->import;
	struct extent extent;
	const char *wrong;
	char *row;

	if (find_row(import, &extent) != FOUND || extent.len == 0) {
		import_error(import, NULL, NULL,
			     "the first line must name the columns: endpoint and others");
		import->failed = import->failed ? import->failed : -EINVAL;
		return;
	}
	row = import_at(import);
	if (extent.len && row[extent.len - 1] == '\r')
		extent.len--;
	wrong = split(csv, row, row + extent.len, IMPORT_COLUMNS_MAX);
	if (wrong) {
		import_error(import, NULL, NULL, "%s",
			     csv->n_cells > IMPORT_COLUMNS_MAX ? "has more than 1100 columns"
							       : wrong);
		import->failed = -EINVAL;
		return;
	}
	for (unsigned i = 0; i < csv->n_cells; i++)
		read_column(csv, &csv->cells[i]);
	check_columns(csv);
	import_take(import, extent.whole, extent.lines);
}

/* --- rows --- */

static void
put_cell(struct csv *csv, struct import_row *row, unsigned index)
{
	const struct column *column = &csv->columns[index];
	const struct cell *cell = &csv->cells[index];
	const struct import_cell found = { cell->text, cell->len };
	struct import_cell *const places[] = { &row->endpoint, &row->identity, &row->key,
					       &row->key_hex,  &row->domain,   &row->groups };

	if (cell->len == 0 && !(cell->quoted && column->kind >= COLUMN_VALUE))
		return;
	if (column->kind >= COLUMN_VALUE)
		import_row_value(csv->import, row, column->name, column->value, found,
				 column->kind == COLUMN_SECRET);
	else
		*places[column->kind] = found;
}

/* What is wrong with the row, found out without changing it: its lines may be read anew. */
static const char *
check_split(struct csv *csv, char *at, size_t len)
{
	const char *wrong;

	csv->dry = true;
	wrong = split(csv, at, at + len, csv->n_columns);
	csv->dry = false;
	return wrong;
}

/* Takes the row; of one that can't be split, its first line alone. */
static void
read_row(struct csv *csv, const struct extent *extent)
{
	struct import *import = csv->import;
	struct import_row row = { .line = import->line };
	char *at = import_at(import);
	size_t len = extent->len;
	const char *wrong;

	if (len && at[len - 1] == '\r')
		len--;
	wrong = extent->lines > 1 ? check_split(csv, at, len) : NULL;
	if (wrong) {
		import_bad_row(import, row.line, NULL, "%s", wrong);
		import_take(import, extent->first, 1);
		return;
	}
	wrong = len ? split(csv, at, at + len, csv->n_columns) : NULL;
	if (wrong) {
		import_bad_row(import, row.line, NULL, "%s", wrong);
	} else if (len && csv->n_cells < csv->n_columns) {
		import_bad_row(import, row.line, NULL, "has %u cells, and the header %u columns",
			       csv->n_cells, csv->n_columns);
	} else if (len) {
		for (unsigned i = 0; i < csv->n_columns; i++)
			put_cell(csv, &row, i);
		import_row_finish(import, &row);
	}
	import_take(import, extent->whole, extent->lines);
}

static void
read_unclosed(struct csv *csv, const struct extent *extent)
{
	struct import *import = csv->import;
	size_t len = extent->lines ? extent->first - 1 : extent->first;
	const char *wrong = check_split(csv, import_at(import), len);

	import_bad_row(import, import->line, NULL, "%s",
		       wrong ? wrong : "a quote is opened and never closed");
	import_take(import, extent->first, extent->lines ? 1 : 0);
}

static void
read_rows(struct csv *csv)
{
	struct import *import = csv->import;
	struct extent extent;

	while (!import->failed) {
		switch (find_row(import, &extent)) {
		case FOUND_END:
			return;
		case FOUND:
			read_row(csv, &extent);
			break;
		case FOUND_UNCLOSED:
			read_unclosed(csv, &extent);
			break;
		case FOUND_TOO_LONG:
			import_bad_row(import, import->line, NULL, "is longer than %d bytes",
				       IMPORT_ROW_MAX);
			skip_line(import);
			break;
		}
	}
}

void
import_csv(struct import *import)
{
	struct csv csv = { .import = import };

	csv.columns = calloc(IMPORT_COLUMNS_MAX, sizeof *csv.columns);
	csv.cells = calloc(IMPORT_COLUMNS_MAX + 1, sizeof *csv.cells);
	if (csv.columns && csv.cells) {
		read_header(&csv);
		read_rows(&csv);
	} else {
		import->failed = -ENOMEM;
	}
	free(csv.columns);
	free(csv.cells);
}
