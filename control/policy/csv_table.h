/*
 * csv_table.h - a small table of text, found by the value of one column: what tasks look up with
 * res.ALIAS.by('column').get(key).wanted.
 *
 * RFC 4180, UTF-8: the first record names the columns; cells in quotes may hold commas, quotes
 * (doubled) and line breaks. Read whole and immutable then, but for the indices that look-ups make
 * by column, once each. Owner: a generation. Control thread. Allocates in the arena given.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/diag.h"

enum {
	CSV_TABLE_BYTES_MAX = 64 << 20,
	CSV_TABLE_COLUMNS_MAX = 256,
};

struct csv_table;

/* NULL after adding an error with its line for whatever is wrong. Takes a copy of the text. */
struct csv_table *csv_table_parse(const char *file, const char *text, size_t len,
				  struct arena *arena, struct diag_list *diags);
/*
 * The cell in column `wanted` of the first record whose column `by` is `key`; NULL: no such column
 * or record. Names need not end in NUL; the cell does.
 */
const char *csv_table_find(struct csv_table *table, const char *by, size_t by_len, const char *key,
			   size_t key_len, const char *wanted, size_t wanted_len);
/* The columns' names, for messages. */
size_t csv_table_columns(const struct csv_table *table, const char *const **names);
