/*
 * Records in: whose they are, opening them, and what they hold.
 */
#include "dataplane/core/secured/secured_internal.h"

#include <string.h>

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/bootstrap/dialogue.h"
#include "dataplane/core/bootstrap/intake.h"
#include "dataplane/core/secured/secured_forward.h"
#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/flight.h"
#include "dataplane/core/sessions/kept_slots.h"

/* ---- where a record came from ---- */

/*
 * Another session has the address that this one moves to. Nothing proves that the mover is there
 * (RFC 9146 6): a device could write any source into its records, so none ends what another has of
 * DTLS. What only lingers there makes way.
 */
static bool
make_way(struct stack *stack, const struct arrival *arrival)
{
	struct session *other = session_of_arrival(stack, arrival);
	const struct association *association = association_at(stack, other);

	if (association->established || association->handshake || other->pending ||
	    bootstrap_running(other->state)) {
		count(&stack->counters, COUNTER_dtls_move_refused);
		return false;
	}
	session_close(stack, other);
	return true;
}

/* RFC 9146 6: an authentic record that is the newest takes its association to the address it
 * came from. */
static bool
follow(struct stack *stack, struct session *session, const struct arrival *arrival)
{
	const struct peer *peer = &arrival->in->peer;

	if (session_table_rekey(stack->table, &session->node, arrival->hash, peer) != 0 &&
	    (!make_way(stack, arrival) ||
	     session_table_rekey(stack->table, &session->node, arrival->hash, peer) != 0))
		return false;
	stack->membership++;
	session->link = arrival->in->link;
	kept_put(stack, session, &association_at(stack, session)->dtls);
	count(&stack->counters, COUNTER_dtls_moved);
	return true;
}

/* Where answers to an authentic record go. */
static struct sender
sender_of(struct stack *stack, struct session *session, const struct arrival *arrival, bool newest)
{
	struct sender from = { .peer = &session->node.peer,
			       .link = &arrival->in->link,
			       .session = session };

	if (!peer_equal(from.peer, &arrival->in->peer) &&
	    (!newest || !follow(stack, session, arrival)))
		from.link = &session->link; /* an old record, overtaken by a move */
	from.hash = session_table_hash(stack->table, from.peer);
	return from;
}

/* ---- protected records ---- */

static void
take_alert(struct stack *stack, struct session *session, const struct dtls_opening *opening)
{
	if (opening->length != DTLS_ALERT_BODY) {
		count(&stack->counters, COUNTER_dtls_message_malformed);
		return;
	}
	count(&stack->counters, COUNTER_dtls_alert_received);
	if (opening->content[0] == DTLS_FATAL || opening->content[1] == DTLS_CLOSE_NOTIFY)
		secured_end_association(stack, session, opening->content[1] == DTLS_CLOSE_NOTIFY);
}

static void
take_handshake(struct stack *stack, const struct sender *from, const struct dtls_opening *opening)
{
	struct flight flight = flight_begin(stack, from->peer, from->link);

	dtls_session_handshake(&stack->secured->server, &association_at(stack, from->session)->dtls,
			       opening, &flight.writer);
	flight_end(stack, &flight);
}

/* An authentic, fresh record. Trap: the session may be closed when it returns. */
static void
take_opened(struct stack *stack, struct session *session, const struct arrival *arrival,
	    const struct dtls_opening *opening)
{
	struct sender from = sender_of(stack, session, arrival, opening->newest);

	if (session->state == BOOTSTRAP_IDLE)
		secured_wait_idle(stack, session);
	switch (opening->type) {
	case DTLS_APPLICATION_DATA:
		intake_message(stack, &from, opening->content, opening->length);
		return;
	case DTLS_HANDSHAKE:
		take_handshake(stack, &from, opening);
		return;
	case DTLS_ALERT_RECORD:
		take_alert(stack, session, opening);
		return;
	default:
		count(&stack->counters, COUNTER_dtls_rx_type);
	}
}

static void
take_outcome(struct stack *stack, const struct dtls_opening *opening,
	     const struct secured_pending *pending)
{
	struct session *session = session_at(stack, pending->slot);
	const struct arrival arrival = {
		.in = (struct dgram_in *)pending->in,
		.hash = pending->hash,
		.record = opening->record,
	};

	count(&stack->counters, opening->outcome);
	/* An earlier record of the burst may have ended the session. */
	if (opening->outcome == COUNTER_dtls_rx_opened && session &&
	    session->node.serial == pending->serial && association_of(stack, session))
		take_opened(stack, session, &arrival, opening);
}

void
secured_open(struct stack *stack)
{
	struct secured *secured = stack->secured;
	unsigned n;

	if (!secured || !secured->n_openings)
		return;
	n = secured->n_openings;
	secured->n_openings = 0;
	dtls_open(secured->server.ops, secured->openings, n);
	for (unsigned i = 0; i < n; i++)
		take_outcome(stack, &secured->openings[i], &secured->pending[i]);
}

static void
open_later(struct stack *stack, const struct session *session, const struct arrival *arrival)
{
	struct secured *secured = stack->secured;

	if (secured->n_openings == DTLS_BURST)
		secured_open(stack);
	secured->openings[secured->n_openings].session = &association_at(stack, session)->dtls;
	secured->openings[secured->n_openings].record = arrival->record;
	secured->pending[secured->n_openings++] = (struct secured_pending){
		.in = arrival->in,
		.hash = arrival->hash,
		.slot = session_slot(stack, session),
		.serial = session->node.serial,
	};
}

/* What belongs to no association may belong to the handshake that runs. */
static void
take_for_handshake(struct stack *stack, struct session *session, struct arrival *arrival)
{
	const struct association *association = session ? association_at(stack, session) : NULL;

	if (association && association->handshake)
		handshakes_advance(stack, session, arrival);
	else
		count(&stack->counters, COUNTER_dtls_rx_no_session);
}

/* A handshake runs beside an association: what the latter does not open is for the former. */
static void
open_now(struct stack *stack, struct session *session, struct arrival *arrival)
{
	struct dtls_opening opening = { .session = &association_at(stack, session)->dtls,
					.record = arrival->record };

	dtls_open(stack->secured->server.ops, &opening, 1);
	if (opening.outcome != COUNTER_dtls_rx_opened) {
		take_for_handshake(stack, session, arrival);
		return;
	}
	count(&stack->counters, opening.outcome);
	take_opened(stack, session, arrival, &opening);
}

static void
take_protected(struct stack *stack, struct arrival *arrival)
{
	struct session *session = NULL;
	struct association *association;

	if (arrival->record.cid_len)
		session = association_session_of_cid(stack, arrival->record.header + 11);
	if (!session && arrival->record.cid_len && forward_foreign(stack, arrival))
		return;
	if (!session)
		session = session_of_arrival(stack, arrival);
	if (!session) {
		count(&stack->counters, COUNTER_dtls_rx_no_session);
		return;
	}
	association = association_at(stack, session);
	if (!association->established)
		take_for_handshake(stack, session, arrival);
	else if (association->handshake)
		open_now(stack, session, arrival);
	else
		open_later(stack, session, arrival);
}

/* ---- datagrams in ---- */

static void
take_plaintext(struct stack *stack, struct arrival *arrival)
{
	take_for_handshake(stack, session_of_arrival(stack, arrival), arrival);
}

static void
greet(struct stack *stack, struct arrival *arrival)
{
	switch (handshakes_greet(stack, arrival)) {
	case DTLS_GREETING_DROPPED:
		return;
	case DTLS_GREETING_ANSWERED:
		arrival->is_greeted = true;
		return;
	case DTLS_GREETING_FRAGMENT:
		/* A whole hello is no fragment, so this ends. */
		if (handshakes_on_fragment(stack, arrival))
			greet(stack, arrival);
		return;
	case DTLS_GREETING_VERIFIED:
		/* A session may be evicted or replaced: what waits for it comes first. */
		secured_open(stack);
		handshakes_on_hello(stack, arrival);
		return;
	}
}

static void
take_hello(struct stack *stack, struct arrival *arrival)
{
	/* Copies that share a datagram would fill the outbox with answers to nobody. */
	if (arrival->is_greeted) {
		count(&stack->counters, COUNTER_dtls_rx_crowded);
		return;
	}
	(void)handshakes_join(stack, arrival);
	greet(stack, arrival);
}

static void
take_record(struct stack *stack, struct arrival *arrival)
{
	if (arrival->record.epoch != 0)
		take_protected(stack, arrival);
	else if (dtls_is_hello(&arrival->record))
		take_hello(stack, arrival);
	else
		take_plaintext(stack, arrival);
}

void
secured_receive(struct stack *stack, struct dgram_in *in, uint64_t hash)
{
	struct dtls_walk walk = { in->data, in->data + in->len };
	struct arrival arrival = { .in = in, .hash = hash };

	/* All of them (RFC 6347 4.1.1): the datagram's length is their bound. */
	while (dtls_record_next(&walk, &arrival.record, &stack->counters))
		take_record(stack, &arrival);
}

void
secured_receive_forwarded(struct stack *stack, struct dgram_in *in)
{
	uint64_t hash;

	if (!forward_take(stack, in, &hash))
		return;
	capture_received(stack, in, hash);
	secured_receive(stack, in, hash);
}
