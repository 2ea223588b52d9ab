/*
 * text.h - text that grows: answers, reports, diagnostics.
 *
 * What it held is wiped, wherever it grew to: keys pass through it (buffer.h). Owner: whoever calls
 * text_init(); who takes `at` over frees it. One thread. Allocates; a failed allocation makes the text
 * stay as it is and sets `failed` for good, so that a writer checks once at the end.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *at; /* NUL-terminated once anything was put; NULL before */
	size_t len, capacity;
	bool failed;
};

void text_init(struct text *text);
void text_fini(struct text *text);

void text_put(struct text *text, const char *bytes, size_t len);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args);
/*
 * Bytes of a peer: what is no printable ASCII becomes \xNN, so that no terminal or log is misled.
 */
void text_put_untrusted(struct text *text, const void *bytes, size_t len);

/* The text, never NULL. */
const char *text_str(const struct text *text);

/* A table: cells are appended row by row; every row has as many cells as the heading has names. */
enum { TABLE_COLUMNS_MAX = 16 };

struct table {
	unsigned columns, used;
	size_t n_cells, capacity;
	char **cells;
	bool failed;
};

/* `heading` holds the columns' names, separated by '|'. */
void table_init(struct table *table, const char *heading);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends the whole table, each column as wide as its widest cell, and frees it. */
void table_finish(struct table *table, struct text *text);
