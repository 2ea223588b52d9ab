#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_launch.h>

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
	/* Whoever had the addresses before, another process or ourselves. */
	for (unsigned i = 0; i < dp->n_ports; i++)
		announce_begin(&dp->ports[i].announce, dataplane_now_us());
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

/* The stack's last events still reach the event ring; its counters and gauges stay readable. */
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

/* ---- to workers ---- */

int
dataplane_command(struct dataplane *dp, unsigned worker, const struct stack_command *command)
{
	if (worker >= dp->n_workers || dp->life == DATAPLANE_STOPPED)
		return -ESRCH;
	return mailbox_post(dp->workers[worker]->commands, command, sizeof *command) ? 0 : -EAGAIN;
}

int
dataplane_listener(const struct dataplane *dp, unsigned listener, uint8_t addr[16],
		   uint16_t *udp_port)
{
	const struct l3_port *l3;
	unsigned at;

	if (listener >= dp->n_listeners)
		return -ENOENT;
	l3 = &dp->port_of[listener]->l3;
	at = listener - l3->first_listener;
	memcpy(addr, l3->addresses[at / l3->n_udp_ports], sizeof l3->addresses[0]);
	*udp_port = l3->udp_ports[at % l3->n_udp_ports];
	return 0;
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
dataplane_trace(struct dataplane *dp, uint32_t device, enum trace_wish wish)
{
	bool on = wish != TRACE_WISH_NOTHING;
	const struct stack_command command = { .kind = STACK_TRACE,
					       .on = on,
					       .datagrams = wish == TRACE_WISH_DATAGRAMS,
					       .device = device };
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

void
dataplane_mark(const struct dataplane *dp, struct dataplane_mark *mark)
{
	*mark = (struct dataplane_mark){ 0 };
	for (unsigned i = 0; i < dp->n_workers; i++)
		mark->posted[i] = mailbox_posted(dp->workers[i]->commands);
}

bool
dataplane_has_taken(const struct dataplane *dp, const struct dataplane_mark *mark)
{
	for (unsigned i = 0; i < dp->n_workers && dp->life == DATAPLANE_RUNNING; i++)
		if (!mailbox_is_taken(dp->workers[i]->commands, mark->posted[i]))
			return false;
	return true;
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
		unsigned got = event_ring_take(&dp->workers[worker]->events, events + taken,
					       n - taken);

		for (unsigned j = 0; j < got; j++)
			workers[taken + j] = (uint16_t)worker;
		taken += got;
	}
	if (dp->n_workers)
		dp->next_events = (dp->next_events + 1) % dp->n_workers;
	return taken;
}
