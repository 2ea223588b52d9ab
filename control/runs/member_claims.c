#include "control/runs/member_claims.h"

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/cluster/cluster_report.h"
#include "control/log.h"
#include "control/runs/service.h"

/* A claim travels as a report of no task. */
static const char no_task[] = "";

static void
claim(struct service *service, struct device *device)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];
	const struct cluster_report ours = {
		.endpoint = endpoint,
		.group = no_task,
		.task = no_task,
		.summary = "",
		.status = TASK_IN_PROGRESS,
		.started_ms = device->live->started_ms,
		.at_ms = clock_now_ms(),
	};

	device->seen_here = true;
	device_endpoint(device, endpoint);
	cluster_put_report(service->cluster, &ours);
}

void
member_claims_begin(struct service *service, struct device *device)
{
	if (cluster_is_joined(service->cluster) && !device->seen_here)
		claim(service, device);
}

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
