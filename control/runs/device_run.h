/*
 * device_run.h - one device's tasks to a batch and its plan.
 *
 * Ahead of any session for most; while the device waits for those whose tasks need the moment: a
 * schedule, secure random, an answer of the device. A run that continues is compiled again from the
 * start with one more answer; run_memory makes it come out the same as before: it holds the seed of
 * the run's randomness and the answers so far.
 *
 * Control thread, but for what says otherwise. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/inventory/inventory.h"
#include "control/runs/plan.h"
#include "control/runs/run_memory.h"
#include "tasks/compile/compile.h"

struct generation;
struct service;
struct task_set;

/* What was decided of a task of the plan, for the caller alone: plans are shared by devices. */
struct run_decision {
	enum run_reason reason;
	uint64_t
		next_ms; /* wall clock: when schedule and interval both allow it; 0: no moment is known */
};

/* A task that nobody has: with a compiler of its own, which must not outlive it. */
struct run_trial {
	const struct policy_task *task;
	struct compiler *compiler;
};

struct run_request {
	const struct device *device;
	struct generation *generation; /* whose tasks; NULL: the service's */
	uint16_t format;
	bool session;    /* it is for a session now: schedules and intervals are judged */
	bool preview;    /* it is for an operator who asks what a session would get now ... */
	bool regardless; /* ... or would get if schedules and intervals allowed it */
	bool any_time; /* neither is judged, but what has run once is done: for what a change comes to */
	struct run_memory *memory; /* NULL: ahead of any session */
	bool pack;                 /* a Bootstrap-Pack ... */
	const struct run_trial
		*trial;  /* for an operator who tries a text: that alone; NULL: none */
	const char *acc; /* ... that keeps clear of these instances; NULL: the device named none */
	struct run_decision
		*decisions; /* PLAN_TASKS_MAX, as the plan's tasks; NULL: not asked for */
};

struct device_run {
	struct batch *batch; /* NULL: nothing to send; the plan says why */
	struct plan *plan;   /* held */
	bool per_session;    /* the batch is of this session alone */
	bool waits; /* the batch ends before its Finish, until its credentials are kept or delivered */
	const struct policy_task
		*costly; /* a pattern of it takes too long for this device; NULL: none */
};

/* Scratch memory of compilations: one a service, and one for each thread that makes many. */
struct run_maker;
struct run_maker *run_maker_new(void);
void run_maker_free(struct run_maker *maker);

/*
 * A run ahead of any session, in two halves: the compilation, which reads the service and changes nothing but the maker and
 * the compiler, so that several threads do it beside each other while the control thread changes nothing; and what the
 * control thread makes of it.
 */
struct compiled_run {
	struct batch *batch; /* NULL: nothing to send */
	const struct policy_task *costly;
	struct plan_content content; /* borrowed from the maker, until its next compilation */
};
void run_maker_compile(struct run_maker *maker, struct service *service,
		       const struct run_request *request, const struct task_set *set,
		       struct compiler *compiler, struct compiled_run *compiled);
/* Takes over the batch. `plan` is of its content, held for this run; NULL: out of memory. 0 or -ENOMEM. */
int device_run_conclude(struct compiled_run *compiled, const struct task_set *set,
			struct plan *plan, struct device_run *run);

/* 0 or -ENOMEM. The batch carries the plan's number and holds it: see device_run_free(). */
int device_run_make(struct service *service, const struct run_request *request,
		    struct device_run *run);
/* Of one that was never published. */
void device_run_free(struct plans *plans, struct device_run *run);
