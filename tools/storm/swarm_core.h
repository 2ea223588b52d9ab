/*
 * swarm_core.h - one CPU's share of the swarm: its devices, its queues, its loop. Known to swarm*.c
 * alone.
 *
 * Device g of the whole swarm belongs to core g mod n_cores and is number g / n_cores there. Where
 * there are as many ports as cores, or a multiple, a core has ports of its own, and device g is
 * behind port g mod n_ports, so nothing crosses. Else each core has a queue of every port; what a
 * port's hash brings to the wrong core goes on by ring.
 *
 * Owner: the swarm. Once running, a core is its thread's alone; the recorder reads its tally.
 */
#pragma once

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "dataplane/io/clock.h"
#include "dataplane/io/eal.h"
#include "dataplane/io/port.h"
#include "tools/storm/crowd.h"
#include "tools/storm/recorder.h"
#include "tools/storm/swarm.h"

enum {
	SWARM_BURST = 32,
	SWARM_BUFFERS = 16383, /* a core */
	SWARM_BACKLOG = 4096,  /* frames that wait for a port, at most */
	SWARM_HELD = 1024,     /* frames that are being reordered */
};

/* Frames in order; a ring. */
struct backlog {
	struct rte_mbuf *frames[SWARM_BACKLOG];
	unsigned first, n;
	struct crowd crowd;
};

struct held {
	uint64_t due_us;
	struct rte_mbuf *mbuf;
	uint8_t port;
	bool received; /* else it is to be sent */
};

struct swarm;

struct core {
	struct fleet fleet;
	struct swarm *swarm;
	unsigned index;
	struct l3_port l3[SWARM_PORTS_MAX]; /* aimed at one address after the other */
	struct backlog backlogs[SWARM_PORTS_MAX];
	struct rte_ring *brought; /* frames that other cores received; NULL: none can come */
	struct storm_out out;
	struct rte_mbuf *out_mbufs[STORM_OUT_MAX]; /* behind the slots of `out` */
	struct held held[SWARM_HELD];
	unsigned held_first, n_held;
	uint64_t random; /* of the network */
	struct plan plan;
	struct arrivals arrivals;
	struct swarm_counts counts;
	uint64_t heard_us; /* when something arrived last; 0: never */
	uint64_t end_us;   /* since the beginning, once it ended */
	double busy;
	size_t devices_bytes;
	bool gate_closed; /* in this turn: gated ports are not touched (port_gate.h) */
	struct {
		uint64_t look_us, connect_us; /* when it is looked at next, and connected again */
		uint64_t down_us;             /* since when it is down; 0: it is up */
		bool is_stopped;              /* nobody listened at the other end */
	} watched[SWARM_PORTS_MAX];
};

struct swarm {
	struct swarm_config config;
	struct port ports[SWARM_PORTS_MAX];
	struct link links[SWARM_PORTS_MAX]; /* to the next hop; fixed once running */
	bool linked[SWARM_PORTS_MAX];
	bool shares_ports, running;
	bool quiet; /* no handler of a gated port's driver runs: it may be closed */
	struct rte_mempool *pool;
	struct clock clock;
	struct eal_log log;
	struct rte_rcu_qsbr *qsbr; /* of the cores, for the gate of their ports */
	char prefix[32];           /* DPDK's file prefix */
	uint64_t begin_us;
	const volatile sig_atomic_t *stop;
	_Atomic unsigned n_ended; /* relaxed: cores whose plan is over */
	struct recorder recorder; /* the first core's */
	struct core *cores[SWARM_CORES_MAX];
};

/* Whether the core receives and sends on this port. */
static inline bool
core_has_port(const struct core *core, unsigned port)
{
	const struct swarm *swarm = core->swarm;

	return swarm->shares_ports || port % swarm->config.n_cores == core->index;
}

/* The most frames that wait for each of its ports. */
static inline unsigned
core_backlog(const struct core *core)
{
	return crowd_backlog(SWARM_BACKLOG, SWARM_BUFFERS, core->swarm->config.n_ports);
}

/* With its devices, idle; not yet with packet buffers. NULL: out of memory. */
struct core *core_new(struct swarm *swarm, unsigned index);
void core_free(struct core *core);
/* Once DPDK's environment stands: the clock runs. */
void core_prepare(struct core *core, const struct crypto_ops *ops);

/* Takes what comes to a port, such as the answer to core_ask_next_hop(). Before running. */
void core_listen(struct core *core, unsigned port);

/* The thread of a core, until every core's plan is over or the swarm is told to stop. 0. */
int core_run(void *core);
