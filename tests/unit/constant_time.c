/*
 * Run under valgrind: opening a MAC-then-encrypt record must not branch on, nor index by, what it
 * decrypted.
 *
 * The decrypted body is marked undefined, so memcheck reports every jump and address that depends
 * on it. One report is right: the verdict, which is public. What the compiler makes of the masks is
 * thereby tested as built.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <valgrind/memcheck.h>

#include "dataplane/core/crypto/crypto.h"

enum {
	SKIPPED = 77, /* as meson wants it */
	ROOM = 512,
};

static const struct crypto_ops *
portable_backend(void)
{
	const struct crypto_ops *ops = NULL, *next;

	for (unsigned i = 0; (next = crypto_backend(i)) != NULL; i++)
		ops = next;
	return ops;
}

static void
decrypt_to_secret(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
		  size_t blocks)
{
	portable_backend()->cbc_decrypt(key, iv, in, out, blocks);
	(void)VALGRIND_MAKE_MEM_UNDEFINED(out, blocks * CRYPTO_AES_BLOCK);
}

/*
 * Opens a record of `len` bytes, with the byte at `wrong` flipped; returns what memcheck reported:
 * none if the result is wrong.
 */
static unsigned
reports_of(const struct crypto_ops *ops, uint16_t len, size_t wrong)
{
	uint8_t header[13] = { 0, 1 }, iv[16] = { 1 }, plain[ROOM] = { 5 }, wire[ROOM], out[ROOM];
	struct crypto_cbc_keys keys = { .enc = { 1 } };
	struct crypto_cbc seal = { &keys, header, sizeof header, len, plain, wire };
	struct crypto_cbc open = { &keys, header, sizeof header, 0, wire, out };
	const uint8_t *content;
	unsigned before = VALGRIND_COUNT_ERRORS, reports;
	int opened;

	crypto_hmac_key_init(ops, &keys.mac, "key", 3);
	open.len = (uint16_t)crypto_cbc_seal(ops, &seal, iv);
	if (wrong < open.len)
		wire[wrong] ^= 1;
	opened = crypto_cbc_open(ops, &open, &content);
	reports = VALGRIND_COUNT_ERRORS - before;
	(void)VALGRIND_MAKE_MEM_DEFINED(&opened, sizeof opened);
	if (opened == (wrong < open.len ? -EBADMSG : (int)len))
		return reports;
	printf("length %u, wrong byte %zu: opened to %d\n", len, wrong, opened);
	return 0;
}

int
main(void)
{
	struct crypto_ops ops = *portable_backend();
	int failed = 0;

	if (!RUNNING_ON_VALGRIND)
		return SKIPPED;
	ops.cbc_decrypt = decrypt_to_secret;
	for (uint16_t len = 0; len <= 400; len += 57) {
		/* none; the content; the MAC or padding */
		size_t wrong[] = { ROOM, 16, crypto_cbc_sealed_len(len) - 20 };

		for (int i = 0; i < 3; i++) {
			unsigned reports = reports_of(&ops, len, wrong[i]);

			if (reports == 1)
				continue;
			printf("length %u, wrong byte %zu: %u reports instead of 1\n", len,
			       wrong[i], reports);
			failed = 1;
		}
	}
	return failed;
}
