#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dataplane/io/buffers.h"
#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/lane.h"
#include "dataplane/io/mailbox.h"
#include "dataplane/io/port_gate.h"
#include "dataplane/io/port_watch.h"

enum {
	EC_JOBS = 512,               /* what a helper thread does in a tenth of a second */
	POOL_CACHE = 256,            /* buffers that a worker keeps for itself */
	WITHHELD_PART = 16,          /* of the buffers, at most, do without */
	DESCRIPTORS_EXPECTED = 1024, /* of a queue, before the driver has said */
	HANDOVER_BUFFERS = 2048, /* a worker: more can wait in its rings only while it is stuck */
	/* AF_XDP's driver never gives back the buffers that the kernel was to receive into (DPDK 22.11: 2048 a queue), and
	 * takes others when its port is opened again. */
	XDP_FILL = 2048,
	XDP_REOPENINGS = 5,      /* four are sure: what is received and not refilled goes, too */
	MEMORY_SPARE = 64 << 20, /* drivers' own structures, and what DPDK wants for itself */
	CAPTURE_BYTES = 1 << 20, /* of handshakes that run at once: 1,500 with pre-shared keys */
	PORT_MEMORY = 4 << 20,   /* a queue of a driver that keeps rings in DPDK's heap */
};

static int
fail(char error[DATAPLANE_ERROR_MAX], const char *what, const char *remedy)
{
	snprintf(error, DATAPLANE_ERROR_MAX, "%s: %s", what, remedy);
	return -1;
}

static int
check_config(const struct dataplane_config *config, char error[DATAPLANE_ERROR_MAX])
{
	unsigned listeners = 0;

	for (unsigned i = 0; i < config->n_ports && i < DATAPLANE_PORTS_MAX; i++)
		listeners += config->ports[i].n_addresses * config->n_listeners;
	if (config->workers == 0 || config->workers > DATAPLANE_WORKERS_MAX)
		return fail(error, "workers", "from 1 to 64 are possible");
	if (config->n_ports == 0 || config->n_ports > DATAPLANE_PORTS_MAX)
		return fail(error, "ports", "from 1 to 16 are possible");
	if (config->n_listeners == 0 || config->n_listeners > L3_UDP_PORTS_MAX)
		return fail(error, "listeners", "from 1 to 8 are possible");
	if (listeners == 0 || listeners > LISTENERS_MAX)
		return fail(error, "listeners",
			    "addresses of all ports times UDP ports may make 1 to 64");
	return 0;
}

int
dataplane_check_crypto(const struct crypto_ops *ops, char error[DATAPLANE_ERROR_MAX])
{
	const char *failed = crypto_selftest(ops);

	if (!failed)
		return 0;
	snprintf(error, DATAPLANE_ERROR_MAX,
		 "crypto (%s): the known-answer test %s fails: this CPU cannot be trusted with it",
		 ops->name, failed);
	return -1;
}

static uint64_t
now_cycles(void)
{
	return rte_get_tsc_cycles();
}

/* ---- sizes ---- */

/* What openings of AF_XDP ports will have lost. */
static unsigned
buffers_lost(const struct dataplane_config *config)
{
	unsigned queues = 0;

	for (unsigned i = 0; i < config->n_ports; i++)
		if (port_is_xdp(config->ports[i].device))
			queues +=
				config->ports[i].queues ? config->ports[i].queues : config->workers;
	return queues * XDP_FILL * XDP_REOPENINGS;
}

static unsigned
buffers_needed(const struct dataplane_config *config, unsigned descriptors)
{
	unsigned workers = config->workers, n;

	n = workers *
	    (2 * STACK_TX_MAX + 2 * STACK_BURST + POOL_CACHE * 2 + config->n_ports * TXQ_FRAMES);
	if (workers > 1)
		n += workers * HANDOVER_BUFFERS;
	n += descriptors + buffers_lost(config);
	if (config->packet_buffers > n)
		n = config->packet_buffers;
	return rte_align32pow2(n + 1) - 1; /* what a pool's ring holds best */
}

static unsigned
descriptors_expected(const struct dataplane_config *config)
{
	unsigned n = 0;

	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct dataplane_port_config *port = &config->ports[i];
		unsigned usual = port_is_xdp(port->device) ? XDP_FILL : DESCRIPTORS_EXPECTED;
		unsigned rx = port->rx_descriptors ? port->rx_descriptors : usual;
		unsigned tx = port->tx_descriptors ? port->tx_descriptors : usual;

		n += (port->queues ? port->queues : config->workers) * rx + config->workers * tx;
	}
	return n;
}

static unsigned
mtu_max(const struct dataplane_config *config)
{
	unsigned mtu = 0;

	for (unsigned i = 0; i < config->n_ports; i++)
		mtu = RTE_MAX(mtu, (unsigned)config->ports[i].mtu);
	return mtu;
}

static size_t
buffer_bytes(const struct dataplane_config *config)
{
	uint32_t element = (uint32_t)(sizeof(struct rte_mbuf) +
				      RTE_ALIGN(sizeof(struct handover_note), RTE_MBUF_PRIV_ALIGN) +
				      port_data_room(mtu_max(config)));

	return rte_mempool_calc_obj_size(element, 0, NULL);
}

static size_t
memory_needed(const struct dataplane *dp, const struct dataplane_config *config)
{
	size_t buffers = buffers_needed(config, descriptors_expected(config));
	size_t worker = dp->stack_bytes + sizeof(struct worker) +
			(size_t)mailbox_size(EVENT_HEAD, MAILBOX_EVENTS) +
			(size_t)mailbox_size(EVENT_NAME, EVENT_NAMES) +
			(size_t)mailbox_size(sizeof(struct stack_command), MAILBOX_COMMANDS) +
			(size_t)mailbox_size(sizeof(struct trace_record), MAILBOX_TRACES) +
			config->workers * handover_ring_size();
	size_t queues = 0;

	for (unsigned i = 0; i < config->n_ports; i++)
		queues += config->ports[i].queues ? config->ports[i].queues : config->workers;
	return buffers * (dp->buffer_bytes + 2 * sizeof(void *)) + config->workers * worker +
	       queues * PORT_MEMORY + MEMORY_SPARE;
}

/* ---- ports ---- */

/* Listeners are numbered by port, address and UDP port, in this order; how large stacks are depends on their security. */
static void
plan_listeners(struct dataplane *dp, const struct dataplane_config *config)
{
	unsigned n = 0;

	for (unsigned p = 0; p < config->n_ports; p++)
		for (unsigned a = 0; a < config->ports[p].n_addresses; a++)
			for (unsigned u = 0; u < config->n_listeners; u++, n++) {
				dp->listener_security[n] = config->listeners[u].security;
				dp->listener_serves_keyed[n] = config->listeners[u].serves_keyed;
			}
	dp->n_planned = n;
}

/*
 * What a port received for another member leaves by the same port, as its next hop is there, and from the address that is
 * this member's own: the others have the rest, too.
 */
static void
plan_forwarding(struct dataplane *dp, const struct dataplane_config *config)
{
	unsigned first = 0;

	memset(dp->forward_from, LISTENER_NONE, sizeof dp->forward_from);
	for (unsigned p = 0; p < config->n_ports; p++) {
		const struct dataplane_port_config *port = &config->ports[p];
		unsigned n = port->n_addresses * config->n_listeners;

		for (unsigned i = 0; i < n; i++)
			if (dp->listener_security[first + i] == LISTENER_FORWARD &&
			    memcmp(port->addresses[i / config->n_listeners].addr,
				   config->forward_address, 16) == 0)
				memset(dp->forward_from + first, (int)(first + i), n);
		first += n;
	}
}

static void
fill_addresses(struct dataplane *dp, struct port *port, const struct dataplane_config *config,
	       const struct dataplane_port_config *from)
{
	struct l3_port *l3 = &port->l3;

	l3->vlan = from->vlan;
	l3->first_listener = (uint8_t)dp->n_listeners;
	l3->n_addresses = (uint8_t)from->n_addresses;
	l3->n_udp_ports = (uint8_t)config->n_listeners;
	for (unsigned a = 0; a < from->n_addresses; a++) {
		memcpy(l3->addresses[a], from->addresses[a].addr, sizeof l3->addresses[a]);
		l3->prefixes[a] = from->addresses[a].prefix;
		for (unsigned u = 0; u < config->n_listeners; u++) {
			dp->port_of[dp->n_listeners++] = port;
		}
	}
	for (unsigned u = 0; u < config->n_listeners; u++)
		l3->udp_ports[u] = config->listeners[u].udp_port;
}

/* DPDK's own message names the cause better than an error number. */
static int
add_dpdk_message(const struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	size_t len = strlen(error);

	if (dp->log.first[0])
		snprintf(error + len, DATAPLANE_ERROR_MAX - len, " (%s)", dp->log.first);
	return -1;
}

/* A port that is planned does not know them yet. */
static unsigned
descriptors_of(uint16_t known)
{
	return known ? known : DESCRIPTORS_EXPECTED;
}

static unsigned
count_ports(const struct dataplane_config *config, bool (*is)(const char *device))
{
	unsigned n = 0;

	for (unsigned i = 0; i < config->n_ports; i++)
		n += is(config->ports[i].device);
	return n;
}

static int
make_pool(struct dataplane *dp, const struct dataplane_config *config,
	  char error[DATAPLANE_ERROR_MAX])
{
	const struct buffers_config wanted = {
		.name = "cradle_packets",
		.n = dp->buffers,
		.cache = POOL_CACHE,
		.private_bytes = RTE_ALIGN(sizeof(struct handover_note), RTE_MBUF_PRIV_ALIGN),
		.room = port_data_room(mtu_max(config)),
		.side_by_side = count_ports(config, buffers_driver_copies) == config->n_ports,
	};
	int withheld;

	dp->pool = buffers_new(&wanted);
	if (!dp->pool) {
		snprintf(error, DATAPLANE_ERROR_MAX,
			 "no memory for %u packet buffers of %zu bytes: %s", dp->buffers,
			 dp->buffer_bytes, "raise memory_mb or the number of hugepages");
		return -1;
	}
	if (!count_ports(config, buffers_driver_maps))
		return 0;
	withheld = buffers_withhold(dp->pool);
	if (withheld >= 0 && (unsigned)withheld <= dp->buffers / WITHHELD_PART)
		return 0;
	return fail(error, "packet buffers",
		    "AF_XDP would know of too few: give it hugepages, or no other devices than of af_packet, af_xdp, "
		    "memif and tap");
}

static int
open_ports(struct dataplane *dp, const struct dataplane_config *config,
	   char error[DATAPLANE_ERROR_MAX])
{
	unsigned descriptors = 0;
	int rc = 0;

	for (unsigned i = 0; i < config->n_ports; i++) {
		struct port *port = &dp->ports[i];

		fill_addresses(dp, port, config, &config->ports[i]);
		dp->log.first[0] = '\0';
		if (config->beside && port_changes_hands(config->ports[i].device))
			port_plan(port, &config->ports[i], config->workers);
		else if (port_probe(port, &config->ports[i], config->workers, error) < 0)
			rc = add_dpdk_message(dp, error);
		dp->n_ports++; /* what there is of it is closed */
		if (rc < 0)
			return rc;
		descriptors += port->rx_queues * descriptors_of(port->rx_descriptors) +
			       port->tx_queues * descriptors_of(port->tx_descriptors);
	}
	dp->buffers = buffers_needed(config, descriptors);
	if (make_pool(dp, config, error) < 0)
		return -1;
	for (unsigned i = 0; i < dp->n_ports; i++) {
		if (dp->ports[i].id == RTE_MAX_ETHPORTS)
			continue;
		if (port_setup(&dp->ports[i], dp->pool, config->workers, error) < 0)
			return add_dpdk_message(dp, error);
		port_watch_init(&dp->ports[i]);
	}
	return 0;
}

int
dataplane_take_ports(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	for (unsigned i = 0; i < dp->n_ports; i++) {
		struct port *port = &dp->ports[i];

		if (port->id != RTE_MAX_ETHPORTS)
			continue;
		dp->log.first[0] = '\0';
		if (port_take(port, dp->pool, dp->n_workers, error) < 0)
			return add_dpdk_message(dp, error);
		atomic_store_explicit(&port->shut, false, memory_order_release);
	}
	return 0;
}

/* ---- workers ---- */

static int
no_memory(char error[DATAPLANE_ERROR_MAX])
{
	return fail(error, "no memory for the workers", "raise memory_mb, or lower sessions");
}

static struct rte_ring *
make_ring(const char *name, unsigned record, unsigned capacity, int socket)
{
	size_t size = (size_t)mailbox_size(record, capacity);
	struct rte_ring *ring =
		(struct rte_ring *)rte_zmalloc_socket(name, size, RTE_CACHE_LINE_SIZE, socket);

	if (ring && mailbox_init(ring, name, capacity) < 0) {
		rte_free(ring);
		return NULL;
	}
	return ring;
}

static int
make_worker(struct dataplane *dp, const struct dataplane_config *config, unsigned index,
	    char error[DATAPLANE_ERROR_MAX])
{
	int socket = (int)rte_lcore_to_socket_id(EAL_FIRST_WORKER_LCORE + index);
	struct worker *worker = (struct worker *)rte_zmalloc_socket("worker", sizeof *worker,
								    RTE_CACHE_LINE_SIZE, socket);

	if (!worker)
		return no_memory(error);
	dp->workers[index] = worker;
	worker->index = index;
	worker->clock = clock_make(rte_get_tsc_hz());
	worker->qsbr = dp->qsbr;
	worker->stop = &dp->stop;
	worker->begins = config->worker_begins;
	worker->idle_yield = config->idle_yield || dp->cpus.shared[index];
	worker->commands =
		make_ring("commands", sizeof(struct stack_command), MAILBOX_COMMANDS, socket);
	worker->events.heads = make_ring("events", EVENT_HEAD, MAILBOX_EVENTS, socket);
	worker->events.names = make_ring("names", EVENT_NAME, EVENT_NAMES, socket);
	worker->traces = make_ring("traces", sizeof(struct trace_record), MAILBOX_TRACES, socket);
	if (!worker->commands || !worker->events.heads || !worker->events.names || !worker->traces)
		return no_memory(error);
	return 0;
}

static void
fill_stack_config(struct dataplane *dp, const struct dataplane_config *config,
		  struct stack_config *stack)
{
	*stack = (struct stack_config){
		.sessions = dp->sessions_per_worker,
		.answers = config->answers,
		.answer_bytes = config->answer_bytes,
		.capture_bytes = CAPTURE_BYTES,
		.handshakes_alone = dp->step_percent > CRYPTO_STEP_WORTH,
		.n_listeners = dp->n_planned,
		.emit = worker_emit,
		.trace = worker_trace,
		.ec_offer = config->ec_threads ? worker_ec_offer : NULL,
		.certificates = config->certificates,
		.limits = &dp->limits,
		.directory = &dp->directory,
	};
	memcpy(stack->listener_security, dp->listener_security, sizeof stack->listener_security);
	memcpy(stack->forward_from, dp->forward_from, sizeof stack->forward_from);
	memcpy(stack->listener_serves_keyed, dp->listener_serves_keyed,
	       sizeof stack->listener_serves_keyed);
}

static int
make_stack(struct dataplane *dp, const struct dataplane_config *config, struct worker *worker,
	   char error[DATAPLANE_ERROR_MAX])
{
	int socket = (int)rte_lcore_to_socket_id(EAL_FIRST_WORKER_LCORE + worker->index);
	struct stack_config stack;
	void *memory;
	int rc = rng_drbg_init(&worker->rng, crypto_select());

	if (rc < 0)
		return fail(error, "no random bytes from the kernel", rte_strerror(-rc));
	fill_stack_config(dp, config, &stack);
	stack.rng = rng_drbg_source(&worker->rng);
	stack.emit_ctx = worker;
	stack.worker = (uint8_t)worker->index;
	stack.ec_ctx = worker;
	worker->ec = dp->ec;
	rng_fill(&stack.rng, stack.hash_seed, sizeof stack.hash_seed);
	rng_fill(&stack.rng, (uint8_t *)&stack.serial_base, sizeof stack.serial_base);
	memory = rte_zmalloc_socket("stack", stack_size(&stack), RTE_CACHE_LINE_SIZE, socket);
	if (!memory)
		return no_memory(error);
	worker->stack = stack_init(memory, &stack, clock_us(worker->clock, rte_rdtsc()));
	worker->counters = stack_counters_writable(worker->stack);
	return 0;
}

/* A device that moves keeps its connection id, but not the worker that the port's hash gives it. */
static bool
has_dtls(const struct dataplane *dp)
{
	for (unsigned i = 0; i < dp->n_listeners; i++)
		if (dp->listener_security[i] != LISTENER_NOSEC)
			return true;
	return false;
}

/* Queue q of port p belongs to worker (p + q) mod workers: ports of few queues are spread too. */
static int
assign_queues(struct dataplane *dp, struct worker *worker, char error[DATAPLANE_ERROR_MAX])
{
	for (unsigned p = 0; p < dp->n_ports; p++) {
		struct port *port = &dp->ports[p];
		struct txq *txq = &worker->txqs[worker->n_txqs++];

		txq->port = port;
		txq->queue = (uint16_t)(worker->index % port->tx_queues);
		if (port->tx_queues < dp->n_workers || port->peer_chooses_queues)
			txq->locks = port->tx_locks;
		worker->gated |= port->exclusive || port->has_interface;
		worker->hands_over |= dp->n_workers > 1 && (!port->rss || has_dtls(dp));
		for (unsigned q = 0; q < port->rx_queues; q++) {
			if ((p + q) % dp->n_workers != worker->index)
				continue;
			if (worker->n_queues == WORKER_QUEUES_MAX)
				return fail(error, "ports",
					    "too many receive queues for so few workers");
			worker->queues[worker->n_queues++] =
				(struct worker_queue){ port, txq, (uint16_t)q };
		}
		for (unsigned i = 0; i < dp->n_listeners; i++)
			if (dp->port_of[i] == port)
				worker->txq_of[i] = txq;
	}
	return 0;
}

/* Each pair's rings, where a hash of ours decides. */
static int
connect_workers(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	unsigned n = dp->n_workers;

	for (unsigned from = 0; from < n; from++) {
		struct handover *handover = &dp->workers[from]->handover;

		handover->self = from;
		handover->workers = n;
		for (unsigned to = 0; to < n && dp->workers[from]->hands_over; to++) {
			int socket = (int)rte_lcore_to_socket_id(EAL_FIRST_WORKER_LCORE + to);
			struct rte_ring *ring;

			if (to == from)
				continue;
			ring = (struct rte_ring *)rte_zmalloc_socket(
				"handover", handover_ring_size(), RTE_CACHE_LINE_SIZE, socket);
			if (!ring || handover_ring_init(ring) < 0)
				return no_memory(error);
			handover->out[to] = ring;
			dp->workers[to]->handover.in[from] = ring;
		}
	}
	return 0;
}

static uint16_t
payload_max(const struct dataplane *dp)
{
	unsigned mtu = UINT16_MAX;

	for (unsigned i = 0; i < dp->n_ports; i++)
		mtu = RTE_MIN(mtu, (unsigned)dp->ports[i].mtu);
	return (uint16_t)RTE_MIN(mtu - 48, (unsigned)DATAGRAM_MAX); /* IPv6 and UDP headers */
}

static int
make_workers(struct dataplane *dp, const struct dataplane_config *config,
	     char error[DATAPLANE_ERROR_MAX])
{
	struct siphash_key key;

	for (unsigned i = 0; i < config->workers; i++) {
		int rc = make_worker(dp, config, i, error);

		dp->n_workers++; /* what there is of it is taken apart */
		if (rc < 0 || make_stack(dp, config, dp->workers[i], error) < 0)
			return -1;
		if (!answers_init(&dp->workers[i]->answers, dp->pool, payload_max(dp)))
			return fail(error, "no packet buffers for the workers",
				    "raise packet_buffers");
		dp->workers[i]->answers.outbox.flush = worker_flush;
	}
	rng_drbg_source(&dp->workers[0]->rng).fill(&dp->workers[0]->rng, (uint8_t *)&key, sizeof key);
	for (unsigned i = 0; i < dp->n_workers; i++) {
		dp->workers[i]->flow = (struct flow){ .key = key, .workers = dp->n_workers };
		if (assign_queues(dp, dp->workers[i], error) < 0)
			return -1;
	}
	return connect_workers(dp, error);
}

static int
make_qsbr(struct dataplane *dp, unsigned workers, char error[DATAPLANE_ERROR_MAX])
{
	dp->qsbr = (struct rte_rcu_qsbr *)rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(workers),
						      RTE_CACHE_LINE_SIZE);
	if (!dp->qsbr || rte_rcu_qsbr_init(dp->qsbr, workers) != 0)
		return no_memory(error);
	dp->retire.qsbr = dp->qsbr;
	port_gate_attach(dp->qsbr);
	return 0;
}

/* To the helper threads of elliptic curves. */
static int
make_lane(struct dataplane *dp, const struct dataplane_config *config)
{
	struct stack_config stack;
	struct lane_config ec = { config->workers, EC_JOBS, 0 };

	fill_stack_config(dp, config, &stack);
	ec.items = stack_certificates(&stack);
	if (config->ec_threads)
		dp->ec = lane_new(&ec);
	return dp->ec || !config->ec_threads ? 0 : -1;
}

int
dataplane_setup(struct dataplane *dp, const struct dataplane_config *config,
		char error[DATAPLANE_ERROR_MAX])
{
	struct stack_config stack;
	int rc;

	if (check_config(config, error) < 0 || dataplane_check_crypto(crypto_select(), error) < 0 ||
	    eal_place(config, &dp->cpus, error) < 0)
		return -1;
	dp->sessions_per_worker = (config->sessions + config->workers - 1) / config->workers;
	dp->step_percent = crypto_step_percent(crypto_select(), now_cycles);
	plan_listeners(dp, config);
	plan_forwarding(dp, config);
	fill_stack_config(dp, config, &stack);
	dp->stack_bytes = stack_size(&stack);
	dp->buffer_bytes = buffer_bytes(config);
	dp->memory_bytes = memory_needed(dp, config);
	rc = eal_start(config, &dp->cpus, dp->memory_bytes, &dp->log, error);
	if (rc < 0)
		return -1;
	dp->environment = true;
	dp->hugepages = rc;
	if (dataplane_publish_limits(dp, &config->limits) < 0)
		return no_memory(error);
	if (make_lane(dp, config) < 0)
		return no_memory(error);
	if (make_qsbr(dp, config->workers, error) < 0 || open_ports(dp, config, error) < 0)
		return -1;
	return make_workers(dp, config, error);
}

/* ---- teardown ---- */

static void
free_worker(struct dataplane *dp, unsigned index)
{
	struct worker *worker = dp->workers[index];

	if (!worker)
		return;
	rng_drbg_fini(&worker->rng);
	if (worker->answers.pool)
		answers_fini(&worker->answers);
	for (unsigned i = 0; i < DATAPLANE_WORKERS_MAX; i++)
		rte_free(worker->handover.out[i]);
	rte_free(worker->commands);
	rte_free(worker->events.heads);
	rte_free(worker->events.names);
	rte_free(worker->traces);
	rte_free(worker->stack);
	rte_free(worker);
}

/* Those that are gated last: their drivers' handlers must not run meanwhile, and other drivers may need theirs. false: one
 * of the handlers does not end; its ports, and what they receive into, stay for the kernel to take back. */
static bool
close_ports(struct dataplane *dp)
{
	for (unsigned i = 0; i < dp->n_ports; i++)
		if (!dp->ports[i].gated)
			port_close(&dp->ports[i]);
	if (!port_gate_detach())
		return false;
	for (unsigned i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].gated)
			port_close(&dp->ports[i]);
	port_gate_close_left();
	return true;
}

void
dataplane_teardown(struct dataplane *dp)
{
	if (!dp->environment)
		return;
	for (unsigned i = 0; i < dp->n_workers; i++)
		free_worker(dp, i);
	if (close_ports(dp))
		rte_mempool_free(dp->pool);
	lane_free(dp->ec);
	rte_free(dp->qsbr);
	rte_free((void *)(uintptr_t)atomic_load_explicit(&dp->limits, memory_order_relaxed));
	eal_stop();
}
