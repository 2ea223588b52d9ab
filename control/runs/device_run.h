/*
 * device_run.h - one device's tasks to a batch and its plan.
 *
 * Ahead of any session for most; while the device waits for those whose tasks need the moment: a
 * schedule, secure random, an answer of the device. A run that continues is compiled again from the
 * start with one more answer; run_memory makes it come out the same as before: it holds the seed of
 * the run's randomness and the answers so far.
 *
 * Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/inventory/inventory.h"
#include "control/runs/plan.h"
#include "control/text.h"
#include "tasks/compile/compile.h"

struct daemon;

enum { RUN_ANSWERS_MAX = 64, RUN_LOG_MAX = 16384 };

struct run_answer {
	uint8_t code; /* CoAP */
	uint16_t format;
	uint8_t *bytes;
	size_t len;
};

/* What a task asks of the inventory: done when its run has finished. */
struct run_effect {
	struct run_effect *next;
	uint8_t kind; /* enum compile_effect_kind */
	uint8_t task; /* of the plan */
	bool secret;
	char *name, *text;
};

struct run_memory {
	uint8_t seed[32];
	bool seeded;
	uint64_t drawn; /* blocks of random bytes since the run's start */
	unsigned n_answers;
	struct run_answer *answers;
	struct run_effect *effects, **effects_end; /* of the last compilation */
	struct text log; /* lines "N level text", N: the task in the plan */
};

/* Zeroed memory is fine, too. */
void run_memory_init(struct run_memory *memory);
void run_memory_fini(struct run_memory *memory); /* wipes */
/* Copies the answer. 0, -E2BIG, -ENOMEM. */
int run_memory_answer(struct run_memory *memory, const struct run_answer *answer);

struct run_request {
	const struct device *device;
	uint16_t format;
	bool session;              /* it is for a session now: schedules and intervals are judged */
	bool preview;              /* as for a session, whatever they say */
	struct run_memory *memory; /* NULL: ahead of any session */
	bool pack;                 /* a Bootstrap-Pack ... */
	const char *acc; /* ... that keeps clear of these instances; NULL: the device named none */
};

struct device_run {
	struct batch *batch; /* NULL: nothing to send; the plan says why */
	struct plan *plan;   /* held */
	bool per_session;    /* the batch is of this session alone */
};

/* Scratch memory of compilations: one a daemon. */
struct run_maker;
struct run_maker *run_maker_new(void);
void run_maker_free(struct run_maker *maker);

/* 0 or -ENOMEM. The batch carries the plan's number and holds it: see device_run_free(). */
int device_run_make(struct daemon *daemon, const struct run_request *request,
		    struct device_run *run);
/* Of one that was never published. */
void device_run_free(struct daemon *daemon, struct device_run *run);

/* Frees a batch that nobody holds, and lets go of its plan. */
void run_batch_free(struct daemon *daemon, struct batch *batch);
