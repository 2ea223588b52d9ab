/*
 * cookie_sharing.h - cookies that other appliances take, too: what they are made of.
 *
 * Where a router spreads devices over several appliances, the second ClientHello may come to another one than the first.
 * All that share a secret make their cookies of it and of the number of the minute, and need no word with each other, only
 * clocks that are less than half a minute apart.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { COOKIE_SHARED_LEN = 32 };

/* All zero: every worker makes secrets of its own. */
struct cookie_sharing {
	bool on;
	uint8_t secret[COOKIE_SHARED_LEN];
	int64_t wall_us; /* to be added to a worker's time: microseconds since 1970 */
};
