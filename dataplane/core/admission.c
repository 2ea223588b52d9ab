#include "dataplane/core/admission.h"

#include <string.h>

#include "dataplane/core/bootstrap_request.h"
#include "dataplane/core/dialogue.h"
#include "dataplane/core/dialogue_actions.h"
#include "dataplane/core/outgoing.h"
#include "dataplane/core/session_events.h"

/* What refuses a request, as its code; COAP_EMPTY is none. */
static uint8_t
busy(struct stack *stack)
{
	count(&stack->counters, COUNTER_bs_refused_busy);
	return COAP_SERVICE_UNAVAILABLE;
}

/* Strangers are told of at a bounded rate: a flood of names must not fill the ring that sessions
 * need. */
static uint8_t
refuse_unknown(struct stack *stack, const struct sender *from, const struct bootstrap_query *query)
{
	struct session_event event = {
		.kind = SESSION_UNKNOWN,
		.format = query->format,
		.peer = *from->peer,
		.time_us = stack->now_us,
		.started_us = stack->now_us,
	};

	count(&stack->counters, COUNTER_bs_refused_unknown);
	event.name_len =
		query->endpoint_len < sizeof event.name ? query->endpoint_len : sizeof event.name;
	memcpy(event.name, query->endpoint, event.name_len);
	if (!ratelimit_take(&stack->strangers, stack->now_us) || !events_tell(stack, &event))
		count(&stack->counters, COUNTER_bs_unknown_untold);
	return COAP_BAD_REQUEST;
}

/* A known device without anything to be sent: the control side says why in a report, so it must
 * hear of it. */
static uint8_t
refuse_no_batch(struct stack *stack, const struct sender *from, const struct device_entry *entry,
		uint16_t format)
{
	const struct session_event event = {
		.kind = SESSION_REFUSED,
		.format = format,
		.device = entry->id,
		.peer = *from->peer,
		.time_us = stack->now_us,
		.started_us = stack->now_us,
	};

	if (!events_tell(stack, &event))
		return busy(stack);
	count(&stack->counters, COUNTER_bs_refused_no_batch);
	return COAP_BAD_REQUEST;
}

/* The pool is full: the session that finished longest ago goes, if there is one. */
static bool
make_room(struct stack *stack)
{
	struct session_node *oldest = session_table_oldest_unpinned(stack->table);

	if (!oldest)
		return false;
	dialogue_close(stack, (struct session *)oldest);
	count(&stack->counters, COUNTER_sessions_evicted);
	return true;
}

static struct session *
open_session(struct stack *stack, const struct sender *from)
{
	struct session *session;
	uint8_t mid[2];

	if (session_table_full(stack->table) && !make_room(stack)) {
		count(&stack->counters, COUNTER_sessions_full);
		return NULL;
	}
	session = (struct session *)session_table_open(stack->table, from->hash, from->peer);
	rng_fill(&stack->config.rng, mid, sizeof mid);
	exchange_open(&session->exchange, (uint16_t)(mid[0] << 8 | mid[1]));
	stack->membership++;
	atomic_store_explicit(&stack->gauge_sessions, session_table_count(stack->table),
			      memory_order_relaxed);
	count(&stack->counters, COUNTER_sessions_opened);
	return session;
}

/* The session to run on: the peer's own, cleared of a former run, or a new one. NULL: no room, or
 * the outcome of the former run can't be told yet and would be lost. */
static struct session *
session_for(struct stack *stack, const struct sender *from)
{
	struct session *session = from->session;

	if (!session)
		return open_session(stack, from);
	dialogue_supersede(stack, session);
	if (session->untold)
		events_retry(stack);
	return session->untold ? NULL : session;
}

static uint8_t
begin(struct stack *stack, struct sender *from, const struct dialogue_run *run)
{
	struct session *session = session_for(stack, from);

	if (!session)
		return busy(stack);
	session->link = *from->link;
	if (dialogue_start(stack, session, run))
		return COAP_EMPTY;
	if (!from->session)
		dialogue_close(stack, session);
	return busy(stack);
}

/* The batch for a request in `format`: at hand, or NULL when the control side must make it. */
static const struct batch *
ready_batch(const struct device_entry *entry, const struct batch *batch, uint16_t format)
{
	return (entry->flags & DEVICE_PER_SESSION) || batch->format != format ? NULL : batch;
}

static uint8_t
admit(struct stack *stack, struct sender *from, const struct bootstrap_query *query,
      struct dialogue_run *run)
{
	const struct device_entry *entry = NULL;
	const struct batch *batch;

	count(&stack->counters, COUNTER_bs_requests);
	if (stack->draining)
		return busy(stack);
	if (stack->directory)
		entry = directory_find(stack->directory, query->endpoint, query->endpoint_len);
	if (!entry)
		return refuse_unknown(stack, from, query);
	/* Pairs with the control side's release when it publishes the batch. */
	batch = atomic_load_explicit(&entry->batch, memory_order_acquire);
	if (!batch || !batch->n_steps)
		return refuse_no_batch(stack, from, entry, query->format);
	run->device = entry->id;
	run->format = query->format;
	run->batch = ready_batch(entry, batch, query->format);
	return begin(stack, from, run);
}

static void
take_bootstrap(struct stack *stack, struct sender *from, const struct bootstrap_query *query,
	       struct dialogue_run *run)
{
	uint8_t code = COAP_BAD_REQUEST;

	/* Without a security identity nothing stands in for `ep` (OMA TS Core 6.1.7.1). */
	if (!query->endpoint)
		count(&stack->counters, COUNTER_bs_refused_query);
	else
		code = admit(stack, from, query, run);
	if (code != COAP_EMPTY)
		outgoing_reply(stack, from, run->header, code);
}

static bool
is_copy(const struct session *session, const struct coap_header *header, uint64_t digest)
{
	return session && session->request.mid == header->mid && session->request.digest == digest;
}

void
admission_request(struct stack *stack, struct sender *from, const struct coap_msg *msg,
		  const uint8_t *bytes, size_t len)
{
	struct dialogue_run run = {
		.header = &msg->header,
		.digest = siphash13(&stack->digest_key, bytes, len),
	};
	struct bootstrap_request request;

	/* The digest covers message id, token and all else: a rebooted device that counts its
	 * message ids from the start again differs in its token (RFC 7252 4.5). */
	if (is_copy(from->session, &msg->header, run.digest)) {
		dialogue_repeat_answer(stack, from, &msg->header);
		return;
	}
	switch (request_judge(msg, &request)) {
	case REQUEST_BOOTSTRAP:
		take_bootstrap(stack, from, &request.query, &run);
		return;
	case REQUEST_REFUSED:
		count(&stack->counters, request.counter);
		outgoing_reply(stack, from, &msg->header, request.code);
		return;
	case REQUEST_IGNORED:
		count(&stack->counters, request.counter);
		return;
	}
}
