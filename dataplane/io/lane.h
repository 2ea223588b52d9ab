/*
 * lane.h - the way between workers and other threads of ours: a bounded pool of items and rings,
 * such as to those that compute with elliptic curves (ec_job.h). Items begin with a struct lane_head.
 *
 * Workers never wait and never make a system call but one: the first item that finds a thread
 * asleep wakes it. Everything is allocated by lane_new(), before the first packet.
 *
 * Threads: lane_offer() any worker; lane_collect() the worker it names; the rest belong to the
 * threads at the other end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct lane;

struct lane_config {
	const char *name; /* of its rings: short */
	unsigned workers;
	unsigned threads; /* at the other end */
	unsigned items;   /* rounded up to a power of two */
	size_t item_size;
};

/* NULL: out of memory. */
struct lane *lane_new(const struct lane_config *config);
void lane_free(struct lane *lane);

/* (worker) A free item to fill and give to lane_offer(), or NULL: the pool is empty. */
void *lane_item(struct lane *lane);
/* (worker) Hands it to the other end, which owns it from then on. Every item has room in every
 * ring. */
void lane_offer(struct lane *lane, void *item);
/* (worker) Up to n items for this worker; each goes back by lane_return(). */
unsigned lane_collect(struct lane *lane, unsigned worker, void **items, unsigned n);
/* (both) Wipes and returns items to the pool. */
void lane_return(struct lane *lane, void **items, unsigned n);

/* (other end) Up to n items of all workers. */
unsigned lane_take(struct lane *lane, void **items, unsigned n);
/* (other end) Hands it to the worker in its head. */
void lane_give(struct lane *lane, void *item);
/* (other end) Waits for an item, lane_wake(), or the time-out. */
void lane_wait(struct lane *lane, int timeout_ms);
/* Any thread: wakes one that waits. */
void lane_wake(struct lane *lane);
