#include "control/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

struct loop_source {
	int fd;
	bool removed;
	loop_handler *handler;
	void *ctx;
	struct loop_source *next_removed;
};

struct loop {
	int epoll;
	bool stopped;
	struct loop_source *removed; /* freed after the turn: its events may hold them yet */

	int timer;
	uint32_t interval_us;
	loop_handler *tick;
	void *tick_ctx;
	struct loop_source *timer_source;

	int signals;
	loop_handler *on_signal;
	void *signal_ctx;
	struct loop_source *signal_source;
};

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof *loop);

	if (!loop)
		return NULL;
	loop->timer = loop->signals = -1;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

static void
free_removed(struct loop *loop)
{
	while (loop->removed) {
		struct loop_source *source = loop->removed;

		loop->removed = source->next_removed;
		free(source);
	}
}

void
loop_free(struct loop *loop)
{
	if (!loop)
		return;
	free_removed(loop);
	free(loop->timer_source);
	free(loop->signal_source);
	if (loop->timer >= 0)
		close(loop->timer);
	if (loop->signals >= 0)
		close(loop->signals);
	close(loop->epoll);
	free(loop);
}

struct loop_source *
loop_add(struct loop *loop, int fd, uint32_t events, loop_handler *handler, void *ctx)
{
	struct loop_source *source = malloc(sizeof *source);
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (!source)
		return NULL;
	*source = (struct loop_source){ .fd = fd, .handler = handler, .ctx = ctx };
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(source);
		return NULL;
	}
	return source;
}

void
loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void
loop_remove(struct loop *loop, struct loop_source *source)
{
	if (!source || source->removed)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->removed = true;
	source->next_removed = loop->removed;
	loop->removed = source;
}

static void
timer_expired(void *ctx, uint32_t events)
{
	struct loop *loop = ctx;
	uint64_t expirations;

	/* Missed ticks are not made up for: a tick takes what is there. */
	if (read(loop->timer, &expirations, sizeof expirations) == sizeof expirations &&
	    loop->interval_us)
		loop->tick(loop->tick_ctx, 0);
}

static int
timer_open(struct loop *loop)
{
	loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer < 0)
		return -errno;
	loop->timer_source = loop_add(loop, loop->timer, EPOLLIN, timer_expired, loop);
	return loop->timer_source ? 0 : -ENOMEM;
}

int
loop_tick(struct loop *loop, uint32_t interval_us, loop_handler *handler, void *ctx)
{
	struct timespec period = { .tv_sec = interval_us / 1000000,
				   .tv_nsec = (long)(interval_us % 1000000) * 1000 };
	struct itimerspec timer = { .it_interval = period, .it_value = period };
	int result;

	loop->tick = handler;
	loop->tick_ctx = ctx;
	if (interval_us == loop->interval_us)
		return 0;
	if (loop->timer < 0) {
		result = timer_open(loop);
		if (result < 0)
			return result;
	}
	loop->interval_us = interval_us;
	return timerfd_settime(loop->timer, 0, &timer, NULL) < 0 ? -errno : 0;
}

static void
signal_arrived(void *ctx, uint32_t events)
{
	struct loop *loop = ctx;
	struct signalfd_siginfo info;

	while (read(loop->signals, &info, sizeof info) == sizeof info)
		loop->on_signal(loop->signal_ctx, info.ssi_signo);
}

int
loop_signals(struct loop *loop, const int *signals, unsigned n, loop_handler *handler, void *ctx)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	loop->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (loop->signals < 0)
		return -errno;
	loop->on_signal = handler;
	loop->signal_ctx = ctx;
	loop->signal_source = loop_add(loop, loop->signals, EPOLLIN, signal_arrived, loop);
	return loop->signal_source ? 0 : -ENOMEM;
}

int
loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_MAX];

	while (!loop->stopped) {
		int n = epoll_wait(loop->epoll, events, EVENTS_MAX, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		/* Nothing after the stop, though it came together with it: another process may serve by now. */
		for (int i = 0; i < n && !loop->stopped; i++) {
			struct loop_source *source = events[i].data.ptr;

			if (!source->removed)
				source->handler(source->ctx, events[i].events);
		}
		free_removed(loop);
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

bool
loop_is_ending(const struct loop *loop, const int *signals, unsigned n)
{
	sigset_t pending;

	if (loop->stopped)
		return true;
	if (sigpending(&pending) < 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (sigismember(&pending, signals[i]) == 1)
			return true;
	return false;
}
