/*
 * txq.h - the way out: answers in packet buffers, and a worker's transmit queue on each port.
 *
 * The stack writes answers into an outbox whose slots are the payload areas of packet buffers that
 * wait here already; headers are then written in front, into the headroom, so a datagram is never
 * copied. Frames are collected a port and sent in bursts.
 *
 * What a device does not take waits for the next turn, and meanwhile the worker receives nothing on
 * that port: a request that is lost before any work costs its sender least, while a lost answer
 * holds a session until it is sent again. A device that takes nothing for TXQ_PATIENCE_US, and one
 * whose queue is full of what timers and other ports' datagrams brought, loses frames, which are
 * counted. The worker itself never waits for a device.
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
	TXQ_BURST = STACK_TX_MAX,
	/* A burst not sent, and one each of the received, of timers and of the mailbox. */
	TXQ_FRAMES = 4 * TXQ_BURST,
	TXQ_PATIENCE_US = 100000,
	TXQ_LOCK_ATTEMPTS =
		64, /* where workers share a queue: tries, some 10 cycles apart, to get it */
};

struct txq {
	const struct port *port;
	uint16_t queue;
	rte_spinlock_t *locks; /* of the port's queues; NULL: this queue is the worker's own */
	bool stalled; /* the device did not take all: nothing is to be received on its port */
	bool closed;  /* the port's gate, this turn: nothing is sent or received */
	bool shut;    /* ... and the port is being opened again: nothing waits for it, either */
	uint64_t stalled_since_us; /* or since it took something; 0: not at the last flush */
	unsigned n;
	struct rte_mbuf *frames[TXQ_FRAMES];
};

/* Takes the buffer; sends first where a burst is together. */
void txq_put(struct txq *txq, struct rte_mbuf *frame, struct counters *counters);
/* Once a turn. Leaves behind what the device did not take: all, where another worker has the queue
 * just now. */
void txq_flush(struct txq *txq, uint64_t now_us, struct counters *counters);
/* Drops what was left behind. */
void txq_drop(struct txq *txq, struct counters *counters);

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
