/*
 * bench_io - nanoseconds of what stands around the stack: a frame read and written, a worker's
 * turn.
 *
 * usage: bench_io [--quick] [--json FILE]
 *
 * The worker turns on a device made of two functions, with an echo in the stack's place, so that
 * neither a driver's cost nor the protocol's is in the figures. The best of several rounds counts.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "dataplane/io/mailbox.h"
#include "dataplane/io/worker.h"
#include "tests/support/echo_stack.h"

enum { ROUNDS = 15, OPS = 20000, PAYLOAD = 100, BUFFERS = 1023 };

static const uint8_t device_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t addresses[4][16] = {
	{ [10] = 0xff, [11] = 0xff, 198, 18, 0, 1 },
	{ 0x20, 0x01, 0, 2, [15] = 1 },
	{ [10] = 0xff, [11] = 0xff, 198, 18, 0, 2 },
	{ 0x20, 0x01, 0, 2, [15] = 2 },
};

static struct bench {
	FILE *json;
	bool json_begun;
	uint64_t sink;
	uint8_t buffer[L3_HEADERS_MAX + PAYLOAD];
	uint8_t *frame; /* within the buffer */
	size_t frame_len;
	unsigned family;
	unsigned given; /* frames the device gave in this turn */
	struct rte_mempool *pool;
	struct port port;
	struct worker *worker;
} bench;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *
must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "bench_io: out of memory\n");
		exit(1);
	}
	return memory;
}

static void
measure(const char *name, void (*run)(void))
{
	uint64_t best = UINT64_MAX;
	double ns;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();

		run();
		start = now_ns() - start;
		if (start < best)
			best = start;
	}
	ns = (double)best / OPS;
	printf("%-44s %9.1f ns\n", name, ns);
	if (bench.json)
		fprintf(bench.json, "%s\n  \"%s_ns\": %.1f", bench.json_begun ? "," : "{", name,
			ns);
	bench.json_begun = true;
}

/* ---- frames ---- */

static void
write_frame(const struct l3_port *from, const uint8_t peer[16])
{
	struct dgram_out out = { .peer = { .port = 5683, .listener = (uint8_t)bench.family },
				 .link = { .vlan = LINK_UNTAGGED },
				 .data = bench.buffer + L3_HEADERS_MAX,
				 .len = PAYLOAD };

	memcpy(out.peer.addr, peer, sizeof out.peer.addr);
	memcpy(out.link.mac, bench.port.l3.mac, sizeof out.link.mac);
	bench.frame = l3_prepend_udp(from, &out, false);
	bench.frame_len = (size_t)(out.data + out.len - bench.frame);
}

/* A device's frame to us, of IPv4 (0) or IPv6 (1). */
static void
make_frame(unsigned family)
{
	struct l3_port device = { .n_addresses = 2, .n_udp_ports = 1, .udp_ports = { 40000 } };

	bench.family = family;
	memcpy(device.mac, device_mac, sizeof device.mac);
	memcpy(device.addresses, addresses[2], 2 * sizeof addresses[0]);
	write_frame(&device, addresses[family]);
}

static void
read_frames(void)
{
	struct l3_packet packet;

	for (unsigned i = 0; i < OPS; i++) {
		if (l3_parse(&bench.port.l3, bench.frame, bench.frame_len, 0, &packet) !=
		    L3_DATAGRAM)
			abort();
		bench.sink += packet.datagram.len;
	}
}

static void
write_frames(void)
{
	for (unsigned i = 0; i < OPS; i++) {
		write_frame(&bench.port.l3, addresses[2 + bench.family]);
		bench.sink += bench.frame_len;
	}
}

static void
find_owners(void)
{
	const struct flow flow = { { 1, 2 }, 7 };
	struct dgram_in datagram = { .peer = { .port = 1 } };

	for (unsigned i = 0; i < OPS; i++) {
		datagram.peer.port = (uint16_t)i;
		bench.sink += flow_owner(&flow, &datagram);
	}
}

/* ---- turns ---- */

static uint16_t
give_nothing(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return 0;
}

static uint16_t
give_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	if (rte_pktmbuf_alloc_bulk(bench.pool, mbufs, n) != 0)
		abort();
	for (uint16_t i = 0; i < n; i++)
		memcpy(rte_pktmbuf_append(mbufs[i], (uint16_t)bench.frame_len), bench.frame,
		       bench.frame_len);
	return n;
}

static uint16_t
give_one(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return give_burst(queue, mbufs, 1);
}

static uint16_t
take_all(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static void
idle_turns(void)
{
	rte_eth_fp_ops[0].rx_pkt_burst = give_nothing;
	for (unsigned i = 0; i < OPS; i++)
		bench.sink += worker_turn(bench.worker);
}

static void
busy_turns(void)
{
	rte_eth_fp_ops[0].rx_pkt_burst = give_burst;
	for (unsigned i = 0; i < OPS / STACK_BURST; i++)
		bench.sink += worker_turn(bench.worker);
}

/* What polls bring where devices come one by one. */
static void
turns_of_one(void)
{
	rte_eth_fp_ops[0].rx_pkt_burst = give_one;
	for (unsigned i = 0; i < OPS; i++)
		bench.sink += worker_turn(bench.worker);
}

/* What the device above costs by itself, to be subtracted by the reader. */
static void
device_alone(void)
{
	struct rte_mbuf *mbufs[STACK_BURST];

	for (unsigned i = 0; i < OPS / STACK_BURST; i++)
		bench.sink += take_all(NULL, mbufs, give_burst(NULL, mbufs, STACK_BURST));
}

static void *
zeroed(size_t size)
{
	return must(rte_zmalloc(NULL, size, RTE_CACHE_LINE_SIZE));
}

static struct rte_ring *
ring_new(unsigned record)
{
	struct rte_ring *ring = zeroed((size_t)mailbox_size(record, 64));

	if (mailbox_init(ring, "bench", 64) < 0)
		abort();
	return ring;
}

static bool
take_event(void *ctx, const struct session_event *event)
{
	return true;
}

static void
make_worker(void)
{
	static void *queues[1];
	static _Atomic bool stop;
	struct stack_config config = { .emit = take_event };
	struct worker *worker = zeroed(sizeof *worker);

	rte_eth_fp_ops[0].tx_pkt_burst = take_all;
	rte_eth_fp_ops[0].rxq.data = rte_eth_fp_ops[0].txq.data = queues;
	bench.pool = must(rte_pktmbuf_pool_create(
		"bench", BUFFERS, 256, sizeof(struct handover_note), port_data_room(1500), 0));
	worker->commands = ring_new(sizeof(struct stack_command));
	worker->qsbr = zeroed(rte_rcu_qsbr_get_memsize(1));
	if (rte_rcu_qsbr_init(worker->qsbr, 1) != 0 ||
	    rte_rcu_qsbr_thread_register(worker->qsbr, 0) != 0)
		abort();
	rte_rcu_qsbr_thread_online(worker->qsbr, 0);
	worker->stop = &stop;
	worker->clock = clock_make(rte_get_tsc_hz());
	worker->stack = stack_init(zeroed(stack_size(&config)), &config, 0);
	worker->counters = stack_counters_writable(worker->stack);
	worker->n_txqs = worker->n_queues = 1;
	worker->txqs[0].port = &bench.port;
	worker->queues[0] = (struct worker_queue){ &bench.port, &worker->txqs[0], 0 };
	for (unsigned i = 0; i < LISTENERS_MAX; i++)
		worker->txq_of[i] = &worker->txqs[0];
	if (!answers_init(&worker->answers, bench.pool, DATAGRAM_MAX))
		abort();
	bench.worker = worker;
}

static void
start_dpdk(void)
{
	char lcores[32];
	const char *arguments[] = { "bench",          "--no-huge", "--no-pci", "--no-shconf",
				    "--no-telemetry", "-m",        "64",       "--log-level=error",
				    "--lcores",       lcores };

	snprintf(lcores, sizeof lcores, "0@%d", sched_getcpu());
	if (rte_eal_init(RTE_DIM(arguments), (char **)(uintptr_t)arguments) < 0)
		exit(1);
}

static void
make_port(void)
{
	struct l3_port *l3 = &bench.port.l3;

	*l3 = (struct l3_port){ .mac = { 2, 0, 0, 0, 0, 1 },
				.n_addresses = 2,
				.n_udp_ports = 1,
				.udp_ports = { 5683 } };
	memcpy(l3->addresses, addresses, 2 * sizeof addresses[0]);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			bench.json = must(fopen(argv[++i], "w"));
		} else if (strcmp(argv[i], "--quick") != 0) {
			fprintf(stderr, "usage: bench_io [--quick] [--json FILE]\n");
			return 2;
		}
	}
	start_dpdk();
	make_port();
	make_frame(1);
	measure("frame_read_ipv6", read_frames);
	measure("frame_write_ipv6", write_frames);
	make_frame(0);
	measure("frame_read_ipv4", read_frames);
	make_worker();
	measure("worker_turn_idle", idle_turns);
	measure("worker_frame_and_answer", busy_turns);
	measure("worker_frame_alone_and_answer", turns_of_one);
	measure("worker_device_alone", device_alone);
	measure("flow_owner", find_owners);
	measure("frame_write_ipv4", write_frames);
	if (bench.json) {
		fprintf(bench.json, "\n}\n");
		fclose(bench.json);
	}
	printf("(%u)\n", (unsigned)(bench.sink & 1));
	return 0;
}
