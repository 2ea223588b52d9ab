#include "control/runs/costly_tasks.h"

#include <stdlib.h>
#include <string.h>

#include "control/runs/device_run.h"
#include "control/runs/service.h"
#include "control/slice.h"

enum { SLICE_DEVICES = 1000 };

/* One check of a generation. */
struct trying {
	struct service *service;
	struct generation *generation;
	struct diag_list *diags;
	struct slice slice;
	bool *seen; /* lists of groups of which a device was tried */
	uint32_t n_seen;
	uint32_t concerned, tried;
	bool found;
};

const struct policy_task *
costly_task(struct service *service, struct generation *generation, const struct device *device)
{
	const struct policy_task *costly = NULL;
	struct run_memory memory;
	struct run_request request = { .device = device,
				       .generation = generation,
				       .format = FORMAT_TLV,
				       .preview = true,
				       .regardless = true,
				       .memory = &memory };
	const struct task_set *set =
		generation_task_set(generation, &service->inventory, device->groups);
	struct device_run run;

	if (set && !set->patterns)
		return NULL;
	run_memory_init(&memory);
	if (device_run_make(service, &request, &run) == 0) {
		costly = run.costly;
		device_run_free(&service->plans, &run);
	}
	run_memory_fini(&memory);
	return costly;
}

static const struct policy_value *
find_value(const struct policy_group *group, const char *name)
{
	for (unsigned i = 0; group && i < group->values.count; i++)
		if (strcmp(group->values.items[i].name, name) == 0)
			return &group->values.items[i];
	return NULL;
}

/* The first value of the group, or of one above it, that is not what it was; *group: whose. */
static const struct policy_value *
changed_value(const struct policy *before, const struct policy_group **group)
{
	for (; *group; *group = (*group)->parent) {
		const struct policy_group *old =
			policy_group(before, (*group)->name, strlen((*group)->name));

		for (unsigned i = 0; i < (*group)->values.count; i++) {
			const struct policy_value *value = &(*group)->values.items[i];
			const struct policy_value *was = find_value(old, value->name);

			if (!was || strcmp(was->text, value->text) != 0)
				return value;
		}
	}
	return NULL;
}

/* What the task is of, and the value that may have made it so. */
static void
tell(const struct trying *trying, const struct policy_task *task, const struct device *device)
{
	const struct policy *before = trying->service->generation->policy;
	const struct task_set *set = generation_task_set(
		trying->generation, &trying->service->inventory, device->groups);
	const struct policy_group *group = NULL;
	const struct policy_value *value = NULL;
	struct place place = { .tag = task->group->name };
	char endpoint[ENDPOINT_NAME_MAX + 1];

	for (unsigned i = 0; set && !value && i < set->n_groups; i++) {
		group = set->groups[i];
		value = changed_value(before, &group);
	}
	device_endpoint(device, endpoint);
	if (value)
		diag_error(trying->diags, &place,
			   "with value \"%s\" of group %s task %s (%s) takes too long for devices "
			   "such as %s: a pattern of it has too many ways to match",
			   value->name, group->name, task->name, task->id, endpoint);
	else
		diag_error(trying->diags, &place,
			   "task %s (%s) takes too long for devices such as %s: a pattern of it "
			   "has too many ways to match",
			   task->name, task->id, endpoint);
}

static void
try_device(struct trying *trying, const struct device *device)
{
	struct service *service = trying->service;
	const struct policy_task *now = costly_task(service, trying->generation, device), *before;

	trying->tried++;
	if (!now)
		return;
	/* What was so already must not stand in the way of other changes. */
	before = costly_task(service, service->generation, device);
	trying->found = !before || strcmp(before->name, now->name) != 0 ||
			strcmp(before->group->name, now->group->name) != 0;
	if (trying->found)
		tell(trying, now, device);
	slice_pump(&trying->slice, &service->pump); /* it took its time */
}

/* Every `stride`-th of the devices that are concerned, or, where it is 0, one of each list of groups. */
static void
try_devices(struct trying *trying, uint32_t stride)
{
	struct service *service = trying->service;
	struct inventory *inventory = &service->inventory;
	struct device *device;
	uint32_t n = 0;

	for (uint32_t id = 0; (device = inventory_next(inventory, &id)); id++) {
		if (trying->found || trying->tried == COSTLY_TRIED_MAX || service->stopping)
			return;
		if (generation_changes(service->generation, trying->generation, inventory,
				       device->groups)) {
			bool fresh = !stride && device->groups < trying->n_seen &&
				     !trying->seen[device->groups];

			if (fresh)
				trying->seen[device->groups] = true;
			if (fresh || (stride && n % stride == 0))
				try_device(trying, device);
			n++;
		}
		if (slice_is_over(&trying->slice, SLICE_DEVICES))
			slice_pump(&trying->slice, &service->pump);
	}
	trying->concerned = n;
}

void
costly_tasks_check(struct service *service, struct generation *generation, struct diag_list *diags)
{
	struct trying trying = { .service = service,
				 .generation = generation,
				 .diags = diags,
				 .n_seen = service->inventory.groups.count };
	uint32_t left;

	trying.seen = calloc(trying.n_seen + 1, sizeof *trying.seen);
	if (!trying.seen) {
		diag_error(diags, &(struct place){ .tag = "groups" }, "out of memory");
		return;
	}
	try_devices(&trying, 0);
	left = COSTLY_TRIED_MAX - trying.tried;
	if (left && trying.concerned)
		try_devices(&trying, trying.concerned / left + 1);
	free(trying.seen);
}
