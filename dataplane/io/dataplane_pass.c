/*
 * dataplane_pass.c - the facade's side of passing on: workers rest, and what they have becomes records;
 * records become what workers have.
 */
#include "dataplane/dataplane.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_launch.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/port_gate.h"
#include "dataplane/io/port_watch.h"
#include "dataplane/io/telemetry.h"

/* PASSED_CLOCK, the first one of a worker's file. */
enum clock_field {
	CLOCK_NOW_US = 1,    /* of the workers' clock ... */
	CLOCK_SYSTEM_US = 2, /* ... and of the system's (CLOCK_MONOTONIC), at one moment */
	CLOCK_WORKERS = 3,   /* how many there are */
	CLOCK_FLOW = 4,      /* the secret by which flows are given to workers */
};

/* PASSED_LISTENER */
enum listener_field {
	LISTENER_NUMBER = 1,
	LISTENER_ADDRESS = 2,
	LISTENER_PORT = 3,
	LISTENER_SECURED = 4,
};

/* PASSED_PORT */
enum port_field {
	PORT_DEVICE = 1, /* as configured */
	PORT_MAC = 2,
};

/* ---- ports ---- */

/*
 * Sockets of the kernel each get what arrives at an interface. All else has one owner: a queue of af_xdp and a memif change
 * hands; a device behind vfio takes too long, and an interface that the driver makes would go with it.
 */
bool
dataplane_can_pass(const struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	for (unsigned i = 0; i < dp->n_ports; i++) {
		const struct port *port = &dp->ports[i];

		if (strcmp(port->driver, "net_af_packet") == 0 || port->exclusive)
			continue;
		snprintf(
			error, DATAPLANE_ERROR_MAX,
			"port %s: its driver, %s, has one process at a time: drain, stop and start",
			port->device, port->driver);
		return false;
	}
	return true;
}

/* ---- resting ---- */

void
dataplane_pause(struct dataplane *dp)
{
	if (dp->life != DATAPLANE_RUNNING)
		return;
	atomic_store_explicit(&dp->stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < dp->n_workers; i++)
		(void)rte_eal_wait_lcore(EAL_FIRST_WORKER_LCORE + i);
	dp->life = DATAPLANE_PAUSED;
	dataplane_kept_live(dp, false);
}

bool
dataplane_settle(struct dataplane *dp)
{
	bool more = false;

	for (unsigned i = 0; i < dp->n_workers && dp->life == DATAPLANE_PAUSED; i++)
		more |= worker_settle(dp->workers[i]);
	return more;
}

void
dataplane_give_ports(struct dataplane *dp)
{
	/* Nobody polls: no grace period is needed. Where a handler does not end, the other process finds the name of
	 * the port's socket taken, and says so. */
	bool quiet = port_gate_detach();

	for (unsigned i = 0; i < dp->n_ports; i++) {
		struct port *port = &dp->ports[i];

		if (!port->exclusive || port->id == RTE_MAX_ETHPORTS || (port->gated && !quiet))
			continue;
		atomic_store_explicit(&port->shut, true, memory_order_release);
		port_hand_over(port);
	}
	if (quiet)
		port_gate_close_left();
}

/* One that cannot be opened just now is tried again by dataplane_watch_ports(). */
static void
take_ports_back(struct dataplane *dp)
{
	port_gate_attach(dp->qsbr);
	for (unsigned i = 0; i < dp->n_ports; i++) {
		struct port *port = &dp->ports[i];
		char error[DATAPLANE_ERROR_MAX];

		if (!port->exclusive || port->id != RTE_MAX_ETHPORTS)
			continue;
		if (port_take(port, dp->pool, dp->n_workers, error) == 0)
			atomic_store_explicit(&port->shut, false, memory_order_release);
		else
			port->life = PORT_QUIET;
	}
}

int
dataplane_resume(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	if (dp->life != DATAPLANE_PAUSED)
		return 0;
	take_ports_back(dp);
	dataplane_kept_live(dp, true);
	atomic_store_explicit(&dp->stop, false, memory_order_relaxed);
	return dataplane_start(dp, error);
}

void
dataplane_abandon(struct dataplane *dp)
{
	if (dp->life == DATAPLANE_STOPPED)
		return;
	dataplane_pause(dp);
	telemetry_detach();
	for (unsigned i = 0; i < dp->n_workers; i++) {
		struct worker *worker = dp->workers[i];

		dp->last_counters[i] = *worker->counters;
		dp->last_gauges[i] = stack_gauges(worker->stack);
		stack_fini(worker->stack);
		for (unsigned q = 0; q < worker->n_txqs; q++)
			txq_drop(&worker->txqs[q], worker->counters);
	}
	dp->life = DATAPLANE_STOPPED;
}

void
dataplane_discard(struct dataplane *dp)
{
	for (unsigned i = 0; i < dp->n_workers && dp->life == DATAPLANE_NEW; i++)
		worker_discard(dp->workers[i]);
}

/* ---- to records ---- */

static uint64_t
system_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
put_clock(struct record_writer *writer)
{
	record_begin(writer, PASSED_CLOCK);
	record_put_number(writer, CLOCK_NOW_US, dataplane_now_us());
	record_put_number(writer, CLOCK_SYSTEM_US, system_us());
}

void
dataplane_save_clock(struct record_writer *writer)
{
	put_clock(writer);
	record_end(writer);
}

static void
save_clock(const struct dataplane *dp, struct record_writer *writer)
{
	put_clock(writer);
	record_put_number(writer, CLOCK_WORKERS, dp->n_workers);
	record_put_bytes(writer, CLOCK_FLOW, &dp->workers[0]->flow.key,
			 sizeof dp->workers[0]->flow.key);
	record_end(writer);
}

static void
save_listeners(const struct dataplane *dp, struct record_writer *writer)
{
	for (unsigned i = 0; i < dp->n_listeners; i++) {
		uint8_t address[16];
		uint16_t port;

		if (dataplane_listener(dp, i, address, &port) < 0)
			continue;
		record_begin(writer, PASSED_LISTENER);
		record_put_number(writer, LISTENER_NUMBER, i);
		record_put_bytes(writer, LISTENER_ADDRESS, address, sizeof address);
		record_put_number(writer, LISTENER_PORT, port);
		record_put_number(writer, LISTENER_SECURED, dp->listener_security[i]);
		record_end(writer);
	}
}

static void
save_ports(const struct dataplane *dp, struct record_writer *writer)
{
	for (unsigned i = 0; i < dp->n_ports; i++) {
		const struct port *port = &dp->ports[i];

		record_begin(writer, PASSED_PORT);
		record_put_text(writer, PORT_DEVICE, port->device);
		record_put_bytes(writer, PORT_MAC, port->l3.mac, sizeof port->l3.mac);
		record_end(writer);
	}
}

enum { HEAD_BYTES = 1024, LISTENER_BYTES = 128, PORT_BYTES = PORT_DEVICE_MAX + 64 };

size_t
dataplane_save_size(const struct dataplane *dp, unsigned worker)
{
	return HEAD_BYTES + dp->n_listeners * (size_t)LISTENER_BYTES +
	       dp->n_ports * (size_t)PORT_BYTES +
	       stack_save_size(dp->workers[worker]->stack);
}

void
dataplane_save(struct dataplane *dp, unsigned worker, struct record_writer *writer,
	       const struct stack_saving *saving, struct stack_passed *passed)
{
	save_clock(dp, writer);
	save_listeners(dp, writer);
	save_ports(dp, writer);
	stack_save(dp->workers[worker]->stack, writer, saving, passed);
}

/* ---- from records ---- */

/* What is known of who wrote them, as the records come. */
struct loading {
	struct dataplane *dp;
	struct record_reader *reader;
	uint8_t listeners[LISTENERS_MAX];
	bool has_clock;
	uint64_t now_us;
	char *error;
};

static int
refuse(const struct loading *loading, const char *sentence)
{
	snprintf(loading->error, DATAPLANE_ERROR_MAX, "%s", sentence);
	return -1;
}

void
dataplane_load_clock(struct record_reader *reader)
{
	uint64_t theirs_us = record_number(reader, CLOCK_NOW_US) + system_us() -
			     record_number(reader, CLOCK_SYSTEM_US);

	reader->shift_us = dataplane_now_us() - theirs_us;
}

static int
load_clock(struct loading *loading)
{
	struct record_reader *reader = loading->reader;
	size_t len;
	const uint8_t *key = record_bytes(reader, CLOCK_FLOW, &len);
	struct dataplane *dp = loading->dp;

	loading->now_us = dataplane_now_us();
	dataplane_load_clock(reader);
	if (record_number(reader, CLOCK_WORKERS) != dp->n_workers)
		return refuse(loading, "the number of workers differs");
	if (len != sizeof dp->workers[0]->flow.key || reader->malformed)
		return refuse(loading, "a record is malformed");
	for (unsigned i = 0; i < dp->n_workers; i++)
		memcpy(&dp->workers[i]->flow.key, key, len);
	loading->has_clock = true;
	return 0;
}

static int
load_listener(struct loading *loading)
{
	struct record_reader *reader = loading->reader;
	const struct dataplane *dp = loading->dp;
	uint64_t number = record_number(reader, LISTENER_NUMBER);
	uint64_t security = record_number(reader, LISTENER_SECURED);
	size_t len;
	const uint8_t *theirs = record_bytes(reader, LISTENER_ADDRESS, &len);

	if (number >= LISTENERS_MAX || len != 16 || reader->malformed)
		return refuse(loading, "a record is malformed");
	for (unsigned i = 0; i < dp->n_listeners; i++) {
		uint8_t ours[16];
		uint16_t port;

		if (dataplane_listener(dp, i, ours, &port) == 0 && memcmp(ours, theirs, len) == 0 &&
		    port == record_number(reader, LISTENER_PORT) &&
		    dp->listener_security[i] == security)
			loading->listeners[number] = (uint8_t)i;
	}
	return 0;
}

/* Of a port that is opened later, and whose driver would take another address. */
static int
load_port(struct loading *loading)
{
	struct dataplane *dp = loading->dp;
	char device[PORT_DEVICE_MAX];
	size_t len;
	const uint8_t *mac = record_bytes(loading->reader, PORT_MAC, &len);

	record_text(loading->reader, PORT_DEVICE, device, sizeof device);
	if (len != RTE_ETHER_ADDR_LEN || loading->reader->malformed)
		return refuse(loading, "a record is malformed");
	for (unsigned i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].id == RTE_MAX_ETHPORTS && strcmp(dp->ports[i].device, device) == 0)
			memcpy(dp->ports[i].l3.mac, mac, len);
	return 0;
}

static int
load_record(struct loading *loading, unsigned worker, const struct dataplane_loading *from,
	    struct stack_passed *passed)
{
	const struct stack_loading stack = {
		.batch = from->batch,
		.ctx = from->ctx,
		.trust = from->trust,
		.listeners = loading->listeners,
		.now_us = loading->now_us,
	};

	if (loading->reader->kind == PASSED_CLOCK)
		return load_clock(loading);
	if (!loading->has_clock) /* times mean nothing without */
		return refuse(loading, "the clock is missing");
	if (loading->reader->kind == PASSED_LISTENER)
		return load_listener(loading);
	if (loading->reader->kind == PASSED_PORT)
		return load_port(loading);
	return stack_load(loading->dp->workers[worker]->stack, loading->reader, &stack, passed)
		       ? 0
		       : refuse(loading, "a record is malformed");
}

int
dataplane_load(struct dataplane *dp, unsigned worker, struct record_reader *reader,
	       const struct dataplane_loading *from, struct stack_passed *passed,
	       char error[DATAPLANE_ERROR_MAX])
{
	struct loading loading = { .dp = dp, .reader = reader, .error = error };

	if (worker >= dp->n_workers)
		return refuse(&loading, "the number of workers differs");
	memset(loading.listeners, STACK_NO_LISTENER, sizeof loading.listeners);
	while (record_next(reader))
		if (load_record(&loading, worker, from, passed) < 0)
			return -1;
	return reader->malformed ? refuse(&loading, "a record is malformed") : 0;
}
