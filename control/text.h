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

struct table_view;

struct text {
	char *at; /* NUL-terminated once anything was put; NULL before */
	size_t len, capacity;
	bool failed;
	const struct table_view *view; /* how tables in it are to look (table.h); NULL: as they are */
};

void text_init(struct text *text);
void text_fini(struct text *text);

void text_put(struct text *text, const char *bytes, size_t len);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * For people: as text_printf(), but what a %s stands for neither makes a line nor steers a terminal
 * (tasks/show.h). All that answers a command is written so.
 */
void text_show(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vshow(struct text *text, const char *format, va_list args);
/*
 * Names and bytes of a peer: as text_show() shows them, and a backslash as \x5c, so that they can
 * be told and given back byte by byte (show_undo()).
 */
void text_put_untrusted(struct text *text, const void *bytes, size_t len);
/*
 * The last line of defence, before a text leaves: what is no UTF-8 and every control character but
 * line breaks and tabs is escaped.
 */
void text_clean(struct text *text);

/*
 * A sentence and a line break, from `column` on, where the line stands already: it goes on below itself where `width`
 * columns end; 0: they do not. A word is broken only where it is wider than a line.
 */
void text_wrap(struct text *text, const char *sentence, size_t len, unsigned column,
	       unsigned width);

/* Behind a number of things: "1 task", "2 tasks". */
#define PLURAL(n) ((n) == 1 ? "" : "s")

/* The text, never NULL. */
const char *text_str(const struct text *text);
