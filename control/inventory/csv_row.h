/*
 * csv_row.h - CSV (RFC 4180): where a row ends, and its cells. The one reader of CSV: imports and
 * tables that tasks look up.
 *
 * A cell in quotes may hold separators, quotes (doubled) and line breaks. Pure: works in the
 * caller's text, allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How rows end and cells are separated; found out from the first line where a file differs. */
struct csv_form {
	char separator; /* ',' */
	char newline;   /* '\n'; a '\r' before it is none of the row's. '\r': that alone */
};

/* A row that is being found. All zero at its start; call again once more text is there. */
struct csv_scan {
	size_t from, quotes; /* bytes looked at, and quotes among them */
	size_t len;          /* of the row, without its last line break */
	size_t whole;        /* with it */
	size_t first;        /* of its first line, the line break included; 0: it has none */
	uint32_t lines;      /* line breaks in `whole` */
};

/* Whether [text, text + len) holds the row's end; a row that has begun a cell in quotes goes on. */
bool csv_row_find(const struct csv_form *form, const char *text, size_t len, struct csv_scan *scan);
/* The same where nothing follows: false when a quote is still open. */
bool csv_row_last(const struct csv_form *form, const char *text, size_t len, struct csv_scan *scan);

struct csv_cell {
	char *text; /* ends in NUL once split for good */
	size_t len;
	bool quoted;
};

struct csv_row {
	struct csv_cell *cells;
	unsigned max, n;
	char separator;
	bool dry; /* nothing is changed: tells what is wrong, and nothing else */
};

/*
 * Splits [at, end) in place; a NUL may be put at `end`, where the caller has room for one. NULL, or
 * what is wrong with it.
 */
const char *csv_row_split(struct csv_row *row, char *at, char *end);
