#include "dataplane/io/worker.h"

#include <sched.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "dataplane/io/mailbox.h"
#include "dataplane/io/neigh.h"
#include "dataplane/io/port_gate.h"

enum {
	PREFETCH_AHEAD = 4, /* frames: some 300 cycles of parsing cover a miss to memory */
	EC_BUDGET = 8,      /* jobs of elliptic curves a turn */
	DISCARD_MAX = 1 << 16, /* frames of a queue: more than any ring has */
};

const char *
worker_step_name(enum worker_step step)
{
	static const char *const names[WORKER_STEPS] = { "receive",  "stack",   "timers",
							 "transmit", "mailbox", "curves",
							 "quiesce" };

	return names[step];
}

bool
worker_emit(void *ctx, const struct session_event *event)
{
	struct worker *worker = (struct worker *)ctx;

	return event_ring_post(&worker->events, event);
}

bool
worker_trace(void *ctx, const struct trace_record *record)
{
	struct worker *worker = (struct worker *)ctx;

	return mailbox_post(worker->traces, record, sizeof *record);
}

static void
step_ended(struct worker *worker, enum worker_step step)
{
	uint64_t now = rte_rdtsc();

	worker->step_cycles[step] += now - worker->mark;
	worker->mark = now;
}

/* Reading the counter costs a tenth of a datagram: what steps without work take counts to the next that has some. */
static unsigned
step_done(struct worker *worker, enum worker_step step, unsigned work)
{
	if (work)
		step_ended(worker, step);
	return work;
}

/* ---- receive ---- */

static void
drop_frame(struct worker *worker, struct rte_mbuf *mbuf, enum counter why)
{
	count(worker->counters, why);
	worker->done[worker->n_done++] = mbuf;
}

/* `answer` lies in the buffer. */
static void
send_neighbour(struct worker *worker, struct txq *txq, struct rte_mbuf *mbuf,
	       const struct neigh_answer *answer)
{
	count(worker->counters, answer->counter);
	mbuf->data_off = (uint16_t)(answer->frame - (uint8_t *)mbuf->buf_addr);
	mbuf->data_len = (uint16_t)answer->len;
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = 0; /* what the driver found out about a question */
	txq_put(txq, mbuf, worker->counters);
}

/* The answer takes the question's place; it lies within the buffer, as headroom and tailroom belong
 * to us. */
static void
answer_neighbour(struct worker *worker, const struct worker_queue *queue, struct rte_mbuf *mbuf,
		 enum l3_kind kind, struct l3_packet *packet)
{
	size_t at = (size_t)(packet->message - rte_pktmbuf_mtod(mbuf, uint8_t *));
	size_t room = rte_pktmbuf_data_len(mbuf) - at + rte_pktmbuf_tailroom(mbuf);
	struct neigh_answer answer;

	if (!neigh_answer(&queue->port->l3, kind, packet, room, &answer)) {
		drop_frame(worker, mbuf, packet->drop);
		return;
	}
	send_neighbour(worker, queue->txq, mbuf, &answer);
}

static void
accept_datagram(struct worker *worker, const struct port *port, struct rte_mbuf *mbuf,
		const struct dgram_in *datagram)
{
	if (worker->hands_over) {
		unsigned owner = port->rss ? flow_named(&worker->flow, datagram, worker->index)
					   : flow_owner(&worker->flow, datagram);

		if (owner != worker->index) {
			handover_put(&worker->handover, owner, mbuf, datagram);
			return;
		}
	}
	worker->in[worker->n_in] = *datagram;
	worker->in_mbufs[worker->n_in++] = mbuf;
}

static void
take_frame(struct worker *worker, const struct worker_queue *queue, struct rte_mbuf *mbuf)
{
	struct l3_packet packet;
	enum l3_kind kind;

	count_add(worker->counters, COUNTER_rx_bytes, rte_pktmbuf_pkt_len(mbuf));
	/* No driver is asked to strip tags, but some do. */
	if (unlikely(mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && rte_vlan_insert(&mbuf) != 0) {
		drop_frame(worker, mbuf, COUNTER_no_buffer);
		return;
	}
	/* The MTU fits one buffer, so a chain is a frame above it. */
	if (unlikely(mbuf->nb_segs > 1)) {
		drop_frame(worker, mbuf, COUNTER_rx_truncated);
		return;
	}
	kind = l3_parse(&queue->port->l3, rte_pktmbuf_mtod(mbuf, uint8_t *),
			rte_pktmbuf_data_len(mbuf), port_checked(queue->port, mbuf), &packet);
	if (likely(kind == L3_DATAGRAM))
		accept_datagram(worker, queue->port, mbuf, &packet.datagram);
	else if (kind == L3_DROP)
		drop_frame(worker, mbuf, packet.drop);
	else
		answer_neighbour(worker, queue, mbuf, kind, &packet);
}

void
worker_flush(struct outbox *outbox)
{
	struct worker *worker = container_of(outbox, struct worker, answers.outbox);

	answers_send(&worker->answers, worker->txq_of, worker->counters);
}

/* What lies in `in` goes through the stack; its buffers are free after that. */
static void
run_stack(struct worker *worker)
{
	if (!worker->n_in)
		return;
	if (likely(answers_ready(&worker->answers))) {
		stack_receive(worker->stack, worker->now_us, worker->in, worker->n_in,
			      &worker->answers.outbox);
		answers_send(&worker->answers, worker->txq_of, worker->counters);
	} else {
		count_add(worker->counters, COUNTER_no_buffer, worker->n_in);
	}
	rte_pktmbuf_free_bulk(worker->in_mbufs, worker->n_in);
	worker->n_in = 0;
}

static unsigned
receive_queue(struct worker *worker, const struct worker_queue *queue)
{
	struct rte_mbuf *mbufs[STACK_BURST];
	unsigned n = rte_eth_rx_burst(queue->port->id, queue->queue, mbufs, STACK_BURST);

	if (!n)
		return 0;
	count(worker->counters, COUNTER_rx_bursts);
	count_add(worker->counters, COUNTER_rx_frames, n);
	for (unsigned i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		take_frame(worker, queue, mbufs[i]);
	}
	rte_pktmbuf_free_bulk(worker->done, worker->n_done);
	worker->n_done = 0;
	if (worker->hands_over)
		handover_flush(&worker->handover, worker->counters);
	step_ended(worker, STEP_RECEIVE);
	run_stack(worker);
	step_ended(worker, STEP_STACK);
	return n;
}

/* What it finds holds until the next quiescent point. */
static void
look_at_gate(struct worker *worker)
{
	bool closed;

	if (likely(!worker->gated))
		return;
	closed = port_gate_closed();
	for (unsigned i = 0; i < worker->n_txqs; i++) {
		struct txq *txq = &worker->txqs[i];

		/* Acquire: of a port that is open again all is seen that was done to it. */
		txq->shut = atomic_load_explicit(&txq->port->shut, memory_order_acquire);
		txq->closed = txq->shut || (closed && txq->port->gated);
	}
}

static bool
may_receive(const struct txq *txq)
{
	return likely(!txq->stalled && !txq->closed);
}

static unsigned
receive(struct worker *worker)
{
	unsigned work = 0;

	for (unsigned i = 0; i < worker->n_queues; i++)
		if (may_receive(worker->queues[i].txq))
			work += receive_queue(worker, &worker->queues[i]);
	if (!worker->hands_over)
		return work;
	worker->n_in = handover_take(&worker->handover, worker->in_mbufs, worker->in);
	if (!worker->n_in)
		return work;
	work += worker->n_in;
	step_ended(worker, STEP_RECEIVE);
	run_stack(worker);
	step_ended(worker, STEP_STACK);
	return work;
}

/* ---- the other steps ---- */

static unsigned
timers(struct worker *worker)
{
	if (unlikely(!answers_ready(&worker->answers)))
		return 0;
	stack_tick(worker->stack, worker->now_us, &worker->answers.outbox);
	return answers_send(&worker->answers, worker->txq_of, worker->counters);
}

/* How many frames there were to send. */
static unsigned
transmit(struct worker *worker)
{
	unsigned frames = 0;

	for (unsigned i = 0; i < worker->n_txqs; i++) {
		frames += worker->txqs[i].n;
		txq_flush(&worker->txqs[i], worker->now_us, worker->counters);
	}
	return frames;
}

/* A shut port's addresses may change just now, and are announced once it is open again. */
static void
announce(struct worker *worker, struct txq *txq)
{
	const struct l3_port *l3 = &txq->port->l3;

	for (unsigned i = 0; !txq->shut && i < l3->n_addresses; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker->answers.pool);
		struct neigh_answer announcement;

		if (!mbuf) {
			count(worker->counters, COUNTER_no_buffer);
			continue;
		}
		neigh_announce(l3, i, rte_pktmbuf_mtod(mbuf, uint8_t *), &announcement);
		send_neighbour(worker, txq, mbuf, &announcement);
	}
}

static void
obey(struct worker *worker, const struct stack_command *command)
{
	if (command->kind == MAILBOX_ANNOUNCE)
		announce(worker, &worker->txqs[command->device]);
	else
		stack_command(worker->stack, worker->now_us, command, &worker->answers.outbox);
}

/* Its datagrams leave with the next turn's. */
static unsigned
mailbox(struct worker *worker)
{
	struct stack_command commands[MAILBOX_BUDGET];
	unsigned n;

	if (unlikely(!answers_ready(&worker->answers)))
		return 0;
	n = mailbox_take(worker->commands, commands, sizeof commands[0], MAILBOX_BUDGET);
	for (unsigned i = 0; i < n; i++)
		obey(worker, &commands[i]);
	if (n)
		answers_send(&worker->answers, worker->txq_of, worker->counters);
	return n;
}

bool
worker_ec_offer(void *ctx, struct ec_job *job)
{
	return lane_offer(((struct worker *)ctx)->ec, job);
}

/* What comes back from the threads of elliptic curves. */
static unsigned
curves(struct worker *worker)
{
	struct ec_job *jobs[EC_BUDGET];
	unsigned n;

	if (!worker->ec || unlikely(!answers_ready(&worker->answers)))
		return 0;
	n = lane_collect(worker->ec, worker->index, (void **)jobs, EC_BUDGET);
	if (likely(!n))
		return 0;
	for (unsigned i = 0; i < n; i++)
		stack_ec(worker->stack, worker->now_us, jobs[i], &worker->answers.outbox);
	answers_send(&worker->answers, worker->txq_of, worker->counters);
	return n;
}

/* Devices hear that their associations end: one pass over the sessions, whatever the queues take. */
static bool
farewell(struct worker *worker)
{
	bool more;

	if (unlikely(!answers_ready(&worker->answers)))
		return false;
	more = stack_farewell(worker->stack, worker->now_us, &worker->answers.outbox);
	answers_send(&worker->answers, worker->txq_of, worker->counters);
	return more;
}

void
worker_drain_mailbox(struct worker *worker)
{
	rte_rcu_qsbr_thread_register(worker->qsbr, worker->index);
	rte_rcu_qsbr_thread_online(worker->qsbr, worker->index);
	look_at_gate(worker);
	while (mailbox(worker))
		transmit(worker);
	while (farewell(worker))
		transmit(worker);
	transmit(worker);
	rte_rcu_qsbr_thread_offline(worker->qsbr, worker->index);
	rte_rcu_qsbr_thread_unregister(worker->qsbr, worker->index);
	for (unsigned i = 0; i < worker->n_txqs; i++)
		txq_drop(&worker->txqs[i], worker->counters);
}

bool
worker_settle(struct worker *worker)
{
	unsigned work;

	rte_rcu_qsbr_thread_register(worker->qsbr, worker->index);
	rte_rcu_qsbr_thread_online(worker->qsbr, worker->index);
	worker->now_us = clock_us(worker->clock, rte_rdtsc());
	look_at_gate(worker);
	work = mailbox(worker);
	if (worker->hands_over) {
		worker->n_in = handover_take(&worker->handover, worker->in_mbufs, worker->in);
		work += worker->n_in;
		run_stack(worker);
	}
	work += curves(worker);
	work += !stack_is_settled(worker->stack);
	(void)timers(worker);
	transmit(worker);
	rte_rcu_qsbr_thread_offline(worker->qsbr, worker->index);
	rte_rcu_qsbr_thread_unregister(worker->qsbr, worker->index);
	return work;
}

void
worker_discard(struct worker *worker)
{
	struct rte_mbuf *mbufs[STACK_BURST];

	look_at_gate(worker);
	for (unsigned i = 0; i < worker->n_queues; i++) {
		const struct worker_queue *queue = &worker->queues[i];
		unsigned left = DISCARD_MAX, n = 1;

		while (n && left && may_receive(queue->txq)) {
			n = rte_eth_rx_burst(queue->port->id, queue->queue, mbufs, STACK_BURST);
			rte_pktmbuf_free_bulk(mbufs, n);
			left -= RTE_MIN(left, n);
		}
	}
}

/* ---- the loop ---- */

static void
store(uint64_t *value, uint64_t to)
{
	__atomic_store_n(value, to,
			 __ATOMIC_RELAXED); /* whole for a reader; ordered with nothing */
}

static enum worker_step
slowest_step(const struct worker *worker)
{
	enum worker_step slowest = STEP_RECEIVE;

	for (unsigned i = 0; i < WORKER_STEPS; i++)
		if (worker->step_cycles[i] > worker->step_cycles[slowest])
			slowest = (enum worker_step)i;
	return slowest;
}

static void
turn_ended(struct worker *worker, uint64_t began, unsigned work)
{
	struct worker_stats *stats = &worker->stats;
	uint64_t spent = worker->mark - began;

	store(&stats->turns, stats->turns + 1);
	/* What passed between turns, while others had the CPU, was idle time. */
	store(&stats->cycles, worker->mark - worker->started);
	if (work) {
		store(&stats->busy_turns, stats->busy_turns + 1);
		store(&stats->busy_cycles, stats->busy_cycles + spent);
		delays_add(&stats->busy_turn_cycles, spent);
		for (unsigned i = 0; i < WORKER_STEPS; i++)
			store(&stats->step_cycles[i],
			      stats->step_cycles[i] + worker->step_cycles[i]);
	}
	if (unlikely(spent > stats->longest_turn_cycles)) {
		store(&stats->longest_turn_cycles, spent);
		store(&stats->longest_step, slowest_step(worker));
	}
}

unsigned
worker_turn(struct worker *worker)
{
	uint64_t began = rte_rdtsc();
	unsigned work;

	worker->mark = began;
	memset(worker->step_cycles, 0, sizeof worker->step_cycles);
	worker->now_us = clock_us(worker->clock, began);
	look_at_gate(worker);
	work = receive(worker);
	work += step_done(worker, STEP_TIMERS, timers(worker));
	step_done(worker, STEP_TRANSMIT, transmit(worker));
	work += step_done(worker, STEP_MAILBOX, mailbox(worker));
	work += step_done(worker, STEP_EC, curves(worker));
	rte_rcu_qsbr_quiescent(worker->qsbr, worker->index);
	step_ended(worker, STEP_QUIESCE);
	turn_ended(worker, began, work);
	return work;
}

int
worker_run(void *ctx)
{
	struct worker *worker = (struct worker *)ctx;

	if (worker->begins)
		worker->begins();
	rte_rcu_qsbr_thread_register(worker->qsbr, worker->index);
	rte_rcu_qsbr_thread_online(worker->qsbr, worker->index);
	if (!worker->started) /* else it has rested */
		worker->started = rte_rdtsc();
	/* Relaxed: nothing else is read on the strength of it, and a turn later is soon enough. */
	while (!atomic_load_explicit(worker->stop, memory_order_relaxed))
		if (!worker_turn(worker) && worker->idle_yield)
			sched_yield();
	look_at_gate(worker);
	transmit(worker);
	rte_rcu_qsbr_thread_offline(worker->qsbr, worker->index);
	rte_rcu_qsbr_thread_unregister(worker->qsbr, worker->index);
	return 0;
}
