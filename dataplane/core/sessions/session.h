/*
 * session.h - all that is remembered of one peer: the dialogue's state, the exchange, the run.
 *
 * Lives in a slot of the session table's pool from the first Bootstrap-Request that leads to a run
 * until it lingered out, was evicted, or the stack ends. Refused requests have no session.
 * Owner: the stack; dialogue.c and dialogue_actions.c change it, and only session_transition()
 * there writes `state`.
 *
 *	 0       56         88                112        136               168
 *	+-------+----------+-----------------+----------+-----------------+
 *	| node  | exchange | batch and where | request  | times, run,     |
 *	| timer |          | it stands, link |          | pending events, |
 *	|       |          |                 |          | pack, refusals  |
 *	+-------+----------+-----------------+----------+-----------------+
 *
 * A step touches the first two of three cache lines only.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_exchange.h"
#include "dataplane/core/delays.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/tables/session_table.h"
#include "dataplane/core/tables/timer_wheel.h"
#include "tasks/batch.h"

/* Events that found no room yet. */
enum session_pending {
	PENDING_STARTED = 1,
	PENDING_OUTCOME = 2,
	PENDING_ASK = 4, /* for what follows an answer; between the two in time */
};

struct session {
	struct session_node node; /* peer, hash chain, LRU: must be first */
	struct timer_node timer;  /* retransmission, waits and linger: a session waits for one thing
				   * at a time */

	struct exchange exchange;
	const struct batch *batch; /* held while the run is in progress, a pack also while the
				    * session lingers; else NULL */
	uint16_t step;             /* index of the one that is out */
	uint8_t state;             /* enum bootstrap_state */
	uint8_t cause;             /* enum session_cause, once FAILED */
	uint8_t code;     /* of the reply that failed, or whose answer decides what follows */
	uint8_t pending;  /* enum session_pending */
	uint16_t format;  /* Content-Format wanted or used */
	struct link link; /* of the last datagram accepted */

	struct exchange_request request;

	uint64_t started_us;
	uint64_t since_us;         /* when the present phase of the run began; once it is over: when it ended */
	uint32_t serial;           /* of the run */
	uint32_t device;           /* device_entry.id */
	uint32_t generation, plan; /* of its batch */
	uint64_t
		pack_digest; /* of what a Bootstrap-Pack-Request asks for, whatever block it names */
	uint32_t next_pending; /* slot of the next session with pending events */
	uint32_t answer;       /* handle of the buffer that holds the answer, 0 for none */
	uint16_t refused_steps, refused_step; /* as in struct session_event */
	uint8_t refused_code;
	uint8_t phase; /* enum run_phase, of a run */
	/* Of the run: */
	uint8_t holds : 2;        /* steps that the device could not take yet */
	uint8_t stray_resets : 3; /* that fit no message of ours */
	uint8_t progressed : 1;   /* a step was answered */
};

static_assert(offsetof(struct session, node) == 0, "the table hands out nodes");
static_assert(offsetof(struct session, request) <= 128, "a step touches two cache lines");
static_assert(sizeof(struct session) <= 192, "a session is three cache lines");

/* The step that is out; only while a run holds a batch. */
static inline const struct batch_step *
session_step(const struct session *session)
{
	return session->batch->steps[session->step];
}
