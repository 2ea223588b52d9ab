/*
 * Whether two hashes in step are worth it on this processor: by a measurement, as lists of models
 * grow old.
 */
#include "dataplane/core/crypto/crypto.h"

enum {
	ROUNDS = 32, /* the best of them: what else runs on the machine only adds */
	PASSES = 16,
	BLOCKS = 2, /* as most messages of a handshake */
};

/* One after the other: each begins with what the one before gave. */
static uint64_t
passes(const struct crypto_ops *ops, unsigned streams, unsigned calls, uint64_t (*clock)(void))
{
	static const uint32_t key[8] = { 0 };
	uint8_t messages[2][BLOCKS * CRYPTO_HASH_BLOCK] = { { 0 } };
	const struct crypto_hmac_lane lanes[2] = { { key, key, messages[0], messages[0] },
						   { key, key, messages[1], messages[1] } };
	uint64_t start = clock();

	for (unsigned i = 0; i < calls; i++)
		ops->hmac_lanes(lanes, streams, BLOCKS);
	return clock() - start;
}

unsigned
crypto_step_percent(const struct crypto_ops *ops, uint64_t (*clock)(void))
{
	uint64_t alone = UINT64_MAX, in_step = UINT64_MAX;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t one = passes(ops, 1, 2 * PASSES, clock);
		uint64_t two = passes(ops, 2, PASSES, clock);

		if (one < alone)
			alone = one;
		if (two < in_step)
			in_step = two;
	}
	return alone ? (unsigned)(100 * in_step / alone) : 100;
}
