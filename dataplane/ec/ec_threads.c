#include "dataplane/ec/ec_threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/ec/ec_engine.h"

enum {
	BURST = 4,      /* jobs taken at once: another thread may want the next ones */
	WAIT_MS = 1000, /* of an idle thread: a job wakes it */
};

struct ec_thread {
	struct ec_threads *all;
	struct ec_engine *engine;
	struct ec_trust *trust; /* held */
	uint64_t seen;          /* publication that `trust` is of */
	pthread_t thread;
	/* Written by the thread alone, read by anyone: whole values, ordered with nothing. */
	_Atomic uint64_t jobs, busy_ns, made_ahead, made_waiting, chains_cached, chains_verified;
};

struct ec_threads {
	struct ec_way way;
	_Atomic bool ending;
	/* Which publication is the newest: a thread looks at it before each job, and takes the lock
	 * when it changed. */
	_Atomic uint64_t publication;
	pthread_mutex_t lock; /* of what follows */
	struct ec_trust *trust;
	_Atomic bool resting; /* written under the lock; a thread looks at it before it takes jobs */
	unsigned at_rest;     /* threads that have seen it */
	pthread_cond_t changed; /* `at_rest`, or `resting` */
	unsigned n;
	struct ec_thread threads[];
};

/* ---- a thread ---- */

static void
store(_Atomic uint64_t *value, uint64_t to)
{
	atomic_store_explicit(value, to, memory_order_relaxed);
}

static void
follow_trust(struct ec_thread *thread)
{
	struct ec_threads *all = thread->all;

	if (atomic_load_explicit(&all->publication, memory_order_acquire) == thread->seen)
		return;
	ec_trust_release(thread->trust);
	pthread_mutex_lock(&all->lock);
	thread->seen = atomic_load_explicit(&all->publication, memory_order_relaxed);
	thread->trust = all->trust;
	if (thread->trust)
		ec_trust_hold(thread->trust);
	pthread_mutex_unlock(&all->lock);
}

static void
note_cpu(struct ec_thread *thread)
{
	struct timespec cpu;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	store(&thread->busy_ns, (uint64_t)cpu.tv_sec * 1000000000 + (uint64_t)cpu.tv_nsec);
}

static void
note_job(struct ec_thread *thread)
{
	const struct ec_stats *stats = ec_engine_stats(thread->engine);

	store(&thread->jobs, thread->jobs + 1);
	store(&thread->made_ahead, stats->made_ahead);
	store(&thread->made_waiting, stats->made_waiting);
	store(&thread->chains_cached, stats->chains_cached);
	store(&thread->chains_verified, stats->chains_verified);
}

/* Until it is over, or all is. */
static void
rest(struct ec_threads *all)
{
	pthread_mutex_lock(&all->lock);
	all->at_rest++;
	pthread_cond_broadcast(&all->changed);
	while (all->resting && !atomic_load_explicit(&all->ending, memory_order_acquire))
		pthread_cond_wait(&all->changed, &all->lock);
	all->at_rest--;
	pthread_mutex_unlock(&all->lock);
}

/* Jobs first; what is made ahead is made while there are none. */
static void
turn(struct ec_thread *thread)
{
	const struct ec_way *way = &thread->all->way;
	struct ec_job *jobs[BURST];
	unsigned n = way->take(way->ctx, jobs, BURST);

	follow_trust(thread);
	for (unsigned i = 0; i < n; i++) {
		ec_engine_work(thread->engine, thread->trust, jobs[i], (int64_t)time(NULL));
		note_job(thread);
		way->give(way->ctx, jobs[i]);
	}
	if (n) {
		note_cpu(thread);
		return;
	}
	if (thread->trust && ec_engine_prepare(thread->engine))
		return;
	note_cpu(thread);
	way->wait(way->ctx, WAIT_MS);
}

static void *
run(void *ctx)
{
	struct ec_thread *thread = ctx;

	pthread_setname_np(pthread_self(), "curves");
	if (thread->all->way.begin)
		thread->all->way.begin();
	while (!atomic_load_explicit(&thread->all->ending, memory_order_acquire)) {
		if (atomic_load_explicit(&thread->all->resting, memory_order_relaxed))
			rest(thread->all);
		else
			turn(thread);
	}
	return NULL;
}

/* ---- resting ---- */

static void
wake_all(struct ec_threads *threads)
{
	for (unsigned i = 0; i < threads->n; i++)
		threads->way.wake(threads->way.ctx);
}

static void
set_resting(struct ec_threads *threads, bool resting)
{
	pthread_mutex_lock(&threads->lock);
	threads->resting = resting;
	pthread_cond_broadcast(&threads->changed);
	pthread_mutex_unlock(&threads->lock);
}

bool
ec_threads_rest(struct ec_threads *threads, unsigned timeout_ms)
{
	struct timespec until;
	bool all;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	set_resting(threads, true);
	wake_all(threads);
	pthread_mutex_lock(&threads->lock);
	while (threads->at_rest < threads->n &&
	       pthread_cond_timedwait(&threads->changed, &threads->lock, &until) == 0)
		;
	all = threads->at_rest == threads->n;
	pthread_mutex_unlock(&threads->lock);
	if (!all)
		ec_threads_go_on(threads);
	return all;
}

void
ec_threads_go_on(struct ec_threads *threads)
{
	set_resting(threads, false);
}

/* ---- life ---- */

static bool
start(struct ec_threads *threads, const cpu_set_t *cpus)
{
	struct ec_thread *thread = &threads->threads[threads->n];

	thread->all = threads;
	thread->engine = ec_engine_new();
	if (!thread->engine)
		return false;
	if (pthread_create(&thread->thread, NULL, run, thread) != 0) {
		ec_engine_free(thread->engine);
		return false;
	}
	/* CPUs that are not allowed leave the thread where it is: slower, and still right. */
	if (cpus)
		(void)pthread_setaffinity_np(thread->thread, sizeof *cpus, cpus);
	threads->n++;
	return true;
}

/* Time-outs of it are no wall clock's. */
static void
init_changed(pthread_cond_t *changed)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

struct ec_threads *
ec_threads_new(const struct ec_way *way, unsigned n, const cpu_set_t *cpus,
	       char error[EC_ERROR_MAX])
{
	/* lint: allow calloc - the control side, at the start */
	struct ec_threads *threads = calloc(1, sizeof *threads + n * sizeof threads->threads[0]);

	if (!threads) {
		snprintf(error, EC_ERROR_MAX, "elliptic curves: out of memory");
		return NULL;
	}
	threads->way = *way;
	pthread_mutex_init(&threads->lock, NULL);
	init_changed(&threads->changed);
	while (threads->n < n) {
		if (start(threads, cpus))
			continue;
		snprintf(error, EC_ERROR_MAX, "elliptic curves: cannot start thread %u of %u",
			 threads->n + 1, n);
		ec_threads_free(threads);
		return NULL;
	}
	return threads;
}

void
ec_threads_free(struct ec_threads *threads)
{
	if (!threads)
		return;
	atomic_store_explicit(&threads->ending, true, memory_order_release);
	ec_threads_go_on(threads);
	wake_all(threads);
	for (unsigned i = 0; i < threads->n; i++) {
		pthread_join(threads->threads[i].thread, NULL);
		ec_engine_free(threads->threads[i].engine);
		ec_trust_release(threads->threads[i].trust);
	}
	ec_trust_release(threads->trust);
	pthread_cond_destroy(&threads->changed);
	pthread_mutex_destroy(&threads->lock);
	free(threads);
}

void
ec_threads_publish(struct ec_threads *threads, struct ec_trust *trust)
{
	struct ec_trust *old;

	if (trust)
		ec_trust_hold(trust);
	pthread_mutex_lock(&threads->lock);
	old = threads->trust;
	threads->trust = trust;
	atomic_fetch_add_explicit(&threads->publication, 1, memory_order_release);
	pthread_mutex_unlock(&threads->lock);
	ec_trust_release(old);
	/* They make key pairs ahead from now on. */
	wake_all(threads);
}

void
ec_threads_totals(const struct ec_threads *threads, struct ec_totals *totals)
{
	*totals = (struct ec_totals){ 0 };
	for (unsigned i = 0; i < threads->n; i++) {
		const struct ec_thread *thread = &threads->threads[i];

		totals->jobs += thread->jobs;
		totals->busy_ns += thread->busy_ns;
		totals->made_ahead += thread->made_ahead;
		totals->made_waiting += thread->made_waiting;
		totals->chains_cached += thread->chains_cached;
		totals->chains_verified += thread->chains_verified;
	}
}
