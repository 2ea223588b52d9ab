#include "dataplane/io/handover.h"

#include "dataplane/io/mailbox.h"

size_t
handover_ring_size(void)
{
	return (size_t)mailbox_size(sizeof(struct rte_mbuf *), HANDOVER_SLOTS);
}

int
handover_ring_init(struct rte_ring *ring)
{
	return mailbox_init(ring, "handover", HANDOVER_SLOTS);
}

void
handover_put(struct handover *handover, unsigned owner, struct rte_mbuf *mbuf,
	     const struct dgram_in *datagram)
{
	struct handover_note *note = (struct handover_note *)rte_mbuf_to_priv(mbuf);
	struct handover_batch *batch = &handover->batches[owner];

	note->datagram = *datagram;
	batch->mbufs[batch->n++] = mbuf;
}

static void
flush_batch(struct rte_ring *ring, struct handover_batch *batch, struct counters *counters)
{
	unsigned sent =
		rte_ring_sp_enqueue_burst(ring, (void *const *)batch->mbufs, batch->n, NULL);

	count_add(counters, COUNTER_handed_over, sent);
	if (sent < batch->n) {
		count_add(counters, COUNTER_hand_over_full, batch->n - sent);
		rte_pktmbuf_free_bulk(batch->mbufs + sent, batch->n - sent);
	}
	batch->n = 0;
}

void
handover_flush(struct handover *handover, struct counters *counters)
{
	for (unsigned i = 0; i < handover->workers; i++)
		if (handover->batches[i].n)
			flush_batch(handover->out[i], &handover->batches[i], counters);
}

unsigned
handover_take(struct handover *handover, struct rte_mbuf *mbufs[STACK_BURST],
	      struct dgram_in datagrams[STACK_BURST])
{
	unsigned n = 0;

	for (unsigned i = 0; i < handover->workers && n < STACK_BURST; i++) {
		struct rte_ring *ring = handover->in[(handover->next + i) % handover->workers];

		if (ring)
			n += rte_ring_sc_dequeue_burst(ring, (void **)mbufs + n, STACK_BURST - n,
						       NULL);
	}
	handover->next = (handover->next + 1) % handover->workers;
	for (unsigned i = 0; i < n; i++)
		datagrams[i] = ((struct handover_note *)rte_mbuf_to_priv(mbufs[i]))->datagram;
	return n;
}
