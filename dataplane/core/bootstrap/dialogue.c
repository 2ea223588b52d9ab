#include "dataplane/core/bootstrap/dialogue.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/bootstrap/bootstrap_query.h"
#include "dataplane/core/bootstrap/dialogue_actions.h"
#include "dataplane/core/bootstrap/dialogue_judge.h"
#include "dataplane/core/coap/coap_block1.h"
#include "dataplane/core/coap/coap_exchange.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/outgoing.h"
#include "dataplane/core/sessions/session_events.h"
#include "dataplane/core/sessions/sessions.h"

static_assert(QUERY_ACCOUNTS_MAX <= sizeof((struct session_event *)0)->name,
	      "an event takes the accounts of a Bootstrap-Pack-Request");

/* Resets without a message of ours that are an accident: an answer of before, a rebooted device. */
enum { STRAY_RESETS_MAX = 4 };

/* Retransmissions without an answer before a step goes in smaller blocks. */
enum { SHRINK_AFTER = 1 };

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
	session_drop_batch(session); /* what was served over it is for nobody else */
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
		.ask = run->pack ? ASK_PACK : ASK_RUN,
		.session = { .slot = session_slot(stack, session), .serial = stack->serial + 1 },
		.peer = session->node.peer,
		.time_us = stack->now_us,
		.started_us = stack->now_us,
	};

	if (run->pack && run->pack->accounts) {
		event.name_len = run->pack->accounts_len;
		memcpy(event.name, run->pack->accounts, event.name_len);
	}
	return events_report(stack, &event);
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

/* The size of the blocks of a pack: what is asked for, and what the peer's records take. */
static void
remember_pack(struct session *session, const struct pack_request *pack)
{
	struct block_place *place = &session->exchange.block;

	session->pack_digest = (uint32_t)pack->digest;
	if (pack->block.szx < place->answer_szx)
		place->answer_szx = pack->block.szx;
}

static enum bootstrap_input
request_input(const struct dialogue_run *run)
{
	if (run->pack)
		return BOOTSTRAP_ON_REQUEST_PACK;
	return run->batch ? BOOTSTRAP_ON_REQUEST : BOOTSTRAP_ON_REQUEST_UNMADE;
}

bool
dialogue_start(struct stack *stack, struct session *session, const struct dialogue_run *run)
{
	if (!announce(stack, session, run))
		return false;
	session_drop_batch(session);
	session_table_pin(stack->table, &session->node);
	session->serial = ++stack->serial;
	session->device = run->device;
	session->format = run->format;
	session->watch = (struct session_watch){ 0 };
	session_note_received(session, stack->now_us);
	session->plan = run->batch ? run->batch->plan : 0;
	session->started_us = stack->now_us;
	session->phase = RUN_PHASE_REQUEST;
	session->since_us = stack->now_us;
	session->step = 0;
	session->cause = CAUSE_NONE;
	session->code = COAP_EMPTY;
	session->refused_steps = 0;
	session->refused_step = 0;
	session->refused_code = COAP_EMPTY;
	session->holds = 0;
	session->stray_resets = 0;
	session->progressed = false;
	session->batch = run->batch;
	if (run->batch)
		batch_hold(run->batch);
	exchange_restart(&session->exchange);
	association_limit_blocks(stack, session);
	if (run->pack)
		remember_pack(session, run->pack);
	remember_request(&session->request, run);
	session_transition(stack, session, request_input(run));
	return true;
}

bool
dialogue_has_pack(const struct session *session, const struct pack_request *pack)
{
	return session->batch && session->batch->pack &&
	       session->pack_digest == (uint32_t)pack->digest;
}

/* The size that records take is found anew each time: the place remembers what was asked for. */
static uint8_t
pack_size_max(const struct stack *stack, struct session *session)
{
	block_init(&session->exchange.block);
	association_limit_blocks(stack, session);
	return session->exchange.block.answer_szx;
}

bool
dialogue_fetch(struct stack *stack, struct session *session, const struct dialogue_run *run)
{
	struct block_place *place = &session->exchange.block, former = *place;
	uint8_t size_max = pack_size_max(stack, session);

	if (!pack_seek(place, session->batch, &run->pack->block, size_max)) {
		*place = former;
		return false;
	}
	remember_request(&session->request, run);
	session_transition(stack, session,
			   pack_at_end(place, session->batch) ? BOOTSTRAP_ON_FETCH_LAST
							      : BOOTSTRAP_ON_FETCH);
	return true;
}

void
dialogue_repeat_answer(struct stack *stack, const struct sender *from,
		       const struct coap_header *header)
{
	struct session *session = from->session;
	uint8_t code = session->request.reply_code;

	count(&stack->counters, COUNTER_coap_rx_duplicate);
	/* It could not take the first step, as it has no answer to its request yet. */
	if (session->state == BOOTSTRAP_STEP_HELD && !session->progressed) {
		session->link = *from->link;
		session_transition(stack, session, BOOTSTRAP_ON_COPY);
		return;
	}
	if (code == COAP_CONTENT)
		dialogue_serve(stack, session);
	else if (code != COAP_EMPTY)
		outgoing_reply(stack, from, header, code);
}

/* ---- inputs: replies ---- */

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

/*
 * Without DTLS anybody may send a Reset in the device's name, and one of 65,536 fits. Who had to guess sent others
 * before.
 */
static bool
resets_are_believed(const struct stack *stack, const struct session *session)
{
	return session->stray_resets < STRAY_RESETS_MAX || association_of(stack, session);
}

static void
take_reset(struct stack *stack, struct session *session)
{
	count(&stack->counters, COUNTER_coap_rx_reset);
	if (!resets_are_believed(stack, session)) {
		count(&stack->counters, COUNTER_coap_rx_reset_ignored);
		return;
	}
	session_transition(stack, session, dialogue_judge_reset(stack, session));
}

static void
note_stray_reset(struct session *session)
{
	if (session->stray_resets < STRAY_RESETS_MAX)
		session->stray_resets++;
}

static void
take_match(struct stack *stack, const struct sender *from, const struct coap_msg *msg,
	   const struct coap_options_seen *seen, enum exchange_match match)
{
	const struct coap_header *header = &msg->header;
	struct session *session = from->session;

	if (match == EXCHANGE_NONE) {
		if (header->type == COAP_RST)
			note_stray_reset(session);
		reject(stack, from, header, COUNTER_coap_rx_unmatched);
		return;
	}
	if (match != EXCHANGE_RESET)
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
		take_reset(stack, session);
		return;
	case EXCHANGE_REPLY:
		acknowledge(stack, from, header);
		session_transition(stack, session, dialogue_judge(stack, session, msg, seen));
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
	take_match(stack, from, msg, &seen,
		   exchange_match(&session->exchange, bootstrap_outstanding(session->state), parsed,
				  &msg->header));
}

/* ---- inputs: time and the control side ---- */

/* A step that was sent twice, and nothing came. */
static bool
is_perhaps_too_large(const struct stack *stack, const struct session *session)
{
	uint32_t left = session->exchange.retransmits_left;

	return session->state == BOOTSTRAP_STEP && left > 0 &&
	       left + SHRINK_AFTER == stack->limits->max_retransmit;
}

/* A session whose outcome is pending keeps its slot: it lingers on, a little at a time. */
void
dialogue_timer(struct stack *stack, struct session *session)
{
	if (session->pending && !bootstrap_running(session->state)) {
		session_arm(stack, session, stack->limits->ack_timeout_us);
		return;
	}
	if (is_perhaps_too_large(stack, session) &&
	    block1_shrink(&session->exchange.block, session_step(session))) {
		count(&stack->counters, COUNTER_bs_blocks_shrunk);
		session_transition(stack, session, BOOTSTRAP_ON_BLOCK);
		return;
	}
	session_transition(stack, session,
			   session->exchange.retransmits_left ? BOOTSTRAP_ON_TIMER
							      : BOOTSTRAP_ON_TIMER_LAST);
}

/* NULL: that run's session is gone or runs another. */
static struct session *
session_of_ref(const struct stack *stack, struct session_ref ref)
{
	struct session *session = session_at(stack, ref.slot);

	return session && session->serial == ref.serial ? session : NULL;
}

/* The hold on the batch is the session's from here on. */
static void
adopt_batch(struct session *session, const struct batch *batch)
{
	if (session->batch)
		batch_release(session->batch);
	session->batch = batch;
	if (batch->block_bytes)
		block_limit(&session->exchange.block, batch->block_bytes);
	session->plan = batch->plan;
	session->format = batch->format;
}

static bool
is_run(const struct batch *batch)
{
	return batch && batch->n_steps && !batch->pack;
}

/* What a refused request is answered: an error, whatever the command says. */
static uint8_t
refusal_code(const struct stack_command *command, uint8_t otherwise)
{
	unsigned class = coap_code_class(command->code);

	return class == COAP_CLASS_CLIENT_ERROR || class == COAP_CLASS_SERVER_ERROR ? command->code
										    : otherwise;
}

static bool
take_run(struct stack *stack, struct session *session, const struct stack_command *command)
{
	if (!is_run(command->batch)) {
		session->code = refusal_code(command, COAP_BAD_REQUEST);
		session_transition(stack, session, BOOTSTRAP_ON_NO_BATCH);
		return false;
	}
	adopt_batch(session, command->batch);
	events_report_started(stack, session);
	session_transition(stack, session, BOOTSTRAP_ON_BATCH);
	return true;
}

/* Its first block was asked for, in the size that the place remembers. Whoever makes a run instead
 * knows no packs. */
static bool
take_pack(struct stack *stack, struct session *session, const struct stack_command *command)
{
	const struct batch *batch = command->batch;
	struct block_place *place = &session->exchange.block;

	if (!batch || !pack_is_sound(batch)) {
		session->code =
			refusal_code(command, batch ? COAP_NOT_IMPLEMENTED : COAP_BAD_REQUEST);
		session_transition(stack, session, BOOTSTRAP_ON_NO_BATCH);
		return false;
	}
	adopt_batch(session, batch);
	count(&stack->counters, COUNTER_bs_started);
	events_report_started(stack, session);
	session_transition(stack, session,
			   pack_at_end(place, batch) ? BOOTSTRAP_ON_FETCH_LAST
						     : BOOTSTRAP_ON_FETCH);
	return true;
}

static bool
take_rest(struct stack *stack, struct session *session, const struct stack_command *command)
{
	if (session->answer)
		answer_pool_at(&stack->answers, session->answer)->lent = false;
	dialogue_drop_answer(stack, session);
	if (!is_run(command->batch)) {
		session_transition(stack, session, BOOTSTRAP_ON_NO_BATCH);
		return false;
	}
	adopt_batch(session, command->batch);
	session->code = COAP_EMPTY;
	if (command->from >= command->batch->n_steps) {
		session_transition(stack, session, BOOTSTRAP_ON_NOTHING_MORE);
		return true;
	}
	session->step = command->from;
	session_transition(stack, session, BOOTSTRAP_ON_BATCH);
	return true;
}

/* For a run that is over, or never asked. */
static bool
take_stale(struct stack *stack, const struct stack_command *command)
{
	answer_pool_reclaim(&stack->answers, command->session.slot, command->session.serial);
	count(&stack->counters, COUNTER_bs_stale_commands);
	return false;
}

/* True: the session has the batch. */
static bool
take_batch(struct stack *stack, const struct stack_command *command)
{
	struct session *session = session_of_ref(stack, command->session);

	if (!session)
		return take_stale(stack, command);
	switch ((enum bootstrap_state)session->state) {
	case BOOTSTRAP_WAIT_BATCH:
		return take_run(stack, session, command);
	case BOOTSTRAP_WAIT_PACK:
		return take_pack(stack, session, command);
	case BOOTSTRAP_WAIT_REST:
		if (!(session->pending & PENDING_ASK))
			return take_rest(stack, session, command);
		return take_stale(stack, command);
	default:
		return take_stale(stack, command);
	}
}

void
dialogue_batch(struct stack *stack, const struct stack_command *command)
{
	const struct batch *batch = command->batch;

	if (!take_batch(stack, command) && batch)
		batch_release(batch);
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
	session_drop_batch(session);
}
