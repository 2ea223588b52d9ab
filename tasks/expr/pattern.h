/*
 * pattern.h - regular expressions, as Java has them: libpcre2, and the bounds that keep any of them from hanging.
 *
 * A pattern is an operator's, or a value's that a device may have chosen; the text may be a device's. So nothing about
 * either is trusted: a pattern is short, a search counts its steps and ends when its work is used up, and backtracking
 * has little memory. Letters, digits and \w are those of ASCII, as in Java; characters are those of UTF-8.
 *
 * A compiled pattern lives in the arena that it was compiled into, is immutable and may be searched with any number of
 * times. A search allocates on the heap until it is freed. One thread at a time for a search.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/arena.h"

enum {
	PATTERN_MAX = 256,         /* bytes */
	PATTERN_GROUPS_MAX = 10,   /* $0 to $9 */
	PATTERN_REFUSAL_MAX = 160, /* bytes of a sentence with its NUL */
};

struct pattern;

/* NULL when it can't be used: `refusal` is a sentence that begins "this pattern" and shows nothing of it. */
const struct pattern *pattern_compile(struct arena *arena, const char *at, size_t len,
				      char refusal[static PATTERN_REFUSAL_MAX]);

struct pattern_group {
	size_t start, end; /* bytes of the text; both SIZE_MAX for a group that took no part */
};

struct pattern_search;

/* `text` is well-formed UTF-8. What is done is taken from *work. NULL when memory is exhausted. */
struct pattern_search *pattern_search_new(const struct pattern *pattern, const char *text,
					  size_t len, size_t *work);
void pattern_search_free(struct pattern_search *search);

/*
 * The first match that begins at byte `from` or behind it; what stands before `from` is seen by \b, ^ and look-behind.
 * `whole`: only one from `from` to the end of the text. 1: groups[] are set; 0: there is none; -1: *work, which is 0
 * then, or the memory for it is used up.
 */
int pattern_next(struct pattern_search *search, size_t from, bool whole,
		 struct pattern_group groups[static PATTERN_GROUPS_MAX]);
