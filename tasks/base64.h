/*
 * base64.h - base64 and base64url (RFC 4648 4 and 5).
 *
 * Pure; allocates nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum base64_alphabet {
	BASE64_STANDARD, /* "+/", padded */
	BASE64_URL,      /* "-_", without padding, as SenML wants it (RFC 8428 4.3) */
};

/* Bytes of text that `len` bytes may need; no NUL counted. */
static inline size_t
base64_encoded_max(size_t len)
{
	return (len + 2) / 3 * 4;
}

/* Writes at most base64_encoded_max(len) characters, no NUL, and returns how many. */
size_t base64_encode(enum base64_alphabet alphabet, const uint8_t *bytes, size_t len, char *out);

/*
 * Reads either alphabet, with or without padding. `out` holds at least len / 4 * 3 + 3 bytes.
 * Returns the number of bytes, or -EINVAL for a character that belongs to neither alphabet, a length
 * that no encoder makes, wrong padding, or left-over bits that are not zero (RFC 4648 3.5).
 */
long base64_decode(const char *text, size_t len, uint8_t *out);
