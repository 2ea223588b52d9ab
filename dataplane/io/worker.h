/*
 * worker.h - one polled core: its state, all of it, and its loop.
 *
 * Owner: the worker, from worker_run() on; the control thread makes it before and takes it apart
 * after. What another thread may touch meanwhile: the rings' other ends, the counters and `stats`
 * (read only, one 64-bit value at a time). After worker_run() began nothing is allocated, nothing
 * blocks, nothing is logged.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

#include "dataplane/core/crypto/rng_drbg.h"
#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/core/stack.h"
#include "dataplane/dataplane.h"
#include "dataplane/io/clock.h"
#include "dataplane/io/event_ring.h"
#include "dataplane/io/flow.h"
#include "dataplane/io/handover.h"
#include "dataplane/io/lane.h"
#include "dataplane/io/port.h"
#include "dataplane/io/txq.h"

enum {
	WORKER_QUEUES_MAX =
		64, /* receive queues of one worker: several ports, several queues each */
};

/* The steps of a turn, in order. */
enum worker_step {
	STEP_RECEIVE, /* from the ports, headers judged */
	STEP_STACK,   /* datagrams answered */
	STEP_TIMERS,
	STEP_TRANSMIT,
	STEP_MAILBOX,
	STEP_EC,
	STEP_QUIESCE,
	WORKER_STEPS
};

const char *worker_step_name(enum worker_step step);

struct worker_queue {
	const struct port *port;
	struct txq *txq; /* where answers to its neighbours go */
	uint16_t queue;
};

/* Written by the worker alone, by aligned 64-bit stores that a reader sees whole; nothing is
 * ordered with them. */
struct worker_stats {
	uint64_t turns, busy_turns;
	uint64_t cycles, busy_cycles;
	/* Of busy turns. What a step takes that finds nothing to do counts to the next one that does, or to the last. */
	uint64_t step_cycles[WORKER_STEPS];
	uint64_t longest_turn_cycles;
	uint64_t longest_step; /* enum worker_step */
	struct delays busy_turn_cycles;
};

struct worker {
	/* Read only while it runs. */
	struct stack *stack;
	struct counters *counters; /* the stack's */
	struct clock clock;
	struct flow flow;
	struct rte_rcu_qsbr *qsbr;
	void (*begins)(void); /* NULL, or called before the first turn */
	const _Atomic bool *stop; /* the one thing all workers poll besides their rings */
	unsigned index;
	bool idle_yield;
	bool hands_over; /* some port's hash is not trusted, or connection ids name workers */
	bool gated;      /* some port is (port_gate.h), or may be shut (port_watch.h) */
	unsigned n_queues, n_txqs;
	struct worker_queue queues[WORKER_QUEUES_MAX];
	struct txq *txq_of[LISTENERS_MAX]; /* by listener */
	struct rte_ring *commands, *traces;
	struct event_ring events;
	struct lane *ec; /* the way to the threads of elliptic curves; NULL: there are none */

	/* The turn. */
	uint64_t now_us;
	uint64_t mark;    /* cycles when the last step ended */
	uint64_t started; /* cycles when the loop began, and all time since then is idle or busy */
	uint64_t step_cycles[WORKER_STEPS]; /* of this turn */
	unsigned n_in, n_done;
	struct dgram_in in[STACK_BURST];
	struct rte_mbuf *in_mbufs[STACK_BURST]; /* of `in`: freed once the stack has read them */
	struct rte_mbuf *done[STACK_BURST];     /* dropped frames */
	struct answers answers;
	struct txq txqs[DATAPLANE_PORTS_MAX];
	struct handover handover;
	struct rng_drbg rng __rte_cache_aligned; /* the stack's; wiped at teardown */

	/* Read by the control thread. */
	struct worker_stats stats __rte_cache_aligned;
};

/* The loop: a thread's function. Returns 0 once *worker->stop is set. */
int worker_run(void *worker);
/* Takes one turn; worker_run() repeats it. Returns how much there was to do: 0 is an idle turn. */
unsigned worker_turn(struct worker *worker);
/* The stack's way to the event ring: `worker` is its ctx. */
bool worker_emit(void *worker, const struct session_event *event);
/* The stack's way to the trace ring: the same. */
bool worker_trace(void *worker, const struct trace_record *record);
/* The stack's way to go on with an outbox that is full: the worker's answers' own. */
void worker_flush(struct outbox *outbox);
/* The stack's way to elliptic curves: the same. */
bool worker_ec_offer(void *worker, struct ec_job *job);
/*
 * (control thread, after worker_run() returned) Takes what is on its way to the stack inside the
 * process: commands, datagrams of other workers, answers of helpers, and tells what was not told yet.
 * True: there was something, and there may be more.
 */
bool worker_settle(struct worker *worker);
/* (control thread, before worker_run()) Reads away what its queues have received so far. */
void worker_discard(struct worker *worker);
/* (control thread, after worker_run() returned) Takes what is left in the mailbox, so that nothing
 * held is lost; frames that the devices do not take are dropped. */
void worker_drain_mailbox(struct worker *worker);
