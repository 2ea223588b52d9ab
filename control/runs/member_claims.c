#include "control/runs/member_claims.h"

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/cluster/cluster_report.h"
#include "control/log.h"
#include "control/runs/service.h"

/* A claim travels as a report of no task. */
static const char no_task[] = "";

static void
tell(struct service *service, const char *endpoint, uint64_t started_ms, const char *what)
{
	const struct cluster_report ours = {
		.endpoint = endpoint,
		.group = no_task,
		.task = no_task,
		.summary = what,
		.status = TASK_IN_PROGRESS,
		.started_ms = started_ms,
		.at_ms = clock_now_ms(),
	};

	cluster_put_report(service->cluster, &ours);
}

static void
claim(struct service *service, struct device *device)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];

	device->seen_here = true;
	tell(service, device_endpoint(device, endpoint), device->live->started_ms,
	     device->live->claimed ? CLUSTER_CLAIM_ONCE : "");
}

/* ---- what is done once ---- */

/* Something of the plan is done until it is rerun, and was not. */
static bool
has_once(const struct plan *plan)
{
	for (unsigned i = 0; plan && i < plan->n_tasks; i++) {
		const struct plan_task *task = &plan->tasks[i];

		if (task->state == PLAN_SENT &&
		    (task->task->repetition == REPETITION_ONCE || !task->task->automatic_restart))
			return true;
	}
	return false;
}

bool
member_claims_are_due(const struct service *service, const struct device *device,
		      const struct plan *plan)
{
	uint64_t now_ms;

	if (!device->seen_elsewhere || !cluster_is_joined(service->cluster) || !has_once(plan))
		return false;
	now_ms = clock_now_ms();
	return device->last_bootstrap_ms > now_ms ||
	       now_ms - device->last_bootstrap_ms < CLAIM_LATELY_MS;
}

void
member_claims_begin(struct service *service, struct device *device)
{
	struct live_session *live = device->live;

	if (!cluster_is_joined(service->cluster))
		return;
	live->must_claim = member_claims_are_due(service, device, device->plan);
	live->claimed = has_once(device->plan);
	device->seen_elsewhere = false;
	if (!device->seen_here || live->claimed)
		claim(service, device);
}

void
member_claims_let_go(struct service *service, const char *endpoint, uint64_t started_ms)
{
	tell(service, endpoint, started_ms, CLUSTER_CLAIM_OVER);
}

void
member_claims_end(struct service *service, struct device *device)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];

	/* It has done nothing: the device's next request, which may have ended it, waits as well. */
	if (device->live->waits_claim)
		device->seen_elsewhere = true;
	if (device->live->claimed)
		member_claims_let_go(service, device_endpoint(device, endpoint),
				     device->live->started_ms);
}

/* ---- what other members have ---- */

bool
member_claims_is_one(const struct cluster_report *report)
{
	return !*report->task && !*report->group;
}

void
member_claims_take(struct service *service, struct device *device,
		   const struct cluster_report *report)
{
	struct live_session *live = device->live;
	uint64_t ours_ms = live ? live->started_ms : device->last_bootstrap_ms;

	/* It does not know of ours, which was not told if the device had seemed to stay here. */
	if (live && member_claims_is_one(report) && report->started_ms < ours_ms)
		claim(service, device);
	if (report->started_ms <= ours_ms)
		return;
	device->seen_here = false;
	if (!live || live->superseded)
		return;
	if (device_ring_put(&service->replica.superseded_devices, device_id(device)) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "an older run of a device goes on: out of memory");
		return;
	}
	live->superseded = true;
	service->replica.superseded++;
}
