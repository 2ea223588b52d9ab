/*
 * compile_many.h - runs of many devices ahead of their sessions, compiled by several threads.
 *
 * The control thread names some devices, which it and others compile (work_threads.h), and takes the runs in the same order:
 * plans get the numbers that they would get if it did all of it alone. While they compile, nobody changes anything that a
 * compilation reads. Each thread has a maker and a compiler of its own; batches of any compiler may be freed by the control
 * thread between two calls.
 *
 * Owner: who publishes, on the control thread. Allocates.
 */
#pragma once

#include "control/runs/device_run.h"

enum {
	COMPILE_AT_ONCE = 1024, /* devices, at most */
	COMPILE_PIECE = 64,     /* of them, at once for a thread, at most */
};

struct compile_many;

/* NULL: the control thread has to do it alone, as there is no CPU for others, or no memory. */
struct compile_many *compile_many_begin(struct service *service);
/* How many devices the next call should name, so that it takes about a millisecond, by what the last ones took. */
unsigned compile_many_room(const struct compile_many *many);
/* Compiles at most COMPILE_AT_ONCE devices by the service's generation. All runs of the last call were taken. */
void compile_many(struct compile_many *many, struct device *const *devices, unsigned n);
/* The run of the next one of them. 0 or -ENOMEM. */
int compile_many_take(struct compile_many *many, struct device_run *run);
void compile_many_end(struct compile_many *many);
