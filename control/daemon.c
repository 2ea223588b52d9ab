#include "control/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/commands/commands.h"
#include "control/commands/jobs.h"
#include "control/config/config_cpus.h"
#include "control/config/diag_text.h"
#include "control/daemon_store.h"
#include "control/file_replace.h"
#include "control/file_set.h"
#include "control/guard/thread_guard.h"
#include "control/log.h"
#include "control/runs/confirm.h"
#include "control/runs/created_devices.h"
#include "control/runs/events.h"
#include "control/runs/port_log.h"
#include "control/runs/reload.h"
#include "control/runs/restore.h"
#include "control/runs/trust_publish.h"
#include "control/runs/trust_watch.h"
#include "control/standby.h"
#include "control/startup.h"
#include "dataplane/ec/ec_threads.h"

enum {
	TICK_BUSY_US = 2000,  /* events wait this long at most while devices bootstrap */
	TICK_IDLE_US = 10000, /* ... and this long when a first one comes */
	STAY_BUSY_US = 500000,
	RETIRED_A_TICK = 2000,
	SAMPLE_US = 1000000,
	PORTS_US = 500000, /* a link that comes or goes is noticed so late */
	REAP_TURNS = 1000,
	LAST_SEND_MS = 1000, /* to the cluster, at the end */
};

/* Causes of turns that no command has (turns.h). */
static const char turn_workers[] = "events of workers", turn_tick[] = "things to look after",
		  turn_watches[] = "watches", turn_socket[] = "the control socket",
		  turn_signal[] = "reload by signal";

/*
 * Share of busy cycles since the last sample: what an operator wants to know is now, not since
 * the start.
 */
static void
sample_loads(struct daemon *daemon, uint64_t now_us)
{
	struct dataplane_worker_info info;

	if (now_us - daemon->sampled_us < SAMPLE_US)
		return;
	daemon->sampled_us = now_us;
	for (unsigned i = 0; i < DATAPLANE_WORKERS_MAX; i++) {
		struct load_sample *load = &daemon->loads[i];

		if (dataplane_worker_info(daemon->service.dp, i, &info) < 0)
			return;
		if (info.cycles > load->cycles)
			load->busy = (double)(info.busy_cycles - load->busy_cycles) /
				     (double)(info.cycles - load->cycles);
		load->cycles = info.cycles;
		load->busy_cycles = info.busy_cycles;
	}
}

static void
watch_ports(struct daemon *daemon, uint64_t now_us)
{
	if (now_us - daemon->ports_us < PORTS_US)
		return;
	daemon->ports_us = now_us;
	port_log_watch(daemon->service.dp);
}

/* True while there is something to look after. */
static bool
poll_workers(struct daemon *daemon)
{
	unsigned taken;
	bool busy;

	worker_commands_flush(&daemon->service.worker_commands, daemon->service.dp);
	taken = events_take(&daemon->service);
	busy = taken > 0 || daemon->service.worker_commands.count > 0;
	busy |= confirm_poll(&daemon->service, clock_now_ms());
	busy |= dataplane_reap(daemon->service.dp) > 0;
	/* What still stands in the ring may name a batch's plan (retired.h). */
	if (!daemon->service.events_left)
		retired_sweep(&daemon->service.retired, &daemon->service.plans, RETIRED_A_TICK);
	watchdog_check(&daemon->watchdog, daemon->service.dp, clock_now_us());
	return busy;
}

/* The service's pump: workers and those who only look are answered while something takes long. */
static void
poll_while_busy(void *ctx)
{
	static const int ending[] = { SIGTERM, SIGINT };
	struct daemon *daemon = ctx;
	const char *cause = daemon->turns.cause;

	if (daemon->loop && loop_is_ending(daemon->loop, ending, 2))
		daemon->service.stopping = true;
	lookout_goes_on(daemon->turns.lookout);
	if (!daemon->service.dp)
		return; /* it starts: there is nothing yet to look at */
	turns_end(&daemon->turns);
	turns_begin(&daemon->turns, turn_workers);
	poll_workers(daemon);
	turns_end(&daemon->turns);
	if (daemon->server) {
		turns_begin(&daemon->turns, turn_socket);
		ctl_server_run_while_busy(daemon->server, commands_may_run_while_busy);
		ctl_server_watch(daemon->server);
		turns_end(&daemon->turns);
	}
	if (cause)
		turns_begin(&daemon->turns, cause);
}

/* What the log keeps cannot be made anew with the file. */
static void
tell_anchor(struct audit *audit, uint64_t now_ms)
{
	struct audit_info info;

	if (!audit || !audit_wants_anchor(audit, now_ms))
		return;
	audit_info(audit, &info);
	log_event(SEVERITY_NOTICE, LOG_EVENT_audit_anchor, NULL, "audit: line %llu of %s is %s",
		  (unsigned long long)info.seq, info.path, info.hash);
}

/*
 * A rollout that is to halt or to go on does so by a command like an operator's: checked, live, told and kept as a version.
 */
static void
move_rollouts(struct daemon *daemon)
{
	struct ctl_answer answer = { 0 };
	struct rollout_due due;
	bool halt;

	if (!daemon->service.generation || !rollouts_due(&daemon->service, clock_now_ms(), &due))
		return;
	halt = due.reason[0];
	const char *const halting[] = { "task", "rollout", "halt", due.id, "--message", due.reason },
			  *const going_on[] = { "task", "rollout", "advance", due.id, "--message",
						"by its schedule" };
	const struct ctl_request request = { .argc = 6,
					     .argv = halt ? halting : going_on,
					     .fd = -1,
					     .actor = "cradled",
					     .peer = { .pid = getpid(), .uid = getuid() } };

	log_event(SEVERITY_WARNING, LOG_EVENT_rollout, NULL, "rollout of task %s %s%s", due.id,
		  halt ? "is halted: " : "goes on by its schedule", due.reason);
	commands_serve(daemon, &request, &answer);
	if (answer.exit != CTL_DONE)
		log_event(SEVERITY_ERROR, LOG_EVENT_rollout, NULL, "rollout of task %s: %s", due.id,
			  answer.error ? answer.error : "it could not be changed");
	free(answer.text);
	free(answer.error);
	json_decref(answer.result);
}

static void
tick(void *ctx, uint32_t events)
{
	struct daemon *daemon = ctx;
	uint64_t now_us = clock_now_us();

	turns_begin(&daemon->turns, turn_workers);
	if (poll_workers(daemon))
		daemon->active_us = now_us;
	turns_end(&daemon->turns);
	turns_begin(&daemon->turns, turn_tick);
	sample_loads(daemon, now_us);
	watch_ports(daemon, now_us);
	created_devices_make(&daemon->service);
	trust_watch(&daemon->service, clock_now_ms());
	unknown_devices_save(daemon->service.unknowns, daemon->service.store, clock_now_ms());
	inventory_effects_save(&daemon->service, clock_now_ms());
	if (daemon->service.cluster)
		replica_turn(&daemon->service, clock_now_ms());
	traced_poll(&daemon->service.traced, clock_now_ms());
	tell_anchor(daemon->audit, clock_now_ms());
	move_rollouts(daemon);
	version_counts_save(&daemon->service, clock_now_ms());
	turns_end(&daemon->turns);
	if (daemon->server) {
		turns_begin(&daemon->turns, turn_watches);
		ctl_server_tick(daemon->server, clock_now_ms());
		ctl_server_watch(daemon->server);
		turns_end(&daemon->turns);
	}
	loop_tick(daemon->loop,
		  now_us - daemon->active_us < STAY_BUSY_US ? TICK_BUSY_US : TICK_IDLE_US, tick,
		  daemon);
}

/* Who sent a signal is not known. */
static void
audit_reload(struct daemon *daemon, bool good, const char *said)
{
	json_t *words = json_pack("[s, s]", "reload", "(SIGHUP)");
	const struct audit_event event = {
		.time_ms = clock_now_ms(),
		.uid = -1,
		.pid = -1,
		.command = words,
		.done = good,
		.error = good ? NULL : said,
	};

	if (daemon->audit)
		audit_append(daemon->audit, &event);
	json_decref(words);
}

/* What no command brought. */
static void
keep_version(struct daemon *daemon, const char *who, const char *what)
{
	const struct policy_note note = { .who = who, .what = what, .why = "" };
	char error[STORE_ERROR_MAX];
	int64_t number = policy_versions_record(&daemon->service, &note, error);

	if (number < 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_policy_version, NULL,
			  "no version of the policy is kept: %s", error);
	else if (number > 0)
		log_event(SEVERITY_NOTICE, LOG_EVENT_policy_version, NULL,
			  "version %lld of the policy: %s", (long long)number, what);
}

static void
reload_by_signal(struct daemon *daemon)
{
	struct text text;
	json_t *result = NULL;
	bool good;

	text_init(&text);
	log_event(SEVERITY_NOTICE, LOG_EVENT_reload_asked, NULL, "reload asked for by signal");
	turns_begin(&daemon->turns, turn_signal);
	good = reload_run(&daemon->service, NULL, NULL, &text, &result) == 0;
	if (good)
		keep_version(daemon, "signal", "reload (SIGHUP)");
	turns_end(&daemon->turns);
	audit_reload(daemon, good, text_str(&text));
	text_fini(&text);
	json_decref(result);
}

static void
on_signal(void *ctx, uint32_t number)
{
	struct daemon *daemon = ctx;

	if (number == SIGHUP) {
		reload_by_signal(daemon);
		return;
	}
	log_event(SEVERITY_NOTICE, LOG_EVENT_stopping, NULL, "stopping: %s",
		  strsignal((int)number));
	loop_stop(daemon->loop);
}

static void
on_socket(void *ctx, uint32_t events)
{
	struct daemon *daemon = ctx;

	turns_begin(&daemon->turns, turn_socket);
	ctl_server_run(daemon->server);
	turns_end(&daemon->turns);
}

/*
 * DPDK's own words become log lines: it writes whole lines, and drops what the pipe does not
 * take.
 */
static void
on_dpdk_log(void *ctx, uint32_t events)
{
	struct daemon *daemon = ctx;
	char buffer[4096];
	ssize_t len;

	while ((len = read(daemon->log_pipe[0], buffer, sizeof buffer - 1)) > 0) {
		char *line = buffer, *end;

		buffer[len] = '\0';
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			if (*line)
				log_event(SEVERITY_WARNING, LOG_EVENT_dpdk, NULL, "dpdk: %s", line);
			line = end + 1;
		}
		if (*line)
			log_event(SEVERITY_WARNING, LOG_EVENT_dpdk, NULL, "dpdk: %s", line);
	}
}

static int
open_dpdk_log(struct daemon *daemon)
{
	if (pipe2(daemon->log_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	daemon->log_source =
		loop_add(daemon->loop, daemon->log_pipe[0], EPOLLIN, on_dpdk_log, daemon);
	return daemon->log_source ? 0 : -1;
}

static int
open_loop(struct daemon *daemon)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	daemon->loop = loop_new();
	if (daemon->loop && loop_signals(daemon->loop, signals, 3, on_signal, daemon) == 0 &&
	    open_dpdk_log(daemon) == 0)
		return 0;
	log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "cannot start: %s",
		  strerror(errno));
	return -1;
}

/* The configuration's check saw the user; one that went meanwhile is nobody's. */
static void
set_console(struct daemon *daemon)
{
	const char *name = daemon->service.config->console_user;
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (user && user->pw_uid)
		ctl_server_set_console(daemon->server, user->pw_uid);
}

static int
watch_socket(struct daemon *daemon)
{
	set_console(daemon);
	daemon->server_source =
		loop_add(daemon->loop, ctl_server_fd(daemon->server), EPOLLIN, on_socket, daemon);
	return daemon->server_source ? 0 : -1;
}

static int
open_socket(struct daemon *daemon)
{
	char error[CTL_ERROR_MAX];

	daemon->server =
		ctl_server_new(daemon->service.config->socket, daemon->service.config->socket_group,
			       commands_serve, daemon, error);
	if (!daemon->server) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	return watch_socket(daemon);
}

int
daemon_init(struct daemon *daemon, size_t devices)
{
	daemon->service.pump = (struct pump){ .run = poll_while_busy, .ctx = daemon };
	daemon->jobs = jobs_new();
	return daemon->jobs ? service_init(&daemon->service, devices) : -ENOMEM;
}

void
daemon_fini(struct daemon *daemon)
{
	service_fini(&daemon->service);
	jobs_free(daemon->jobs);
	daemon->jobs = NULL;
}

/* The first generation. */
static struct generation *
load_first(struct daemon *daemon)
{
	struct diag_list diags;
	struct text text;
	struct generation *generation;
	char *line, *next;

	diag_list_init(&diags);
	generation = generation_load(daemon->service.config, 1, &diags);
	text_init(&text);
	diag_text_put(&diags, &text);
	for (line = text.at; line && *line; line = next) {
		next = strchr(line, '\n') + 1;
		next[-1] = '\0';
		log_event(generation ? SEVERITY_WARNING : SEVERITY_ERROR, LOG_EVENT_diagnostic,
			  NULL, "%s", line);
	}
	text_fini(&text);
	diag_list_fini(&diags);
	return generation;
}

static unsigned
curves_take(void *dp, struct ec_job **jobs, unsigned n)
{
	return dataplane_ec_take(dp, jobs, n);
}

static void
curves_give(void *dp, struct ec_job *job)
{
	dataplane_ec_give(dp, job);
}

static void
curves_wait(void *dp, int timeout_ms)
{
	dataplane_ec_wait(dp, timeout_ms);
}

static void
curves_wake(void *dp)
{
	dataplane_ec_wake(dp);
}

static void
curves_begin(void)
{
	thread_guard_enter(THREAD_HELPER);
}

static void
worker_begins(void)
{
	thread_guard_enter(THREAD_WORKER);
}

/* The threads that compute with elliptic curves; what they trust comes with the generation. */
static int
open_curves(struct daemon *daemon)
{
	const struct config *config = daemon->service.config;
	const struct ec_way way = { curves_take, curves_give, curves_wait, curves_wake,
				    daemon->service.dp, curves_begin };
	char error[EC_ERROR_MAX];
	cpu_set_t cpus;

	if (!config->curve_threads)
		return 0;
	if (config->curve_cpus)
		(void)config_cpus(config->curve_cpus, &cpus);
	daemon->service.curves = ec_threads_new(&way, config->curve_threads,
						config->curve_cpus ? &cpus : NULL, error);
	if (!daemon->service.curves) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	return trust_publish(&daemon->service) < 0 ? -1 : 0;
}

static int
open_dataplane(struct daemon *daemon)
{
	char error[DATAPLANE_ERROR_MAX];
	struct dataplane_config *config = calloc(1, sizeof *config);

	if (!config) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL, "out of memory");
		return -1;
	}
	config_dataplane(daemon->service.config, config);
	config->log_fd = daemon->log_pipe[1];
	if (daemon->standby.prefix[0])
		config->file_prefix = daemon->standby.prefix;
	config->worker_begins = worker_begins;
	daemon->service.dp = dataplane_new(config, error);
	free(config);
	if (!daemon->service.dp) {
		on_dpdk_log(daemon, 0);
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	if (startup_drop_privileges() < 0)
		return -1;
	dataplane_publish_directory(daemon->service.dp, daemon->service.inventory.directory);
	return 0;
}

static int
start_dataplane(struct daemon *daemon)
{
	char error[DATAPLANE_ERROR_MAX];

	if (dataplane_start(daemon->service.dp, error) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	return 0;
}

/* What a command that was killed began: to its end, before anything of the folder is read. */
static void
recover_policy(const char *folder)
{
	struct text said;
	int result;

	text_init(&said);
	result = file_set_recover(folder, &said);
	if (result > 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_policy_recovered, NULL, "%s: %s", folder,
			  text_str(&said));
	else if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_policy_recovered, NULL,
			  "%s: a change of its files was interrupted, and cannot be ended: %s%s",
			  folder, strerror(-result), file_remedy(-result));
	text_fini(&said);
}

/*
 * The store's lock is held: no other appliance writes there. While a change cannot be ended, what it needs stays.
 */
static void
sweep_policy(const struct config *config)
{
	static const char *const below[] = { "tasks", "resources" };
	char path[4096 + 16];
	unsigned swept;

	recover_policy(config->policy);
	if (file_set_is_open(config->policy))
		return;
	swept = file_sweep(config->policy);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", config->policy, below[i]);
		swept += file_sweep(path);
	}
	if (swept)
		log_notice("%s: %u half-written files of an appliance that was killed were removed",
			   config->policy, swept);
}

/* The keys for the database are those of the store. */
static struct cluster *
new_cluster(struct daemon *daemon, const struct keyring *keyring, char error[CLUSTER_ERROR_MAX])
{
	const struct config *config = daemon->service.config;
	char host[CLUSTER_NAME_MAX] = "";
	struct cluster_options options = {
		.name = config->cluster_name,
		.database = config->cluster_database,
		.secret_file = config->cluster_secret,
		.member_name = host,
		.member = config->cluster_member,
		.poll_ms = config->cluster_poll_ms,
		.horizon_s = config->cluster_horizon_s,
		.keyring = keyring->n ? keyring : NULL,
	};
	uint64_t revision;
	const char *joined = store_cluster(daemon->service.store, &revision);

	if (gethostname(host, sizeof host - 1) < 0 || !*host)
		snprintf(host, sizeof host, "member-%u", config->cluster_member);
	return cluster_new(&options, joined, revision, error);
}

/* Before the store's writers begin: what it follows is read. */
static int
open_cluster(struct daemon *daemon)
{
	const struct config *config = daemon->service.config;
	struct keyring keyring = { 0 };
	char error[CLUSTER_ERROR_MAX];
	uint64_t revision;
	int result = 0;

	if (!config->cluster_name && !store_cluster(daemon->service.store, &revision))
		return 0;
	if (config->kek)
		result = keyring_load(config->kek, &keyring, error);
	if (result == 0) {
		daemon->service.cluster = new_cluster(daemon, &keyring, error);
		result = daemon->service.cluster ? 0 : -EINVAL;
	}
	keyring_wipe(&keyring);
	if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "cluster: %s", error);
	else if (cluster_is_detached(daemon->service.cluster))
		log_event(SEVERITY_WARNING, LOG_EVENT_cluster_trouble, NULL,
			  "the store is a replica of the cluster \"%s\", which is not configured: devices are served, and "
			  "nothing can be changed",
			  cluster_name(daemon->service.cluster));
	return result;
}

static int
load(struct daemon *daemon)
{
	struct generation *generation = daemon->service.generation; /* of meet() */

	if (daemon_store_open(daemon) < 0 || open_cluster(daemon) < 0 ||
	    daemon_audit_open(daemon) < 0)
		return -1;
	sweep_policy(daemon->service.config);
	if (daemon_init(daemon, store_next_device(daemon->service.store)) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL, "out of memory");
		return -1;
	}
	if (!generation)
		generation = load_first(daemon);
	if (!generation)
		return -1;
	daemon->service.generation = generation;
	generation->live_since_ms = clock_now_ms();
	daemon->service.last_number = generation->number;
	return restore_all(&daemon->service);
}

/* What goes to others, and what says that this process is the one that serves: not before it is. */
static int
begin_to_tell(struct daemon *daemon)
{
	int result = 0;

	keep_version(daemon, "-", "start");
	deliveries_use(&daemon->service);
	if (daemon->service.cluster)
		result = cluster_start(daemon->service.cluster);
	if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL,
			  "cluster: its threads cannot be started: %s", strerror(-result));
	return result;
}

/* ---- beside a process that serves: what it has comes from there ---- */

static int
meet(struct daemon *daemon)
{
	if (standby_meet(daemon) < 0)
		return -1;
	daemon->service.generation = load_first(daemon);
	return daemon->service.generation ? standby_found(daemon) : -1;
}

static int
adopt_socket(struct daemon *daemon)
{
	char error[CTL_ERROR_MAX];
	int listener = daemon->standby.listener;

	daemon->standby.listener = -1;
	if (listener < 0)
		return open_socket(daemon);
	daemon->server = ctl_server_adopt(listener, daemon->service.config->socket, commands_serve,
					  daemon, error);
	if (daemon->server)
		return watch_socket(daemon);
	log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
	return -1;
}

static int
open_all(struct daemon *daemon)
{
	struct lookout *lookout = daemon->turns.lookout;

	lookout_enter(lookout, "start: store and policy");
	if (load(daemon) < 0)
		return -1;
	lookout_enter(lookout, "start: dataplane");
	if (open_dataplane(daemon) < 0)
		return -1;
	lookout_enter(lookout, NULL);
	return 0;
}

static int
start_beside(struct daemon *daemon)
{
	/* What can fail does so while the other process can still go on. */
	if (meet(daemon) < 0 || open_all(daemon) < 0 || open_curves(daemon) < 0 ||
	    standby_take(daemon) < 0 || adopt_socket(daemon) < 0 ||
	    standby_await_go(daemon) < 0 || start_dataplane(daemon) < 0)
		return -1;
	ctl_server_keep_path(daemon->server);
	standby_serves(daemon);
	return begin_to_tell(daemon);
}

static int
start_alone(struct daemon *daemon)
{
	lookout_enter(daemon->turns.lookout, "start: the control socket");
	if (open_socket(daemon) < 0 || open_all(daemon) < 0 || begin_to_tell(daemon) < 0 ||
	    start_dataplane(daemon) < 0)
		return -1;
	return open_curves(daemon);
}

static int
start_all(struct daemon *daemon)
{
	int result = open_loop(daemon);

	if (result < 0)
		return result;
	return daemon->standby.fd >= 0 ? start_beside(daemon) : start_alone(daemon);
}

static int
start(struct daemon *daemon)
{
	if (start_all(daemon) < 0) {
		standby_refuse(daemon);
		return -1;
	}
	watchdog_init(&daemon->watchdog, clock_now_us());
	if (loop_tick(daemon->loop, TICK_IDLE_US, tick, daemon) < 0)
		return -1;
	startup_log(daemon);
	notify_ready();
	log_event(SEVERITY_NOTICE, LOG_EVENT_ready, NULL, "ready, control socket %s",
		  daemon->service.config->socket);
	return 0;
}

static void
stop_sessions(struct daemon *daemon)
{
	dataplane_stop(daemon->service.dp);
	do
		(void)events_take(&daemon->service);
	while (daemon->service.events_left);
}

/* They are another process's, which tells what becomes of them: not a byte may be sent for them here. */
static void
forget_sessions(struct daemon *daemon)
{
	struct service *service = &daemon->service;
	struct session_event events[64];
	uint16_t workers[64];

	for (uint32_t i = 0; i < service->live.used; i++)
		if (service->live.places[i])
			live_end(service, inventory_at(&service->inventory,
						       service->live.places[i]->device));
	dataplane_abandon(service->dp);
	while (dataplane_events(service->dp, events, workers, 64))
		;
}

/* After it no worker runs and nothing is published. */
static void
close_dataplane(struct daemon *daemon)
{
	if (!daemon->service.dp)
		return;
	ec_threads_free(daemon->service.curves);
	daemon->service.curves = NULL;
	traced_fini(&daemon->service.traced);
	if (daemon->passed_on || daemon->standby.fd >= 0)
		forget_sessions(daemon);
	else
		stop_sessions(daemon);
	worker_commands_fini(&daemon->service.worker_commands);
	for (unsigned i = 0; i < REAP_TURNS && dataplane_reap(daemon->service.dp); i++)
		;
	dataplane_publish_directory(daemon->service.dp, NULL);
	dataplane_free(daemon->service.dp);
	daemon->service.dp = NULL;
}

/* After the dataplane: nothing changes devices any more. Before the store: batches hold its keys. */
static void
close_cluster(struct daemon *daemon)
{
	size_t left = replica_send_all(&daemon->service, LAST_SEND_MS);

	if (left)
		log_event(SEVERITY_WARNING, LOG_EVENT_cluster_trouble, NULL,
			  "what changed of %zu devices did not reach the cluster's database", left);
	cluster_free(daemon->service.cluster);
	daemon->service.cluster = NULL;
}

static void
finish(struct daemon *daemon)
{
	struct lookout *lookout = daemon->turns.lookout;

	lookout_enter(lookout, "stop: dataplane");
	/* What is watched goes with the dataplane. */
	if (daemon->server)
		ctl_server_end_watches(daemon->server, CTL_NOT_RUNNING, "the appliance stops");
	close_dataplane(daemon);
	lookout_enter(lookout, "stop: store");
	if (daemon->service.store && !daemon->passed_on) {
		unknown_devices_save(daemon->service.unknowns, daemon->service.store, UINT64_MAX);
		version_counts_save(&daemon->service, UINT64_MAX);
		inventory_effects_save_all(&daemon->service);
	}
	close_cluster(daemon);
	deliveries_stop(&daemon->service);
	standby_fini(daemon);
	tell_anchor(daemon->audit, UINT64_MAX);
	audit_close(daemon->audit);
	daemon->audit = NULL;
	store_close(daemon->service.store);
	daemon->service.store = NULL;
	lookout_enter(lookout, "stop: memory");
	if (daemon->server_source)
		loop_remove(daemon->loop, daemon->server_source);
	ctl_server_free(daemon->server);
	if (daemon->log_source)
		loop_remove(daemon->loop, daemon->log_source);
	for (unsigned i = 0; i < 2; i++)
		if (daemon->log_pipe[i] >= 0)
			close(daemon->log_pipe[i]);
	loop_free(daemon->loop);
	daemon_fini(daemon);
	config_free(daemon->service.config);
}

/* For the next process: what is run by the path may be replaced, and its CPUs are not those of one thread. */
static void
note_origin(struct daemon *daemon)
{
	ssize_t len = readlink("/proc/self/exe", daemon->program, sizeof daemon->program - 1);
	struct stat program;

	if (stat("/proc/self/exe", &program) == 0) {
		daemon->program_device = program.st_dev;
		daemon->program_inode = program.st_ino;
	}
	daemon->program[len > 0 ? len : 0] = '\0';
	CPU_ZERO(&daemon->cpus);
	(void)sched_getaffinity(0, sizeof daemon->cpus, &daemon->cpus);
}

int
daemon_run(struct config *config, int standby)
{
	struct daemon *daemon = calloc(1, sizeof *daemon);
	int status = -1, privileged;

	if (!daemon) {
		config_free(config);
		return 1;
	}
	daemon->service.config = config;
	daemon->started_us = clock_now_us();
	daemon->started_ms = clock_now_ms();
	daemon->log_pipe[0] = daemon->log_pipe[1] = -1;
	daemon->standby.fd = standby;
	daemon->standby.listener = -1;
	note_origin(daemon);
	log_open((enum log_target)config->log_target, (enum severity)config->log_level);
	log_set_format((enum log_format)config->log_format);
	log_event(SEVERITY_NOTICE, LOG_EVENT_starting, NULL, "%s", CRADLE_VERSION_TEXT);
	/* While there is one thread: others begin with what this one has left. */
	privileged = startup_take_privileges(config);
	if (privileged < 0)
		standby_refuse(daemon);
	daemon->turns.lookout = lookout_new(LOOKOUT_TIMES); /* without one it runs as well */
	if (privileged == 0 && start(daemon) == 0)
		status = loop_run(daemon->loop);
	else if (daemon->service.stopping)
		status = 0; /* told to, before it was ready */
	if (!daemon->passed_on)
		notify_stopping();
	finish(daemon);
	lookout_free(daemon->turns.lookout);
	free(daemon);
	log_event(SEVERITY_NOTICE, LOG_EVENT_stopped, NULL, "stopped");
	log_close();
	return status < 0;
}
