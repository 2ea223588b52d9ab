#include "dataplane/core/sessions/session_events.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/core/sessions/sessions.h"
#include "dataplane/core/sessions/trace.h"

static_assert(SESSION_NO_FORMAT == (int)COAP_FORMAT_NONE,
	      "an answer's format is reported as it is kept");

bool
events_report(struct stack *stack, const struct session_event *event)
{
	if (stack->config.emit(stack->config.emit_ctx, event))
		return true;
	count(&stack->counters, COUNTER_events_full);
	return false;
}

/* Of somebody without a run: what no ring has room for, or its rate none, is counted and forgotten. */
static void
report_without_run(struct stack *stack, struct session_event *event, const uint8_t *name,
		   size_t len, struct ratelimit *rate, enum counter unreported)
{
	event->name_len = (uint8_t)(len < sizeof event->name ? len : sizeof event->name);
	event->time_us = event->started_us = stack->now_us;
	if (event->name_len)
		memcpy(event->name, name, event->name_len);
	if (!ratelimit_take(rate, stack->now_us) || !events_report(stack, event))
		count(&stack->counters, unreported);
}

void
events_report_unknown(struct stack *stack, const struct peer *peer, enum unknown_over over,
		      const uint8_t *name, size_t len)
{
	struct session_event event = { .kind = SESSION_UNKNOWN,
				       .over = (uint8_t)over,
				       .peer = *peer };

	report_without_run(stack, &event, name, len, &stack->unknown_rate,
			   COUNTER_bs_unknown_unreported);
}

void
events_report_other_name(struct stack *stack, const struct peer *peer, uint32_t device,
			 const uint8_t *name, size_t len)
{
	struct session_event event = { .kind = SESSION_UNKNOWN,
				       .over = UNKNOWN_OVER_DEVICE,
				       .device = device,
				       .peer = *peer };

	report_without_run(stack, &event, name, len, &stack->unknown_rate,
			   COUNTER_bs_unknown_unreported);
}

void
events_report_rejected(struct stack *stack, const struct peer *peer, uint32_t device,
		       enum session_cause cause, const uint8_t *name, size_t len)
{
	struct session_event event = {
		.kind = SESSION_REJECTED, .cause = cause, .device = device, .peer = *peer
	};

	report_without_run(stack, &event, name, len, &stack->rejected_rate,
			   COUNTER_bs_rejected_unreported);
}

void
events_report_vouched(struct stack *stack, const struct peer *peer, const struct ec_finish *finish)
{
	struct session_event event = {
		.kind = SESSION_UNKNOWN,
		.over = UNKNOWN_OVER_CERTIFICATE,
		.anchor = finish->anchor,
		.generation = finish->trust,
		.peer = *peer,
	};

	report_without_run(stack, &event, finish->name, finish->name_len, &stack->unknown_rate,
			   COUNTER_bs_unknown_unreported);
}

void
events_report_certificate(struct stack *stack, const struct peer *peer, uint32_t device,
			  uint8_t verdict, const uint8_t *name, size_t len)
{
	struct session_event event = {
		.kind = SESSION_REJECTED,
		.cause = CAUSE_CERTIFICATE,
		.code = verdict,
		.device = device,
		.peer = *peer,
	};

	trace_refused(stack, peer, device, verdict);
	report_without_run(stack, &event, name, len, &stack->rejected_rate,
			   COUNTER_bs_rejected_unreported);
}

void
events_report_unserved(struct stack *stack, const struct peer *peer,
		       const struct unserved *unserved)
{
	struct session_event event = {
		.kind = SESSION_UNSERVED,
		.cause = unserved->cause,
		.reason = unserved->reason,
		.whole_len = (uint16_t)unserved->whole_len,
		.peer = *peer,
	};

	report_without_run(stack, &event, unserved->offered, unserved->len, &stack->unserved_rate,
			   COUNTER_bs_unserved_unreported);
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
	event->time_us = session->since_us;
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
report_session(struct stack *stack, const struct session *session, enum session_pending what)
{
	struct session_event event = {
		.kind = SESSION_STARTED,
		.step = session->step,
		.format = session->format,
		.refused_steps = session->refused_steps,
		.refused_step = session->refused_step,
		.refused_code = session->refused_code,
		.device = session->device,
		.generation = session->batch ? session->batch->generation : 0,
		.received = session->watch.received,
		.sent = session->watch.sent,
		.retransmitted = session->watch.retransmitted,
		.plan = session->plan,
		.session = { .slot = session_slot(stack, session), .serial = session->serial },
		.peer = session->node.peer,
		.time_us = session->started_us,
		.started_us = session->started_us,
	};

	if (what == PENDING_OUTCOME) {
		describe_outcome(session, &event);
	} else if (what == PENDING_ASK) {
		event.time_us = stack->now_us;
		describe_ask(stack, session, &event);
	}
	return events_report(stack, &event);
}

static bool
report_ask(struct stack *stack, struct session *session)
{
	if (!report_session(stack, session, PENDING_ASK))
		return false;
	if (session->answer)
		answer_pool_at(&stack->answers, session->answer)->lent = true;
	return true;
}

static bool
report_pending(struct stack *stack, struct session *session)
{
	if ((session->pending & PENDING_STARTED) && report_session(stack, session, PENDING_STARTED))
		session->pending &= (uint8_t)~PENDING_STARTED;
	if (session->pending == PENDING_ASK && report_ask(stack, session))
		session->pending = 0;
	if (session->pending == PENDING_OUTCOME && report_session(stack, session, PENDING_OUTCOME))
		session->pending = 0;
	return session->pending == 0;
}

static void
append_pending(struct stack *stack, struct session *session)
{
	uint32_t slot = session_slot(stack, session);

	session->next_pending = NO_SLOT;
	if (stack->pending_head == NO_SLOT)
		stack->pending_head = slot;
	else
		session_at(stack, stack->pending_tail)->next_pending = slot;
	stack->pending_tail = slot;
}

/* The outcome never overtakes the start of the same run, and makes a question needless. */
static void
report_or_keep(struct stack *stack, struct session *session, enum session_pending what)
{
	bool queued = session->pending != 0;

	if (what == PENDING_OUTCOME)
		session->pending &= (uint8_t)~PENDING_ASK;
	session->pending |= (uint8_t)what;
	if (!queued && !report_pending(stack, session))
		append_pending(stack, session);
}

void
events_report_started(struct stack *stack, struct session *session)
{
	report_or_keep(stack, session, PENDING_STARTED);
}

void
events_report_ask(struct stack *stack, struct session *session)
{
	report_or_keep(stack, session, PENDING_ASK);
}

void
events_report_outcome(struct stack *stack, struct session *session)
{
	report_or_keep(stack, session, PENDING_OUTCOME);
}

void
events_report_diagnostic(struct stack *stack, const struct session *session, const uint8_t *text,
			 size_t len)
{
	struct session_event event = {
		.kind = SESSION_DIAGNOSTIC,
		.code = session->code,
		.step = session->step,
		.device = session->device,
		.plan = session->plan,
		.session = { .slot = session_slot(stack, session), .serial = session->serial },
		.peer = session->node.peer,
		.time_us = stack->now_us,
		.started_us = session->started_us,
	};

	event.name_len = (uint8_t)(len < sizeof event.name ? len : sizeof event.name);
	memcpy(event.name, text, event.name_len);
	if (!events_report(stack, &event))
		return; /* counted; the outcome alone must not be lost */
}

void
events_retry(struct stack *stack)
{
	while (stack->pending_head != NO_SLOT) {
		struct session *session = session_at(stack, stack->pending_head);

		if (!report_pending(stack, session))
			return;
		stack->pending_head = session->next_pending;
		session_settled(stack, session);
	}
}
