#include "control/runs/generation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/policy/folder_hash.h"

/*
 * No such folder is worth a warning only: the sample names one that is empty until somebody needs
 * it.
 */
static void
load_objects(struct generation *generation, const char *folder, struct diag_list *diags)
{
	struct place place = { .file = folder };

	generation->objects = objects_new();
	generation->objects_hash = folder_hash(folder);
	if (!generation->objects)
		diag_error(diags, &place, "out of memory");
	else if (access(folder, F_OK) < 0 && errno == ENOENT)
		diag_warning(diags, &place, "there is no such folder of object definitions");
	else if (objects_load_folder(generation->objects, folder, diags) < 0)
		diag_error(diags, &place, "the folder of object definitions cannot be read");
}

static void
check_resources(struct generation *generation, struct diag_list *diags)
{
	if (!generation->policy || !generation->resources)
		return;
	for (const struct policy_file *file = generation->policy->files; file; file = file->next)
		if (file->task)
			resources_check(generation->resources, file->task, diags);
}

struct generation *
generation_load_changed(const struct config *config, const struct generation_source *source,
			struct diag_list *diags)
{
	struct generation *generation = calloc(1, sizeof *generation);
	struct place place = { .file = config->file };
	size_t errors = diags->errors;

	if (!generation) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	generation->number = source->number;
	generation->holders = 1;
	arena_init(&generation->arena, 0);
	load_objects(generation, config->objects, diags);
	if (config->outbox)
		generation->delivery = delivery_conf_load(config->outbox, diags);
	if (generation->objects) {
		generation->policy =
			policy_load_changed(config->policy, source->changed, source->n_changed,
					    generation->objects, &generation->arena, diags);
		generation->compiler = compiler_new(generation->objects, source->number);
		generation->resources = resources_load(config->policy, &generation->arena, diags);
		if (!generation->compiler || !generation->resources)
			diag_error(diags, &place, "out of memory");
		check_resources(generation, diags);
	}
	if (diags->errors == errors)
		return generation;
	generation_release(generation);
	return NULL;
}

struct generation *
generation_load(const struct config *config, uint32_t number, struct diag_list *diags)
{
	return generation_load_changed(config, &(struct generation_source){ .number = number },
				       diags);
}

void
generation_find_tasks(struct generation *generation, const struct reports *reports)
{
	for (unsigned i = 0; i < generation->policy->n_groups; i++) {
		struct policy_group *group = &generation->policy->groups[i];

		for (unsigned k = 0; k < group->n_tasks; k++)
			group->tasks[k].report =
				reports_find_task(reports, group->name, group->tasks[k].name);
	}
}

int
generation_number_tasks(struct generation *generation, struct reports *reports)
{
	for (unsigned i = 0; i < generation->policy->n_groups; i++) {
		struct policy_group *group = &generation->policy->groups[i];

		for (unsigned k = 0; k < group->n_tasks; k++) {
			struct policy_task *task = &group->tasks[k];

			task->report = reports_task(reports, group->name, task->name, task->id);
			if (task->report == NAMES_NONE)
				return -ENOMEM;
		}
	}
	return 0;
}

void
generation_forget_other_tasks(const struct generation *generation, struct reports *reports)
{
	const struct policy *policy = generation->policy;

	reports_begin_tasks(reports);
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			reports_want_task(reports, policy->groups[i].tasks[k].report);
	reports_forget_others(reports);
}

void
generation_hold(struct generation *generation)
{
	generation->holders++;
}

void
generation_release(struct generation *generation)
{
	assert(generation->holders);
	if (--generation->holders)
		return;
	free(generation->sets);
	policy_free(generation->policy);
	delivery_conf_release(generation->delivery);
	if (generation->compiler)
		compiler_free(generation->compiler);
	for (unsigned i = 0; i < WORK_THREADS_MAX; i++)
		compiler_free(generation->others[i]);
	if (generation->objects)
		objects_free(generation->objects);
	arena_fini(&generation->arena);
	free(generation);
}

struct compiler *
generation_compiler(struct generation *generation, unsigned thread)
{
	struct compiler **other = &generation->others[thread];

	assert(thread < WORK_THREADS_MAX);
	if (!thread)
		return generation->compiler;
	if (!*other)
		*other = compiler_new(generation->objects, generation->number);
	return *other;
}

static int
make_sets(struct generation *generation, uint32_t count)
{
	struct task_set *sets = realloc(generation->sets, count * sizeof *sets);

	if (!sets)
		return -ENOMEM;
	memset(sets + generation->n_sets, 0, (count - generation->n_sets) * sizeof *sets);
	generation->sets = sets;
	generation->n_sets = count;
	return 0;
}

const struct task_set *
generation_task_set(struct generation *generation, const struct inventory *inventory,
		    uint32_t groups)
{
	struct task_set *set;

	if (groups >= generation->n_sets && make_sets(generation, inventory->groups.capacity) < 0)
		return NULL;
	set = &generation->sets[groups];
	if (!set->known) {
		if (task_set_resolve(set, generation->policy,
				     names_text(&inventory->groups, groups),
				     &generation->arena) < 0)
			return NULL;
		set->fingerprint ^=
			generation->objects_hash ^ resources_hash(generation->resources) * 31;
	}
	return set;
}

bool
generation_changes(struct generation *before, struct generation *now,
		   const struct inventory *inventory, uint32_t groups)
{
	const struct task_set *old = generation_task_set(before, inventory, groups);
	const struct task_set *new = generation_task_set(now, inventory, groups);

	return !old || !new || old->fingerprint != new->fingerprint;
}

static const struct device *
device_in(const struct inventory *inventory, uint32_t groups)
{
	struct device *device;

	for (uint32_t id = 0; (device = inventory_next(inventory, &id)); id++)
		if (device->groups == groups)
			return device;
	return NULL;
}

void
generation_check_groups(struct generation *generation, const struct inventory *inventory,
			struct diag_list *diags)
{
	for (uint32_t i = 0; i < inventory->n_group_devices && i < inventory->groups.count; i++) {
		struct place place = { .tag = "groups" };
		const struct task_set *set;
		char endpoint[ENDPOINT_NAME_MAX + 1];

		if (!inventory->group_devices[i])
			continue;
		set = generation_task_set(generation, inventory, i);
		if (!set)
			diag_error(diags, &place, "out of memory");
		else if (set->missing)
			diag_error(
				diags, &place,
				"there is no group \"%s\", but %u devices are in it, such as %s: "
				"keep it, or move them by `device edit` first",
				set->missing, inventory->group_devices[i],
				device_endpoint(device_in(inventory, i), endpoint));
	}
}

void
generation_check_nosec(const struct config *config, const struct inventory *inventory,
		       struct diag_list *diags)
{
	for (unsigned i = 0; i < config->n_listeners && inventory->nosec; i++) {
		const struct config_listener *listener = &config->listeners[i];
		const struct place place = { .file = config->file,
					     .line = listener->line,
					     .tag = "listeners" };

		if (listener->security != LISTENER_NOSEC || listener->allow_keyed_devices)
			continue;
		diag_warning(diags, &place,
			     "%u device%s served here whatever key %s: to anyone who names one; "
			     "`device list --nosec` shows them, `device edit NAME --nosec off` "
			     "ends it",
			     inventory->nosec, inventory->nosec == 1 ? " is" : "s are",
			     inventory->nosec == 1 ? "it has" : "they have");
	}
}

static void
reset_counts(struct policy *policy)
{
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			policy->groups[i].tasks[k].devices = 0;
}

void
generation_count_devices(struct generation *generation, const struct inventory *inventory)
{
	reset_counts(generation->policy);
	for (uint32_t i = 0; i < inventory->n_group_devices && i < inventory->groups.count; i++) {
		const struct task_set *set = inventory->group_devices[i]
						     ? generation_task_set(generation, inventory, i)
						     : NULL;

		/* The policy's own field; only this thread looks at it. */
		for (unsigned k = 0; set && k < set->n_tasks; k++)
			((struct policy_task *)(uintptr_t)set->tasks[k])->devices +=
				inventory->group_devices[i];
	}
}
