/*
 * crypto_x86_aes.h - AES-128 with AES-NI: what crypto_x86_aes.c and crypto_x86_ccm.c share.
 */
#pragma once

#include <immintrin.h>

#include "dataplane/core/crypto/crypto_backend.h"

#define X86_AES __attribute__((target("aes,sse4.1")))
/* Inlined into callers that pass constant lane counts, so that arrays become registers. */
#define X86_AES_INLINE static inline __attribute__((always_inline, target("aes,sse4.1")))

enum { ROUNDS = 10 };

X86_AES_INLINE __m128i
load(const uint8_t *from)
{
	return _mm_loadu_si128((const __m128i *)from);
}

X86_AES_INLINE void
store(uint8_t *to, __m128i block)
{
	_mm_storeu_si128((__m128i *)to, block);
}

/* ---- key schedule (FIPS 197 5.2) ------------------------------------------------------------- */

/*
 * The next round key. With the rotated last word in all four columns, ShiftRows changes nothing, so
 * aesenclast is SubWord and the XOR of Rcon at once: shorter than aeskeygenassist.
 */
X86_AES_INLINE __m128i
next_key(__m128i key, uint32_t rcon)
{
	const __m128i rotate_last_word = _mm_set1_epi32(0x0c0f0e0d);
	__m128i word = _mm_shuffle_epi8(key, rotate_last_word);

	word = _mm_aesenclast_si128(word, _mm_set1_epi32((int)rcon));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, word);
}

struct schedule {
	__m128i key[ROUNDS + 1];
};

/* Schedules of n lanes in step. */
X86_AES_INLINE void
expand_lanes(struct schedule *const *schedules, const uint8_t *const *keys, const unsigned n)
{
	static const uint8_t rcon[ROUNDS] = { 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36 };

#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++)
		schedules[l]->key[0] = load(keys[l]);
#pragma GCC unroll 10
	for (unsigned r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 4
		for (unsigned l = 0; l < n; l++)
			schedules[l]->key[r + 1] = next_key(schedules[l]->key[r], rcon[r]);
	}
}

X86_AES_INLINE void
expand(struct schedule *schedule, const uint8_t key[16])
{
	expand_lanes(&schedule, &key, 1);
}

X86_AES_INLINE __m128i
encrypt(const struct schedule *schedule, __m128i block)
{
	block = _mm_xor_si128(block, schedule->key[0]);
	for (int r = 1; r < ROUNDS; r++)
		block = _mm_aesenc_si128(block, schedule->key[r]);
	return _mm_aesenclast_si128(block, schedule->key[ROUNDS]);
}
