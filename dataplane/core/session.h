/*
 * session.h - all that is remembered of one peer: the dialogue's state, the exchange, the run.
 *
 * Lives in a slot of the session table's pool from the first Bootstrap-Request that leads to a run
 * until it lingered out, was evicted, or the stack ends. Refused requests have no session.
 * Owner: the stack; only dialogue.c changes it, and only session_transition() there writes `state`.
 *
 *	line  0            1                 2               3
 *	    +------------+-----------------+---------------+----------------+
 *	    | node timer | exchange, run   | request       | times, way back|
 *	    +------------+-----------------+---------------+----------------+
 *
 * A step touches the first two lines only.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "dataplane/core/coap_exchange.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/session_table.h"
#include "dataplane/core/timer_wheel.h"
#include "tasks/batch.h"

/* Events that found no room yet. */
enum session_untold {
	UNTOLD_STARTED = 1,
	UNTOLD_OUTCOME = 2,
};

struct session {
	struct session_node node; /* peer, hash chain, LRU: must be first */
	struct timer_node timer;  /* retransmission, waits and linger: a session waits for one thing
				   * at a time */

	struct exchange exchange;
	const struct batch *batch; /* held while the run is in progress, else NULL */
	uint16_t step;             /* index of the one that is out */
	uint8_t state;             /* enum bootstrap_state */
	uint8_t cause;             /* enum session_cause, once FAILED */
	uint8_t code;              /* of the reply that failed */
	uint8_t untold;            /* enum session_untold */
	uint16_t format;           /* Content-Format wanted or used */
	struct link link;          /* of the last datagram accepted */

	struct exchange_request request;

	uint64_t started_us, ended_us;
	uint32_t serial; /* of the run */
	uint32_t device; /* device_entry.id */
	uint32_t generation;
	uint32_t next_untold; /* slot of the next session with untold events */
};

static_assert(offsetof(struct session, node) == 0, "the table hands out nodes");
static_assert(sizeof(struct session) <= 256, "a session is four cache lines at most");
