/*
 * ec_threads.h - the threads that compute with elliptic curves: each with an engine of its own, all
 * at the other end of the workers' jobs.
 *
 * Life: ec_threads_new() (they wait) -> ec_threads_publish() whenever trust changes -> ...
 * -> ec_threads_free(), while the rings still live: ends them, and wipes.
 * Threads: these functions are for one thread, the control side's. What a worker sees of them are
 * jobs alone.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/ec/ec_trust.h"

enum { EC_THREADS_MAX = 64 };

/* The other end of the workers' rings. All may be called by every thread at a time. */
struct ec_way {
	unsigned (*take)(void *ctx, struct ec_job **jobs, unsigned n);
	void (*give)(void *ctx, struct ec_job *job); /* back to its worker */
	void (*wait)(void *ctx, int timeout_ms);     /* for a job, or wake() */
	void (*wake)(void *ctx);                     /* one that waits */
	void *ctx;
	void (*begin)(void); /* NULL, or called by each thread before all else */
};

struct ec_threads;

/* `cpus`: where they may run; NULL: wherever the system puts them. NULL: out of memory, or a thread
 * cannot be started; *error says which. */
struct ec_threads *ec_threads_new(const struct ec_way *way, unsigned n, const cpu_set_t *cpus,
				  char error[EC_ERROR_MAX]);
void ec_threads_free(struct ec_threads *threads);

/*
 * No thread begins a job any more: true once none is at one, and jobs that wait stay as they are; false:
 * one is at it for longer than that, and all go on. ec_threads_go_on(): they do, after the former.
 */
bool ec_threads_rest(struct ec_threads *threads, unsigned timeout_ms)
	__attribute__((warn_unused_result));
void ec_threads_go_on(struct ec_threads *threads);

/* From the next job on; holds it. NULL: no certificates any more. */
void ec_threads_publish(struct ec_threads *threads, struct ec_trust *trust);

/* Sums over the threads, never reset. */
struct ec_totals {
	uint64_t jobs,
		busy_ns; /* `busy_ns`: CPU time of the threads, what is made ahead included */
	uint64_t made_ahead, made_waiting, chains_cached, chains_verified;
};
void ec_threads_totals(const struct ec_threads *threads, struct ec_totals *totals);
