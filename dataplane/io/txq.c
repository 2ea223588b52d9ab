#include "dataplane/io/txq.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_pause.h>

/* A holder may have lost its CPU, so nobody waits for long. */
static bool
lock_queue(rte_spinlock_t *lock)
{
	for (unsigned i = 0; i < TXQ_LOCK_ATTEMPTS; i++) {
		if (rte_spinlock_trylock(lock))
			return true;
		rte_pause();
	}
	return false;
}

/* Until all are sent, or it takes no more. */
static unsigned
send_burst(struct txq *txq, uint16_t queue)
{
	unsigned sent = 0, taken;

	do {
		taken = rte_eth_tx_burst(txq->port->id, queue, txq->frames + sent,
					 (uint16_t)(txq->n - sent));
		sent += taken;
	} while (taken && sent < txq->n);
	return sent;
}

/* How many were sent: none where another worker has the queue just now. */
static unsigned
send_on(struct txq *txq, uint16_t queue)
{
	unsigned sent;

	if (!txq->locks)
		return send_burst(txq, queue);
	if (!lock_queue(&txq->locks[queue]))
		return 0;
	sent = send_burst(txq, queue);
	rte_spinlock_unlock(&txq->locks[queue]);
	return sent;
}

/* The same, on the queue that leads to the peer. */
static unsigned
send_frames(struct txq *txq)
{
	unsigned sent;

	if (unlikely(txq->closed))
		return 0;
	sent = send_on(txq, txq->queue);
	if (sent == 0 && txq->port->peer_chooses_queues && txq->queue != 0)
		sent = send_on(txq, 0);
	return sent;
}

/* As many as the device takes; the rest moves to the front. Returns whether it took any. */
static bool
send_some(struct txq *txq, struct counters *counters)
{
	uint32_t bytes[TXQ_FRAMES];
	unsigned sent;

	/* Once sent, a frame may be gone already. */
	for (unsigned i = 0; i < txq->n; i++)
		bytes[i] = rte_pktmbuf_pkt_len(txq->frames[i]);
	sent = send_frames(txq);
	count_add(counters, COUNTER_tx_bursts, sent > 0);
	count_add(counters, COUNTER_tx_frames, sent);
	for (unsigned i = 0; i < sent; i++)
		count_add(counters, COUNTER_tx_bytes, bytes[i]);
	txq->n -= sent;
	txq->stalled = txq->n > 0;
	if (unlikely(txq->stalled))
		memmove(txq->frames, txq->frames + sent, txq->n * sizeof txq->frames[0]);
	return sent > 0;
}

void
txq_drop(struct txq *txq, struct counters *counters)
{
	count_add(counters, txq->shut ? COUNTER_tx_port_shut : COUNTER_tx_full, txq->n);
	rte_pktmbuf_free_bulk(txq->frames, txq->n);
	txq->n = 0;
	txq->stalled = false;
	txq->stalled_since_us = 0;
}

void
txq_flush(struct txq *txq, uint64_t now_us, struct counters *counters)
{
	if (!txq->n)
		return;
	if (unlikely(txq->shut)) {
		txq_drop(txq, counters);
		return;
	}
	if (send_some(txq, counters) || !txq->stalled_since_us)
		txq->stalled_since_us = txq->stalled ? now_us : 0;
	else if (now_us - txq->stalled_since_us >= TXQ_PATIENCE_US)
		txq_drop(txq, counters);
}

void
txq_put(struct txq *txq, struct rte_mbuf *frame, struct counters *counters)
{
	if (txq->n >= TXQ_BURST && !txq->stalled)
		send_some(txq, counters);
	if (unlikely(txq->n == TXQ_FRAMES)) {
		count(counters, COUNTER_tx_full);
		rte_pktmbuf_free(frame);
		return;
	}
	txq->frames[txq->n++] = frame;
}

static bool
refill(struct answers *answers)
{
	/* A slot without a buffer must not be used. */
	answers->outbox.size = 0;
	if (rte_pktmbuf_alloc_bulk(answers->pool, answers->mbufs, answers->empty) != 0)
		return false;
	answers->outbox.size = STACK_TX_MAX;
	for (unsigned i = 0; i < answers->empty; i++) {
		answers->slots[i].data = rte_pktmbuf_mtod(answers->mbufs[i], uint8_t *);
		answers->slots[i].cap = answers->cap;
	}
	answers->empty = 0;
	return true;
}

bool
answers_init(struct answers *answers, struct rte_mempool *pool, uint16_t cap)
{
	answers->outbox = (struct outbox){ .slots = answers->slots };
	answers->pool = pool;
	answers->cap = cap;
	answers->empty = STACK_TX_MAX;
	return refill(answers);
}

void
answers_fini(struct answers *answers)
{
	rte_pktmbuf_free_bulk(answers->mbufs + answers->empty, STACK_TX_MAX - answers->empty);
	answers->empty = STACK_TX_MAX;
}

bool
answers_ready(struct answers *answers)
{
	return likely(answers->empty == 0) || refill(answers);
}

static void
frame_answer(const struct port *port, const struct dgram_out *slot, struct rte_mbuf *mbuf)
{
	uint8_t *start = l3_prepend_udp(&port->l3, slot, port->tx_checksum);
	size_t headers = (size_t)(slot->data - start);

	mbuf->data_off = (uint16_t)(mbuf->data_off - headers);
	mbuf->data_len = (uint16_t)(headers + slot->len);
	mbuf->pkt_len = mbuf->data_len;
	if (port->tx_checksum) {
		bool ipv4 = l3_is_ipv4(slot->peer.addr);

		mbuf->l2_len = slot->link.vlan == LINK_UNTAGGED ? 14 : 18;
		mbuf->l3_len = ipv4 ? 20 : 40;
		mbuf->ol_flags |=
			RTE_MBUF_F_TX_UDP_CKSUM | (ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	}
}

unsigned
answers_send(struct answers *answers, struct txq *const txq_of[LISTENERS_MAX],
	     struct counters *counters)
{
	unsigned n = answers->outbox.used;

	for (unsigned i = 0; i < n; i++) {
		const struct dgram_out *slot = &answers->slots[i];
		struct txq *txq = txq_of[slot->peer.listener];

		if (unlikely(txq->shut)) { /* its addresses may change just now */
			count(counters, COUNTER_tx_port_shut);
			rte_pktmbuf_free(answers->mbufs[i]);
			continue;
		}
		frame_answer(txq->port, slot, answers->mbufs[i]);
		txq_put(txq, answers->mbufs[i], counters);
	}
	answers->outbox.used = 0;
	answers->empty = n;
	answers_ready(answers);
	return n;
}
