/*
 * Which backend.
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
