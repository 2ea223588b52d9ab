/*
 * SHA-256 streams (FIPS 180-4), HMAC (RFC 2104) and the TLS 1.2 PRF (RFC 5246 5) over a backend's
 * compression function.
 */
#include "dataplane/core/crypto/crypto.h"

#include <assert.h>
#include <string.h>

enum {
	PADDING_MIN = 9,       /* 0x80 and the length */
	HMAC_SHORT_BLOCKS = 4, /* a cookie's is of two or three */
};

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
 * Ends a message whose last `tail` bytes are at block[0..tail), with zeros behind them: 0x80 and
 * the bit length of all its `total` bytes (FIPS 180-4 5.1.1). Returns the blocks from `block` on.
 */
static size_t
put_padding(uint8_t *block, size_t tail, uint64_t total)
{
	size_t blocks = (tail + PADDING_MIN + CRYPTO_HASH_BLOCK - 1) / CRYPTO_HASH_BLOCK;

	block[tail] = 0x80;
	put_be64(block + blocks * CRYPTO_HASH_BLOCK - 8, total * 8);
	return blocks;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void
start(struct crypto_sha256 *hash, const uint32_t h[8], uint64_t len)
{
	memcpy(hash->h, h, sizeof hash->h);
	memset(hash->tail, 0, sizeof hash->tail);
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
	memset(hash->tail, 0, sizeof hash->tail);
	memcpy(hash->tail, bytes + blocks * CRYPTO_HASH_BLOCK, len % CRYPTO_HASH_BLOCK);
}

/* The stream's last block or two, padded. Returns how many. */
static size_t
put_end(uint8_t block[2 * CRYPTO_HASH_BLOCK], const struct crypto_sha256 *hash)
{
	memcpy(block, hash->tail, sizeof hash->tail);
	memset(block + sizeof hash->tail, 0, CRYPTO_HASH_BLOCK);
	return put_padding(block, hash->len % CRYPTO_HASH_BLOCK, hash->len);
}

void
crypto_sha256_final(const struct crypto_ops *ops, const struct crypto_sha256 *hash,
		    uint8_t digest[CRYPTO_HASH_LEN])
{
	uint8_t block[2 * CRYPTO_HASH_BLOCK];
	uint32_t h[8];

	memcpy(h, hash->h, sizeof h);
	ops->sha256_blocks(h, block, put_end(block, hash));
	put_digest(digest, h);
	crypto_wipe(block, sizeof block);
	crypto_wipe(h, sizeof h);
}

/* What one of them has more to hash goes ahead alone. */
static void
final_two(const struct crypto_ops *ops, const struct crypto_sha256 *const hashes[2],
	  uint8_t (*digests)[CRYPTO_HASH_LEN])
{
	uint8_t blocks[2][2 * CRYPTO_HASH_BLOCK];
	uint32_t h[2][8];
	struct crypto_lane lanes[2];
	size_t left[2];

	for (int i = 0; i < 2; i++) {
		memcpy(h[i], hashes[i]->h, sizeof h[i]);
		left[i] = put_end(blocks[i], hashes[i]);
		lanes[i] = (struct crypto_lane){ h[i], blocks[i] };
	}
	for (int i = 0; i < 2; i++) {
		if (left[i] <= left[!i])
			continue;
		ops->sha256_blocks(h[i], blocks[i], 1);
		lanes[i].data += CRYPTO_HASH_BLOCK;
		left[i] = 1;
	}
	ops->sha256_lanes(lanes, 2, left[0]);
	for (int i = 0; i < 2; i++)
		put_digest(digests[i], h[i]);
	crypto_wipe(blocks, sizeof blocks);
	crypto_wipe(h, sizeof h);
}

void
crypto_sha256_finals(const struct crypto_ops *ops, const struct crypto_sha256 *const *hashes,
		     unsigned n, uint8_t (*digests)[CRYPTO_HASH_LEN])
{
	for (; n >= 2; n -= 2, hashes += 2, digests += 2)
		final_two(ops, hashes, digests);
	if (n != 0)
		crypto_sha256_final(ops, hashes[0], digests[0]);
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

/* memcpy(), without the call for the size of randoms and digests. */
static void
put_piece(uint8_t *to, const struct crypto_piece *piece)
{
	if (piece->len == CRYPTO_HASH_LEN)
		memcpy(to, piece->data, CRYPTO_HASH_LEN);
	else if (piece->len != 0)
		memcpy(to, piece->data, piece->len);
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

/* The HMAC of a message of any length. */
static void
hmac_long(const struct crypto_ops *ops, const struct crypto_hmac_key *key,
	  const struct crypto_piece *pieces, unsigned n, uint8_t mac[CRYPTO_HASH_LEN])
{
	struct crypto_sha256 hash;
	uint8_t block[2 * CRYPTO_HASH_BLOCK];
	const struct crypto_hmac_lane lane = { hash.h, key->outer, block, mac };

	start(&hash, key->inner, CRYPTO_HASH_BLOCK);
	for (unsigned i = 0; i < n; i++)
		crypto_sha256_update(ops, &hash, pieces[i].data, pieces[i].len);
	ops->hmac_lanes(&lane, 1, put_end(block, &hash));
	crypto_wipe(&hash, sizeof hash);
	crypto_wipe(block, sizeof block);
}

/* A short one is put together, which costs less than a stream of its pieces. */
void
crypto_hmac(const struct crypto_ops *ops, const struct crypto_hmac_key *key,
	    const struct crypto_piece *pieces, unsigned n, uint8_t mac[CRYPTO_HASH_LEN])
{
	uint8_t message[HMAC_SHORT_BLOCKS * CRYPTO_HASH_BLOCK];
	const struct crypto_hmac_lane lane = { key->inner, key->outer, message, mac };
	size_t len = 0, at = 0, blocks;

	for (unsigned i = 0; i < n; i++)
		len += pieces[i].len;
	if (len + PADDING_MIN > sizeof message) {
		hmac_long(ops, key, pieces, n, mac);
		return;
	}
	blocks = (len + PADDING_MIN + CRYPTO_HASH_BLOCK - 1) / CRYPTO_HASH_BLOCK;
	memset(message + len, 0, blocks * CRYPTO_HASH_BLOCK - len);
	for (unsigned i = 0; i < n; i++) {
		put_piece(message + at, &pieces[i]);
		at += pieces[i].len;
	}
	ops->hmac_lanes(&lane, 1, put_padding(message, len, CRYPTO_HASH_BLOCK + len));
	crypto_wipe(message, blocks * CRYPTO_HASH_BLOCK);
}

/* ---- PRF ------------------------------------------------------------------------------------- */

enum {
	/* A(i), label and seed; or label and seed alone, behind the room for A(i): each padded. */
	PRF_MESSAGE = CRYPTO_HASH_LEN + 3 * CRYPTO_HASH_BLOCK,
};

_Static_assert(CRYPTO_PRF_SEED_MAX + PADDING_MIN <= 3 * CRYPTO_HASH_BLOCK, "the seed padded");

/*
 * P_SHA256 makes output i from A(i) || label || seed, and A(i + 1) from A(i). Every HMAC of it that
 * can goes in step with another, since two in step cost 1.1 to 1.45 of one:
 *
 *	of a job alone		of two, one of them of one output
 *	A(1)			A(1)	  A(1)
 *	A(2)			A(2)	  output 1
 *	output 1  output 2	output 1  output 2
 */
struct prf_work {
	uint8_t chain[CRYPTO_HASH_BLOCK]; /* A(i), padded as the message that A(i + 1) is made of */
	uint8_t output[2][CRYPTO_HASH_LEN];
	uint8_t message[2][PRF_MESSAGE];
	size_t seed_len, blocks; /* of label and seed; of a message */
};

/* An HMAC of what is padded at `message` already. */
struct prf_hmac {
	const struct crypto_hmac_key *secret;
	const uint8_t *message;
	size_t blocks;
	uint8_t *mac;
};

static void
hmac_one(const struct crypto_ops *ops, const struct prf_hmac *hmac)
{
	const struct crypto_hmac_lane lane = { hmac->secret->inner, hmac->secret->outer,
					       hmac->message, hmac->mac };

	ops->hmac_lanes(&lane, 1, hmac->blocks);
}

/* Two in step; what one message is longer goes ahead alone. */
static void
hmac_two(const struct crypto_ops *ops, const struct prf_hmac hmacs[2])
{
	const struct prf_hmac *longer = &hmacs[hmacs[0].blocks < hmacs[1].blocks];
	const struct prf_hmac *shorter = &hmacs[longer == hmacs];
	size_t ahead = longer->blocks - shorter->blocks;
	struct crypto_hmac_lane lanes[2] = {
		{ longer->secret->inner, longer->secret->outer, longer->message, longer->mac },
		{ shorter->secret->inner, shorter->secret->outer, shorter->message, shorter->mac },
	};
	uint32_t inner[8];

	if (ahead == 0) {
		ops->hmac_lanes(lanes, 2, shorter->blocks);
		return;
	}
	memcpy(inner, longer->secret->inner, sizeof inner);
	ops->sha256_blocks(inner, longer->message, ahead);
	lanes[0].inner = inner;
	lanes[0].message += ahead * CRYPTO_HASH_BLOCK;
	ops->hmac_lanes(lanes, 2, shorter->blocks);
	crypto_wipe(inner, sizeof inner);
}

static void
hmac_each(const struct crypto_ops *ops, const struct prf_hmac *hmacs, unsigned n)
{
	if (n == 2)
		hmac_two(ops, hmacs);
	else
		hmac_one(ops, hmacs);
}

static size_t
put_seed(uint8_t *to, const struct crypto_prf *job)
{
	size_t len = strlen(job->label);

	assert(len + job->seed[0].len + job->seed[1].len <= CRYPTO_PRF_SEED_MAX);
	memcpy(to, job->label, len);
	for (int i = 0; i < 2; i++) {
		put_piece(to + len, &job->seed[i]);
		len += job->seed[i].len;
	}
	return len;
}

/*
 * The HMAC that gives A(1), of label and seed: made where they stand in the messages to come, behind
 * the room for A(i). The 0x80 behind them serves both, only the length has another place.
 */
static struct prf_hmac
prf_begin(const struct crypto_prf *job, struct prf_work *work)
{
	uint8_t *message = work->message[0], *seed = message + CRYPTO_HASH_LEN;

	crypto_wipe(message, PRF_MESSAGE);
	crypto_wipe(work->chain, sizeof work->chain);
	put_padding(work->chain, CRYPTO_HASH_LEN, CRYPTO_HASH_BLOCK + CRYPTO_HASH_LEN);
	work->seed_len = put_seed(seed, job);
	work->blocks = put_padding(seed, work->seed_len, CRYPTO_HASH_BLOCK + work->seed_len);
	return (struct prf_hmac){ job->secret, seed, work->blocks, work->chain };
}

/* A(i) is in the chain, and goes into message 0: the HMAC that gives A(i + 1), or the last output. */
static struct prf_hmac
prf_next(const struct crypto_prf *job, struct prf_work *work, size_t left)
{
	memcpy(work->message[0], work->chain, CRYPTO_HASH_LEN);
	if (left > CRYPTO_HASH_LEN)
		return (struct prf_hmac){ job->secret, work->chain, 1, work->chain };
	return (struct prf_hmac){ job->secret, work->message[0], work->blocks, work->output[0] };
}

/* The same of A(1): the seed has served alone, and becomes the rest of the messages. */
static struct prf_hmac
prf_second(const struct crypto_prf *job, struct prf_work *work)
{
	uint8_t *message = work->message[0], *seed = message + CRYPTO_HASH_LEN;
	size_t len = CRYPTO_HASH_LEN + work->seed_len;

	put_be64(seed + work->blocks * CRYPTO_HASH_BLOCK - 8, 0);
	work->blocks = put_padding(message, len, CRYPTO_HASH_BLOCK + len);
	if (job->len > CRYPTO_HASH_LEN)
		memcpy(work->message[1], message, PRF_MESSAGE);
	return prf_next(job, work, job->len);
}

/* Two outputs, side by side: of A(i), in message 0, and of A(i + 1), in the chain. */
static void
prf_two_outputs(const struct crypto_ops *ops, const struct crypto_prf *job, struct prf_work *work)
{
	const struct prf_hmac hmacs[2] = {
		{ job->secret, work->message[0], work->blocks, work->output[0] },
		{ job->secret, work->message[1], work->blocks, work->output[1] },
	};

	memcpy(work->message[1], work->chain, CRYPTO_HASH_LEN);
	hmac_two(ops, hmacs);
}

/* What is left to do when the second HMAC is made. */
static void
prf_end(const struct crypto_ops *ops, const struct crypto_prf *job, struct prf_work *work)
{
	uint8_t *out = job->out;
	size_t left = job->len;

	while (left > CRYPTO_HASH_LEN) {
		size_t n = left < sizeof work->output ? left : sizeof work->output;
		struct prf_hmac step = { job->secret, work->chain, 1, work->chain };

		prf_two_outputs(ops, job, work);
		memcpy(out, work->output, n);
		out += n;
		left -= n;
		if (left == 0)
			return;
		hmac_one(ops, &step);
		step = prf_next(job, work, left);
		hmac_one(ops, &step);
	}
	memcpy(out, work->output[0], left);
}

/* One job, or two in step. */
static void
prf_together(const struct crypto_ops *ops, const struct crypto_prf *jobs, unsigned n)
{
	struct prf_work works[2];
	struct prf_hmac hmacs[2];

	for (unsigned i = 0; i < n; i++)
		hmacs[i] = prf_begin(&jobs[i], &works[i]);
	hmac_each(ops, hmacs, n);
	for (unsigned i = 0; i < n; i++)
		hmacs[i] = prf_second(&jobs[i], &works[i]);
	hmac_each(ops, hmacs, n);
	for (unsigned i = 0; i < n; i++) {
		prf_end(ops, &jobs[i], &works[i]);
		/* Label and seed go over the wire; the rest is secret. */
		crypto_wipe(works[i].chain, sizeof works[i].chain);
		crypto_wipe(works[i].output, sizeof works[i].output);
		crypto_wipe(works[i].message[0], CRYPTO_HASH_LEN);
		crypto_wipe(works[i].message[1], CRYPTO_HASH_LEN);
	}
}

void
crypto_prf(const struct crypto_ops *ops, const struct crypto_prf *jobs, unsigned n)
{
	for (; n >= 2; n -= 2, jobs += 2)
		prf_together(ops, jobs, 2);
	if (n != 0)
		prf_together(ops, jobs, 1);
}
