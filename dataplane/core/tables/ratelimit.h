/*
 * ratelimit.h - token buckets: one for a whole worker, or one a network prefix.
 *
 * Credit is counted in millionths of a token, because then a bucket of `rate` tokens a second gains
 * exactly `rate` units a microsecond, without division or rounding. 64 bits hold it: a burst is
 * below 2^32 tokens, so below 2^52 units; elapsed time is cut to 2^31 us (36 min) before it is
 * multiplied by a rate below 2^32, so below 2^63; their sum cannot wrap. That cut is harmless: a
 * bucket that takes longer to fill than 36 minutes fills a little later.
 *
 * Time is the caller's and must not go back; a step back is taken as no time at all.
 * Owner: the caller, memory included. One thread. Nothing allocates or blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/siphash.h"

struct ratelimit_rate {
	uint32_t per_s; /* tokens a second; 0: no more than the burst, ever */
	uint32_t burst; /* tokens that a full bucket holds; 0: nothing passes */
};

struct ratelimit_bucket {
	uint64_t credit; /* millionths of a token */
	uint64_t last_us;
};

/* ---- one bucket ---- */

struct ratelimit {
	struct ratelimit_rate rate;
	struct ratelimit_bucket bucket;
};

/* Starts full. */
void ratelimit_init(struct ratelimit *limit, struct ratelimit_rate rate, uint64_t now_us);
/* Takes one token; false when there is none. */
bool ratelimit_take(struct ratelimit *limit, uint64_t now_us) __attribute__((warn_unused_result));
/* A new rate; credit above the new burst is cut at the next take. */
void ratelimit_change(struct ratelimit *limit, struct ratelimit_rate rate);

/* ---- a bucket a prefix ---- */

/*
 * Addresses of one /24 (IPv4, v4-mapped) or /56 (IPv6: what one customer is usually given, RFC
 * 6177) share a bucket, so that nobody multiplies his share by the addresses he owns. The buckets
 * are a fixed array, indexed by a keyed hash of the prefix: no state can be exhausted, and nobody
 * can aim at another's bucket. The price: with P prefixes over their rate, an innocent one shares a
 * bucket with one of them with a probability of P / buckets.
 */
struct ratelimit_prefixes {
	struct ratelimit_rate rate;
	struct siphash_key key;
	struct ratelimit_bucket *buckets;
	uint32_t mask; /* buckets - 1 */
};

/* `buckets` is an array of `count` (a power of two), initialised here. */
void ratelimit_prefixes_init(struct ratelimit_prefixes *limits, struct ratelimit_rate rate,
			     const uint8_t seed[16], struct ratelimit_bucket *buckets,
			     uint32_t count);
bool ratelimit_prefixes_take(struct ratelimit_prefixes *limits, const uint8_t addr[16],
			     uint64_t now_us) __attribute__((warn_unused_result));
/* Bytes of this address that are its prefix. */
size_t ratelimit_prefix_len(const uint8_t addr[16]);
