/*
 * bootstrap.h - the bootstrap dialogue as data: a table of (state, input), and which replies a step
 * accepts.
 *
 * Source: OMA LwM2M Core TS 6.1.7 (operations and their codes), 6.1.3 (order: request, commands,
 * finish).
 *
 *	        request         accepted (more)        accepted (last)
 *	IDLE ------------> STEP -----------------> STEP ... ----------> DONE --timer--> IDLE
 *	 | \  batch to    ^  ^  \ empty ACK         ^  \ wrong reply,
 *	 |  \ be made     |  |   v                 /    \ Reset, no reply,
 *	 |   +--> WAIT_BATCH |   STEP_ACKED ------+      \ asked again, cancelled
 *	 |            \      | \   | answer that decides what follows
 *	 |             \   batch \ v                      v
 *	 |              \     +-- WAIT_REST ----------> FAILED --timer--> IDLE
 *	 |               +------- no batch --------------^
 *	 |  a step that the device cannot take yet (5.03) goes
 *	 |  over STEP_HELD back to STEP                  |
 *	 |  pack to be made                     no pack  |     its blocks, in any order
 *	 +----------------> WAIT_PACK -------------------+   +--+
 *	                        \ first block                v  |
 *	                         +------------------------> PACK ---last block--> DONE
 *
 * DONE and FAILED linger: the session remembers its request, so that a copy of it gets the same
 * answer and starts no second dialogue (RFC 7252 4.5). The later blocks of a
 * pack can be fetched again meanwhile; its first one begins a new run.
 * Pure data, nothing allocated, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/sessions/bootstrap_state.h"
#include "tasks/batch.h"

enum bootstrap_input {
	BOOTSTRAP_ON_REQUEST,        /* a new Bootstrap-Request whose batch is at hand */
	BOOTSTRAP_ON_REQUEST_UNMADE, /* a new Bootstrap-Request whose batch must be made first */
	BOOTSTRAP_ON_REQUEST_PACK,   /* a new Bootstrap-Pack-Request: packs are always made first */
	BOOTSTRAP_ON_SUPERSEDE,      /* comes before these, when a run is in progress */
	BOOTSTRAP_ON_BATCH,          /* the control side made the batch, or the rest of the run */
	BOOTSTRAP_ON_NO_BATCH,       /* the control side could not */
	BOOTSTRAP_ON_NOTHING_MORE,   /* the control side says that nothing follows */
	BOOTSTRAP_ON_FETCH,          /* a block of the pack is asked for, and not the last one; the
				      * first is, when the control side has made it */
	BOOTSTRAP_ON_FETCH_LAST,     /* the same for the last block */
	BOOTSTRAP_ON_ACCEPTED,       /* a reply with which the run goes on; more steps follow */
	BOOTSTRAP_ON_ACCEPTED_LAST,  /* the same, and none follows */
	BOOTSTRAP_ON_ANSWERED,       /* the same, and what follows is made from the answer */
	BOOTSTRAP_ON_BLOCK,          /* a block-wise step goes on or starts over (RFC 7959) */
	BOOTSTRAP_ON_REJECTED,       /* any other reply */
	BOOTSTRAP_ON_UNUSABLE,       /* a reply that cannot be taken; session.cause says why */
	BOOTSTRAP_ON_ACK,            /* empty ACK */
	BOOTSTRAP_ON_RESET,
	BOOTSTRAP_ON_BUSY,  /* the device cannot take the step yet: session.exchange.timeout_us is
				  * the wait */
	BOOTSTRAP_ON_COPY,  /* a copy of the request, while the first step is held */
	BOOTSTRAP_ON_TIMER, /* the timer fired and retransmissions are left */
	BOOTSTRAP_ON_TIMER_LAST, /* the timer fired and none is left, or the state knows none
				       * */
	BOOTSTRAP_ON_CANCEL,     /* the control side ends the run, or the program ends */
	BOOTSTRAP_ON_CLOSE,      /* the device ended its DTLS association, or replaced it */
	BOOTSTRAP_INPUTS
};

/* What the dialogue does on its way into the next state. 0 is no action, so that a hole in the
 * table shows. */
enum bootstrap_action {
	BOOTSTRAP_DO_ILLEGAL = 1, /* the pair can't be: counted, nothing changes */
	BOOTSTRAP_DO_NOTHING,     /* the pair is fine and changes nothing */
	BOOTSTRAP_DO_ASK,         /* ask the control side for a batch */
	BOOTSTRAP_DO_ASK_REST,    /* ask the control side for what follows */
	BOOTSTRAP_DO_ANSWER,      /* 2.04 to the request, then the first step */
	BOOTSTRAP_DO_NEXT,        /* send the step that the run stands at */
	BOOTSTRAP_DO_SEND,        /* the same step again as a new message: next block, or from its
				   * start */
	BOOTSTRAP_DO_AWAIT,       /* stop retransmitting, wait for the separate response */
	BOOTSTRAP_DO_REPEAT,      /* retransmit */
	BOOTSTRAP_DO_HOLD,        /* wait before the step is sent again */
	BOOTSTRAP_DO_BEGIN_AGAIN, /* 2.04 again, and the first step as a new message */
	BOOTSTRAP_DO_SERVE,       /* send the block of the pack that is asked for */
	BOOTSTRAP_DO_SERVE_LAST,  /* the same, and success: report it, linger */
	BOOTSTRAP_DO_SERVE_AGAIN, /* the same after the end: linger on, there is nothing new to report */
	BOOTSTRAP_DO_FINISH,      /* success: report it, linger */
	BOOTSTRAP_DO_FAIL_REPLY, /* failures, by cause: report it, linger, send no
				    * Finish */
	BOOTSTRAP_DO_FAIL_UNUSABLE,
	BOOTSTRAP_DO_FAIL_RESET,
	BOOTSTRAP_DO_FAIL_TIMEOUT,
	BOOTSTRAP_DO_FAIL_SILENT,
	BOOTSTRAP_DO_FAIL_PACK_LEFT,
	BOOTSTRAP_DO_FAIL_SUPERSEDED,
	BOOTSTRAP_DO_FAIL_CANCELLED,
	BOOTSTRAP_DO_FAIL_CLOSED,
	BOOTSTRAP_DO_FAIL_NO_REST, /* the control side made nothing in time */
	BOOTSTRAP_DO_STOP,         /* the control side could not make what follows, and says why */
	BOOTSTRAP_DO_REFUSE,      /* an error to the waiting request: 4.00, or what the control side
				    * says */
	BOOTSTRAP_DO_REFUSE_PACK, /* the same to a request for a pack */
	BOOTSTRAP_DO_GIVE_UP,     /* 5.03 to the waiting request: no batch in time */
	BOOTSTRAP_DO_REFUSE_CANCELLED, /* 5.03 to the waiting request: cancelled */
	BOOTSTRAP_DO_CLOSE,            /* the session is over: free its slot */
};

struct bootstrap_transition {
	uint8_t next;   /* enum bootstrap_state */
	uint8_t action; /* enum bootstrap_action */
};

/* What an input does in a state. An illegal pair keeps the state. */
struct bootstrap_transition bootstrap_transition(enum bootstrap_state state,
						 enum bootstrap_input input);

/* Whether a step that expects `expect` (enum batch_expect) is accepted by a reply of this CoAP
 * code. */
bool bootstrap_accepts(uint8_t expect, uint8_t code);

/*
 * The step that comes after `step` was answered `code`; n_steps when none does. Corrections are
 * left out unless the Finish before them was answered 4.06 (OMA TS Core 6.1.7.7: the server may
 * correct and finish again). A refused step whose policy is BATCH_FINISH leads to the next Finish.
 */
unsigned bootstrap_next(const struct batch *batch, unsigned step, uint8_t code);

/* Whether the run goes on although `step` was refused with `code`: by its policy, or to be
 * corrected. */
bool bootstrap_tolerates(const struct batch *batch, unsigned step, uint8_t code);
