#include "dataplane/core/dialogue.h"

#include <string.h>

#include "dataplane/core/bootstrap.h"
#include "dataplane/core/coap_exchange.h"
#include "dataplane/core/outgoing.h"
#include "dataplane/core/session_events.h"

struct session *
session_at(const struct stack *stack, uint32_t slot)
{
	return (struct session *)session_table_at(stack->table, slot);
}

struct session_ref
session_ref(const struct stack *stack, const struct session *session)
{
	return (struct session_ref){ .slot = session_table_slot(stack->table, &session->node),
				     .serial = session->serial };
}

/* NULL: that run's session is gone or runs another. */
static struct session *
session_of_ref(const struct stack *stack, struct session_ref ref)
{
	struct session *session = session_at(stack, ref.slot);

	return session && session->serial == ref.serial ? session : NULL;
}

static struct sender
way_back(struct session *session)
{
	return (struct sender){ .peer = &session->node.peer,
				.link = &session->link,
				.session = session };
}

/* ---- what actions are made of ---- */

static void
arm(struct stack *stack, struct session *session, uint64_t wait_us)
{
	timer_wheel_arm(&stack->wheel, session_table_slot(stack->table, &session->node),
			stack->now_us + wait_us);
}

static struct coap_header
request_header(const struct session *session)
{
	struct coap_header header = { .type = COAP_CON,
				      .code = COAP_POST,
				      .mid = session->request.mid,
				      .token_len = session->request.token_len };

	memcpy(header.token, session->request.token, sizeof header.token);
	return header;
}

static void
answer(struct stack *stack, struct session *session, uint8_t code)
{
	struct coap_header header = request_header(session);
	struct sender to = way_back(session);

	session->request.reply_code = code;
	outgoing_reply(stack, &to, &header, code);
}

static const struct batch_step *
current_step(const struct session *session)
{
	return session->batch->steps[session->step];
}

static void
write_step(struct stack *stack, struct session *session)
{
	struct sender to = way_back(session);
	struct outgoing outgoing = outgoing_begin(stack, &to);

	exchange_write(&session->exchange, current_step(session), &outgoing.writer);
	outgoing_end(stack, &outgoing);
	arm(stack, session, session->exchange.timeout_us);
}

static void
send_step(struct stack *stack, struct session *session)
{
	const struct stack_limits *limits = stack->limits;
	const struct exchange_timing timing = { .ack_timeout_us = limits->ack_timeout_us,
						.ack_random_percent = limits->ack_random_percent,
						.max_retransmit = limits->max_retransmit };
	uint8_t random[EXCHANGE_RANDOM_LEN];

	rng_fill(&stack->config.rng, random, sizeof random);
	exchange_begin(&session->exchange, &timing, random);
	write_step(stack, session);
}

static void
next_step(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_steps);
	session->step++;
	block1_rewind(&session->exchange.block);
	send_step(stack, session);
}

static void
repeat_step(struct stack *stack, struct session *session)
{
	exchange_back_off(&session->exchange);
	write_step(stack, session);
	count(&stack->counters, COUNTER_coap_tx_retransmit);
}

/* MAX_TRANSMIT_WAIT (RFC 7252 4.8.2), 93 s by default: as long as the device might have needed had
 * it not sent the empty ACK. No number is given for a separate response; a bound there must be. */
static void
await_response(struct stack *stack, struct session *session)
{
	const struct stack_limits *limits = stack->limits;
	uint32_t doublings = limits->max_retransmit < 31 ? limits->max_retransmit : 31;
	uint64_t wait = (uint64_t)limits->ack_timeout_us * ((UINT64_C(2) << doublings) - 1);

	session->exchange.retransmits_left = 0;
	arm(stack, session, wait / 100 * limits->ack_random_percent);
}

/* A step that the device takes in blocks goes on, or starts over. */
static void
send_block(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_blocks);
	send_step(stack, session);
}

static void
release_batch(struct session *session)
{
	if (session->batch)
		batch_release(session->batch);
	session->batch = NULL;
}

/* The run is over, well or not: it is told, and its session lingers for copies of the request. */
static void
end_run(struct stack *stack, struct session *session, enum session_cause cause,
	enum counter counter)
{
	count(&stack->counters, counter);
	release_batch(session);
	session->cause = cause;
	session->ended_us = stack->now_us;
	session->exchange.retransmits_left = 0;
	arm(stack, session, stack->limits->linger_us);
	events_tell_outcome(stack, session);
	if (!session->untold)
		dialogue_settled(stack, session);
}

static void
begin_steps(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_started);
	answer(stack, session, COAP_CHANGED);
	send_step(stack, session);
}

/* ---- the table at work ---- */

static void
act(struct stack *stack, struct session *session, enum bootstrap_action action)
{
	switch (action) {
	case BOOTSTRAP_DO_ILLEGAL:
	case BOOTSTRAP_DO_NOTHING:
		return;
	case BOOTSTRAP_DO_ASK:
		count(&stack->counters, COUNTER_bs_compiled_waiting);
		arm(stack, session, stack->limits->batch_wait_us);
		return;
	case BOOTSTRAP_DO_ANSWER:
		begin_steps(stack, session);
		return;
	case BOOTSTRAP_DO_NEXT:
		next_step(stack, session);
		return;
	case BOOTSTRAP_DO_SEND:
		send_block(stack, session);
		return;
	case BOOTSTRAP_DO_AWAIT:
		await_response(stack, session);
		return;
	case BOOTSTRAP_DO_REPEAT:
		repeat_step(stack, session);
		return;
	case BOOTSTRAP_DO_FINISH:
		count(&stack->counters, COUNTER_bs_steps);
		end_run(stack, session, CAUSE_NONE, COUNTER_bs_finished);
		return;
	case BOOTSTRAP_DO_FAIL_REPLY:
		end_run(stack, session, CAUSE_REPLY, COUNTER_bs_failed_reply);
		return;
	case BOOTSTRAP_DO_FAIL_RESET:
		end_run(stack, session, CAUSE_RESET, COUNTER_bs_failed_reset);
		return;
	case BOOTSTRAP_DO_FAIL_TIMEOUT:
		end_run(stack, session, CAUSE_TIMEOUT, COUNTER_bs_failed_timeout);
		return;
	case BOOTSTRAP_DO_FAIL_SUPERSEDED:
		end_run(stack, session, CAUSE_SUPERSEDED, COUNTER_bs_superseded);
		return;
	case BOOTSTRAP_DO_FAIL_CANCELLED:
		end_run(stack, session, CAUSE_CANCELLED, COUNTER_bs_cancelled);
		return;
	case BOOTSTRAP_DO_REFUSE:
		answer(stack, session, COAP_BAD_REQUEST);
		end_run(stack, session, CAUSE_NONE, COUNTER_bs_refused_no_batch);
		return;
	case BOOTSTRAP_DO_GIVE_UP:
		answer(stack, session, COAP_SERVICE_UNAVAILABLE);
		end_run(stack, session, CAUSE_NO_BATCH, COUNTER_bs_failed_no_batch);
		return;
	case BOOTSTRAP_DO_TURN_AWAY:
		answer(stack, session, COAP_SERVICE_UNAVAILABLE);
		end_run(stack, session, CAUSE_CANCELLED, COUNTER_bs_cancelled);
		return;
	case BOOTSTRAP_DO_CLOSE:
		dialogue_close(stack, session);
		return;
	}
}

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
	act(stack, session, transition.action);
}

/* ---- inputs: requests ---- */

void
dialogue_supersede(struct stack *stack, struct session *session)
{
	if (bootstrap_running(session->state))
		session_transition(stack, session, BOOTSTRAP_ON_SUPERSEDE);
}

static bool
announce(struct stack *stack, const struct session *session, const struct dialogue_run *run)
{
	struct session_event event = {
		.kind = run->batch ? SESSION_STARTED : SESSION_NEEDS_BATCH,
		.format = run->format,
		.device = run->device,
		.generation = run->batch ? run->batch->generation : 0,
		.session = { .slot = session_table_slot(stack->table, &session->node),
			     .serial = stack->serial + 1 },
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
	session->started_us = stack->now_us;
	session->step = 0;
	session->cause = CAUSE_NONE;
	session->code = COAP_EMPTY;
	session->batch = run->batch;
	if (run->batch)
		batch_hold(run->batch);
	exchange_restart(&session->exchange);
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
	const struct batch_step *step = current_step(session);

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
		arm(stack, session, stack->limits->ack_timeout_us);
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
	session->format = batch->format;
	events_tell_started(stack, session);
	session_transition(stack, session, BOOTSTRAP_ON_BATCH);
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

/* ---- the end of a session ---- */

void
dialogue_settled(struct stack *stack, struct session *session)
{
	if (!bootstrap_running(session->state))
		session_table_unpin(stack->table, &session->node);
}

void
dialogue_close(struct stack *stack, struct session *session)
{
	timer_wheel_cancel(&stack->wheel, session_table_slot(stack->table, &session->node));
	session_table_close(stack->table, &session->node);
	stack->membership++;
	atomic_store_explicit(&stack->gauge_sessions, session_table_count(stack->table),
			      memory_order_relaxed);
	count(&stack->counters, COUNTER_sessions_closed);
}

void
dialogue_abandon(struct stack *stack, struct session *session)
{
	if (bootstrap_running(session->state))
		session_transition(stack, session, BOOTSTRAP_ON_CANCEL);
}
