#include "control/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_START = 1024 };

int
reports_init(struct reports *reports)
{
	*reports = (struct reports){ .capacity = TABLE_START };
	reports->table = calloc(TABLE_START, sizeof *reports->table);
	reports->ring = calloc(REPORTS_RING, sizeof *reports->ring);
	if (reports->table && reports->ring &&
	    reports_task(reports, "", "(no task)", "-") == REPORT_NO_TASK)
		return 0;
	reports_fini(reports);
	return -ENOMEM;
}

void
reports_fini(struct reports *reports)
{
	for (size_t i = 0; reports->table && i < reports->capacity; i++)
		free(reports->table[i].summary);
	for (size_t i = 0; reports->ring && i < REPORTS_RING; i++)
		free(reports->ring[i].summary);
	for (uint32_t i = 0; i < reports->n_tasks; i++) {
		free(reports->tasks[i].group);
		free(reports->tasks[i].name);
		free(reports->tasks[i].id);
	}
	free(reports->tasks);
	free(reports->table);
	free(reports->ring);
	*reports = (struct reports){ 0 };
}

static uint32_t
find_task(const struct reports *reports, const char *group, const char *name)
{
	for (uint32_t i = 0; i < reports->n_tasks; i++)
		if (strcmp(reports->tasks[i].name, name) == 0 &&
		    strcmp(reports->tasks[i].group, group) == 0)
			return i;
	return UINT32_MAX;
}

static uint32_t
add_task(struct reports *reports, const char *group, const char *name)
{
	struct report_task *tasks = realloc(reports->tasks, (reports->n_tasks + 1) * sizeof *tasks);
	struct report_task *task;

	if (!tasks)
		return UINT32_MAX;
	reports->tasks = tasks;
	task = &tasks[reports->n_tasks];
	*task = (struct report_task){ .group = strdup(group), .name = strdup(name) };
	if (task->group && task->name)
		return reports->n_tasks++;
	free(task->group);
	free(task->name);
	return UINT32_MAX;
}

uint32_t
reports_task(struct reports *reports, const char *group, const char *name, const char *id)
{
	uint32_t number = find_task(reports, group, name);
	char *copy = strdup(id);

	if (number == UINT32_MAX && copy)
		number = add_task(reports, group, name);
	if (number == UINT32_MAX || !copy) {
		free(copy);
		return UINT32_MAX;
	}
	free(reports->tasks[number].id);
	reports->tasks[number].id = copy;
	return number;
}

static struct report *
place_of(struct report *table, size_t capacity, uint32_t task, uint32_t device)
{
	uint64_t hash = ((uint64_t)task << 32 | device) * 0x9e3779b97f4a7c15;
	size_t at = (size_t)(hash >> 20) & (capacity - 1);

	while (table[at].summary && (table[at].task != task || table[at].device != device))
		at = (at + 1) & (capacity - 1);
	return &table[at];
}

static int
grow(struct reports *reports)
{
	size_t capacity = reports->capacity * 2;
	struct report *table = calloc(capacity, sizeof *table);

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < reports->capacity; i++) {
		const struct report *old = &reports->table[i];

		if (old->summary)
			*place_of(table, capacity, old->task, old->device) = *old;
	}
	free(reports->table);
	reports->table = table;
	reports->capacity = capacity;
	return 0;
}

static void
ring_put(struct reports *reports, const struct report *report)
{
	struct report *place = &reports->ring[reports->ring_next];
	char *summary = strdup(report->summary);

	if (!summary)
		return;
	free(place->summary);
	*place = *report;
	place->summary = summary;
	reports->ring_next = (reports->ring_next + 1) % REPORTS_RING;
	if (reports->ring_count < REPORTS_RING)
		reports->ring_count++;
}

/* Half full at most, so that a look-up takes one or two steps. */
static bool
has_room(struct reports *reports)
{
	return reports->count < reports->capacity / 2 ||
	       (reports->count < REPORTS_MAX && grow(reports) == 0);
}

void
reports_set(struct reports *reports, const struct report *report)
{
	struct report *place =
		place_of(reports->table, reports->capacity, report->task, report->device);
	char *summary = strdup(report->summary);

	if (!place->summary && summary && has_room(reports))
		place = place_of(reports->table, reports->capacity, report->task, report->device);
	else if (!place->summary || !summary) {
		reports->dropped++;
		free(summary);
		return;
	}
	if (place->summary)
		reports->tasks[place->task].counts[place->status]--;
	else
		reports->count++;
	free(place->summary);
	*place = *report;
	place->summary = summary;
	reports->tasks[report->task].counts[report->status]++;
	if (report->finished_ms)
		ring_put(reports, report);
}

const struct report *
reports_find(const struct reports *reports, uint32_t task, uint32_t device)
{
	const struct report *report = place_of(reports->table, reports->capacity, task, device);

	return report->summary ? report : NULL;
}

const struct report *
reports_at(const struct reports *reports, size_t index)
{
	size_t first = (reports->ring_next + REPORTS_RING - reports->ring_count) % REPORTS_RING;

	return index < reports->ring_count ? &reports->ring[(first + index) % REPORTS_RING] : NULL;
}
