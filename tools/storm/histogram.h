/*
 * histogram.h - latencies in logarithmic buckets, for percentiles of millions of values.
 *
 * Values below 128 us have a bucket each; above, every power of two is parted into 128, so a
 * percentile is at most 0.8 % above the truth. 36 kB, adding is a count of zeros and an increment.
 *
 * Owner: the caller. One thread. All zero: empty.
 */
#pragma once

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 7,
	HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
	HISTOGRAM_VALUE_BITS = 42, /* 50 days of microseconds; above counts as that */
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB,
};

struct histogram {
	uint64_t n, max;
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
/*
 * The least value that `percent` of all values do not exceed, rounded up to its bucket's end; 0
 * when empty.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
