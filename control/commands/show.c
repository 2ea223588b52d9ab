#include "control/commands/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/cluster/cluster.h"
#include "tasks/diag.h"
#include "tasks/show.h"

enum { NEAREST_AMONG = 1000 }; /* devices that are looked at for the nearest name */

const char *
show_time(uint64_t ms, char out[SHOW_TIME_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	if (!ms || !strftime(out, SHOW_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, SHOW_TIME_MAX, "-");
	return out;
}

bool
show_nearest_device(const struct service *service, const char *name,
		    char out[ENDPOINT_NAME_MAX + 1])
{
	const struct inventory *inventory = &service->inventory;
	const char *candidates[NEAREST_AMONG];
	char(*endpoints)[ENDPOINT_NAME_MAX + 1] = calloc(NEAREST_AMONG, sizeof *endpoints);
	const struct device *device;
	const char *nearest;
	size_t n = 0;

	for (uint32_t id = 0;
	     endpoints && n < NEAREST_AMONG && (device = inventory_next(inventory, &id)); id++) {
		candidates[n] = device_endpoint(device, endpoints[n]);
		n++;
	}
	nearest = diag_nearest(name, candidates, n);
	if (nearest)
		memcpy(out, nearest, strlen(nearest) + 1);
	free(endpoints);
	return nearest != NULL;
}

static void
refuse_device(struct call *call, const char *name)
{
	char nearest[ENDPOINT_NAME_MAX + 1];
	bool found = show_nearest_device(call->service, name, nearest);

	call_refuse(call, CTL_REFUSED, "there is no device \"%s\"%s%s%s", name,
		    found ? "; did you mean \"" : "", found ? nearest : "", found ? "\"?" : "");
}

struct device *
show_find_device(const struct service *service, const char *name)
{
	struct device *device = inventory_find(&service->inventory, name);
	char bytes[4 * ENDPOINT_NAME_MAX + 1];
	size_t len;

	if (device || strlen(name) >= sizeof bytes)
		return device;
	memcpy(bytes, name, strlen(name) + 1);
	len = show_undo(bytes, strlen(name));
	bytes[len] = '\0';
	return strlen(bytes) == len ? inventory_find(&service->inventory, bytes) : NULL;
}

struct device *
call_device(struct call *call)
{
	struct device *device = show_find_device(call->service, call->arguments[0]);

	if (!device)
		refuse_device(call, call->arguments[0]);
	return device;
}

const struct policy_group *
call_group(struct call *call, const char *name)
{
	const struct policy *policy = call->service->generation->policy;
	const struct policy_group *group = policy_group(policy, name, strlen(name));

	if (!group)
		call_refuse_group(call, name);
	return group;
}

const struct policy_task *
call_task(struct call *call)
{
	const struct policy_task *task =
		policy_task_find(call->service->generation->policy, call->arguments[0]);

	if (!task)
		call_refuse_task(call, call->arguments[0]);
	return task;
}

json_t *
show_json(const char *text, size_t len)
{
	struct text shown = { 0 };
	json_t *json = json_stringn(text, len);

	if (json)
		return json;
	text_put_untrusted(&shown, text, len);
	json = json_string(text_str(&shown));
	text_fini(&shown);
	return json;
}

static bool
append_group(void *ctx, const char *name, size_t len)
{
	json_array_append_new(ctx, show_json(name, len));
	return true;
}

json_t *
show_groups_json(const struct inventory *inventory, const struct device *device)
{
	json_t *groups = json_array();

	group_list_each(device_groups(inventory, device), append_group, groups);
	return groups;
}

uint32_t
show_report_member(const struct service *service, const struct report *report)
{
	if (!cluster_is_joined(service->cluster))
		return 0;
	return report->member ? report->member : cluster_member_number(service->cluster);
}

json_t *
show_report_json(const struct service *service, const struct report *report)
{
	const struct report_task *task = &service->reports.tasks[report->task];
	const struct device *device = inventory_at(&service->inventory, report->device);
	const char *summary = reports_summary(&service->reports, report);
	char endpoint[ENDPOINT_NAME_MAX + 1] = "(removed)";
	uint32_t took = report->took_ms == REPORT_UNFINISHED ? 0 : report->took_ms;
	uint32_t member = show_report_member(service, report);

	if (device)
		device_endpoint(device, endpoint);
	return json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:I, s:I, s:I, s:o*}", "device",
			 show_json(endpoint, strlen(endpoint)), "task",
			 show_json(task->id, strlen(task->id)), "name",
			 show_json(task->name, strlen(task->name)), "group", task->group, "status",
			 task_status_name(report->status), "summary",
			 show_json(summary, strlen(summary)), "started_ms",
			 (json_int_t)report_began_ms(report), "finished_ms",
			 (json_int_t)report_finished_ms(report), "duration_ms", (json_int_t)took,
			 "member", member ? json_integer((json_int_t)member) : NULL);
}
