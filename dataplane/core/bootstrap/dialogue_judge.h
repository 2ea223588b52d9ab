/*
 * dialogue_judge.h - what a reply means for the step that is out.
 *
 * Judging moves the run on: to the next block of the step, to the step that comes next, or into the
 * buffer of an answer. Whether and how the run goes on is then the table's decision.
 *
 * Owner: the stack. One thread.
 */
#pragma once

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/sessions/stack_state.h"

/* The input that this reply is. session->code is the reply's where it matters to somebody, and
 * session->cause is set with BOOTSTRAP_ON_UNUSABLE. */
enum bootstrap_input dialogue_judge(struct stack *stack, struct session *session,
				    const struct coap_msg *msg,
				    const struct coap_options_seen *seen);

/* The same of a Reset. */
enum bootstrap_input dialogue_judge_reset(struct stack *stack, struct session *session);
