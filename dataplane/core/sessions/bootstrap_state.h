/*
 * bootstrap_state.h - the states of a session's bootstrap dialogue. What leads from one to the
 * next is bootstrap.h's table.
 */
#pragma once

#include <stdbool.h>

enum bootstrap_state {
	BOOTSTRAP_IDLE,       /* no run */
	BOOTSTRAP_WAIT_BATCH, /* the request is unanswered: the control side makes its batch */
	BOOTSTRAP_WAIT_PACK,  /* the same, but a Bootstrap-Pack (OMA TS Core 6.1.7.2) */
	BOOTSTRAP_STEP,       /* a step is sent, neither acknowledged nor answered */
	BOOTSTRAP_STEP_ACKED, /* acknowledged by an empty ACK: a separate response is to come (RFC
			       * 7252 5.2.2) */
	BOOTSTRAP_STEP_HELD,  /* the device cannot take the step yet: it is sent again after a while */
	BOOTSTRAP_WAIT_REST,  /* a step is answered: the control side makes what follows from that */
	BOOTSTRAP_PACK,       /* the device fetches its pack, block by block */
	BOOTSTRAP_DONE,       /* every step accepted, or the pack's last block sent */
	BOOTSTRAP_FAILED,     /* ended otherwise; session.cause tells how */
	BOOTSTRAP_STATES
};

/* A run is in progress: it holds a batch or waits for one, and nothing may evict it. */
static inline bool
bootstrap_running(enum bootstrap_state state)
{
	return state > BOOTSTRAP_IDLE && state < BOOTSTRAP_DONE;
}

/* A request of ours is out, so that replies can match it. */
static inline bool
bootstrap_outstanding(enum bootstrap_state state)
{
	return state == BOOTSTRAP_STEP || state == BOOTSTRAP_STEP_ACKED;
}
