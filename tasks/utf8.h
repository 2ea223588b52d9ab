/*
 * utf8.h - characters of UTF-8 text (RFC 3629). Pure; allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it is well-formed. */
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

/* Writes a character's one to four bytes and returns how many. `code` is a Unicode scalar value. */
size_t utf8_put(char *out, unsigned long code);
