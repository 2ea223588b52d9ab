#include "dataplane/core/sessions/session_events.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/sessions/sessions.h"

static_assert(SESSION_NO_FORMAT == (int)COAP_FORMAT_NONE,
	      "an answer's format is told as it is kept");

bool
events_tell(struct stack *stack, const struct session_event *event)
{
	if (stack->config.emit(stack->config.emit_ctx, event))
		return true;
	count(&stack->counters, COUNTER_events_full);
	return false;
}

/* Of somebody without a run: what no ring has room for, or its rate none, is counted and forgotten. */
static void
tell_of(struct stack *stack, struct session_event *event, const uint8_t *name, size_t len,
	struct ratelimit *rate, enum counter untold)
{
	event->name_len = (uint8_t)(len < sizeof event->name ? len : sizeof event->name);
	event->time_us = event->started_us = stack->now_us;
	if (event->name_len)
		memcpy(event->name, name, event->name_len);
	if (!ratelimit_take(rate, stack->now_us) || !events_tell(stack, event))
		count(&stack->counters, untold);
}

void
events_tell_stranger(struct stack *stack, const struct peer *peer, uint16_t format,
		     const uint8_t *name, size_t len)
{
	struct session_event event = { .kind = SESSION_UNKNOWN, .format = format, .peer = *peer };

	tell_of(stack, &event, name, len, &stack->strangers, COUNTER_bs_unknown_untold);
}

void
events_tell_turned_away(struct stack *stack, const struct peer *peer, uint32_t device,
			enum session_cause cause, const uint8_t *name, size_t len)
{
	struct session_event event = {
		.kind = SESSION_TURNED_AWAY, .cause = cause, .device = device, .peer = *peer
	};

	tell_of(stack, &event, name, len, &stack->turned_away, COUNTER_bs_turned_away_untold);
}

/* A run that ended without a cause of failure, yet not in DONE, had no batch to begin with. */
static enum session_event_kind
outcome_kind(const struct session *session)
{
	if (session->state == BOOTSTRAP_DONE)
		return SESSION_FINISHED;
	return session->cause == CAUSE_NONE ? SESSION_REFUSED : SESSION_FAILED;
}

static void
describe_outcome(const struct session *session, struct session_event *event)
{
	event->kind = outcome_kind(session);
	event->cause = session->cause;
	event->code = session->code;
	event->time_us = session->ended_us;
}

/* The answer is the control side's to read from here on, unless the event is not taken. */
static void
describe_ask(const struct stack *stack, const struct session *session, struct session_event *event)
{
	event->kind = SESSION_NEEDS_BATCH;
	event->ask = ASK_REST;
	event->code = session->code;
	event->format = SESSION_NO_FORMAT;
	if (session->answer) {
		struct answer *answer = answer_pool_at(&stack->answers, session->answer);

		event->format = answer->format;
		event->answer = answer->bytes;
		event->answer_len = answer->len;
	}
}

static bool
tell_session(struct stack *stack, const struct session *session, enum session_untold what)
{
	struct session_event event = {
		.kind = SESSION_STARTED,
		.step = session->step,
		.format = session->format,
		.refused_steps = session->refused_steps,
		.refused_step = session->refused_step,
		.refused_code = session->refused_code,
		.device = session->device,
		.generation = session->generation,
		.plan = session->plan,
		.session = { .slot = session_slot(stack, session), .serial = session->serial },
		.peer = session->node.peer,
		.time_us = session->started_us,
		.started_us = session->started_us,
	};

	if (what == UNTOLD_OUTCOME) {
		describe_outcome(session, &event);
	} else if (what == UNTOLD_ASK) {
		event.time_us = stack->now_us;
		describe_ask(stack, session, &event);
	}
	return events_tell(stack, &event);
}

static bool
tell_ask(struct stack *stack, struct session *session)
{
	if (!tell_session(stack, session, UNTOLD_ASK))
		return false;
	if (session->answer)
		answer_pool_at(&stack->answers, session->answer)->lent = true;
	return true;
}

static bool
tell_untold(struct stack *stack, struct session *session)
{
	if ((session->untold & UNTOLD_STARTED) && tell_session(stack, session, UNTOLD_STARTED))
		session->untold &= (uint8_t)~UNTOLD_STARTED;
	if (session->untold == UNTOLD_ASK && tell_ask(stack, session))
		session->untold = 0;
	if (session->untold == UNTOLD_OUTCOME && tell_session(stack, session, UNTOLD_OUTCOME))
		session->untold = 0;
	return session->untold == 0;
}

static void
append_untold(struct stack *stack, struct session *session)
{
	uint32_t slot = session_slot(stack, session);

	session->next_untold = NO_SLOT;
	if (stack->untold_head == NO_SLOT)
		stack->untold_head = slot;
	else
		session_at(stack, stack->untold_tail)->next_untold = slot;
	stack->untold_tail = slot;
}

/* The outcome never overtakes the start of the same run, and makes a question needless. */
static void
tell_or_keep(struct stack *stack, struct session *session, enum session_untold what)
{
	bool queued = session->untold != 0;

	if (what == UNTOLD_OUTCOME)
		session->untold &= (uint8_t)~UNTOLD_ASK;
	session->untold |= (uint8_t)what;
	if (!queued && !tell_untold(stack, session))
		append_untold(stack, session);
}

void
events_tell_started(struct stack *stack, struct session *session)
{
	tell_or_keep(stack, session, UNTOLD_STARTED);
}

void
events_tell_ask(struct stack *stack, struct session *session)
{
	tell_or_keep(stack, session, UNTOLD_ASK);
}

void
events_tell_outcome(struct stack *stack, struct session *session)
{
	tell_or_keep(stack, session, UNTOLD_OUTCOME);
}

void
events_retry(struct stack *stack)
{
	while (stack->untold_head != NO_SLOT) {
		struct session *session = session_at(stack, stack->untold_head);

		if (!tell_untold(stack, session))
			return;
		stack->untold_head = session->next_untold;
		session_settled(stack, session);
	}
}
