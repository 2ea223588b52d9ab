/*
 * session.h - all that is remembered of one peer: the dialogue's state, the exchange, the run.
 *
 * Lives in a slot of the session table's pool from the first Bootstrap-Request that leads to a run
 * until it lingered out, was evicted, or the stack ends. Refused requests have no session.
 * Owner: the stack; dialogue.c and dialogue_actions.c change it, and only session_transition()
 * there writes `state`.
 *
 *	 0       56         88                112     124       144               192
 *	+-------+----------+-----------------+-------+---------+-----------------+
 *	| node  | exchange | batch and where | watch | request | times, run,     |
 *	| timer |          | it stands, link |       |         | pending events, |
 *	|       |          |                 |       |         | pack, refusals  |
 *	+-------+----------+-----------------+-------+---------+-----------------+
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

/*
 * How busy the run was, for operators. Each stays at its end. Other threads read it, relaxed, beside `serial`, `step`,
 * `state` and `phase`: an aligned word is seen whole, and a picture that is a step old is good enough.
 */
struct session_watch {
	uint32_t heard_ms;       /* when its last message came, as stack_receive() counts, cut */
	uint16_t received, sent; /* messages */
	uint8_t retransmitted;   /* of those sent */
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

	struct session_watch watch;
	struct exchange_request request;

	uint64_t started_us;
	uint64_t since_us;         /* when the present phase of the run began; once it is over: when it ended */
	uint32_t serial;           /* of the run */
	uint32_t device;           /* device_entry.id */
	uint32_t plan;             /* of its batch */
	uint32_t
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

static inline void
session_note_received(struct session *session, uint64_t now_us)
{
	session->watch.heard_ms = (uint32_t)(now_us / 1000);
	session->watch.received += session->watch.received < UINT16_MAX;
}

static inline void
session_note_sent(struct session *session)
{
	session->watch.sent += session->watch.sent < UINT16_MAX;
}

static inline void
session_note_retransmitted(struct session *session)
{
	session->watch.retransmitted += session->watch.retransmitted < UINT8_MAX;
}

/* The step that is out; only while a run holds a batch. */
static inline const struct batch_step *
session_step(const struct session *session)
{
	return session->batch->steps[session->step];
}
