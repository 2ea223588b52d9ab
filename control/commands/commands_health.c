/* In the routing or out of it: the health check, drain and its end. */
#include "control/clock.h"
#include "control/commands/call.h"
#include "control/commands/commands.h"
#include "control/daemon.h"
#include "control/log.h"

/* Workers that took no turn since a second ago or longer. */
static unsigned
count_stuck(struct daemon *daemon, uint64_t now_us)
{
	struct heartbeats *beats = &daemon->heartbeats;
	struct dataplane_worker_info info;
	bool renew = now_us - beats->taken_us >= HEARTBEATS_US;
	unsigned stuck = 0;

	if (!renew)
		return beats->stuck;
	for (unsigned i = 0; dataplane_worker_info(daemon->service.dp, i, &info) == 0; i++) {
		stuck += beats->taken_us && info.heartbeat == beats->of[i];
		beats->of[i] = info.heartbeat;
	}
	beats->taken_us = now_us;
	beats->stuck = stuck;
	return stuck;
}

static bool
has_link(const struct daemon *daemon)
{
	struct dataplane_port_info port;

	for (unsigned i = 0; dataplane_port_info(daemon->service.dp, i, &port) == 0; i++)
		if (port.link == LINK_UP || port.link == LINK_UNKNOWN)
			return true;
	return false;
}

void
command_health(struct call *call)
{
	struct daemon *daemon = call->daemon;
	unsigned stuck = count_stuck(daemon, clock_now_us());

	health_checked(&daemon->health, clock_now_us() / 1000);
	if (daemon->health.draining)
		call_refuse(call, CTL_REFUSED, "not to be used: it drains");
	else if (!has_link(daemon))
		call_refuse(call, CTL_REFUSED, "not to be used: no port has a link");
	else if (stuck)
		call_refuse(call, CTL_REFUSED, "not to be used: %u worker%s no sign of life", stuck,
			    stuck == 1 ? " shows" : "s show");
	if (call->exit != CTL_DONE)
		return;
	text_show(&call->text, "serving\n");
	call->result = json_pack("{s:b}", "serving", 1);
}

/* False: one worker cannot be told. */
static bool
tell_workers(struct daemon *daemon, bool refuse)
{
	struct stack_command command = { .kind = STACK_DRAIN, .on = refuse };
	struct dataplane_info info;
	bool all = true;

	dataplane_info(daemon->service.dp, &info);
	for (unsigned i = 0; i < info.workers; i++)
		all &= worker_commands_post(&daemon->service.worker_commands, daemon->service.dp, i,
					    &command) == 0;
	return all;
}

void
health_turn(struct daemon *daemon, uint64_t now_ms)
{
	if (!daemon->service.dp || !health_must_refuse(&daemon->health, now_ms))
		return;
	if (!tell_workers(daemon, true))
		daemon->health.refusing = false; /* again, next time */
}

static void
refuse_memory(struct call *call)
{
	call_refuse(call, CTL_REFUSED, "not all workers could be told: out of memory; try again");
}

void
command_drain(struct call *call)
{
	struct health *health = &call->daemon->health;
	long withdraw_s = call_number(call, "--withdraw", HEALTH_WITHDRAW_S, 3600);

	if (call->exit != CTL_DONE)
		return;
	if (health_drain(health, (uint64_t)withdraw_s * 1000, clock_now_us() / 1000) &&
	    !tell_workers(call->daemon, true)) {
		health->refusing = false;
		refuse_memory(call);
		return;
	}
	if (health->refusing)
		text_show(&call->text, "draining: new devices are answered 5.03\n");
	else
		text_show(&call->text,
			  "draining: health checks fail from now on; new devices are answered 5.03 "
			  "%ld s after one did\n",
			  withdraw_s);
	call->result = json_pack("{s:b, s:b}", "draining", 1, "withdrawing", !health->refusing);
}

void
command_undrain(struct call *call)
{
	health_undrain(&call->daemon->health);
	if (!tell_workers(call->daemon, false)) {
		refuse_memory(call);
		return;
	}
	text_show(&call->text, "new devices are taken again\n");
	call->result = json_pack("{s:b}", "draining", 0);
}
