/*
 * AES-128-CBC and CTR with AES-NI (NIST SP 800-38A), and the table of the x86 backend.
 */
#include "dataplane/core/crypto/crypto_backend.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <string.h>

#include "dataplane/core/crypto/crypto_x86_aes.h"

enum { CHAINS = 4 }; /* independent blocks in flight of one CBC decryption */

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
	return _mm_set_epi64x((long long)__builtin_bswap64(low),
			      (long long)__builtin_bswap64(high));
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
	/*
	 * One after the other in the code; blocks are independent, so the processor overlaps them.
	 */
	for (; blocks != 0; blocks--, out += CRYPTO_AES_BLOCK) {
		store(out, encrypt(&schedule, counter_block(high, low)));
		if (++low == 0)
			high++;
	}
	crypto_wipe(&schedule, sizeof schedule);
}

/* ---- the table ------------------------------------------------------------------------------- */

bool
crypto_x86_usable(void)
{
	unsigned eax, ebx, ecx, edx;

	/* Leaf 7, EBX bit 29: SHA. gcc 12's __builtin_cpu_supports() does not know it. */
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (ebx & 1u << 29) == 0)
		return false;
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0)
		return false;
	return (ecx & bit_AES) != 0 && (ecx & bit_PCLMUL) != 0 && (ecx & bit_SSE4_1) != 0 &&
	       (ecx & bit_SSSE3) != 0;
}

const struct crypto_ops crypto_x86 = {
	.name = "x86 SHA-NI, AES-NI",
	.sha256_blocks = crypto_x86_sha256_blocks,
	.sha256_lanes = crypto_x86_sha256_lanes,
	.hmac_lanes = crypto_x86_hmac_lanes,
	.ccm8_seal = crypto_x86_ccm8_seal,
	.ccm8_open = crypto_x86_ccm8_open,
	.ccm16_seal = crypto_x86_ccm16_seal,
	.ccm16_open = crypto_x86_ccm16_open,
	.gcm_seal = crypto_x86_gcm_seal,
	.gcm_open = crypto_x86_gcm_open,
	.cbc_encrypt = cbc_encrypt,
	.cbc_decrypt = cbc_decrypt,
	.ctr_stream = ctr_stream,
};

#endif
