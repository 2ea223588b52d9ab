/*
 * SHA-256 compression with the x86 SHA extensions, one stream and two in step.
 *
 * sha256rnds2 does two rounds on the state kept as the halves (a b e f) and (c d g h); each result
 * is the other half's input, so one stream is bound by the latency of 32 of them in a row. Two
 * independent streams fill the gaps: 1.4 times the time of one for twice the work. A third would
 * not fit the sixteen registers.
 */
#include "dataplane/core/crypto/crypto_backend.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define X86_SHA __attribute__((target("sha,sse4.1")))
/* Inlined into callers that pass constant stream counts, so that arrays become registers. */
#define X86_SHA_INLINE static inline __attribute__((always_inline, target("sha,sse4.1")))

/* FIPS 180-4 4.2.2 */
static const _Alignas(16) uint32_t round_constants[64] = {
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

struct stream {
	__m128i abef, cdgh;
	__m128i w[4]; /* the last sixteen words of the message schedule */
};

X86_SHA_INLINE void
load_state(struct stream *stream, const uint32_t h[8])
{
	/* Named from the high word down, as the instruction's manual does. */
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);

	stream->abef = _mm_alignr_epi8(cdab, efgh, 8);
	stream->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

X86_SHA_INLINE void
store_state(const struct stream *stream, uint32_t h[8])
{
	__m128i feba = _mm_shuffle_epi32(stream->abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(stream->cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)h, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/*
 * Words 4g .. 4g + 3 of the message schedule (FIPS 180-4 6.2.2 step 1), g >= 4, from the sixteen
 * before them.
 */
X86_SHA_INLINE __m128i
schedule(const struct stream *stream, unsigned g)
{
	__m128i w16 = stream->w[g & 3], w12 = stream->w[(g + 1) & 3];
	__m128i w8 = stream->w[(g + 2) & 3], w4 = stream->w[(g + 3) & 3];
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w16, w12), _mm_alignr_epi8(w4, w8, 4));

	return _mm_sha256msg2_epu32(sum, w4);
}

/* Rounds 4g .. 4g + 3 of one stream. */
X86_SHA_INLINE void
four_rounds(struct stream *stream, unsigned g, const uint32_t *constants)
{
	__m128i word;

	if (g >= 4)
		stream->w[g & 3] = schedule(stream, g);
	word = _mm_add_epi32(stream->w[g & 3],
			     _mm_load_si128((const __m128i *)(constants + 4 * g)));
	stream->cdgh = _mm_sha256rnds2_epu32(stream->cdgh, stream->abef, word);
	stream->abef =
		_mm_sha256rnds2_epu32(stream->abef, stream->cdgh, _mm_shuffle_epi32(word, 0x0e));
}

/* Compresses the block whose words are in place, of n streams in step. */
X86_SHA_INLINE void
compress(struct stream *streams, const unsigned n)
{
	const uint32_t *constants = round_constants;
	__m128i abef[2], cdgh[2];

	/* Or a compiler keeps all of them at hand for the next block: sixteen copies on the stack, a
	 * fifth of what two HMACs in step take. */
	__asm__("" : "+r"(constants));
	for (unsigned i = 0; i < n; i++) {
		abef[i] = streams[i].abef;
		cdgh[i] = streams[i].cdgh;
	}
#pragma GCC unroll 16
	for (unsigned g = 0; g < 16; g++) {
		for (unsigned i = 0; i < n; i++)
			four_rounds(&streams[i], g, constants);
	}
	for (unsigned i = 0; i < n; i++) {
		streams[i].abef = _mm_add_epi32(streams[i].abef, abef[i]);
		streams[i].cdgh = _mm_add_epi32(streams[i].cdgh, cdgh[i]);
	}
}

X86_SHA_INLINE __m128i
swap_bytes(__m128i words)
{
	return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

X86_SHA_INLINE void
load_block(struct stream *stream, const uint8_t *block)
{
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		stream->w[i] = swap_bytes(_mm_loadu_si128((const __m128i *)(block + 16 * i)));
}

/* ---- streams --------------------------------------------------------------------------------- */

X86_SHA_INLINE void
hash_lanes(const struct crypto_lane *lanes, const unsigned n, size_t blocks)
{
	struct stream streams[2];

	for (unsigned i = 0; i < n; i++)
		load_state(&streams[i], lanes[i].h);
	for (size_t at = 0; at < blocks * CRYPTO_HASH_BLOCK; at += CRYPTO_HASH_BLOCK) {
		for (unsigned i = 0; i < n; i++)
			load_block(&streams[i], lanes[i].data + at);
		compress(streams, n);
	}
	for (unsigned i = 0; i < n; i++)
		store_state(&streams[i], lanes[i].h);
}

X86_SHA void
crypto_x86_sha256_blocks(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	struct crypto_lane lane = { h, data };

	hash_lanes(&lane, 1, blocks);
}

X86_SHA void
crypto_x86_sha256_lanes(const struct crypto_lane *lanes, unsigned n, size_t blocks)
{
	for (; n >= 2; n -= 2, lanes += 2)
		hash_lanes(lanes, 2, blocks);
	if (n != 0)
		hash_lanes(lanes, 1, blocks);
}

/* ---- HMAC ------------------------------------------------------------------------------------ */

/*
 * The stream's digest becomes the block to compress, padded as what follows a pad: 96 bytes, 768
 * bits.
 */
X86_SHA_INLINE void
turn(struct stream *stream)
{
	__m128i feba = _mm_shuffle_epi32(stream->abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(stream->cdgh, 0xb1);

	stream->w[0] = _mm_blend_epi16(feba, dchg, 0xf0);
	stream->w[1] = _mm_alignr_epi8(dchg, feba, 8);
	stream->w[2] = _mm_set_epi32(0, 0, 0, INT32_MIN);
	stream->w[3] = _mm_set_epi32(8 * (CRYPTO_HASH_BLOCK + CRYPTO_HASH_LEN), 0, 0, 0);
}

X86_SHA_INLINE void
store_digest(struct stream *stream, uint8_t digest[CRYPTO_HASH_LEN])
{
	turn(stream);
	_mm_storeu_si128((__m128i *)digest, swap_bytes(stream->w[0]));
	_mm_storeu_si128((__m128i *)(digest + 16), swap_bytes(stream->w[1]));
}

X86_SHA_INLINE void
hmac(const struct crypto_hmac_lane *lanes, const unsigned n, size_t blocks)
{
	struct stream streams[2];

	for (unsigned i = 0; i < n; i++)
		load_state(&streams[i], lanes[i].inner);
	for (size_t at = 0; at < blocks * CRYPTO_HASH_BLOCK; at += CRYPTO_HASH_BLOCK) {
		for (unsigned i = 0; i < n; i++)
			load_block(&streams[i], lanes[i].message + at);
		compress(streams, n);
	}
	for (unsigned i = 0; i < n; i++) {
		turn(&streams[i]);
		load_state(&streams[i], lanes[i].outer);
	}
	compress(streams, n);
	for (unsigned i = 0; i < n; i++)
		store_digest(&streams[i], lanes[i].mac);
}

X86_SHA void
crypto_x86_hmac_lanes(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks)
{
	for (; n >= 2; n -= 2, lanes += 2)
		hmac(lanes, 2, blocks);
	if (n != 0)
		hmac(lanes, 1, blocks);
}

#endif
