/*
 * mailbox.h - bounded rings of fixed-size records between two threads: commands to a worker, events
 * from it.
 *
 * One writer thread, one reader thread, neither ever waits: a full ring is told to the writer, who
 * keeps the record and tries again. Memory comes from the caller before the first packet; records
 * are copied in and out. Order: what the writer did before mailbox_post() is seen by who took the
 * record (release and acquire inside rte_ring).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/core/stack.h"

enum {
	/* The control side posts a command a session event at most; a burst of them waits in its
	 * loop. 24 KB. */
	MAILBOX_COMMANDS = 1024,
	/* Two events a bootstrap: what the control thread may be away for is 100 ms at 160 k bootstraps/s and worker. When
	 * it is full, sessions that are over wait in their slots, and once there is no other slot, requests are answered
	 * 5.03. 3.3 MB; one less than a power of two, as mailbox_size() tells. */
	MAILBOX_EVENTS = 32767,
	/* Messages of a few traced devices, and pieces of their datagrams: a dialogue has a dozen of
	 * each, and the control thread looks every few ms. 340 KB. */
	MAILBOX_TRACES = 1023,
	/* Commands of one turn: each may cost what a datagram costs, and datagrams come first. */
	MAILBOX_BUDGET = 16,
	/* A stack_command.kind that is the worker's own, not its stack's: it announces the addresses
	 * of port number stack_command.device (announce.h). */
	MAILBOX_ANNOUNCE = UINT8_MAX,
};

_Static_assert(sizeof(struct stack_command) % 4 == 0 && sizeof(struct trace_record) % 4 == 0,
	       "rte_ring copies records by words");

/* Bytes of a ring of `capacity` records of `record` bytes; -EINVAL where rte_ring refuses. Aligned
 * to a cache line. */
static inline ssize_t
mailbox_size(unsigned record, unsigned capacity)
{
	/* RING_F_EXACT_SZ keeps one slot unused: the table is of the next power of two. */
	return rte_ring_get_memsize_elem(record, rte_align32pow2(capacity + 1));
}

/* 0, or -errno. */
static inline int
mailbox_init(struct rte_ring *ring, const char *name, unsigned capacity)
{
	return rte_ring_init(ring, name, capacity, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

/* (writer) false: full, nothing was written. */
static inline bool __attribute__((warn_unused_result))
mailbox_post(struct rte_ring *ring, const void *record, unsigned size)
{
	return rte_ring_sp_enqueue_elem(ring, (void *)(uintptr_t)record, size) == 0;
}

/* (writer) How far it has written; never moves back, and wraps. */
static inline uint32_t
mailbox_posted(const struct rte_ring *ring)
{
	return ring->prod.tail;
}

/* (writer) Whether the reader has taken all of what was posted up to there. */
static inline bool
mailbox_is_taken(const struct rte_ring *ring, uint32_t posted)
{
	/* Acquire pairs with the reader's release, once it has copied them out. */
	return (int32_t)(__atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE) - posted) >= 0;
}

/* (reader) Takes up to n records, oldest first. */
static inline unsigned
mailbox_take(struct rte_ring *ring, void *records, unsigned size, unsigned n)
{
	return rte_ring_sc_dequeue_burst_elem(ring, records, size, n, NULL);
}
