/*
 * The portable backend: mbedTLS's SHA-256 compression and AES block function, and CCM (NIST SP
 * 800-38C, RFC 3610) spelled out over the latter, because mbedtls_ccm_setkey() allocates.
 *
 * This is the reference, so it is written to be read; crypto_x86_*.c is written to be fast.
 */
#include <string.h>

#include <mbedtls/aes.h>
#include <mbedtls/sha256.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/crypto_backend.h"
#include "dataplane/core/cursor.h"

/* ---- SHA-256 --------------------------------------------------------------------------------- */

static void
sha256_blocks(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	mbedtls_sha256_context context;

	mbedtls_sha256_init(&context);
	memcpy(context.state, h, sizeof context.state);
	for (size_t i = 0; i < blocks; i++)
		(void)mbedtls_internal_sha256_process(&context, data + i * CRYPTO_HASH_BLOCK);
	memcpy(h, context.state, sizeof context.state);
	mbedtls_sha256_free(&context); /* wipes */
}

static void
sha256_lanes(const struct crypto_lane *lanes, unsigned n, size_t blocks)
{
	for (unsigned i = 0; i < n; i++)
		sha256_blocks(lanes[i].h, lanes[i].data, blocks);
}

/* FIPS 180-4 5.1.1: the end of a block that begins with a digest, behind a pad of 64 bytes. */
static void
put_digest_block(uint8_t block[CRYPTO_HASH_BLOCK], const uint32_t h[8])
{
	memset(block, 0, CRYPTO_HASH_BLOCK);
	for (int i = 0; i < 8; i++)
		cursor_store(block + 4 * i, h[i], 4);
	block[CRYPTO_HASH_LEN] = 0x80;
	cursor_store(block + CRYPTO_HASH_BLOCK - 8, 8 * (CRYPTO_HASH_BLOCK + CRYPTO_HASH_LEN), 8);
}

static void
hmac_one(const struct crypto_hmac_lane *lane, size_t blocks)
{
	uint8_t block[CRYPTO_HASH_BLOCK];
	uint32_t h[8];

	memcpy(h, lane->inner, sizeof h);
	sha256_blocks(h, lane->message, blocks);
	put_digest_block(block, h);
	memcpy(h, lane->outer, sizeof h);
	sha256_blocks(h, block, 1);
	put_digest_block(block, h);
	memcpy(lane->mac, block, CRYPTO_HASH_LEN);
	crypto_wipe(block, sizeof block);
	crypto_wipe(h, sizeof h);
}

static void
hmac_lanes(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks)
{
	for (unsigned i = 0; i < n; i++)
		hmac_one(&lanes[i], blocks);
}

/* ---- AES ------------------------------------------------------------------------------------- */

/*
 * mbedTLS's AES can fail for other key sizes and in hardware drivers that Debian does not build:
 * never here.
 */
static void
aes_start(mbedtls_aes_context *aes, const uint8_t key[16])
{
	mbedtls_aes_init(aes);
	(void)mbedtls_aes_setkey_enc(aes, key, 128);
}

static void
aes_block(mbedtls_aes_context *aes, const uint8_t in[16], uint8_t out[16])
{
	(void)mbedtls_aes_crypt_ecb(aes, MBEDTLS_AES_ENCRYPT, in, out);
}

static void
cbc_encrypt(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
	    size_t blocks)
{
	mbedtls_aes_context aes;
	uint8_t chain[CRYPTO_AES_BLOCK];

	aes_start(&aes, key);
	memcpy(chain, iv, sizeof chain);
	(void)mbedtls_aes_crypt_cbc(&aes, MBEDTLS_AES_ENCRYPT, blocks * CRYPTO_AES_BLOCK, chain, in,
				    out);
	mbedtls_aes_free(&aes); /* wipes */
}

static void
cbc_decrypt(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
	    size_t blocks)
{
	mbedtls_aes_context aes;
	uint8_t chain[CRYPTO_AES_BLOCK];

	mbedtls_aes_init(&aes);
	(void)mbedtls_aes_setkey_dec(&aes, key, 128);
	memcpy(chain, iv, sizeof chain);
	(void)mbedtls_aes_crypt_cbc(&aes, MBEDTLS_AES_DECRYPT, blocks * CRYPTO_AES_BLOCK, chain, in,
				    out);
	mbedtls_aes_free(&aes);
}

static void
ctr_increment(uint8_t counter[16])
{
	for (int i = CRYPTO_AES_BLOCK - 1; i >= 0; i--) {
		if (++counter[i] != 0)
			return;
	}
}

static void
ctr_stream(const uint8_t key[16], const uint8_t counter[16], uint8_t *out, size_t blocks)
{
	mbedtls_aes_context aes;
	uint8_t block[CRYPTO_AES_BLOCK];

	aes_start(&aes, key);
	memcpy(block, counter, sizeof block);
	for (size_t i = 0; i < blocks; i++) {
		aes_block(&aes, block, out + i * CRYPTO_AES_BLOCK);
		ctr_increment(block);
	}
	mbedtls_aes_free(&aes);
	crypto_wipe(block, sizeof block);
}

/* ---- CCM ------------------------------------------------------------------------------------- */

/* One record's work: the CBC-MAC so far, and how many bytes of the current block it has taken. */
struct ccm_work {
	mbedtls_aes_context aes;
	uint8_t mac[CRYPTO_AES_BLOCK];
	unsigned tag_len;
};

/*
 * Takes bytes into the MAC, `at` bytes into its current block, and fills the last block with zeros.
 */
static void
ccm_mac(struct ccm_work *work, size_t at, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		work->mac[at++] ^= bytes[i];
		if (at == CRYPTO_AES_BLOCK) {
			aes_block(&work->aes, work->mac, work->mac);
			at = 0;
		}
	}
	if (at != 0)
		aes_block(&work->aes, work->mac, work->mac);
}

/*
 * B_0 (SP 800-38C A.2.1) and the associated data (A.2.2).
 *
 *	flags: Adata << 6 | (tag - 2) / 2 << 3 | (3 - 1); nonce (12); length of the message (3)
 */
static void
ccm_start(struct ccm_work *work, const struct crypto_ccm *record)
{
	uint8_t aad_len[2] = { (uint8_t)(record->aad_len >> 8), (uint8_t)record->aad_len };

	aes_start(&work->aes, record->key);
	work->mac[0] = (uint8_t)((record->aad_len != 0) << 6 | (work->tag_len - 2) / 2 << 3 | 2);
	memcpy(work->mac + 1, record->nonce, CRYPTO_CCM_NONCE_LEN);
	work->mac[13] = 0;
	work->mac[14] = (uint8_t)(record->len >> 8);
	work->mac[15] = (uint8_t)record->len;
	aes_block(&work->aes, work->mac, work->mac);
	if (record->aad_len == 0)
		return;
	work->mac[0] ^= aad_len[0];
	work->mac[1] ^= aad_len[1];
	ccm_mac(work, 2, record->aad, record->aad_len);
}

static void
ccm_counter(uint8_t block[CRYPTO_AES_BLOCK], const struct crypto_ccm *record)
{
	block[0] = 2; /* SP 800-38C A.3: L - 1 */
	memcpy(block + 1, record->nonce, CRYPTO_CCM_NONCE_LEN);
	memset(block + 13, 0, 3);
}

/* XORs the key stream S_1, S_2, ... over the message. */
static void
ccm_crypt(struct ccm_work *work, const struct crypto_ccm *record, const uint8_t *in)
{
	uint8_t counter[CRYPTO_AES_BLOCK], stream[CRYPTO_AES_BLOCK];

	ccm_counter(counter, record);
	for (size_t i = 0; i < record->len; i++) {
		if (i % CRYPTO_AES_BLOCK == 0) {
			ctr_increment(counter);
			aes_block(&work->aes, counter, stream);
		}
		record->out[i] = in[i] ^ stream[i % CRYPTO_AES_BLOCK];
	}
	crypto_wipe(stream, sizeof stream);
}

static void
ccm_tag(struct ccm_work *work, const struct crypto_ccm *record, uint8_t *tag)
{
	uint8_t block[CRYPTO_AES_BLOCK];

	ccm_counter(block, record);
	aes_block(&work->aes, block, block);
	for (unsigned i = 0; i < work->tag_len; i++)
		tag[i] = work->mac[i] ^ block[i];
	crypto_wipe(block, sizeof block);
}

static void
ccm_end(struct ccm_work *work)
{
	mbedtls_aes_free(&work->aes);
	crypto_wipe(work->mac, sizeof work->mac);
}

static void
ccm_seal(struct crypto_ccm *records, unsigned n, unsigned tag_len)
{
	for (unsigned i = 0; i < n; i++) {
		struct crypto_ccm *record = &records[i];
		struct ccm_work work = { .tag_len = tag_len };

		ccm_start(&work, record);
		ccm_mac(&work, 0, record->in, record->len);
		ccm_crypt(&work, record, record->in);
		ccm_tag(&work, record, record->out + record->len);
		ccm_end(&work);
	}
}

static void
ccm_open(struct crypto_ccm *records, unsigned n, unsigned tag_len)
{
	for (unsigned i = 0; i < n; i++) {
		struct crypto_ccm *record = &records[i];
		uint8_t tag[CRYPTO_LONG_TAG_LEN];
		struct ccm_work work = { .tag_len = tag_len };

		ccm_start(&work, record);
		ccm_crypt(&work, record, record->in);
		ccm_mac(&work, 0, record->out, record->len);
		ccm_tag(&work, record, tag);
		record->ok = crypto_equal(tag, record->in + record->len, tag_len);
		if (!record->ok)
			ccm_crypt(&work, record, record->out); /* the ciphertext again */
		crypto_wipe(tag, sizeof tag);                  /* a forger's wish */
		ccm_end(&work);
	}
}

static void
ccm8_seal(struct crypto_ccm *records, unsigned n)
{
	ccm_seal(records, n, CRYPTO_CCM_TAG_LEN);
}

static void
ccm8_open(struct crypto_ccm *records, unsigned n)
{
	ccm_open(records, n, CRYPTO_CCM_TAG_LEN);
}

static void
ccm16_seal(struct crypto_ccm *records, unsigned n)
{
	ccm_seal(records, n, CRYPTO_LONG_TAG_LEN);
}

static void
ccm16_open(struct crypto_ccm *records, unsigned n)
{
	ccm_open(records, n, CRYPTO_LONG_TAG_LEN);
}

const struct crypto_ops crypto_mbedtls = {
	.name = "mbedtls",
	.sha256_blocks = sha256_blocks,
	.sha256_lanes = sha256_lanes,
	.hmac_lanes = hmac_lanes,
	.ccm8_seal = ccm8_seal,
	.ccm8_open = ccm8_open,
	.ccm16_seal = ccm16_seal,
	.ccm16_open = ccm16_open,
	.gcm_seal = crypto_mbedtls_gcm_seal,
	.gcm_open = crypto_mbedtls_gcm_open,
	.cbc_encrypt = cbc_encrypt,
	.cbc_decrypt = cbc_decrypt,
	.ctr_stream = ctr_stream,
};
