/*
 * lane.h - the way between workers and other threads of ours: rings of pointers, such as to those
 * that compute with elliptic curves (ec_job.h). What goes through begins with a struct lane_head; it is
 * the workers', and belongs to the other end from lane_offer() to lane_collect(). What its sender
 * wrote before it was handed over is seen by who takes it (pointer_ring.h).
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
	unsigned workers;
	unsigned waiting; /* items of all workers that may wait for them */
	unsigned items;   /* of one worker that may be on their way: it has no more of them */
};

/* NULL: out of memory. */
struct lane *lane_new(const struct lane_config *config);
void lane_free(struct lane *lane);

/* (worker) Hands it to the other end, which owns it from then on. False: too many wait there. */
bool lane_offer(struct lane *lane, void *item) __attribute__((warn_unused_result));
/* (worker) Up to n items of this worker that came back. */
unsigned lane_collect(struct lane *lane, unsigned worker, void **items, unsigned n);

/* (other end) Up to n items of all workers. */
unsigned lane_take(struct lane *lane, void **items, unsigned n);
/* (other end) Hands it to the worker in its head. */
void lane_give(struct lane *lane, void *item);
/* (other end) Waits for an item, lane_wake(), or the time-out. */
void lane_wait(struct lane *lane, int timeout_ms);
/* Any thread: wakes one that waits. */
void lane_wake(struct lane *lane);
