#include "control/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/run.h"

/*
 * No such folder is worth a warning only: the sample names one that is empty until somebody needs
 * it.
 */
static void
load_objects(struct generation *generation, const char *folder, struct diag_list *diags)
{
	struct place place = { .file = folder };

	generation->objects = objects_new();
	if (!generation->objects)
		diag_error(diags, &place, "out of memory");
	else if (access(folder, F_OK) < 0 && errno == ENOENT)
		diag_warning(diags, &place, "there is no such folder of object definitions");
	else if (objects_load_folder(generation->objects, folder, diags) < 0)
		diag_error(diags, &place, "the folder of object definitions cannot be read");
}

struct generation *
generation_load(const struct config *config, uint32_t number, struct diag_list *diags)
{
	struct generation *generation = calloc(1, sizeof *generation);
	struct place place = { .file = config->file };
	size_t errors = diags->errors;

	if (!generation) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	generation->number = number;
	generation->holders = 1;
	arena_init(&generation->arena, 0);
	load_objects(generation, config->objects, diags);
	if (generation->objects)
		generation->policy =
			policy_load(config->policy, generation->objects, &generation->arena, diags);
	if (generation->policy)
		generation->inventory = inventory_load(config->inventory, generation->policy,
						       &generation->arena, diags);
	if (diags->errors == errors)
		return generation;
	generation_release(generation);
	return NULL;
}

static int
number_tasks(struct generation *generation, struct reports *reports)
{
	for (unsigned i = 0; i < generation->policy->n_groups; i++) {
		struct policy_group *group = &generation->policy->groups[i];

		for (unsigned k = 0; k < group->n_tasks; k++) {
			struct policy_task *task = &group->tasks[k];

			task->report = reports_task(reports, group->name, task->name, task->id);
			if (task->report == UINT32_MAX)
				return -ENOMEM;
		}
	}
	return 0;
}

/* The counts are the policy's own field; only here, before anybody else sees it, is it written. */
static void
count_devices(struct run *run)
{
	for (unsigned i = 0; i < run->n_tasks; i++)
		((struct policy_task *)(uintptr_t)run->tasks[i].task)->devices++;
}

static int
publish_aside(struct generation *generation, struct device_entry *entry)
{
	struct device_entry *old;
	struct directory_retired grown;
	int result = directory_put(generation->directory, entry, &old, &grown);

	/* Nobody reads this directory yet. */
	free(grown.blocks[0]);
	free(grown.blocks[1]);
	return result;
}

static int
build_device(struct generation *generation, struct device *device, struct roster *roster)
{
	struct roster_slot *slot = roster_add(roster, device->endpoint);
	bool own_identity = device->identity != device->endpoint;

	if (!slot)
		return -ENOMEM;
	device->id = slot->id;
	device->run = run_new(generation, device, slot->format);
	if (!device->run)
		return -ENOMEM;
	count_devices(device->run);
	generation->refused += device->run->batch == NULL;
	device->entry = device_entry_new(device->id, device->endpoint, device->endpoint_len,
					 device->identity, own_identity ? device->identity_len : 0,
					 device->key, device->key_len);
	if (!device->entry)
		return -ENOMEM;
	if (run_is_per_session(device))
		device->entry->flags |= DEVICE_PER_SESSION;
	else
		atomic_init(&device->entry->batch, device->run->batch);
	return publish_aside(generation, device->entry);
}

int
generation_build(struct generation *generation, struct roster *roster, struct reports *reports,
		 struct diag_list *diags)
{
	struct inventory *inventory = generation->inventory;
	uint8_t seed[16];
	int result = -ENOMEM;

	generation->compiler = compiler_new(generation->objects, generation->number);
	if (getrandom(seed, sizeof seed, 0) == sizeof seed)
		generation->directory = directory_new(inventory->count, seed);
	if (generation->compiler && generation->directory)
		result = number_tasks(generation, reports);
	for (size_t i = 0; result == 0 && i < inventory->count; i++) {
		struct place place = { .tag = inventory->devices[i].endpoint };

		result = build_device(generation, &inventory->devices[i], roster);
		if (result < 0)
			diag_error(diags, &place, "cannot enter the directory: %s",
				   result == -EEXIST ? "its identity belongs to another device"
						     : "out of memory");
	}
	if (result < 0 && !diags->errors) {
		struct place place = { 0 };

		diag_error(diags, &place, "out of memory");
	}
	return result;
}

void
generation_hold(struct generation *generation)
{
	generation->holders++;
}

/* What was built aside and never published: nobody but us ever saw it. */
static void
free_unpublished(struct generation *generation)
{
	struct inventory *inventory = generation->inventory;

	for (size_t i = 0; inventory && i < inventory->count; i++)
		if (inventory->devices[i].entry)
			device_entry_free(inventory->devices[i].entry);
	if (generation->directory)
		directory_free(generation->directory);
}

void
generation_release(struct generation *generation)
{
	if (--generation->holders)
		return;
	free_unpublished(generation);
	inventory_free(generation->inventory);
	policy_free(generation->policy);
	if (generation->compiler)
		compiler_free(generation->compiler);
	if (generation->objects)
		objects_free(generation->objects);
	arena_fini(&generation->arena);
	free(generation);
}

void
generation_discard(struct generation *generation)
{
	struct inventory *inventory = generation->inventory;

	for (size_t i = 0; inventory && i < inventory->count; i++) {
		run_free(inventory->devices[i].run);
		inventory->devices[i].run = NULL;
	}
	generation_release(generation);
}

void
generation_unpublish(struct generation *generation, struct retired_runs *retired)
{
	struct inventory *inventory = generation->inventory;

	directory_free(generation->directory);
	generation->directory = NULL;
	for (size_t i = 0; i < inventory->count; i++) {
		device_entry_free(inventory->devices[i].entry);
		inventory->devices[i].entry = NULL;
		if (inventory->devices[i].run)
			retired_add(retired, inventory->devices[i].run);
		inventory->devices[i].run = NULL;
	}
}

struct generation_counts
generation_counts(const struct generation *generation)
{
	return (struct generation_counts){
		.groups = generation->policy->n_groups,
		.tasks = generation->policy->n_tasks,
		.devices = generation->inventory->count,
	};
}
