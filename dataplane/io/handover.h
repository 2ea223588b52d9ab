/*
 * handover.h - datagrams on the way from the worker that received them to the worker that owns
 * their flow.
 *
 * A ring for each ordered pair of workers, so each has one writer and one reader: a ring with many
 * writers would let one that lost its CPU stop all others. A datagram travels as its packet buffer;
 * what l3 found out stands in the buffer's private area, so the owner parses nothing again. 64
 * workers have 4,032 rings of 4 KB: 16 MB; two workers have 8 KB. None are made where every port's
 * RSS is trusted.
 *
 * Owner: each worker its struct. Memory before the first packet; nothing waits; a full ring is a
 * counted drop.
 */
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/core/stack.h"
#include "dataplane/dataplane.h"

enum {
	HANDOVER_SLOTS =
		512, /* 16 bursts: the reader may be away for as long as its longest turn */
};

/* In the private area of every packet buffer. */
struct handover_note {
	struct dgram_in datagram;
};

struct handover {
	unsigned self, workers;
	unsigned next;                               /* whose ring is read first, in turn */
	struct rte_ring *in[DATAPLANE_WORKERS_MAX];  /* from each worker; NULL from oneself */
	struct rte_ring *out[DATAPLANE_WORKERS_MAX]; /* to each worker */
	/* Collected during a burst, so that a ring's cache lines move once. */
	struct handover_batch {
		unsigned n;
		struct rte_mbuf *mbufs[STACK_BURST];
	} batches[DATAPLANE_WORKERS_MAX];
};

size_t handover_ring_size(void);
/* 0, or -errno. */
int handover_ring_init(struct rte_ring *ring);

/* At most STACK_BURST between two calls of handover_flush(). */
void handover_put(struct handover *handover, unsigned owner, struct rte_mbuf *mbuf,
		  const struct dgram_in *datagram);
/* Frees what found no room. */
void handover_flush(struct handover *handover, struct counters *counters);
/* Takes up to STACK_BURST datagrams that others received; their buffers are the caller's from now
 * on. */
unsigned handover_take(struct handover *handover, struct rte_mbuf *mbufs[STACK_BURST],
		       struct dgram_in datagrams[STACK_BURST]);
