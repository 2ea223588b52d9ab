/*
 * utf8.h - characters of UTF-8 text (RFC 3629): checked, counted, cut, and the columns they take.
 *
 * The only place that knows how UTF-8 is made. Texts are given with their length and need no NUL. Pure; allocates
 * nothing; any bytes may be passed, but where "text" is said, the comment says what becomes of the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the one well-formed character at `at` (RFC 3629 4), or 0: none, or it does not end within `len`. */
size_t utf8_sequence(const char *at, size_t len);
/* Bytes from the start that are well-formed: `len` when all are. */
size_t utf8_valid_len(const char *at, size_t len);
/* Whether all of it is well-formed. */
bool utf8_valid(const char *at, size_t len);

/* A byte that begins no character. */
static inline bool
utf8_is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The byte where a character starts, or the length behind the last one. */
size_t utf8_offset(const char *at, size_t len, uint64_t characters);
size_t utf8_length(const char *at, size_t len);

/*
 * The most bytes, up to `max`, that hold whole characters only: where to end a text that must fit. `len` when it fits.
 * Bytes that are no UTF-8 are cut where `max` says: at most three bytes are given up for a character.
 */
size_t utf8_cut(const char *at, size_t len, size_t max);

/*
 * Columns of a terminal: 2 for East Asian wide and fullwidth characters and emoji (Unicode UAX 11), 0 for marks that
 * combine with what stands before and for format characters, else 1. A byte that is no UTF-8 counts 1.
 */
size_t utf8_width(const char *at, size_t len);

/* Writes a character's one to four bytes and returns how many. `code` is a Unicode scalar value. */
size_t utf8_put(char *out, unsigned long code);
