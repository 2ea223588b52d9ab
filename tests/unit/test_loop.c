/*
 * The loop: sources may go away in any handler, the tick follows its interval, signals arrive as
 * calls.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/loop.h"

static struct loop *loop;
static struct loop_source *sources[2];
static unsigned calls, ticks;

static void
remove_both(void *ctx, uint32_t events)
{
	calls++;
	loop_remove(loop, sources[0]);
	loop_remove(loop, sources[1]);
	loop_remove(loop, sources[1]); /* twice is once */
	loop_stop(loop);
}

Test(loop, a_source_removed_by_another_is_not_called_again)
{
	int pipes[2][2];

	loop = loop_new();
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(pipe(pipes[i]), 0);
		cr_assert_eq(write(pipes[i][1], "x", 1), 1);
		sources[i] = loop_add(loop, pipes[i][0], EPOLLIN, remove_both, NULL);
		cr_assert_not_null(sources[i]);
	}
	cr_expect_eq(loop_run(loop), 0);
	cr_expect_eq(calls, 1);
	loop_free(loop);
}

Test(loop, a_bad_descriptor_is_refused)
{
	loop = loop_new();
	cr_expect_null(loop_add(loop, -1, EPOLLIN, remove_both, NULL));
	loop_free(loop);
}

static void
count_tick(void *ctx, uint32_t events)
{
	if (++ticks == 5)
		loop_stop(loop);
	else
		loop_tick(loop, ticks % 2 ? 1000 : 2000, count_tick, NULL);
}

Test(loop, ticks_come_and_change_their_interval)
{
	loop = loop_new();
	cr_assert_eq(loop_tick(loop, 1000, count_tick, NULL), 0);
	cr_expect_eq(loop_run(loop), 0);
	cr_expect_eq(ticks, 5);
	loop_free(loop);
}

static void
on_signal(void *ctx, uint32_t number)
{
	*(uint32_t *)ctx = number;
	loop_stop(loop);
}

Test(loop, signals_are_calls)
{
	static const int signals[] = { SIGHUP, SIGTERM };
	uint32_t number = 0;

	loop = loop_new();
	cr_assert_eq(loop_signals(loop, signals, 2, on_signal, &number), 0);
	cr_assert_eq(kill(getpid(), SIGHUP), 0);
	cr_expect_eq(loop_run(loop), 0);
	cr_expect_eq(number, SIGHUP);
	loop_free(loop);
}

static void
stop_once(void *ctx, uint32_t events)
{
	calls++;
	loop_stop(loop);
}

/* Another process may serve by then: not a reload, not a tick. */
Test(loop, what_came_together_with_the_stop_is_not_served)
{
	int pipes[2][2];

	loop = loop_new();
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(pipe(pipes[i]), 0);
		cr_assert_eq(write(pipes[i][1], "x", 1), 1);
		cr_assert_not_null(loop_add(loop, pipes[i][0], EPOLLIN, stop_once, NULL));
	}
	cr_expect_eq(loop_run(loop), 0);
	cr_expect_eq(calls, 1);
	loop_free(loop);
}
