/*
 * Which backend, and a comparison that leaks nothing.
 */
#include "dataplane/core/crypto/crypto.h"

#include "dataplane/core/crypto/crypto_backend.h"

const struct crypto_ops *
crypto_backend(unsigned i)
{
	const struct crypto_ops *usable[2];
	unsigned n = 0;

#if defined(__x86_64__)
	if (crypto_x86_usable())
		usable[n++] = &crypto_x86;
#endif
	usable[n++] = &crypto_mbedtls;
	return i < n ? usable[i] : NULL;
}

const struct crypto_ops *
crypto_select(void)
{
	return crypto_backend(0);
}

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
