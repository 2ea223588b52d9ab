/*
 * CSV (csv_row.h). A row is found first, by counting quotes up to a line break, then split in place.
 * A row that can't be split costs its first line alone: reading goes on with the next line, so that
 * one stray quote does not swallow what follows.
 */
#include "control/inventory/import_row.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/inventory/csv_row.h"
#include "control/inventory/setting_values.h"
#include "tasks/utf8.h"

enum { COLUMN_NAME_MAX = SETTING_NAME_MAX + 8 };

enum column_kind {
	COLUMN_ENDPOINT,
	COLUMN_IDENTITY,
	COLUMN_IDENTITY_HEX,
	COLUMN_KEY,
	COLUMN_KEY_HEX,
	COLUMN_DOMAIN,
	COLUMN_GROUPS,
	COLUMN_NOSEC,
	COLUMN_VALUE,
	COLUMN_SECRET,
	COLUMN_KINDS,
	COLUMN_NONE = COLUMN_KINDS, /* without a name */
};

static const char *const column_names[] = { "endpoint", "identity", "identity_hex",
					    "key",      "key_hex",  "domain",
					    "groups",   "nosec",    "value.",
					    "secret." };

struct column {
	enum column_kind kind;
	char name[COLUMN_NAME_MAX + 1];
	const char *value; /* the setting value's name, in `name` */
};

struct csv {
	struct import *import;
	struct csv_form form;
	struct column *columns;
	unsigned n_columns;
	struct csv_row row;
};

/* --- finding a row --- */

enum found { FOUND, FOUND_END, FOUND_UNCLOSED, FOUND_TOO_LONG };

/* The next row, in the buffer from import_at() on; fills the buffer as needed. */
static enum found
find_row(struct csv *csv, struct csv_scan *scan)
{
	struct import *import = csv->import;

	*scan = (struct csv_scan){ 0 };
	while (!csv_row_find(&csv->form, import_at(import), import_left(import), scan)) {
		bool too_long;

		if (scan->from > IMPORT_ROW_MAX)
			return FOUND_UNCLOSED;
		if (import_fill(import))
			continue;
		if (import->failed)
			return FOUND_END;
		too_long = import_left(import) > IMPORT_ROW_MAX;
		if (!csv_row_last(&csv->form, import_at(import), import_left(import), scan))
			return FOUND_UNCLOSED;
		if (too_long)
			return FOUND_TOO_LONG;
		return scan->whole ? FOUND : FOUND_END;
	}
	return FOUND;
}

/* A line of which not even the end is in sight. */
static void
skip_line(struct csv *csv)
{
	struct import *import = csv->import;
	const char *end;

	do {
		const char *line = import_at(import);

		end = memchr(line, csv->form.newline, import_left(import));
		import_take(import, end ? (size_t)(end - line) + 1 : import_left(import),
			    end ? 1 : 0);
	} while (!end && import_fill(import));
}

/* --- the header --- */

static void
unknown_column(struct csv *csv, const char *name, const struct csv_cell *cell)
{
	const char *nearest = diag_nearest(name, column_names, COLUMN_KINDS);
	struct text text;

	text_init(&text);
	text_put_untrusted(&text, cell->text, utf8_cut(cell->text, cell->len, 100));
	if (strcmp(name, "key." IMPORT_LEFT_OUT) == 0)
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
trim(struct csv_cell *cell)
{
	while (cell->len && cell->text[0] == ' ') {
		cell->text++;
		cell->len--;
	}
	while (cell->len && cell->text[cell->len - 1] == ' ')
		cell->text[--cell->len] = '\0';
}

static void
read_column(struct csv *csv, struct csv_cell *cell)
{
	struct column *column = &csv->columns[csv->n_columns];

	assert(csv->n_columns < IMPORT_COLUMNS_MAX);
	trim(cell);
	if (!cell->len) { /* a spreadsheet's: nothing may stand in it */
		*column = (struct column){ .kind = COLUMN_NONE };
		csv->n_columns++;
		return;
	}
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

/* Two columns of one meaning. A value may be secret on some devices: value.x beside secret.x is not. */
static bool
is_same(const struct column *a, const struct column *b)
{
	return a->kind == b->kind && a->kind != COLUMN_NONE &&
	       (a->kind < COLUMN_VALUE || strcmp(a->value, b->value) == 0);
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

/* The line [at, at + len) says "sep=;", as spreadsheets write it for each other. */
static bool
says_separator(const char *at, size_t len)
{
	return (len == 5 || (len == 6 && at[5] == '\r')) && strncasecmp(at, "sep=", 4) == 0;
}

/*
 * What the first line says of the others. Where no '\n' ends it but a '\r' does, that ends all;
 * what stands most often between its names separates: ',', or ';' or a tab of a spreadsheet.
 */
static void
learn_form(struct csv *csv)
{
	struct import *import = csv->import;
	const char *at, *end;
	size_t len, n[2] = { 0 };

	while (!memchr(import_at(import), '\n', import_left(import)) && import_fill(import))
		;
	at = import_at(import);
	end = memchr(at, '\n', import_left(import));
	if (!end && (end = memchr(at, '\r', import_left(import))) &&
	    end + 1 < at + import_left(import))
		csv->form.newline = '\r';
	len = end ? (size_t)(end - at) : import_left(import);
	if (says_separator(at, len)) {
		csv->form.separator = at[4];
	} else if (!memchr(at, ',', len)) {
		for (size_t i = 0; i < len; i++) {
			n[0] += at[i] == ';';
			n[1] += at[i] == '\t';
		}
		csv->form.separator = n[0] ? ';' : n[1] ? '\t' : ',';
	}
	csv->row.separator = csv->form.separator;
	if (end && says_separator(at, len))
		import_take(import, len + 1, 1);
}

static void
read_header(struct csv *csv)
{
	struct import *import = csv->import;
	struct csv_scan extent;
	const char *wrong;
	char *row;

	learn_form(csv);
	if (find_row(csv, &extent) != FOUND || extent.len == 0) {
		import_error(import, NULL, NULL,
			     "the first line must name the columns: endpoint and others");
		import->failed = import->failed ? import->failed : -EINVAL;
		return;
	}
	row = import_at(import);
	csv->row.max = IMPORT_COLUMNS_MAX;
	wrong = csv_row_split(&csv->row, row, row + extent.len);
	if (wrong) {
		import_error(import, NULL, NULL, "%s",
			     csv->row.n > IMPORT_COLUMNS_MAX ? "has more than 1100 columns"
							     : wrong);
		import->failed = -EINVAL;
		return;
	}
	for (unsigned i = 0; i < csv->row.n; i++)
		read_column(csv, &csv->row.cells[i]);
	check_columns(csv);
	import_take(import, extent.whole, extent.lines);
}

/* --- rows --- */

static void
put_cell(struct csv *csv, struct import_row *row, unsigned index)
{
	const struct column *column = &csv->columns[index];
	const struct csv_cell *cell = &csv->row.cells[index];
	const struct import_cell found = { cell->text, cell->len };
	struct import_cell *const places[] = { &row->endpoint, &row->identity, &row->identity_hex,
					       &row->key,      &row->key_hex,  &row->domain,
					       &row->groups,   &row->nosec };

	assert(index < csv->n_columns && index < csv->row.n);
	if (column->kind == COLUMN_NONE) {
		if (cell->len)
			import_error(
				csv->import, row, NULL,
				"cell %u says something, and its column has no name in the header",
				index + 1);
		return;
	}
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

	csv->row.dry = true;
	wrong = csv_row_split(&csv->row, at, at + len);
	csv->row.dry = false;
	return wrong;
}

/* Takes the row; of one that can't be split, its first line alone. */
static void
read_row(struct csv *csv, const struct csv_scan *extent)
{
	struct import *import = csv->import;
	struct import_row row = { .line = import->line };
	char *at = import_at(import);
	size_t len = extent->len;
	const char *wrong;

	wrong = extent->lines > 1 ? check_split(csv, at, len) : NULL;
	if (wrong) {
		import_bad_row(import, row.line, NULL, "%s", wrong);
		import_take(import, extent->first, 1);
		return;
	}
	wrong = len ? csv_row_split(&csv->row, at, at + len) : NULL;
	if (wrong) {
		import_bad_row(import, row.line, NULL, "%s", wrong);
	} else if (len && csv->row.n < csv->n_columns) {
		import_bad_row(import, row.line, NULL, "has %u cells, and the header %u columns",
			       csv->row.n, csv->n_columns);
	} else if (len) {
		for (unsigned i = 0; i < csv->n_columns; i++)
			put_cell(csv, &row, i);
		import_row_finish(import, &row);
	}
	import_take(import, extent->whole, extent->lines);
}

static void
read_unclosed(struct csv *csv, const struct csv_scan *extent)
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
	struct csv_scan extent;

	while (!import->failed) {
		switch (find_row(csv, &extent)) {
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
			skip_line(csv);
			break;
		}
	}
}

void
import_csv(struct import *import)
{
	struct csv csv = { .import = import, .form = { ',', '\n' } };

	csv.columns = calloc(IMPORT_COLUMNS_MAX, sizeof *csv.columns);
	csv.row.cells = calloc(IMPORT_COLUMNS_MAX + 1, sizeof *csv.row.cells);
	if (csv.columns && csv.row.cells) {
		read_header(&csv);
		csv.row.max = csv.n_columns;
		read_rows(&csv);
	} else {
		import->failed = -ENOMEM;
	}
	free(csv.columns);
	free(csv.row.cells);
}
