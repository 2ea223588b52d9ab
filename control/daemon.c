#include "control/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/commands/jobs.h"
#include "control/config/diag_text.h"
#include "control/daemon_kept.h"
#include "control/daemon_parts.h"
#include "control/daemon_sources.h"
#include "control/daemon_turns.h"
#include "control/log.h"
#include "control/runs/restore.h"
#include "control/service_files.h"
#include "control/standby.h"
#include "control/startup.h"

int
daemon_init(struct daemon *daemon, size_t devices)
{
	daemon->service.pump = (struct pump){ .run = daemon_poll_while_busy, .ctx = daemon };
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

/* ---- start ---- */

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

static int
load(struct daemon *daemon)
{
	struct generation *generation = daemon->service.generation; /* of meet() */

	if (service_files_open_store(&daemon->service) < 0)
		return -1;
	if (daemon->standby.fd >= 0)
		store_hold(daemon->service.store);
	if (daemon_open_cluster(daemon) < 0)
		return -1;
	daemon->audit = service_files_open_audit(daemon->service.config);
	if (!daemon->audit)
		return -1;
	daemon_sweep_policy(daemon->service.config);
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

	daemon_keep_version(daemon, "-", "start");
	deliveries_use(&daemon->service);
	if (daemon->service.cluster)
		result = cluster_start(daemon->service.cluster);
	if (daemon->service.cluster)
		policy_share_look(&daemon->service);
	if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL,
			  "cluster: its threads cannot be started: %s", strerror(-result));
	return result;
}

/* Beside a process that serves: what it has comes from there. */
static int
meet(struct daemon *daemon)
{
	if (standby_meet(&daemon->standby, daemon->service.config) < 0)
		return -1;
	daemon->service.generation = load_first(daemon);
	return daemon->service.generation ? standby_found(&daemon->standby, &daemon->service) : -1;
}

static int
open_all(struct daemon *daemon)
{
	struct lookout *lookout = daemon->turns.lookout;

	lookout_enter(lookout, "start: store and policy");
	if (load(daemon) < 0)
		return -1;
	lookout_enter(lookout, "start: dataplane");
	if (daemon_open_dataplane(daemon) < 0)
		return -1;
	lookout_enter(lookout, NULL);
	return 0;
}

static int
start_beside(struct daemon *daemon)
{
	struct standby *standby = &daemon->standby;

	/* What can fail does so while the other process can still go on. */
	if (meet(daemon) < 0)
		return -1;
	daemon_find_free_cpus(daemon);
	if (open_all(daemon) < 0 || daemon_open_curves(daemon) < 0 ||
	    standby_take(standby, &daemon->service) < 0)
		return -1;
	daemon->health.draining = standby->draining;
	if (daemon_adopt_socket(daemon) < 0 || standby_await_go(standby, daemon->service.dp) < 0)
		return -1;
	daemon_keep_associations(daemon);
	if (daemon_start_dataplane(daemon) < 0)
		return -1;
	ctl_server_keep_path(daemon->server);
	store_go_on(daemon->service.store);
	standby_serves(standby, daemon->audit);
	daemon_find_free_cpus(daemon); /* the other one's, too */
	return begin_to_tell(daemon);
}

static int
start_alone(struct daemon *daemon)
{
	lookout_enter(daemon->turns.lookout, "start: the control socket");
	if (daemon_open_socket(daemon) < 0 || open_all(daemon) < 0 || begin_to_tell(daemon) < 0)
		return -1;
	daemon_keep_associations(daemon);
	if (daemon_start_dataplane(daemon) < 0)
		return -1;
	return daemon_open_curves(daemon);
}

static int
start_all(struct daemon *daemon)
{
	int result = daemon_open_loop(daemon);

	if (result < 0)
		return result;
	return daemon->standby.fd >= 0 ? start_beside(daemon) : start_alone(daemon);
}

static int
start(struct daemon *daemon)
{
	if (start_all(daemon) < 0) {
		standby_refuse(&daemon->standby);
		return -1;
	}
	watchdog_init(&daemon->watchdog, clock_now_us());
	if (loop_tick(daemon->loop, TICK_IDLE_US, daemon_tick, daemon) < 0)
		return -1;
	startup_log(daemon);
	notify_ready();
	log_event(SEVERITY_NOTICE, LOG_EVENT_ready, NULL, "ready, control socket %s",
		  daemon->service.config->socket);
	return 0;
}

/* ---- end ---- */

static void
finish(struct daemon *daemon)
{
	struct lookout *lookout = daemon->turns.lookout;

	lookout_enter(lookout, "stop: dataplane");
	/* What is watched goes with the dataplane. */
	if (daemon->server)
		ctl_server_end_watches(daemon->server, CTL_NOT_RUNNING, "the appliance stops");
	daemon_close_dataplane(daemon);
	daemon_forget_associations(daemon);
	lookout_enter(lookout, "stop: store");
	/* What passed is the other one's again where this one never served. */
	if (daemon->service.store && !daemon->passed_on && daemon->standby.fd < 0) {
		unknown_devices_save(daemon->service.unknowns, daemon->service.store, UINT64_MAX);
		version_counts_save(&daemon->service, UINT64_MAX);
		inventory_effects_save_all(&daemon->service);
	}
	daemon_close_cluster(daemon);
	deliveries_stop(&daemon->service);
	standby_fini(&daemon->standby);
	daemon_tell_anchor(daemon->audit, UINT64_MAX);
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

/* ---- life ---- */

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
	daemon->kept.fd = -1;
	note_origin(daemon);
	daemon_find_free_cpus(daemon);
	log_open((enum log_target)config->log_target, (enum severity)config->log_level);
	log_set_format((enum log_format)config->log_format);
	log_event(SEVERITY_NOTICE, LOG_EVENT_starting, NULL, "%s", CRADLE_VERSION_TEXT);
	/* While there is one thread: others begin with what this one has left. */
	privileged = startup_take_privileges(config);
	if (privileged < 0)
		standby_refuse(&daemon->standby);
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
