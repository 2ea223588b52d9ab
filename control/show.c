#include "control/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tasks/diag.h"

enum { NEAREST_AMONG = 1000 }; /* devices that are looked at for the nearest name */

const char *
show_time(uint64_t ms, char out[SHOW_TIME_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	if (!ms || !strftime(out, SHOW_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, SHOW_TIME_MAX, "-");
	return out;
}

static void
refuse_device(struct call *call, const char *name)
{
	const struct inventory *inventory = &call->daemon->inventory;
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
	call_refuse(call, CTL_REFUSED, "there is no device \"%s\"%s%s%s", name,
		    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		    nearest ? "\"?" : "");
	free(endpoints);
}

struct device *
call_device(struct call *call)
{
	struct device *device = inventory_find(&call->daemon->inventory, call->arguments[0]);

	if (!device)
		refuse_device(call, call->arguments[0]);
	return device;
}

const struct policy_group *
call_group(struct call *call, const char *name)
{
	const struct policy *policy = call->daemon->generation->policy;
	const struct policy_group *group = policy_group(policy, name, strlen(name));
	const char *nearest = group ? NULL : policy_nearest_group(policy, name);

	if (!group)
		call_refuse(call, CTL_REFUSED, "there is no group \"%s\"%s%s%s", name,
			    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			    nearest ? "\"?" : "");
	return group;
}

/* What calls look for among all tasks. */
struct task_search {
	const char *wanted;
	const struct policy_task *by_id, *by_name;
	unsigned names;
};

static void
search_group(const struct policy_group *group, struct task_search *search)
{
	for (unsigned i = 0; i < group->n_tasks; i++) {
		const struct policy_task *task = &group->tasks[i];

		if (strcmp(task->id, search->wanted) == 0)
			search->by_id = task;
		if (strcmp(task->name, search->wanted) == 0) {
			search->by_name = task;
			search->names++;
		}
	}
}

const struct policy_task *
call_task(struct call *call)
{
	const struct policy *policy = call->daemon->generation->policy;
	struct task_search search = { .wanted = call->arguments[0] };

	for (unsigned i = 0; i < policy->n_groups; i++)
		search_group(&policy->groups[i], &search);
	if (search.by_id)
		return search.by_id;
	if (search.names == 1)
		return search.by_name;
	if (search.names)
		call_refuse(call, CTL_REFUSED,
			    "%u tasks are named \"%s\": say which by its id (`task list`)",
			    search.names, search.wanted);
	else
		call_refuse(call, CTL_REFUSED, "there is no task \"%s\": `task list` shows them",
			    search.wanted);
	return NULL;
}

static bool
append_group(void *ctx, const char *name, size_t len)
{
	json_array_append_new(ctx, json_stringn(name, len));
	return true;
}

json_t *
show_groups_json(const struct inventory *inventory, const struct device *device)
{
	json_t *groups = json_array();

	group_list_each(device_groups(inventory, device), append_group, groups);
	return groups;
}
