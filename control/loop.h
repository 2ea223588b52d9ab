/*
 * loop.h - the control thread's loop: epoll over sockets, signals and one tick.
 *
 * Handlers run to completion and never block. The tick exists only while somebody wants it: an
 * appliance without traffic wakes up a few times a second. Owner: whoever calls loop_new(). One
 * thread. Allocates when sources are added.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_source;

typedef void loop_handler(void *ctx, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* NULL: no memory, or the descriptor can't be watched. The descriptor stays the caller's. */
struct loop_source *loop_add(struct loop *loop, int fd, uint32_t events, loop_handler *handler,
			     void *ctx);
void loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
/* May be called from any handler, for any source; it is not called again. */
void loop_remove(struct loop *loop, struct loop_source *source);

/*
 * Calls handler(ctx, 0) every `interval_us`; 0 ends it. A change of the interval costs one system
 * call, no change none. 0 or -errno.
 */
int loop_tick(struct loop *loop, uint32_t interval_us, loop_handler *handler, void *ctx);

/* Blocks these signals and delivers them as calls of handler(ctx, signal number). 0 or -errno. */
int loop_signals(struct loop *loop, const int *signals, unsigned n, loop_handler *handler,
		 void *ctx);

/* Until loop_stop(). 0, or -errno when the loop itself fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* For what takes long: whether the loop was stopped, or one of these signals (loop_signals()) waits to
 * be delivered. */
bool loop_is_ending(const struct loop *loop, const int *signals, unsigned n);
