#include "control/inventory/csv_row.h"

#include <assert.h>
#include <string.h>

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

/* A row in text: without the '\r' of a line break of two. */
static size_t
without_return(const struct csv_form *form, const char *text, size_t len)
{
	return form->newline == '\n' && len && text[len - 1] == '\r' ? len - 1 : len;
}

bool
csv_row_find(const struct csv_form *form, const char *text, size_t len, struct csv_scan *scan)
{
	assert(scan->from <= len);
	for (;;) {
		const char *end = memchr(text + scan->from, form->newline, len - scan->from);

		if (!end)
			return false;
		scan->quotes += count_quotes(text + scan->from, end);
		scan->from = (size_t)(end - text) + 1;
		if (!scan->lines++)
			scan->first = scan->from;
		if (scan->quotes % 2 == 0)
			break;
	}
	scan->len = without_return(form, text, scan->from - 1);
	scan->whole = scan->from;
	return true;
}

bool
csv_row_last(const struct csv_form *form, const char *text, size_t len, struct csv_scan *scan)
{
	assert(scan->from <= len);
	scan->quotes += count_quotes(text + scan->from, text + len);
	scan->from = scan->whole = len;
	scan->len = without_return(form, text, len);
	if (!scan->lines)
		scan->first = len;
	return scan->quotes % 2 == 0;
}

/* The cell in quotes at `*at`, undone in place; *at is behind the closing quote. False: none closes it. */
static bool
take_quoted(const struct csv_row *row, char **at, const char *end, struct csv_cell *cell)
{
	char *from = *at + 1, *to = from;

	*cell = (struct csv_cell){ .text = from, .quoted = true };
	for (; from < end; from++) {
		if (*from == '"') {
			if (from + 1 == end || from[1] != '"')
				break;
			from++;
		}
		if (!row->dry)
			*to = *from;
		to++;
	}
	if (from >= end)
		return false;
	*at = from + 1;
	cell->len = (size_t)(to - cell->text);
	if (!row->dry)
		*to = '\0';
	return true;
}

const char *
csv_row_split(struct csv_row *row, char *at, char *end)
{
	row->n = 0;
	for (;;) {
		struct csv_cell *cell = &row->cells[row->n];
		char *next;

		assert(at <= end);
		if (row->n++ == row->max)
			return "has more cells than the header has columns";
		if (at < end && *at == '"') {
			if (!take_quoted(row, &at, end, cell))
				return "a quote is opened and never closed";
			if (at < end && *at != row->separator)
				return "text stands behind a closing quote; a quote within a cell "
				       "is written twice";
			next = at < end ? at : NULL;
		} else {
			next = memchr(at, row->separator, (size_t)(end - at));
			*cell = (struct csv_cell){ .text = at,
						   .len = (size_t)((next ? next : end) - at) };
			if (cell->len && memchr(at, '"', cell->len))
				return "a quote stands within a cell that does not begin with one; "
				       "put the cell in quotes and write the quote twice";
			if (!row->dry)
				at[cell->len] = '\0';
		}
		if (!next)
			return NULL;
		at = next + 1;
	}
}
