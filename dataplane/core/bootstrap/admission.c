#include "dataplane/core/bootstrap/admission.h"

#include <string.h>

#include "dataplane/core/bootstrap/bootstrap_request.h"
#include "dataplane/core/bootstrap/dialogue.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/outgoing.h"
#include "dataplane/core/sessions/session_events.h"
#include "dataplane/core/sessions/sessions.h"
#include "dataplane/core/sessions/trace.h"

/* What refuses a request, as its code; COAP_EMPTY is none. */
static uint8_t
busy(struct stack *stack)
{
	count(&stack->counters, COUNTER_bs_refused_busy);
	return COAP_SERVICE_UNAVAILABLE;
}

/* Over DTLS a device whose identity has another endpoint name. */
static void
report_rejected(struct stack *stack, const struct sender *from, const struct bootstrap_query *query,
		const struct dtls_session *association)
{
	events_report_rejected(stack, from->peer, association->device, CAUSE_IDENTITY,
			       query->endpoint, query->endpoint_len);
}

static uint8_t
refuse_unknown(struct stack *stack, const struct sender *from, const struct bootstrap_query *query,
	       const struct dtls_session *association)
{
	count(&stack->counters, COUNTER_bs_refused_unknown);
	if (!association) {
		events_report_unknown(stack, from->peer, UNKNOWN_OVER_NOSEC, query->endpoint,
				      query->endpoint_len);
		return COAP_BAD_REQUEST;
	}
	events_report_other_name(stack, from->peer, association->device, query->endpoint,
				 query->endpoint_len);
	report_rejected(stack, from, query, association);
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

	if (!events_report(stack, &event))
		return busy(stack);
	count(&stack->counters, COUNTER_bs_refused_no_batch);
	return COAP_BAD_REQUEST;
}

/* The session to run on: the peer's own, cleared of a former run, or a new one. NULL: no room, or
 * the outcome of the former run can't be reported yet and would be lost. */
static struct session *
session_for(struct stack *stack, const struct sender *from)
{
	struct session *session = from->session;

	if (!session)
		return session_open(stack, from);
	dialogue_supersede(stack, session);
	if (session->pending)
		events_retry(stack);
	return session->pending ? NULL : session;
}

static uint8_t
begin(struct stack *stack, struct sender *from, const struct dialogue_run *run, enum counter origin)
{
	struct session *session = session_for(stack, from);

	if (!session)
		return busy(stack);
	session->link = *from->link;
	if (dialogue_start(stack, session, run)) {
		count(&stack->counters, origin);
		return COAP_EMPTY;
	}
	if (!from->session)
		session_close(stack, session);
	return busy(stack);
}

/* Whether there is anything to send. What is made for each session shows when it is made. */
static bool
has_something(const struct device_entry *entry, const struct batch *batch)
{
	return (entry->flags & DEVICE_PER_SESSION) || (batch && batch->n_steps);
}

/* The batch for a request in `format`: at hand, or NULL when the control side must make it. */
static const struct batch *
ready_batch(const struct device_entry *entry, const struct batch *batch, uint16_t format)
{
	return (entry->flags & DEVICE_PER_SESSION) || batch->format != format ? NULL : batch;
}

/* Who makes what is sent: the worker alone serves what was made ahead. */
static enum counter
origin_of_batch(const struct device_entry *entry, const struct dialogue_run *run)
{
	if (run->batch)
		return COUNTER_bs_ready;
	return run->pack || (entry->flags & DEVICE_PER_SESSION) ? COUNTER_bs_made_per_session
								: COUNTER_bs_made_on_demand;
}

/*
 * The device that asks. Over DTLS its identity owns the endpoint name: `ep` is that device's, or absent, which
 * means the same (OMA TS Core 6.1.3.3, 7.4.1).
 */
static const struct device_entry *
find_device(const struct stack *stack, const struct dtls_session *association,
	    const struct bootstrap_query *query)
{
	if (!stack->directory)
		return NULL;
	if (query->endpoint)
		return directory_find(stack->directory, query->endpoint, query->endpoint_len);
	return directory_find_owner(stack->directory, association->identity_hash,
				    association->device);
}

static uint8_t
refuse_identity(struct stack *stack, const struct sender *from, const struct bootstrap_query *query,
		const struct dtls_session *association)
{
	count(&stack->counters, COUNTER_bs_refused_identity);
	report_rejected(stack, from, query, association);
	return COAP_BAD_REQUEST;
}

static bool
must_come_over_dtls(const struct stack *stack, const struct sender *from,
		    const struct device_entry *entry)
{
	return !stack->config.listener_serves_keyed[from->peer->listener] &&
	       device_entry_needs_dtls(entry, stack->limits->abilities & DTLS_PEER_CERTIFICATES);
}

/* Answered as an unknown name is, so that nobody learns whose names are devices. Clients take 4.00 for an end of this
 * attempt, and come again later or over DTLS. */
static uint8_t
refuse_nosec(struct stack *stack, const struct sender *from, const struct device_entry *entry)
{
	count(&stack->counters, COUNTER_bs_refused_nosec);
	events_report_rejected(stack, from->peer, entry->id, CAUSE_NOSEC, NULL, 0);
	return COAP_BAD_REQUEST;
}

/* The entry of the device that asks; NULL: *code refuses it. */
static const struct device_entry *
admit_device(struct stack *stack, const struct sender *from, const struct bootstrap_query *query,
	     uint8_t *code)
{
	const struct dtls_session *association = association_of(stack, from->session);
	const struct device_entry *entry;

	if (stack->draining) {
		*code = busy(stack);
		return NULL;
	}
	entry = find_device(stack, association, query);
	if (!entry) {
		*code = refuse_unknown(stack, from, query, association);
		return NULL;
	}
	if (association && entry->id != association->device) {
		*code = refuse_identity(stack, from, query, association);
		return NULL;
	}
	if (!association && must_come_over_dtls(stack, from, entry)) {
		*code = refuse_nosec(stack, from, entry);
		return NULL;
	}
	return entry;
}

static uint8_t
admit(struct stack *stack, struct sender *from, const struct bootstrap_query *query,
      struct dialogue_run *run)
{
	const struct device_entry *entry;
	const struct batch *batch;
	uint8_t code;

	count(&stack->counters, COUNTER_bs_requests);
	entry = admit_device(stack, from, query, &code);
	if (!entry)
		return code;
	trace_identified(stack, from, entry->id);
	capture_identified(stack, from->peer, entry->id);
	/* Pairs with the control side's release when it publishes the batch. */
	batch = atomic_load_explicit(&entry->batch, memory_order_acquire);
	if (!has_something(entry, batch))
		return refuse_no_batch(stack, from, entry, query->format);
	run->device = entry->id;
	run->format = query->format;
	run->batch = ready_batch(entry, batch, query->format);
	return begin(stack, from, run, origin_of_batch(entry, run));
}

/* Without a security identity nothing stands in for `ep` (OMA TS Core 6.1.7.1). */
static bool
is_anonymous(struct stack *stack, const struct sender *from, const struct bootstrap_query *query)
{
	if (query->endpoint || association_of(stack, from->session))
		return false;
	count(&stack->counters, COUNTER_bs_refused_query);
	return true;
}

static void
take_bootstrap(struct stack *stack, struct sender *from, const struct bootstrap_query *query,
	       struct dialogue_run *run)
{
	uint8_t code = is_anonymous(stack, from, query) ? COAP_BAD_REQUEST
							: admit(stack, from, query, run);

	if (code != COAP_EMPTY)
		outgoing_reply(stack, from, run->header, code);
}

/* ---- Bootstrap-Packs ---- */

/* What a request asks for whatever block of it it names: its format and parameters, in the order that
 * they came in. Each takes the digest of those before it along. */
static uint64_t
pack_digest(const struct stack *stack, const struct coap_msg *msg, uint16_t format)
{
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;
	uint64_t digest = format;

	while (coap_option_next(&iter, &option)) {
		uint8_t bytes[sizeof digest + QUERY_OPTION_MAX];
		struct writer writer = writer_init(bytes, sizeof bytes);

		if (option.number != COAP_OPTION_URI_QUERY)
			continue;
		writer_u64(&writer, digest);
		writer_bytes(&writer, option.value, option.len);
		digest = siphash13(&stack->digest_key, bytes, writer_len(&writer));
	}
	return digest;
}

static uint8_t
bad_block(struct stack *stack)
{
	count(&stack->counters, COUNTER_coap_bad_block);
	return COAP_BAD_REQUEST;
}

/*
 * A further block of the pack that this session serves, or its first one again. Once the last was fetched, the first
 * one is asked for by a new request (RFC 7959 2.4; its copy was told by its message id), which is a new run.
 */
static bool
is_fetch(const struct stack *stack, const struct sender *from, const struct pack_request *pack)
{
	const struct dtls_session *association = association_of(stack, from->session);
	const struct session *session = from->session;

	return session && dialogue_has_pack(session, pack) &&
	       (session->state != BOOTSTRAP_DONE || pack->block.num != 0) &&
	       (!association || association->device == session->device);
}

/* A pack that was never begun, or is forgotten, has no blocks in its middle. */
static uint8_t
admit_pack(struct stack *stack, struct sender *from, const struct bootstrap_query *query,
	   struct dialogue_run *run)
{
	const struct device_entry *entry;
	uint8_t code;

	if (is_fetch(stack, from, run->pack)) {
		from->session->link = *from->link;
		return dialogue_fetch(stack, from->session, run) ? COAP_EMPTY : bad_block(stack);
	}
	count(&stack->counters, COUNTER_bs_pack_requests);
	entry = admit_device(stack, from, query, &code);
	if (!entry)
		return code;
	trace_identified(stack, from, entry->id);
	capture_identified(stack, from->peer, entry->id);
	if (run->pack->block.num != 0)
		return bad_block(stack);
	run->device = entry->id;
	run->format = run->pack->format;
	return begin(stack, from, run, origin_of_batch(entry, run));
}

static void
take_pack(struct stack *stack, struct sender *from, const struct coap_msg *msg,
	  struct bootstrap_request *request, struct dialogue_run *run)
{
	uint8_t code;

	request->pack.digest = pack_digest(stack, msg, request->pack.format);
	run->pack = &request->pack;
	code = is_anonymous(stack, from, &request->query)
		       ? COAP_BAD_REQUEST
		       : admit_pack(stack, from, &request->query, run);
	if (code != COAP_EMPTY)
		outgoing_reply(stack, from, run->header, code);
}

/* ---- all requests ---- */

/* The parameters of a refused request, as a URI has them; *whole: how long they are together. */
static size_t
join_query(const struct coap_msg *msg, uint8_t *bytes, size_t size, size_t *whole)
{
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;
	size_t at = 0;

	*whole = 0;
	while (coap_option_next(&iter, &option)) {
		size_t len = option.len;

		if (option.number != COAP_OPTION_URI_QUERY)
			continue;
		if (*whole && at < size)
			bytes[at++] = '&';
		*whole += (*whole > 0) + len;
		len = len < size - at ? len : size - at;
		memcpy(bytes + at, option.value, len);
		at += len;
	}
	return at;
}

/* A device that is refused for how it asks is to be found by its operator. */
static void
refuse_request(struct stack *stack, const struct sender *from, const struct coap_msg *msg,
	       const struct bootstrap_request *request)
{
	uint8_t offered[sizeof((struct session_event *)NULL)->name];
	struct unserved unserved = { CAUSE_REQUEST, request->counter, offered, 0, 0 };

	count(&stack->counters, request->counter);
	if (request->is_bootstrap) {
		unserved.len = join_query(msg, offered, sizeof offered, &unserved.whole_len);
		events_report_unserved(stack, from->peer, &unserved);
	}
	outgoing_reply(stack, from, &msg->header, request->code);
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
	case REQUEST_PACK:
		take_pack(stack, from, msg, &request, &run);
		return;
	case REQUEST_REFUSED:
		refuse_request(stack, from, msg, &request);
		return;
	case REQUEST_IGNORED:
		count(&stack->counters, request.counter);
		return;
	}
}
