/* Token buckets under an injected clock. */
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/tables/ratelimit.h"

static unsigned
take_all(struct ratelimit *limit, uint64_t now_us)
{
	unsigned taken = 0;

	while (ratelimit_take(limit, now_us))
		taken++;
	return taken;
}

Test(ratelimit, nothing_passes_without_burst)
{
	struct ratelimit limit;

	ratelimit_init(&limit, (struct ratelimit_rate){ 1000000, 0 }, 0);
	cr_assert_not(ratelimit_take(&limit, UINT64_MAX));
}

Test(ratelimit, without_rate_the_burst_is_all)
{
	struct ratelimit limit;

	ratelimit_init(&limit, (struct ratelimit_rate){ 0, 3 }, 0);
	cr_assert_eq(take_all(&limit, 0), 3);
	cr_assert_eq(take_all(&limit, UINT64_MAX), 0);
}

Test(ratelimit, a_clock_that_steps_back_gives_nothing)
{
	struct ratelimit limit;

	ratelimit_init(&limit, (struct ratelimit_rate){ 1, 1 }, 5000000);
	cr_assert(ratelimit_take(&limit, 5000000));
	cr_assert_not(ratelimit_take(&limit, 1000000));
	cr_assert_not(ratelimit_take(&limit, 5999999),
		      "counted from the latest time, not from the step");
	cr_assert(ratelimit_take(&limit, 6000000));
}

Test(ratelimit, the_largest_numbers_do_not_wrap)
{
	struct ratelimit limit;

	ratelimit_init(&limit, (struct ratelimit_rate){ UINT32_MAX, UINT32_MAX }, 0);
	limit.bucket.credit = 0;
	cr_assert(ratelimit_take(&limit, UINT64_MAX));
	cr_assert_eq(limit.bucket.credit, ((uint64_t)UINT32_MAX - 1) * 1000000);
	cr_assert_not(ratelimit_take(
		&(struct ratelimit){ { UINT32_MAX, UINT32_MAX }, { 0, UINT64_MAX } }, 0));
}

Test(ratelimit, holds_the_rate_exactly_over_odd_steps)
{
	struct ratelimit limit;
	uint64_t now_us = 0;
	unsigned taken = 0;

	ratelimit_init(&limit, (struct ratelimit_rate){ 7, 1 }, 0);
	while (now_us < 100000000) { /* 100 s in steps of 333 us */
		taken += ratelimit_take(&limit, now_us);
		now_us += 333;
	}
	cr_assert_geq(taken, 695, "%u",
		      taken); /* a step late at most each: 7 * 100 / (1 + 7 * 333e-6) */
	cr_assert_leq(taken, 701, "%u", taken);
}

Test(ratelimit, fills_up_to_the_burst_and_no_further)
{
	struct ratelimit limit;

	ratelimit_init(&limit, (struct ratelimit_rate){ 100, 10 }, 0);
	cr_assert_eq(take_all(&limit, 0), 10);
	cr_assert_eq(take_all(&limit, 50000), 5);
	cr_assert_eq(take_all(&limit, 10000000), 10);
	ratelimit_change(&limit, (struct ratelimit_rate){ 100, 4 });
	cr_assert_eq(take_all(&limit, 20000000), 4);
}

enum { BUCKETS = 64 };

static const uint8_t seed[16] = { 1, 2, 3 };

static void
address(uint8_t addr[16], const char *bytes, size_t len)
{
	memset(addr, 0, 16);
	memcpy(addr, bytes, len);
}

Test(ratelimit, neighbours_of_a_prefix_share_and_others_do_not)
{
	struct ratelimit_bucket buckets[BUCKETS];
	struct ratelimit_prefixes limits;
	uint8_t addr[16];
	unsigned shared = 0;

	ratelimit_prefixes_init(&limits, (struct ratelimit_rate){ 1, 1 }, seed, buckets, BUCKETS);
	address(addr, "\x20\x01\x0d\xb8\0\0\x01\0", 8);
	cr_assert(ratelimit_prefixes_take(&limits, addr, 1));
	addr[7] = 0xff;
	addr[15] = 1;
	cr_assert_not(ratelimit_prefixes_take(&limits, addr, 1), "the same /56");
	for (unsigned i = 0; i < 32;
	     i++) { /* 2001:db8:0:100+i*256::/56; some collide, most do not */
		addr[6] = (uint8_t)(2 + i);
		shared += !ratelimit_prefixes_take(&limits, addr, 1);
	}
	cr_assert_leq(shared, 16);
}

Test(ratelimit, ipv4_is_told_apart_by_24_bits)
{
	struct ratelimit_bucket buckets[BUCKETS];
	struct ratelimit_prefixes limits;
	uint8_t addr[16];
	unsigned hit = 0;

	ratelimit_prefixes_init(&limits, (struct ratelimit_rate){ 0, 1 }, seed, buckets, BUCKETS);
	address(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x00\x00\x01", 16);
	cr_assert(ratelimit_prefixes_take(&limits, addr, 1));
	addr[15] = 200;
	cr_assert_not(ratelimit_prefixes_take(&limits, addr, 1));
	for (unsigned i = 1; i < 255; i++) {
		addr[14] = (uint8_t)i;
		(void)!ratelimit_prefixes_take(&limits, addr, 1);
	}
	/* 255 prefixes leave 64 / e^4 = 1.2 of 64 buckets untouched on average. */
	for (unsigned i = 0; i < BUCKETS; i++)
		hit += buckets[i].credit == 0;
	cr_assert_geq(hit, BUCKETS - 6, "%u", hit);
}
