/* Histograms of delays: every value lies in its bucket, and buckets are a quarter wide. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane/core/delays.h"

Test(delays, buckets_follow_each_other_without_gap)
{
	cr_assert_eq(delay_bucket(0), 0);
	for (unsigned i = 0; i < DELAY_BUCKETS; i++) {
		uint64_t end = delay_bucket_end(i);

		cr_assert_eq(delay_bucket(end - 1), i, "%u", i);
		if (i + 1 < DELAY_BUCKETS)
			cr_assert_eq(delay_bucket(end), i + 1, "%u", i);
	}
	cr_assert_eq(delay_bucket_end(DELAY_BUCKETS - 1), UINT64_C(1) << DELAY_VALUE_BITS);
}

Test(delays, values_beyond_the_last_bucket_count_in_it)
{
	cr_expect_eq(delay_bucket(UINT64_C(1) << DELAY_VALUE_BITS), DELAY_BUCKETS - 1);
	cr_expect_eq(delay_bucket(UINT64_MAX), DELAY_BUCKETS - 1);
}

Test(delays, a_bucket_is_at_most_a_quarter_wide)
{
	for (unsigned i = 4; i + 1 < DELAY_BUCKETS; i++) {
		uint64_t begin = delay_bucket_end(i - 1), width = delay_bucket_end(i) - begin;

		cr_assert_leq(width * 4, begin, "%u", i);
	}
}

Test(delays, adds_up_what_it_is_given)
{
	struct delays *delays = calloc(1, sizeof *delays);

	delays_add(delays, 0);
	delays_add(delays, 1000);
	delays_add(delays, 1000);
	cr_expect_eq(delays->sum, 2000);
	cr_expect_eq(delays->counts[0], 1);
	cr_expect_eq(delays->counts[delay_bucket(1000)], 2);
	free(delays);
}
