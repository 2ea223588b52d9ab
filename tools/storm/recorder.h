/*
 * recorder.h - the run second by second: rates, and percentiles of the latencies that ended in each.
 *
 * The tallies of all cores are added up and the sum of the second before is taken away, so the cores
 * count on undisturbed. Their numbers are read while they are written: each is right by itself, and
 * one that is a moment old is in the next second.
 *
 * Owner: the caller. One thread. Allocates nothing.
 */
#pragma once

#include "tools/storm/device.h"

enum { RECORDS_MAX = 3600 };

struct record {
	double second;                /* at its end, since the beginning */
	double started, done, failed; /* a second */
	double p50_us, p99_us;        /* of those done within it */
	uint64_t all_started, all_done, all_failed;
	uint32_t running;
};

struct recorder {
	uint64_t last_us; /* end of the record before */
	struct tally now, before;
	struct histogram span;
	unsigned n;
	struct record records[RECORDS_MAX];
};

/* `to` gains all that `from` has. */
void tally_add(struct tally *to, const struct tally *from);
/* Done, well or as told; failed, whatever the cause. */
uint64_t tally_done(const struct tally *tally);
uint64_t tally_failed(const struct tally *tally);

/* Ends a record at `elapsed_us`; its place, overwritten by the next one when there are too many. */
const struct record *recorder_add(struct recorder *recorder, const struct fleet *const *fleets,
				  unsigned n, uint64_t elapsed_us);
