/*
 * A comparison that leaks nothing. Below the backends, which use it.
 */
#include "dataplane/core/crypto/crypto.h"

/* Hides a value, so that a compiler cannot leave a loop early on what it knows of it. */
static inline uint64_t
opaque(uint64_t value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

bool
crypto_equal(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	uint64_t differ = 0, left, right;

	for (; len >= sizeof left; x += sizeof left, y += sizeof left, len -= sizeof left) {
		memcpy(&left, x, sizeof left);
		memcpy(&right, y, sizeof right);
		differ = opaque(differ | (left ^ right));
	}
	for (; len != 0; x++, y++, len--)
		differ = opaque(differ | (uint64_t)(*x ^ *y));
	return differ == 0;
}
