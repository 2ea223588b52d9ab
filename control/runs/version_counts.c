#include "control/runs/version_counts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/policy_rollout.h"
#include "control/runs/service.h"

#define OF_VERSIONS "versions:"
#define OF_ROLLOUT  "rollout:"

enum { SAVE_MS = 1000, NAME_BYTES = 1024 };

void
version_counts_fini(struct version_counts *counts)
{
	for (uint32_t i = 0; i < counts->capacity; i++)
		free(counts->tasks[i]);
	free(counts->tasks);
	*counts = (struct version_counts){ 0 };
}

const struct task_versions *
version_counts_of(const struct version_counts *counts, uint32_t task)
{
	return task < counts->capacity ? counts->tasks[task] : NULL;
}

/* NULL: out of memory. */
static struct task_versions *
task_of(struct version_counts *counts, uint32_t task)
{
	if (task >= counts->capacity) {
		uint32_t capacity = task + 64;
		struct task_versions **tasks =
			realloc(counts->tasks, capacity * sizeof(struct task_versions *));

		if (!tasks)
			return NULL;
		memset(tasks + counts->capacity, 0,
		       (capacity - counts->capacity) * sizeof(struct task_versions *));
		counts->tasks = tasks;
		counts->capacity = capacity;
	}
	if (!counts->tasks[task])
		counts->tasks[task] = calloc(1, sizeof *counts->tasks[task]);
	return counts->tasks[task];
}

/* The oldest makes room. */
static struct version_count *
add_version(struct task_versions *versions)
{
	if (versions->n == VERSION_COUNTS_KEPT)
		memmove(versions->items, versions->items + 1,
			--versions->n * sizeof versions->items[0]);
	return &versions->items[versions->n++];
}

/* The version that the device is given. NULL: out of memory. */
static struct version_count *
version_of(struct service *service, const struct policy_task *task, const struct device *device)
{
	struct task_versions *versions = task_of(&service->version_counts, task->report);
	const struct policy_file *file = task->source;
	const struct task_set *set = NULL;
	struct version_count *version;

	if (!versions)
		return NULL;
	if (task->rollout && task->rollout->group)
		set = generation_task_set(service->generation, &service->inventory, device->groups);
	if (!rollout_gives_new(task, device, set))
		file = task->rollout->former;
	versions->unsaved = true;
	for (unsigned i = versions->n; i-- > 0;)
		if (versions->items[i].hash == file->hash)
			return &versions->items[i];
	version = add_version(versions);
	*version = (struct version_count){ .hash = file->hash, .since = service->versions.last };
	snprintf(version->file, sizeof version->file, "%s", file->name);
	return version;
}

void
version_counts_note(struct service *service, const struct rollout_report *report)
{
	struct version_count *version;

	if (report->status == TASK_NOT_STARTED || report->status == TASK_IN_PROGRESS)
		return;
	version = version_of(service, report->task, report->device);
	if (!version)
		return;
	version->counts.runs++;
	version->counts.errors += report->status == TASK_ERROR;
}

void
version_counts_note_return(struct service *service, const struct policy_task *task,
			   const struct device *device, uint64_t ended_ms)
{
	struct version_count *version;

	if (ended_ms < service->generation->live_since_ms)
		return; /* another version may have sent it away */
	version = version_of(service, task, device);
	if (version)
		version->counts.returns++;
}

/* ---- kept ---- */

/* By names: numbers are given anew. A line break is in none of them. */
static void
name_note(const char *prefix, const struct report_task *task, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%s%s\n%s", prefix, task->group, task->name);
}

static void
put_counts(struct text *text, const struct rollout_counts *counts)
{
	text_printf(text, " %" PRIu64 " %" PRIu64 " %" PRIu64, counts->runs, counts->errors,
		    counts->returns);
}

static void
save_task(struct service *service, uint32_t number)
{
	struct task_versions *versions = service->version_counts.tasks[number];
	const struct report_task *task = &service->reports.tasks[number];
	char name[NAME_BYTES];
	struct text text;

	text_init(&text);
	for (unsigned i = 0; !task->forgotten && i < versions->n; i++) {
		const struct version_count *version = &versions->items[i];

		text_printf(&text, "%" PRIx64 " %u", version->hash, version->since);
		put_counts(&text, &version->counts);
		text_printf(&text, " %s\n", version->file);
	}
	name_note(OF_VERSIONS, task, name);
	if (!text.failed) {
		store_put_note(service->store, name, task->forgotten ? NULL : text_str(&text));
		versions->unsaved = false;
	}
	text_fini(&text);
}

static void
save_rollout(struct service *service, struct rollout *rollout)
{
	char name[NAME_BYTES];
	struct text text;

	text_init(&text);
	text_printf(&text, "%" PRIx64 " %" PRIu64 " %d %" PRIu64, rollout->seed_hash,
		    rollout->since_s, rollout->halted, rollout->new_at_step);
	put_counts(&text, &rollout->new);
	put_counts(&text, &rollout->former);
	name_note(OF_ROLLOUT, &service->reports.tasks[rollout->report], name);
	if (!text.failed) {
		store_put_note(service->store, name, rollout->seed_hash ? text_str(&text) : NULL);
		rollout->unsaved = false;
	}
	text_fini(&text);
}

void
version_counts_save(struct service *service, uint64_t now_ms)
{
	struct version_counts *counts = &service->version_counts;

	if (!service->store || now_ms - counts->saved_ms < SAVE_MS)
		return;
	counts->saved_ms =
		now_ms == UINT64_MAX ? 0 : now_ms; /* the last time, unless an upgrade fails */
	for (unsigned i = 0; i < ROLLOUTS_MAX; i++)
		if (service->rollouts.items[i].unsaved)
			save_rollout(service, &service->rollouts.items[i]);
	for (uint32_t i = 0; i < counts->capacity && i < service->reports.n_tasks; i++)
		if (counts->tasks[i] && service->reports.tasks[i].forgotten) {
			save_task(service, i);
			free(counts->tasks[i]);
			counts->tasks[i] = NULL;
		} else if (counts->tasks[i] && counts->tasks[i]->unsaved) {
			save_task(service, i);
		}
}

/* ---- loaded ---- */

/* A task that no policy has any more: its note goes. */
static uint32_t
find_task(struct service *service, const char *prefix, const char *name)
{
	const char *end = strchr(name, '\n');
	char group[NAME_BYTES], whole[NAME_BYTES];
	uint32_t task = NAMES_NONE;

	if (end) {
		snprintf(group, sizeof group, "%.*s", (int)(end - name), name);
		task = reports_find_task(&service->reports, group, end + 1);
	}
	if (task != NAMES_NONE && !service->reports.tasks[task].forgotten)
		return task;
	snprintf(whole, sizeof whole, "%s%s", prefix, name);
	store_put_note(service->store, whole, NULL);
	return NAMES_NONE;
}

static bool
load_versions(void *ctx, const char *name, const char *text)
{
	struct service *service = ctx;
	uint32_t number = find_task(service, OF_VERSIONS, name);
	struct task_versions *versions;

	if (number == NAMES_NONE)
		return true;
	versions = task_of(&service->version_counts, number);
	if (!versions)
		return false;
	versions->n = 0; /* a newer note than the one before */
	for (const char *line = text; line && *line; line = strchr(line, '\n') + 1) {
		struct version_count version = { 0 };
		struct rollout_counts *counts = &version.counts;

		if (!strchr(line, '\n'))
			break;
		if (sscanf(line, "%" SCNx64 " %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %255[^\n]",
			   &version.hash, &version.since, &counts->runs, &counts->errors,
			   &counts->returns, version.file) == 6)
			*add_version(versions) = version;
	}
	return true;
}

static bool
load_rollout(void *ctx, const char *name, const char *text)
{
	struct service *service = ctx;
	uint32_t number = find_task(service, OF_ROLLOUT, name);
	struct rollout rollout = { .report = number };
	struct rollout_counts *new = &rollout.new, *former = &rollout.former;
	int halted;

	if (number == NAMES_NONE ||
	    sscanf(text,
		   "%" SCNx64 " %" SCNu64 " %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %" SCNu64,
		   &rollout.seed_hash, &rollout.since_s, &halted, &rollout.new_at_step, &new->runs,
		   &new->errors, &new->returns, &former->runs, &former->errors,
		   &former->returns) != 10)
		return true;
	rollout.halted = halted != 0;
	rollouts_restore(&service->rollouts, &rollout);
	return true;
}

int
version_counts_load(struct service *service, char error[STORE_ERROR_MAX])
{
	int result = store_load_notes(service->store, OF_VERSIONS, load_versions, service, error);

	if (result == 0)
		result = store_load_notes(service->store, OF_ROLLOUT, load_rollout, service, error);
	return result;
}

bool
version_counts_take(struct service *service, const char *name, const char *text)
{
	if (!text)
		return true;
	if (strncmp(name, OF_VERSIONS, strlen(OF_VERSIONS)) == 0)
		return load_versions(service, name + strlen(OF_VERSIONS), text);
	if (strncmp(name, OF_ROLLOUT, strlen(OF_ROLLOUT)) == 0)
		return load_rollout(service, name + strlen(OF_ROLLOUT), text);
	return true;
}
