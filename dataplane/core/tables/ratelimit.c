#include "dataplane/core/tables/ratelimit.h"

#include <assert.h>
#include <string.h>

enum {
	TOKEN = 1000000,
	IPV4_PREFIX_BYTES = 12 + 3, /* ::ffff:0:0/96 and a /24 */
	IPV6_PREFIX_BYTES = 7,
};

static const uint64_t elapsed_max_us = UINT64_C(1) << 31;

static bool
bucket_take(struct ratelimit_bucket *bucket, const struct ratelimit_rate *rate, uint64_t now_us)
{
	uint64_t full = (uint64_t)rate->burst * TOKEN;
	uint64_t elapsed = now_us > bucket->last_us ? now_us - bucket->last_us : 0;

	if (elapsed > elapsed_max_us)
		elapsed = elapsed_max_us;
	bucket->credit += elapsed * rate->per_s;
	if (bucket->credit > full)
		bucket->credit = full;
	if (now_us > bucket->last_us)
		bucket->last_us = now_us;
	if (bucket->credit < TOKEN)
		return false;
	bucket->credit -= TOKEN;
	return true;
}

void
ratelimit_init(struct ratelimit *limit, struct ratelimit_rate rate, uint64_t now_us)
{
	limit->rate = rate;
	limit->bucket = (struct ratelimit_bucket){ (uint64_t)rate.burst * TOKEN, now_us };
}

bool
ratelimit_take(struct ratelimit *limit, uint64_t now_us)
{
	return bucket_take(&limit->bucket, &limit->rate, now_us);
}

void
ratelimit_change(struct ratelimit *limit, struct ratelimit_rate rate)
{
	limit->rate = rate;
}

void
ratelimit_prefixes_init(struct ratelimit_prefixes *limits, struct ratelimit_rate rate,
			const uint8_t seed[16], struct ratelimit_bucket *buckets, uint32_t count)
{
	assert(count && !(count & (count - 1)));
	*limits = (struct ratelimit_prefixes){
		.rate = rate,
		.key = siphash_key(seed),
		.buckets = buckets,
		.mask = count - 1,
	};
	/* Full, whatever the clock says: the first take cuts nothing and adds nothing. */
	for (uint32_t i = 0; i < count; i++)
		buckets[i] = (struct ratelimit_bucket){ (uint64_t)rate.burst * TOKEN, 0 };
}

static bool
is_v4_mapped(const uint8_t addr[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, 0xff }; /* RFC 4291 2.5.5.2 */

	return memcmp(addr, prefix, sizeof prefix) == 0;
}

size_t
ratelimit_prefix_len(const uint8_t addr[16])
{
	return is_v4_mapped(addr) ? IPV4_PREFIX_BYTES : IPV6_PREFIX_BYTES;
}

bool
ratelimit_prefixes_take(struct ratelimit_prefixes *limits, const uint8_t addr[16], uint64_t now_us)
{
	uint64_t hash = siphash13(&limits->key, addr, ratelimit_prefix_len(addr));

	return bucket_take(&limits->buckets[hash & limits->mask], &limits->rate, now_us);
}
