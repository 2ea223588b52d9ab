/*
 * association.h - where the DTLS of a session is stored: its association, the handshake or the
 * attempt in the slow lane that runs for it, and the datagrams that wait to be sealed.
 *
 * What a record does to them is secured/'s. Here is what sessions/ and bootstrap/ need of it, too:
 * to seal what they send, and to give everything back when a session ends.
 *
 * Owner: the stack. One thread. Nothing allocated.
 */
#pragma once

#include "dataplane/core/sessions/secured_state.h"
#include "dataplane/core/sessions/stack_state.h"

static inline struct association *
association_at(const struct stack *stack, const struct session *session)
{
	return &stack->secured->associations[session_slot(stack, session)];
}

/* NULL: this session has none. */
static inline struct dtls_session *
association_of(const struct stack *stack, const struct session *session)
{
	struct association *association;

	if (!stack->secured || !session)
		return NULL;
	association = association_at(stack, session);
	return association->established ? &association->dtls : NULL;
}

void association_prefetch(const struct stack *stack, const struct session *session);
/* For a new run: blocks no larger than the peer's records (RFC 6066 4). */
void association_limit_blocks(const struct stack *stack, struct session *session);
/* The association is over: seals what was said over it, and wipes it. */
void association_end(struct stack *stack, struct association *association);
/* The session is about to be closed: gives back all that it has of DTLS, wiped. */
void association_forget(struct stack *stack, struct session *session);

/* The content of `slot` stands behind its record's prefix; it is sealed in place later. */
void seal_later(struct stack *stack, struct dtls_session *association, struct dgram_out *slot,
		uint16_t content_len);
/* Seals the datagrams that wait: before the outbox leaves the stack. */
void seal_all(struct stack *stack);

/* The pool of handshakes: all are free; one for a session, which there must be, pinned; back. */
void handshake_pool_init(struct stack *stack);
void handshake_pool_take(struct stack *stack, struct session *session);
void handshake_pool_release(struct stack *stack, struct association *association);

/* That of the session, which has one. */
static inline struct secured_handshake *
handshake_of(const struct secured *secured, const struct association *association)
{
	return &secured->handshakes[association->handshake - 1];
}

/* The pool of CBC keys; NULL: none is free. They go back when their association ends. */
void cbc_pool_init(struct secured *secured);
struct secured_cbc *cbc_pool_take(struct secured *secured);

/* An item for the session's attempt in the slow lane, or NULL, and counted: the lane is full. */
struct slow_lane_item *lane_item_for(struct stack *stack, const struct session *session, uint8_t kind);
/* The session's attempt, if one waits in the lane, is given up. */
void lane_leave(struct stack *stack, struct session *session);
