/* Percentiles of the generator's latencies. */
#include <criterion/criterion.h>

#include "tools/storm/histogram.c"

Test(storm_histogram, empty_has_no_percentile)
{
	static struct histogram histogram;

	cr_assert_eq(histogram_percentile(&histogram, 50), 0);
	cr_assert_eq(histogram_percentile(&histogram, 100), 0);
}

Test(storm_histogram, buckets_are_gapless_and_close)
{
	uint64_t previous = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t end = bucket_end(i);

		cr_assert_eq(bucket_of(end), i);
		cr_assert_eq(bucket_of(i ? previous + 1 : 0), i,
			     "the bucket begins behind the one before");
		cr_assert(end - previous <= 1 + previous / HISTOGRAM_SUB, "0.8 %% wide at most");
		previous = end;
	}
	cr_assert_eq(previous, (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
}

Test(storm_histogram, percentiles_of_a_ramp)
{
	static struct histogram histogram;
	static const double percents[] = { 0.1, 1, 25, 50, 90, 99, 99.9 };

	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(&histogram, i);
	for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
		double exact = percents[i] * 1000,
		       got = (double)histogram_percentile(&histogram, percents[i]);

		cr_assert(got >= exact && got <= exact * 1.008 + 1, "p%g is %g", percents[i], got);
	}
	cr_assert_eq(histogram_percentile(&histogram, 100), 100000);
	cr_assert_eq(histogram.max, 100000);
	cr_assert_float_eq(histogram.sum / (double)histogram.n, 50000.5, 1e-6);
}

Test(storm_histogram, what_is_too_large_is_kept)
{
	static struct histogram histogram;

	histogram_add(&histogram, UINT64_MAX);
	histogram_add(&histogram, 3);
	cr_assert_eq(histogram_percentile(&histogram, 50), 3);
	cr_assert_eq(histogram.max, UINT64_MAX);
	cr_assert_eq(histogram_percentile(&histogram, 100),
		     (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
}
