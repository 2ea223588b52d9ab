#include "control/runs/member_unsent.h"

#include "control/cluster/cluster_unsent.h"
#include "control/runs/service.h"

enum { LOOKS_A_TURN = 20000 }; /* about a millisecond */

/* When it ended, or when that was said which is of no run. */
static uint64_t
ended_ms(const struct report *report)
{
	return report_finished_ms(report) ? report_finished_ms(report) : report->started_ms;
}

static void
send(struct service *service, const struct device *device, const struct report *report)
{
	const struct report_task *task = &service->reports.tasks[report->task];
	char endpoint[ENDPOINT_NAME_MAX + 1];
	const struct cluster_report ours = {
		.endpoint = device_endpoint(device, endpoint),
		.group = task->group,
		.task = task->name,
		.summary = reports_summary(&service->reports, report),
		.status = (uint8_t)report->status,
		.started_ms = report_began_ms(report),
		.finished_ms = report_finished_ms(report),
		.at_ms = ended_ms(report),
	};

	if (cluster_was_sent(service->cluster, &ours))
		return;
	service->replica.unsent.found++;
	cluster_put_report(service->cluster, &ours);
}

static void
look_at(struct service *service, const struct device *device, uint64_t from_ms, uint64_t to_ms)
{
	for (uint32_t task = 0; task < service->reports.n_tasks; task++) {
		const struct report *report =
			reports_find(&service->reports, task, device_id(device));

		if (task != REPORT_NO_TASK && report && !report->member &&
		    report->status != TASK_IN_PROGRESS && !service->reports.tasks[task].forgotten &&
		    ended_ms(report) >= from_ms && ended_ms(report) < to_ms)
			send(service, device, report);
	}
}

void
member_unsent_turn(struct service *service)
{
	struct member_unsent *unsent = &service->replica.unsent;
	const uint32_t looks = service->reports.n_tasks + 1;
	uint64_t from_ms, to_ms;
	struct device *device;

	if (unsent->ended || !cluster_unsent(service->cluster, &from_ms, &to_ms))
		return;
	if (from_ms >= to_ms)
		unsent->next = UINT32_MAX; /* it has joined since */
	for (uint32_t n = 0; n < LOOKS_A_TURN; n += looks, unsent->next++) {
		device = inventory_next(&service->inventory, &unsent->next);
		if (!device) {
			unsent->ended = true;
			cluster_unsent_end(service->cluster);
			return;
		}
		look_at(service, device, from_ms, to_ms);
	}
}
