/*
 * secured_internal.h - what the files of secured/ have of each other. Each calls those above it
 * here only.
 */
#pragma once

#include "dataplane/core/secured/secured.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/sessions.h"

/* One record on its way, and the datagram it came in. */
struct arrival {
	struct dgram_in *in;
	uint64_t hash;   /* of in->peer */
	bool is_greeted; /* a ClientHello of it was answered */
	struct dtls_record record;
};

/* The session of the peer that the datagram came from, or NULL. */
static inline struct session *
session_of_arrival(const struct stack *stack, const struct arrival *arrival)
{
	return (struct session *)session_table_find(stack->table, arrival->hash,
						    &arrival->in->peer);
}

/* ---- secured.c ---- */

/* A handshake has finished: its association replaces what the session had. */
void secured_associate(struct stack *stack, struct session *session, const struct link *link,
		       const struct dtls_session *fresh);
/* The device ended its association: its session is over too, unless an event is pending. `answer`: by
 * a close_notify, which gets one (RFC 5246 7.2.1). */
void secured_end_association(struct stack *stack, struct session *session, bool answer);
/* A session without a run is closed when nothing comes for a while from now. */
void secured_wait_idle(struct stack *stack, struct session *session);

/* ---- secured_ec.c ---- */

/* The way of handshakes to certificates, and its pool, all free. */
void ec_init(struct stack *stack);
/* A job that came back: the place it is of, or NULL: its handshake has ended, and the place is free
 * now. */
struct secured_ec *ec_take_back(struct stack *stack, struct ec_job *job);
/* The raw key of this job is nobody's: listed as its identity would be, which an operator imports. */
void ec_report_unknown_key(struct stack *stack, const struct peer *peer, const struct ec_job *job);

/* ---- secured_handshake.c ---- */

/* Judges a ClientHello or a fragment of one, and answers it if it has no cookie. */
enum dtls_greeting handshakes_greet(struct stack *stack, const struct arrival *arrival);
/* One that is verified. Trap: sessions may be evicted or replaced; nothing may wait for them. */
void handshakes_on_hello(struct stack *stack, struct arrival *arrival);
/* A fragment without a cookie: for the handshake that waits for it, or kept. True: it completed what
 * was kept, and its record is that of the whole hello now. */
bool handshakes_on_fragment(struct stack *stack, struct arrival *arrival);
/* The same for any fragment of a hello that others are kept of. */
bool handshakes_join(struct stack *stack, struct arrival *arrival);
/* Any other record for the handshake that runs for this session. */
void handshakes_advance(struct stack *stack, struct session *session, struct arrival *arrival);
