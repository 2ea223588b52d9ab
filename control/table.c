#include "control/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/utf8.h"

enum { SHORT_MIN = 8, GAP = 2 };

static void
table_add(struct table *table, char *cell)
{
	if (table->n_cells == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 64;
		char **cells = realloc(table->cells, capacity * sizeof *cells);

		if (!cells) {
			table->failed = true;
			if (cell)
				explicit_bzero(cell, strlen(cell));
			free(cell);
			return;
		}
		table->cells = cells;
		table->capacity = capacity;
	}
	if (!cell)
		table->failed = true;
	table->cells[table->n_cells++] = cell;
}

/* "~NAME:2" */
static void
read_column(struct table_column *column, const char *at, size_t len)
{
	if (len && *at == '~') {
		column->is_free = true;
		at++;
		len--;
	}
	if (len > 2 && at[len - 2] == ':') {
		column->drop = (unsigned)(at[len - 1] - '0');
		len -= 2;
	}
	column->name = strndup(at, len);
}

void
table_init(struct table *table, const char *heading)
{
	*table = (struct table){ 0 };
	for (;;) {
		size_t len = strcspn(heading, "|");
		struct table_column *column = &table->columns[table->n_columns++];

		assert(table->n_columns <= TABLE_COLUMNS_MAX);
		read_column(column, heading, len);
		table->failed |= !column->name;
		if (!heading[len] || table->n_columns == TABLE_COLUMNS_MAX)
			return;
		heading += len + 1;
	}
}

void
table_cell(struct table *table, const char *format, ...)
{
	struct text cell = { 0 };
	va_list args;

	if (table->off)
		return;
	va_start(args, format);
	text_vshow(&cell, format, args);
	va_end(args);
	text_put(&cell, "", 0); /* an empty one is there, too */
	if (cell.failed)
		text_fini(&cell);
	table_add(table, cell.at);
}

/* --- what is shown --- */

/* The columns that are shown, by their indices in the table, and the rows in their order. */
struct layout {
	const struct table *table;
	unsigned n, shown[TABLE_COLUMNS_MAX];
	unsigned width[TABLE_COLUMNS_MAX]; /* by index in the table */
	unsigned hidden;                   /* dropped for lack of width */
	char *const **rows;                /* the first cell of each */
	size_t n_rows;
};

/* Names may be indented by blanks in the heading. */
static int
column_named(const struct table *table, const char *name, size_t len)
{
	for (unsigned i = 0; i < table->n_columns; i++) {
		const char *own = table->columns[i].name;

		own += strspn(own, " ");
		if (strlen(own) == len && strncasecmp(own, name, len) == 0)
			return (int)i;
	}
	return -1;
}

/* False: one of the names is none. */
static bool
choose_columns(struct layout *layout, const char *names)
{
	const struct table *table = layout->table;

	for (; !names && layout->n < table->n_columns; layout->n++)
		layout->shown[layout->n] = layout->n;
	while (names && *(names += strspn(names, ","))) {
		size_t len = strcspn(names, ",");
		int column = column_named(table, names, len);

		if (column < 0 || layout->n == TABLE_COLUMNS_MAX)
			return false;
		layout->shown[layout->n++] = (unsigned)column;
		names += len;
	}
	return layout->n > 0;
}

struct order {
	unsigned column;
	bool down;
};

static bool
begins_with_digit(const char *text)
{
	return *text >= '0' && *text <= '9';
}

/* Numbers by their value, so that "9 ms" stands before "10 ms"; times and names as they are written. */
static int
compare_rows(const void *a, const void *b, void *ctx)
{
	const struct order *order = ctx;
	const char *left = (*(char *const *const *)a)[order->column];
	const char *right = (*(char *const *const *)b)[order->column];
	int result = 0;

	if (begins_with_digit(left) && begins_with_digit(right)) {
		double x = strtod(left, NULL), y = strtod(right, NULL);

		result = (x > y) - (x < y);
	}
	if (!result)
		result = strcmp(left, right);
	return order->down ? -result : result;
}

/* False: there is no such column. */
static bool
sort_rows(struct layout *layout, const char *by)
{
	struct order order = { .down = by && *by == '-' };
	int column;

	if (!by)
		return true;
	by += order.down;
	column = column_named(layout->table, by, strlen(by));
	if (column < 0)
		return false;
	order.column = (unsigned)column;
	qsort_r(layout->rows, layout->n_rows, sizeof *layout->rows, compare_rows, &order);
	return true;
}

/* --- widths --- */

/* Columns of a terminal. */
static unsigned
cell_width(const char *cell)
{
	return (unsigned)utf8_width(cell, strlen(cell));
}

static void
natural_widths(struct layout *layout, bool heading)
{
	const struct table *table = layout->table;

	for (unsigned c = 0; c < table->n_columns; c++)
		layout->width[c] = heading ? cell_width(table->columns[c].name) : 0;
	for (size_t i = 0; i < table->n_cells; i++) {
		unsigned *width = &layout->width[i % table->n_columns];
		unsigned own = cell_width(table->cells[i]);

		*width = own > *width ? own : *width;
	}
}

static unsigned
total_width(const struct layout *layout)
{
	unsigned total = 0;

	for (unsigned i = 0; i < layout->n; i++)
		total += layout->width[layout->shown[i]] + (i ? GAP : 0);
	return total;
}

/* Takes columns away from the widest until it fits or none can give any; of free text alone, or of all. */
static void
shorten(struct layout *layout, unsigned width, bool all)
{
	while (total_width(layout) > width) {
		unsigned *widest = NULL;

		for (unsigned i = 0; i < layout->n; i++) {
			unsigned c = layout->shown[i];

			if ((all || layout->table->columns[c].is_free) &&
			    layout->width[c] > SHORT_MIN && (!widest || layout->width[c] > *widest))
				widest = &layout->width[c];
		}
		if (!widest)
			return;
		--*widest;
	}
}

/* The column that is dropped next, as place among those shown; -1: none may be. */
static int
next_to_drop(const struct layout *layout)
{
	int worst = -1;
	unsigned drop = 0;

	for (unsigned i = 0; i < layout->n; i++)
		if (layout->table->columns[layout->shown[i]].drop > drop) {
			drop = layout->table->columns[layout->shown[i]].drop;
			worst = (int)i;
		}
	return worst;
}

static void
drop_column(struct layout *layout, unsigned at)
{
	assert(at < layout->n);
	memmove(&layout->shown[at], &layout->shown[at + 1],
		(layout->n - at - 1) * sizeof layout->shown[0]);
	layout->n--;
	layout->hidden++;
}

/* Free text keeps SHORT_MIN columns rather than that a column is dropped for it; what is gained goes back to it. */
static void
fit(struct layout *layout, unsigned width, bool heading)
{
	int drop;

	natural_widths(layout, heading);
	while (width && total_width(layout) > width) {
		shorten(layout, width, false);
		drop = total_width(layout) > width ? next_to_drop(layout) : -1;
		if (drop < 0)
			break;
		drop_column(layout, (unsigned)drop);
		natural_widths(layout, heading);
	}
	if (width) {
		shorten(layout, width, false);
		shorten(layout, width, true);
	}
}

/* --- the text --- */

/* Whole characters up to a width; one that combines stays with what it combines with. */
static size_t
bytes_of_width(const char *cell, size_t len, unsigned width)
{
	size_t taken = 0;

	while (taken < len) {
		size_t n = utf8_sequence(cell + taken, len - taken);

		n = n ? n : 1;
		if (utf8_width(cell, taken + n) > width)
			break;
		taken += n;
	}
	return taken;
}

static void
put_cell(struct text *text, const char *cell, unsigned width, bool last)
{
	unsigned own = cell_width(cell);
	size_t len = strlen(cell);

	if (own > width) {
		len = bytes_of_width(cell, len, width - 1);
		text_put(text, cell, len);
		text_put(text, "\u2026", 3);
		own = (unsigned)utf8_width(cell, len) + 1;
	} else {
		text_put(text, cell, len);
	}
	for (; !last && own < width + GAP; own++)
		text_put(text, " ", 1);
}

static void
put_row(const struct layout *layout, char *const *cells, struct text *text)
{
	for (unsigned i = 0; i < layout->n; i++)
		put_cell(text, cells[layout->shown[i]], layout->width[layout->shown[i]],
			 i + 1 == layout->n);
	text_put(text, "\n", 1);
}

static void
put_heading(const struct layout *layout, struct text *text)
{
	char *names[TABLE_COLUMNS_MAX];

	for (unsigned i = 0; i < layout->table->n_columns; i++)
		names[i] = layout->table->columns[i].name;
	put_row(layout, names, text);
}

static void
put_names(const struct table *table, struct text *text)
{
	text_show(text, "columns of this table:");
	for (unsigned i = 0; i < table->n_columns; i++)
		text_show(text, "%s %s", i ? "," : "",
			  table->columns[i].name + strspn(table->columns[i].name, " "));
	text_put(text, "\n", 1);
}

static void
put_table(const struct table *table, struct text *text)
{
	static const struct table_view plain = { 0 };
	const struct table_view *view = text->view ? text->view : &plain;
	struct layout layout = { .table = table, .n_rows = table->n_cells / table->n_columns };

	layout.rows = calloc(layout.n_rows + 1, sizeof *layout.rows);
	if (!layout.rows) {
		text->failed = true;
		return;
	}
	for (size_t i = 0; i < layout.n_rows; i++)
		layout.rows[i] = &table->cells[i * table->n_columns];
	if (!choose_columns(&layout, view->columns) || !sort_rows(&layout, view->sort)) {
		put_names(table, text);
	} else {
		fit(&layout, view->width, !view->no_heading);
		if (!view->no_heading)
			put_heading(&layout, text);
		for (size_t i = 0; i < layout.n_rows; i++)
			put_row(&layout, layout.rows[i], text);
		if (layout.hidden && layout.n_rows && !view->no_heading)
			text_show(text, "(%u more column%s: --wide)\n", layout.hidden,
				  layout.hidden == 1 ? "" : "s");
	}
	free(layout.rows);
}

void
table_finish(struct table *table, struct text *text)
{
	if (table->failed)
		text->failed = true;
	else
		put_table(table, text);
	for (size_t i = 0; i < table->n_cells; i++) {
		if (table->cells[i])
			explicit_bzero(table->cells[i], strlen(table->cells[i]));
		free(table->cells[i]);
	}
	for (unsigned i = 0; i < table->n_columns; i++)
		free(table->columns[i].name);
	free(table->cells);
	*table = (struct table){ 0 };
}
