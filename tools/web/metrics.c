#include "tools/web/metrics.h"

#include <stdio.h>
#include <string.h>

#include "tools/web/counter_families.h"

/* A single number of the status, by its path of two names at most. */
struct simple {
	struct metric_family family;
	const char *outer, *inner;
	double scale; /* 0: 1 */
};

static const struct simple simples[] = {
	{ { "cradle_devices", METRIC_GAUGE, NULL, "Devices that may bootstrap." }, "devices" },
	{ { "cradle_devices_without_batch", METRIC_GAUGE, NULL,
	    "Devices whose tasks have nothing to send, or could not be compiled." },
	  "devices_refused" },
	{ { "cradle_unknown_devices", METRIC_GAUGE, NULL,
	    "Endpoint names that asked and are no device." },
	  "unknown" },
	{ { "cradle_rejected_devices", METRIC_GAUGE, NULL,
	    "Devices that asked with a wrong key or another's name." },
	  "rejected" },
	{ { "cradle_groups", METRIC_GAUGE, NULL, "Device groups." }, "groups" },
	{ { "cradle_tasks", METRIC_GAUGE, NULL, "Tasks of all groups." }, "tasks" },
	{ { "cradle_policy_generation", METRIC_GAUGE, NULL,
	    "Number of the policy's generation that is live." },
	  "generation" },
	{ { "cradle_policy_healthy", METRIC_GAUGE, NULL,
	    "0: the files on disk cannot be made live; the last good generation runs on." },
	  "policy",
	  "healthy" },
	{ { "cradle_slow_lane_handshakes", METRIC_GAUGE, NULL,
	    "Always 0, and gone with the next release: there is no slow lane any more." },
	  "slow_lane_in_use" },
	{ { "cradle_store_healthy", METRIC_GAUGE, NULL,
	    "0: what happens now is lost at a restart." },
	  "store",
	  "healthy" },
	{ { "cradle_store_bytes", METRIC_GAUGE, "bytes", "Size of the store's file." },
	  "store",
	  "bytes" },
	{ { "cradle_store_queued_reports", METRIC_GAUGE, NULL, "Reports that wait for the store." },
	  "store",
	  "queued" },
	{ { "cradle_store_written_reports", METRIC_COUNTER, NULL, "Reports written." },
	  "store",
	  "written" },
	{ { "cradle_store_lost_reports", METRIC_COUNTER, NULL,
	    "Reports lost because the store was in trouble for too long." },
	  "store",
	  "lost" },
	{ { "cradle_store_lag_seconds", METRIC_GAUGE, "seconds",
	    "How long the oldest report has waited for the store." },
	  "store",
	  "lag_ms",
	  1e-3 },
	{ { "cradle_outbox_messages", METRIC_GAUGE, NULL, "Messages that wait for their target." },
	  "outbox",
	  "waiting" },
	{ { "cradle_outbox_held", METRIC_GAUGE, NULL,
	    "Messages of runs that have not ended yet." },
	  "outbox",
	  "held" },
	{ { "cradle_outbox_dead_letters", METRIC_GAUGE, NULL, "Messages that were given up." },
	  "outbox",
	  "dead" },
	{ { "cradle_start_timestamp_seconds", METRIC_GAUGE, "seconds",
	    "When the appliance was started, in Unix time." },
	  "started_ms",
	  NULL,
	  1e-3 },
	{ { "cradle_reload_timestamp_seconds", METRIC_GAUGE, "seconds",
	    "When the policy's generation became live, in Unix time." },
	  "live_since_ms",
	  NULL,
	  1e-3 },
	{ { "cradle_policy_failing_timestamp_seconds", METRIC_GAUGE, "seconds",
	    "Since when the files on disk cannot be made live, in Unix time; 0: they can." },
	  "policy",
	  "failing_since_ms",
	  1e-3 },
};

/* A number a worker. */
static const struct simple worker_simples[] = {
	{ { "cradle_worker_busy_ratio", METRIC_GAUGE, "ratio",
	    "Share of a worker's time in the last second that was not idle polling." },
	  "busy_percent",
	  NULL,
	  0.01 },
	{ { "cradle_worker_busy_seconds", METRIC_COUNTER, "seconds",
	    "Time in which a worker had something to do." },
	  "busy_us",
	  NULL,
	  1e-6 },
	{ { "cradle_worker_seconds", METRIC_COUNTER, "seconds", "Time of a worker in all." },
	  "spent_us",
	  NULL,
	  1e-6 },
	{ { "cradle_worker_turns", METRIC_COUNTER, NULL,
	    "Turns of a worker's loop: its heartbeat." },
	  "turns" },
	{ { "cradle_worker_longest_turn_seconds", METRIC_GAUGE, "seconds",
	    "The longest turn of a worker since its start." },
	  "longest_turn_us",
	  NULL,
	  1e-6 },
	{ { "cradle_sessions_limit", METRIC_GAUGE, NULL, "Sessions that a worker has room for." },
	  "capacity" },
};

static const struct simple port_simples[] = {
	{ { "cradle_port_up", METRIC_GAUGE, NULL, "Whether a port has link." }, "link_up" },
	{ { "cradle_port_reopened", METRIC_COUNTER, NULL,
	    "How often a port was opened again, as its interface was made anew." },
	  "reopened" },
	{ { "cradle_port_rx_missed", METRIC_COUNTER, NULL,
	    "Frames that a port dropped because workers did not fetch them in time." },
	  "rx_missed" },
	{ { "cradle_port_rx_errors", METRIC_COUNTER, NULL, "Frames received damaged." },
	  "rx_errors" },
	{ { "cradle_port_tx_errors", METRIC_COUNTER, NULL, "Frames that a port could not send." },
	  "tx_errors" },
	{ { "cradle_port_rx_no_buffer", METRIC_COUNTER, NULL,
	    "Frames dropped because no packet buffer was free." },
	  "rx_no_buffer" },
};

static const struct simple target_simples[] = {
	{ { "cradle_outbox_target_away", METRIC_GAUGE, NULL,
	    "1: the target did not answer, had no time or did not know us the last time." },
	  "away" },
	{ { "cradle_outbox_requests", METRIC_COUNTER, NULL, "Requests to a target." }, "sent" },
	{ { "cradle_outbox_delivered", METRIC_COUNTER, NULL, "Messages that a target took." },
	  "delivered" },
	{ { "cradle_outbox_refused", METRIC_COUNTER, NULL,
	    "Answers of a target that refused a message." },
	  "refused" },
	{ { "cradle_outbox_failed", METRIC_COUNTER, NULL,
	    "Requests to a target that was away, had no time or did not know us." },
	  "failed" },
};

/* False: the appliance does not say, so there is no sample. */
static bool
read_number(const json_t *object, const struct simple *simple, double *value)
{
	const json_t *number = json_object_get(object, simple->outer);

	if (simple->inner)
		number = json_object_get(number, simple->inner);
	if (!json_is_number(number) && !json_is_boolean(number))
		return false;
	*value = json_is_boolean(number) ? json_is_true(number) : json_number_value(number);
	if (simple->scale != 0)
		*value *= simple->scale;
	return true;
}

static void
write_gauge(struct exposition *out, const struct metric_family *family, double value)
{
	exposition_family(out, family);
	exposition_sample(out, NULL, 0, value);
}

static void
write_simples(struct exposition *out, const json_t *status)
{
	double value;

	for (unsigned i = 0; i < sizeof simples / sizeof simples[0]; i++)
		if (read_number(status, &simples[i], &value))
			write_gauge(out, &simples[i].family, value);
}

/* Families of what there are several of: `label` is the item's key of that name. */
static void
write_items(struct exposition *out, const json_t *items, const char *label,
	    const struct simple *families, unsigned n)
{
	for (unsigned i = 0; i < n && json_array_size(items); i++) {
		const json_t *item;
		size_t at;

		exposition_family(out, &families[i].family);
		json_array_foreach(items, at, item)
		{
			const json_t *key = json_object_get(item, label);
			char number[32];
			double value;

			snprintf(number, sizeof number, "%lld", (long long)json_integer_value(key));
			if (read_number(item, &families[i], &value))
				exposition_sample(out,
						  &(struct metric_label){
							  label, json_is_string(key)
									 ? json_string_value(key)
									 : number },
						  1, value);
		}
	}
}

static void
write_worker_sessions(struct exposition *out, const json_t *workers)
{
	static const struct metric_family family = {
		"cradle_sessions", METRIC_GAUGE, NULL,
		"Sessions of a worker: running, or lingering to recognise late duplicates."
	};
	static const char *const states[] = { "running", "lingering" };
	const json_t *worker;
	size_t at;

	exposition_family(out, &family);
	json_array_foreach(workers, at, worker)
	{
		char number[32];

		snprintf(number, sizeof number, "%lld",
			 (long long)json_integer_value(json_object_get(worker, "worker")));
		for (unsigned s = 0; s < 2; s++)
			exposition_sample(out,
					  (struct metric_label[]){ { "worker", number },
								   { "state", states[s] } },
					  2, json_number_value(json_object_get(worker, states[s])));
	}
}

static void
write_worker_steps(struct exposition *out, const json_t *workers)
{
	static const struct metric_family family = {
		"cradle_worker_step_seconds", METRIC_COUNTER, "seconds",
		"Time that a worker's busy turns spent in each step of its loop."
	};
	json_t *worker, *value;
	const char *step;
	size_t at;

	exposition_family(out, &family);
	json_array_foreach(workers, at, worker)
	{
		char number[32];

		snprintf(number, sizeof number, "%lld",
			 (long long)json_integer_value(json_object_get(worker, "worker")));
		json_object_foreach(json_object_get(worker, "busy_step_us"), step, value)
			exposition_sample(
				out,
				(struct metric_label[]){ { "worker", number }, { "step", step } },
				2, json_number_value(value) * 1e-6);
	}
}

/* Former names, which the appliance still tells to scripts, would count the same again. */
static void
write_counters(struct exposition *out, json_t *counters, const json_t *former)
{
	for (unsigned family = 0; family < n_counter_families; family++) {
		bool begun = false;
		const char *name, *label;
		json_t *value;

		json_object_foreach(counters, name, value)
		{
			if (json_object_get(former, name) ||
			    counter_family_of(name, &label) != family)
				continue;
			if (!begun)
				exposition_family(out, &counter_families[family].family);
			begun = true;
			exposition_sample(
				out,
				&(struct metric_label){ counter_families[family].label, label }, 1,
				json_number_value(value));
		}
	}
}

/* Powers of two, as the appliance's buckets are, so that nothing is guessed: 1 ms to 268 s for what devices and networks
 * take, from 8 us for what the appliance alone does. In seconds. */
enum { BOUNDS_MAX = 20 };

static unsigned
double_up(double from, double to, double bounds[BOUNDS_MAX])
{
	unsigned n = 0;

	for (double bound = from; bound < to && n < BOUNDS_MAX; bound *= 2)
		bounds[n++] = bound;
	return n;
}

static void
write_histogram(struct exposition *out, const struct metric_label *label, const json_t *delays,
		double from, double to)
{
	double bounds[BOUNDS_MAX];
	uint64_t counts[BOUNDS_MAX + 1] = { 0 };
	struct exposition_histogram histogram = { bounds, counts, double_up(from, to, bounds),
						  1e-6 * json_number_value(json_object_get(
								 delays, "sum_us")) };
	const json_t *bucket;
	size_t at;

	json_array_foreach(json_object_get(delays, "buckets"), at, bucket)
	{
		double end = 1e-6 * json_number_value(json_array_get(bucket, 0));
		unsigned i = 0;

		while (i < histogram.n_bounds && bounds[i] * (1 + 1e-9) < end)
			i++;
		counts[i] += (uint64_t)json_integer_value(json_array_get(bucket, 1));
	}
	exposition_histogram(out, label, label ? 1 : 0, &histogram);
}

static void
write_phases(struct exposition *out, const json_t *phases)
{
	static const struct metric_family duration = {
		"cradle_bootstrap_duration_seconds", METRIC_HISTOGRAM, "seconds",
		"How long bootstraps took that ended well, by phase: the DTLS handshake, from the "
		"request to "
		"its answer, the writes, the Finish; total is all from the request on."
	};
	static const struct metric_family turns = {
		"cradle_worker_busy_turn_seconds", METRIC_HISTOGRAM, "seconds",
		"How long turns of workers took that had something to do: the appliance's own part "
		"of a "
		"device's waiting."
	};
	static const struct metric_family control = {
		"cradle_control_turn_seconds", METRIC_HISTOGRAM, "seconds",
		"How long the control thread was kept at a time, before it looked after workers "
		"again."
	};
	static const char *const names[] = { "handshake", "request", "writes", "finish", "total" };

	exposition_family(out, &duration);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		write_histogram(out, &(struct metric_label){ "phase", names[i] },
				json_object_get(phases, names[i]), 0.001024, 300);
	exposition_family(out, &turns);
	write_histogram(out, NULL, json_object_get(phases, "busy turn"), 8e-6, 0.02);
	exposition_family(out, &control);
	write_histogram(out, NULL, json_object_get(phases, "control turn"), 64e-6, 0.3);
}

static void
write_build(struct exposition *out, const json_t *status)
{
	static const struct metric_family family = { "cradle_build", METRIC_INFO, NULL,
						     "Version of the appliance and of this "
						     "program." };
	const char *version = json_string_value(json_object_get(status, "version"));

	exposition_family(out, &family);
	exposition_sample(out,
			  (struct metric_label[]){ { "version", version ? version : "" },
						   { "web_version", CRADLE_VERSION } },
			  2, 1);
}

static void
write_state(struct exposition *out, const json_t *status)
{
	static const struct metric_family family = {
		"cradle_draining", METRIC_GAUGE, NULL,
		"1: new devices are answered 5.03, and those that bootstrap are finished."
	};
	const char *state = json_string_value(json_object_get(status, "state"));

	write_gauge(out, &family, state && strcmp(state, "draining") == 0);
}

/* Devices that were created, or not, because an authority vouched for them. */
static void
write_created(struct exposition *out, const json_t *created)
{
	static const struct metric_family family = {
		"cradle_certificate_devices", METRIC_COUNTER, NULL,
		"Devices that an authority vouched for and nobody knew: made, or why not."
	};
	static const char *const outcomes[] = { "made", "over_rate", "full", "failed" };

	if (!created)
		return;
	exposition_family(out, &family);
	for (unsigned i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
		exposition_sample(out, &(struct metric_label){ "outcome", outcomes[i] }, 1,
				  json_number_value(json_object_get(created, outcomes[i])));
}

/* When certificates and revocation lists end, the first of each kind. */
static void
write_ends(struct exposition *out, const json_t *certificates)
{
	static const struct metric_family family = {
		"cradle_certificate_expiry_timestamp_seconds", METRIC_GAUGE, "seconds",
		"When the first of our certificates, of authorities or of revocation lists ends, "
		"in Unix time."
	};
	static const char *const kinds[] = { "own", "anchor", "crl" };

	exposition_family(out, &family);
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const json_t *ends =
			json_object_get(json_object_get(certificates, kinds[i]), "ends_s");

		if (ends)
			exposition_sample(out, &(struct metric_label){ "kind", kinds[i] }, 1,
					  json_number_value(ends));
	}
}

static void
write_certificates(struct exposition *out, const json_t *certificates)
{
	if (!certificates)
		return;
	write_ends(out, certificates);
	write_created(out, json_object_get(certificates, "created"));
}

/* Tasks of which only a part of the devices runs the new version. */
static void
write_rollouts(struct exposition *out, const json_t *rollouts)
{
	static const struct metric_family part = {
		"cradle_rollout_percent", METRIC_GAUGE, NULL,
		"Of a task's devices, how many percent are given its new version; 0 where a group "
		"says who."
	};
	static const struct metric_family halted = {
		"cradle_rollout_halted", METRIC_GAUGE, NULL,
		"1: the rollout of the task is halted, and nobody is given its new version; the "
		"cause is "
		"errors, returns or hand, and empty while it goes on."
	};
	const struct metric_family *const families[] = { &part, &halted };

	if (!json_array_size(rollouts))
		return;
	for (unsigned f = 0; f < 2; f++) {
		exposition_family(out, families[f]);
		for (size_t i = 0; i < json_array_size(rollouts); i++) {
			const json_t *at = json_array_get(rollouts, i);
			const char *task = json_string_value(json_object_get(at, "task"));
			const char *cause = json_string_value(json_object_get(at, "cause"));
			const struct metric_label labels[] = { { "task", task ? task : "" },
							       { "cause", cause ? cause : "" } };

			exposition_sample(out, labels, 1 + f,
					  f ? cause && *cause
					    : json_number_value(json_object_get(at, "percent")));
		}
	}
}

static void
write_appliance(struct exposition *out, const struct snapshot *snapshot)
{
	const json_t *status = snapshot->status;
	const json_t *workers = json_object_get(status, "workers");

	write_build(out, status);
	write_state(out, status);
	write_simples(out, status);
	write_certificates(out, json_object_get(status, "certificates"));
	write_rollouts(out, json_object_get(status, "rollouts"));
	write_worker_sessions(out, workers);
	write_items(out, workers, "worker", worker_simples,
		    sizeof worker_simples / sizeof worker_simples[0]);
	write_worker_steps(out, workers);
	write_items(out, json_object_get(status, "ports"), "device", port_simples,
		    sizeof port_simples / sizeof port_simples[0]);
	write_items(out, json_object_get(json_object_get(status, "outbox"), "targets"), "target",
		    target_simples, sizeof target_simples / sizeof target_simples[0]);
	write_counters(out, json_object_get(json_object_get(status, "outbox"), "counters"), NULL);
	write_counters(out, json_object_get(snapshot->counters, "counters"),
		       json_object_get(snapshot->counters, "former_names"));
	write_phases(out, snapshot->phases);
}

static void
write_web(struct exposition *out, const struct snapshot *snapshot, const struct web_stats *stats)
{
	static const struct metric_family up = { "cradle_up", METRIC_GAUGE, NULL,
						 "Whether the appliance answered this scrape." };
	static const struct metric_family seconds = { "cradle_web_scrape_seconds", METRIC_GAUGE,
						      "seconds",
						      "How long the appliance took to answer." };
	static const struct metric_family connections = { "cradle_web_connections", METRIC_GAUGE,
							  NULL, "HTTP connections now." };
	static const struct metric_family requests = { "cradle_web_requests", METRIC_COUNTER, NULL,
						       "HTTP requests answered, by class of "
						       "status." };
	static const struct metric_family cut = {
		"cradle_web_connections_timed_out", METRIC_COUNTER, NULL,
		"HTTP connections closed because the client was idle or slow."
	};
	static const struct metric_family streams = { "cradle_web_streams", METRIC_GAUGE, NULL,
						      "Pages that follow what happens." };
	static const struct metric_family streams_cut = {
		"cradle_web_streams_cut", METRIC_COUNTER, NULL,
		"Pages that were cut off what happens because they read too slowly."
	};
	static const struct metric_family expiry = {
		"cradle_web_certificate_expiry_timestamp_seconds", METRIC_GAUGE, "seconds",
		"When this program's TLS certificate ends, in Unix time."
	};

	write_gauge(out, &up, snapshot->up);
	write_gauge(out, &seconds, snapshot->seconds);
	write_gauge(out, &connections, stats->connections);
	exposition_family(out, &requests);
	for (unsigned i = 2; i < 6; i++)
		exposition_sample(
			out,
			&(struct metric_label){ "class", (const char *const[]){ "2xx", "3xx", "4xx",
										"5xx" }[i - 2] },
			1, (double)stats->requests[i]);
	write_gauge(out, &cut, (double)stats->requests[0]);
	write_gauge(out, &streams, stats->streams);
	write_gauge(out, &streams_cut, (double)stats->streams_cut);
	if (stats->certificate_expiry_s)
		write_gauge(out, &expiry, (double)stats->certificate_expiry_s);
}

void
metrics_write(struct text *text, enum exposition_format format, const struct snapshot *snapshot,
	      const struct web_stats *stats)
{
	struct exposition out;

	exposition_begin(&out, text, format);
	write_web(&out, snapshot, stats);
	if (snapshot->up)
		write_appliance(&out, snapshot);
	exposition_end(&out);
}
