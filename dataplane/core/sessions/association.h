/*
 * association.h - where the DTLS of a session is stored: its association, and the handshake that
 * runs for it.
 *
 * What a record does to them is secured/'s. Here is what sessions/ and bootstrap/ need of it, too.
 *
 * Owner: the stack. One thread. Nothing allocated.
 */
#pragma once

#include <string.h>

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

/* The session that gave out the connection id, or NULL. */
static inline struct session *
association_session_of_cid(const struct stack *stack, const uint8_t cid[DTLS_CID])
{
	uint32_t slot = (uint32_t)(cid[1] << 16 | cid[2] << 8 | cid[3]);
	struct session *session = slot < stack->config.sessions ? session_at(stack, slot) : NULL;
	const struct dtls_session *dtls = association_of(stack, session);

	if (!dtls || !dtls->has_cid || memcmp(dtls->cid, cid, DTLS_CID) != 0)
		return NULL;
	return session;
}

void association_prefetch(const struct stack *stack, const struct session *session);
/* Blocks no larger than the setting, the run's batch and the peer's records (RFC 6066 4) allow. */
void association_limit_blocks(const struct stack *stack, struct session *session);
/* The association is over: seals what was said over it, and wipes it. */
void association_end(struct stack *stack, struct association *association);
/* The same, told to the device by a close_notify (RFC 5246 7.2.1), where the outbox has room. */
void association_close(struct stack *stack, struct session *session);
/* The device was answered 5.03: its association stays until it has come back. */
void association_keep(struct stack *stack, struct session *session);
/* How long the session may wait from now, `least_us` or until its device has come back. */
uint64_t association_wait_us(const struct stack *stack, const struct session *session,
			     uint64_t least_us);
/* The session is about to be closed: gives back all that it has of DTLS, wiped. */
void association_forget(struct stack *stack, struct session *session);

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
