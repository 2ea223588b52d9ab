/*
 * dataplane_state.h - what stands behind `struct dataplane`: the inside of the facade, for
 * dataplane/io alone.
 *
 * Owner: the control thread. Workers read `stop`, `limits` and `directory`, and each its own struct
 * worker.
 */
#pragma once

#include "dataplane/dataplane.h"
#include "dataplane/io/eal.h"
#include "dataplane/io/port.h"
#include "dataplane/io/retire.h"
#include "dataplane/io/worker.h"

enum dataplane_life { DATAPLANE_NEW, DATAPLANE_RUNNING, DATAPLANE_PAUSED, DATAPLANE_STOPPED };

struct dataplane {
	/* Published to workers. Stores release what they point to; workers' loads acquire it. */
	struct directory *_Atomic directory;
	const struct stack_limits *_Atomic limits;
	_Atomic bool stop;

	enum dataplane_life life;
	struct eal_cpus cpus;
	struct eal_log log;
	bool environment; /* DPDK's is up */
	bool hugepages;
	unsigned step_percent; /* crypto_step_percent(), at start */
	size_t memory_bytes; /* of the pools */
	unsigned n_ports, n_workers, n_listeners, n_udp_ports;
	unsigned n_planned; /* listeners once all ports are open */
	uint32_t n_limits;  /* published so far */
	unsigned sessions_per_worker, buffers;
	size_t stack_bytes, buffer_bytes;
	uint8_t listener_security[LISTENERS_MAX];
	bool listener_serves_keyed[LISTENERS_MAX];
	uint8_t forward_from[LISTENERS_MAX];
	struct port *port_of[LISTENERS_MAX];
	struct rte_rcu_qsbr *qsbr; /* readers: the workers */
	struct lane *ec; /* to elliptic curves, or NULL */
	struct rte_mempool *pool;
	struct worker *workers[DATAPLANE_WORKERS_MAX];
	uint32_t traced[TRACED_MAX]; /* devices */
	unsigned n_traced;
	unsigned next_events; /* the worker whose events are taken first, in turn */

	struct kept_head *kept; /* of dataplane_keep() or dataplane_restore(), or NULL */

	/* What remains of a worker's stack once it was wiped. */
	struct counters last_counters[DATAPLANE_WORKERS_MAX];
	struct stack_gauges last_gauges[DATAPLANE_WORKERS_MAX];

	struct port ports[DATAPLANE_PORTS_MAX];
	struct retire retire;
};

/*
 * Known answers of the primitives that this CPU will be served with, before anything is built: 0,
 * or -1 and the name of the vector in `error`.
 */
int dataplane_check_crypto(const struct crypto_ops *ops, char error[DATAPLANE_ERROR_MAX])
	__attribute__((warn_unused_result));

/* dataplane_kept.c: what is kept counts from now on, or does not. Nothing where nothing is kept. */
void dataplane_kept_live(struct dataplane *dp, bool live);

/*
 * dataplane_setup.c - builds all of it in order, each step with its own sentence in `error` when it
 * fails. What was built stays in `dp` for dataplane_teardown(), which takes any state.
 */
int dataplane_setup(struct dataplane *dp, const struct dataplane_config *config,
		    char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));
void dataplane_teardown(struct dataplane *dp);
