#include "tools/storm/recorder.h"

#include <string.h>

enum { SECOND_US = 1000000 };

/* ---- tallies ---- */

/* Words that another core may be writing: whole, ordered with nothing. */
static void
add_words(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void
histogram_merge(struct histogram *to, const struct histogram *from)
{
	add_words(&to->n, &from->n, 1);
	if (from->max > to->max)
		to->max = from->max;
	to->sum += from->sum;
	add_words(to->buckets, from->buckets, HISTOGRAM_BUCKETS);
}

void
tally_add(struct tally *to, const struct tally *from)
{
	add_words(&to->started, &from->started, 1);
	add_words(to->outcomes, from->outcomes, OUTCOMES);
	if (from->refused_code)
		to->refused_code = from->refused_code;
	add_words(&to->busy, &from->busy, 1);
	add_words(&to->retried, &from->retried, 1);
	add_words(&to->retransmitted, &from->retransmitted, 1);
	add_words(&to->duplicates, &from->duplicates, 1);
	add_words(&to->operations, &from->operations, 1);
	add_words(&to->blocks, &from->blocks, 1);
	add_words(&to->packs, &from->packs, 1);
	add_words(&to->ignored, &from->ignored, 1);
	add_words(&to->stale, &from->stale, 1);
	add_words(&to->datagrams_sent, &from->datagrams_sent, 1);
	add_words(&to->datagrams_received, &from->datagrams_received, 1);
	add_words(to->records.value, from->records.value, COUNTERS);
	for (int p = 0; p < PHASES; p++)
		histogram_merge(&to->phases[p], &from->phases[p]);
}

uint64_t
tally_done(const struct tally *tally)
{
	return tally->outcomes[OUTCOME_DONE] + tally->outcomes[OUTCOME_INTENDED];
}

uint64_t
tally_failed(const struct tally *tally)
{
	uint64_t n = 0;

	for (int i = OUTCOME_WRONG_WRITE; i < OUTCOMES; i++)
		n += tally->outcomes[i];
	return n;
}

/* ---- records ---- */

/* The latencies that came since the record before. */
static void
take_span(struct recorder *recorder)
{
	const struct histogram *now = &recorder->now.phases[PHASE_WHOLE];
	const struct histogram *before = &recorder->before.phases[PHASE_WHOLE];
	struct histogram *span = &recorder->span;

	span->n = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		span->buckets[i] = now->buckets[i] - before->buckets[i];
		span->n += span->buckets[i];
	}
	/* The largest of a second is not known: its bucket's end will do, unless none is above. */
	span->max = span->n ? now->max : 0;
}

const struct record *
recorder_add(struct recorder *recorder, const struct fleet *const *fleets, unsigned n,
	     uint64_t elapsed_us)
{
	struct tally *now = &recorder->now, *before = &recorder->before;
	double span = (double)(elapsed_us - recorder->last_us) / SECOND_US;
	struct record *record;

	*before = *now;
	memset(now, 0, sizeof *now);
	for (unsigned i = 0; i < n; i++)
		tally_add(now, &fleets[i]->tally);
	take_span(recorder);
	if (recorder->n < RECORDS_MAX)
		recorder->n++;
	record = &recorder->records[recorder->n - 1];
	*record = (struct record){
		.second = (double)elapsed_us / SECOND_US,
		.started = (double)(now->started - before->started) / span,
		.done = (double)(tally_done(now) - tally_done(before)) / span,
		.failed = (double)(tally_failed(now) - tally_failed(before)) / span,
		.p50_us = (double)histogram_percentile(&recorder->span, 50),
		.p99_us = (double)histogram_percentile(&recorder->span, 99),
		.all_started = now->started,
		.all_done = tally_done(now),
		.all_failed = tally_failed(now),
	};
	for (unsigned i = 0; i < n; i++)
		record->running += __atomic_load_n(&fleets[i]->running, __ATOMIC_RELAXED);
	recorder->last_us = elapsed_us;
	return record;
}
