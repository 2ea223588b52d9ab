/*
 * run.h - one device's tasks, compiled to a batch, with what the control side must know of it.
 *
 * A run lives as long as a worker may hold its batch: it is made aside, published (in the
 * directory, or posted to one session), retired when something newer takes its place, and freed
 * when no session runs on it any more. It holds its generation. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/generation.h"
#include "control/roster.h"
#include "tasks/compile.h"

enum { RUN_TASKS_MAX = 64 };

struct run_task {
	const struct policy_task *task;
	enum task_status status; /* at compile time: TASK_NOT_STARTED means it will be sent */
	enum task_status final;  /* what it is once all its steps were accepted */
	uint16_t first_step, n_steps;
	char *summary; /* NULL where there is nothing to say */
};

struct run {
	struct run *next; /* in the roster's slot */
	struct run *next_retired;
	struct generation *generation;
	struct roster_slot *slot; /* NULL until published */
	struct batch *batch;      /* NULL: nothing to send; the tasks say why */
	uint16_t format;
	bool seen_idle; /* by the last sweep */
	unsigned n_tasks;
	struct run_task tasks[];
};

/*
 * The tasks that a device runs, in order; returns how many. `too_many` when RUN_TASKS_MAX cut
 * them.
 */
unsigned run_tasks(const struct device *device, const struct policy_task *tasks[RUN_TASKS_MAX],
		   bool *too_many);
/* True when one of them must be made anew for every session. */
bool run_is_per_session(const struct device *device);

/* Compiles. NULL: out of memory. */
struct run *run_new(struct generation *generation, const struct device *device, uint16_t format);
/* Of an unpublished run, or one that no worker can reach: frees it at once. */
void run_free(struct run *run);

/* Hangs it under its device's slot, as the newest. */
void run_attach(struct run *run, struct roster_slot *slot);
/* The run of this generation and format, newest first, or NULL. */
struct run *run_find(const struct roster_slot *slot, uint32_t generation, uint16_t format);
/* True while sessions run on its batch. */
bool run_is_held(const struct run *run);

/* Runs that nothing points to any more but sessions in progress. */
struct retired_runs {
	struct run *first, *last;
	unsigned count;
};
void retired_add(struct retired_runs *retired, struct run *run);
/*
 * Looks at up to `budget` of them and frees those whose sessions are over; the others go to the
 * end of the line. A run must be found idle twice: the event that tells how its last session
 * ended may still be on its way, so take events between two sweeps.
 */
void retired_sweep(struct retired_runs *retired, unsigned budget);
/* Frees all of them: the dataplane is gone. */
void retired_fini(struct retired_runs *retired);
