/*
 * AES-128-CCM-8, CBC and CTR with AES-NI, and the table of the x86 backend.
 *
 * CCM of one record is bound by the latency of its CBC-MAC: ten dependent aesenc a block. So a step encrypts one MAC block
 * and one counter block side by side, and a burst goes four records in step: eight independent chains, which is what
 * two pipelined AES units with a latency of four cycles can hold.
 */
#include "dataplane/core/crypto_backend.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define X86_AES __attribute__((target("aes,sse4.1")))
/* Inlined into callers that pass constant lane counts, so that arrays become registers. */
#define X86_AES_INLINE static inline __attribute__((always_inline, target("aes,sse4.1")))

enum {
	ROUNDS = 10,
	LANES = 4, /* records in step */
	CHAINS = 4, /* independent blocks in flight of one CBC decryption or key stream */
};

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

/* ---- key schedule (FIPS 197 5.2) ----------------------------------------------------------------------------- */

/*
 * The next round key. With the rotated last word in all four columns, ShiftRows changes nothing, so aesenclast is
 * SubWord and the XOR of Rcon at once: shorter than aeskeygenassist.
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

/* FIPS 197 5.3.5: the schedule of the equivalent inverse cipher. */
X86_AES_INLINE void
invert(struct schedule *schedule)
{
	struct schedule forward = *schedule;

	schedule->key[0] = forward.key[ROUNDS];
	for (int r = 1; r < ROUNDS; r++)
		schedule->key[r] = _mm_aesimc_si128(forward.key[ROUNDS - r]);
	schedule->key[ROUNDS] = forward.key[0];
	crypto_wipe(&forward, sizeof forward);
}

X86_AES_INLINE __m128i
encrypt(const struct schedule *schedule, __m128i block)
{
	block = _mm_xor_si128(block, schedule->key[0]);
	for (int r = 1; r < ROUNDS; r++)
		block = _mm_aesenc_si128(block, schedule->key[r]);
	return _mm_aesenclast_si128(block, schedule->key[ROUNDS]);
}

/* ---- CCM (NIST SP 800-38C, RFC 3610) ------------------------------------------------------------------------- */

/* One record at work. What the chains carry from step to step is in struct chains, which stays in registers. */
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

/* The first `len` bytes of a block, at most 16, zeros behind: by way of registers, since a store ahead would stall it. */
X86_AES_INLINE __m128i
load_some(const uint8_t *from, size_t len)
{
	uint64_t low = load_word(from, len < 8 ? len : 8);

	return _mm_set_epi64x((long long)(len > 8 ? load_word(from + 8, len - 8) : 0), (long long)low);
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
 * The counter block of counter 0 (SP 800-38C A.3); B_0 differs from it in the first byte and the last two (A.2.1).
 *
 *	flags: L - 1 = 2, nonce (12), counter (3)
 */
X86_AES_INLINE void
lane_start(struct lane *lane, const struct crypto_ccm *record)
{
	uint64_t low, high = 0;

	memcpy(&low, record->nonce, 8);
	memcpy(&high, record->nonce + 8, 4);
	high = high << 8 | low >> 56;
	lane->counter = _mm_set_epi64x((long long)high, (long long)(low << 8 | 2));
	lane->record = record;
	lane->head_blocks = 1;
	if (record->aad_len != 0)
		lane->head_blocks += (2u + record->aad_len + CRYPTO_AES_BLOCK - 1) / CRYPTO_AES_BLOCK;
}

/* B_0: flags Adata << 6 | (8 - 2) / 2 << 3 | L - 1, nonce (12), length of the message (3). */
X86_AES_INLINE __m128i
first_head_block(const struct lane *lane)
{
	uint64_t low = (uint64_t)(lane->record->aad_len != 0) << 6 | 3 << 3;
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

		return _mm_insert_epi16(_mm_slli_si128(begin, 2),
					__builtin_bswap16((uint16_t)len), 0);
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
 * One step of all lanes: encrypts x (the MACs' chains) and y (counters), the first key XORed into both already, side by
 * side. Each lane has its own key, so round keys come from memory.
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
ccm_head(const struct lane *lanes, const unsigned n, struct chains *chains)
{
	__m128i x[LANES], y[LANES];
	unsigned most = 2; /* S_1 is wanted even where there is no associated data */

#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++) {
		x[l] = _mm_xor_si128(first_head_block(&lanes[l]), lanes[l].schedule.key[0]);
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

/* Appends the tag, or says whether it is right. */
X86_AES_INLINE void
ccm_end(const struct lane *lane, struct crypto_ccm *record, __m128i tag, const bool open)
{
	uint64_t carried;

	if (!open) {
		_mm_storel_epi64((__m128i *)(record->out + record->len), tag);
		return;
	}
	memcpy(&carried, record->in + record->len, sizeof carried);
	/* One comparison of whole words: no byte of the tag decides the time. */
	record->ok = carried == (uint64_t)_mm_cvtsi128_si64(tag);
	if (!record->ok)
		ccm_undo(lane);
}

X86_AES_INLINE void
ccm_lanes(struct crypto_ccm *records, const unsigned n, const bool open)
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
	ccm_head(lanes, n, &chains);
	ccm_body(lanes, n, &chains, open);
#pragma GCC unroll 4
	for (unsigned l = 0; l < n; l++)
		ccm_end(&lanes[l], &records[l], _mm_xor_si128(chains.mac[l], chains.first[l]), open);
	crypto_wipe(lanes, n * sizeof lanes[0]);
}

X86_AES_INLINE void
ccm_burst(struct crypto_ccm *records, unsigned n, const bool open)
{
	for (; n >= LANES; n -= LANES, records += LANES)
		ccm_lanes(records, LANES, open);
	if (n >= 2) {
		ccm_lanes(records, 2, open);
		n -= 2;
		records += 2;
	}
	if (n != 0)
		ccm_lanes(records, 1, open);
}

X86_AES static void
ccm8_seal(struct crypto_ccm *records, unsigned n)
{
	ccm_burst(records, n, false);
}

X86_AES static void
ccm8_open(struct crypto_ccm *records, unsigned n)
{
	ccm_burst(records, n, true);
}

/* ---- CBC and CTR (NIST SP 800-38A) --------------------------------------------------------------------------- */

X86_AES static void
cbc_encrypt(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
	    size_t blocks)
{
	struct schedule schedule;
	__m128i chain = load(iv);

	expand(&schedule, key);
	for (; blocks != 0; blocks--, in += CRYPTO_AES_BLOCK, out += CRYPTO_AES_BLOCK) {
		chain = encrypt(&schedule, _mm_xor_si128(chain, load(in)));
		store(out, chain);
	}
	crypto_wipe(&schedule, sizeof schedule);
}

/* n blocks side by side; returns the last block of ciphertext, read before `out` may cover it. */
X86_AES_INLINE __m128i
cbc_decrypt_blocks(const struct schedule *schedule, __m128i chain, const uint8_t *in, uint8_t *out,
		   const unsigned n)
{
	__m128i cipher[CHAINS], plain[CHAINS];

	for (unsigned i = 0; i < n; i++) {
		cipher[i] = load(in + i * CRYPTO_AES_BLOCK);
		plain[i] = _mm_xor_si128(cipher[i], schedule->key[0]);
	}
	for (int r = 1; r < ROUNDS; r++) {
		for (unsigned i = 0; i < n; i++)
			plain[i] = _mm_aesdec_si128(plain[i], schedule->key[r]);
	}
	for (unsigned i = 0; i < n; i++) {
		plain[i] = _mm_aesdeclast_si128(plain[i], schedule->key[ROUNDS]);
		store(out + i * CRYPTO_AES_BLOCK, _mm_xor_si128(plain[i], chain));
		chain = cipher[i];
	}
	return chain;
}

X86_AES static void
cbc_decrypt(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
	    size_t blocks)
{
	struct schedule schedule;
	__m128i chain = load(iv);

	expand(&schedule, key);
	invert(&schedule);
	for (; blocks >= CHAINS; blocks -= CHAINS) {
		chain = cbc_decrypt_blocks(&schedule, chain, in, out, CHAINS);
		in += CHAINS * CRYPTO_AES_BLOCK;
		out += CHAINS * CRYPTO_AES_BLOCK;
	}
	for (; blocks != 0; blocks--, in += CRYPTO_AES_BLOCK, out += CRYPTO_AES_BLOCK)
		chain = cbc_decrypt_blocks(&schedule, chain, in, out, 1);
	crypto_wipe(&schedule, sizeof schedule);
}

X86_AES_INLINE __m128i
counter_block(uint64_t high, uint64_t low)
{
	return _mm_set_epi64x((long long)__builtin_bswap64(low), (long long)__builtin_bswap64(high));
}

X86_AES static void
ctr_stream(const uint8_t key[16], const uint8_t counter[16], uint8_t *out, size_t blocks)
{
	struct schedule schedule;
	uint64_t high, low;

	expand(&schedule, key);
	memcpy(&high, counter, 8);
	memcpy(&low, counter + 8, 8);
	high = __builtin_bswap64(high);
	low = __builtin_bswap64(low);
	/* One after the other in the code; blocks are independent, so the processor overlaps them. */
	for (; blocks != 0; blocks--, out += CRYPTO_AES_BLOCK) {
		store(out, encrypt(&schedule, counter_block(high, low)));
		if (++low == 0)
			high++;
	}
	crypto_wipe(&schedule, sizeof schedule);
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

bool
crypto_x86_usable(void)
{
	unsigned eax, ebx, ecx, edx;

	/* Leaf 7, EBX bit 29: SHA. gcc 12's __builtin_cpu_supports() does not know it. */
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (ebx & 1u << 29) == 0)
		return false;
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0)
		return false;
	return (ecx & bit_AES) != 0 && (ecx & bit_SSE4_1) != 0 && (ecx & bit_SSSE3) != 0;
}

const struct crypto_ops crypto_x86 = {
	.name = "x86 SHA-NI, AES-NI",
	.sha256_blocks = crypto_x86_sha256_blocks,
	.sha256_lanes = crypto_x86_sha256_lanes,
	.ccm8_seal = ccm8_seal,
	.ccm8_open = ccm8_open,
	.cbc_encrypt = cbc_encrypt,
	.cbc_decrypt = cbc_decrypt,
	.ctr_stream = ctr_stream,
};

#endif
