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

/* Which of two reports of one task and device counts: the run that ended later, or what was said of it later without a run. */
enum which {
	WHICH_SAME,
	WHICH_OLDER,
	WHICH_NEWER,
};

/*
 * Members agree on that, whatever order reports come in, and so does the database (cluster_report.c). Ends are by each
 * member's clock; of two in the same millisecond the higher member's number counts.
 */
static enum which
compare(const struct service *service, const struct report *present,
	const struct cluster_report *report)
{
	uint64_t ended_ms = report->finished_ms ? report->finished_ms : report->at_ms, here_ms;
	uint32_t member;

	if (!present)
		return WHICH_NEWER;
	here_ms = report_finished_ms(present) ? report_finished_ms(present) : present->started_ms;
	member = present->member ? present->member : cluster_member_number(service->cluster);
	if (ended_ms == here_ms && report->member == member)
		return WHICH_SAME;
	return ended_ms > here_ms || (ended_ms == here_ms && report->member > member) ? WHICH_NEWER
										      : WHICH_OLDER;
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
	device->seen_elsewhere = true;
	device->last_bootstrap_ms = report->started_ms;
	if (service->store)
		store_put_visit(service->store, device_id(device), report->started_ms,
				device->format);
}

/* Another member has a run of the device. From now on workers ask before what is done once. */
static void
take_claim(struct service *service, struct device *device, const struct cluster_report *report)
{
	take_visit(service, device, report);
	if (!(device->entry->flags & DEVICE_PER_SESSION) &&
	    member_claims_are_due(service, device, device->plan))
		renew(service, device);
}

static void
take_report(struct service *service, struct device *device, const struct cluster_report *report,
	    bool old)
{
	uint32_t task = reports_find_task(&service->reports, report->group, report->task);
	struct report_change change = {
		.device = device_id(device),
		.task = task,
		.status = (enum task_status)report->status,
		.member = report->member,
		.started_ms = report->started_ms ? report->started_ms : report->at_ms,
		.finished_ms = report->finished_ms,
		.summary = report->summary,
		.old = old,
	};
	enum which which;

	/* A task that this member has not. */
	if (task == NAMES_NONE || report->status >= REPORT_STATUSES)
		return;
	which = compare(service, reports_find(&service->reports, task, device_id(device)), report);
	if (which == WHICH_SAME)
		return;
	change.late = which == WHICH_OLDER;
	reports_set(&service->reports, &change);
	take_visit(service, device, report);
	if (which == WHICH_NEWER)
		renew(service, device);
}

static void
take(struct service *service, const struct cluster_report *report, bool old)
{
	struct device *device = inventory_find(&service->inventory, report->endpoint);

	if (!device)
		return;
	if (!old)
		member_claims_take(service, device, report);
	if (member_claims_is_one(report))
		take_claim(service, device, report);
	else if (!device->live || device->live->superseded)
		take_report(service, device, report, old);
	/* else what it does itself at this moment */
}

void
member_reports_learn(struct service *service, struct device *device, const struct records *records)
{
	struct records_at at = { 0 };
	const struct report_record *record;

	while ((record = records_next(records, &at))) {
		struct cluster_report report;

		cluster_report_of(record, &report);
		take_report(service, device, &report, false);
	}
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
