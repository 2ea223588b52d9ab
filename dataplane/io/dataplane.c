#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/mailbox.h"
#include "dataplane/io/telemetry.h"

/* ---- life ---- */

struct dataplane *
dataplane_new(const struct dataplane_config *config, char error[DATAPLANE_ERROR_MAX])
{
	/* Once, before DPDK has memory to give. */
	struct dataplane *dp = calloc(1, sizeof *dp); /* lint: allow calloc - not a packet's */

	error[0] = '\0';
	if (!dp)
		return NULL;
	if (dataplane_setup(dp, config, error) < 0) {
		dataplane_free(dp);
		return NULL;
	}
	return dp;
}

int
dataplane_start(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	dp->life = DATAPLANE_RUNNING;
	for (unsigned i = 0; i < dp->n_workers; i++) {
		int rc = rte_eal_remote_launch(worker_run, dp->workers[i],
					       EAL_FIRST_WORKER_LCORE + i);

		if (rc < 0) {
			snprintf(error, DATAPLANE_ERROR_MAX, "worker %u does not start: %s", i,
				 strerror(-rc));
			dataplane_stop(dp);
			return -1;
		}
	}
	telemetry_attach(dp);
	return 0;
}

/* The stack's last words still reach the event ring; its numbers stay readable. */
static void
end_stack(struct dataplane *dp, unsigned index)
{
	struct worker *worker = dp->workers[index];

	if (!worker->stack)
		return;
	worker_drain_mailbox(worker);
	dp->last_counters[index] = *worker->counters;
	dp->last_gauges[index] = stack_gauges(worker->stack);
	stack_fini(worker->stack);
}

void
dataplane_stop(struct dataplane *dp)
{
	if (dp->life == DATAPLANE_STOPPED)
		return;
	telemetry_detach();
	atomic_store_explicit(&dp->stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < dp->n_workers; i++) {
		(void)rte_eal_wait_lcore(EAL_FIRST_WORKER_LCORE + i);
		if (dp->workers[i])
			end_stack(dp, i);
	}
	dp->life = DATAPLANE_STOPPED;
}

void
dataplane_free(struct dataplane *dp)
{
	if (!dp)
		return;
	dataplane_stop(dp);
	if (dp->qsbr)
		(void)retire_reap(&dp->retire);
	dataplane_teardown(dp);
	free(dp);
}

/* ---- what was set up ---- */

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
	};
}

int
dataplane_port_info(const struct dataplane *dp, unsigned index, struct dataplane_port_info *info)
{
	const struct port *port = &dp->ports[index];
	struct rte_eth_stats stats = { 0 };
	struct rte_eth_link link = { 0 };

	if (index >= dp->n_ports)
		return -ENOENT;
	(void)rte_eth_stats_get(port->id, &stats);
	(void)rte_eth_link_get_nowait(port->id, &link);
	*info = (struct dataplane_port_info){
		.device = port->device,
		.driver = port->driver,
		.queues = port->rx_queues,
		.link_up = link.link_status == RTE_ETH_LINK_UP,
		.rss = port->rss,
		.tx_checksum = port->tx_checksum,
		.rx_checksum = port->rx_checksum,
		.rx_missed = stats.imissed,
		.rx_errors = stats.ierrors,
		.tx_errors = stats.oerrors,
		.rx_no_buffer = stats.rx_nombuf,
	};
	memcpy(info->mac, port->l3.mac, sizeof info->mac);
	return 0;
}

/* ---- to workers ---- */

struct directory *
dataplane_publish_directory(struct dataplane *dp, struct directory *directory)
{
	return atomic_exchange_explicit(&dp->directory, directory, memory_order_acq_rel);
}

static void
free_limits(void *ctx, void *limits)
{
	rte_free(limits);
}

int
dataplane_publish_limits(struct dataplane *dp, const struct stack_limits *limits)
{
	struct stack_limits *copy = (struct stack_limits *)rte_malloc("limits", sizeof *copy, 0);
	const struct stack_limits *former;

	if (!copy)
		return -ENOMEM;
	*copy = *limits;
	former = atomic_exchange_explicit(&dp->limits, copy, memory_order_acq_rel);
	if (former)
		retire_put(&dp->retire, free_limits, NULL, (void *)(uintptr_t)former);
	return 0;
}

int
dataplane_retire(struct dataplane *dp, void (*release)(void *ctx, void *what), void *ctx,
		 void *what)
{
	retire_put(&dp->retire, release, ctx, what);
	return 0;
}

unsigned
dataplane_reap(struct dataplane *dp)
{
	return retire_reap(&dp->retire);
}

int
dataplane_command(struct dataplane *dp, unsigned worker, const struct stack_command *command)
{
	if (worker >= dp->n_workers || dp->life == DATAPLANE_STOPPED)
		return -ESRCH;
	return mailbox_post(dp->workers[worker]->commands, command, sizeof *command) ? 0 : -EAGAIN;
}

/* The place of the device among those traced; n_traced: it is none. */
static unsigned
traced_index(const struct dataplane *dp, uint32_t device)
{
	unsigned i = 0;

	while (i < dp->n_traced && dp->traced[i] != device)
		i++;
	return i;
}

int
dataplane_trace(struct dataplane *dp, uint32_t device, bool on)
{
	const struct stack_command command = { .kind = STACK_TRACE, .on = on, .device = device };
	unsigned at = traced_index(dp, device);

	if (on && at == TRACED_MAX)
		return -ENOSPC;
	/* Kept while workers may trace it: until all have heard of the end. */
	if (on && at == dp->n_traced)
		dp->traced[dp->n_traced++] = device;
	for (unsigned i = 0; i < dp->n_workers; i++) {
		int failed = dataplane_command(dp, i, &command);

		if (failed)
			return failed;
	}
	if (!on && at < dp->n_traced)
		dp->traced[at] = dp->traced[--dp->n_traced];
	return 0;
}

/* ---- from workers ---- */

unsigned
dataplane_trace_take(struct dataplane *dp, struct trace_record *records, unsigned n)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < dp->n_workers && taken < n; i++)
		taken += mailbox_take(dp->workers[i]->traces, records + taken, sizeof *records,
				      n - taken);
	return taken;
}

unsigned
dataplane_events(struct dataplane *dp, struct session_event *events, uint16_t *workers, unsigned n)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < dp->n_workers && taken < n; i++) {
		unsigned worker = (dp->next_events + i) % dp->n_workers;
		unsigned got = mailbox_take(dp->workers[worker]->events, events + taken,
					    sizeof *events, n - taken);

		for (unsigned j = 0; j < got; j++)
			workers[taken + j] = (uint16_t)worker;
		taken += got;
	}
	if (dp->n_workers)
		dp->next_events = (dp->next_events + 1) % dp->n_workers;
	return taken;
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
	_Static_assert((int)WORKER_STEPS < (int)DATAPLANE_STEPS_MAX, "steps end with a name of NULL");
	for (unsigned i = 0; i < WORKER_STEPS; i++) {
		info->steps[i].name = worker_step_name((enum worker_step)i);
		info->steps[i].cycles = __atomic_load_n(&stats->step_cycles[i], __ATOMIC_RELAXED);
	}
	return 0;
}

/* ---- time ---- */

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
