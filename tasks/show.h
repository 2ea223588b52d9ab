/*
 * show.h - texts for people, of which no part misleads a terminal or breaks a reader.
 *
 * Names, values and answers come from devices, tasks and files: they may hold escape sequences, line breaks, marks that
 * turn the direction of writing, or bytes that are no text at all (CWE-150). What is shown of them is what can be seen:
 * well-formed UTF-8 as it is; every other byte as \xNN. Where a text is cut, whole characters stay.
 *
 * Pure; allocates nothing. What is made goes to a sink, piece by piece.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct show_sink {
	void (*put)(void *ctx, const char *bytes, size_t len);
	void *ctx;
};

/*
 * Bytes as they may be shown. `backslash`: a backslash becomes \x5c, so that show_undo() gives the bytes back; without
 * it, what was shown once is shown again as it is.
 */
void show_bytes(const struct show_sink *sink, const char *bytes, size_t len, bool backslash);

/*
 * As vprintf() but for %s: what it stands for is shown by show_bytes(); a precision of the format cuts a text, at a
 * character; one given as '*' is the length of one that has no end; a width counts columns of a
 * terminal. The format itself is ours: its line breaks stay. Of the conversions of C there are no
 * %n, no wide characters, and no long double.
 */
void show_format(const struct show_sink *sink, const char *format, va_list args);

/*
 * The same into `out`, cut at a character where it is too long; always ends in NUL. The length that all of it has, as
 * snprintf() says.
 */
size_t show_into(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t show_into_v(char *out, size_t size, const char *format, va_list args);

/* Whether a finished text, line breaks aside, may be shown as it is. */
bool show_is_plain(const char *text, size_t len);

/* Undoes \xNN in place; the new length. What is no such escape stays. */
size_t show_undo(char *text, size_t len);
