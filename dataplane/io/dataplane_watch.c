/*
 * dataplane_watch.c - the facade's reading side: what was set up, ports, counters and workers. All of
 * it may be read at any time while the dataplane stands.
 */
#include "dataplane/dataplane.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/port_watch.h"

void
dataplane_info(const struct dataplane *dp, struct dataplane_info *info)
{
	*info = (struct dataplane_info){
		.workers = dp->n_workers,
		.ports = dp->n_ports,
		.listeners = dp->n_listeners,
		.sessions_per_worker = dp->sessions_per_worker,
		.session_bytes = stack_session_bytes(),
		.stack_bytes = dp->stack_bytes,
		.packet_buffers = dp->buffers,
		.packet_buffer_bytes = dp->buffer_bytes,
		.hugepages = dp->hugepages,
		.crypto = crypto_select()->name,
		.step_percent = dp->step_percent,
		.handshakes_alone = dp->step_percent > CRYPTO_STEP_WORTH,
		.memory_bytes = dp->memory_bytes,
	};
}

/* Whatever its interface is, nothing passes a port that is not open. */
static enum dataplane_link
closed_link(const struct port *port)
{
	enum dataplane_link link = port_link(port);

	return link == LINK_UP ? LINK_DOWN : link;
}

int
dataplane_port_info(const struct dataplane *dp, unsigned index, struct dataplane_port_info *info)
{
	const struct port *port = &dp->ports[index];
	struct rte_eth_stats stats = { 0 };

	if (index >= dp->n_ports)
		return -ENOENT;
	if (port->id != RTE_MAX_ETHPORTS)
		(void)rte_eth_stats_get(port->id, &stats);
	*info = (struct dataplane_port_info){
		.device = port->device,
		.driver = port->driver,
		.queues = port->rx_queues,
		.link = port->life == PORT_OPEN ? port_link(port) : closed_link(port),
		.reopened = port->reopened,
		.trouble = port->trouble,
		.queues_missed = port_queues_missed(port),
		.rss = port->rss,
		.tx_checksum = port->tx_checksum,
		.rx_checksum = port->rx_udp_checksum,
		.rx_missed = port->past.rx_missed + stats.imissed,
		.rx_errors = port->past.rx_errors + stats.ierrors,
		.tx_errors = port->past.tx_errors + stats.oerrors,
		.rx_no_buffer = port->past.rx_no_buffer + stats.rx_nombuf,
	};
	memcpy(info->mac, port->l3.mac, sizeof info->mac);
	return 0;
}

static void
add_counters(const struct dataplane *dp, unsigned worker, struct counters *sum)
{
	const struct counters *counters = dp->workers[worker]->counters;

	if (dp->life == DATAPLANE_STOPPED)
		counters = &dp->last_counters[worker];
	for (unsigned i = 0; i < COUNTERS; i++)
		sum->value[i] += __atomic_load_n(&counters->value[i], __ATOMIC_RELAXED);
}

void
dataplane_counters(const struct dataplane *dp, int worker, struct counters *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < dp->n_workers; i++)
		if (worker < 0 || (unsigned)worker == i)
			add_counters(dp, i, out);
}

static void
add_delays(struct delays *sum, const struct delays *delays)
{
	for (unsigned i = 0; i < DELAY_BUCKETS; i++)
		sum->counts[i] += __atomic_load_n(&delays->counts[i], __ATOMIC_RELAXED);
	sum->sum += __atomic_load_n(&delays->sum, __ATOMIC_RELAXED);
}

void
dataplane_delays(const struct dataplane *dp, int worker, struct dataplane_delays *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < dp->n_workers; i++) {
		if (worker >= 0 && (unsigned)worker != i)
			continue;
		/* Stacks are gone once the workers have ended; nobody asks for them then. */
		for (unsigned p = 0; p < RUN_PHASES && dp->life != DATAPLANE_STOPPED; p++)
			add_delays(&out->phases[p], &stack_delays(dp->workers[i]->stack)[p]);
		add_delays(&out->busy_turn_cycles, &dp->workers[i]->stats.busy_turn_cycles);
	}
}

int
dataplane_worker_info(const struct dataplane *dp, unsigned index,
		      struct dataplane_worker_info *info)
{
	const struct worker *worker = index < dp->n_workers ? dp->workers[index] : NULL;
	const struct worker_stats *stats;

	if (!worker)
		return -ENOENT;
	stats = &worker->stats;
	*info = (struct dataplane_worker_info){
		.cpu = dp->cpus.worker[index],
		.gauges = dp->life == DATAPLANE_STOPPED ? dp->last_gauges[index]
							: stack_gauges(worker->stack),
		.turns = __atomic_load_n(&stats->turns, __ATOMIC_RELAXED),
		.busy_turns = __atomic_load_n(&stats->busy_turns, __ATOMIC_RELAXED),
		.cycles = __atomic_load_n(&stats->cycles, __ATOMIC_RELAXED),
		.busy_cycles = __atomic_load_n(&stats->busy_cycles, __ATOMIC_RELAXED),
		.longest_turn_cycles =
			__atomic_load_n(&stats->longest_turn_cycles, __ATOMIC_RELAXED),
		.longest_step =
			worker_step_name(__atomic_load_n(&stats->longest_step, __ATOMIC_RELAXED)),
		.heartbeat = __atomic_load_n(&stats->turns, __ATOMIC_RELAXED),
	};
	_Static_assert((int)WORKER_STEPS < (int)DATAPLANE_STEPS_MAX,
		       "steps end with a name of NULL");
	for (unsigned i = 0; i < WORKER_STEPS; i++) {
		info->steps[i].name = worker_step_name((enum worker_step)i);
		info->steps[i].cycles = __atomic_load_n(&stats->step_cycles[i], __ATOMIC_RELAXED);
	}
	return 0;
}

uint64_t
dataplane_now_us(void)
{
	return clock_us(clock_make(rte_get_tsc_hz()), rte_rdtsc());
}

uint64_t
dataplane_cycles_per_s(void)
{
	return rte_get_tsc_hz();
}

bool
dataplane_progress(const struct dataplane *dp, unsigned worker, struct session_ref session,
		   struct session_progress *progress)
{
	return worker < dp->n_workers && dp->life != DATAPLANE_STOPPED &&
	       stack_progress(dp->workers[worker]->stack, session, dataplane_now_us(), progress);
}
