/*
 * AES-128-GCM (NIST SP 800-38D) of the portable backend: mbedTLS's AES block function and GHASH bit
 * by bit, because mbedtls_gcm_setkey() allocates and its tables are indexed by secrets. The
 * reference, written to be read; crypto_x86_gcm.c is written to be fast.
 */
#include <string.h>

#include <mbedtls/aes.h>

#include "dataplane/core/crypto/crypto_backend.h"
#include "dataplane/core/cursor.h"

enum { FIRST_COUNTER = 2 }; /* 1 hides the tag (7.1) */

/* A block as an element of GF(2^128): the most significant bit is the coefficient of x^0 (6.3). */
struct element {
	uint64_t high, low;
};

struct work {
	mbedtls_aes_context aes;
	struct element h, hash;
	uint8_t nonce[CRYPTO_CCM_NONCE_LEN];
};

/* mbedTLS's AES fails for other key sizes alone. */
static void
aes_block(struct work *work, const uint8_t in[16], uint8_t out[16])
{
	(void)mbedtls_aes_crypt_ecb(&work->aes, MBEDTLS_AES_ENCRYPT, in, out);
}

/* 6.3, algorithm 1; masks instead of branches. */
static struct element
multiply(struct element x, struct element y)
{
	struct element z = { 0, 0 };

	for (unsigned i = 0; i < 128; i++) {
		uint64_t bit = (i < 64 ? x.high >> (63 - i) : x.low >> (127 - i)) & 1;
		uint64_t take = 0 - bit, carry = 0 - (y.low & 1);

		z.high ^= y.high & take;
		z.low ^= y.low & take;
		y.low = y.low >> 1 | y.high << 63;
		y.high = y.high >> 1 ^ (carry & UINT64_C(0xe1) << 56);
	}
	return z;
}

static void
hash_block(struct work *work, const uint8_t block[CRYPTO_AES_BLOCK])
{
	work->hash.high ^= cursor_load(block, 8);
	work->hash.low ^= cursor_load(block + 8, 8);
	work->hash = multiply(work->hash, work->h);
}

/* Bytes filled up with zeros to a whole block (7.1 step 4). */
static void
hash_bytes(struct work *work, const uint8_t *bytes, size_t len)
{
	uint8_t block[CRYPTO_AES_BLOCK];

	for (; len >= sizeof block; bytes += sizeof block, len -= sizeof block)
		hash_block(work, bytes);
	if (len == 0)
		return;
	memset(block, 0, sizeof block);
	memcpy(block, bytes, len);
	hash_block(work, block);
}

static void
start(struct work *work, const struct crypto_ccm *record)
{
	uint8_t block[CRYPTO_AES_BLOCK] = { 0 };

	memset(work, 0, sizeof *work);
	mbedtls_aes_init(&work->aes);
	(void)mbedtls_aes_setkey_enc(&work->aes, record->key, 128);
	memcpy(work->nonce, record->nonce, sizeof work->nonce);
	aes_block(work, block, block);
	work->h = (struct element){ cursor_load(block, 8), cursor_load(block + 8, 8) };
	crypto_wipe(block, sizeof block);
}

static void
end(struct work *work)
{
	mbedtls_aes_free(&work->aes);
	crypto_wipe(work, sizeof *work);
}

static void
key_stream(struct work *work, uint32_t counter, uint8_t stream[CRYPTO_AES_BLOCK])
{
	uint8_t block[CRYPTO_AES_BLOCK];

	memcpy(block, work->nonce, CRYPTO_CCM_NONCE_LEN);
	cursor_store(block + CRYPTO_CCM_NONCE_LEN, counter, 4);
	aes_block(work, block, stream);
}

static void
crypt(struct work *work, const struct crypto_ccm *record)
{
	uint8_t stream[CRYPTO_AES_BLOCK];

	for (size_t i = 0; i < record->len; i++) {
		if (i % CRYPTO_AES_BLOCK == 0)
			key_stream(work, (uint32_t)(FIRST_COUNTER + i / CRYPTO_AES_BLOCK), stream);
		record->out[i] = record->in[i] ^ stream[i % CRYPTO_AES_BLOCK];
	}
	crypto_wipe(stream, sizeof stream);
}

/* The tag over associated data, ciphertext and both lengths in bits (7.1 steps 4 to 6). */
static void
make_tag(struct work *work, const struct crypto_ccm *record, const uint8_t *ciphertext,
	 uint8_t tag[CRYPTO_LONG_TAG_LEN])
{
	uint8_t block[CRYPTO_AES_BLOCK];

	hash_bytes(work, record->aad, record->aad_len);
	hash_bytes(work, ciphertext, record->len);
	cursor_store(block, (uint64_t)record->aad_len * 8, 8);
	cursor_store(block + 8, (uint64_t)record->len * 8, 8);
	hash_block(work, block);
	key_stream(work, FIRST_COUNTER - 1, block);
	cursor_store(tag, work->hash.high ^ cursor_load(block, 8), 8);
	cursor_store(tag + 8, work->hash.low ^ cursor_load(block + 8, 8), 8);
	crypto_wipe(block, sizeof block);
}

void
crypto_mbedtls_gcm_seal(struct crypto_ccm *records, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct work work;

		start(&work, &records[i]);
		crypt(&work, &records[i]);
		make_tag(&work, &records[i], records[i].out, records[i].out + records[i].len);
		end(&work);
	}
}

void
crypto_mbedtls_gcm_open(struct crypto_ccm *records, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct crypto_ccm *record = &records[i];
		uint8_t tag[CRYPTO_LONG_TAG_LEN];
		struct work work;

		start(&work, record);
		make_tag(&work, record, record->in, tag);
		record->ok = crypto_equal(tag, record->in + record->len, sizeof tag);
		if (record->ok)
			crypt(&work, record);
		else
			memmove(record->out, record->in, record->len);
		crypto_wipe(tag, sizeof tag); /* a forger's wish */
		end(&work);
	}
}
