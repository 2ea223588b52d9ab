/*
 * line_diff.h - two texts line by line: which lines are in both, in the former alone, in the latter alone.
 *
 * By the longest common subsequence of what is between their common first and last lines; where that is more than
 * LINE_DIFF_MAX lines in either, all of it counts as other. Lines are borrowed from the texts. Any thread. Allocates.
 */
#pragma once

#include <stddef.h>

enum { LINE_DIFF_MAX = 1000 };

struct diff_line {
	char mark; /* ' ' in both, '-' in the former, '+' in the latter */
	const char *at;
	size_t len; /* without its end */
};

/* The lines, malloc'ed, in order; NULL: out of memory. */
struct diff_line *line_diff(const char *before, const char *after, size_t *count);
