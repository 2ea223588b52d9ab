#include "control/daemon_turns.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/commands/commands.h"
#include "control/commands/own_commands.h"
#include "control/log.h"
#include "control/runs/confirm.h"
#include "control/runs/created_devices.h"
#include "control/runs/events.h"
#include "control/runs/member_waits.h"
#include "control/runs/port_log.h"
#include "control/runs/trust_watch.h"

enum {
	TICK_BUSY_US = 2000, /* events wait this long at most while devices bootstrap */
	STAY_BUSY_US = 500000,
	RETIRED_A_TICK = 2000,
	SAMPLE_US = 1000000,
	PORTS_US = 500000, /* a link that comes or goes is noticed so late */
};

/* Causes of turns that no command has (turns.h). */
static const char turn_workers[] = "events of workers", turn_tick[] = "things to look after",
		  turn_watches[] = "watches";
const char daemon_turn_socket[] = "the control socket";

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
	busy |= member_waits_poll(&daemon->service);
	busy |= dataplane_reap(daemon->service.dp) > 0;
	/* What still stands in the ring may name a batch's plan (retired.h). */
	if (!daemon->service.events_left)
		retired_sweep(&daemon->service.retired, &daemon->service.plans, RETIRED_A_TICK);
	watchdog_check(&daemon->watchdog, daemon->service.dp, clock_now_us());
	return busy;
}

void
daemon_poll_while_busy(void *ctx)
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
		turns_begin(&daemon->turns, daemon_turn_socket);
		ctl_server_run_while_busy(daemon->server, commands_may_run_while_busy);
		ctl_server_watch(daemon->server);
		turns_end(&daemon->turns);
	}
	if (cause)
		turns_begin(&daemon->turns, cause);
}

void
daemon_tell_anchor(struct audit *audit, uint64_t now_ms)
{
	struct audit_info info;

	if (!audit || !audit_wants_anchor(audit, now_ms))
		return;
	audit_info(audit, &info);
	log_event(SEVERITY_NOTICE, LOG_EVENT_audit_anchor, NULL, "audit: line %llu of %s is %s",
		  (unsigned long long)info.seq, info.path, info.hash);
}

void
daemon_tick(void *ctx, uint32_t events)
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
	daemon_tell_anchor(daemon->audit, clock_now_ms());
	own_commands_give(daemon);
	version_counts_save(&daemon->service, clock_now_ms());
	health_turn(daemon, now_us / 1000);
	turns_end(&daemon->turns);
	if (daemon->server) {
		turns_begin(&daemon->turns, turn_watches);
		ctl_server_tick(daemon->server, clock_now_ms());
		ctl_server_watch(daemon->server);
		turns_end(&daemon->turns);
	}
	loop_tick(daemon->loop,
		  now_us - daemon->active_us < STAY_BUSY_US ? TICK_BUSY_US : TICK_IDLE_US,
		  daemon_tick, daemon);
}
