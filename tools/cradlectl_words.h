/*
 * cradlectl_words.h - a line's words, split with quotes as a shell does.
 *
 * Blanks separate words. '...' holds anything but itself; in "..." a backslash takes its meaning from ", \, $ and `;
 * outside of both it does so for any character. A word that begins with # opens a remark. Nothing is expanded: $ and *
 * stand for themselves (POSIX.1-2017 XCU 2.2 has the rules of quotes). Any bytes may be passed. Any thread. Words are
 * wiped when they are freed, for they may hold keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum words_end {
	WORDS_WHOLE,
	WORDS_IN_SINGLE, /* the line ends inside of '...' */
	WORDS_IN_DOUBLE, /* ... of "..." */
	WORDS_IN_ESCAPE, /* ... behind a backslash */
	WORDS_IN_REMARK,
	WORDS_NUL,       /* a zero byte stands in it, which no word may hold */
	WORDS_NO_MEMORY, /* nothing is there to be freed */
};

struct words {
	int n;
	char **argv;       /* n words and NULL */
	size_t last_start; /* where the last word begins in the line */
	bool open;         /* the line ends in the last word: no blank is behind it */
	char *text;
	size_t size; /* of text */
};

/* What was read before the end is there whatever is returned, but for NO_MEMORY. */
enum words_end words_split(const char *line, size_t len, struct words *words);
void words_free(struct words *words);
/* What is wrong, in a sentence; NULL: nothing. */
const char *words_error(enum words_end end);

/* The word as it is typed so that words_split() reads it: malloc'ed, NULL when out of memory. */
char *words_quote(const char *word);
