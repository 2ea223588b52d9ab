/*
 * random.h - the generator's own dice: xorshift64* (Marsaglia 2003, Vigna 2016), replayable by
 * --seed.
 *
 * Nothing here is secret: a swarm of simulated devices protects nobody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t
random_seed(uint64_t seed)
{
	/* A zero state would stay zero; small seeds are spread (splitmix64's increment). */
	return (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static inline uint64_t
random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Below `limit`, which is not 0. */
static inline uint64_t
random_below(uint64_t *state, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)random_next(state) * limit >> 64);
}

/* True in `percent` of all throws. */
static inline bool
random_percent(uint64_t *state, double percent)
{
	return percent > 0 &&
	       (double)(random_next(state) >> 11) < percent / 100 * 9007199254740992.0;
}

static inline void
random_fill(uint64_t *state, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(random_next(state) >> 56);
}
