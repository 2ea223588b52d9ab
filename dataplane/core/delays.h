/*
 * delays.h - how long things take, as a histogram that a worker affords: about a nanosecond a value.
 *
 * Powers of two, each parted into four: a value is known to a quarter of its size. One writer each, any reader, as
 * counters are (counters.h). The unit is the writer's: microseconds of the stack's clock, or cycles.
 *
 *	value    0 1 2 3 | 4 5 6 7 | 8-9 10-11 12-13 14-15 | 16-19 ...
 *	bucket   0 1 2 3 | 4 5 6 7 |  8    9    10    11   |  12   ...
 */
#pragma once

#include <stdint.h>

enum {
	DELAY_VALUE_BITS = 40, /* 12 days of microseconds, minutes of cycles; above counts as that */
	DELAY_BUCKETS = (DELAY_VALUE_BITS - 1) * 4,
};

/* All zero: empty. */
struct delays {
	uint64_t counts[DELAY_BUCKETS];
	uint64_t sum;
};

/* The parts of a bootstrap (stack_delays()). Only what ended well is a value: what did not is counted by its cause. */
enum run_phase {
	RUN_PHASE_HANDSHAKE, /* from the verified ClientHello to the end of the DTLS handshake, on the fast path */
	RUN_PHASE_REQUEST,   /* from the Bootstrap-Request to its answer: the control side's part where it makes the batch */
	RUN_PHASE_WRITES,    /* from the answer to the first Finish */
	RUN_PHASE_FINISH,    /* from the first Finish to its acknowledgement */
	RUN_PHASE_TOTAL,     /* from the Bootstrap-Request to the end, packs too */
	RUN_PHASES
};

static inline unsigned
delay_bucket(uint64_t value)
{
	const uint64_t most = (UINT64_C(1) << DELAY_VALUE_BITS) - 1;
	uint64_t bounded = value < most ? value : most;
	unsigned shift = 61 - (unsigned)__builtin_clzll(bounded | 4);

	return shift * 4 + (unsigned)(bounded >> shift);
}

/* The least value above all of a bucket. */
static inline uint64_t
delay_bucket_end(unsigned bucket)
{
	unsigned shift = bucket < 8 ? 0 : bucket / 4 - 1;

	return (uint64_t)(bucket - shift * 4 + 1) << shift;
}

static inline void
delays_add(struct delays *delays, uint64_t value)
{
	delays->counts[delay_bucket(value)]++;
	delays->sum += value;
}
