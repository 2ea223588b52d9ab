#include "tools/storm/swarm_wire.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_prefetch.h>

#include "tools/storm/random.h"

enum {
	HELD_US = 10000,
	LINK_US = 2000,           /* between two looks at a link */
	LINK_RETRY_US = 10000,    /* ... when nobody listens at the other end */
	LINK_CONNECT_US = 200000, /* ... when somebody does: so long the drivers talk at most */
};

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

	if (backlog->n >= core_backlog(core)) {
		core->counts.tx_full++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	backlog->frames[(backlog->first + backlog->n++) % SWARM_BACKLOG] = mbuf;
}

/* Not while its driver changes it: the appliance behind memif may leave at any moment. */
static bool
may_touch(const struct core *core, unsigned port)
{
	return !core->watched[port].is_stopped &&
	       (!core->gate_closed || !core->swarm->ports[port].gated);
}

unsigned
core_flush(struct core *core, unsigned port)
{
	struct backlog *backlog = &core->backlogs[port];
	unsigned sent = 0;

	while (backlog->n && may_touch(core, port)) {
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
	crowd_note(&backlog->crowd, backlog->n, sent, core->fleet.now_us);
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

void
core_submit(struct core *core, uint32_t index)
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

bool
core_out_ready(struct core *core)
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
				      rte_pktmbuf_data_len(mbuf),
				      port_checked(&core->swarm->ports[p], mbuf), &packet, &device);

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
	if (core_out_ready(core)) {
		fleet_receive(&core->fleet, arrived->index, arrived->data, arrived->len,
			      &core->out);
		core_submit(core, arrived->index);
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

static void
note_link_up(struct core *core, unsigned p)
{
	uint64_t since_us = core->watched[p].down_us;

	if (since_us)
		core->counts.link_down_us =
			RTE_MAX(core->counts.link_down_us, core->fleet.now_us - since_us);
	core->watched[p].down_us = core->watched[p].connect_us = 0;
}

static void
connect_again(struct core *core, unsigned p)
{
	uint16_t id = core->swarm->ports[p].id;

	if (!core->watched[p].is_stopped)
		(void)rte_eth_dev_stop(id);
	core->watched[p].is_stopped = rte_eth_dev_start(id) < 0;
	core->watched[p].connect_us =
		core->fleet.now_us +
		(core->watched[p].is_stopped ? LINK_RETRY_US : LINK_CONNECT_US);
}

/* DPDK's driver does not connect again by itself (22.11). Ports that cores share are left alone. */
void
core_keep_link(struct core *core, unsigned p)
{
	const struct port *port = &core->swarm->ports[p];
	uint64_t now_us = core->fleet.now_us;
	struct rte_eth_link link;

	if (!port->gated || core->swarm->shares_ports || core->gate_closed ||
	    now_us < core->watched[p].look_us)
		return;
	core->watched[p].look_us = now_us + LINK_US;
	if (rte_eth_link_get_nowait(port->id, &link) < 0)
		return;
	if (link.link_status) {
		note_link_up(core, p);
		return;
	}
	if (!core->watched[p].down_us) {
		core->watched[p].down_us = now_us;
		/* That nobody listens yet is no news a hundred times a second. */
		(void)rte_log_set_level_pattern("*memif*", RTE_LOG_CRIT);
	}
	if (now_us >= core->watched[p].connect_us)
		connect_again(core, p);
}

unsigned
core_receive(struct core *core, unsigned p)
{
	struct rte_mbuf *mbufs[SWARM_BURST];
	unsigned n;

	if (!may_touch(core, p))
		return 0;
	n = rte_eth_rx_burst(core->swarm->ports[p].id, queue_of(core), mbufs, SWARM_BURST);
	core->counts.rx_frames += n;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n; i++)
		core->counts.rx_bytes += rte_pktmbuf_pkt_len(mbufs[i]);
	take_frames(core, mbufs, n, p);
	return n;
}

unsigned
core_take_brought(struct core *core)
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

unsigned
core_release_held(struct core *core)
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

/* ---- the next hop ---- */

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
	core_flush(core, p);
}
