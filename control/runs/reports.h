/*
 * reports.h - what became of each task on each device: the last report of every pair, and the
 * latest finished ones in order.
 *
 * A report is 24 bytes, its summary a number: summaries repeat, devices do not. Counts by status
 * are kept, never scanned for. Tasks are numbered here by their group and name, so that reports
 * survive reloads and restarts. What is set is handed to the store, if there is one. Owner: the
 * service. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/inventory/names.h"
#include "tasks/compile/compile.h"

struct feed;
struct store;

enum {
	REPORTS_MAX = 1 << 27, /* of the table; what goes beyond is counted in `dropped` */
	REPORTS_RING = 10000,
	REPORT_STATUSES = TASK_REGISTERED + 1,
	REPORT_SUMMARIES_MAX = 1 << 18, /* different ones */
	REPORT_TASKS_MAX = 65535,
};

/* The report of a run that had no task at all. */
enum { REPORT_NO_TASK = 0 };

/* As it is kept. */
struct report {
	uint64_t started_ms; /* wall clock; of one that has not begun: when that was said */
	uint32_t device;     /* number of the inventory */
	uint32_t summary;    /* reports_summary(); 0: the place is free */
	uint32_t took_ms;    /* REPORT_UNFINISHED: not finished */
	uint16_t task;       /* number of reports_task() */
	/* enum task_status; and the member of a cluster whose report it is, 0: this one */
	uint16_t status : 3, member : 13;
};

enum { REPORT_UNFINISHED = UINT32_MAX, REPORT_MEMBER_MAX = 8191 /* as CONFIG_MEMBER_MAX */ };

struct report_task {
	char *group, *name;
	char *id; /* of the newest generation that had it; "" when none has since the start */
	uint64_t counts[REPORT_STATUSES];
	uint64_t returns; /* since the start: devices that came back soon though it had gone well */
	bool forgotten;   /* no policy has it: what is still told of it is not kept */
	bool wanted;      /* while reports_forget_others() is asked for */
};

struct reports {
	struct report_task *tasks;
	uint32_t n_tasks;
	struct report *table; /* open addressing */
	size_t count, capacity;
	struct report *ring;
	size_t ring_next, ring_count;
	uint64_t ended; /* that were put into the ring so far: the number of the next one */
	struct names summaries;
	uint64_t dropped;
	struct store *store; /* NULL: they end with the program */
	struct feed *feed;   /* NULL: nobody watches */
};

/* 0 or -ENOMEM. */
int reports_init(struct reports *reports);
void reports_fini(struct reports *reports);

/*
 * What the store kept, before reports->store is set. A report in progress was interrupted by the
 * end of the program and becomes one. false: out of memory.
 */
struct store_task;
struct store_report;
bool reports_load_task(struct reports *reports, const struct store_task *task);
bool reports_load(struct reports *reports, const struct store_report *report);
/* That were all: the ring holds those that ended last (newest_reports.h). */
void reports_loaded(struct reports *reports);

/* The number of a group's task, given anew where it is not known; NAMES_NONE: out of memory. */
uint32_t reports_task(struct reports *reports, const char *group, const char *name, const char *id);

/* The number that it has; NAMES_NONE: none. */
uint32_t reports_find_task(const struct reports *reports, const char *group, const char *name);

/* Forgets the reports of all tasks but those that are wanted between: no policy has the others. */
void reports_begin_tasks(struct reports *reports);
void reports_want_task(struct reports *reports, uint32_t task);
void reports_forget_others(struct reports *reports);

struct report_change {
	uint32_t device, task;
	enum task_status status;
	uint32_t member;                  /* as struct report has it */
	uint64_t started_ms, finished_ms; /* wall clock; 0: not yet */
	const char *summary;
	const char *log; /* kept in the store alone; NULL: none */
	bool late;       /* another report of the pair, which is here, counts: it is no last one */
	bool old;        /* it ended some time ago: not for the ring, nor for those who watch */
};
/* Sets the last report of its task and device; a finished one enters the ring, too. */
void reports_set(struct reports *reports, const struct report_change *change);
/* Whether it ended well, whatever the device's server says. */
bool report_went_well(const struct report *report);
/* Forgets the reports of a device that is no more. The store forgets them with the device. */
void reports_forget_device(struct reports *reports, uint32_t device);

/* The last one, or NULL. */
const struct report *reports_find(const struct reports *reports, uint32_t task, uint32_t device);
const char *reports_summary(const struct reports *reports, const struct report *report);
/* Wall clock, 0: it has not begun. */
uint64_t report_began_ms(const struct report *report);
/* Wall clock, 0: not finished. */
uint64_t report_finished_ms(const struct report *report);
/*
 * The ring by number, from reports_first() to reports->ended: numbers go up by one and are never used again. NULL: not
 * there, or its device or task was forgotten.
 */
uint64_t reports_first(const struct reports *reports);
const struct report *reports_ended(const struct reports *reports, uint64_t number);
/* Calls `each` for the last report of every pair, in no order, until it returns false. */
void reports_each(const struct reports *reports,
		  bool (*each)(void *ctx, const struct report *report), void *ctx);

size_t reports_bytes(const struct reports *reports);
