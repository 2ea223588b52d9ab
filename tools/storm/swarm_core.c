#include "tools/storm/swarm_core.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "tools/storm/random.h"

enum {
	BACKLOG_STARTS = 1024, /* above that nothing new begins */
	HELD_US = 10000,
	SECOND_US = 1000000,
	HUGE_PAGE = 2 << 20,
};

static uint64_t
now_us(const struct core *core)
{
	return clock_us(core->swarm->clock, rte_rdtsc());
}

/* A core's queue of each of its ports. */
static uint16_t
queue_of(const struct core *core)
{
	return core->swarm->shares_ports ? (uint16_t)core->index : 0;
}

/* ---- sending ---- */

static void
queue_frame(struct core *core, unsigned port, struct rte_mbuf *mbuf)
{
	struct backlog *backlog = &core->backlogs[port];

	if (backlog->n == SWARM_BACKLOG) {
		core->counts.tx_full++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	backlog->frames[(backlog->first + backlog->n++) % SWARM_BACKLOG] = mbuf;
}

/* As much as the port takes; the rest waits. */
static unsigned
flush(struct core *core, unsigned port)
{
	struct backlog *backlog = &core->backlogs[port];
	unsigned sent = 0;

	while (backlog->n) {
		unsigned n = RTE_MIN(backlog->n, SWARM_BACKLOG - backlog->first), done;
		uint64_t bytes = 0;

		n = RTE_MIN(n, 2u * SWARM_BURST);
		for (unsigned i = 0; i < n; i++)
			bytes += rte_pktmbuf_pkt_len(backlog->frames[backlog->first + i]);
		done = rte_eth_tx_burst(core->swarm->ports[port].id, queue_of(core),
					backlog->frames + backlog->first, (uint16_t)n);
		backlog->first = (backlog->first + done) % SWARM_BACKLOG;
		backlog->n -= done;
		sent += done;
		/*
		 * Of a burst cut short the bytes are estimated: the sent ones are not ours any
		 * more.
		 */
		core->counts.tx_bytes += done == n ? bytes : bytes * done / n;
		if (done < n)
			break;
	}
	core->counts.tx_frames += sent;
	return sent;
}

static bool
hold(struct core *core, unsigned port, struct rte_mbuf *mbuf, bool received)
{
	struct held *held = &core->held[(core->held_first + core->n_held) % SWARM_HELD];

	if (core->n_held == SWARM_HELD ||
	    !random_percent(&core->random, core->swarm->config.impairment.reorder))
		return false;
	*held = (struct held){ core->fleet.now_us + HELD_US, mbuf, (uint8_t)port, received };
	core->n_held++;
	core->counts.reordered++;
	return true;
}

/* One bit, behind the checksums: the receiver's UDP must notice. */
static void
corrupt(struct core *core, struct rte_mbuf *mbuf, size_t headers)
{
	size_t len = rte_pktmbuf_data_len(mbuf) - headers;
	uint8_t *payload = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, headers);

	if (!len || !random_percent(&core->random, core->swarm->config.impairment.corrupt))
		return;
	payload[random_below(&core->random, len)] ^=
		(uint8_t)(1u << random_below(&core->random, 8));
	core->counts.corrupted++;
}

/* The network's part. */
static void
send_frame(struct core *core, unsigned port, struct rte_mbuf *mbuf, size_t headers)
{
	const struct impairment *impairment = &core->swarm->config.impairment;

	if (random_percent(&core->random, impairment->loss)) {
		core->counts.lost++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (random_percent(&core->random, impairment->duplicate)) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(mbuf, core->swarm->pool, 0, UINT32_MAX);

		if (copy) {
			core->counts.duplicated++;
			queue_frame(core, port, copy);
		}
	}
	corrupt(core, mbuf, headers);
	if (!hold(core, port, mbuf, false))
		queue_frame(core, port, mbuf);
}

static void
refill_slot(struct core *core, unsigned i)
{
	core->out_mbufs[i] = rte_pktmbuf_alloc(core->swarm->pool);
	core->out.slots[i].data =
		core->out_mbufs[i] ? rte_pktmbuf_mtod(core->out_mbufs[i], uint8_t *) : NULL;
}

/* What a device wrote, into frames. */
static void
submit(struct core *core, uint32_t index)
{
	const struct swarm *swarm = core->swarm;
	uint32_t device = index * swarm->config.n_cores + core->index;
	unsigned p = device % swarm->config.n_ports;

	for (unsigned i = 0; i < core->out.n; i++) {
		const struct storm_slot *slot = &core->out.slots[i];
		struct rte_mbuf *mbuf = core->out_mbufs[i];
		struct net_datagram datagram = { .device = device,
						 .rebound = slot->rebound,
						 .data = slot->data,
						 .len = slot->len,
						 .offload = false };
		uint8_t *frame =
			net_prepend(&swarm->config.net, &core->l3[p], &swarm->links[p], &datagram);

		mbuf->data_off = (uint16_t)(frame - (uint8_t *)mbuf->buf_addr);
		mbuf->data_len = (uint16_t)(slot->data + slot->len - frame);
		mbuf->pkt_len = mbuf->data_len;
		refill_slot(core, i);
		send_frame(core, p, mbuf, (size_t)(slot->len ? mbuf->data_len - slot->len : 0));
	}
	core->out.n = 0;
}

/* Whether a device may be asked to write: every slot has a buffer. */
static bool
out_ready(struct core *core)
{
	bool ready = true;

	for (unsigned i = 0; i < STORM_OUT_MAX; i++) {
		if (!core->out_mbufs[i])
			refill_slot(core, i);
		ready &= core->out_mbufs[i] != NULL;
	}
	return ready;
}

/* ---- receiving ---- */

/* A frame that was parsed. */
struct arrived {
	struct rte_mbuf *mbuf;
	uint8_t *data;
	uint16_t len;
	uint32_t index; /* of its device */
};

static void
prefetch_device(const struct core *core, uint32_t index)
{
	const char *at = (const char *)&core->fleet.devices[index];

	for (size_t i = 0; i < sizeof(struct device); i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(at + i);
}

/* Once the cores run it stays as it is: all of them read it. */
static void
learn_next_hop(struct swarm *swarm, unsigned p, const struct link *link)
{
	if (swarm->running)
		return;
	swarm->links[p] = *link;
	swarm->linked[p] = true;
}

static void
answer_neighbour(struct core *core, unsigned p, struct rte_mbuf *mbuf, enum l3_kind kind,
		 struct l3_packet *packet)
{
	size_t at = (size_t)(packet->message - rte_pktmbuf_mtod(mbuf, uint8_t *));
	size_t room = rte_pktmbuf_data_len(mbuf) - at + rte_pktmbuf_tailroom(mbuf);
	struct neigh_answer answer;

	if (net_is_next_hop(&core->swarm->config.net, kind, packet)) {
		learn_next_hop(core->swarm, p, &packet->link);
	} else if (neigh_answer(&core->l3[p], kind, packet, room, &answer)) {
		mbuf->data_off = (uint16_t)(answer.frame - (uint8_t *)mbuf->buf_addr);
		mbuf->data_len = (uint16_t)answer.len;
		mbuf->pkt_len = mbuf->data_len;
		mbuf->ol_flags = 0;
		queue_frame(core, p, mbuf);
		return;
	} else {
		core->counts.rx_dropped++;
	}
	rte_pktmbuf_free(mbuf);
}

/* Whether the frame belongs to another core, and was given to it or dropped. */
static bool
bring_home(struct core *core, uint32_t device, unsigned p, struct rte_mbuf *mbuf)
{
	struct swarm *swarm = core->swarm;
	unsigned owner = device % swarm->config.n_cores;

	if (owner == core->index)
		return false;
	mbuf->hash.usr = p;
	if (!swarm->cores[owner]->brought ||
	    rte_ring_enqueue(swarm->cores[owner]->brought, mbuf) != 0) {
		core->counts.rx_missed++;
		rte_pktmbuf_free(mbuf);
	}
	return true;
}

/* false: the frame was no datagram for a device of this core, and is dealt with. */
static bool
parse_frame(struct core *core, unsigned p, struct rte_mbuf *mbuf, struct arrived *arrived)
{
	const struct swarm_config *config = &core->swarm->config;
	struct l3_packet packet;
	int64_t device;
	enum l3_kind kind = net_parse(&config->net, &core->l3[p], rte_pktmbuf_mtod(mbuf, uint8_t *),
				      rte_pktmbuf_data_len(mbuf), 0, &packet, &device);

	if (kind == L3_ARP || kind == L3_ICMP || kind == L3_ICMPV6) {
		answer_neighbour(core, p, mbuf, kind, &packet);
		return false;
	}
	if (kind != L3_DATAGRAM || device < 0 || device >= config->devices) {
		core->counts.rx_dropped++;
		rte_pktmbuf_free(mbuf);
		return false;
	}
	if (bring_home(core, (uint32_t)device, p, mbuf))
		return false;
	*arrived = (struct arrived){ mbuf, packet.datagram.data, packet.datagram.len,
				     (uint32_t)device / config->n_cores };
	prefetch_device(core, arrived->index);
	return true;
}

static void
deliver(struct core *core, const struct arrived *arrived)
{
	if (out_ready(core)) {
		fleet_receive(&core->fleet, arrived->index, arrived->data, arrived->len,
			      &core->out);
		submit(core, arrived->index);
	} else {
		core->counts.no_buffer++;
	}
}

/* Loss, copies and delay on the way to the device. */
static void
receive_impaired(struct core *core, unsigned p, const struct arrived *arrived)
{
	const struct impairment *impairment = &core->swarm->config.impairment;

	/* A corrupted datagram fails its checksum: to a device it is lost. */
	if (random_percent(&core->random, impairment->loss) ||
	    random_percent(&core->random, impairment->corrupt)) {
		core->counts.lost++;
		rte_pktmbuf_free(arrived->mbuf);
		return;
	}
	if (hold(core, p, arrived->mbuf, true))
		return;
	if (random_percent(&core->random, impairment->duplicate)) {
		uint8_t copy[DATAGRAM_MAX + 256];
		struct arrived again = *arrived;

		/* A record is opened in place, so the copy must be as it came. */
		if (arrived->len <= sizeof copy) {
			memcpy(copy, arrived->data, arrived->len);
			again.data = copy;
			core->counts.duplicated++;
			deliver(core, &again);
		}
	}
	deliver(core, arrived);
	rte_pktmbuf_free(arrived->mbuf);
}

static void
take_frames(struct core *core, struct rte_mbuf **mbufs, unsigned n, unsigned p)
{
	struct arrived arrived[SWARM_BURST];
	unsigned n_arrived = 0;

	for (unsigned i = 0; i < n; i++)
		n_arrived += parse_frame(core, p, mbufs[i], &arrived[n_arrived]);
	for (unsigned i = 0; i < n_arrived; i++)
		receive_impaired(core, p, &arrived[i]);
}

static unsigned
receive(struct core *core, unsigned p)
{
	struct rte_mbuf *mbufs[SWARM_BURST];
	unsigned n = rte_eth_rx_burst(core->swarm->ports[p].id, queue_of(core), mbufs, SWARM_BURST);

	core->counts.rx_frames += n;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n; i++)
		core->counts.rx_bytes += rte_pktmbuf_pkt_len(mbufs[i]);
	take_frames(core, mbufs, n, p);
	return n;
}

/* What other cores received for us. */
static unsigned
take_brought(struct core *core)
{
	struct rte_mbuf *mbufs[SWARM_BURST];
	unsigned n;

	if (!core->brought)
		return 0;
	n = rte_ring_dequeue_burst(core->brought, (void **)mbufs, SWARM_BURST, NULL);
	for (unsigned i = 0; i < n; i++)
		take_frames(core, &mbufs[i], 1, mbufs[i]->hash.usr);
	return n;
}

static unsigned
release_held(struct core *core)
{
	unsigned n = 0;

	for (; core->n_held && core->held[core->held_first].due_us <= core->fleet.now_us; n++) {
		struct held held = core->held[core->held_first];
		struct arrived arrived;

		core->held_first = (core->held_first + 1) % SWARM_HELD;
		core->n_held--;
		if (!held.received) {
			queue_frame(core, held.port, held.mbuf);
		} else if (parse_frame(core, held.port, held.mbuf, &arrived)) {
			deliver(core, &arrived);
			rte_pktmbuf_free(held.mbuf);
		}
	}
	return n;
}

/* ---- the loop ---- */

static bool
crowded(const struct core *core)
{
	for (unsigned p = 0; p < core->swarm->config.n_ports; p++)
		if (core->backlogs[p].n > BACKLOG_STARTS)
			return true;
	return false;
}

static unsigned
run_timers(struct core *core)
{
	unsigned n = 0;
	uint32_t device;

	while (n < SWARM_BURST && !crowded(core) && out_ready(core) &&
	       fleet_tick(&core->fleet, &device, &core->out)) {
		submit(core, device);
		n++;
	}
	return n;
}

static unsigned
start_devices(struct core *core)
{
	uint64_t elapsed = core->fleet.now_us - core->swarm->begin_us, intended;
	unsigned n = 0;

	/* Without an idle device a start is late, which its latency and the verdict will show. */
	while (n < SWARM_BURST && core->fleet.n_idle && !crowded(core) && out_ready(core) &&
	       arrivals_take(&core->arrivals, elapsed, core->fleet.running, &intended)) {
		int64_t device =
			fleet_start(&core->fleet, core->swarm->begin_us + intended, &core->out);

		submit(core, (uint32_t)device);
		core->counts.late_us = RTE_MAX(core->counts.late_us, elapsed - intended);
		n++;
	}
	return n;
}

static unsigned
turn(struct core *core, bool starting)
{
	unsigned work = 0;

	fleet_set_time(&core->fleet, now_us(core));
	for (unsigned p = 0; p < core->swarm->config.n_ports; p++)
		if (core_has_port(core, p))
			work += receive(core, p);
	work += take_brought(core);
	work += release_held(core);
	work += run_timers(core);
	if (starting)
		work += start_devices(core);
	for (unsigned p = 0; p < core->swarm->config.n_ports; p++)
		if (core_has_port(core, p))
			work += flush(core, p);
	return work;
}

static bool
run_over(const struct core *core)
{
	return arrivals_over(&core->arrivals, core->fleet.now_us - core->swarm->begin_us) &&
	       core->fleet.running == 0;
}

static void
print_progress(const struct record *record)
{
	fprintf(stderr,
		"\r%5.0f s  %llu started  %llu done (%.0f/s)  %llu failed  %u at it  p50 %.1f ms  "
		"p99 %.1f ms \033[K",
		record->second, (unsigned long long)record->all_started,
		(unsigned long long)record->all_done, record->done,
		(unsigned long long)record->all_failed, record->running, record->p50_us / 1e3,
		record->p99_us / 1e3);
	fflush(stderr);
}

/* The first core keeps the record of all; also at the end, of less than a second. */
static void
record(struct core *core, bool last)
{
	struct swarm *swarm = core->swarm;
	uint64_t elapsed = core->fleet.now_us - swarm->begin_us;
	const struct fleet *fleets[SWARM_CORES_MAX];
	const struct record *newest;

	if (core->index != 0 || elapsed <= swarm->recorder.last_us ||
	    (!last && elapsed - swarm->recorder.last_us < SECOND_US))
		return;
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		fleets[i] = &swarm->cores[i]->fleet;
	newest = recorder_add(&swarm->recorder, fleets, swarm->config.n_cores, elapsed);
	if (swarm->config.progress)
		print_progress(newest);
}

/* Its plan, and how busy that kept it. */
static void
run_plan(struct core *core)
{
	const struct swarm *swarm = core->swarm;
	uint64_t begin = rte_rdtsc(), last = begin, busy = 0;

	while (!*swarm->stop && !run_over(core)) {
		bool worked = turn(core, true) != 0;
		uint64_t now = rte_rdtsc();

		if (worked)
			busy += now - last;
		else if (!swarm->config.poll)
			sched_yield();
		last = worked || swarm->config.poll ? now : rte_rdtsc();
		record(core, false);
	}
	core->busy = (double)busy / (double)RTE_MAX(last - begin, 1u);
	/* A flood of a few may be over within the first turn: rates need a time that is not 0. */
	core->end_us = RTE_MAX(now_us(core) - swarm->begin_us, UINT64_C(1));
}

/* Copies of what came last are answered until all cores are through, and a while longer. */
static void
drain(struct core *core)
{
	struct swarm *swarm = core->swarm;
	uint64_t until = 0;

	atomic_fetch_add_explicit(&swarm->n_ended, 1, memory_order_relaxed);
	while (!*swarm->stop && (!until || core->fleet.now_us < until)) {
		if (!turn(core, false))
			sched_yield();
		if (until)
			continue;
		record(core, false);
		if (atomic_load_explicit(&swarm->n_ended, memory_order_relaxed) ==
		    swarm->config.n_cores) {
			record(core, true);
			until = core->fleet.now_us + (uint64_t)(swarm->config.drain_s * SECOND_US);
		}
	}
}

int
core_run(void *arg)
{
	struct core *core = (struct core *)arg;

	fleet_set_time(&core->fleet, core->swarm->begin_us);
	arrivals_init(&core->arrivals, &core->plan, core->swarm->config.seed + core->index);
	run_plan(core);
	drain(core);
	fleet_stop(&core->fleet);
	return 0;
}

/* ---- before running ---- */

void
core_ask_next_hop(struct core *core, unsigned p)
{
	const struct swarm *swarm = core->swarm;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(swarm->pool);

	if (!mbuf)
		return;
	mbuf->data_len = (uint16_t)net_ask(&swarm->config.net, &core->l3[p], swarm->config.vlan,
					   rte_pktmbuf_mtod(mbuf, uint8_t *));
	mbuf->pkt_len = mbuf->data_len;
	queue_frame(core, p, mbuf);
	flush(core, p);
}

void
core_listen(struct core *core, unsigned p)
{
	fleet_set_time(&core->fleet, now_us(core));
	receive(core, p);
	flush(core, p);
}

/*
 * Devices lie in huge pages where the kernel gives them: at random access a page walk costs as much
 * as a miss.
 */
static bool
allocate_devices(struct core *core)
{
	struct fleet *fleet = &core->fleet;

	core->devices_bytes =
		RTE_ALIGN((size_t)fleet->n * sizeof(struct device), (size_t)HUGE_PAGE);
	fleet->devices = (struct device *)aligned_alloc(HUGE_PAGE, core->devices_bytes);
	fleet->idle = (uint32_t *)calloc(fleet->n, sizeof *fleet->idle);
	if (!fleet->devices || !fleet->idle)
		return false;
	(void)madvise(fleet->devices, core->devices_bytes, MADV_HUGEPAGE);
	memset(fleet->devices, 0, core->devices_bytes);
	return true;
}

struct core *
core_new(struct swarm *swarm, unsigned index)
{
	const struct swarm_config *config = &swarm->config;
	struct core *core = (struct core *)calloc(1, sizeof *core);

	if (!core)
		return NULL;
	core->swarm = swarm;
	core->index = index;
	core->plan = plan_share(&config->plan, index, config->n_cores);
	core->fleet.n = share_of(config->devices, index, config->n_cores);
	core->fleet.first = index;
	core->fleet.stride = config->n_cores;
	core->fleet.names = config->names;
	core->fleet.expect = config->expect;
	core->fleet.lesson = config->lesson;
	if (allocate_devices(core))
		return core;
	core_free(core);
	return NULL;
}

void
core_free(struct core *core)
{
	if (!core)
		return;
	rte_ring_free(core->brought);
	free(core->fleet.devices);
	free(core->fleet.idle);
	free(core);
}

void
core_prepare(struct core *core, const struct crypto_ops *ops)
{
	const struct swarm *swarm = core->swarm;
	uint64_t seed = swarm->config.seed + 2 * (uint64_t)core->index;

	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		core->l3[p] = swarm->ports[p].l3;
	fleet_set_time(&core->fleet, now_us(core));
	fleet_init(&core->fleet, &swarm->config.fleet, ops, seed,
		   rte_rdtsc() ^ (uint64_t)getpid() << 48 ^ (uint64_t)core->index << 40);
	core->random = random_seed(seed + 1);
}
