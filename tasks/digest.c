#include "tasks/digest.h"

#include <stdbool.h>
#include <string.h>

enum { BLOCK = 64 }; /* bytes, of both algorithms */

struct digest {
	enum digest_algorithm algorithm;
	uint32_t state[8];
	uint64_t total; /* bytes so far; total % BLOCK of them wait in block[] */
	uint8_t block[BLOCK];
};

/* floor(2^32 * abs(sin(i + 1))), RFC 1321 3.4. */
static const uint32_t md5_sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
	0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
	0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
	0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
	0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
	0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
	0xeb86d391,
};

/* Rotations of each round, by step % 4. */
static const uint8_t md5_shifts[4][4] = {
	{ 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 }
};

/* The first 32 bits of the fractions of the cube roots of the first 64 primes, FIPS 180-4 4.2.2. */
static const uint32_t sha256_roots[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t
rotate_left(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t
rotate_right(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t
load_le32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static uint32_t
load_be32(const uint8_t *at)
{
	return (uint32_t)at[3] | (uint32_t)at[2] << 8 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[0] << 24;
}

/* RFC 1321 3.4: the function and the word of a step. */
static uint32_t
md5_mix(unsigned step, const uint32_t s[4], unsigned *word)
{
	switch (step / 16) {
	case 0:
		*word = step;
		return (s[1] & s[2]) | (~s[1] & s[3]);
	case 1:
		*word = (5 * step + 1) % 16;
		return (s[1] & s[3]) | (s[2] & ~s[3]);
	case 2:
		*word = (3 * step + 5) % 16;
		return s[1] ^ s[2] ^ s[3];
	default:
		*word = 7 * step % 16;
		return s[2] ^ (s[1] | ~s[3]);
	}
}

static void
md5_block(uint32_t state[8], const uint8_t block[BLOCK])
{
	uint32_t s[4];

	memcpy(s, state, sizeof s);
	for (unsigned step = 0; step < 64; step++) {
		unsigned word;
		uint32_t mixed = s[0] + md5_mix(step, s, &word) + md5_sines[step];

		mixed += load_le32(block + 4 * word);
		s[0] = s[3];
		s[3] = s[2];
		s[2] = s[1];
		s[1] += rotate_left(mixed, md5_shifts[step / 16][step % 4]);
	}
	for (unsigned i = 0; i < 4; i++)
		state[i] += s[i];
	explicit_bzero(s, sizeof s);
}

/* FIPS 180-4 6.2.2 step 1. */
static void
sha256_schedule(uint32_t w[64], const uint8_t block[BLOCK])
{
	for (unsigned i = 0; i < 16; i++)
		w[i] = load_be32(block + 4 * i);
	for (unsigned i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) +
		       (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
	}
}

/* One round of FIPS 180-4 6.2.2 step 3. The caller renames the eight words instead of moving them. */
#define SHA256_ROUND(a, b, c, d, e, f, g, h, i)                                                    \
	do {                                                                                       \
		uint32_t t1 = (h) + sha256_roots[i] + w[i] + (((e) & (f)) ^ (~(e) & (g))) +        \
			      (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25));    \
		uint32_t t2 = (((a) & (b)) ^ ((a) & (c)) ^ ((b) & (c))) +                          \
			      (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22));    \
		(d) += t1;                                                                         \
		(h) = t1 + t2;                                                                     \
	} while (0)

static void
sha256_block(uint32_t state[8], const uint8_t block[BLOCK])
{
	uint32_t w[64], s[8];

	sha256_schedule(w, block);
	memcpy(s, state, sizeof s);
	for (unsigned i = 0; i < 64; i += 8) {
		SHA256_ROUND(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], i);
		SHA256_ROUND(s[7], s[0], s[1], s[2], s[3], s[4], s[5], s[6], i + 1);
		SHA256_ROUND(s[6], s[7], s[0], s[1], s[2], s[3], s[4], s[5], i + 2);
		SHA256_ROUND(s[5], s[6], s[7], s[0], s[1], s[2], s[3], s[4], i + 3);
		SHA256_ROUND(s[4], s[5], s[6], s[7], s[0], s[1], s[2], s[3], i + 4);
		SHA256_ROUND(s[3], s[4], s[5], s[6], s[7], s[0], s[1], s[2], i + 5);
		SHA256_ROUND(s[2], s[3], s[4], s[5], s[6], s[7], s[0], s[1], i + 6);
		SHA256_ROUND(s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[0], i + 7);
	}
	for (unsigned i = 0; i < 8; i++)
		state[i] += s[i];
	explicit_bzero(w, sizeof w);
	explicit_bzero(s, sizeof s);
}

static void
digest_block(struct digest *digest, const uint8_t block[BLOCK])
{
	if (digest->algorithm == DIGEST_MD5)
		md5_block(digest->state, block);
	else
		sha256_block(digest->state, block);
}

static void
digest_init(struct digest *digest, enum digest_algorithm algorithm)
{
	static const uint32_t initial[][8] = {
		[DIGEST_MD5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 },
		[DIGEST_SHA256] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
				    0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
	};

	*digest = (struct digest){ .algorithm = algorithm };
	memcpy(digest->state, initial[algorithm], sizeof digest->state);
}

static void
digest_update(struct digest *digest, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		size_t held = digest->total % BLOCK;
		size_t n = len < BLOCK - held ? len : BLOCK - held;

		memcpy(digest->block + held, at, n);
		digest->total += n;
		at += n;
		len -= n;
		if (held + n == BLOCK)
			digest_block(digest, digest->block);
	}
}

static void
store_32(uint8_t *at, uint32_t value, bool little)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * (little ? i : 3 - i));
}

/* One bit, zeros, and the length in bits: FIPS 180-4 5.1.1; RFC 1321 3.1, 3.2 with little-endian words. */
static size_t
digest_final(struct digest *digest, uint8_t out[DIGEST_MAX])
{
	bool little = digest->algorithm == DIGEST_MD5;
	size_t len = digest->algorithm == DIGEST_MD5 ? 16 : 32;
	uint64_t bits = digest->total * 8;
	uint8_t padding[BLOCK] = { 0x80 }, length[8];

	store_32(length + (little ? 4 : 0), (uint32_t)(bits >> 32), little);
	store_32(length + (little ? 0 : 4), (uint32_t)bits, little);
	/* 1 to 64 bytes of padding, so that the length ends a block. */
	digest_update(digest, padding, (2 * BLOCK - 8 - 1 - digest->total % BLOCK) % BLOCK + 1);
	digest_update(digest, length, sizeof length);
	for (size_t i = 0; i < len; i += 4)
		store_32(out + i, digest->state[i / 4], little);
	explicit_bzero(digest, sizeof *digest);
	return len;
}

size_t
digest_bytes(enum digest_algorithm algorithm, struct digest_span message, uint8_t out[DIGEST_MAX])
{
	struct digest digest;

	digest_init(&digest, algorithm);
	digest_update(&digest, message.at, message.len);
	return digest_final(&digest, out);
}

size_t
digest_hmac(enum digest_algorithm algorithm, struct digest_span key, struct digest_span message,
	    uint8_t out[DIGEST_MAX])
{
	uint8_t pad[BLOCK] = { 0 };
	struct digest digest;
	size_t len;

	if (key.len > BLOCK)
		digest_bytes(algorithm, key, pad);
	else if (key.len)
		memcpy(pad, key.at, key.len);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	digest_init(&digest, algorithm);
	digest_update(&digest, pad, BLOCK);
	digest_update(&digest, message.at, message.len);
	len = digest_final(&digest, out);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	digest_init(&digest, algorithm);
	digest_update(&digest, pad, BLOCK);
	digest_update(&digest, out, len);
	explicit_bzero(pad, sizeof pad);
	return digest_final(&digest, out);
}
