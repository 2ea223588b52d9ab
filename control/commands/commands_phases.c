/* How long the phases of bootstraps take, and a worker's turns: histograms of the workers, as percentiles. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/commands/commands.h"

enum { PERCENTILES = 3 };

static uint64_t
count_of(const struct delays *delays)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DELAY_BUCKETS; i++)
		n += delays->counts[i];
	return n;
}

/* What `percent` of the values do not exceed, up to the width of a bucket. */
static uint64_t
percentile(const struct delays *delays, uint64_t n, unsigned percent)
{
	uint64_t below = 0, wanted = (n * percent + 99) / 100;

	assert(n && percent <= 100);
	for (unsigned i = 0; i < DELAY_BUCKETS; i++) {
		below += delays->counts[i];
		if (below && below >= wanted)
			return delay_bucket_end(i);
	}
	return 0;
}

static void
put_duration(struct table *table, double us)
{
	if (us < 1000)
		table_cell(table, "%.0f us", us);
	else if (us < 1000000)
		table_cell(table, "%.1f ms", us / 1000);
	else
		table_cell(table, "%.2f s", us / 1000000);
}

/* `us` microseconds are a unit of the histogram. Buckets without a value are left out. */
static json_t *
delays_json(const struct delays *delays, uint64_t n, double us)
{
	json_t *buckets = json_array();

	for (unsigned i = 0; i < DELAY_BUCKETS; i++)
		if (delays->counts[i])
			json_array_append_new(buckets,
					      json_pack("[f, I]", (double)delay_bucket_end(i) * us,
							(json_int_t)delays->counts[i]));
	return json_pack("{s:I, s:f, s:o}", "count", (json_int_t)n, "sum_us",
			 (double)delays->sum * us, "buckets", buckets);
}

static void
put_delays(struct call *call, struct table *table, const char *name, const struct delays *delays,
	   double us)
{
	static const unsigned percents[PERCENTILES] = { 50, 90, 99 };
	uint64_t n = count_of(delays);

	table_cell(table, "%s", name);
	table_cell(table, "%llu", (unsigned long long)n);
	for (unsigned i = 0; i < PERCENTILES; i++) {
		if (n)
			put_duration(table, (double)percentile(delays, n, percents[i]) * us);
		else
			table_cell(table, "-");
	}
	json_object_set_new(call->result, name, delays_json(delays, n, us));
}

void
command_phases_of(struct call *call, int worker)
{
	static const char *const names[RUN_PHASES] = { "handshake", "request", "writes", "finish",
						       "total" };
	struct dataplane_delays delays;
	struct table table;

	dataplane_delays(call->service->dp, worker, &delays);
	call->result = json_object();
	table_init(&table, "phase|count|50 %|90 %|99 %");
	for (unsigned i = 0; i < RUN_PHASES; i++)
		put_delays(call, &table, names[i], &delays.phases[i], 1);
	put_delays(call, &table, "busy turn", &delays.busy_turn_cycles,
		   1e6 / (double)dataplane_cycles_per_s());
	put_delays(call, &table, "control turn", &call->daemon->turns.delays, 1);
	table_finish(&table, &call->text);
}

void
command_phases(struct call *call)
{
	long worker = call_number(call, "--worker", -1, DATAPLANE_WORKERS_MAX - 1);
	struct dataplane_worker_info info;

	if (worker >= 0 && dataplane_worker_info(call->service->dp, (unsigned)worker, &info) < 0)
		call_refuse(call, CTL_REFUSED, "there is no worker %ld", worker);
	if (call->exit == CTL_DONE)
		command_phases_of(call, (int)worker);
}

/* The longest first. */
static int
by_longest(const void *a, const void *b)
{
	const struct turn_cause *left = a, *right = b;

	return (left->longest_us < right->longest_us) - (left->longest_us > right->longest_us);
}

static json_t *
turn_json(const struct turn_cause *cause)
{
	return json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "cause", cause->name, "turns",
		(json_int_t)cause->turns, "longest_us", (json_int_t)cause->longest_us,
		"longest_unbroken_us", (json_int_t)cause->longest_unbroken_us, "longest_cpu_us",
		(json_int_t)cause->longest_cpu_us, "longest_waited_us",
		(json_int_t)cause->longest_waited_us, "waited", (json_int_t)cause->waited,
		"interrupted", (json_int_t)cause->interrupted, "sum_us", (json_int_t)cause->sum_us);
}

void
command_turns(struct call *call)
{
	struct turn_cause causes[TURN_CAUSES];
	struct table table;
	json_t *list = json_array();
	unsigned n = 0;

	while (n < TURN_CAUSES && call->daemon->turns.causes[n].name) {
		causes[n] = call->daemon->turns.causes[n];
		n++;
	}
	qsort(causes, n, sizeof causes[0], by_longest);
	table_init(&table, "cause|turns|longest|unbroken|of its own|interrupted:2|waited:3|mean:1");
	for (unsigned i = 0; i < n; i++) {
		table_cell(&table, "%s", causes[i].name);
		table_cell(&table, "%llu", (unsigned long long)causes[i].turns);
		put_duration(&table, (double)causes[i].longest_us);
		put_duration(&table, (double)causes[i].longest_unbroken_us);
		put_duration(&table, (double)causes[i].longest_cpu_us);
		table_cell(&table, "%llu", (unsigned long long)causes[i].interrupted);
		table_cell(&table, "%llu", (unsigned long long)causes[i].waited);
		put_duration(&table, (double)causes[i].sum_us / (double)causes[i].turns);
		json_array_append_new(list, turn_json(&causes[i]));
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:I, s:o}", "longest_us",
				 n ? (json_int_t)causes[0].longest_us : 0, "causes", list);
	if (call_option(call, "--reset"))
		turns_reset(&call->daemon->turns);
}
