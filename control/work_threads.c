#include "control/work_threads.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct work_thread {
	struct work_threads *all;
	unsigned number;
	pthread_t thread;
};

struct work_threads {
	unsigned n;
	void (*begin)(void);

	/* Of the present run: written under the lock, while no other thread computes. */
	void (*piece)(void *ctx, unsigned thread, unsigned number);
	void *ctx;
	unsigned pieces;
	_Atomic unsigned next; /* piece to begin */

	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	unsigned run; /* their count; under the lock, as what follows */
	bool open; /* pieces of it may be left: who wakes later has missed it, and is not waited for */
	unsigned busy; /* threads in it, the caller not with them */
	bool ending;
	struct work_thread threads[];
};

/* Relaxed: who begins a run learns its data by the lock. */
static void
compute(struct work_threads *all, unsigned thread)
{
	unsigned number;

	while ((number = atomic_fetch_add_explicit(&all->next, 1, memory_order_relaxed)) <
	       all->pieces)
		all->piece(all->ctx, thread, number);
}

static void *
run(void *arg)
{
	struct work_thread *thread = arg;
	struct work_threads *all = thread->all;
	unsigned seen = 0;

	pthread_setname_np(pthread_self(), "work");
	if (all->begin)
		all->begin();
	pthread_mutex_lock(&all->lock);
	for (;;) {
		while (all->run == seen && !all->ending)
			pthread_cond_wait(&all->wake, &all->lock);
		if (all->ending)
			break;
		seen = all->run;
		if (!all->open)
			continue;
		all->busy++;
		pthread_mutex_unlock(&all->lock);
		compute(all, thread->number);
		pthread_mutex_lock(&all->lock);
		assert(all->busy);
		if (!--all->busy)
			pthread_cond_signal(&all->done);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

struct work_threads *
work_threads_new(const struct work_way *way)
{
	unsigned n = way->n < WORK_THREADS_MAX ? way->n : WORK_THREADS_MAX;
	struct work_threads *all = calloc(1, sizeof *all + n * sizeof all->threads[0]);

	if (!all)
		return NULL;
	all->begin = way->begin;
	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->wake, NULL);
	pthread_cond_init(&all->done, NULL);
	for (all->n = 1; all->n < n; all->n++) {
		struct work_thread *thread = &all->threads[all->n];

		*thread = (struct work_thread){ .all = all, .number = all->n };
		if (pthread_create(&thread->thread, NULL, run, thread) != 0)
			break;
		/* CPUs that are not allowed leave the thread where it is: slower, and still right. */
		if (way->cpus)
			(void)pthread_setaffinity_np(thread->thread, sizeof *way->cpus, way->cpus);
	}
	return all;
}

unsigned
work_threads_count(const struct work_threads *threads)
{
	return threads->n;
}

void
work_threads_run(struct work_threads *all, unsigned n,
		 void (*piece)(void *ctx, unsigned thread, unsigned number), void *ctx)
{
	pthread_mutex_lock(&all->lock);
	assert(!all->busy && !all->open);
	all->piece = piece;
	all->ctx = ctx;
	all->pieces = n;
	atomic_store_explicit(&all->next, 0, memory_order_relaxed);
	all->open = true;
	all->run++;
	pthread_cond_broadcast(&all->wake);
	pthread_mutex_unlock(&all->lock);
	compute(all, 0);
	pthread_mutex_lock(&all->lock);
	all->open = false;
	while (all->busy)
		pthread_cond_wait(&all->done, &all->lock);
	pthread_mutex_unlock(&all->lock);
}

void
work_threads_free(struct work_threads *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->ending = true;
	pthread_cond_broadcast(&all->wake);
	pthread_mutex_unlock(&all->lock);
	for (unsigned i = 1; i < all->n; i++)
		pthread_join(all->threads[i].thread, NULL);
	pthread_cond_destroy(&all->done);
	pthread_cond_destroy(&all->wake);
	pthread_mutex_destroy(&all->lock);
	free(all);
}
