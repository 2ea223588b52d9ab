/*
 * work_threads.h - one long computation, shared by the caller and threads that it starts for it.
 *
 * Life: work_threads_new() -> work_threads_run(), again and again -> work_threads_free(). A run is over when all of it is
 * done: while the others compute, the caller does, too, and nothing else. So what all of them read needs no lock, as long as
 * nobody writes it during a run. Threads are started for a task that takes long, and end with it: they sleep between runs.
 *
 * Owner: one thread, which makes all calls. Allocates at the start alone; blocks for the longest piece of a run.
 */
#pragma once

#include <sched.h>

enum { WORK_THREADS_MAX = 16 }; /* the caller with them */

struct work_threads;

struct work_way {
	unsigned n;            /* with the caller: 1 starts none */
	const cpu_set_t *cpus; /* where the others run; NULL: where the caller may */
	void (*begin)(void);   /* called by each of them first; NULL: nothing */
};

/*
 * As many as can be had: without memory or threads less, at last the caller alone. NULL: not even that.
 */
struct work_threads *work_threads_new(const struct work_way *way);
/* The caller with them. */
unsigned work_threads_count(const struct work_threads *threads);
/*
 * Calls `piece` once for each number below `n`, from any of the threads, in any order; `thread` is below
 * work_threads_count(), 0 for the caller. What was written before is seen by each piece, and what they wrote behind it.
 */
void work_threads_run(struct work_threads *threads, unsigned n,
		      void (*piece)(void *ctx, unsigned thread, unsigned number), void *ctx);
/* NULL: nothing. */
void work_threads_free(struct work_threads *threads);
