/*
 * One worker's turn, on a device made of two functions and with an echo in the stack's place: what
 * happens when a device takes nothing, a ring is full or the pool is empty, and that no buffer is
 * lost in any case.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "dataplane/io/mailbox.h"
#include "dataplane/io/port_gate.c"
#include "dataplane/io/worker.h"
#include "tests/support/echo_stack.h"
#include "tests/unit/frame_fixture.h"

enum { BUFFERS = 511, OFFERED = 512 };

/* The device: what it will give, what it took, and what it is willing to take. */
static struct device {
	struct rte_mbuf *offered[OFFERED];
	unsigned n_offered, given;
	unsigned room[2]; /* frames that each transmit queue still takes */
	unsigned taken[2];
	uint8_t last[256]; /* the last frame taken */
	uint16_t last_len;
	uint64_t last_flags;
} device;

static struct worker *worker;
static struct port port;
static struct rte_mempool *pool;
static _Atomic bool stop;

static uint16_t
device_receive(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t given = 0;

	while (given < n && device.given < device.n_offered)
		mbufs[given++] = device.offered[device.given++];
	return given;
}

static uint16_t
device_transmit(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	unsigned q = queue != NULL;
	uint16_t taken = 0;

	for (; taken < n && device.room[q]; taken++, device.room[q]--) {
		device.last_len = rte_pktmbuf_data_len(mbufs[taken]);
		cr_assert_leq(device.last_len, sizeof device.last);
		memcpy(device.last, rte_pktmbuf_mtod(mbufs[taken], void *), device.last_len);
		device.last_flags = mbufs[taken]->ol_flags;
		device.taken[q]++;
		rte_pktmbuf_free(mbufs[taken]);
	}
	return taken;
}

static void *device_queues[2] = { NULL, &device };

static void
make_device(void)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[0];

	ops->rx_pkt_burst = device_receive;
	ops->tx_pkt_burst = device_transmit;
	ops->rxq.data = device_queues;
	ops->txq.data = device_queues;
	device.room[0] = device.room[1] = OFFERED;
	port.l3 = port_any_vlan;
	port.l3.first_listener = 0;
	port.id = 0;
	port.rx_queues = port.tx_queues = 1;
	rte_spinlock_init(&port.tx_locks[0]);
	rte_spinlock_init(&port.tx_locks[1]);
}

static struct rte_ring *
make_ring(unsigned record, unsigned capacity)
{
	struct rte_ring *ring = rte_zmalloc(NULL, (size_t)mailbox_size(record, capacity), 64);

	cr_assert(ring);
	cr_assert_eq(mailbox_init(ring, "test", capacity), 0);
	return ring;
}

static void
make_worker(void)
{
	struct stack_config config = { .sessions = 10, .emit = worker_emit };
	size_t qsbr = rte_rcu_qsbr_get_memsize(1);

	worker = rte_zmalloc(NULL, sizeof *worker, 64);
	worker->commands = make_ring(sizeof(struct stack_command), 64);
	worker->events.heads = make_ring(EVENT_HEAD, 16);
	worker->events.names = make_ring(EVENT_NAME, 4);
	worker->qsbr = rte_zmalloc(NULL, qsbr, 64);
	cr_assert_eq(rte_rcu_qsbr_init(worker->qsbr, 1), 0);
	cr_assert_eq(rte_rcu_qsbr_thread_register(worker->qsbr, 0), 0);
	rte_rcu_qsbr_thread_online(worker->qsbr, 0);
	worker->stop = &stop;
	worker->clock = clock_make(rte_get_tsc_hz());
	config.emit_ctx = worker;
	worker->stack = stack_init(rte_zmalloc(NULL, stack_size(&config), 64), &config, 0);
	worker->counters = stack_counters_writable(worker->stack);
	worker->n_txqs = worker->n_queues = 1;
	worker->txqs[0].port = &port;
	worker->queues[0] = (struct worker_queue){ &port, &worker->txqs[0], 0 };
	for (unsigned i = 0; i < LISTENERS_MAX; i++)
		worker->txq_of[i] = &worker->txqs[0];
	cr_assert(answers_init(&worker->answers, pool, DATAGRAM_MAX));
}

static void
setup(void)
{
	char lcores[32];
	const char *arguments[] = {
		"test",        "--no-huge",         "--no-pci",
		"--no-shconf", "--no-telemetry",    "-m",
		"64",          "--log-level=error", "--lcores",
		lcores,        "--file-prefix",     "cradle-test",
	};

	snprintf(lcores, sizeof lcores, "0@%d", sched_getcpu());
	cr_assert_geq(rte_eal_init(RTE_DIM(arguments), (char **)(uintptr_t)arguments), 0);
	pool = rte_pktmbuf_pool_create("test", BUFFERS, 0,
				       RTE_ALIGN(sizeof(struct handover_note), 8),
				       port_data_room(1500), 0);
	cr_assert(pool);
	make_device();
	make_worker();
}

/* Every buffer is in the pool again, but those that wait for answers. */
static void
teardown(void)
{
	answers_fini(&worker->answers);
	cr_expect_eq(rte_mempool_avail_count(pool), BUFFERS, "%u buffers are lost",
		     BUFFERS - rte_mempool_avail_count(pool));
}

TestSuite(worker, .init = setup, .fini = teardown, .timeout = 60);

static struct rte_mbuf *
offer(const char *name)
{
	size_t len;
	uint8_t *frame = frame_new(name, &len);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	cr_assert(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)len), frame, len);
	free(frame);
	device.offered[device.n_offered++] = mbuf;
	return mbuf;
}

static uint64_t
counted(enum counter counter)
{
	return worker->counters->value[counter];
}

/* ---- a device that does not take everything ---- */

static void
offer_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		offer("udp4");
}

Test(worker, keeps_what_a_device_does_not_take_for_the_next_turn)
{
	device.room[0] = 7;
	offer_many(10);
	cr_expect_eq(worker_turn(worker), 10);
	cr_expect_eq(counted(COUNTER_tx_frames), 7);
	cr_expect_eq(counted(COUNTER_tx_bytes), 7 * (14 + 20 + 8 + 4));
	device.room[0] = OFFERED;
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_tx_frames), 10);
	cr_expect_eq(counted(COUNTER_tx_bytes), 10 * (14 + 20 + 8 + 4));
	cr_expect_eq(counted(COUNTER_tx_full), 0);
}
Test(worker, receives_nothing_on_a_port_that_takes_nothing)
{
	device.room[0] = 0;
	offer_many(10);
	cr_expect_eq(worker_turn(worker), 10);
	offer_many(10);
	cr_expect_eq(worker_turn(worker), 0);
	cr_expect_eq(device.given, 10);
	device.room[0] = OFFERED;
	worker_turn(worker);
	cr_expect_eq(worker_turn(worker), 10);
	cr_expect_eq(device.taken[0], 20);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
}

Test(worker, counts_bursts_apart_from_the_frames_in_them)
{
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_rx_bursts) + counted(COUNTER_tx_bursts), 0, "nothing came");
	offer_many(10);
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_rx_bursts), 1);
	cr_expect_eq(counted(COUNTER_tx_bursts), 1);
	device.room[0] = 0;
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_rx_bursts), 2);
	cr_expect_eq(counted(COUNTER_tx_bursts), 1, "none was taken");
	device.room[0] = OFFERED;
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_tx_bursts), 2);
}

/* Frames that are in nobody's way: of one turn that nothing was taken of. */
static struct txq *
stall(unsigned n, uint64_t now_us)
{
	struct txq *txq = &worker->txqs[0];

	device.room[0] = 0;
	for (unsigned i = 0; i < n; i++)
		txq_put(txq, rte_pktmbuf_alloc(pool), worker->counters);
	txq_flush(txq, now_us, worker->counters);
	cr_assert(txq->stalled);
	return txq;
}

Test(worker, drops_the_frames_of_a_device_that_takes_nothing_for_long)
{
	struct txq *txq = stall(10, 1000);

	txq_flush(txq, 1000 + TXQ_PATIENCE_US - 1, worker->counters);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
	txq_flush(txq, 1000 + TXQ_PATIENCE_US, worker->counters);
	cr_expect_eq(counted(COUNTER_tx_full), 10);
	cr_expect_not(txq->stalled);
	cr_expect_eq(txq->n, 0);
}

Test(worker, is_patient_with_a_device_that_takes_something)
{
	struct txq *txq = stall(10, 1000);

	for (unsigned i = 1; i <= 9; i++) {
		device.room[0] = 1;
		txq_flush(txq, 1000 + i * UINT64_C(90000), worker->counters);
	}
	cr_expect_eq(device.taken[0], 9);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
	txq_flush(txq, 1000 + 9 * UINT64_C(90000) + TXQ_PATIENCE_US, worker->counters);
	cr_expect_eq(counted(COUNTER_tx_full), 1);
	/* A stall long after is a new one. */
	stall(1, UINT64_C(10000000));
	cr_expect_eq(counted(COUNTER_tx_full), 1);
	txq_drop(txq, worker->counters);
}

Test(worker, drops_what_comes_for_a_full_queue)
{
	struct txq *txq = stall(TXQ_FRAMES + 3, 1000);

	cr_expect_eq(counted(COUNTER_tx_full), 3);
	cr_expect_eq(txq->n, TXQ_FRAMES);
	device.room[0] = OFFERED;
	txq_flush(txq, 1001, worker->counters);
	cr_expect_eq(device.taken[0], TXQ_FRAMES);
	cr_expect_eq(counted(COUNTER_tx_full), 3);
}

Test(worker, keeps_the_order_of_frames_that_waited)
{
	struct txq *txq = stall(3, 1000);

	for (unsigned i = 0; i < 3; i++)
		rte_pktmbuf_append(txq->frames[i], (uint16_t)(i + 1));
	for (unsigned i = 0; i < 3; i++) {
		device.room[0] = 1;
		txq_flush(txq, 1000, worker->counters);
		cr_expect_eq(device.last_len, i + 1);
	}
}

Test(worker, leaves_no_frame_behind_when_it_ends)
{
	device.room[0] = 0;
	offer_many(10);
	worker_turn(worker);
	worker_drain_mailbox(worker);
	cr_expect_eq(counted(COUNTER_tx_full), 10);
}

Test(worker, keeps_frames_while_another_has_the_queue)
{
	worker->txqs[0].locks = port.tx_locks;
	rte_spinlock_lock(&port.tx_locks[0]);
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 0);
	rte_spinlock_unlock(&port.tx_locks[0]);
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 1);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
}

Test(worker, keeps_out_of_a_port_while_its_gate_is_closed)
{
	port.gated = worker->gated = true;
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 1);
	gate.closed = true;
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.given, 1, "nothing is received");
	txq_put(&worker->txqs[0], rte_pktmbuf_alloc(pool), worker->counters);
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 1, "nothing is sent");
	gate.closed = false;
	worker_turn(worker); /* what waited goes first */
	worker_turn(worker);
	cr_expect_eq(device.given, 2);
	cr_expect_eq(device.taken[0], 3);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
}

Test(worker, polls_an_open_port_while_the_gate_is_closed)
{
	worker->gated = gate.closed = true;
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 1);
	gate.closed = false;
}

/* It is being opened again: nothing that waited is of use to whoever is there then. */
Test(worker, leaves_a_shut_port_alone_and_drops_what_is_for_it)
{
	worker->gated = true;
	atomic_store(&port.shut, true);
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.given, 0);
	txq_put(&worker->txqs[0], rte_pktmbuf_alloc(pool), worker->counters);
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 0);
	cr_expect_eq(counted(COUNTER_tx_port_shut), 1);
	atomic_store(&port.shut, false);
	worker_turn(worker);
	cr_expect_eq(device.given, 1);
	cr_expect_eq(device.taken[0], 1);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
}

static void *
close_and_say(void *closed)
{
	close_gate();
	atomic_store((_Atomic bool *)closed, true);
	return NULL;
}

Test(worker, holds_up_its_gate_until_its_turn_ends)
{
	static _Atomic bool closed;
	pthread_t thread;

	port.gated = worker->gated = true;
	port_gate_attach(worker->qsbr);
	cr_assert_eq(pthread_create(&thread, NULL, close_and_say, &closed), 0);
	while (!port_gate_closed())
		sched_yield();
	cr_expect_not(closed, "the worker has not passed its quiescent point");
	while (!closed)
		worker_turn(worker);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_expect(port_gate_detach());
	open_gate();
}

static void
handle_nothing(void *arg)
{
}

/* Here nothing can hold DPDK's interrupts, as nothing can where a handler does not end. */
Test(worker, has_its_ports_closed_only_where_no_handler_runs)
{
	cr_expect(port_gate_detach(), "there is no handler");
	cr_assert_not_null(keep(handle_nothing, NULL, -1));
	cr_expect_not(port_gate_detach());
	cr_expect_not_null(find_registered(handle_nothing, NULL), "what runs still needs it");
}

/* memif: a peer that connected one ring only. */
Test(worker, sends_on_queue_0_where_its_own_leads_nowhere)
{
	port.peer_chooses_queues = true;
	worker->txqs[0].locks = port.tx_locks;
	worker->txqs[0].queue = 1;
	device.room[1] = 0;
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 1);
	cr_expect_eq(counted(COUNTER_tx_full), 0);
	device.room[1] = 1;
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(device.taken[1], 1);
}

/* ---- no buffers ---- */

Test(worker, drops_datagrams_while_the_pool_is_empty_and_goes_on_after)
{
	struct rte_mbuf *hoard[BUFFERS];
	unsigned n = 0;

	offer("udp4");
	offer("udp4");
	while ((hoard[n] = rte_pktmbuf_alloc(pool)))
		n++;
	/* The first is answered; its slot finds no new buffer, so that the next turn's has none. */
	device.n_offered = 1;
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_tx_frames), 1);
	hoard[n++] = rte_pktmbuf_alloc(pool); /* the datagram's own buffer, and the answer's */
	hoard[n++] = rte_pktmbuf_alloc(pool);
	cr_expect_null(rte_pktmbuf_alloc(pool));
	device.n_offered = 2;
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_tx_frames) + counted(COUNTER_no_buffer), 2);
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(hoard[i]);
	offer("udp4");
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_no_buffer) + counted(COUNTER_tx_frames), 3);
	cr_expect_eq(counted(COUNTER_coap_rx), counted(COUNTER_tx_frames));
}

/* ---- what drivers do to frames ---- */

Test(worker, puts_a_stripped_tag_back)
{
	struct rte_mbuf *mbuf = offer("udp4");

	mbuf->vlan_tci = 100;
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	worker_turn(worker);
	cr_assert_eq(device.last_len, 18 + 20 + 8 + 4);
	cr_expect_arr_eq(device.last + 12, ((uint8_t[]){ 0x81, 0x00, 0, 100 }), 4);
}

Test(worker, drops_a_frame_of_several_buffers)
{
	struct rte_mbuf *mbuf = offer("udp4");

	cr_assert_eq(rte_pktmbuf_chain(mbuf, rte_pktmbuf_alloc(pool)), 0);
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_rx_truncated), 1);
	cr_expect_eq(device.taken[0], 0);
}

static const struct {
	uint64_t flags;
	bool believed;
} verdicts[] = {
	{ 0, false },
	{ RTE_MBUF_F_RX_L4_CKSUM_BAD, false }, /* computed again: and it is wrong */
	{ RTE_MBUF_F_RX_L4_CKSUM_GOOD, true },
	{ RTE_MBUF_F_RX_L4_CKSUM_NONE, true },
};

Test(worker, believes_a_device_that_checks)
{
	for (unsigned offered = 0; offered < 2; offered++)
		for (size_t i = 0; i < RTE_DIM(verdicts); i++) {
			struct rte_mbuf *mbuf = offer("udp4");
			uint64_t before = counted(COUNTER_coap_rx);

			port.rx_udp_checksum = offered;
			mbuf->ol_flags |= verdicts[i].flags;
			rte_pktmbuf_mtod(mbuf, uint8_t *)[rte_pktmbuf_data_len(mbuf) - 1] ^= 1;
			worker_turn(worker);
			cr_expect_eq(counted(COUNTER_coap_rx) - before,
				     offered && verdicts[i].believed, "verdict %zu", i);
		}
}

/* virtio-net offers UDP alone: what its host sends has the pseudo header's sum, and its word. */
Test(worker, believes_a_device_of_one_kind_of_checksum_in_that_kind)
{
	struct rte_mbuf *mbuf = offer("udp4");

	port.rx_udp_checksum = true;
	mbuf->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	rte_pktmbuf_mtod(mbuf, uint8_t *)[14 + 20 + 6] ^= 1; /* UDP's */
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_coap_rx), 1);
	mbuf = offer("udp4");
	mbuf->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	rte_pktmbuf_mtod(mbuf, uint8_t *)[14 + 10] ^= 1; /* IPv4's */
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_coap_rx), 1);
	cr_expect_eq(counted(COUNTER_rx_ip_checksum), 1);
}

Test(worker, believes_a_bad_verdict_no_more_than_a_good_sum)
{
	port.rx_ip_checksum = port.rx_udp_checksum = true;
	offer("udp4")->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_BAD;
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_coap_rx), 1);
}

Test(worker, asks_a_device_for_checksums_where_it_offers_them)
{
	port.tx_checksum = true;
	offer("udp6");
	worker_turn(worker);
	cr_expect(device.last_flags & RTE_MBUF_F_TX_UDP_CKSUM);
	cr_expect(device.last_flags & RTE_MBUF_F_TX_IPV6);
	/* An answer to a neighbour has its checksum and asks for nothing. */
	offer("echo6")->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	worker_turn(worker);
	cr_expect_eq(device.last_flags, 0);
}

/* ---- hand-over ---- */

static struct rte_ring *
join_a_pair(void)
{
	struct rte_ring *out = rte_zmalloc(NULL, handover_ring_size(), 64);

	cr_assert_eq(handover_ring_init(out), 0);
	worker->hands_over = true;
	worker->flow = (struct flow){ { 1, 2 }, 2 };
	worker->handover.workers = 2;
	worker->handover.out[1] = out;
	worker->handover.in[1] =
		out; /* what went out comes back: each datagram arrives here in the end */
	return out;
}

/* From UDP port `source`, without a checksum. */
static void
offer_flow(uint16_t source)
{
	struct rte_mbuf *mbuf = offer("udp4"); /* the macro reads it twice */
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);

	frame[34] = (uint8_t)(source >> 8);
	frame[35] = (uint8_t)source;
	frame[40] = frame[41] = 0;
}

Test(worker, hands_over_whole_datagrams)
{
	join_a_pair();
	for (unsigned i = 0; i < 100; i++)
		offer_flow((uint16_t)(1000 + i));
	while (worker_turn(worker))
		;
	cr_expect_eq(device.taken[0], 100);
	cr_expect_eq(counted(COUNTER_coap_rx), 100);
	cr_expect(counted(COUNTER_handed_over) > 25 && counted(COUNTER_handed_over) < 75);
	cr_expect_eq(device.last_len, 14 + 20 + 8 + 4);
}

Test(worker, trusts_a_hash_of_hardware)
{
	join_a_pair();
	port.rss = true;
	for (unsigned i = 0; i < 100; i++)
		offer_flow((uint16_t)(1000 + i));
	while (worker_turn(worker))
		;
	cr_expect_eq(counted(COUNTER_handed_over), 0);
	cr_expect_eq(device.taken[0], 100);
}

Test(worker, drops_and_counts_when_the_owner_takes_nothing)
{
	struct rte_ring *out = join_a_pair();
	struct rte_mbuf *mbuf;
	unsigned n = 0;

	/* A ring that was filled by somebody who is not read. */
	worker->handover.in[1] = NULL;
	while (rte_ring_sp_enqueue(out, worker) == 0)
		n++;
	cr_expect_eq(n, HANDOVER_SLOTS);
	for (unsigned i = 0; i < 100; i++)
		offer_flow((uint16_t)(1000 + i));
	while (worker_turn(worker))
		;
	cr_expect_eq(counted(COUNTER_handed_over), 0);
	cr_expect_eq(counted(COUNTER_hand_over_full) + device.taken[0], 100);
	cr_expect_gt(counted(COUNTER_hand_over_full), 25);
	while (rte_ring_sc_dequeue(out, (void **)&mbuf) == 0)
		n--;
	cr_expect_eq(n, 0);
}

/* ---- mailbox, events, the recorder ---- */

Test(worker, takes_commands_within_a_budget)
{
	const struct stack_command command = { .kind = STACK_CANCEL };

	for (unsigned i = 0; i < 2 * MAILBOX_BUDGET + 1; i++)
		cr_assert(mailbox_post(worker->commands, &command, sizeof command));
	cr_expect_eq(worker_turn(worker), MAILBOX_BUDGET);
	cr_expect_eq(worker_turn(worker), MAILBOX_BUDGET);
	cr_expect_eq(worker_turn(worker), 1);
	cr_expect_eq(worker_turn(worker), 0);
	for (unsigned i = 0; i < 50; i++)
		cr_assert(mailbox_post(worker->commands, &command, sizeof command));
	worker_drain_mailbox(worker);
	cr_expect_eq(counted(COUNTER_bs_cancelled), 2 * MAILBOX_BUDGET + 1 + 50);
}

/* ---- announcements ---- */

static void
ask_for_announcements(void)
{
	const struct stack_command command = { .kind = MAILBOX_ANNOUNCE };

	cr_assert(mailbox_post(worker->commands, &command, sizeof command));
	cr_expect_eq(worker_turn(worker), 1);
}

/* Its addresses may change under the worker's hands. */
Test(worker, announces_nothing_of_a_shut_port)
{
	worker->gated = true;
	atomic_store(&port.shut, true);
	ask_for_announcements();
	atomic_store(&port.shut, false);
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 0);
	cr_expect_eq(counted(COUNTER_arp_announced) + counted(COUNTER_nd_announced), 0);
}

Test(worker, counts_announcements_that_find_no_buffer)
{
	struct rte_mbuf *hoard[BUFFERS];
	unsigned n = 0;

	while ((hoard[n] = rte_pktmbuf_alloc(pool)))
		n++;
	ask_for_announcements();
	cr_expect_eq(counted(COUNTER_no_buffer), 2);
	cr_expect_eq(counted(COUNTER_arp_announced) + counted(COUNTER_nd_announced), 0);
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(hoard[i]);
}

Test(worker, announces_each_address_of_a_port_once_when_asked)
{
	size_t len;
	uint8_t *expected = frame_new("nd_dad_answer", &len);

	ask_for_announcements();
	worker_turn(worker);
	cr_expect_eq(counted(COUNTER_arp_announced), 1);
	cr_expect_eq(counted(COUNTER_nd_announced), 1);
	cr_expect_eq(device.taken[0], 2);
	cr_assert_eq(device.last_len, len);
	cr_expect_arr_eq(device.last, expected, len);
	cr_expect_eq(device.last_flags, 0);
	free(expected);
	worker_turn(worker);
	cr_expect_eq(device.taken[0], 2);
}

Test(worker, says_when_the_event_ring_is_full)
{
	const struct session_event event = { .kind = SESSION_FINISHED };
	struct session_event taken[16];

	for (unsigned i = 0; i < 16; i++)
		cr_expect(worker_emit(worker, &event));
	cr_expect_not(worker_emit(worker, &event));
	cr_expect_eq(event_ring_take(&worker->events, taken, 16), 16);
	cr_expect(worker_emit(worker, &event));
}

Test(worker, records_turns_and_the_slowest_step)
{
	worker->started = rte_rdtsc();
	cr_expect_eq(worker_turn(worker), 0);
	cr_expect_eq(worker->stats.turns, 1);
	cr_expect_eq(worker->stats.busy_turns, 0);
	cr_expect_gt(worker->stats.cycles, 0);
	offer("udp4");
	cr_expect_gt(worker_turn(worker), 0);
	cr_expect_eq(worker->stats.busy_turns, 1);
	cr_expect_leq(worker->stats.busy_cycles, worker->stats.cycles);
	cr_expect_geq(worker->stats.cycles, worker->stats.longest_turn_cycles);
	for (unsigned i = 0; i < WORKER_STEPS; i++)
		cr_expect_gt(strlen(worker_step_name(i)), 0);
}

Test(worker, gives_all_time_of_a_turn_to_its_steps_and_none_to_those_without_work)
{
	const uint64_t *steps = worker->stats.step_cycles;
	uint64_t sum = 0;

	offer("udp4");
	worker_turn(worker);
	for (unsigned i = 0; i < WORKER_STEPS; i++)
		sum += steps[i];
	cr_expect_eq(sum, worker->stats.busy_cycles);
	cr_expect_gt(steps[STEP_RECEIVE], 0);
	cr_expect_gt(steps[STEP_STACK], 0);
	cr_expect_gt(steps[STEP_TRANSMIT], 0);
	cr_expect_eq(steps[STEP_TIMERS] + steps[STEP_MAILBOX] + steps[STEP_EC], 0);
}

/* What was retired before a turn is free after it. */
Test(worker, passes_a_quiescent_point_every_turn)
{
	uint64_t token = rte_rcu_qsbr_start(worker->qsbr);

	cr_expect_eq(rte_rcu_qsbr_check(worker->qsbr, token, false), 0);
	worker_turn(worker);
	cr_expect_eq(rte_rcu_qsbr_check(worker->qsbr, token, false), 1);
}
