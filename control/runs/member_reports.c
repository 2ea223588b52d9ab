#include "control/runs/member_reports.h"

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/cluster/cluster_report.h"
#include "control/log.h"
#include "control/runs/member_claims.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"
#include "control/slice.h"

enum { TAKE_SLICE = 500 };

void
member_reports_send(struct service *service, const struct device *device,
		    const struct report_change *change)
{
	const struct report_task *task = &service->reports.tasks[change->task];
	char endpoint[ENDPOINT_NAME_MAX + 1];
	const struct cluster_report report = {
		.endpoint = endpoint,
		.group = task->group,
		.task = task->name,
		.summary = change->summary,
		.status = (uint8_t)change->status,
		.started_ms = change->started_ms,
		.finished_ms = change->finished_ms,
		.at_ms = clock_now_ms(),
	};

	/* One that is in progress is over in a moment. */
	if (!cluster_is_joined(service->cluster) || change->status == TASK_IN_PROGRESS ||
	    task->forgotten)
		return;
	device_endpoint(device, endpoint);
	cluster_put_report(service->cluster, &report);
}

/* Whether what is known here says more. */
static bool
is_newer_here(const struct report *present, const struct cluster_report *report)
{
	uint64_t here;

	if (!present)
		return false;
	here = report_finished_ms(present) ? report_finished_ms(present) : present->started_ms;
	return here >= report->at_ms ||
	       (present->started_ms == report->started_ms && present->status == report->status);
}

/* A task that is done until it is rerun, or that is to run again, changes what the device gets. */
static void
renew(struct service *service, struct device *device)
{
	bool renewed = false;

	for (unsigned i = 0; device->plan && i < device->plan->n_tasks; i++)
		renewed |= device->plan->tasks[i].task->repetition == REPETITION_ONCE ||
			   !device->plan->tasks[i].task->automatic_restart;
	if (renewed && publish_device(service, device) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a device keeps a task that it has done elsewhere: out of memory");
}

static void
take_visit(struct service *service, struct device *device, const struct cluster_report *report)
{
	if (report->started_ms <= device->last_bootstrap_ms)
		return;
	device->last_bootstrap_ms = report->started_ms;
	if (service->store)
		store_put_visit(service->store, device_id(device), report->started_ms,
				device->format);
}

static void
take(struct service *service, const struct cluster_report *report, bool old)
{
	struct device *device = inventory_find(&service->inventory, report->endpoint);
	uint32_t task = reports_find_task(&service->reports, report->group, report->task);
	const struct report_change change = {
		.device = device ? device_id(device) : 0,
		.task = task,
		.status = (enum task_status)report->status,
		.member = report->member,
		.started_ms = report->started_ms,
		.finished_ms = report->finished_ms,
		.summary = report->summary,
		.old = old,
	};

	if (device && !old)
		member_claims_take(service, device, report);
	/* Devices that are gone, tasks that this member has not, what it does itself at this moment. */
	if (!device || task == NAMES_NONE || report->status >= REPORT_STATUSES ||
	    member_claims_is_one(report) || (device->live && !device->live->superseded))
		return;
	if (old && is_newer_here(reports_find(&service->reports, task, device_id(device)), report))
		return;
	reports_set(&service->reports, &change);
	take_visit(service, device, report);
	renew(service, device);
}

void
member_reports_take(struct service *service, const struct records *records, bool old)
{
	struct records_at at = { 0 };
	const struct report_record *record;
	struct slice slice = { 0 };

	while ((record = records_next(records, &at))) {
		struct cluster_report report;

		cluster_report_of(record, &report);
		take(service, &report, old);
		if (slice_is_over(&slice, TAKE_SLICE))
			slice_pump(&slice, &service->pump);
	}
}
