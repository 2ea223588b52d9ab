/*
 * AES-128-CCM with AES-NI, tags of 8 and of 16 bytes (NIST SP 800-38C, RFC 3610, RFC 6655).
 *
 * A record alone is bound by the latency of its CBC-MAC: ten dependent aesenc a block. So a step
 * encrypts one MAC block and one counter block side by side, and a burst goes four records in step:
 * eight independent chains, which is what two pipelined AES units with a latency of four cycles can
 * hold.
 */
#include "dataplane/core/crypto/crypto_backend.h"

#if defined(__x86_64__)

#include <string.h>

#include "dataplane/core/crypto/crypto_x86_aes.h"

enum { LANES = 4 }; /* records in step */

/*
 * One record at work. What the chains carry from step to step is in struct chains, which stays in
 * registers.
 */
struct lane {
	struct schedule schedule;
	__m128i counter; /* the counter block with counter 0 */
	const struct crypto_ccm *record;
	unsigned head_blocks; /* ahead of the message: B_0 and the associated data */
};

struct chains {
	__m128i mac[LANES];    /* CBC-MAC so far */
	__m128i first[LANES];  /* S_0, which hides the tag */
	__m128i stream[LANES]; /* S_(i + 1) for the message block i to come */
};

/* A little-endian word of 0 to 8 bytes, in two reads that overlap, so that none is outside. */
X86_AES_INLINE uint64_t
load_word(const uint8_t *from, size_t len)
{
	uint64_t word = 0;
	uint32_t low, high;

	if (len >= 8) {
		memcpy(&word, from, 8);
		return word;
	}
	if (len >= 4) {
		memcpy(&low, from, 4);
		memcpy(&high, from + len - 4, 4);
		return low | (uint64_t)high << 8 * (len - 4);
	}
	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)from[i] << 8 * i;
	return word;
}

X86_AES_INLINE void
store_word(uint8_t *to, uint64_t word, size_t len)
{
	uint32_t low = (uint32_t)word, high;

	if (len >= 8) {
		memcpy(to, &word, 8);
	} else if (len >= 4) {
		high = (uint32_t)(word >> 8 * (len - 4));
		memcpy(to, &low, 4);
		memcpy(to + len - 4, &high, 4);
	} else {
		for (size_t i = 0; i < len; i++)
			to[i] = (uint8_t)(word >> 8 * i);
	}
}

/*
 * The first `len` bytes of a block, at most 16, zeros behind: by way of registers, since a store
 * ahead would stall it.
 */
X86_AES_INLINE __m128i
load_some(const uint8_t *from, size_t len)
{
	uint64_t low = load_word(from, len < 8 ? len : 8);

	return _mm_set_epi64x((long long)(len > 8 ? load_word(from + 8, len - 8) : 0),
			      (long long)low);
}

X86_AES_INLINE void
store_some(uint8_t *to, __m128i block, size_t len)
{
	store_word(to, (uint64_t)_mm_cvtsi128_si64(block), len < 8 ? len : 8);
	if (len > 8)
		store_word(to + 8, (uint64_t)_mm_extract_epi64(block, 1), len - 8);
}

/* The block with all but its first `len` bytes cleared. */
X86_AES_INLINE __m128i
keep_some(__m128i block, size_t len)
{
	const __m128i index = _mm_set_epi64x(0x0f0e0d0c0b0a0908, 0x0706050403020100);

	return _mm_and_si128(block, _mm_cmpgt_epi8(_mm_set1_epi8((char)len), index));
}

/*
 * The counter block of counter 0 (SP 800-38C A.3); B_0 differs from it in the first byte and the
 * last two (A.2.1).
 *
 *	flags: L - 1 = 2, nonce (12), counter (3)
 *
 * The nonce is read as it was written, 4 bytes of salt and 8 explicit ones (RFC 6655 3): a load
 * across both stores would stall.
 */
X86_AES_INLINE void
lane_start(struct lane *lane, const struct crypto_ccm *record)
{
	uint32_t salt;
	uint64_t number;

	memcpy(&salt, record->nonce, sizeof salt);
	memcpy(&number, record->nonce + sizeof salt, sizeof number);
	lane->counter = _mm_set_epi64x((long long)(number >> 24),
				       (long long)(number << 40 | (uint64_t)salt << 8 | 2));
	lane->record = record;
	lane->head_blocks = 1;
	if (record->aad_len != 0)
		lane->head_blocks +=
			(2u + record->aad_len + CRYPTO_AES_BLOCK - 1) / CRYPTO_AES_BLOCK;
}

/* B_0: flags Adata << 6 | (tag - 2) / 2 << 3 | L - 1, nonce (12), length of the message (3). */
X86_AES_INLINE __m128i
first_head_block(const struct lane *lane, const unsigned tag)
{
	uint64_t low = (uint64_t)(lane->record->aad_len != 0) << 6 | (tag - 2) / 2 << 3;
	uint64_t high = (uint64_t)__builtin_bswap16(lane->record->len) << 48;

	return _mm_or_si128(lane->counter, _mm_set_epi64x((long long)high, (long long)low));
}

/* Block i >= 1 of the head (A.2.2): the associated data behind its length of two bytes. */
X86_AES_INLINE __m128i
head_block(const struct lane *lane, unsigned i)
{
	const uint8_t *aad = lane->record->aad;
	size_t len = lane->record->aad_len, at = i * CRYPTO_AES_BLOCK - CRYPTO_AES_BLOCK - 2;

	if (i == 1) {
		__m128i begin = load_some(aad, len < 14 ? len : 14);

		return _mm_insert_epi16(_mm_slli_si128(begin, 2), __builtin_bswap16((uint16_t)len),
					0);
	}
	return load_some(aad + at, len - at < CRYPTO_AES_BLOCK ? len - at : CRYPTO_AES_BLOCK);
}

/* Counter i, for every lane alike, to be put into a lane's counter block. */
X86_AES_INLINE __m128i
counter_bytes(size_t i)
{
	return _mm_insert_epi16(_mm_setzero_si128(), __builtin_bswap16((uint16_t)i), 7);
}

/*
 * One step of all lanes: encrypts x (the MACs' chains) and y (counters), the first key XORed into
 * both already, side by side. Each lane has its own key, so round keys come from memory.
 */
X86_AES_INLINE void
step(const struct lane *lanes, const unsigned n, __m128i *x, __m128i *y)
{
#pragma GCC unroll 9
	for (int r = 1; r < ROUNDS; r++) {
#pragma GCC unroll 4
		for (unsigned l = 0; l < n; l++) {
			__m128i key = lanes[l].schedule.key[r];

			x[l] = _mm_aesenc_si128(x[l], key);
			y[l] = _mm_aesenc_si128(y[l], key);
		}
	}
#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++) {
		x[l] = _mm_aesenclast_si128(x[l], lanes[l].schedule.key[ROUNDS]);
		y[l] = _mm_aesenclast_si128(y[l], lanes[l].schedule.key[ROUNDS]);
	}
}

/* The MAC over the blocks ahead of the message, with S_0 and S_1 made beside the first two. */
X86_AES_INLINE void
ccm_head(const struct lane *lanes, const unsigned n, const unsigned tag, struct chains *chains)
{
	__m128i x[LANES], y[LANES];
	unsigned most = 2; /* S_1 is wanted even where there is no associated data */

#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++) {
		x[l] = _mm_xor_si128(first_head_block(&lanes[l], tag), lanes[l].schedule.key[0]);
		y[l] = _mm_xor_si128(lanes[l].counter, lanes[l].schedule.key[0]);
		most = lanes[l].head_blocks > most ? lanes[l].head_blocks : most;
	}
	step(lanes, n, x, y);
#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++) {
		chains->mac[l] = x[l];
		chains->first[l] = y[l];
	}
	for (unsigned i = 1; i < most; i++) {
#pragma GCC unroll 4
		for (unsigned l = 0; l < n; l++) {
			__m128i key = lanes[l].schedule.key[0];

			x[l] = key;
			if (i < lanes[l].head_blocks)
				x[l] = _mm_xor_si128(chains->mac[l],
						     _mm_xor_si128(head_block(&lanes[l], i), key));
			y[l] = _mm_xor_si128(_mm_or_si128(lanes[l].counter, counter_bytes(1)), key);
		}
		step(lanes, n, x, y);
#pragma GCC unroll 4
		for (unsigned l = 0; l < n; l++) {
			if (i < lanes[l].head_blocks)
				chains->mac[l] = x[l];
			chains->stream[l] = y[l];
		}
	}
}

/* En- or decrypts the message block at `at`; returns its plaintext, filled up with zeros. */
X86_AES_INLINE __m128i
crypt_block(const struct crypto_ccm *record, const uint8_t *in, size_t at, __m128i stream,
	    const bool open)
{
	size_t left = record->len - at;
	__m128i block, crypted;

	if (left >= CRYPTO_AES_BLOCK) {
		block = load(in + at);
		crypted = _mm_xor_si128(block, stream);
		store(record->out + at, crypted);
		return open ? crypted : block;
	}
	block = load_some(in + at, left);
	crypted = _mm_xor_si128(block, stream);
	store_some(record->out + at, crypted, left);
	return open ? keep_some(crypted, left) : block;
}

X86_AES_INLINE void
ccm_body(const struct lane *lanes, const unsigned n, struct chains *chains, const bool open)
{
	__m128i x[LANES], y[LANES];
	size_t most = 0;

#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++)
		most = lanes[l].record->len > most ? lanes[l].record->len : most;
	for (size_t at = 0; at < most; at += CRYPTO_AES_BLOCK) {
		__m128i next = counter_bytes(at / CRYPTO_AES_BLOCK + 2);

#pragma GCC unroll 4
		for (unsigned l = 0; l < n; l++) {
			const struct crypto_ccm *record = lanes[l].record;
			__m128i key = lanes[l].schedule.key[0];

			x[l] = key;
			if (at < record->len) {
				__m128i plain = crypt_block(record, record->in, at,
							    chains->stream[l], open);

				x[l] = _mm_xor_si128(chains->mac[l], _mm_xor_si128(plain, key));
			}
			y[l] = _mm_xor_si128(_mm_or_si128(lanes[l].counter, next), key);
		}
		step(lanes, n, x, y);
#pragma GCC unroll 4
		for (unsigned l = 0; l < n; l++) {
			if (at < lanes[l].record->len)
				chains->mac[l] = x[l];
			chains->stream[l] = y[l];
		}
	}
}

/* Takes decryption back: the ciphertext again in `out`. Off the hot path, one block at a time. */
X86_AES static void
ccm_undo(const struct lane *lane)
{
	const struct crypto_ccm *record = lane->record;

	for (size_t at = 0; at < record->len; at += CRYPTO_AES_BLOCK) {
		__m128i counter = counter_bytes(at / CRYPTO_AES_BLOCK + 1);
		__m128i stream = encrypt(&lane->schedule, _mm_or_si128(lane->counter, counter));

		(void)crypt_block(record, record->out, at, stream, true);
	}
}

/* Whether the record carries this tag. One comparison of whole words: no byte decides the time. */
X86_AES_INLINE bool
carries(const struct crypto_ccm *record, __m128i tag, const unsigned len)
{
	uint64_t carried;

	if (len == CRYPTO_LONG_TAG_LEN) {
		__m128i differ = _mm_xor_si128(load(record->in + record->len), tag);

		return _mm_testz_si128(differ, differ) != 0;
	}
	memcpy(&carried, record->in + record->len, sizeof carried);
	return carried == (uint64_t)_mm_cvtsi128_si64(tag);
}

/* Appends the tag, or says whether it is right. */
X86_AES_INLINE void
ccm_end(const struct lane *lane, struct crypto_ccm *record, __m128i tag, const unsigned len,
	const bool open)
{
	if (!open && len == CRYPTO_LONG_TAG_LEN) {
		store(record->out + record->len, tag);
	} else if (!open) {
		_mm_storel_epi64((__m128i *)(record->out + record->len), tag);
	} else {
		record->ok = carries(record, tag, len);
		if (!record->ok)
			ccm_undo(lane);
	}
}

X86_AES_INLINE void
ccm_lanes(struct crypto_ccm *records, const unsigned n, const unsigned tag, const bool open)
{
	struct lane lanes[LANES];
	struct chains chains;
	struct schedule *schedules[LANES];
	const uint8_t *keys[LANES];

#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++) {
		schedules[l] = &lanes[l].schedule;
		keys[l] = records[l].key;
		lane_start(&lanes[l], &records[l]);
	}
	expand_lanes(schedules, keys, n);
	ccm_head(lanes, n, tag, &chains);
	ccm_body(lanes, n, &chains, open);
#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++)
		ccm_end(&lanes[l], &records[l], _mm_xor_si128(chains.mac[l], chains.first[l]), tag,
			open);
	crypto_wipe(lanes, n * sizeof lanes[0]);
}

X86_AES_INLINE void
ccm_burst(struct crypto_ccm *records, unsigned n, const unsigned tag, const bool open)
{
	for (; n >= LANES; n -= LANES, records += LANES)
		ccm_lanes(records, LANES, tag, open);
	if (n >= 2) {
		ccm_lanes(records, 2, tag, open);
		n -= 2;
		records += 2;
	}
	if (n != 0)
		ccm_lanes(records, 1, tag, open);
}

X86_AES void
crypto_x86_ccm8_seal(struct crypto_ccm *records, unsigned n)
{
	ccm_burst(records, n, CRYPTO_CCM_TAG_LEN, false);
}

X86_AES void
crypto_x86_ccm8_open(struct crypto_ccm *records, unsigned n)
{
	ccm_burst(records, n, CRYPTO_CCM_TAG_LEN, true);
}

X86_AES void
crypto_x86_ccm16_seal(struct crypto_ccm *records, unsigned n)
{
	ccm_burst(records, n, CRYPTO_LONG_TAG_LEN, false);
}

X86_AES void
crypto_x86_ccm16_open(struct crypto_ccm *records, unsigned n)
{
	ccm_burst(records, n, CRYPTO_LONG_TAG_LEN, true);
}

#endif
