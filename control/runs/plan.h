/*
 * plan.h - what a run of tasks came to when it was compiled: the part that a million devices share.
 *
 * A batch holds the bytes for one device; its plan says which tasks they belong to, which were over
 * at once and why, and which were left out. Devices that differ in bytes alone have one plan. A
 * batch carries its plan's number, and workers' events bring it back. A plan holds the generation
 * whose tasks it names, so a session finishes on the generation it began with.
 *
 * Counted: batches, devices and sessions hold plans. Owner: the service. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/hash_index.h"
#include "tasks/compile/compile.h"

struct generation;
struct policy_task;

enum { PLAN_TASKS_MAX = 64 };

enum plan_task_state {
	PLAN_SENT,     /* its steps go out: what becomes of it is yet to be seen */
	PLAN_OVER,     /* it was over when it was compiled: `status` */
	PLAN_LEFT_OUT, /* it does not run now: `summary` says why */
};

/* Why a task does not run now. */
enum run_reason {
	RUN_NOW,
	RUN_DONE,     /* once, and it has */
	RUN_BY_RERUN, /* it has, and does not restart by itself */
	RUN_SCHEDULE,
	RUN_INTERVAL,
	RUN_CONDITION,
	RUN_REASONS
};

struct plan_task {
	const struct policy_task *task; /* of the plan's generation */
	uint8_t state;                  /* enum plan_task_state */
	uint8_t status;                 /* enum task_status: PLAN_OVER */
	uint8_t final;                  /* the same: once all its steps were accepted */
	uint8_t reason;                 /* enum run_reason: PLAN_LEFT_OUT */
	uint16_t first_step, n_steps;
	const char *summary; /* NULL where there is nothing to say */
};

struct plan {
	uint32_t number; /* 1 and above */
	uint32_t holders;
	struct generation *generation;
	uint32_t hash;
	bool logs;    /* a <log> had something to say */
	bool is_pack; /* its only step is fetched, not sent: no operation of it is answered */
	uint64_t steps_hash;
	unsigned n_steps;
	char **steps; /* "PUT /0/2", "POST /bs" */
	unsigned n_tasks;
	struct plan_task tasks[];
};

struct plans {
	struct plan **items; /* by number - 1 */
	uint32_t count, capacity;
	uint32_t *free;
	uint32_t n_free;
	struct hash_index by_content; /* of numbers - 1 */
	struct plan *last;            /* found last: what is compiled in a row is mostly alike */
};

/* 0 or -ENOMEM. */
int plans_init(struct plans *plans);
void plans_fini(struct plans *plans);

/* What a compilation came to. */
struct plan_content {
	struct generation *generation;
	const struct plan_task *tasks;
	unsigned n_tasks;
	bool logs;
	const struct batch *batch; /* names the steps; NULL: none */
};
/* Whether both come to the same plan. Any thread: nothing of it changes. */
bool plan_content_is(const struct plan_content *content, const struct plan_content *other);
/* A plan of this content, held once more, or NULL: out of memory. Copies what it keeps. */
struct plan *plan_intern(struct plans *plans, const struct plan_content *content);
/* "PUT /0/2"; "step 7" for one that the plan does not know. Returns out. */
enum { PLAN_STEP_NAME_MAX = 96 };
const char *plan_step_name(const struct plan *plan, unsigned step, char out[PLAN_STEP_NAME_MAX]);
/* The task that the step belongs to; n_tasks: none. */
unsigned plan_task_of_step(const struct plan *plan, unsigned step);
/* NULL for 0 and for numbers that are free. */
struct plan *plan_at(const struct plans *plans, uint32_t number);
void plan_hold(struct plan *plan);
/* Of NULL: nothing. The last one lets go of the generation. */
void plan_release(struct plans *plans, struct plan *plan);
/* Frees a batch that nobody holds, and lets go of its plan. Of NULL: nothing. */
void plan_free_batch(struct plans *plans, struct batch *batch);
