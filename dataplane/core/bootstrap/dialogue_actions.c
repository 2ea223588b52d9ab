#include "dataplane/core/bootstrap/dialogue_actions.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/bootstrap/bootstrap_pack.h"
#include "dataplane/core/coap/coap_exchange.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/outgoing.h"
#include "dataplane/core/sessions/session_events.h"
#include "dataplane/core/sessions/sessions.h"

static struct sender
way_back(struct session *session)
{
	return (struct sender){ .peer = &session->node.peer,
				.link = &session->link,
				.session = session };
}

static struct coap_header
request_header(const struct session *session)
{
	struct coap_header header = { .type = COAP_CON,
				      .code = COAP_POST, /* a reply does not show it */
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

void
dialogue_serve(struct stack *stack, struct session *session)
{
	struct coap_header header = request_header(session);
	struct sender to = way_back(session);
	struct outgoing outgoing = outgoing_begin(stack, &to);

	session->request.reply_code = COAP_CONTENT;
	pack_write(&outgoing.writer, &header, session->batch, &session->exchange.block,
		   session->serial);
	outgoing_end(stack, &outgoing);
	count(&stack->counters, COUNTER_bs_pack_blocks);
}

/* The present phase ends, and was as long as it was; another begins. */
static void
enter_phase(struct stack *stack, struct session *session, enum run_phase next)
{
	delays_add(&stack->delays[session->phase], stack->now_us - session->since_us);
	session->phase = (uint8_t)next;
	session->since_us = stack->now_us;
}

static void
write_step(struct stack *stack, struct session *session)
{
	struct sender to = way_back(session);
	struct outgoing outgoing = outgoing_begin(stack, &to);

	exchange_write(&session->exchange, session_step(session), &outgoing.writer);
	outgoing_end(stack, &outgoing);
	session_arm(stack, session, session->exchange.timeout_us);
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
	block_rewind(&session->exchange.block);
	/* A Finish that is corrected and sent again is the same one to who waits for it. */
	if (session_step(session)->expect == BATCH_EXPECT_FINISH &&
	    session->phase == RUN_PHASE_WRITES)
		enter_phase(stack, session, RUN_PHASE_FINISH);
	send_step(stack, session);
}

static void
repeat_step(struct stack *stack, struct session *session)
{
	exchange_back_off(&session->exchange);
	write_step(stack, session);
	session_note_retransmitted(session);
	count(&stack->counters, COUNTER_coap_tx_retransmit);
}

/* MAX_TRANSMIT_WAIT (RFC 7252 4.8.2), 93 s by default: as long as the device might have needed had
 * it not sent the empty ACK. No number is given for a separate response; a bound there must be. */
static void
await_peer(struct stack *stack, struct session *session)
{
	const struct stack_limits *limits = stack->limits;

	session->exchange.retransmits_left = 0;
	session_arm(stack, session,
		    exchange_transmit_wait_us(limits->ack_timeout_us, limits->ack_random_percent,
					      limits->max_retransmit));
}

/* For the next block of its pack a device has as long: it retransmits its request meanwhile. */
static void
serve_on(struct stack *stack, struct session *session)
{
	dialogue_serve(stack, session);
	await_peer(stack, session);
}

/* A step that the device takes in blocks goes on, or starts over. */
static void
send_block(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_blocks);
	send_step(stack, session);
}

void
dialogue_drop_answer(struct stack *stack, struct session *session)
{
	if (session->answer)
		answer_pool_leave(&stack->answers, session->answer, session_slot(stack, session),
				  session->serial);
	session->answer = 0;
}

/* Blocks of a pack that was served can be fetched again while the session lingers. */
static bool
keeps_pack(const struct session *session, uint8_t cause)
{
	return cause == CAUSE_NONE && session->batch && session->batch->pack;
}

/* How a run ends. */
struct ending {
	uint8_t cause; /* enum session_cause */
	enum counter counter;
	bool refuses;  /* the request that waits gets an answer: */
	uint8_t reply; /* this one; COAP_EMPTY: session->code */
};

static const struct ending endings[] = {
	[BOOTSTRAP_DO_SERVE_LAST] = { CAUSE_NONE, COUNTER_bs_finished },
	[BOOTSTRAP_DO_FINISH] = { CAUSE_NONE, COUNTER_bs_finished },
	[BOOTSTRAP_DO_FAIL_REPLY] = { CAUSE_REPLY, COUNTER_bs_failed_reply },
	[BOOTSTRAP_DO_FAIL_RESET] = { CAUSE_RESET, COUNTER_bs_failed_reset },
	[BOOTSTRAP_DO_FAIL_TIMEOUT] = { CAUSE_TIMEOUT, COUNTER_bs_failed_timeout },
	[BOOTSTRAP_DO_FAIL_SILENT] = { CAUSE_SILENT, COUNTER_bs_failed_silent },
	[BOOTSTRAP_DO_FAIL_PACK_LEFT] = { CAUSE_PACK_LEFT, COUNTER_bs_failed_pack },
	[BOOTSTRAP_DO_FAIL_SUPERSEDED] = { CAUSE_SUPERSEDED, COUNTER_bs_superseded },
	[BOOTSTRAP_DO_FAIL_CANCELLED] = { CAUSE_CANCELLED, COUNTER_bs_cancelled },
	[BOOTSTRAP_DO_FAIL_CLOSED] = { CAUSE_CLOSED, COUNTER_bs_failed_closed },
	[BOOTSTRAP_DO_FAIL_NO_REST] = { CAUSE_NO_BATCH, COUNTER_bs_failed_no_rest },
	[BOOTSTRAP_DO_STOP] = { CAUSE_NONE, COUNTER_bs_stopped },
	[BOOTSTRAP_DO_REFUSE] = { CAUSE_NONE, COUNTER_bs_refused_no_batch, true },
	[BOOTSTRAP_DO_REFUSE_PACK] = { CAUSE_NONE, COUNTER_bs_pack_refused, true },
	[BOOTSTRAP_DO_GIVE_UP] = { CAUSE_NO_BATCH, COUNTER_bs_failed_no_batch, true,
				   COAP_SERVICE_UNAVAILABLE },
	[BOOTSTRAP_DO_REFUSE_CANCELLED] = { CAUSE_CANCELLED, COUNTER_bs_cancelled, true,
					    COAP_SERVICE_UNAVAILABLE },
};

/* The run is over, well or not: it is reported, and its session lingers for copies of the request. */
static void
end_run(struct stack *stack, struct session *session, const struct ending *ending)
{
	count(&stack->counters, ending->counter);
	if (ending->counter == COUNTER_bs_finished) {
		if (session->phase == RUN_PHASE_FINISH)
			enter_phase(stack, session, RUN_PHASE_TOTAL);
		delays_add(&stack->delays[RUN_PHASE_TOTAL], stack->now_us - session->started_us);
	}
	if (!keeps_pack(session, ending->cause))
		session_drop_batch(session);
	dialogue_drop_answer(stack, session);
	session->cause = ending->cause;
	session->since_us = stack->now_us;
	session->exchange.retransmits_left = 0;
	session_arm(stack, session, association_wait_us(stack, session, stack->limits->linger_us));
	events_report_outcome(stack, session);
	if (!session->pending)
		session_settled(stack, session);
}

static void
fail_unusable(struct stack *stack, struct session *session)
{
	static const enum counter counters[] = {
		[CAUSE_BLOCKS] = COUNTER_bs_failed_blocks,
		[CAUSE_TOO_LONG] = COUNTER_bs_failed_answer_long,
		[CAUSE_NO_ROOM] = COUNTER_bs_failed_answer_room,
	};
	const struct ending ending = { .cause = session->cause,
				       .counter = counters[session->cause] };

	end_run(stack, session, &ending);
}

/* Of a Finish it may be the answer alone that was lost. */
static void
fail_timeout(struct stack *stack, struct session *session)
{
	struct ending ending = endings[BOOTSTRAP_DO_FAIL_TIMEOUT];

	if (session_step(session)->expect == BATCH_EXPECT_FINISH)
		ending = (struct ending){ .cause = CAUSE_UNCONFIRMED,
					  .counter = COUNTER_bs_failed_unconfirmed };
	end_run(stack, session, &ending);
}

static void
await_batch(struct stack *stack, struct session *session, uint64_t wait_us)
{
	session->exchange.retransmits_left = 0;
	session_arm(stack, session, wait_us ? wait_us : stack->limits->batch_wait_us);
}

static void
ask_rest(struct stack *stack, struct session *session)
{
	unsigned wait_s = session->batch->rest_wait_s;

	count(&stack->counters, wait_s ? COUNTER_bs_confirming : COUNTER_bs_answers);
	await_batch(stack, session, UINT64_C(1000000) * wait_s);
	events_report_ask(stack, session);
}

static void
serve_last(struct stack *stack, struct session *session)
{
	dialogue_serve(stack, session);
	end_run(stack, session, &endings[BOOTSTRAP_DO_SERVE_LAST]);
}

static void
serve_again(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_pack_again);
	dialogue_serve(stack, session);
	session_arm(stack, session, stack->limits->linger_us);
}

static void
begin_steps(struct stack *stack, struct session *session)
{
	bool finishes = session_step(session)->expect == BATCH_EXPECT_FINISH;

	count(&stack->counters, COUNTER_bs_started);
	answer(stack, session, COAP_CHANGED);
	enter_phase(stack, session, finishes ? RUN_PHASE_FINISH : RUN_PHASE_WRITES);
	send_step(stack, session);
}

/* The device could not take the first step, and asks again: our answer was lost, or comes late. */
static void
begin_again(struct stack *stack, struct session *session)
{
	answer(stack, session, COAP_CHANGED);
	count(&stack->counters, COUNTER_bs_begun_again);
	next_step(stack, session);
}

static void
hold(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_held);
	dialogue_drop_answer(stack, session); /* its first blocks, if any came */
	session->holds++;
	session->exchange.retransmits_left = 0;
	session_arm(stack, session, session->exchange.timeout_us);
}

/* ---- all of them ---- */

static void
ask(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_bs_compiled_waiting);
	await_batch(stack, session, 0);
}

/* What is done while a run goes on, or for what it left. An action that is none of these ends the run, or does nothing. */
static void (*const doings[])(struct stack *, struct session *) = {
	[BOOTSTRAP_DO_ASK] = ask,
	[BOOTSTRAP_DO_ASK_REST] = ask_rest,
	[BOOTSTRAP_DO_ANSWER] = begin_steps,
	[BOOTSTRAP_DO_NEXT] = next_step,
	[BOOTSTRAP_DO_SEND] = send_block,
	[BOOTSTRAP_DO_AWAIT] = await_peer,
	[BOOTSTRAP_DO_REPEAT] = repeat_step,
	[BOOTSTRAP_DO_HOLD] = hold,
	[BOOTSTRAP_DO_BEGIN_AGAIN] = begin_again,
	[BOOTSTRAP_DO_SERVE] = serve_on,
	[BOOTSTRAP_DO_SERVE_LAST] = serve_last,
	[BOOTSTRAP_DO_SERVE_AGAIN] = serve_again,
	[BOOTSTRAP_DO_FAIL_TIMEOUT] = fail_timeout,
	[BOOTSTRAP_DO_FAIL_UNUSABLE] = fail_unusable,
	[BOOTSTRAP_DO_CLOSE] = session_close,
};

void
dialogue_act(struct stack *stack, struct session *session, enum bootstrap_action action)
{
	if (doings[action]) {
		doings[action](stack, session);
	} else if (action > BOOTSTRAP_DO_NOTHING) {
		const struct ending *ending = &endings[action];

		assert(ending->counter); /* the action has its line in one of the two tables */
		if (ending->refuses)
			answer(stack, session, ending->reply ? ending->reply : session->code);
		end_run(stack, session, ending);
	}
}
