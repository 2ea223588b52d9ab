/*
 * session_events.h - reporting to the control side, losing nothing.
 *
 * The ring to the control side may be full. What begins a run is reported before the run begins, or
 * the run does not begin; what ends one is remembered in its session, which keeps its slot until the
 * event is taken (DESIGN: "it never drops"). So at most three events a session wait, and they need
 * no memory of their own: all follow from the session. What was not asked for when the run ends is
 * not asked for any more.
 *
 * Owner: the stack. One thread.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/core/sessions/stack_state.h"

struct ec_finish;

/* True when the control side took it; else counted. */
bool events_report(struct stack *stack, const struct session_event *event)
	__attribute__((warn_unused_result));

/* Reports an unknown endpoint name or identity, at a bounded rate: a flood of names must not fill the
 * ring that sessions need. What is not reported is counted. */
void events_report_unknown(struct stack *stack, const struct peer *peer, enum unknown_over over,
			   const uint8_t *name, size_t len);
/* The same of a name that a known device asked as, over its association. */
void events_report_other_name(struct stack *stack, const struct peer *peer, uint32_t device,
			      const uint8_t *name, size_t len);
/* Reports that someone came as a known device and was rejected: CAUSE_KEY, CAUSE_NOSEC, or
 * CAUSE_IDENTITY with the name that was asked for. The same rate, of its own. */
void events_report_rejected(struct stack *stack, const struct peer *peer, uint32_t device,
			    enum session_cause cause, const uint8_t *name, size_t len);
/* Reports an endpoint name that nobody has, which the authority finish->anchor vouches for. */
void events_report_vouched(struct stack *stack, const struct peer *peer,
			   const struct ec_finish *finish);
/* The same of a certificate, with why (enum ec_verdict) and the endpoint it is of, as far as known. */
void events_report_certificate(struct stack *stack, const struct peer *peer, uint32_t device,
			       uint8_t verdict, const uint8_t *name, size_t len);

/* What somebody asked for, which is not served, and as whom is not known: a cause, with the counter of a
 * CAUSE_REQUEST, and what was offered. The same rate, of its own. */
struct unserved {
	enum session_cause cause;
	uint16_t reason;
	const uint8_t *offered;
	size_t len, whole_len;
};
void events_report_unserved(struct stack *stack, const struct peer *peer,
			    const struct unserved *unserved);

/* Reports that the session's run began, needs what follows an answer, or ended, now or as soon as
 * there is room. */
void events_report_started(struct stack *stack, struct session *session);
void events_report_ask(struct stack *stack, struct session *session);
void events_report_outcome(struct stack *stack, struct session *session);

/*
 * Reports why the device answered `code` to the session's step, in its own words. Nothing waits for
 * it: without room it is forgotten (events_full).
 */
void events_report_diagnostic(struct stack *stack, const struct session *session,
			      const uint8_t *text, size_t len);

/* Reports what waits, oldest session first, until there is no room. */
void events_retry(struct stack *stack);
