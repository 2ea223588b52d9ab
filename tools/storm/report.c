#include "tools/storm/report.h"

#include <inttypes.h>

#include "dataplane/core/coap/coap_msg.h"

enum { PERCENTILES = 5 };

static const struct {
	double percent;
	const char *name;
} percentiles[PERCENTILES] = {
	{ 50, "p50" }, { 90, "p90" }, { 99, "p99" }, { 99.9, "p99_9" }, { 100, "max" }
};

/* A closed loop that kept the generator busy all the time measured the generator. */
static const double busy_limit = 0.98;
static const double offered_limit = 0.99;
static const double drop_limit = 0.001;

static uint64_t
finished(const struct tally *tally)
{
	return tally->outcomes[OUTCOME_DONE] + tally->outcomes[OUTCOME_INTENDED];
}

static bool
floods(const struct report *report)
{
	return report->config->fleet.misbehave == MISBEHAVE_HELLO_FLOOD;
}

const char *
report_invalid(const struct report *report, char why[REPORT_WHY_MAX])
{
	const struct swarm_config *config = report->config;
	const struct swarm_result *result = report->result;
	double dropped = (double)(result->counts.tx_full + result->counts.no_buffer +
				  result->counts.rx_missed);

	if (config->plan.kind == PLAN_OPEN && !result->interrupted &&
	    (double)report->tally->started < offered_limit * (double)result->planned)
		return "offered less than 99 % of the plan";
	/* Its own clock stood still, or no device was idle: what arrives in lumps is another load. */
	if (config->plan.kind == PLAN_OPEN && result->counts.late_us > config->late_us) {
		snprintf(why, REPORT_WHY_MAX,
			 "a start was %.1f ms late, %.1f may be: give it --poll and a CPU, or more "
			 "--devices",
			 (double)result->counts.late_us / 1e3, (double)config->late_us / 1e3);
		return why;
	}
	if (!floods(report) &&
	    dropped > drop_limit * (double)(result->counts.tx_frames + result->counts.rx_frames))
		return "the generator dropped datagrams of its own";
	if (!floods(report) && result->busy > busy_limit && result->seconds > 1)
		return "the generator was busy all the time: figures are what it can do, not the "
		       "server";
	return NULL;
}

enum report_exit
report_exit(const struct report *report)
{
	char why[REPORT_WHY_MAX];

	if (report_invalid(report, why))
		return REPORT_EXIT_INVALID;
	if (finished(report->tally) < report->tally->started ||
	    report->tally->started < report->result->planned)
		return REPORT_EXIT_FAILED;
	return REPORT_EXIT_DONE;
}

/* ---- text ---- */

static void
print_plan(const struct report *report, FILE *stream)
{
	const struct plan *plan = &report->config->plan;

	fprintf(stream, "plan       ");
	switch (plan->kind) {
	case PLAN_CLOSED:
		fprintf(stream, "closed loop, %" PRIu32 " at a time", plan->concurrency);
		break;
	case PLAN_BURST:
		fprintf(stream, "burst of %" PRIu64, plan->total);
		break;
	case PLAN_OPEN:
		fprintf(stream, "open loop, %.0f/s for %.1f s, ramp %.1f s", plan->rate,
			plan->duration_s, plan->ramp_s);
		break;
	}
	fprintf(stream, ", %" PRIu32 " device%s, %s, seed %" PRIu64 "%s%s\n",
		report->config->devices, report->config->devices == 1 ? "" : "s",
		security_titles[report->config->fleet.security], report->config->seed,
		report->config->fleet.misbehave ? ", misbehaving: " : "",
		misbehave_infos[report->config->fleet.misbehave].name);
}

static void
print_outcomes(const struct report *report, FILE *stream)
{
	const struct tally *tally = report->tally;
	uint64_t failed = tally->started - finished(tally);

	fprintf(stream, "offered    %" PRIu64 " of %" PRIu64 " in %.2f s, at most %.1f ms late\n",
		tally->started, report->result->planned, report->result->seconds,
		(double)report->result->counts.late_us / 1e3);
	fprintf(stream, "done       %" PRIu64 "%s, %.0f/s\n", finished(tally),
		tally->outcomes[OUTCOME_INTENDED] ? " (misbehaved as told)" : "",
		(double)finished(tally) / report->result->seconds);
	fprintf(stream, "failed     %" PRIu64, failed);
	for (int i = OUTCOME_WRONG_WRITE; i < OUTCOMES; i++)
		if (tally->outcomes[i])
			fprintf(stream, ", %s %" PRIu64, outcome_names[i], tally->outcomes[i]);
	if (tally->outcomes[OUTCOME_REFUSED])
		fprintf(stream, " (last %u.%02u)", (unsigned)(tally->refused_code >> 5),
			(unsigned)(tally->refused_code & 31));
	fprintf(stream,
		"\nwrites     %s, %" PRIu64 " operations, %" PRIu64 " packs, %" PRIu64 " blocks\n",
		report->config->expect->n ? "checked" : "not checked (no --expect)",
		tally->operations, tally->packs, tally->blocks);
}

static void
print_phases(const struct tally *tally, FILE *stream)
{
	fprintf(stream, "%-10s %9s %9s %9s %9s %9s   ms\n", "latency", "p50", "p90", "p99", "p99.9",
		"max");
	for (int p = 0; p < PHASES; p++) {
		const struct histogram *phase = &tally->phases[p];

		if (!phase->n)
			continue;
		fprintf(stream, "  %-8s", phase_names[p]);
		for (int i = 0; i < PERCENTILES; i++)
			fprintf(stream, " %9.3f",
				(double)histogram_percentile(phase, percentiles[i].percent) / 1e3);
		fputc('\n', stream);
	}
}

static void
print_wire(const struct report *report, FILE *stream)
{
	const struct swarm_result *result = report->result;
	const struct tally *tally = report->tally;
	double seconds = result->seconds;

	fprintf(stream,
		"wire       sent %" PRIu64 " (%.0f/s, %.1f Mbit/s), received %" PRIu64
		" (%.0f/s, %.1f Mbit/s)\n",
		result->counts.tx_frames, (double)result->counts.tx_frames / seconds,
		(double)result->counts.tx_bytes * 8e-6 / seconds, result->counts.rx_frames,
		(double)result->counts.rx_frames / seconds,
		(double)result->counts.rx_bytes * 8e-6 / seconds);
	fprintf(stream,
		"           retransmitted %" PRIu64 ", duplicates answered %" PRIu64
		", bad tags %" PRIu64 ", stale %" PRIu64 ", replays %" PRIu64 ", ignored %" PRIu64
		", 5.03 %" PRIu64 "\n",
		tally->retransmitted, tally->duplicates,
		tally->records.value[COUNTER_dtls_rx_bad_tag], tally->stale,
		tally->records.value[COUNTER_dtls_rx_replayed], tally->ignored, tally->busy);
	if (tally->retried)
		fprintf(stream, "           begun anew after silence %" PRIu64 "\n",
			tally->retried);
	if (result->counts.lost + result->counts.duplicated + result->counts.reordered +
	    result->counts.corrupted)
		fprintf(stream,
			"network    lost %" PRIu64 ", duplicated %" PRIu64 ", reordered %" PRIu64
			", corrupted %" PRIu64 "\n",
			result->counts.lost, result->counts.duplicated, result->counts.reordered,
			result->counts.corrupted);
	fprintf(stream,
		"generator  %.1f %% busy, dropped %" PRIu64 " (tx full), %" PRIu64
		" (no buffer), %" PRIu64 " (rx missed)\n",
		100 * result->busy, result->counts.tx_full, result->counts.no_buffer,
		result->counts.rx_missed);
}

void
report_text(const struct report *report, FILE *stream)
{
	char why[REPORT_WHY_MAX];
	const char *invalid = report_invalid(report, why);

	print_plan(report, stream);
	print_outcomes(report, stream);
	print_phases(report->tally, stream);
	print_wire(report, stream);
	fprintf(stream, "verdict    %s%s\n", invalid ? "INVALID: " : "valid",
		invalid                       ? invalid
		: report->result->interrupted ? ", interrupted"
					      : "");
}

/* ---- JSON: numbers and our own words only, so nothing needs escaping ---- */

static void
json_plan(const struct report *report, FILE *stream)
{
	static const char *const kinds[] = { "closed", "burst", "open" };
	const struct fleet_settings *fleet = &report->config->fleet;
	const struct plan *plan = &report->config->plan;

	fprintf(stream,
		" \"plan\": {\"kind\": \"%s\", \"total\": %" PRIu64 ", \"concurrency\": %" PRIu32
		", \"rate\": %.6g, \"duration_s\": %.6g, \"ramp_s\": %.6g, \"devices\": %" PRIu32
		", \"security\": \"%s\", \"seed\": %" PRIu64 ", \"misbehave\": \"%s\", "
		"\"cores\": %u,\n"
		"  \"pack_percent\": %u, \"block\": %u, \"block_percent\": %u, \"certified\": "
		"\"%s\", "
		"\"certified_percent\": %u},\n",
		kinds[plan->kind], plan->total, plan->concurrency, plan->rate, plan->duration_s,
		plan->ramp_s, report->config->devices, security_names[fleet->security],
		report->config->seed, misbehave_infos[fleet->misbehave].name,
		report->config->n_cores, fleet->mix.percent[MIX_PACK],
		coap_block_size(fleet->block_szx), fleet->mix.percent[MIX_BLOCK],
		fleet->certified ? security_names[fleet->certified] : "",
		fleet->mix.percent[MIX_CERTIFIED]);
}

static void
json_outcomes(const struct report *report, FILE *stream)
{
	const struct tally *tally = report->tally;

	fprintf(stream,
		" \"planned\": %" PRIu64 ",\n \"offered\": %" PRIu64 ",\n \"done\": %" PRIu64
		",\n \"failed\": %" PRIu64
		",\n \"seconds\": %.6f,\n \"done_per_s\": %.3f,\n \"outcomes\": {",
		report->result->planned, tally->started, finished(tally),
		tally->started - finished(tally), report->result->seconds,
		(double)finished(tally) / report->result->seconds);
	for (int i = 0; i < OUTCOMES; i++)
		fprintf(stream, "%s\"%s\": %" PRIu64, i ? ", " : "", outcome_names[i],
			tally->outcomes[i]);
	fprintf(stream,
		"},\n \"writes_checked\": %s,\n \"operations\": %" PRIu64 ",\n \"packs\": %" PRIu64
		",\n \"blocks\": %" PRIu64 ",\n",
		report->config->expect->n ? "true" : "false", tally->operations, tally->packs,
		tally->blocks);
}

static void
json_phases(const struct tally *tally, FILE *stream)
{
	fprintf(stream, " \"latency_us\": {");
	for (int p = 0; p < PHASES; p++) {
		const struct histogram *phase = &tally->phases[p];

		fprintf(stream, "%s\n  \"%s\": {\"n\": %" PRIu64 ", \"mean\": %.1f", p ? "," : "",
			phase_names[p], phase->n, phase->n ? phase->sum / (double)phase->n : 0);
		for (int i = 0; i < PERCENTILES; i++)
			fprintf(stream, ", \"%s\": %" PRIu64, percentiles[i].name,
				histogram_percentile(phase, percentiles[i].percent));
		fprintf(stream, "}");
	}
	fprintf(stream, "},\n");
}

static void
json_wire(const struct report *report, FILE *stream)
{
	const struct swarm_result *result = report->result;
	const struct tally *tally = report->tally;

	fprintf(stream,
		" \"wire\": {\"tx_frames\": %" PRIu64 ", \"tx_bytes\": %" PRIu64
		", \"rx_frames\": %" PRIu64 ", \"rx_bytes\": %" PRIu64
		", \"retransmitted\": %" PRIu64 ", \"duplicates\": %" PRIu64
		", \"bad_tags\": %" PRIu64 ", \"stale\": %" PRIu64 ", \"replayed\": %" PRIu64
		", \"ignored\": %" PRIu64 ", \"busy_5_03\": %" PRIu64 ", \"retried\": %" PRIu64
		"},\n",
		result->counts.tx_frames, result->counts.tx_bytes, result->counts.rx_frames,
		result->counts.rx_bytes, tally->retransmitted, tally->duplicates,
		tally->records.value[COUNTER_dtls_rx_bad_tag], tally->stale,
		tally->records.value[COUNTER_dtls_rx_replayed], tally->ignored, tally->busy,
		tally->retried);
	fprintf(stream,
		" \"network\": {\"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64
		", \"reordered\": %" PRIu64 ", \"corrupted\": %" PRIu64 "},\n",
		result->counts.lost, result->counts.duplicated, result->counts.reordered,
		result->counts.corrupted);
	fprintf(stream,
		" \"generator\": {\"busy\": %.4f, \"tx_full\": %" PRIu64 ", \"no_buffer\": %" PRIu64
		", \"rx_missed\": %" PRIu64 ", \"late_us\": %" PRIu64
		", \"late_allowed_us\": %" PRIu64 ", \"link_down_us\": %" PRIu64
		", \"quiet_us\": %" PRIu64 "},\n",
		result->busy, result->counts.tx_full, result->counts.no_buffer,
		result->counts.rx_missed, result->counts.late_us, report->config->late_us,
		result->counts.link_down_us, result->counts.quiet_us);
}

static void
json_records(const struct swarm_result *result, FILE *stream)
{
	fprintf(stream, " \"records\": [");
	for (unsigned i = 0; i < result->n_records; i++) {
		const struct record *record = &result->records[i];

		fprintf(stream,
			"%s\n  {\"second\": %.3f, \"started_per_s\": %.1f, \"done_per_s\": %.1f, "
			"\"failed_per_s\": %.1f, "
			"\"running\": %" PRIu32 ", \"p50_us\": %.0f, \"p99_us\": %.0f}",
			i ? "," : "", record->second, record->started, record->done, record->failed,
			record->running, record->p50_us, record->p99_us);
	}
	fprintf(stream, "],\n");
}

int
report_json(const struct report *report, FILE *stream)
{
	char why[REPORT_WHY_MAX];
	const char *invalid = report_invalid(report, why);

	fprintf(stream, "{\"schema\": %d,\n", REPORT_SCHEMA);
	json_plan(report, stream);
	json_outcomes(report, stream);
	json_phases(report->tally, stream);
	json_wire(report, stream);
	json_records(report->result, stream);
	fprintf(stream, " \"interrupted\": %s,\n \"valid\": %s,\n \"verdict\": \"%s\"}\n",
		report->result->interrupted ? "true" : "false", invalid ? "false" : "true",
		invalid ? invalid : "valid");
	return fflush(stream) == 0 && !ferror(stream) ? 0 : -1;
}
