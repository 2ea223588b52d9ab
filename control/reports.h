/*
 * reports.h - what became of each task on each device, in memory and bounded.
 *
 * A table holds the last report of every task and device; a ring holds the latest finished ones
 * in order. Counts by status are kept, never scanned for. Tasks are numbered here by their group
 * and name, so that reports survive reloads. Owner: the daemon. Control thread. Allocates. The
 * program's end forgets them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/compile.h"

enum {
	REPORTS_MAX = 1 << 22, /* of the table; what goes beyond is counted in `dropped` */
	REPORTS_RING = 10000,
	REPORT_STATUSES = TASK_ERROR + 1,
};

/* The report of a run that had no task at all. */
enum { REPORT_NO_TASK = 0 };

struct report {
	uint32_t device, task; /* numbers of the roster, of report_task() */
	uint32_t generation;
	enum task_status status;
	uint64_t started_ms, finished_ms; /* wall clock; 0: not yet */
	char *summary;                    /* never NULL in what is read */
};

struct report_task {
	char *group, *name;
	char *id; /* of the newest generation that had it */
	uint64_t counts[REPORT_STATUSES];
};

struct reports {
	struct report_task *tasks;
	uint32_t n_tasks;
	struct report *table; /* open addressing; summary NULL is free */
	size_t count, capacity;
	struct report *ring;
	size_t ring_next, ring_count;
	uint64_t dropped;
};

/* 0 or -ENOMEM. */
int reports_init(struct reports *reports);
void reports_fini(struct reports *reports);

/* The number of a group's task, given anew where it is not known; UINT32_MAX: out of memory. */
uint32_t reports_task(struct reports *reports, const char *group, const char *name, const char *id);

/*
 * Sets the last report of its task and device; a finished one enters the ring, too. Copies the
 * summary.
 */
void reports_set(struct reports *reports, const struct report *report);
/* The last one, or NULL. */
const struct report *reports_find(const struct reports *reports, uint32_t task, uint32_t device);
/* The ring, oldest first; NULL at its end. */
const struct report *reports_at(const struct reports *reports, size_t index);
