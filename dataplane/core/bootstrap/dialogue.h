/*
 * dialogue.h - carries out the bootstrap dialogue's table on sessions: replies, steps, timers,
 * outcomes.
 *
 * The straight line of one run:
 *	dialogue_start() -> 2.04 and the first step -> { dialogue_reply() -> the next step }*
 *	-> DONE -> linger -> close
 * of one whose answers decide what follows:
 *	... dialogue_reply() -> WAIT_REST -> dialogue_batch() -> the next step ...
 * and of a Bootstrap-Pack:
 *	dialogue_start() -> WAIT_PACK -> dialogue_batch() -> the first block
 *	-> { dialogue_fetch() -> the next block }* -> DONE -> linger -> close
 *
 * Owner: the stack. One thread. All datagrams leave through outgoing.h, all events through
 * session_events.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/bootstrap/bootstrap_pack.h"
#include "dataplane/core/sessions/stack_state.h"

/* What a run begins with. */
struct dialogue_run {
	uint32_t device;
	uint16_t format;
	const struct batch *batch;        /* NULL: the control side makes it. Held by the run, not
					   * by the caller */
	const struct pack_request *pack;  /* of a Bootstrap-Pack-Request, else NULL; it has no
					   * batch then */
	const struct coap_header *header; /* of the request */
	uint64_t digest;                  /* of the whole datagram */
};

/* Ends the session's run, if one is in progress, because its device asked again. */
void dialogue_supersede(struct stack *stack, struct session *session);

/* Ends the session's run, if one is in progress, because its DTLS association ended. */
void dialogue_closed(struct stack *stack, struct session *session);

/* Begins a run on a session without one, that has no event pending. False: the control side has no
 * room for the event, and nothing changed. */
bool dialogue_start(struct stack *stack, struct session *session, const struct dialogue_run *run)
	__attribute__((warn_unused_result));

/* Whether the session serves, or served, the pack that is asked for. */
bool dialogue_has_pack(const struct session *session, const struct pack_request *pack);
/* A block of it, asked for by the run's header and digest. False: there is no such block. */
bool dialogue_fetch(struct stack *stack, struct session *session, const struct dialogue_run *run)
	__attribute__((warn_unused_result));

/* A copy of the session's request: the same answer again, or nothing while there is none. */
void dialogue_repeat_answer(struct stack *stack, const struct sender *from,
			    const struct coap_header *header);

/* An empty ACK, a Reset or a response from a peer, with or without a session. */
void dialogue_reply(struct stack *stack, const struct sender *from, enum coap_parsed parsed,
		    const struct coap_msg *msg);

/* The timer of a session fired that has a run, had one, or has an event pending. */
void dialogue_timer(struct stack *stack, struct session *session);

/* Commands of the control side. The batch's hold passes to the session, or is released. */
void dialogue_batch(struct stack *stack, const struct stack_command *command);
void dialogue_cancel(struct stack *stack, struct session_ref ref);

/* The end of the program: cancels a run, forgets the rest. */
void dialogue_abandon(struct stack *stack, struct session *session);
