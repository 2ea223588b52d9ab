/*
 * random_pool.h - random bytes by the handful, taken from the generator by the block.
 *
 * A generator costs about a microsecond a call however little it gives, and a bootstrap needs a
 * dozen bytes per step. So they are drawn in blocks, used once and wiped as they go.
 *
 * Owner: the stack. One thread. Nothing allocated; nothing blocks that the generator does not.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/core/rng.h"

enum { RANDOM_POOL_LEN = 1024 }; /* the most that CTR_DRBG gives in one call */

struct random_pool {
	struct rng rng;
	size_t left;
	uint8_t bytes[RANDOM_POOL_LEN];
};

static inline void
random_pool_init(struct random_pool *pool, struct rng rng)
{
	pool->rng = rng;
	pool->left = 0;
}

/* `len` fresh bytes; at most RANDOM_POOL_LEN. What is too short for a request is thrown away. */
static inline void
random_pool_take(struct random_pool *pool, void *out, size_t len)
{
	uint8_t *bytes;

	if (pool->left < len) {
		rng_fill(&pool->rng, pool->bytes, sizeof pool->bytes);
		pool->left = sizeof pool->bytes;
	}
	pool->left -= len;
	bytes = pool->bytes + pool->left;
	memcpy(out, bytes, len);
	memset(bytes, 0, len); /* stays: the pool is read again later */
}

static inline void
random_pool_fini(struct random_pool *pool)
{
	explicit_bzero(pool->bytes, sizeof pool->bytes);
	pool->left = 0;
}
