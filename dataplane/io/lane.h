/*
 * lane.h - the way between workers and the slow lane's thread: a bounded pool of items and rings.
 *
 * Workers never wait and never make a system call but one: the first item that finds the thread asleep wakes it.
 * Everything is allocated by lane_new(), before the first packet.
 *
 * Threads: lane_offer() any worker; lane_collect() the worker it names; the rest belong to the slow lane's thread.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/core/slow_lane.h"

struct lane;

/* NULL: out of memory. `items` is rounded up to a power of two. */
struct lane *lane_new(unsigned workers, unsigned items);
void lane_free(struct lane *lane);

/* (worker) A free item to fill and give to lane_offer(), or NULL: the pool is empty. */
struct slow_lane_item *lane_item(struct lane *lane);
/* (worker) Hands it to the slow lane, which owns it from then on. Every item has room in every ring. */
void lane_offer(struct lane *lane, struct slow_lane_item *item);
/* (worker) Up to n items for this worker; each goes back by lane_return(). */
unsigned lane_collect(struct lane *lane, unsigned worker, struct slow_lane_item **items,
		      unsigned n);
/* (both) Wipes and returns items to the pool. */
void lane_return(struct lane *lane, struct slow_lane_item **items, unsigned n);

/* (slow lane) Up to n items of all workers. */
unsigned lane_take(struct lane *lane, struct slow_lane_item **items, unsigned n);
/* (slow lane) Hands it to item->worker. */
void lane_give(struct lane *lane, struct slow_lane_item *item);
/* (slow lane) Waits for an item, lane_wake(), or the time-out. */
void lane_wait(struct lane *lane, int timeout_ms);
/* Any thread. */
void lane_wake(struct lane *lane);
