/*
 * siphash.h - SipHash-1-3, the keyed hash of every table that peers can reach.
 *
 * Peers choose addresses, endpoint names and identities, so a table whose hash they can predict
 * degrades to a list at their will. Multiply-and-fold hashes are two or three times faster, but
 * collisions that hold for every key are known for several of them; CRC, as NICs and hash libraries
 * use it, is linear and falls to arithmetic. SipHash-1-3 is what Linux, Rust and Python settled on
 * for the same reason: 20 bytes take about 12 ns here, a tenth of what one miss to memory costs,
 * and that miss is what a look-up pays anyway. It is a table hash, and proves a round trip in a cookie
 * (dtls_cookie.h); it is no MAC.
 *
 * Pure; any thread; nothing allocates or blocks. The key is secret: whoever knows it can flood the
 * tables.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

struct siphash_key siphash_key(const uint8_t bytes[16]);
uint64_t siphash13(const struct siphash_key *key, const void *bytes, size_t len);
