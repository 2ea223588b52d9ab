/*
 * table.h - a table of text, as wide as the reader's terminal.
 *
 * Cells are appended row by row, shown as by text_show(); every row has as many cells as the heading has columns. What does
 * not fit is left out by what the heading says of its columns: first free text is shortened, then columns are dropped, then
 * what is left is shortened. Widths are those of a terminal (tasks/utf8.h).
 * Owner: the caller until table_finish(). One thread. Allocates.
 */
#pragma once

#include "control/text.h"

enum { TABLE_COLUMNS_MAX = 16 };

/* What a reader wants; all zero: everything, in its order. */
struct table_view {
	unsigned width; /* columns of the terminal; 0: no limit */
	const char *
		columns; /* names of those to show, in this order, separated by commas; NULL: all */
	const char *sort; /* name of the column to sort by, "-NAME" downwards; NULL: as they come */
	bool no_heading;
};

struct table_column {
	char *name;
	unsigned drop; /* the larger, the earlier it is dropped; 0: never */
	bool is_free;  /* free text, shortened first */
};

struct table {
	struct table_column columns[TABLE_COLUMNS_MAX];
	unsigned n_columns;
	size_t n_cells, capacity;
	char **cells;
	bool failed;
	bool off; /* nobody shows it: cells are not made */
};

/*
 * `heading` holds the columns' names, separated by '|'. "~NAME" is free text, "NAME:2" is dropped before "NAME:1"; a
 * column without a number always stays.
 */
void table_init(struct table *table, const char *heading);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Appends the whole table by text->view, each column as wide as its widest cell, and frees it. A view that names a column
 * that there is not shows the names instead.
 */
void table_finish(struct table *table, struct text *text);
