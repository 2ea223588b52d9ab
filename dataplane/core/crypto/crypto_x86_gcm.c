/*
 * AES-128-GCM with AES-NI and PCLMULQDQ (NIST SP 800-38D).
 *
 * A record alone, in two passes: counters four at a time, and GHASH four blocks at a time, whose
 * products are added before one reduction. The second pass reads what the first left in the cache.
 * Opening hashes first, so that what is not genuine is never decrypted.
 *
 * Field elements are blocks with their bytes reversed: bit 127 - i of the integer is the
 * coefficient of x^i. A carry-less product of two such integers comes out one bit too low, so the
 * powers of the hash key are kept divided by x (half()), once a record.
 */
#include "dataplane/core/crypto/crypto_backend.h"

#if defined(__x86_64__)

#include <string.h>

#include "dataplane/core/crypto/crypto_x86_aes.h"

#define X86_GCM        __attribute__((target("aes,pclmul,sse4.1")))
#define X86_GCM_INLINE static inline __attribute__((always_inline, target("aes,pclmul,sse4.1")))

enum { WIDE = 4 }; /* blocks side by side */

struct work {
	struct schedule schedule;
	__m128i power[WIDE]; /* H, H^2, H^3, H^4, each divided by x */
	__m128i counter;     /* J_0: nonce and 1 (7.1) */
	__m128i hash;
};

/* Sums of products, not yet reduced. */
struct product {
	__m128i low, middle, high;
};

X86_GCM_INLINE __m128i
reverse(__m128i block)
{
	return _mm_shuffle_epi8(block, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

/* Divides by x: 1/x = x^127 + x^6 + x + 1. Without branches: the element is secret. */
X86_GCM_INLINE __m128i
half(__m128i a)
{
	__m128i carries = _mm_srli_epi64(a, 63);
	__m128i top = _mm_shuffle_epi32(_mm_srai_epi32(a, 31), 0xff);
	__m128i inverse = _mm_set_epi64x((long long)0xc200000000000000, 1);

	a = _mm_or_si128(_mm_add_epi64(a, a), _mm_slli_si128(carries, 8));
	return _mm_xor_si128(a, _mm_and_si128(top, inverse));
}

X86_GCM_INLINE void
add_product(struct product *sum, __m128i a, __m128i b)
{
	__m128i cross =
		_mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10));

	sum->low = _mm_xor_si128(sum->low, _mm_clmulepi64_si128(a, b, 0x00));
	sum->middle = _mm_xor_si128(sum->middle, cross);
	sum->high = _mm_xor_si128(sum->high, _mm_clmulepi64_si128(a, b, 0x11));
}

/* One word of the low half into the high one: x^128 = x^7 + x^2 + x + 1. */
X86_GCM_INLINE __m128i
fold(__m128i low)
{
	const __m128i modulus = _mm_set_epi64x(0, (long long)0xc200000000000000);

	return _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e),
			     _mm_clmulepi64_si128(low, modulus, 0x00));
}

X86_GCM_INLINE __m128i
reduce(const struct product *sum)
{
	__m128i low = _mm_xor_si128(sum->low, _mm_slli_si128(sum->middle, 8));
	__m128i high = _mm_xor_si128(sum->high, _mm_srli_si128(sum->middle, 8));

	return _mm_xor_si128(high, fold(fold(low)));
}

X86_GCM_INLINE __m128i
multiply(__m128i a, __m128i halved)
{
	struct product sum = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };

	add_product(&sum, a, halved);
	return reduce(&sum);
}

X86_GCM_INLINE void
start(struct work *work, const struct crypto_ccm *record)
{
	size_t longest = record->len > record->aad_len ? record->len : record->aad_len;
	__m128i h, power;
	uint8_t counter[CRYPTO_AES_BLOCK] = { [CRYPTO_AES_BLOCK - 1] = 1 };

	memcpy(counter, record->nonce, CRYPTO_CCM_NONCE_LEN);
	expand(&work->schedule, record->key);
	h = reverse(encrypt(&work->schedule, _mm_setzero_si128()));
	work->power[0] = half(h);
	power = h;
	/* The higher powers serve four blocks at a time alone. */
	for (unsigned i = 1; i < WIDE && longest >= WIDE * CRYPTO_AES_BLOCK; i++) {
		power = multiply(power, work->power[0]);
		work->power[i] = half(power);
	}
	work->counter = load(counter);
	work->hash = _mm_setzero_si128();
}

/* The counter block with counter i. */
X86_GCM_INLINE __m128i
counter_block(const struct work *work, uint32_t i)
{
	return _mm_insert_epi32(work->counter, (int)__builtin_bswap32(i), 3);
}

X86_GCM_INLINE void
hash_block(struct work *work, __m128i block)
{
	work->hash = multiply(_mm_xor_si128(work->hash, block), work->power[0]);
}

/* The last bytes, fewer than a block, zeros behind. */
X86_GCM_INLINE __m128i
load_tail(const uint8_t *from, size_t len)
{
	uint8_t block[CRYPTO_AES_BLOCK] = { 0 };

	memcpy(block, from, len);
	return load(block);
}

X86_GCM_INLINE void
hash_bytes(struct work *work, const uint8_t *bytes, size_t len)
{
	for (; len >= WIDE * CRYPTO_AES_BLOCK; len -= WIDE * CRYPTO_AES_BLOCK) {
		struct product sum = { _mm_setzero_si128(), _mm_setzero_si128(),
				       _mm_setzero_si128() };

		add_product(&sum, _mm_xor_si128(work->hash, reverse(load(bytes))),
			    work->power[WIDE - 1]);
		for (unsigned i = 1; i < WIDE; i++)
			add_product(&sum, reverse(load(bytes + i * CRYPTO_AES_BLOCK)),
				    work->power[WIDE - 1 - i]);
		work->hash = reduce(&sum);
		bytes += WIDE * CRYPTO_AES_BLOCK;
	}
	for (; len >= CRYPTO_AES_BLOCK; bytes += CRYPTO_AES_BLOCK, len -= CRYPTO_AES_BLOCK)
		hash_block(work, reverse(load(bytes)));
	if (len != 0)
		hash_block(work, reverse(load_tail(bytes, len)));
}

/* The tag (7.1 steps 4 to 6): associated data, ciphertext, their lengths in bits. */
X86_GCM_INLINE __m128i
make_tag(struct work *work, const struct crypto_ccm *record, const uint8_t *ciphertext)
{
	hash_bytes(work, record->aad, record->aad_len);
	hash_bytes(work, ciphertext, record->len);
	hash_block(work, _mm_set_epi64x((long long)record->aad_len * 8, record->len * 8));
	return _mm_xor_si128(reverse(work->hash), encrypt(&work->schedule, work->counter));
}

/* The key stream of WIDE counters from `i` on, side by side. */
X86_GCM_INLINE void
stream_wide(const struct work *work, uint32_t i, __m128i stream[WIDE])
{
#pragma GCC unroll 4
	for (unsigned b = 0; b < WIDE; b++)
		stream[b] = _mm_xor_si128(counter_block(work, i + b), work->schedule.key[0]);
#pragma GCC unroll 9
	for (int r = 1; r < ROUNDS; r++) {
#pragma GCC unroll 4
		for (unsigned b = 0; b < WIDE; b++)
			stream[b] = _mm_aesenc_si128(stream[b], work->schedule.key[r]);
	}
#pragma GCC unroll 4
	for (unsigned b = 0; b < WIDE; b++)
		stream[b] = _mm_aesenclast_si128(stream[b], work->schedule.key[ROUNDS]);
}

X86_GCM_INLINE void
crypt(const struct work *work, const struct crypto_ccm *record)
{
	uint32_t counter = 2;
	size_t at = 0;

	for (; record->len - at >= WIDE * CRYPTO_AES_BLOCK; counter += WIDE) {
		__m128i stream[WIDE];

		stream_wide(work, counter, stream);
		for (unsigned b = 0; b < WIDE; b++, at += CRYPTO_AES_BLOCK)
			store(record->out + at, _mm_xor_si128(load(record->in + at), stream[b]));
	}
	for (; at < record->len; at += CRYPTO_AES_BLOCK, counter++) {
		__m128i stream = encrypt(&work->schedule, counter_block(work, counter));
		size_t left = record->len - at;
		uint8_t block[CRYPTO_AES_BLOCK];

		if (left >= CRYPTO_AES_BLOCK) {
			store(record->out + at, _mm_xor_si128(load(record->in + at), stream));
			continue;
		}
		store(block, _mm_xor_si128(load_tail(record->in + at, left), stream));
		memcpy(record->out + at, block, left);
		crypto_wipe(block, sizeof block);
	}
}

X86_GCM void
crypto_x86_gcm_seal(struct crypto_ccm *records, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct crypto_ccm *record = &records[i];
		struct work work;

		start(&work, record);
		crypt(&work, record);
		store(record->out + record->len, make_tag(&work, record, record->out));
		crypto_wipe(&work, sizeof work);
	}
}

X86_GCM void
crypto_x86_gcm_open(struct crypto_ccm *records, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct crypto_ccm *record = &records[i];
		struct work work;
		__m128i differ;

		start(&work, record);
		differ = _mm_xor_si128(make_tag(&work, record, record->in),
				       load(record->in + record->len));
		record->ok = _mm_testz_si128(differ, differ) != 0;
		if (record->ok)
			crypt(&work, record);
		else
			memmove(record->out, record->in, record->len);
		crypto_wipe(&work, sizeof work);
	}
}

#endif
