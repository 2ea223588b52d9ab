/*
 * rng.h - random bytes, injected.
 *
 * The pure core asks for randomness here, so that tests replay and workers each own a generator.
 * Owner: whoever made the context. One thread. Does not allocate or block.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
	void (*fill)(void *ctx, uint8_t *bytes, size_t len);
	void *ctx;
};

static inline void
rng_fill(const struct rng *rng, uint8_t *bytes, size_t len)
{
	rng->fill(rng->ctx, bytes, len);
}
