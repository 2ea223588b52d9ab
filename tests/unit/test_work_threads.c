/* A computation shared by threads: each piece once, and all of it done when a run is over. */
#include <sched.h>
#include <stdatomic.h>

#include <criterion/criterion.h>

#include "control/work_threads.h"

enum { PIECES = 1000 };

struct counted {
	unsigned pieces[PIECES]; /* each written by who computes it: no lock */
	_Atomic unsigned begun;
	unsigned threads;
};

static struct counted counted;

static void
begin(void)
{
	atomic_fetch_add(&counted.begun, 1);
}

static void
count(void *ctx, unsigned thread, unsigned number)
{
	struct counted *into = ctx;

	cr_assert_lt(number, PIECES);
	cr_assert_lt(thread, into->threads);
	into->pieces[number]++;
}

static void
expect_each_once(struct counted *of, unsigned n, unsigned runs)
{
	for (unsigned i = 0; i < PIECES; i++)
		cr_expect_eq(of->pieces[i], i < n ? runs : 0, "%u", i);
}

Test(work_threads, nothing_to_do_is_done)
{
	struct work_threads *threads = work_threads_new(&(struct work_way){ .n = 3 });

	work_threads_run(threads, 0, count, &counted);
	expect_each_once(&counted, 0, 0);
	work_threads_free(threads);
	work_threads_free(NULL);
}

Test(work_threads, the_caller_alone_does_all_in_order)
{
	struct work_threads *threads =
		work_threads_new(&(struct work_way){ .n = 0, .begin = begin });

	counted.threads = work_threads_count(threads);
	cr_expect_eq(counted.threads, 1);
	work_threads_run(threads, PIECES, count, &counted);
	expect_each_once(&counted, PIECES, 1);
	cr_expect_eq(atomic_load(&counted.begun), 0, "none was started");
	work_threads_free(threads);
}

Test(work_threads, each_piece_is_computed_once_in_every_run)
{
	const struct work_way way = { .n = 4, .begin = begin };
	struct work_threads *threads = work_threads_new(&way);

	counted.threads = work_threads_count(threads);
	cr_expect_eq(counted.threads, 4);
	for (unsigned run = 0; run < 200; run++)
		work_threads_run(threads, run % 2 ? PIECES : 7, count, &counted);
	for (unsigned i = 0; i < PIECES; i++)
		cr_expect_eq(counted.pieces[i], i < 7 ? 200 : 100, "%u", i);
	work_threads_free(threads);
	cr_expect_eq(atomic_load(&counted.begun), 3);
}

/* A meeting of two threads: over only where two compute at once. */
static void
meet(void *ctx, unsigned thread, unsigned number)
{
	_Atomic unsigned *here = ctx;

	atomic_fetch_add(here, 1);
	while (atomic_load(here) < 2)
		sched_yield();
}

Test(work_threads, pieces_are_computed_beside_each_other, .timeout = 120)
{
	struct work_threads *threads = work_threads_new(&(struct work_way){ .n = 2 });
	_Atomic unsigned here = 0;

	work_threads_run(threads, 2, meet, &here);
	cr_expect_eq(atomic_load(&here), 2);
	work_threads_free(threads);
}

Test(work_threads, more_than_there_may_be_are_fewer)
{
	struct work_threads *threads =
		work_threads_new(&(struct work_way){ .n = WORK_THREADS_MAX + 1 });

	cr_expect_eq(work_threads_count(threads), WORK_THREADS_MAX);
	work_threads_free(threads);
}

Test(work_threads, cpus_that_are_not_allowed_are_no_hindrance)
{
	struct work_threads *threads;
	cpu_set_t none;

	CPU_ZERO(&none);
	threads = work_threads_new(&(struct work_way){ .n = 2, .cpus = &none });
	counted.threads = 2;
	work_threads_run(threads, PIECES, count, &counted);
	expect_each_once(&counted, PIECES, 1);
	work_threads_free(threads);
}
