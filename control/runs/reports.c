#include "control/runs/reports.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/runs/feed.h"
#include "control/runs/newest_reports.h"
#include "control/store/store.h"

enum { TABLE_START = 1024 };

_Static_assert(REPORT_STATUSES <= 8, "three bits");
_Static_assert(sizeof(struct report) == 24, "a million of them are kept");

#define INTERRUPTED "interrupted: the appliance ended before the device had finished"
#define TOO_MANY    "(too many different summaries; see the log)"

int
reports_init(struct reports *reports)
{
	*reports = (struct reports){ .capacity = TABLE_START };
	names_init(&reports->summaries);
	reports->table = calloc(TABLE_START, sizeof *reports->table);
	reports->ring = calloc(REPORTS_RING, sizeof *reports->ring);
	/* Number 0 marks a free place. */
	if (reports->table && reports->ring && names_add(&reports->summaries, TOO_MANY) == 0 &&
	    reports_task(reports, "", "(no task)", "-") == REPORT_NO_TASK)
		return 0;
	reports_fini(reports);
	return -ENOMEM;
}

void
reports_fini(struct reports *reports)
{
	for (uint32_t i = 0; i < reports->n_tasks; i++) {
		free(reports->tasks[i].group);
		free(reports->tasks[i].name);
		free(reports->tasks[i].id);
	}
	names_fini(&reports->summaries);
	free(reports->tasks);
	free(reports->table);
	free(reports->ring);
	*reports = (struct reports){ 0 };
}

/* ---- tasks ---- */

uint32_t
reports_find_task(const struct reports *reports, const char *group, const char *name)
{
	for (uint32_t i = 0; i < reports->n_tasks; i++)
		if (reports->tasks[i].name && strcmp(reports->tasks[i].name, name) == 0 &&
		    strcmp(reports->tasks[i].group, group) == 0)
			return i;
	return NAMES_NONE;
}

static int
reserve_tasks(struct reports *reports, uint32_t count)
{
	struct report_task *tasks;

	if (count <= reports->n_tasks)
		return 0;
	if (count > REPORT_TASKS_MAX)
		return -ENOMEM;
	tasks = realloc(reports->tasks, count * sizeof *tasks);
	if (!tasks)
		return -ENOMEM;
	memset(tasks + reports->n_tasks, 0, (count - reports->n_tasks) * sizeof *tasks);
	reports->tasks = tasks;
	reports->n_tasks = count;
	return 0;
}

static int
name_task(struct reports *reports, uint32_t number, const char *group, const char *name)
{
	struct report_task *task = &reports->tasks[number];

	task->group = strdup(group);
	task->name = strdup(name);
	task->id = strdup("");
	return task->group && task->name && task->id ? 0 : -ENOMEM;
}

bool
reports_load_task(struct reports *reports, const struct store_task *task)
{
	if (task->number >= REPORT_TASKS_MAX || reserve_tasks(reports, task->number + 1) < 0)
		return false;
	return reports->tasks[task->number].name ||
	       name_task(reports, task->number, task->group, task->name) == 0;
}

/* One that no task of the store had, else the next. */
static uint32_t
free_number(const struct reports *reports)
{
	for (uint32_t i = 0; i < reports->n_tasks; i++)
		if (!reports->tasks[i].name)
			return i;
	return reports->n_tasks;
}

uint32_t
reports_task(struct reports *reports, const char *group, const char *name, const char *id)
{
	uint32_t number = reports_find_task(reports, group, name);
	struct report_task *task;
	char *copy = strdup(id);

	if (!copy)
		return NAMES_NONE;
	if (number == NAMES_NONE) {
		number = free_number(reports);
		if (reserve_tasks(reports, number + 1) < 0 ||
		    name_task(reports, number, group, name) < 0) {
			free(copy);
			return NAMES_NONE;
		}
		if (reports->store)
			store_put_task(reports->store, &(struct store_task){ number, group, name });
	}
	task = &reports->tasks[number];
	if (task->forgotten && reports->store)
		store_put_task(reports->store, &(struct store_task){ number, group, name });
	task->forgotten = false;
	free(task->id);
	task->id = copy;
	return number;
}

/*
 * ---- the table ----
 *
 * The reports themselves lie in its slots, not numbers of them (hash_index.h): a look-up touches
 * one line of memory instead of two, and what is taken out leaves no number to be given again.
 */

static size_t
home_of(const struct reports *reports, uint32_t task, uint32_t device)
{
	uint64_t hash = ((uint64_t)task << 32 | device) * 0x9e3779b97f4a7c15;

	return (size_t)(hash >> 24) & (reports->capacity - 1);
}

static struct report *
place_of(const struct reports *reports, uint32_t task, uint32_t device)
{
	size_t at = home_of(reports, task, device);

	while (reports->table[at].summary &&
	       (reports->table[at].task != task || reports->table[at].device != device))
		at = (at + 1) & (reports->capacity - 1);
	return &reports->table[at];
}

static int
grow(struct reports *reports)
{
	struct reports larger = *reports;

	larger.capacity = reports->capacity * 2;
	larger.table = calloc(larger.capacity, sizeof *larger.table);
	if (!larger.table)
		return -ENOMEM;
	for (size_t i = 0; i < reports->capacity; i++) {
		const struct report *old = &reports->table[i];

		if (old->summary)
			*place_of(&larger, old->task, old->device) = *old;
	}
	free(reports->table);
	reports->table = larger.table;
	reports->capacity = larger.capacity;
	return 0;
}

/* Three quarters full at most: a look-up takes a few steps within a line or two. */
static bool
has_room(struct reports *reports)
{
	return reports->count < reports->capacity / 4 * 3 ||
	       (reports->count < REPORTS_MAX && grow(reports) == 0);
}

static uint32_t
summary_number(struct reports *reports, const char *summary)
{
	uint32_t number = names_find(&reports->summaries, summary);

	if (number != NAMES_NONE && number != 0)
		return number;
	if (reports->summaries.count >= REPORT_SUMMARIES_MAX)
		summary = TOO_MANY " "; /* number 0 is taken */
	return names_add(&reports->summaries, summary);
}

static void
ring_put(struct reports *reports, const struct report *report)
{
	assert(reports->ring_next < REPORTS_RING);
	reports->ring[reports->ring_next] = *report;
	reports->ring_next = (reports->ring_next + 1) % REPORTS_RING;
	reports->ended++;
	if (reports->ring_count < REPORTS_RING)
		reports->ring_count++;
}

/* False: there is no memory for it. */
static bool
keep(struct reports *reports, const struct report *report)
{
	struct report *place = place_of(reports, report->task, report->device);

	assert(report->task < reports->n_tasks && report->status < REPORT_STATUSES);
	assert(report->summary); /* 0 marks a free place */
	if (place->summary) {
		reports->tasks[place->task].counts[place->status]--;
	} else {
		if (!has_room(reports))
			return false;
		place = place_of(reports, report->task, report->device);
		reports->count++;
	}
	*place = *report;
	reports->tasks[report->task].counts[report->status]++;
	return true;
}

static struct report
report_of(struct reports *reports, const struct report_change *change)
{
	uint64_t took = change->finished_ms > change->started_ms
				? change->finished_ms - change->started_ms
				: 0;

	return (struct report){
		.started_ms = change->started_ms,
		.device = change->device,
		.summary = summary_number(reports, change->summary),
		.took_ms = !change->finished_ms       ? REPORT_UNFINISHED
			   : took < REPORT_UNFINISHED ? (uint32_t)took
						      : REPORT_UNFINISHED - 1,
		.task = (uint16_t)change->task,
		.status = (uint8_t)change->status,
		.member = (uint16_t)(change->member <= REPORT_MEMBER_MAX ? change->member : 0),
	};
}

static void
hand_to_store(struct reports *reports, const struct report_change *change)
{
	struct store_report report = {
		.device = change->device,
		.task = change->task,
		.status = (uint8_t)change->status,
		.member = change->member,
		.started_ms = change->started_ms,
		.finished_ms = change->finished_ms,
		.summary = change->summary,
		.log = change->log,
	};

	if (reports->store)
		store_put_report(reports->store, &report);
}

void
reports_set(struct reports *reports, const struct report_change *change)
{
	struct report report;

	assert(change->task < reports->n_tasks);
	if (reports->tasks[change->task].forgotten)
		return; /* of a session that began before */
	report = report_of(reports, change);
	if (!change->late)
		hand_to_store(reports, change);
	if (report.summary == NAMES_NONE || (!change->late && !keep(reports, &report))) {
		reports->dropped++;
		return;
	}
	if (!change->finished_ms || change->old)
		return;
	ring_put(reports, &report);
	if (reports->feed)
		feed_put(reports->feed, &(struct feed_event){ .kind = FEED_REPORT,
							      .at_ms = change->finished_ms,
							      .device = change->device,
							      .report = report });
}

bool
reports_load(struct reports *reports, const struct store_report *kept)
{
	struct report_change change = {
		.device = kept->device,
		.task = kept->task,
		.status = (enum task_status)kept->status,
		.member = kept->member,
		.started_ms = kept->started_ms,
		.finished_ms = kept->finished_ms,
		.summary = kept->summary,
	};
	struct report report;

	if (kept->task >= reports->n_tasks || kept->status >= REPORT_STATUSES ||
	    !reports->tasks[kept->task].name || reports->tasks[kept->task].forgotten)
		return true; /* of a task that is not known: nobody could ask for it */
	if (kept->status == TASK_IN_PROGRESS) {
		change.status = TASK_ERROR;
		change.finished_ms = change.started_ms;
		change.summary = INTERRUPTED;
	}
	report = report_of(reports, &change);
	if (report.summary == NAMES_NONE || !keep(reports, &report))
		return false;
	newest_reports_offer(reports, &report);
	return true;
}

void
reports_loaded(struct reports *reports)
{
	newest_reports_end(reports);
}

/* Takes a place out and closes the gap, so that no look-up ends too early. */
static void
take_out(struct reports *reports, size_t hole)
{
	size_t mask = reports->capacity - 1;

	assert(reports->table[hole].summary && reports->count);
	for (size_t at = (hole + 1) & mask; reports->table[at].summary; at = (at + 1) & mask) {
		const struct report *report = &reports->table[at];
		size_t home = home_of(reports, report->task, report->device);

		/* It may move up unless its home lies behind the hole. */
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		reports->table[hole] = *report;
		hole = at;
	}
	reports->table[hole].summary = 0;
	reports->count--;
}

void
reports_forget_device(struct reports *reports, uint32_t device)
{
	size_t kept = 0;

	for (uint32_t task = 0; task < reports->n_tasks; task++) {
		struct report *place = place_of(reports, task, device);

		if (!place->summary)
			continue;
		reports->tasks[task].counts[place->status]--;
		take_out(reports, (size_t)(place - reports->table));
		kept++;
	}
	if (!kept)
		return;
	/* Those of the ring would name a device that is not there. */
	for (size_t i = 0; i < reports->ring_count; i++)
		if (reports->ring[i].device == device)
			reports->ring[i].summary = 0;
}

void
reports_begin_tasks(struct reports *reports)
{
	for (uint32_t i = 0; i < reports->n_tasks; i++)
		reports->tasks[i].wanted = i == REPORT_NO_TASK;
}

void
reports_want_task(struct reports *reports, uint32_t task)
{
	reports->tasks[task].wanted = true;
}

static void
drop_forgotten(struct reports *reports)
{
	for (size_t i = 0; i < reports->capacity;) {
		const struct report *report = &reports->table[i];

		if (report->summary && reports->tasks[report->task].forgotten)
			take_out(reports, i); /* what moved here is looked at next */
		else
			i++;
	}
	for (size_t i = 0; i < reports->ring_count; i++)
		if (reports->tasks[reports->ring[i].task].forgotten)
			reports->ring[i].summary = 0;
}

void
reports_forget_others(struct reports *reports)
{
	bool any = false;

	for (uint32_t i = 0; i < reports->n_tasks; i++) {
		struct report_task *task = &reports->tasks[i];

		if (task->wanted || task->forgotten || !task->name)
			continue;
		any = task->forgotten = true;
		memset(task->counts, 0, sizeof task->counts);
		if (reports->store)
			store_forget_task(reports->store, i);
	}
	if (any)
		drop_forgotten(reports);
}

const struct report *
reports_find(const struct reports *reports, uint32_t task, uint32_t device)
{
	const struct report *report = place_of(reports, task, device);

	return report->summary ? report : NULL;
}

const char *
reports_summary(const struct reports *reports, const struct report *report)
{
	return names_text(&reports->summaries, report->summary);
}

uint64_t
report_began_ms(const struct report *report)
{
	return report->status == TASK_NOT_STARTED ? 0 : report->started_ms;
}

uint64_t
report_finished_ms(const struct report *report)
{
	return report->took_ms == REPORT_UNFINISHED ? 0 : report->started_ms + report->took_ms;
}

uint64_t
reports_first(const struct reports *reports)
{
	return reports->ended - reports->ring_count;
}

const struct report *
reports_ended(const struct reports *reports, uint64_t number)
{
	uint64_t back = reports->ended - number; /* 1: the newest */
	const struct report *report;

	if (number >= reports->ended || back > reports->ring_count)
		return NULL;
	report = &reports->ring[(reports->ring_next + REPORTS_RING - back) % REPORTS_RING];
	return report->summary ? report : NULL;
}

void
reports_each(const struct reports *reports, bool (*each)(void *ctx, const struct report *report),
	     void *ctx)
{
	for (size_t i = 0; i < reports->capacity; i++)
		if (reports->table[i].summary && !each(ctx, &reports->table[i]))
			return;
}

size_t
reports_bytes(const struct reports *reports)
{
	return (reports->capacity + REPORTS_RING) * sizeof(struct report);
}

bool
report_went_well(const struct report *report)
{
	return report->status == TASK_SUCCESS || report->status == TASK_WARNING ||
	       report->status == TASK_REGISTERED;
}
