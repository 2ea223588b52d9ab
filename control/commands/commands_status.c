/* What runs: status, stats, sessions; and what ends or bends it: stop, log level. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/commands/show.h"
#include "control/commands/status_cluster.h"
#include "control/commands/status_outbox.h"
#include "control/commands/status_trust.h"
#include "control/guard/privileges.h"
#include "control/log.h"
#include "control/runs/port_log.h"

/* What busy turns spent in each step. */
static json_t *
steps_json(const struct dataplane_worker_info *info, double us)
{
	json_t *steps = json_object();

	for (unsigned i = 0; info->steps[i].name; i++)
		json_object_set_new(steps, info->steps[i].name,
				    json_real((double)info->steps[i].cycles * us));
	return steps;
}

static json_t *
worker_json(const struct daemon *daemon, unsigned number, const struct dataplane_worker_info *info)
{
	double us = 1e6 / (double)dataplane_cycles_per_s();

	/* Times since the start: a difference of two answers is the cost of what was between. */
	return json_pack(
		"{s:i, s:i, s:f, s:f, s:o, s:f, s:i, s:i, s:i, s:i, s:I, s:f, s:s}", "worker",
		(int)number, "cpu", info->cpu, "busy_percent", 100 * daemon->loads[number].busy,
		"busy_us", (double)info->busy_cycles * us, "busy_step_us", steps_json(info, us),
		"spent_us", (double)info->cycles * us, "sessions", (int)info->gauges.sessions,
		"running", (int)info->gauges.running, "lingering", (int)info->gauges.lingering,
		"capacity", (int)info->gauges.capacity, "turns", (json_int_t)info->turns,
		"longest_turn_us", (double)info->longest_turn_cycles * us, "longest_step",
		info->longest_step ? info->longest_step : "");
}

static void
put_workers(const struct daemon *daemon, struct text *text, json_t *result)
{
	double us = 1e6 / (double)dataplane_cycles_per_s();
	struct dataplane_worker_info info;
	json_t *list = json_array();
	struct table table;

	table_init(&table, "worker|cpu:4|busy|running|lingering:2|capacity:3|longest turn:1");
	for (unsigned i = 0; i < DATAPLANE_WORKERS_MAX; i++) {
		if (dataplane_worker_info(daemon->service.dp, i, &info) < 0)
			break;
		table_cell(&table, "%u", i);
		table_cell(&table, "%d", info.cpu);
		table_cell(&table, "%.1f %%", 100 * daemon->loads[i].busy);
		table_cell(&table, "%u", info.gauges.running);
		table_cell(&table, "%u", info.gauges.lingering);
		table_cell(&table, "%u", info.gauges.capacity);
		table_cell(&table, "%.0f us %s", (double)info.longest_turn_cycles * us,
			   info.longest_step ? info.longest_step : "");
		json_array_append_new(list, worker_json(daemon, i, &info));
	}
	table_finish(&table, text);
	json_object_set_new(result, "workers", list);
}

static json_t *
port_json(const struct dataplane_port_info *port, const char *mac)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:s, s:i, s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I}", "device",
			 port->device, "driver", port->driver, "mac", mac, "queues",
			 (int)port->queues, "link_up", port->link == LINK_UP, "link", port_log_link(port),
			 "reopened", (int)port->reopened, "trouble", port->trouble, "rss", port->rss,
			 "tx_checksum", port->tx_checksum, "rx_checksum", port->rx_checksum,
			 "rx_missed", (json_int_t)port->rx_missed, "rx_errors",
			 (json_int_t)port->rx_errors, "tx_errors", (json_int_t)port->tx_errors,
			 "rx_no_buffer", (json_int_t)port->rx_no_buffer);
}

/* Ports that cannot be opened again. */
static void
put_troubles(const struct daemon *daemon, struct text *text)
{
	struct dataplane_port_info port;

	for (unsigned i = 0; dataplane_port_info(daemon->service.dp, i, &port) == 0; i++)
		if (*port.trouble)
			text_show(text, "cannot be opened again: %s\n", port.trouble);
}

static void
put_ports(const struct daemon *daemon, struct text *text, json_t *result)
{
	struct dataplane_port_info port;
	json_t *list = json_array();
	struct table table;
	char mac[18];

	table_init(&table, "~port|driver:3|mac:2|link|queues:4|missed|errors");
	for (unsigned i = 0; dataplane_port_info(daemon->service.dp, i, &port) == 0; i++) {
		snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", port.mac[0], port.mac[1],
			 port.mac[2], port.mac[3], port.mac[4], port.mac[5]);
		table_cell(&table, "%s", port.device);
		table_cell(&table, "%s", port.driver);
		table_cell(&table, "%s", mac);
		table_cell(&table, "%s", port_log_link(&port));
		table_cell(&table, "%u", port.queues);
		table_cell(&table, "%llu", (unsigned long long)port.rx_missed);
		table_cell(&table, "%llu", (unsigned long long)(port.rx_errors + port.tx_errors));
		json_array_append_new(list, port_json(&port, mac));
	}
	table_finish(&table, text);
	put_troubles(daemon, text);
	json_object_set_new(result, "ports", list);
}

/* Nothing else tells why devices behind such a sender get no answer. */
static void
put_partial_checksums(const struct daemon *daemon, struct text *text, json_t *result)
{
	struct counters counters;
	uint64_t partial;

	dataplane_counters(daemon->service.dp, -1, &counters);
	partial = counters.value[COUNTER_rx_udp_partial];
	if (partial)
		text_show(text,
			  "%llu datagrams dropped: their sender leaves the UDP checksum to a "
			  "device that "
			  "does not make it; there, \"ethtool -K IFACE tx off\"\n",
			  (unsigned long long)partial);
	json_object_set_new(result, "rx_udp_partial", json_integer((json_int_t)partial));
}

static void
put_listeners(const struct config *config, struct text *text, json_t *result)
{
	json_t *list = json_array();

	text_show(text, "listeners  ");
	for (unsigned i = 0; i < config->n_listeners; i++) {
		const char *security =
			config->listeners[i].security == LISTENER_PSK ? "psk" : "nosec";

		text_show(text, "%s%u %s", i ? ", " : "", config->listeners[i].port, security);
		json_array_append_new(list, json_pack("{s:i, s:s}", "port",
						      (int)config->listeners[i].port, "security",
						      security));
	}
	text_show(text, "\n");
	json_object_set_new(result, "listeners", list);
}

/* How many a worker served alone, and how many needed the control side. */
static void
put_origins(const struct counters *counters, struct text *text, json_t *result)
{
	unsigned long long ready = counters->value[COUNTER_bs_ready];
	unsigned long long session = counters->value[COUNTER_bs_made_per_session];
	unsigned long long demand = counters->value[COUNTER_bs_made_on_demand];

	text_show(text,
		  "requests   %llu from ready batches, %llu made per session, %llu on demand\n",
		  ready, session, demand);
	json_object_set_new(result, "bootstraps_by_batch",
			    json_pack("{s:I, s:I, s:I}", "ready", (json_int_t)ready, "per_session",
				      (json_int_t)session, "on_demand", (json_int_t)demand));
}

static void
put_sessions(const struct daemon *daemon, struct text *text, json_t *result)
{
	struct counters counters;

	dataplane_counters(daemon->service.dp, -1, &counters);
	text_show(text, "bootstraps %llu started, %llu finished\n",
		  (unsigned long long)counters.value[COUNTER_bs_started],
		  (unsigned long long)counters.value[COUNTER_bs_finished]);
	put_origins(&counters, text, result);
	/* For scripts, for one release: there is no slow lane any more. */
	json_object_set_new(result, "slow_lane_in_use", json_integer(0));
	json_object_set_new(result, "bootstraps_started",
			    json_integer((json_int_t)counters.value[COUNTER_bs_started]));
	json_object_set_new(result, "bootstraps_finished",
			    json_integer((json_int_t)counters.value[COUNTER_bs_finished]));
}

enum { SHOWN_FROM = 1000 };

static void
put_memory(const struct daemon *daemon, struct text *text, json_t *result)
{
	const struct inventory *inventory = &daemon->service.inventory;
	size_t dataplane = inventory_dataplane_bytes(inventory);
	size_t all = inventory_all_bytes(inventory) + reports_bytes(&daemon->service.reports);
	uint32_t devices = inventory->count ? inventory->count : 1;

	/* Tables that begin small would be shared by too few. */
	if (inventory->count >= SHOWN_FROM)
		text_show(text, "memory a device: %zu bytes in the dataplane, %zu in all\n",
			  dataplane / devices, all / devices);
	json_object_set_new(result, "bytes_per_device",
			    json_integer((json_int_t)(dataplane / devices)));
	json_object_set_new(result, "bytes_per_device_all",
			    json_integer((json_int_t)(all / devices)));
}

static void
put_sealing(const struct store_info *info, struct text *text)
{
	uint64_t n = info->plain + info->former;

	if (!info->kek[0])
		text_show(text, "  keys are stored in plain: `kek` is not set\n");
	else if (n)
		text_show(text,
			  "  keys are sealed under %s; %llu device%s %s not, or under a former key: "
			  "`cradlectl store rekey`\n",
			  info->kek, (unsigned long long)n, PLURAL(n), n == 1 ? "is" : "are");
	else
		text_show(text, "  keys are sealed under %s\n", info->kek);
}

static void
put_store(const struct daemon *daemon, struct text *text, json_t *result)
{
	struct store_info info;

	if (!daemon->service.store)
		return;
	store_info(daemon->service.store, &info);
	text_show(text, "store %s: %s, %llu MB, %llu reports waiting, %llu lost\n", info.path,
		  info.healthy ? "fine" : info.error, (unsigned long long)info.bytes >> 20,
		  (unsigned long long)info.queued, (unsigned long long)info.lost);
	put_sealing(&info, text);
	json_object_set_new(result, "store",
			    json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "path", info.path,
				      "healthy", info.healthy, "error", info.error, "bytes",
				      (json_int_t)info.bytes, "queued", (json_int_t)info.queued,
				      "written", (json_int_t)info.written, "lost",
				      (json_int_t)info.lost, "lag_ms", (json_int_t)info.lag_ms, "kek", info.kek,
				      "not_sealed", (json_int_t)(info.plain + info.former)));
}

static void
put_privileges(struct text *text, json_t *result)
{
	struct privileges_info info;
	char line[320];

	privileges_info(&info);
	privileges_text(&info, line, sizeof line);
	text_show(text, "privileges: %s\n", line);
	json_object_set_new(result, "privileges",
			    json_pack("{s:s, s:s, s:s, s:b, s:b}", "user", info.user, "capabilities",
				      info.capabilities, "seccomp", seccomp_mode_name(info.seccomp),
				      "memory_locked", info.locked, "dumpable", info.dumpable));
}

static void
put_audit(const struct daemon *daemon, struct text *text, json_t *result)
{
	struct audit_info info;

	if (!daemon->audit)
		return;
	audit_info(daemon->audit, &info);
	if (info.error[0])
		text_show(text, "audit: nothing can be changed: %s\n", info.error);
	json_object_set_new(result, "audit",
			    json_pack("{s:s, s:I, s:s, s:s}", "path", info.path, "lines",
				      (json_int_t)info.seq, "hash", info.hash, "error", info.error));
}

static void
put_policy(const struct daemon *daemon, struct text *text, json_t *result)
{
	const struct policy_health *health = &daemon->service.policy_health;
	bool healthy = !health->failing_since_ms;
	char since[SHOW_TIME_MAX] = "";

	if (healthy)
		text_show(text, "policy %s: fine\n", daemon->service.config->policy);
	else
		text_show(text, "policy %s: trouble since %s, generation %u runs on: %s\n",
			  daemon->service.config->policy,
			  show_time(health->failing_since_ms, since),
			  daemon->service.generation->number, health->error);
	json_object_set_new(result, "policy",
			    json_pack("{s:s, s:b, s:s, s:I}", "path",
				      daemon->service.config->policy, "healthy", healthy, "error",
				      health->error, "failing_since_ms",
				      (json_int_t)health->failing_since_ms));
}

static void
put_uptime(uint64_t seconds, struct text *text)
{
	if (seconds >= 86400)
		text_show(text, "%llu d ", (unsigned long long)seconds / 86400);
	text_show(text, "%02u:%02u:%02u", (unsigned)(seconds / 3600 % 24),
		  (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
}

/* What a command that takes long is at. */
static void
put_progress(const struct daemon *daemon, struct text *text, json_t *result)
{
	const char *progress = daemon->server ? ctl_server_progress(daemon->server) : "";
	const struct turn_cause *longest = turns_longest(&daemon->turns);

	if (*progress)
		text_show(text, "in progress: %s\n", progress);
	json_object_set_new(result, "in_progress", json_string(progress));
	json_object_set_new(result, "longest_turn_us",
			    json_integer(longest ? (json_int_t)longest->longest_us : 0));
	json_object_set_new(result, "longest_turn", json_string(longest ? longest->name : ""));
	json_object_set_new(
		result, "watches",
		json_integer(daemon->server ? (json_int_t)ctl_server_watches(daemon->server) : 0));
}

/* Known devices that were refused since the start, as nothing was to be sent to them. */
static void
put_refusals(const struct refusals *refusals, json_t *result, struct text *text)
{
	const struct {
		const char *key, *words;
		uint64_t count;
	} causes[] = {
		{ "done", "done once", refusals->not_now[RUN_DONE] },
		{ "by_rerun", "until rerun", refusals->not_now[RUN_BY_RERUN] },
		{ "schedule", "by schedule", refusals->not_now[RUN_SCHEDULE] },
		{ "interval", "by minimum interval", refusals->not_now[RUN_INTERVAL] },
		{ "condition", "by condition", refusals->not_now[RUN_CONDITION] },
		{ "no_task", "without an active task", refusals->no_task },
		{ "failed", "failed", refusals->failed },
	};
	json_t *object = json_object();
	const char *separator = "refused, nothing to send: ";

	for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
		json_object_set_new(object, causes[i].key,
				    json_integer((json_int_t)causes[i].count));
		if (!causes[i].count)
			continue;
		text_show(text, "%s%llu %s", separator, (unsigned long long)causes[i].count,
			  causes[i].words);
		separator = ", ";
	}
	if (*separator == ',')
		text_show(text, "\n");
	json_object_set_new(result, "refusals", object);
}

/* Who did not get in, or comes again and again, where there is anybody. */
static void
put_outsiders(const struct daemon *daemon, struct text *text)
{
	if (daemon->service.rejected->count)
		text_show(text, "rejected: %u device%s; `device rejected` shows them\n",
			  daemon->service.rejected->count,
			  daemon->service.rejected->count == 1 ? "" : "s");
	if (daemon->service.unserved->count)
		text_show(text,
			  "asked for what is not served: %u address%s; `device rejected` shows "
			  "them\n",
			  daemon->service.unserved->count,
			  daemon->service.unserved->count == 1 ? "" : "es");
	if (daemon->service.inventory.returning)
		text_show(text,
			  "returning: %u device%s; `device list --state returning` shows them\n",
			  daemon->service.inventory.returning,
			  daemon->service.inventory.returning == 1 ? "" : "s");
	if (daemon->service.unknowns->count)
		text_show(text, "unknown devices: %u; `unknown list` shows them\n",
			  daemon->service.unknowns->count);
}

void
command_status(struct call *call)
{
	const struct daemon *daemon = call->daemon;
	const struct policy *policy = daemon->service.generation->policy;
	const struct inventory *inventory = &daemon->service.inventory;
	uint64_t uptime_s = (clock_now_us() - daemon->started_us) / 1000000;
	const char *state = daemon->health.draining ? "draining" : "running";

	call->result = json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i}",
		"version", CRADLE_VERSION, "state", state, "generation",
		(json_int_t)daemon->service.generation->number, "live_since_ms",
		(json_int_t)daemon->service.generation->live_since_ms, "started_ms",
		(json_int_t)daemon->started_ms, "uptime_s", (json_int_t)uptime_s, "groups",
		(json_int_t)policy->n_groups, "tasks", (json_int_t)policy->n_tasks, "devices",
		(json_int_t)inventory->count, "devices_refused", (json_int_t)inventory->refused,
		"unknown", (int)daemon->service.unknowns->count, "returning",
		(int)inventory->returning, "rejected", (int)daemon->service.rejected->count,
		"turned_away", (int)daemon->service.rejected->count, "unserved",
		(int)daemon->service.unserved->count, "retired_batches",
		(int)daemon->service.retired.count);
	text_show(&call->text, "%s, %s for ", CRADLE_VERSION_TEXT, state);
	put_uptime(uptime_s, &call->text);
	text_show(&call->text,
		  "\ngeneration %u: %u group%s, %u task%s, %u device%s, %u of them with nothing "
		  "to send\n",
		  daemon->service.generation->number, policy->n_groups, PLURAL(policy->n_groups),
		  policy->n_tasks, PLURAL(policy->n_tasks), inventory->count,
		  PLURAL(inventory->count), inventory->refused);
	put_progress(daemon, &call->text, call->result);
	put_memory(daemon, &call->text, call->result);
	put_privileges(&call->text, call->result);
	put_audit(daemon, &call->text, call->result);
	put_store(daemon, &call->text, call->result);
	status_put_cluster(call->service, &call->text, call->result);
	status_put_outbox(call->service, &call->text, call->result);
	put_policy(daemon, &call->text, call->result);
	show_rollouts(call);
	put_certificates(&daemon->service, (int64_t)(clock_now_ms() / 1000), &call->text,
			 call->result);
	put_outsiders(daemon, &call->text);
	put_refusals(&daemon->service.refusals, call->result, &call->text);
	put_sessions(daemon, &call->text, call->result);
	put_listeners(daemon->service.config, &call->text, call->result);
	text_show(&call->text, "\n");
	put_workers(daemon, &call->text, call->result);
	text_show(&call->text, "\n");
	put_ports(daemon, &call->text, call->result);
	put_partial_checksums(daemon, &call->text, call->result);
}

/* Scripts find a counter by its former name for a release; a table shows it when it is named. */
static void
put_former_counters(const struct counters *counters, const char *glob, struct table *table,
		    json_t *list, json_t *former)
{
	for (const struct counter_alias *alias = counter_aliases; alias->name; alias++) {
		uint64_t value = counters->value[alias->counter];

		if (fnmatch(glob, alias->name, 0) != 0)
			continue;
		if (strcmp(glob, alias->name) == 0) {
			table_cell(table, "%s", alias->name);
			table_cell(table, "%llu", (unsigned long long)value);
			table_cell(table, "the former name of %s",
				   counter_infos[alias->counter].name);
		}
		json_object_set_new(list, alias->name, json_integer((json_int_t)value));
		json_object_set_new(former, alias->name,
				    json_string(counter_infos[alias->counter].name));
	}
}

void
command_stats(struct call *call)
{
	const char *glob = call->arguments[0] ? call->arguments[0] : "*";
	long worker = call_number(call, "--worker", -1, DATAPLANE_WORKERS_MAX - 1);
	struct dataplane_worker_info info;
	struct counters counters;
	json_t *list, *former;
	struct table table;

	if (worker >= 0 &&
	    dataplane_worker_info(call->daemon->service.dp, (unsigned)worker, &info) < 0)
		call_refuse(call, CTL_REFUSED, "there is no worker %ld", worker);
	if (call->exit != CTL_DONE)
		return;
	list = json_object();
	former = json_object();
	dataplane_counters(call->daemon->service.dp, (int)worker, &counters);
	table_init(&table, "counter|value|~what:1");
	for (unsigned i = 0; i < COUNTERS; i++) {
		if (fnmatch(glob, counter_infos[i].name, 0) != 0 ||
		    (!counters.value[i] && !call_option(call, "--all")))
			continue;
		table_cell(&table, "%s", counter_infos[i].name);
		table_cell(&table, "%llu", (unsigned long long)counters.value[i]);
		table_cell(&table, "%s", counter_infos[i].text);
		json_object_set_new(list, counter_infos[i].name,
				    json_integer((json_int_t)counters.value[i]));
	}
	put_former_counters(&counters, glob, &table, list, former);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o, s:o}", "counters", list, "former_names", former);
}

void
command_stop(struct call *call)
{
	loop_stop(call->daemon->loop);
	text_show(&call->text, "stopping\n");
	call->result = json_pack("{s:b}", "stopping", 1);
}

void
command_log_level(struct call *call)
{
	int level = severity_by_name(call->arguments[0]);

	if (level < 0) {
		call_refuse(call, CTL_USAGE, "a level is error, warning, notice, info or debug");
		return;
	}
	log_set_level((enum severity)level);
	text_show(&call->text, "log level %s, until the next reload\n", call->arguments[0]);
	call->result = json_pack("{s:s}", "level", call->arguments[0]);
}
