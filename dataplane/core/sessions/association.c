#include "dataplane/core/sessions/association.h"

#include <string.h>

#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/flight.h"
#include "dataplane/core/sessions/kept_slots.h"
#include "dataplane/core/sessions/sessions.h"

enum {
	LINE = 64,
	BLOCK_OVERHEAD = 128, /* what a step's header and options take of a record, generously */
};

/* ---- the pool of handshakes ---- */

void
handshake_pool_init(struct stack *stack)
{
	struct secured *secured = stack->secured;

	for (uint32_t i = 0; i < secured->n_handshakes; i++)
		secured->handshakes[i].slot = i + 1 < secured->n_handshakes ? i + 2 : 0;
	secured->free_handshake = 1;
	timer_wheel_init(&secured->wheel, &secured->handshakes[0].timer,
			 sizeof secured->handshakes[0], stack->now_us);
}

static void
append_handshake(struct secured *secured, uint32_t index)
{
	struct secured_handshake *handshake = &secured->handshakes[index];

	handshake->older = secured->newest_handshake;
	handshake->newer = 0;
	if (handshake->older)
		secured->handshakes[handshake->older - 1].newer = index + 1;
	else
		secured->oldest_handshake = index + 1;
	secured->newest_handshake = index + 1;
}

static void
unlink_handshake(struct secured *secured, const struct secured_handshake *handshake)
{
	if (handshake->older)
		secured->handshakes[handshake->older - 1].newer = handshake->newer;
	else
		secured->oldest_handshake = handshake->newer;
	if (handshake->newer)
		secured->handshakes[handshake->newer - 1].older = handshake->older;
	else
		secured->newest_handshake = handshake->older;
}

void
handshake_pool_take(struct stack *stack, struct session *session)
{
	struct secured *secured = stack->secured;
	uint32_t index = secured->free_handshake - 1;
	struct secured_handshake *handshake = &secured->handshakes[index];

	secured->free_handshake = handshake->slot;
	handshake->slot = session_slot(stack, session);
	append_handshake(secured, index);
	handshake->charge = prefix_debts_charge(&secured->debts, session->node.peer.addr);
	handshake->in_use = true;
	secured->n_in_use++;
	association_at(stack, session)->handshake = index + 1;
	session_table_pin(stack->table, &session->node);
}

void
handshake_pool_release(struct stack *stack, struct association *association)
{
	struct secured *secured = stack->secured;
	struct secured_handshake *handshake;

	if (!association->handshake)
		return;
	handshake = handshake_of(secured, association);
	dtls_handshake_leave(&secured->server, &handshake->dtls);
	timer_wheel_cancel(&secured->wheel, association->handshake - 1);
	crypto_wipe(&handshake->dtls, sizeof handshake->dtls);
	unlink_handshake(secured, handshake);
	handshake->in_use = false;
	secured->n_in_use--;
	handshake->slot = secured->free_handshake;
	secured->free_handshake = association->handshake;
	association->handshake = 0;
	capture_settled(stack);
}

/* ---- the pool of CBC keys ---- */

void
cbc_pool_init(struct secured *secured)
{
	for (uint32_t i = 0; i < secured->n_cbc; i++)
		secured->cbc[i].next_free = i + 1 < secured->n_cbc ? i + 2 : 0;
	secured->free_cbc = secured->n_cbc ? 1 : 0;
}

struct secured_cbc *
cbc_pool_take(struct secured *secured)
{
	struct secured_cbc *cbc;

	if (!secured->free_cbc)
		return NULL;
	cbc = &secured->cbc[secured->free_cbc - 1];
	secured->free_cbc = cbc->next_free;
	return cbc;
}

/* Gives the keys of a session that has some back, wiped. */
static void
cbc_pool_release(struct secured *secured, struct dtls_session *dtls)
{
	struct secured_cbc *cbc = (struct secured_cbc *)dtls->cbc;

	if (!cbc)
		return;
	crypto_wipe(cbc, sizeof *cbc);
	cbc->next_free = secured->free_cbc;
	secured->free_cbc = (uint32_t)(cbc - secured->cbc) + 1;
	dtls->cbc = NULL;
}

/* ---- associations ---- */

void
association_prefetch(const struct stack *stack, const struct session *session)
{
	const struct association *association;

	if (!stack->secured)
		return;
	association = association_at(stack, session);
	__builtin_prefetch(association);
	__builtin_prefetch((const uint8_t *)association + LINE);
	__builtin_prefetch((const uint8_t *)association + 2 * LINE);
}

void
association_limit_blocks(const struct stack *stack, struct session *session)
{
	const struct dtls_session *dtls = association_of(stack, session);
	struct block_place *place = &session->exchange.block;
	size_t room;

	if (stack->limits->block_bytes)
		block_limit(place, stack->limits->block_bytes);
	if (session->batch && session->batch->block_bytes)
		block_limit(place, session->batch->block_bytes);
	if (!dtls)
		return;
	room = dtls_session_plaintext_max(dtls);
	/* The device's records are as small as ours (RFC 6066 4). */
	block_limit(place, room > BLOCK_OVERHEAD ? (uint32_t)(room - BLOCK_OVERHEAD) : 0);
}

void
association_end(struct stack *stack, struct association *association)
{
	/* What was said before goes out under the keys it was meant for. */
	seal_detach(stack, &association->dtls);
	kept_drop(stack, &association->dtls);
	cbc_pool_release(stack->secured, &association->dtls);
	crypto_wipe(&association->dtls, sizeof association->dtls);
	association->established = false;
}

void
association_forget(struct stack *stack, struct session *session)
{
	struct association *association;

	if (!stack->secured)
		return;
	association = association_at(stack, session);
	handshake_pool_release(stack, association);
	if (association->established)
		association_close(stack, session);
	association->keep_us = 0;
}

/* Waits to be sealed with what else the burst sends: alone it would take twice as long. */
static void
say_close(struct stack *stack, const struct session *session, struct dtls_session *dtls)
{
	static const uint8_t close_notify[DTLS_ALERT_BODY] = { DTLS_WARNING, DTLS_CLOSE_NOTIFY };
	struct dgram_out *slot = outbox_slot(stack);
	size_t prefix = dtls_seal_prefix(dtls);

	if (!slot || slot->cap < prefix + sizeof close_notify + dtls_seal_suffix(dtls))
		return;
	slot->peer = session->node.peer;
	slot->link = session->link;
	memcpy(slot->data + prefix, close_notify, sizeof close_notify);
	seal_later(stack, dtls, slot, DTLS_ALERT_RECORD, sizeof close_notify);
	stack->out->used++;
	count(&stack->counters, COUNTER_dtls_close_sent);
}

void
association_close(struct stack *stack, struct session *session)
{
	struct association *association = association_at(stack, session);

	say_close(stack, session, &association->dtls);
	association_end(stack, association);
}

/*
 * Max-Age, by half of it later at most as clients add a jitter to it, and the span in which they
 * repeat their request (RFC 7252 4.8.2).
 */
void
association_keep(struct stack *stack, struct session *session)
{
	const struct stack_limits *limits = stack->limits;
	uint32_t doublings = limits->max_retransmit < 31 ? limits->max_retransmit : 31;
	uint64_t span_us = (uint64_t)limits->ack_timeout_us * ((UINT64_C(1) << doublings) - 1) /
			   100 * limits->ack_random_percent;
	uint64_t wait_us = (uint64_t)limits->busy_max_age_s * 1500000 + span_us;

	if (!association_of(stack, session))
		return;
	association_at(stack, session)->keep_us = stack->now_us + wait_us;
	if (session->state == BOOTSTRAP_IDLE)
		session_arm(stack, session, association_wait_us(stack, session, 0));
}

uint64_t
association_wait_us(const struct stack *stack, const struct session *session, uint64_t least_us)
{
	uint64_t keep_us;

	if (!association_of(stack, session))
		return least_us;
	keep_us = association_at(stack, session)->keep_us;
	return keep_us > stack->now_us + least_us ? keep_us - stack->now_us : least_us;
}
