#include "control/runs/events.h"

#include <string.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/log.h"
#include "control/policy/policy_trust.h"
#include "control/runs/created_devices.h"
#include "control/runs/credentials.h"
#include "control/runs/failure.h"
#include "control/runs/feed.h"
#include "control/runs/inventory_effects.h"
#include "control/runs/member_claims.h"
#include "control/runs/member_waits.h"
#include "control/runs/on_demand.h"
#include "control/runs/publish.h"
#include "control/runs/run_reports.h"
#include "control/runs/service.h"

enum {
	EVENTS_AT_ONCE = 64,
	RETURN_SOON_MS = 60000, /* a device that is content stays away for longer */
};

_Static_assert(sizeof((struct diagnostic *)0)->text == sizeof((struct session_event *)0)->name,
	       "what a worker tells fits");

/* ---- the newest session of each device ---- */

static bool
same_session(const struct session_ref *a, const struct session_ref *b)
{
	return a->slot == b->slot && a->serial == b->serial;
}

/* The record of the event's session, or NULL: it is not the device's newest. */
static struct live_session *
find_live(const struct device *device, const struct session_event *event, unsigned worker)
{
	struct live_session *live = device->live;

	return live && live->worker == worker && same_session(&live->session, &event->session)
		       ? live
		       : NULL;
}

static struct reported_run
reported_run_of(struct service *service, struct device *device, const struct session_event *event,
		struct live_session *live)
{
	return (struct reported_run){
		.service = service,
		.device = device,
		.event = event,
		.plan = live->plan,
		.memory = live->memory.seeded ? &live->memory : NULL,
		.live = live,
	};
}

/*
 * However a session ends, nothing of it stays in progress: a task may have become another in the
 * compilation that an answer led to, or be in none any more after a reload.
 */
static void
report_open_tasks(struct reported_run *reported, const struct live_session *live, const char *why)
{
	if (!live->began)
		return;
	if (live->plan)
		report_unfinished(reported, why);
	reported->plan = live->began;
	report_unfinished(reported, why);
}

static void
report_end(struct service *service, struct device *device, const struct session_event *event)
{
	struct live_session *live = device->live;
	const char *failure = credentials_failure(&live->memory);
	struct reported_run reported = reported_run_of(service, device, event, live);

	report_open_tasks(&reported, live,
			  failure ? failure : "the run ended before this task was over");
}

static void
end_run(struct service *service, struct device *device, const struct session_event *event)
{
	enum feed_session what = event->kind == SESSION_FINISHED ? FEED_FINISHED
				 : event->kind == SESSION_FAILED ? FEED_FAILED
								 : FEED_REFUSED;

	report_end(service, device, event);
	live_feed(service, device, what, clock_wall_ms(event->time_us, dataplane_now_us()));
	live_end(service, device);
}

/* A newer request of the device won. */
static void
cancel_run(struct service *service, struct device *device, const struct session_event *newer)
{
	const struct session_event end = { .started_us = device->live->started_us,
					   .time_us = newer->time_us };

	report_end(service, device, &end);
	credentials_ended(service, device, NULL);
	live_cancel(service, device);
}

/* What became of the run is told here alone: the other member reports it. */
static void
end_superseded(struct service *service, struct device *device)
{
	const struct session_event end = { .started_us = device->live->started_us,
					   .time_us = dataplane_now_us() };
	struct reported_run reported = reported_run_of(service, device, &end, device->live);

	reported.elsewhere = true;
	report_open_tasks(&reported, device->live,
			  "a later request of the device came to another member");
	credentials_ended(service, device, NULL);
	live_cancel(service, device);
	device->started_us++; /* what its worker tells of it meanwhile is late */
}

/*
 * The last request of an endpoint wins, whatever worker it came to. Each worker's events arrive
 * in order, but a slower worker's arrive behind a faster one's: the time of the request decides
 * which run is the older one, not the arrival. NULL: this event is of the older run, which is
 * cancelled and told nothing more of; or there is no memory.
 */
static struct live_session *
begin_live(struct service *service, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);

	if (live)
		return live;
	if (device->started_us > event->started_us) {
		live_cancel_session(service, worker, event->session);
		return NULL;
	}
	if (device->live)
		cancel_run(service, device, event);
	live = live_add(&service->live);
	if (!live) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a session cannot be followed: out of memory");
		return NULL;
	}
	device->live = live;
	device->started_us = event->started_us;
	live->device = device_id(device);
	live->worker = (uint16_t)worker;
	live->session = event->session;
	live->format = event->format;
	live->peer = event->peer;
	live->started_us = event->started_us;
	live->started_ms = clock_wall_ms(event->started_us, dataplane_now_us());
	member_claims_begin(service, device);
	return live;
}

/* Whose batch is asked for. The rest of a run is of the session it began in, and of no other. */
static struct live_session *
live_of_ask(struct service *service, struct device *device, const struct session_event *event,
	    unsigned worker)
{
	struct live_session *live;

	if (event->ask == ASK_REST)
		return find_live(device, event, worker);
	live = begin_live(service, device, event, worker);
	if (live)
		live->format = event->format;
	return live;
}

/* ---- what each event leads to ---- */

/* A device that comes back soon though its tasks had gone well: its server may not have taken it. */
static void
note_again(struct service *service, const struct device *device, struct live_session *live)
{
	for (unsigned i = 0; live->soon && live->plan && i < live->plan->n_tasks; i++) {
		uint32_t task = live->plan->tasks[i].task->report;
		const struct report *last =
			reports_find(&service->reports, task, device_id(device));

		if (!last || !report_went_well(last))
			continue;
		live->again = true;
		service->reports.tasks[task].returns++;
		version_counts_note_return(service, live->plan->tasks[i].task, device,
					   report_finished_ms(last));
	}
}

static void
on_started(struct service *service, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = begin_live(service, device, event, worker);
	struct reported_run reported;

	rejected_devices_forget(service->rejected, event->device);
	if (!live)
		return;
	live->format = event->format;
	live_set_plan(&service->plans, live, plan_at(&service->plans, event->plan));
	live->after_s = (uint32_t)((live->started_ms - device->last_bootstrap_ms) / 1000);
	live->soon = live->started_ms - device->last_bootstrap_ms < RETURN_SOON_MS;
	device->last_bootstrap_ms = live->started_ms;
	note_again(service, device, live);
	live_feed(service, device, FEED_STARTED, live->started_ms);
	if (service->store)
		store_put_visit(service->store, device_id(device), live->started_ms, event->format);
	if (!live->plan)
		return;
	live_set_began(&service->plans, live);
	reported = reported_run_of(service, device, event, live);
	report_started(&reported);
}

static void
on_needs_batch(struct service *service, struct device *device, const struct session_event *event,
	       unsigned worker)
{
	if (!live_of_ask(service, device, event, worker))
		on_demand_refuse(service, event, worker);
	else if (!member_waits_begin(service, device, event, worker))
		on_demand_meet(service, device, event, worker);
}

/*
 * What others are told of a run's end goes into the store with its reports, in one transaction: nothing is told that is
 * not reported, and nothing reported that is lost.
 */
static void
begin_reports(struct service *service)
{
	if (service->store && service->deliveries.conf)
		store_begin_together(service->store);
}

static void
end_reports(struct service *service)
{
	if (service->store && service->deliveries.conf)
		store_end_together(service->store);
}

static void
tell_failure(struct service *service, struct device *device, const struct session_event *event)
{
	char why[TASK_SUMMARY_MAX];

	if (!service->deliveries.conf)
		return;
	failure_text(service->config, event, device->live->plan, why);
	deliveries_tell_run(service, device, event, EVENT_FAILED, why);
}

/* A task that is done until it is rerun is no part of the next run. */
static void
renew_after_run(struct service *service, struct device *device, const struct plan *plan)
{
	bool renew = false;

	for (unsigned i = 0; i < plan->n_tasks; i++)
		renew |= plan->tasks[i].task->repetition == REPETITION_ONCE ||
			 !plan->tasks[i].task->automatic_restart;
	if (renew && publish_device(service, device) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a device keeps a task that it has done: out of memory");
}

static void
on_finished(struct service *service, struct device *device, const struct session_event *event,
	    unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct reported_run reported;

	if (!live)
		return;
	if (live->plan) {
		reported = reported_run_of(service, device, event, live);
		begin_reports(service);
		credentials_finished(service, device, event);
		report_finished(&reported);
		report_end(service, device, event);
		deliveries_tell_run(service, device, event, EVENT_BOOTSTRAPPED, "bootstrapped");
		end_reports(service);
		inventory_effects_apply(service, device, &live->memory);
		renew_after_run(service, device, live->plan);
		inventory_note_return(&service->inventory, device, live->soon);
	}
	end_run(service, device, event);
}

static void
on_failed(struct service *service, struct device *device, const struct session_event *event,
	  unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct reported_run reported;

	if (!live)
		return;
	if (!live->plan)
		live_set_plan(&service->plans, live, device->plan);
	if (live->plan) {
		reported = reported_run_of(service, device, event, live);
		begin_reports(service);
		credentials_ended(service, device, event);
		report_failed(&reported);
		tell_failure(service, device, event);
		end_reports(service);
	}
	end_run(service, device, event);
}

static void
count_refusal(struct refusals *refusals, const struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_tasks; i++)
		if (plan->tasks[i].state != PLAN_LEFT_OUT) {
			refusals->failed++;
			return;
		}
	if (plan->n_tasks)
		refusals->not_now[plan->tasks[0].reason]++;
	else
		refusals->no_task++;
}

/* The run was ended before its Finish, for its credentials' sake. */
static void
end_unconfirmed(struct service *service, struct device *device, const struct session_event *event)
{
	const char *why = credentials_failure(&device->live->memory);

	begin_reports(service);
	credentials_ended(service, device, event);
	deliveries_tell_run(service, device, event, EVENT_FAILED, why);
	report_end(service, device, event);
	end_reports(service);
	end_run(service, device, event);
}

/* Nothing was to be sent: the plan says why. */
static void
on_refused(struct service *service, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct reported_run reported = { .service = service, .device = device, .event = event };

	if (live && credentials_failure(&live->memory)) {
		end_unconfirmed(service, device, event);
		return;
	}
	if (live && live->memory.seeded)
		reported.memory = &live->memory;
	reported.plan = live && live->plan ? live->plan : device->plan;
	if (reported.plan) {
		count_refusal(&service->refusals, reported.plan);
		report_compiled(&reported);
	}
	if (!live)
		return;
	/* Tasks that need no operation are over well: what they ask of the inventory is due. */
	inventory_effects_apply(service, device, &live->memory);
	end_run(service, device, event);
}

/* The first one stays: it is what a run that went on is asked about. */
static void
on_diagnostic(struct device *device, const struct session_event *event, unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct diagnostic *said;

	if (!live)
		return;
	said = &live->diagnostics[live->diagnostics[0].code ? 1 : 0];
	*said = (struct diagnostic){ .code = event->code,
				     .len = event->name_len,
				     .step = event->step };
	memcpy(said->text, event->name, event->name_len);
}

/* Whether it belongs on the list: the authority that vouches for the name may want it otherwise. */
static bool
is_listed(struct service *service, const struct session_event *event)
{
	const struct policy_anchor *anchor = NULL;

	if (service->generation)
		anchor = policy_trust_anchor(service->generation->policy->trust, event->anchor,
					     event->generation);
	if (!anchor)
		return true;
	if (anchor->unknown == POLICY_UNKNOWN_CREATE)
		return !created_devices_ask(service, anchor, event);
	return anchor->unknown == POLICY_UNKNOWN_LIST;
}

/* For who watches: somebody was not let in. */
static void
feed_outsider(struct service *service, const struct session_event *event, enum feed_kind kind)
{
	struct feed_event fed = { .kind = kind,
				  .at_ms = clock_wall_ms(event->time_us, dataplane_now_us()),
				  .device = event->device,
				  .peer = event->peer,
				  .what = event->cause,
				  .verdict = event->code,
				  .name_len = event->name_len };

	if (!service->feed.readers)
		return;
	if (fed.name_len > sizeof fed.name)
		fed.name_len = sizeof fed.name;
	memcpy(fed.name, event->name, fed.name_len);
	feed_put(&service->feed, &fed);
}

static void
on_rejected(struct service *service, const struct session_event *event)
{
	rejected_devices_see(service->rejected, event,
			     clock_wall_ms(event->time_us, dataplane_now_us()));
	feed_outsider(service, event, FEED_REJECTED);
	if (service->deliveries.conf)
		deliveries_tell_outsider(service, event, EVENT_REJECTED);
}

static void
on_unknown(struct service *service, const struct session_event *event)
{
	char peer[ADDRESS_TEXT_MAX];

	if (!is_listed(service, event))
		return;
	unknown_devices_see(service->unknowns, event,
			    clock_wall_ms(event->time_us, dataplane_now_us()));
	feed_outsider(service, event, FEED_UNKNOWN);
	if (service->deliveries.conf)
		deliveries_tell_outsider(service, event, EVENT_UNKNOWN);
	if (log_level() < SEVERITY_DEBUG)
		return;
	address_format_peer(&event->peer, peer);
	log_event(SEVERITY_DEBUG, LOG_EVENT_device_unknown, NULL, "unknown device from %s", peer);
}

/* ---- all of them ---- */

static void
handle(struct service *service, const struct session_event *event, unsigned worker)
{
	struct device *device;

	if (event->kind == SESSION_UNKNOWN) {
		on_unknown(service, event);
		return;
	}
	if (event->kind == SESSION_UNSERVED) {
		unserved_peers_see(service->unserved, event,
				   clock_wall_ms(event->time_us, dataplane_now_us()));
		return;
	}
	device = inventory_at(&service->inventory, event->device);
	if (!device) {
		if (event->kind == SESSION_NEEDS_BATCH)
			on_demand_refuse(service, event, worker);
		return;
	}
	switch ((enum session_event_kind)event->kind) {
	case SESSION_UNKNOWN:
	case SESSION_UNSERVED:
		break; /* of no device */
	case SESSION_STARTED:
		on_started(service, device, event, worker);
		break;
	case SESSION_NEEDS_BATCH:
		on_needs_batch(service, device, event, worker);
		break;
	case SESSION_FINISHED:
		on_finished(service, device, event, worker);
		break;
	case SESSION_FAILED:
		on_failed(service, device, event, worker);
		break;
	case SESSION_REFUSED:
		on_refused(service, device, event, worker);
		break;
	case SESSION_DIAGNOSTIC:
		on_diagnostic(device, event, worker);
		break;
	case SESSION_REJECTED:
		on_rejected(service, event);
		break;
	}
}

/* With a million devices each is in main memory: waits for those of all events together. */
static void
fetch_devices(const struct service *service, const struct session_event *events, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct device *device = inventory_at(&service->inventory, events[i].device);

		if (device && device->live)
			__builtin_prefetch(device->live);
	}
}

static void
end_all_superseded(struct service *service)
{
	struct device_ring *ring = &service->replica.superseded_devices;

	while (ring->count) {
		struct device *device = inventory_at(&service->inventory, device_ring_take(ring));

		/* It may have ended by itself, and another have begun. */
		if (device && device->live && device->live->superseded)
			end_superseded(service, device);
	}
}

unsigned
events_take(struct service *service)
{
	struct session_event events[EVENTS_AT_ONCE];
	uint16_t workers[EVENTS_AT_ONCE];
	uint64_t until_us = clock_now_us() + EVENTS_US;
	unsigned taken = 0, n;

	end_all_superseded(service);
	do {
		n = dataplane_events(service->dp, events, workers, EVENTS_AT_ONCE);
		fetch_devices(service, events, n);
		for (unsigned i = 0; i < n; i++)
			handle(service, &events[i], workers[i]);
		taken += n;
		service->events_left = n > 0;
	} while (n && taken < EVENTS_A_TURN && clock_now_us() < until_us);
	return taken;
}
