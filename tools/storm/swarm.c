#include "tools/storm/swarm.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/io/clock.h"
#include "dataplane/io/eal.h"
#include "dataplane/io/port.h"
#include "tools/storm/random.h"

enum {
	BURST = 32,
	BACKLOG = 4096,        /* frames that wait for a port */
	BACKLOG_STARTS = 1024, /* above that nothing new begins */
	HELD = 1024,           /* frames that are being reordered */
	HELD_US = 10000,
	BUFFERS = 16383,
	BUFFER_CACHE = 256,
	MEMORY = 128 << 20,
	LINK_WAIT_MS = 10000,
	HOP_WAIT_MS = 5000,
	HOP_ASK_MS = 200,
	SECOND_US = 1000000,
	HUGE_PAGE = 2 << 20,
};

/* Frames in order; a ring. */
struct backlog {
	struct rte_mbuf *frames[BACKLOG];
	unsigned first, n;
};

struct held {
	uint64_t due_us;
	struct rte_mbuf *mbuf;
	uint8_t port;
	bool received; /* else it is to be sent */
};

struct swarm {
	struct fleet fleet;
	struct swarm_config config;
	struct port ports[SWARM_PORTS_MAX];
	struct link links[SWARM_PORTS_MAX]; /* to the next hop */
	bool linked[SWARM_PORTS_MAX];
	struct backlog backlogs[SWARM_PORTS_MAX];
	struct rte_mempool *pool;
	struct storm_out out;
	struct rte_mbuf *out_mbufs[STORM_OUT_MAX]; /* behind the slots of `out` */
	struct held held[HELD];
	unsigned held_first, n_held;
	struct clock clock;
	uint64_t random; /* of the network */
	struct arrivals arrivals;
	struct swarm_result *result;
	struct eal_log log;
	size_t devices_bytes;
	char prefix[32]; /* DPDK's file prefix */
	/* Of the record before. */
	uint64_t begin_us, record_us, last_started, last_done, last_failed;
};

static uint64_t
now_us(const struct swarm *swarm)
{
	return clock_us(swarm->clock, rte_rdtsc());
}

/* ---- sending ---- */

static void
queue_frame(struct swarm *swarm, unsigned port, struct rte_mbuf *mbuf)
{
	struct backlog *backlog = &swarm->backlogs[port];

	if (backlog->n == BACKLOG) {
		swarm->result->tx_full++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	backlog->frames[(backlog->first + backlog->n++) % BACKLOG] = mbuf;
}

/* As much as the port takes; the rest waits. */
static unsigned
flush(struct swarm *swarm, unsigned port)
{
	struct backlog *backlog = &swarm->backlogs[port];
	unsigned sent = 0;

	while (backlog->n) {
		unsigned n = RTE_MIN(backlog->n, BACKLOG - backlog->first), done;
		uint64_t bytes = 0;

		n = RTE_MIN(n, 2u * BURST);
		for (unsigned i = 0; i < n; i++)
			bytes += rte_pktmbuf_pkt_len(backlog->frames[backlog->first + i]);
		done = rte_eth_tx_burst(swarm->ports[port].id, 0, backlog->frames + backlog->first,
					(uint16_t)n);
		backlog->first = (backlog->first + done) % BACKLOG;
		backlog->n -= done;
		sent += done;
		/*
		 * Of a burst cut short the bytes are estimated: the sent ones are not ours any
		 * more.
		 */
		swarm->result->tx_bytes += done == n ? bytes : bytes * done / n;
		if (done < n)
			break;
	}
	swarm->result->tx_frames += sent;
	return sent;
}

static bool
hold(struct swarm *swarm, unsigned port, struct rte_mbuf *mbuf, bool received)
{
	struct held *held = &swarm->held[(swarm->held_first + swarm->n_held) % HELD];

	if (swarm->n_held == HELD ||
	    !random_percent(&swarm->random, swarm->config.impairment.reorder))
		return false;
	*held = (struct held){ swarm->fleet.now_us + HELD_US, mbuf, (uint8_t)port, received };
	swarm->n_held++;
	swarm->result->reordered++;
	return true;
}

/* One bit, behind the checksums: the receiver's UDP must notice. */
static void
corrupt(struct swarm *swarm, struct rte_mbuf *mbuf, size_t headers)
{
	size_t len = rte_pktmbuf_data_len(mbuf) - headers;
	uint8_t *payload = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, headers);

	if (!len || !random_percent(&swarm->random, swarm->config.impairment.corrupt))
		return;
	payload[random_below(&swarm->random, len)] ^=
		(uint8_t)(1u << random_below(&swarm->random, 8));
	swarm->result->corrupted++;
}

/* The network's part. */
static void
send_frame(struct swarm *swarm, unsigned port, struct rte_mbuf *mbuf, size_t headers)
{
	const struct impairment *impairment = &swarm->config.impairment;

	if (random_percent(&swarm->random, impairment->loss)) {
		swarm->result->lost++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (random_percent(&swarm->random, impairment->duplicate)) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(mbuf, swarm->pool, 0, UINT32_MAX);

		if (copy) {
			swarm->result->duplicated++;
			queue_frame(swarm, port, copy);
		}
	}
	corrupt(swarm, mbuf, headers);
	if (!hold(swarm, port, mbuf, false))
		queue_frame(swarm, port, mbuf);
}

static void
refill_slot(struct swarm *swarm, unsigned i)
{
	swarm->out_mbufs[i] = rte_pktmbuf_alloc(swarm->pool);
	swarm->out.slots[i].data =
		swarm->out_mbufs[i] ? rte_pktmbuf_mtod(swarm->out_mbufs[i], uint8_t *) : NULL;
}

/* What a device wrote, into frames. */
static void
submit(struct swarm *swarm, uint32_t device)
{
	unsigned p = device % swarm->config.n_ports;
	struct port *port = &swarm->ports[p];

	for (unsigned i = 0; i < swarm->out.n; i++) {
		const struct storm_slot *slot = &swarm->out.slots[i];
		struct rte_mbuf *mbuf = swarm->out_mbufs[i];
		struct net_datagram datagram = { .device = device,
						 .rebound = slot->rebound,
						 .data = slot->data,
						 .len = slot->len,
						 .offload = false };
		uint8_t *frame =
			net_prepend(&swarm->config.net, &port->l3, &swarm->links[p], &datagram);

		mbuf->data_off = (uint16_t)(frame - (uint8_t *)mbuf->buf_addr);
		mbuf->data_len = (uint16_t)(slot->data + slot->len - frame);
		mbuf->pkt_len = mbuf->data_len;
		refill_slot(swarm, i);
		send_frame(swarm, p, mbuf, (size_t)(slot->len ? mbuf->data_len - slot->len : 0));
	}
	swarm->out.n = 0;
}

/* Whether a device may be asked to write: every slot has a buffer. */
static bool
out_ready(struct swarm *swarm)
{
	bool ready = true;

	for (unsigned i = 0; i < STORM_OUT_MAX; i++) {
		if (!swarm->out_mbufs[i])
			refill_slot(swarm, i);
		ready &= swarm->out_mbufs[i] != NULL;
	}
	return ready;
}

/* ---- receiving ---- */

/* A frame that was parsed. */
struct arrived {
	struct rte_mbuf *mbuf;
	uint8_t *data;
	uint16_t len;
	uint32_t device;
};

static void
prefetch_device(const struct swarm *swarm, uint32_t device)
{
	const char *at = (const char *)&swarm->fleet.devices[device];

	for (size_t i = 0; i < sizeof(struct device); i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(at + i);
}

static void
answer_neighbour(struct swarm *swarm, unsigned p, struct rte_mbuf *mbuf, enum l3_kind kind,
		 struct l3_packet *packet)
{
	size_t at = (size_t)(packet->message - rte_pktmbuf_mtod(mbuf, uint8_t *));
	size_t room = rte_pktmbuf_data_len(mbuf) - at + rte_pktmbuf_tailroom(mbuf);
	struct neigh_answer answer;

	if (net_is_next_hop(&swarm->config.net, kind, packet)) {
		swarm->links[p] = packet->link;
		swarm->linked[p] = true;
	} else if (neigh_answer(&swarm->ports[p].l3, kind, packet, room, &answer)) {
		mbuf->data_off = (uint16_t)(answer.frame - (uint8_t *)mbuf->buf_addr);
		mbuf->data_len = (uint16_t)answer.len;
		mbuf->pkt_len = mbuf->data_len;
		mbuf->ol_flags = 0;
		queue_frame(swarm, p, mbuf);
		return;
	} else {
		swarm->result->rx_dropped++;
	}
	rte_pktmbuf_free(mbuf);
}

/* false: the frame was no datagram for a device, and is dealt with. */
static bool
parse_frame(struct swarm *swarm, unsigned p, struct rte_mbuf *mbuf, struct arrived *arrived)
{
	struct l3_packet packet;
	int64_t device;
	enum l3_kind kind = net_parse(&swarm->config.net, &swarm->ports[p].l3,
				      rte_pktmbuf_mtod(mbuf, uint8_t *), rte_pktmbuf_data_len(mbuf),
				      0, &packet, &device);

	swarm->result->rx_bytes += rte_pktmbuf_pkt_len(mbuf);
	if (kind == L3_ARP || kind == L3_ICMP || kind == L3_ICMPV6) {
		answer_neighbour(swarm, p, mbuf, kind, &packet);
		return false;
	}
	if (kind != L3_DATAGRAM || device < 0 || device >= swarm->fleet.n) {
		swarm->result->rx_dropped++;
		rte_pktmbuf_free(mbuf);
		return false;
	}
	*arrived = (struct arrived){ mbuf, packet.datagram.data, packet.datagram.len,
				     (uint32_t)device };
	prefetch_device(swarm, arrived->device);
	return true;
}

static void
deliver(struct swarm *swarm, const struct arrived *arrived)
{
	if (out_ready(swarm)) {
		fleet_receive(&swarm->fleet, arrived->device, arrived->data, arrived->len,
			      &swarm->out);
		submit(swarm, arrived->device);
	} else {
		swarm->result->no_buffer++;
	}
}

/* Loss, copies and delay on the way to the device. */
static void
receive_impaired(struct swarm *swarm, unsigned p, const struct arrived *arrived)
{
	const struct impairment *impairment = &swarm->config.impairment;

	/* A corrupted datagram fails its checksum: to a device it is lost. */
	if (random_percent(&swarm->random, impairment->loss) ||
	    random_percent(&swarm->random, impairment->corrupt)) {
		swarm->result->lost++;
		rte_pktmbuf_free(arrived->mbuf);
		return;
	}
	if (hold(swarm, p, arrived->mbuf, true))
		return;
	if (random_percent(&swarm->random, impairment->duplicate)) {
		uint8_t copy[DATAGRAM_MAX + 256];
		struct arrived again = *arrived;

		/* A record is opened in place, so the copy must be as it came. */
		if (arrived->len <= sizeof copy) {
			memcpy(copy, arrived->data, arrived->len);
			again.data = copy;
			swarm->result->duplicated++;
			deliver(swarm, &again);
		}
	}
	deliver(swarm, arrived);
	rte_pktmbuf_free(arrived->mbuf);
}

static unsigned
receive(struct swarm *swarm, unsigned p)
{
	struct rte_mbuf *mbufs[BURST];
	struct arrived arrived[BURST];
	unsigned n = rte_eth_rx_burst(swarm->ports[p].id, 0, mbufs, BURST), n_arrived = 0;

	swarm->result->rx_frames += n;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n; i++)
		n_arrived += parse_frame(swarm, p, mbufs[i], &arrived[n_arrived]);
	for (unsigned i = 0; i < n_arrived; i++)
		receive_impaired(swarm, p, &arrived[i]);
	return n;
}

static unsigned
release_held(struct swarm *swarm)
{
	unsigned n = 0;

	for (; swarm->n_held && swarm->held[swarm->held_first].due_us <= swarm->fleet.now_us; n++) {
		struct held held = swarm->held[swarm->held_first];
		struct arrived arrived;

		swarm->held_first = (swarm->held_first + 1) % HELD;
		swarm->n_held--;
		if (!held.received) {
			queue_frame(swarm, held.port, held.mbuf);
		} else if (parse_frame(swarm, held.port, held.mbuf, &arrived)) {
			deliver(swarm, &arrived);
			rte_pktmbuf_free(held.mbuf);
		}
	}
	return n;
}

/* ---- the loop ---- */

static bool
crowded(const struct swarm *swarm)
{
	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		if (swarm->backlogs[p].n > BACKLOG_STARTS)
			return true;
	return false;
}

static unsigned
run_timers(struct swarm *swarm)
{
	unsigned n = 0;
	uint32_t device;

	while (n < BURST && !crowded(swarm) && out_ready(swarm) &&
	       fleet_tick(&swarm->fleet, &device, &swarm->out)) {
		submit(swarm, device);
		n++;
	}
	return n;
}

static unsigned
start_devices(struct swarm *swarm)
{
	uint64_t elapsed = swarm->fleet.now_us - swarm->begin_us, intended;
	unsigned n = 0;

	/* Without an idle device a start is late, which its latency and the verdict will show. */
	while (n < BURST && swarm->fleet.n_idle && !crowded(swarm) && out_ready(swarm) &&
	       arrivals_take(&swarm->arrivals, elapsed, swarm->fleet.running, &intended)) {
		int64_t device =
			fleet_start(&swarm->fleet, swarm->begin_us + intended, &swarm->out);

		submit(swarm, (uint32_t)device);
		swarm->result->late_us = RTE_MAX(swarm->result->late_us, elapsed - intended);
		n++;
	}
	return n;
}

static uint64_t
failures(const struct tally *tally)
{
	uint64_t n = 0;

	for (int i = OUTCOME_WRONG_WRITE; i < OUTCOMES; i++)
		n += tally->outcomes[i];
	return n;
}

static void
print_progress(const struct swarm *swarm, const struct swarm_record *record,
	       const struct tally *tally)
{
	fprintf(stderr,
		"\r%5.0f s  %llu started  %llu done (%.0f/s)  %llu failed  %u at it  p50 %.1f ms  "
		"p99 %.1f ms \033[K",
		record->second, (unsigned long long)tally->started,
		(unsigned long long)(tally->outcomes[OUTCOME_DONE] +
				     tally->outcomes[OUTCOME_INTENDED]),
		record->done, (unsigned long long)failures(tally), swarm->fleet.running,
		record->p50_us / 1e3, record->p99_us / 1e3);
	fflush(stderr);
}

static void
add_record(struct swarm *swarm)
{
	const struct tally *tally = &swarm->fleet.tally;
	uint64_t done = tally->outcomes[OUTCOME_DONE] + tally->outcomes[OUTCOME_INTENDED],
		 failed = failures(tally);
	double span = (double)(swarm->fleet.now_us - swarm->record_us) / SECOND_US;
	const struct histogram *whole = &tally->phases[PHASE_WHOLE];
	struct swarm_record record = {
		.second = (double)(swarm->fleet.now_us - swarm->begin_us) / SECOND_US,
		.started = (double)(tally->started - swarm->last_started) / span,
		.done = (double)(done - swarm->last_done) / span,
		.failed = (double)(failed - swarm->last_failed) / span,
		.p50_us = (double)histogram_percentile(whole, 50),
		.p99_us = (double)histogram_percentile(whole, 99),
		.running = swarm->fleet.running,
	};

	if (swarm->result->n_records < SWARM_RECORDS_MAX)
		swarm->result->records[swarm->result->n_records++] = record;
	if (swarm->config.progress)
		print_progress(swarm, &record, tally);
	swarm->record_us = swarm->fleet.now_us;
	swarm->last_started = tally->started;
	swarm->last_done = done;
	swarm->last_failed = failed;
}

/* One turn; how much there was to do. */
static unsigned
turn(struct swarm *swarm, bool starting)
{
	unsigned work = 0;

	fleet_set_time(&swarm->fleet, now_us(swarm));
	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		work += receive(swarm, p);
	work += release_held(swarm);
	work += run_timers(swarm);
	if (starting)
		work += start_devices(swarm);
	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		work += flush(swarm, p);
	if (starting && swarm->fleet.now_us - swarm->record_us >= SECOND_US)
		add_record(swarm);
	return work;
}

static bool
run_over(const struct swarm *swarm)
{
	return arrivals_over(&swarm->arrivals, swarm->fleet.now_us - swarm->begin_us) &&
	       swarm->fleet.running == 0;
}

static void
drain(struct swarm *swarm, const volatile sig_atomic_t *stop)
{
	uint64_t until = swarm->fleet.now_us + (uint64_t)(swarm->config.drain_s * SECOND_US);

	while (!*stop && swarm->fleet.now_us < until)
		if (!turn(swarm, false))
			sched_yield();
}

static void
finish_result(struct swarm *swarm, struct swarm_result *result)
{
	/* A flood of a few may be over within the first turn: rates need a time that is not 0. */
	uint64_t elapsed = RTE_MAX(now_us(swarm) - swarm->begin_us, UINT64_C(1));

	result->seconds = (double)elapsed / SECOND_US;
	result->planned = swarm->arrivals.started;
	if (swarm->config.plan.kind == PLAN_OPEN)
		result->planned =
			RTE_MIN(arrivals_due(&swarm->arrivals, elapsed), swarm->config.plan.total);
	else if (!result->interrupted && swarm->config.plan.duration_s <= 0)
		result->planned = swarm->config.plan.total;
	for (unsigned p = 0; p < swarm->config.n_ports; p++) {
		struct rte_eth_stats stats;

		if (rte_eth_stats_get(swarm->ports[p].id, &stats) == 0)
			result->rx_missed += stats.imissed + stats.rx_nombuf;
	}
}

void
swarm_run(struct swarm *swarm, const volatile sig_atomic_t *stop, struct swarm_result *result)
{
	uint64_t begin, last, busy = 0;

	swarm->result = result;
	swarm->begin_us = swarm->record_us = now_us(swarm);
	fleet_set_time(&swarm->fleet, swarm->begin_us);
	arrivals_init(&swarm->arrivals, &swarm->config.plan, swarm->config.seed);
	begin = last = rte_rdtsc();
	while (!*stop && !run_over(swarm)) {
		bool worked = turn(swarm, true) != 0;
		uint64_t now = rte_rdtsc();

		if (worked)
			busy += now - last;
		else if (!swarm->config.poll)
			sched_yield();
		last = worked || swarm->config.poll ? now : rte_rdtsc();
	}
	result->interrupted = *stop;
	result->busy = (double)busy / (double)RTE_MAX(last - begin, 1u);
	finish_result(swarm, result);
	if (swarm->fleet.now_us > swarm->record_us)
		add_record(swarm);
	drain(swarm, stop);
	fleet_stop(&swarm->fleet);
	if (swarm->config.progress)
		fputc('\n', stderr);
}

const struct tally *
swarm_tally(const struct swarm *swarm)
{
	return &swarm->fleet.tally;
}

/* ---- opening ---- */

static int
wait_for_links(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	struct rte_eth_link link;

	for (unsigned p = 0, waited = 0; p < swarm->config.n_ports; waited++) {
		if (rte_eth_link_get_nowait(swarm->ports[p].id, &link) == 0 && link.link_status)
			p++;
		else if (waited < LINK_WAIT_MS)
			usleep(1000);
		else
			return snprintf(error, DATAPLANE_ERROR_MAX,
					"port %s: no link: is the other end there?",
					swarm->ports[p].device),
			       -1;
	}
	return 0;
}

static void
ask_next_hop(struct swarm *swarm, unsigned p)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(swarm->pool);

	if (!mbuf)
		return;
	mbuf->data_len = (uint16_t)net_ask(&swarm->config.net, &swarm->ports[p].l3,
					   swarm->config.vlan, rte_pktmbuf_mtod(mbuf, uint8_t *));
	mbuf->pkt_len = mbuf->data_len;
	queue_frame(swarm, p, mbuf);
	flush(swarm, p);
}

static int
find_next_hop(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	struct swarm_result *unused = calloc(1, sizeof *unused);

	swarm->result = unused;
	for (unsigned p = 0, waited = 0; unused && p < swarm->config.n_ports; waited++) {
		if (waited % HOP_ASK_MS == 0)
			ask_next_hop(swarm, p);
		fleet_set_time(&swarm->fleet, now_us(swarm));
		receive(swarm, p);
		flush(swarm, p);
		p += swarm->linked[p];
		if (waited == HOP_WAIT_MS) {
			free(unused);
			snprintf(error, DATAPLANE_ERROR_MAX,
				 "port %s: the server's address (or --gateway) does not answer ARP "
				 "or neighbour discovery",
				 swarm->ports[p].device);
			return -1;
		}
		usleep(1000);
	}
	swarm->result = NULL;
	free(unused);
	return 0;
}

static int
open_ports(struct swarm *swarm, struct dataplane_config *dp, char error[DATAPLANE_ERROR_MAX])
{
	swarm->pool = rte_pktmbuf_pool_create("storm", BUFFERS, BUFFER_CACHE, 0,
					      port_data_room(RTE_ETHER_MTU), 0);
	if (!swarm->pool) {
		snprintf(error, DATAPLANE_ERROR_MAX, "no memory for packet buffers");
		return -1;
	}
	for (unsigned p = 0; p < swarm->config.n_ports; p++) {
		if (port_probe(&swarm->ports[p], &dp->ports[p], 1, error) < 0 ||
		    port_setup(&swarm->ports[p], swarm->pool, 1, error) < 0)
			return -1;
		swarm->links[p].vlan = swarm->config.vlan;
	}
	return 0;
}

/*
 * Devices lie in huge pages where the kernel gives them: at random access a page walk costs as much
 * as a miss.
 */
static int
allocate_devices(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	struct fleet *fleet = &swarm->fleet;

	fleet->n = swarm->config.devices;
	swarm->devices_bytes =
		RTE_ALIGN((size_t)fleet->n * sizeof(struct device), (size_t)HUGE_PAGE);
	fleet->devices = (struct device *)aligned_alloc(HUGE_PAGE, swarm->devices_bytes);
	fleet->idle = (uint32_t *)calloc(fleet->n, sizeof *fleet->idle);
	if (!fleet->devices || !fleet->idle) {
		snprintf(error, DATAPLANE_ERROR_MAX, "no memory for %u devices", fleet->n);
		return -1;
	}
	(void)madvise(fleet->devices, swarm->devices_bytes, MADV_HUGEPAGE);
	memset(fleet->devices, 0, swarm->devices_bytes);
	return 0;
}

static int
start_environment(struct swarm *swarm, struct dataplane_config *dp, char error[DATAPLANE_ERROR_MAX])
{
	struct eal_cpus cpus;

	snprintf(swarm->prefix, sizeof swarm->prefix, "storm-%d", (int)getpid());
	dp->n_ports = swarm->config.n_ports;
	for (unsigned p = 0; p < dp->n_ports; p++)
		dp->ports[p].device = swarm->config.ports[p];
	dp->control_cpu = swarm->config.cpu;
	dp->hugepages = DATAPLANE_HUGEPAGES_AUTO;
	dp->file_prefix = swarm->prefix;
	dp->eal_args = swarm->config.eal_args;
	if (eal_place(dp, &cpus, error) < 0)
		return -1;
	return eal_start(dp, &cpus, MEMORY, &swarm->log, error) < 0 ? -1 : 0;
}

static int
open_all(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	struct dataplane_config dp = { 0 };
	const struct crypto_ops *ops = crypto_select();
	const char *failed = crypto_selftest(ops);

	if (failed) {
		snprintf(error, DATAPLANE_ERROR_MAX, "crypto self-test %s failed", failed);
		return -1;
	}
	if (allocate_devices(swarm, error) < 0 || start_environment(swarm, &dp, error) < 0 ||
	    open_ports(swarm, &dp, error) < 0 || wait_for_links(swarm, error) < 0)
		return -1;
	swarm->clock = clock_make(rte_get_tsc_hz());
	fleet_set_time(&swarm->fleet, now_us(swarm));
	fleet_init(&swarm->fleet, &swarm->config.fleet, ops, swarm->config.seed,
		   rte_rdtsc() ^ (uint64_t)getpid() << 48);
	swarm->random = random_seed(swarm->config.seed + 1);
	return find_next_hop(swarm, error);
}

struct swarm *
swarm_open(const struct swarm_config *config, char error[DATAPLANE_ERROR_MAX])
{
	struct swarm *swarm = (struct swarm *)calloc(1, sizeof *swarm);

	if (!swarm) {
		snprintf(error, DATAPLANE_ERROR_MAX, "out of memory");
		return NULL;
	}
	swarm->config = *config;
	swarm->fleet.names = config->names;
	swarm->fleet.expect = config->expect;
	if (open_all(swarm, error) < 0) {
		/* The process ends now: DPDK's environment, if it stands, goes with it. */
		free(swarm->fleet.devices);
		free(swarm->fleet.idle);
		free(swarm);
		return NULL;
	}
	return swarm;
}

void
swarm_close(struct swarm *swarm)
{
	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		port_close(&swarm->ports[p]);
	eal_stop();
	free(swarm->fleet.devices);
	free(swarm->fleet.idle);
	free(swarm);
}
