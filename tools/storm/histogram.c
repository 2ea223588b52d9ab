#include "tools/storm/histogram.h"

static unsigned
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value >> HISTOGRAM_VALUE_BITS)
		value = (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1;
	if (value < HISTOGRAM_SUB)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (shift + 1) * HISTOGRAM_SUB + (unsigned)(value >> shift) - HISTOGRAM_SUB;
}

/* The largest value of a bucket. */
static uint64_t
bucket_end(unsigned bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_SUB)
		return bucket;
	shift = bucket / HISTOGRAM_SUB - 1;
	return ((uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB + 1) << shift) - 1;
}

void
histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->n++;
	histogram->sum += (double)value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->buckets[bucket_of(value)]++;
}

uint64_t
histogram_percentile(const struct histogram *histogram, double percent)
{
	double wanted = (double)histogram->n * percent / 100;
	uint64_t below = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && histogram->n; i++) {
		below += histogram->buckets[i];
		if (below == 0 || (double)below < wanted)
			continue;
		return bucket_end(i) < histogram->max ? bucket_end(i) : histogram->max;
	}
	return histogram->max;
}
