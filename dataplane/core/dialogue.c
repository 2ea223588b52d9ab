#include "dataplane/core/dialogue.h"

#include <string.h>

#include "dataplane/core/bootstrap.h"
#include "dataplane/core/coap_exchange.h"
#include "dataplane/core/dialogue_actions.h"
#include "dataplane/core/outgoing.h"
#include "dataplane/core/secured.h"
#include "dataplane/core/session_events.h"

static void
gauge_running(struct stack *stack, bool was, bool is)
{
	uint32_t running = atomic_load_explicit(&stack->gauge_running, memory_order_relaxed);

	if (was != is)
		atomic_store_explicit(&stack->gauge_running, is ? running + 1 : running - 1,
				      memory_order_relaxed);
}

/* The one writer of session.state. Trap: the session may be closed when it returns. */
static void
session_transition(struct stack *stack, struct session *session, enum bootstrap_input input)
{
	struct bootstrap_transition transition = bootstrap_transition(session->state, input);

	if (transition.action == BOOTSTRAP_DO_ILLEGAL) {
		count(&stack->counters, COUNTER_bs_illegal);
		return;
	}
	gauge_running(stack, bootstrap_running(session->state), bootstrap_running(transition.next));
	session->state = transition.next;
	dialogue_act(stack, session, transition.action);
}

/* ---- inputs: requests ---- */

void
dialogue_supersede(struct stack *stack, struct session *session)
{
	if (bootstrap_running(session->state))
		session_transition(stack, session, BOOTSTRAP_ON_SUPERSEDE);
}

void
dialogue_closed(struct stack *stack, struct session *session)
{
	if (bootstrap_running(session->state))
		session_transition(stack, session, BOOTSTRAP_ON_CLOSE);
}

static bool
announce(struct stack *stack, const struct session *session, const struct dialogue_run *run)
{
	struct session_event event = {
		.kind = run->batch ? SESSION_STARTED : SESSION_NEEDS_BATCH,
		.format = run->format,
		.device = run->device,
		.generation = run->batch ? run->batch->generation : 0,
		.plan = run->batch ? run->batch->plan : 0,
		.session = { .slot = session_slot(stack, session), .serial = stack->serial + 1 },
		.peer = session->node.peer,
		.time_us = stack->now_us,
		.started_us = stack->now_us,
	};

	return events_tell(stack, &event);
}

static void
remember_request(struct exchange_request *request, const struct dialogue_run *run)
{
	request->digest = run->digest;
	request->mid = run->header->mid;
	request->token_len = run->header->token_len;
	memcpy(request->token, run->header->token, sizeof request->token);
	request->reply_code = COAP_EMPTY;
}

bool
dialogue_start(struct stack *stack, struct session *session, const struct dialogue_run *run)
{
	if (!announce(stack, session, run))
		return false;
	session_table_pin(stack->table, &session->node);
	session->serial = ++stack->serial;
	session->device = run->device;
	session->format = run->format;
	session->generation = run->batch ? run->batch->generation : 0;
	session->plan = run->batch ? run->batch->plan : 0;
	session->started_us = stack->now_us;
	session->step = 0;
	session->cause = CAUSE_NONE;
	session->code = COAP_EMPTY;
	session->batch = run->batch;
	if (run->batch)
		batch_hold(run->batch);
	exchange_restart(&session->exchange);
	secured_limit_blocks(stack, session);
	remember_request(&session->request, run);
	session_transition(stack, session,
			   run->batch ? BOOTSTRAP_ON_REQUEST : BOOTSTRAP_ON_REQUEST_UNMADE);
	return true;
}

void
dialogue_repeat_answer(struct stack *stack, const struct sender *from,
		       const struct coap_header *header)
{
	count(&stack->counters, COUNTER_coap_rx_duplicate);
	if (from->session->request.reply_code != COAP_EMPTY)
		outgoing_reply(stack, from, header, from->session->request.reply_code);
}

/* ---- inputs: replies ---- */

/* What a reply means for the step that is out. */
static enum bootstrap_input
judge_reply(struct session *session, uint8_t code, const struct coap_options_seen *seen)
{
	const struct batch_step *step = session_step(session);

	session->code = code;
	switch (block1_reply(&session->exchange.block, step, code, seen)) {
	case BLOCK1_AGAIN:
		return BOOTSTRAP_ON_BLOCK;
	case BLOCK1_REFUSED:
		return BOOTSTRAP_ON_REJECTED;
	case BLOCK1_FINAL:
		break;
	}
	if (!bootstrap_accepts(step->expect, code))
		return BOOTSTRAP_ON_REJECTED;
	session->code = COAP_EMPTY;
	return session->step + 1 == session->batch->n_steps ? BOOTSTRAP_ON_ACCEPTED_LAST
							    : BOOTSTRAP_ON_ACCEPTED;
}

/* Not for any request of ours, or not to be understood: a CON is rejected with Reset, all else
 * silently (RFC 7252 4.2, 4.3). */
static void
reject(struct stack *stack, const struct sender *from, const struct coap_header *header,
       enum counter counter)
{
	count(&stack->counters, counter);
	if (header->type == COAP_CON)
		outgoing_empty(stack, from, COAP_RST, header->mid);
}

static void
acknowledge(struct stack *stack, const struct sender *from, const struct coap_header *header)
{
	if (header->type != COAP_CON)
		return;
	count(&stack->counters, COUNTER_coap_rx_separate);
	outgoing_empty(stack, from, COAP_ACK, header->mid);
}

static void
take_match(struct stack *stack, const struct sender *from, const struct coap_header *header,
	   const struct coap_options_seen *seen, enum exchange_match match)
{
	struct session *session = from->session;

	if (match == EXCHANGE_NONE) {
		reject(stack, from, header, COUNTER_coap_rx_unmatched);
		return;
	}
	session->link = *from->link;
	switch (match) {
	case EXCHANGE_NONE:
		return;
	case EXCHANGE_COPY:
		count(&stack->counters, COUNTER_coap_rx_duplicate);
		outgoing_empty(stack, from, COAP_ACK, header->mid);
		return;
	case EXCHANGE_ACK:
		session_transition(stack, session, BOOTSTRAP_ON_ACK);
		return;
	case EXCHANGE_RESET:
		count(&stack->counters, COUNTER_coap_rx_reset);
		session_transition(stack, session, BOOTSTRAP_ON_RESET);
		return;
	case EXCHANGE_REPLY:
		acknowledge(stack, from, header);
		session_transition(stack, session, judge_reply(session, header->code, seen));
		return;
	}
}

void
dialogue_reply(struct stack *stack, const struct sender *from, enum coap_parsed parsed,
	       const struct coap_msg *msg)
{
	struct session *session = from->session;
	struct coap_options_seen seen = { 0 };

	if (!session) {
		reject(stack, from, &msg->header, COUNTER_coap_no_session);
		return;
	}
	/* A response with a critical option that is not understood is rejected whatever it answers
	 * (RFC 7252 5.4.1). */
	if (msg->options_len && coap_options_check(msg, &seen) != COAP_OPTIONS_FINE) {
		reject(stack, from, &msg->header, COUNTER_coap_bad_reply);
		return;
	}
	take_match(stack, from, &msg->header, &seen,
		   exchange_match(&session->exchange, bootstrap_outstanding(session->state), parsed,
				  &msg->header));
}

/* ---- inputs: time and the control side ---- */

/* A session whose outcome is untold keeps its slot: it lingers on, a little at a time. */
void
dialogue_timer(struct stack *stack, struct session *session)
{
	if (session->untold && !bootstrap_running(session->state)) {
		dialogue_arm(stack, session, stack->limits->ack_timeout_us);
		return;
	}
	if (session->state == BOOTSTRAP_IDLE) { /* only an association waits there */
		secured_idle(stack, session);
		return;
	}
	session_transition(stack, session,
			   session->exchange.retransmits_left ? BOOTSTRAP_ON_TIMER
							      : BOOTSTRAP_ON_TIMER_LAST);
}

static void
take_batch(struct stack *stack, struct session *session, const struct batch *batch)
{
	session->batch = batch;
	session->generation = batch->generation;
	session->plan = batch->plan;
	session->format = batch->format;
	events_tell_started(stack, session);
	session_transition(stack, session, BOOTSTRAP_ON_BATCH);
}

/* NULL: that run's session is gone or runs another. */
static struct session *
session_of_ref(const struct stack *stack, struct session_ref ref)
{
	struct session *session = session_at(stack, ref.slot);

	return session && session->serial == ref.serial ? session : NULL;
}

void
dialogue_batch(struct stack *stack, struct session_ref ref, const struct batch *batch)
{
	struct session *session = session_of_ref(stack, ref);
	bool wanted = session && session->state == BOOTSTRAP_WAIT_BATCH;

	if (wanted && batch && batch->n_steps) {
		take_batch(stack, session, batch);
		return;
	}
	if (batch)
		batch_release(batch);
	if (wanted)
		session_transition(stack, session, BOOTSTRAP_ON_NO_BATCH);
	else
		count(&stack->counters, COUNTER_bs_stale_commands);
}

void
dialogue_cancel(struct stack *stack, struct session_ref ref)
{
	struct session *session = session_of_ref(stack, ref);

	if (!session || !bootstrap_running(session->state)) {
		count(&stack->counters, COUNTER_bs_stale_commands);
		return;
	}
	session_transition(stack, session, BOOTSTRAP_ON_CANCEL);
}

void
dialogue_abandon(struct stack *stack, struct session *session)
{
	if (bootstrap_running(session->state))
		session_transition(stack, session, BOOTSTRAP_ON_CANCEL);
}
