#include "tools/storm/swarm_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "dataplane/io/buffers.h"
#include "dataplane/io/port_gate.h"
#include "tools/storm/memif_connect.h"
#include "tools/storm/outcomes.h"
#include "tools/storm/swarm_wire.h"

enum {
	BUFFER_CACHE = 256,
	BROUGHT = 4096,
	MEMORY = 128 << 20, /* a core */
	LINK_WAIT_MS = 10000,
	HOP_WAIT_MS = 5000,
	HOP_ASK_MS = 200,
	SECOND_US = 1000000,
};

/* ---- running ---- */

static void
add_counts(struct swarm_counts *to, const struct swarm_counts *from)
{
	to->late_us = RTE_MAX(to->late_us, from->late_us);
	to->link_down_us = RTE_MAX(to->link_down_us, from->link_down_us);
	to->quiet_us = RTE_MAX(to->quiet_us, from->quiet_us);
	to->tx_frames += from->tx_frames;
	to->tx_bytes += from->tx_bytes;
	to->rx_frames += from->rx_frames;
	to->rx_bytes += from->rx_bytes;
	to->tx_full += from->tx_full;
	to->no_buffer += from->no_buffer;
	to->rx_missed += from->rx_missed;
	to->rx_dropped += from->rx_dropped;
	to->lost += from->lost;
	to->duplicated += from->duplicated;
	to->reordered += from->reordered;
	to->corrupted += from->corrupted;
}

/* Bootstraps that should have started on this core. */
static uint64_t
planned(const struct core *core, bool interrupted)
{
	if (core->plan.kind == PLAN_OPEN)
		return RTE_MIN(arrivals_due(&core->arrivals, core->end_us), core->plan.total);
	if (!interrupted && core->plan.duration_s <= 0)
		return core->plan.total;
	return core->arrivals.started;
}

static void
add_core(struct swarm_result *result, const struct core *core)
{
	result->seconds = RTE_MAX(result->seconds, (double)core->end_us / SECOND_US);
	result->planned += planned(core, result->interrupted);
	result->busy = RTE_MAX(result->busy, core->busy);
	add_counts(&result->counts, &core->counts);
	tally_add(&result->tally, &core->fleet.tally);
}

static void
finish_result(struct swarm *swarm, struct swarm_result *result)
{
	result->interrupted = *swarm->stop;
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		add_core(result, swarm->cores[i]);
	for (unsigned p = 0; p < swarm->config.n_ports; p++) {
		struct rte_eth_stats stats;

		if (rte_eth_stats_get(swarm->ports[p].id, &stats) == 0)
			result->counts.rx_missed += stats.imissed + stats.rx_nombuf;
	}
	result->n_records = swarm->recorder.n;
	memcpy(result->records, swarm->recorder.records, sizeof result->records);
}

void
swarm_run(struct swarm *swarm, const volatile sig_atomic_t *stop, struct swarm_result *result)
{
	swarm->stop = stop;
	swarm->running = true;
	swarm->begin_us = clock_us(swarm->clock, rte_rdtsc());
	memif_connect_hurry();
	port_gate_attach(swarm->qsbr);
	for (unsigned i = 1; i < swarm->config.n_cores; i++)
		rte_eal_remote_launch(core_run, swarm->cores[i], EAL_FIRST_WORKER_LCORE + i - 1);
	core_run(swarm->cores[0]);
	rte_eal_mp_wait_lcore();
	swarm->quiet = port_gate_detach();
	finish_result(swarm, result);
	if (swarm->config.progress)
		fputc('\n', stderr);
}

static uint64_t
wall_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
}

int
swarm_write_outcomes(const struct swarm *swarm, FILE *stream)
{
	uint64_t epoch_us = wall_clock_us() - clock_us(swarm->clock, rte_rdtsc());

	outcomes_write_header(stream);
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		outcomes_write(&swarm->cores[i]->fleet, epoch_us, stream);
	return fflush(stream) == 0 && !ferror(stream) ? 0 : -1;
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

/* The answer may come to any queue of the port. */
static void
listen_on(struct swarm *swarm, unsigned p)
{
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		if (core_has_port(swarm->cores[i], p))
			core_listen(swarm->cores[i], p);
}

static int
find_next_hop(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	for (unsigned p = 0, waited = 0; p < swarm->config.n_ports; waited++) {
		unsigned owner = swarm->shares_ports ? 0 : p % swarm->config.n_cores;

		if (waited % HOP_ASK_MS == 0)
			core_ask_next_hop(swarm->cores[owner], p);
		listen_on(swarm, p);
		if (swarm->linked[p]) {
			p++;
			waited = 0;
			continue;
		}
		if (waited == HOP_WAIT_MS) {
			snprintf(error, DATAPLANE_ERROR_MAX,
				 "port %s: the server's address (or --gateway) does not answer ARP "
				 "or neighbour discovery",
				 swarm->ports[p].device);
			return -1;
		}
		usleep(1000);
	}
	/* Asking is no part of the run. */
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		swarm->cores[i]->counts = (struct swarm_counts){ 0 };
	return 0;
}

static int
open_port(struct swarm *swarm, unsigned p, const struct dataplane_port_config *config,
	  char error[DATAPLANE_ERROR_MAX])
{
	unsigned queues = swarm->shares_ports ? swarm->config.n_cores : 1;
	struct dataplane_port_config asked = *config;
	struct port *port = &swarm->ports[p];

	swarm->links[p].vlan = port->l3.vlan = swarm->config.vlan;
	asked.queues = (uint16_t)queues;
	if (port_probe(port, &asked, queues, error) < 0)
		return -1;
	if (port->rx_queues < queues || port->tx_queues < queues) {
		snprintf(error, DATAPLANE_ERROR_MAX,
			 "port %s offers too few queues for %u cores: give a port a core, with "
			 "several --port",
			 port->device, queues);
		return -1;
	}
	return port_setup(port, swarm->pool, queues, error);
}

static int
open_ports(struct swarm *swarm, struct dataplane_config *dp, char error[DATAPLANE_ERROR_MAX])
{
	struct buffers_config wanted = { .name = "storm",
					 .n = SWARM_BUFFERS * swarm->config.n_cores,
					 .cache = BUFFER_CACHE,
					 .room = port_data_room(RTE_ETHER_MTU),
					 .side_by_side = true };

	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		wanted.side_by_side &= buffers_driver_copies(swarm->config.ports[p]);
	swarm->pool = buffers_new(&wanted);
	/* No more than a few may be missing: there are many times as many as can be on their way. */
	if (!swarm->pool || buffers_withhold(swarm->pool) < 0) {
		snprintf(error, DATAPLANE_ERROR_MAX, "no memory for packet buffers");
		return -1;
	}
	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		if (open_port(swarm, p, &dp->ports[p], error) < 0)
			return -1;
	return 0;
}

static int
open_qsbr(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	uint32_t n = swarm->config.n_cores;

	swarm->qsbr = (struct rte_rcu_qsbr *)rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(n),
							 RTE_CACHE_LINE_SIZE);
	if (!swarm->qsbr || rte_rcu_qsbr_init(swarm->qsbr, n) != 0) {
		snprintf(error, DATAPLANE_ERROR_MAX, "no memory for %u cores", n);
		return -1;
	}
	return 0;
}

static int
open_rings(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	for (unsigned i = 0; swarm->shares_ports && i < swarm->config.n_cores; i++) {
		char name[32];

		snprintf(name, sizeof name, "brought-%u", i);
		swarm->cores[i]->brought =
			rte_ring_create(name, BROUGHT, SOCKET_ID_ANY, RING_F_SC_DEQ);
		if (!swarm->cores[i]->brought) {
			snprintf(error, DATAPLANE_ERROR_MAX, "no memory for rings");
			return -1;
		}
	}
	return 0;
}

static int
open_cores(struct swarm *swarm, char error[DATAPLANE_ERROR_MAX])
{
	swarm->shares_ports = swarm->config.n_ports % swarm->config.n_cores != 0;
	for (unsigned i = 0; i < swarm->config.n_cores; i++) {
		swarm->cores[i] = core_new(swarm, i);
		if (!swarm->cores[i]) {
			snprintf(error, DATAPLANE_ERROR_MAX, "no memory for %u devices",
				 swarm->config.devices);
			return -1;
		}
	}
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
	dp->workers = swarm->config.n_cores - 1;
	dp->hugepages = DATAPLANE_HUGEPAGES_AUTO;
	dp->file_prefix = swarm->prefix;
	dp->eal_args = swarm->config.eal_args;
	if (eal_place(dp, &cpus, error) < 0)
		return -1;
	return eal_start(dp, &cpus, (size_t)MEMORY * swarm->config.n_cores, &swarm->log, error) < 0
		       ? -1
		       : 0;
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
	if (open_cores(swarm, error) < 0 || start_environment(swarm, &dp, error) < 0 ||
	    open_qsbr(swarm, error) < 0 || open_rings(swarm, error) < 0 ||
	    open_ports(swarm, &dp, error) < 0 || wait_for_links(swarm, error) < 0)
		return -1;
	swarm->clock = clock_make(rte_get_tsc_hz());
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		core_prepare(swarm->cores[i], ops);
	return find_next_hop(swarm, error);
}

static void
free_cores(struct swarm *swarm)
{
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		core_free(swarm->cores[i]);
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
	if (open_all(swarm, error) < 0) {
		/* The process ends now: ports go with it. */
		free_cores(swarm);
		eal_stop();
		free(swarm);
		return NULL;
	}
	return swarm;
}

void
swarm_close(struct swarm *swarm)
{
	/* The process ends now: a port whose driver is not quiet is left to the kernel. */
	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		if (swarm->quiet || !swarm->ports[p].gated)
			port_close(&swarm->ports[p]);
	if (swarm->quiet)
		port_gate_close_left();
	rte_free(swarm->qsbr);
	free_cores(swarm);
	eal_stop();
	free(swarm);
}
