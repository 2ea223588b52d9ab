/*
 * SHA-256 streams (FIPS 180-4), HMAC (RFC 2104) and the TLS 1.2 PRF (RFC 5246 5) over a backend's
 * compression function.
 */
#include "dataplane/core/crypto.h"

#include <assert.h>
#include <string.h>

static const uint32_t initial_h[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static void
put_be64(uint8_t *to, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	memcpy(to, &value, sizeof value);
}

/*
 * Words to bytes, four at a time: a block written in small pieces would stall the backend's wide
 * loads of it.
 */
static void
put_digest(uint8_t digest[CRYPTO_HASH_LEN], const uint32_t h[8])
{
	uint32_t words __attribute__((vector_size(16)));

	for (int i = 0; i < 2; i++) {
		memcpy(&words, h + 4 * i, sizeof words);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		words = words >> 24 | (words >> 8 & 0xff00) | (words << 8 & 0xff0000) | words << 24;
#endif
		memcpy(digest + 16 * i, &words, sizeof words);
	}
}

/*
 * Writes the end of a message of `total` bytes behind its last `tail` ones, which are at
 * block[0..tail) already: 0x80, zeros and the bit length (FIPS 180-4 5.1.1). Returns the blocks
 * this makes, 1 or 2.
 */
static size_t
put_padding(uint8_t block[2 * CRYPTO_HASH_BLOCK], size_t tail, uint64_t total)
{
	size_t blocks = tail + 9 > CRYPTO_HASH_BLOCK ? 2 : 1;
	size_t end = blocks * CRYPTO_HASH_BLOCK;

	block[tail] = 0x80;
	crypto_wipe(block + tail + 1, end - tail - 9);
	put_be64(block + end - 8, total * 8);
	return blocks;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void
start(struct crypto_sha256 *hash, const uint32_t h[8], uint64_t len)
{
	memcpy(hash->h, h, sizeof hash->h);
	hash->len = len;
}

void
crypto_sha256_init(struct crypto_sha256 *hash)
{
	start(hash, initial_h, 0);
}

void
crypto_sha256_update(const struct crypto_ops *ops, struct crypto_sha256 *hash, const void *data,
		     size_t len)
{
	const uint8_t *bytes = data;
	size_t tail = hash->len % CRYPTO_HASH_BLOCK;
	size_t room = CRYPTO_HASH_BLOCK - tail;

	if (len == 0)
		return;
	hash->len += len;
	if (len < room) {
		memcpy(hash->tail + tail, bytes, len);
		return;
	}
	if (tail != 0) {
		memcpy(hash->tail + tail, bytes, room);
		ops->sha256_blocks(hash->h, hash->tail, 1);
		bytes += room;
		len -= room;
	}
	size_t blocks = len / CRYPTO_HASH_BLOCK;

	if (blocks != 0)
		ops->sha256_blocks(hash->h, bytes, blocks);
	memcpy(hash->tail, bytes + blocks * CRYPTO_HASH_BLOCK, len % CRYPTO_HASH_BLOCK);
}

/* The final midstate without touching the stream. */
static void
finish(const struct crypto_ops *ops, const struct crypto_sha256 *hash, uint32_t h[8])
{
	uint8_t block[2 * CRYPTO_HASH_BLOCK];
	size_t tail = hash->len % CRYPTO_HASH_BLOCK;

	memcpy(h, hash->h, sizeof hash->h);
	memcpy(block, hash->tail, tail);
	ops->sha256_blocks(h, block, put_padding(block, tail, hash->len));
	crypto_wipe(block, sizeof block);
}

void
crypto_sha256_final(const struct crypto_ops *ops, const struct crypto_sha256 *hash,
		    uint8_t digest[CRYPTO_HASH_LEN])
{
	uint32_t h[8];

	finish(ops, hash, h);
	put_digest(digest, h);
	crypto_wipe(h, sizeof h);
}

void
crypto_sha256(const struct crypto_ops *ops, const void *data, size_t len,
	      uint8_t digest[CRYPTO_HASH_LEN])
{
	struct crypto_sha256 hash;

	crypto_sha256_init(&hash);
	crypto_sha256_update(ops, &hash, data, len);
	crypto_sha256_final(ops, &hash, digest);
	crypto_wipe(&hash, sizeof hash);
}

/* ---- HMAC ------------------------------------------------------------------------------------ */

void
crypto_hmac_key_init(const struct crypto_ops *ops, struct crypto_hmac_key *key, const void *secret,
		     size_t len)
{
	uint8_t short_secret[CRYPTO_HASH_LEN];
	uint8_t inner[CRYPTO_HASH_BLOCK] = { 0 }, outer[CRYPTO_HASH_BLOCK];
	struct crypto_lane lanes[2] = { { key->inner, inner }, { key->outer, outer } };

	if (len > CRYPTO_HASH_BLOCK) {
		crypto_sha256(ops, secret, len, short_secret);
		secret = short_secret;
		len = sizeof short_secret;
	}
	if (len != 0)
		memcpy(inner, secret, len);
	for (int i = 0; i < CRYPTO_HASH_BLOCK; i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	memcpy(key->inner, initial_h, sizeof key->inner);
	memcpy(key->outer, initial_h, sizeof key->outer);
	ops->sha256_lanes(lanes, 2, 1);
	crypto_wipe(inner, sizeof inner);
	crypto_wipe(outer, sizeof outer);
	crypto_wipe(short_secret, sizeof short_secret);
}

/* Behind a pad and a digest: 96 bytes, 768 bits. */
static const uint8_t digest_padding[CRYPTO_HASH_BLOCK - CRYPTO_HASH_LEN] = {
	[0] = 0x80,
	[30] = 768 >> 8,
};

/* The block that the outer hash compresses: the inner digest, padded. */
static void
put_outer_block(uint8_t block[CRYPTO_HASH_BLOCK], const uint32_t inner[8])
{
	put_digest(block, inner);
	memcpy(block + CRYPTO_HASH_LEN, digest_padding, sizeof digest_padding);
}

void
crypto_hmac(const struct crypto_ops *ops, const struct crypto_hmac_key *key,
	    const struct crypto_piece *pieces, unsigned n, uint8_t mac[CRYPTO_HASH_LEN])
{
	struct crypto_sha256 hash;
	uint8_t block[CRYPTO_HASH_BLOCK];
	uint32_t h[8];

	start(&hash, key->inner, CRYPTO_HASH_BLOCK);
	for (unsigned i = 0; i < n; i++)
		crypto_sha256_update(ops, &hash, pieces[i].data, pieces[i].len);
	finish(ops, &hash, h);
	put_outer_block(block, h);
	memcpy(h, key->outer, sizeof h);
	ops->sha256_blocks(h, block, 1);
	put_digest(mac, h);
	crypto_wipe(&hash, sizeof hash);
	crypto_wipe(block, sizeof block);
	crypto_wipe(h, sizeof h);
}

/* ---- PRF ------------------------------------------------------------------------------------- */

enum {
	/* A(i), label, seed and padding: 32 + 128 + 9 bytes. */
	PRF_BLOCKS = 3,
};

/*
 * P_SHA256 makes output i from A(i) || label || seed, and A(i + 1) from A(i). Two outputs are made
 * at a time, since two compressions in step cost 1.4 of one: A(i) and A(i + 1) first, one after the
 * other, then both outputs side by side.
 */
struct prf_work {
	uint8_t first[PRF_BLOCKS * CRYPTO_HASH_BLOCK]; /* label || seed, padded: A(1) is its HMAC */
	struct {
		uint32_t h[8];
		uint8_t message[PRF_BLOCKS * CRYPTO_HASH_BLOCK]; /* A(i) || label || seed, padded */
		uint8_t block[CRYPTO_HASH_BLOCK];
		uint8_t digest[CRYPTO_HASH_LEN];
	} lane[2];
	size_t blocks; /* of a message */
};

static size_t
put_seed(uint8_t *to, const struct crypto_prf *job)
{
	size_t len = strlen(job->label);

	assert(len + job->seed[0].len + job->seed[1].len <= CRYPTO_PRF_SEED_MAX);
	memcpy(to, job->label, len);
	for (int i = 0; i < 2; i++) {
		if (job->seed[i].len != 0)
			memcpy(to + len, job->seed[i].data, job->seed[i].len);
		len += job->seed[i].len;
	}
	return len;
}

/* Pads the message of `len` bytes, which is preceded by the inner pad. Returns its blocks. */
static size_t
pad_message(uint8_t *message, size_t len)
{
	size_t whole = len / CRYPTO_HASH_BLOCK;

	return whole + put_padding(message + whole * CRYPTO_HASH_BLOCK, len % CRYPTO_HASH_BLOCK,
				   CRYPTO_HASH_BLOCK + len);
}

/* The HMAC of what is padded at `message` already. `message` and `mac` may overlap. */
static void
hmac_padded(const struct crypto_ops *ops, const struct crypto_hmac_key *key, const uint8_t *message,
	    size_t blocks, uint8_t mac[CRYPTO_HASH_LEN])
{
	uint8_t block[CRYPTO_HASH_BLOCK];
	uint32_t h[8];

	memcpy(h, key->inner, sizeof h);
	ops->sha256_blocks(h, message, blocks);
	put_outer_block(block, h);
	memcpy(h, key->outer, sizeof h);
	ops->sha256_blocks(h, block, 1);
	put_digest(mac, h);
	crypto_wipe(block, sizeof block);
	crypto_wipe(h, sizeof h);
}

/* to = HMAC(secret, from): A(i + 1) of A(i). */
static void
prf_step(const struct crypto_ops *ops, const struct crypto_hmac_key *secret, uint8_t *to,
	 const uint8_t *from)
{
	uint8_t block[CRYPTO_HASH_BLOCK];

	memcpy(block, from, CRYPTO_HASH_LEN);
	memcpy(block + CRYPTO_HASH_LEN, digest_padding, sizeof digest_padding);
	hmac_padded(ops, secret, block, 1, to);
	crypto_wipe(block, sizeof block);
}

/* HMACs of both lanes' messages, side by side, into their digests. */
static void
prf_output2(const struct crypto_ops *ops, const struct crypto_hmac_key *secret,
	    struct prf_work *work)
{
	struct crypto_lane lanes[2];

	for (int i = 0; i < 2; i++) {
		memcpy(work->lane[i].h, secret->inner, sizeof secret->inner);
		lanes[i] = (struct crypto_lane){ work->lane[i].h, work->lane[i].message };
	}
	ops->sha256_lanes(lanes, 2, work->blocks);
	for (int i = 0; i < 2; i++) {
		put_outer_block(work->lane[i].block, work->lane[i].h);
		memcpy(work->lane[i].h, secret->outer, sizeof secret->outer);
		lanes[i].data = work->lane[i].block;
	}
	ops->sha256_lanes(lanes, 2, 1);
	for (int i = 0; i < 2; i++)
		put_digest(work->lane[i].digest, work->lane[i].h);
}

/* Everything behind A(1), which is in lane 0's message. */
static void
prf_outputs(const struct crypto_ops *ops, const struct crypto_prf *job, struct prf_work *work)
{
	uint8_t *a0 = work->lane[0].message, *a1 = work->lane[1].message;
	uint8_t *out = job->out;
	size_t left = job->len;

	while (left > CRYPTO_HASH_LEN) {
		size_t second = left - CRYPTO_HASH_LEN;

		if (second > CRYPTO_HASH_LEN)
			second = CRYPTO_HASH_LEN;
		prf_step(ops, job->secret, a1, a0);
		prf_output2(ops, job->secret, work);
		memcpy(out, work->lane[0].digest, CRYPTO_HASH_LEN);
		memcpy(out + CRYPTO_HASH_LEN, work->lane[1].digest, second);
		out += CRYPTO_HASH_LEN + second;
		left -= CRYPTO_HASH_LEN + second;
		if (left != 0)
			prf_step(ops, job->secret, a0, a1);
	}
	if (left != 0) {
		hmac_padded(ops, job->secret, a0, work->blocks, work->lane[0].digest);
		memcpy(out, work->lane[0].digest, left);
	}
}

/* All of a message but its A(i); returns its blocks. */
static size_t
put_message(uint8_t *message, const struct crypto_prf *job)
{
	return pad_message(message, CRYPTO_HASH_LEN + put_seed(message + CRYPTO_HASH_LEN, job));
}

static void
prf_one(const struct crypto_ops *ops, const struct crypto_prf *job)
{
	struct prf_work work;
	size_t first_blocks = pad_message(work.first, put_seed(work.first, job));

	/*
	 * Written ahead of the first compression, so that they have settled when the backend's wide
	 * loads come.
	 */
	work.blocks = put_message(work.lane[0].message, job);
	if (job->len > CRYPTO_HASH_LEN)
		put_message(work.lane[1].message, job);
	hmac_padded(ops, job->secret, work.first, first_blocks, work.lane[0].message);
	prf_outputs(ops, job, &work);
	crypto_wipe(&work, sizeof work);
}

void
crypto_prf(const struct crypto_ops *ops, const struct crypto_prf *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		prf_one(ops, &jobs[i]);
}
