/*
 * txq.h - the way out: answers in packet buffers, and a worker's transmit queue on each port.
 *
 * The stack writes answers into an outbox whose slots are the payload areas of packet buffers that
 * wait here already; headers are then written in front, into the headroom, so a datagram is never
 * copied. Frames are collected a port and sent in bursts. A device that takes nothing gets a few
 * attempts, then the frames are dropped and counted: a worker never waits for a device.
 *
 * Owner: one worker. Buffers come from the pool by the burst, through the worker's own cache;
 * nothing else is allocated.
 */
#pragma once

#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "dataplane/core/stack.h"
#include "dataplane/io/port.h"

enum {
	TXQ_FRAMES = STACK_TX_MAX,
	TXQ_ATTEMPTS = 4, /* bursts tried before frames are dropped */
	TXQ_LOCK_ATTEMPTS =
		64, /* where workers share a queue: tries, some 10 cycles apart, to get it */
};

struct txq {
	const struct port *port;
	uint16_t queue;
	rte_spinlock_t *locks; /* of the port's queues; NULL: this queue is the worker's own */
	unsigned n;
	struct rte_mbuf *frames[TXQ_FRAMES];
};

/* Takes the buffer; sends first when there is no room. */
void txq_put(struct txq *txq, struct rte_mbuf *frame, struct counters *counters);
/* Leaves nothing behind, but where the queue is shared and taken just now. */
void txq_flush(struct txq *txq, struct counters *counters);

struct answers {
	struct outbox outbox;
	struct rte_mempool *pool;
	uint16_t cap;   /* bytes of a payload: what fits all ports, DATAGRAM_MAX at most */
	unsigned empty; /* slots, from the first on, that have no buffer: the pool had none */
	struct dgram_out slots[STACK_TX_MAX];
	struct rte_mbuf *mbufs[STACK_TX_MAX];
};

/* false: the pool had no buffers; answers_ready() tries again. */
bool answers_init(struct answers *answers, struct rte_mempool *pool, uint16_t cap);
void answers_fini(struct answers *answers);
/* Whether all STACK_TX_MAX slots are free and have buffers. Without, the stack must not be
 * called. */
bool answers_ready(struct answers *answers);
/* Writes the headers of what the stack left in the outbox, moves it to the ports' queues, and
 * refills the slots. txq_of[listener] is the queue of the listener's port. Returns how many. */
unsigned answers_send(struct answers *answers, struct txq *const txq_of[LISTENERS_MAX],
		      struct counters *counters);
