/*
 * diag.h - what is wrong with a task, a configuration or an object definition, and where.
 *
 * A checker adds every problem it finds and goes on; the caller decides what to do with them.
 * Nothing here logs. Owner: whoever calls diag_list_init(). One thread at a time. Allocates.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* Where something stands in a source text. Strings are borrowed; any of them may be NULL. */
struct place {
	const char *file;
	uint32_t line;   /* from 1; 0 is unknown */
	uint32_t column; /* from 1, in bytes; 0 is unknown */
	const char *tag;
	const char *attribute;
};

struct diag {
	enum diag_level level;
	struct place place; /* strings owned by the list */
	char *text;         /* one sentence without a final dot: what is wrong, then the remedy */
};

enum { DIAG_MAX = 1000 }; /* of one list; what goes beyond is counted, not kept */

struct diag_list {
	struct diag *items;
	size_t count, capacity;
	size_t errors, warnings, dropped;
};

void diag_list_init(struct diag_list *list);
void diag_list_fini(struct diag_list *list);

void diag_error(struct diag_list *list, const struct place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warning(struct diag_list *list, const struct place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void diag_add(struct diag_list *list, enum diag_level level, const struct place *place,
	      const char *format, va_list args) __attribute__((format(printf, 4, 0)));

/* Sorts by file, line, column, so that a person reads from top to bottom. */
void diag_list_sort(struct diag_list *list);

/* "file:line:col: error: <tag attribute> text" without newline, cut to `size`; returns snprintf's count. */
int diag_format(const struct diag *diag, char *out, size_t size);

/*
 * The candidate nearest to `word` by edit distance (case-insensitive), or NULL when none is near
 * enough to be worth suggesting (distance above a third of the word's length, at least 1).
 */
const char *diag_nearest(const char *word, const char *const *candidates, size_t count);
