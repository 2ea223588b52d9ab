/* A run second by second: sums over cores, and each second for itself. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tools/storm/recorder.h"

static struct fleet fleets[2];
static struct recorder recorder;
static const struct fleet *const both[2] = { &fleets[0], &fleets[1] };

static void
end(struct fleet *fleet, enum outcome outcome, unsigned n, uint64_t latency_us)
{
	fleet->tally.started += n;
	fleet->tally.outcomes[outcome] += n;
	for (unsigned i = 0; outcome == OUTCOME_DONE && i < n; i++)
		histogram_add(&fleet->tally.phases[PHASE_WHOLE], latency_us);
}

Test(storm_recorder, a_second_without_anything_has_no_latency)
{
	const struct record *record = recorder_add(&recorder, both, 2, 1000000);

	cr_expect_eq(record->done, 0);
	cr_expect_eq(record->p50_us, 0);
	cr_expect_eq(record->p99_us, 0);
	cr_expect_eq(record->running, 0);
}

Test(storm_recorder, cores_are_added_up)
{
	const struct record *record;

	end(&fleets[0], OUTCOME_DONE, 30, 100);
	end(&fleets[1], OUTCOME_DONE, 10, 100);
	end(&fleets[1], OUTCOME_SILENT, 4, 0);
	fleets[0].running = 2;
	fleets[1].running = 5;
	record = recorder_add(&recorder, both, 2, 2000000);
	cr_expect_eq(record->second, 2);
	cr_expect_eq(record->started, 22);
	cr_expect_eq(record->done, 20);
	cr_expect_eq(record->failed, 2);
	cr_expect_eq(record->running, 7);
	cr_expect_eq(record->all_started, 44);
	cr_expect_eq(record->all_done, 40);
	cr_expect_eq(record->all_failed, 4);
}

Test(storm_recorder, percentiles_are_of_their_second)
{
	const struct record *record;

	end(&fleets[0], OUTCOME_DONE, 100, 50);
	(void)recorder_add(&recorder, both, 2, 1000000);
	end(&fleets[1], OUTCOME_DONE, 10, 120);
	record = recorder_add(&recorder, both, 2, 2000000);
	cr_expect_eq(record->p50_us, 120);
	cr_expect_eq(record->done, 10);
	cr_expect_eq(record->all_done, 110);
	record = recorder_add(&recorder, both, 2, 3000000);
	cr_expect_eq(record->p50_us, 0, "nothing ended in the third");
	cr_expect_eq(recorder.n, 3);
}

Test(storm_recorder, the_last_record_stays_the_last)
{
	for (unsigned i = 1; i <= RECORDS_MAX + 2; i++)
		(void)recorder_add(&recorder, both, 2, i * 1000000ull);
	cr_expect_eq(recorder.n, RECORDS_MAX);
	cr_expect_eq(recorder.records[RECORDS_MAX - 1].second, RECORDS_MAX + 2);
}
