#include "dataplane/core/bootstrap/dialogue_judge.h"

#include "dataplane/core/bootstrap/dialogue_actions.h"
#include "dataplane/core/coap/coap_block1.h"
#include "dataplane/core/coap/coap_block2.h"
#include "dataplane/core/sessions/session_events.h"

enum { HOLDS_MAX = 3 }; /* of a run: who cannot take a step after that will not */

static enum bootstrap_input
unusable(struct session *session, enum session_cause cause)
{
	session->cause = (uint8_t)cause;
	return BOOTSTRAP_ON_UNUSABLE;
}

/*
 * The step will be sent again after so long: false when that is too long for the device's patience with a bootstrap,
 * which is that of its own requests (MAX_TRANSMIT_WAIT, RFC 7252 4.8.2).
 */
static bool
hold(struct session *session, uint64_t wait_us, const struct stack_limits *limits)
{
	if (session->holds == HOLDS_MAX ||
	    wait_us > exchange_transmit_wait_us(limits->ack_timeout_us, limits->ack_random_percent,
						limits->max_retransmit))
		return false;
	session->exchange.timeout_us = (uint32_t)wait_us;
	return true;
}

/* As long as it takes the device to repeat its request, and longer each time. */
static uint64_t
hold_by_default_us(const struct session *session, const struct stack_limits *limits)
{
	return ((uint64_t)limits->ack_timeout_us * limits->ack_random_percent / 100)
	       << session->holds;
}

/* 5.03: Max-Age says when to try again (RFC 7252 5.9.3.4). */
static bool
is_busy(struct stack *stack, struct session *session, const struct coap_options_seen *seen)
{
	const struct stack_limits *limits = stack->limits;
	uint64_t wait_us = hold_by_default_us(session, limits);

	if (seen->has & COAP_HAS_MAX_AGE)
		wait_us = seen->max_age ? (uint64_t)seen->max_age * 1000000 : 1000000;
	return hold(session, wait_us, limits);
}

/* A device that has no answer to its request yet may know nothing better to say to the first step. */
enum bootstrap_input
dialogue_judge_reset(struct stack *stack, struct session *session)
{
	if (session->progressed || session->state != BOOTSTRAP_STEP || session->holds > 0 ||
	    !hold(session, hold_by_default_us(session, stack->limits), stack->limits))
		return BOOTSTRAP_ON_RESET;
	return BOOTSTRAP_ON_BUSY;
}

/* The step is over, and the run goes on: to the next step, to what the control side makes of the
 * answer, or to its end. */
static enum bootstrap_input
step_on(struct session *session, uint8_t code)
{
	const struct batch *batch = session->batch;
	unsigned next = bootstrap_next(batch, session->step, code);

	session->progressed = true;
	if (next == batch->n_steps && batch->continues)
		return BOOTSTRAP_ON_ANSWERED;
	session->code = COAP_EMPTY;
	if (next == batch->n_steps)
		return BOOTSTRAP_ON_ACCEPTED_LAST;
	session->step = (uint16_t)next;
	return BOOTSTRAP_ON_ACCEPTED;
}

static enum bootstrap_input
accept(struct stack *stack, struct session *session, uint8_t code)
{
	count(&stack->counters, COUNTER_bs_steps);
	return step_on(session, code);
}

static void
note_refusal(struct session *session, uint8_t code)
{
	if (session->refused_steps == 0) {
		session->refused_step = session->step;
		session->refused_code = code;
	}
	if (session->refused_steps < UINT16_MAX)
		session->refused_steps++;
}

static enum bootstrap_input
refuse(struct stack *stack, struct session *session, uint8_t code)
{
	dialogue_drop_answer(stack, session); /* its first blocks, if any came */
	if (!bootstrap_tolerates(session->batch, session->step, code))
		return BOOTSTRAP_ON_REJECTED;
	count(&stack->counters, COUNTER_bs_steps_refused);
	note_refusal(session, code);
	return step_on(session, code);
}

/* ---- answers that decide what follows ---- */

static bool
answer_matters(const struct session *session)
{
	return session_step(session)->code == COAP_GET && session->batch->continues &&
	       session->step + 1 == session->batch->n_steps;
}

static enum bootstrap_input
take_answer(struct stack *stack, struct session *session, const struct coap_msg *msg,
	    const struct coap_options_seen *seen)
{
	struct answer_pool *pool = &stack->answers;

	if (!session->answer)
		session->answer = answer_pool_take(pool);
	if (!session->answer)
		return unusable(session, CAUSE_NO_ROOM);
	switch (block2_take(&session->exchange.block, answer_pool_at(pool, session->answer),
			    pool->capacity, msg, seen)) {
	case BLOCK2_AGAIN:
		return BOOTSTRAP_ON_BLOCK;
	case BLOCK2_TOO_LONG:
		return unusable(session, CAUSE_TOO_LONG);
	case BLOCK2_BROKEN:
		return unusable(session, CAUSE_BLOCKS);
	case BLOCK2_WHOLE:
		break;
	}
	return accept(stack, session, msg->header.code);
}

static enum bootstrap_input
judge_answer(struct stack *stack, struct session *session, const struct coap_msg *msg,
	     const struct coap_options_seen *seen)
{
	uint8_t code = msg->header.code;

	if (bootstrap_accepts(session_step(session)->expect, code))
		return take_answer(stack, session, msg, seen);
	if (session->answer && block2_lost(&session->exchange.block,
					   answer_pool_at(&stack->answers, session->answer), code))
		return BOOTSTRAP_ON_BLOCK;
	return refuse(stack, session, code);
}

/* ---- all replies ---- */

/* RFC 7252 5.5.2: the payload of an error without a Content-Format is for people to read. */
static bool
has_diagnostic(const struct coap_msg *msg, const struct coap_options_seen *seen)
{
	return coap_code_class(msg->header.code) >= 4 && msg->payload_len &&
	       !(seen->has & COAP_HAS_CONTENT_FORMAT);
}

enum bootstrap_input
dialogue_judge(struct stack *stack, struct session *session, const struct coap_msg *msg,
	       const struct coap_options_seen *seen)
{
	const struct batch_step *step = session_step(session);
	uint8_t code = msg->header.code;
	bool accepted;

	session->code = code;
	if (code == COAP_SERVICE_UNAVAILABLE && is_busy(stack, session, seen))
		return BOOTSTRAP_ON_BUSY;
	if (has_diagnostic(msg, seen))
		events_report_diagnostic(stack, session, msg->payload, msg->payload_len);
	if (answer_matters(session))
		return judge_answer(stack, session, msg, seen);
	accepted = bootstrap_accepts(step->expect, code);
	/* Nearly all replies: nothing of blocks is in them. */
	if (accepted && !block1_needed(&session->exchange.block, step))
		return accept(stack, session, code);
	switch (block1_reply(&session->exchange.block, step, code, accepted, seen)) {
	case BLOCK1_AGAIN:
		return BOOTSTRAP_ON_BLOCK;
	case BLOCK1_REFUSED:
		return unusable(session, CAUSE_BLOCKS);
	case BLOCK1_FINAL:
		break;
	}
	return accepted ? accept(stack, session, code) : refuse(stack, session, code);
}
