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

	for (unsigned l = 0; l < n; l++)
		schedules[l]->key[0] = load(keys[l]);
#pragma GCC unroll 10
	for (unsigned r = 0; r < ROUNDS; r++) {
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

enum {
	/* B_0, then the length of the associated data (2) and the data, in whole blocks. */
	HEAD_BLOCKS_MAX = 1 + (2 + CRYPTO_CCM_AAD_MAX + CRYPTO_AES_BLOCK - 1) / CRYPTO_AES_BLOCK,
};

struct lane {
	struct schedule schedule;
	__m128i mac;     /* CBC-MAC so far */
	__m128i counter; /* the counter block with counter 0 */
	__m128i first;   /* S_0, which hides the tag */
	__m128i stream;  /* S_(i + 1) for the message block i to come */
	const uint8_t *in;
	uint8_t *out;
	size_t len;
	unsigned head_blocks;
	uint8_t head[HEAD_BLOCKS_MAX * CRYPTO_AES_BLOCK];
};

/*
 * The blocks ahead of the message (SP 800-38C A.2).
 *
 *	B_0:	flags: Adata << 6 | (8 - 2) / 2 << 3 | (3 - 1); nonce (12); length of the message (3)
 */
X86_AES_INLINE void
lane_start(struct lane *lane, const struct crypto_ccm *record)
{
	uint8_t *aad = lane->head + CRYPTO_AES_BLOCK;

	lane->in = record->in;
	lane->out = record->out;
	lane->len = record->len;
	lane->head[0] = (uint8_t)((record->aad_len != 0) << 6 | 3 << 3 | 2);
	memcpy(lane->head + 1, record->nonce, CRYPTO_CCM_NONCE_LEN);
	lane->head[13] = 0;
	lane->head[14] = (uint8_t)(record->len >> 8);
	lane->head[15] = (uint8_t)record->len;
	/* A.3: flags L - 1, nonce, counter */
	lane->counter = load(lane->head);
	lane->counter = _mm_insert_epi8(lane->counter, 2, 0);
	lane->counter = _mm_insert_epi16(lane->counter, 0, 7);
	lane->head_blocks = 1;
	if (record->aad_len == 0)
		return;
	lane->head_blocks += (2u + record->aad_len + CRYPTO_AES_BLOCK - 1) / CRYPTO_AES_BLOCK;
	store(lane->head + (lane->head_blocks - 1) * CRYPTO_AES_BLOCK, _mm_setzero_si128());
	aad[0] = (uint8_t)(record->aad_len >> 8);
	aad[1] = (uint8_t)record->aad_len;
	memcpy(aad + 2, record->aad, record->aad_len);
}

/* Counter i, for every lane alike, to be put into a lane's counter block. */
X86_AES_INLINE __m128i
counter_bytes(size_t i)
{
	return _mm_insert_epi16(_mm_setzero_si128(), __builtin_bswap16((uint16_t)i), 7);
}

/*
 * One step of all lanes: encrypts x (the MAC's chain) and y (counters). The two are interleaved by their order here; each
 * lane has its own key, so round keys come from memory.
 */
X86_AES_INLINE void
step(const struct lane *lanes, const unsigned n, __m128i *x, __m128i *y)
{
	for (unsigned l = 0; l < n; l++) {
		x[l] = _mm_xor_si128(x[l], lanes[l].schedule.key[0]);
		y[l] = _mm_xor_si128(y[l], lanes[l].schedule.key[0]);
	}
#pragma GCC unroll 9
	for (int r = 1; r < ROUNDS; r++) {
		for (unsigned l = 0; l < n; l++) {
			x[l] = _mm_aesenc_si128(x[l], lanes[l].schedule.key[r]);
			y[l] = _mm_aesenc_si128(y[l], lanes[l].schedule.key[r]);
		}
	}
	for (unsigned l = 0; l < n; l++) {
		x[l] = _mm_aesenclast_si128(x[l], lanes[l].schedule.key[ROUNDS]);
		y[l] = _mm_aesenclast_si128(y[l], lanes[l].schedule.key[ROUNDS]);
	}
}

/* The MAC over the blocks ahead of the message, with S_0 and S_1 made beside the first two. */
X86_AES_INLINE void
ccm_head(struct lane *lanes, const unsigned n)
{
	__m128i x[LANES], y[LANES];
	unsigned most = 2; /* S_1 is wanted even where there is no associated data */

	for (unsigned l = 0; l < n; l++) {
		x[l] = load(lanes[l].head);
		y[l] = lanes[l].counter;
		if (lanes[l].head_blocks > most)
			most = lanes[l].head_blocks;
	}
	step(lanes, n, x, y);
	for (unsigned l = 0; l < n; l++) {
		lanes[l].mac = x[l];
		lanes[l].first = y[l];
	}
	for (unsigned i = 1; i < most; i++) {
		for (unsigned l = 0; l < n; l++) {
			if (i < lanes[l].head_blocks)
				x[l] = _mm_xor_si128(lanes[l].mac, load(lanes[l].head + 16 * i));
			y[l] = _mm_or_si128(lanes[l].counter, counter_bytes(1));
		}
		step(lanes, n, x, y);
		for (unsigned l = 0; l < n; l++) {
			if (i < lanes[l].head_blocks)
				lanes[l].mac = x[l];
			lanes[l].stream = y[l];
		}
	}
}

/* A message block that is not whole: XORs the stream over it, returns the plaintext filled up with zeros. */
X86_AES_INLINE __m128i
crypt_tail(const uint8_t *in, uint8_t *out, size_t len, __m128i stream, const bool open)
{
	uint8_t block[2][CRYPTO_AES_BLOCK] = { { 0 } }; /* what came in, what goes out */
	__m128i plain;

	memcpy(block[0], in, len);
	store(block[1], _mm_xor_si128(load(block[0]), stream));
	memcpy(out, block[1], len);
	memset(block[1] + len, 0, CRYPTO_AES_BLOCK - len);
	plain = load(block[open ? 1 : 0]);
	crypto_wipe(block, sizeof block);
	return plain;
}

/* En- or decrypts message block i of a lane; returns its plaintext. */
X86_AES_INLINE __m128i
crypt_block(const struct lane *lane, size_t i, const bool open)
{
	size_t at = i * CRYPTO_AES_BLOCK;
	__m128i block, crypted;

	if (lane->len - at < CRYPTO_AES_BLOCK)
		return crypt_tail(lane->in + at, lane->out + at, lane->len - at, lane->stream,
				  open);
	block = load(lane->in + at);
	crypted = _mm_xor_si128(block, lane->stream);
	store(lane->out + at, crypted);
	return open ? crypted : block;
}

X86_AES_INLINE void
ccm_body(struct lane *lanes, const unsigned n, const bool open)
{
	__m128i x[LANES], y[LANES];
	size_t most = 0;

	for (unsigned l = 0; l < n; l++) {
		if (lanes[l].len > most)
			most = lanes[l].len;
		x[l] = lanes[l].mac;
	}
	for (size_t i = 0; i * CRYPTO_AES_BLOCK < most; i++) {
		__m128i next = counter_bytes(i + 2);

		for (unsigned l = 0; l < n; l++) {
			if (i * CRYPTO_AES_BLOCK < lanes[l].len)
				x[l] = _mm_xor_si128(lanes[l].mac, crypt_block(&lanes[l], i, open));
			y[l] = _mm_or_si128(lanes[l].counter, next);
		}
		step(lanes, n, x, y);
		for (unsigned l = 0; l < n; l++) {
			if (i * CRYPTO_AES_BLOCK < lanes[l].len)
				lanes[l].mac = x[l];
			lanes[l].stream = y[l];
		}
	}
}

/* Takes decryption back: the ciphertext again in `out`. Off the hot path, one block at a time. */
X86_AES static void
ccm_undo(struct lane *lane)
{
	lane->in = lane->out;
	for (size_t i = 0; i * CRYPTO_AES_BLOCK < lane->len; i++) {
		lane->stream = encrypt(&lane->schedule,
				       _mm_or_si128(lane->counter, counter_bytes(i + 1)));
		(void)crypt_block(lane, i, true);
	}
}

X86_AES_INLINE void
ccm_end(struct lane *lane, struct crypto_ccm *record, const bool open)
{
	__m128i tag = _mm_xor_si128(lane->mac, lane->first);
	uint64_t right, wrong;

	if (!open) {
		_mm_storel_epi64((__m128i *)(lane->out + lane->len), tag);
		return;
	}
	right = (uint64_t)_mm_cvtsi128_si64(tag);
	memcpy(&wrong, lane->in + lane->len, sizeof wrong);
	/* One comparison of whole words: no byte of the tag decides the time. */
	record->ok = (right ^ wrong) == 0;
	if (!record->ok)
		ccm_undo(lane);
}

X86_AES_INLINE void
ccm_lanes(struct crypto_ccm *records, const unsigned n, const bool open)
{
	struct lane lanes[LANES];
	struct schedule *schedules[LANES];
	const uint8_t *keys[LANES];

	for (unsigned l = 0; l < n; l++) {
		schedules[l] = &lanes[l].schedule;
		keys[l] = records[l].key;
		lane_start(&lanes[l], &records[l]);
	}
	expand_lanes(schedules, keys, n);
	ccm_head(lanes, n);
	ccm_body(lanes, n, open);
	for (unsigned l = 0; l < n; l++)
		ccm_end(&lanes[l], &records[l], open);
	crypto_wipe(lanes, n * sizeof lanes[0]);
}

X86_AES_INLINE void
ccm_burst(struct crypto_ccm *records, unsigned n, const bool open)
{
	for (; n >= 4; n -= 4, records += 4)
		ccm_lanes(records, 4, open);
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
