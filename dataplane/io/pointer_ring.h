/*
 * pointer_ring.h - a bounded ring of pointers between any threads, also such as the system may stop at any
 * time.
 *
 * rte_ring is not for those: a thread that is stopped in the middle of an operation leaves all others
 * spinning until it goes on, polled cores among them. Here each slot has a turn, and nobody ever waits:
 *
 *	turn == position          free for who puts at this position
 *	turn == position + 1      holds what was put there
 *	turn == position + slots  free again, for the position one round later
 *
 * Who wants a slot takes its position by an exchange of the counter, does its part, and then passes the
 * turn on (release, which the next one's load acquires: what the sender wrote before it put the pointer,
 * the receiver sees). A thread that is stopped in between holds up those pointers alone that come behind
 * its own.
 *
 * Owner: the caller, of the memory. Never allocates, blocks or makes a system call.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pointer_slot {
	_Atomic uint32_t turn;
	void *item;
};

struct pointer_ring {
	uint32_t mask; /* slots - 1 */
	/* Positions of who puts and of who takes, on lines of their own; relaxed, as turns order. */
	_Atomic uint32_t put __attribute__((aligned(64)));
	_Atomic uint32_t taken __attribute__((aligned(64)));
	struct pointer_slot slots[] __attribute__((aligned(64)));
};

/* Bytes, aligned to 64, for a ring of at least so many pointers: the next power of two. */
size_t pointer_ring_size(uint32_t capacity);
void pointer_ring_init(struct pointer_ring *ring, uint32_t capacity);

/* False: it is full. */
bool pointer_ring_put(struct pointer_ring *ring, void *item) __attribute__((warn_unused_result));
/* NULL: it is empty. */
void *pointer_ring_take(struct pointer_ring *ring);
bool pointer_ring_is_empty(const struct pointer_ring *ring);
