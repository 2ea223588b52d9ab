/*
 * dialogue_actions.h - what the dialogue's table tells a session to do: send, wait, report, linger,
 * close.
 *
 * Actions read and write everything of a session but its state, which dialogue.c has set before.
 * Owner: the stack. One thread.
 */
#pragma once

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/sessions/stack_state.h"

/* Trap: the session is gone after BOOTSTRAP_DO_CLOSE. */
void dialogue_act(struct stack *stack, struct session *session, enum bootstrap_action action);

/* The block of its pack at which the session stands, as the answer to its request. */
void dialogue_serve(struct stack *stack, struct session *session);

/* The answer that the run stood at is of no use any more: gives its buffer back, if it has one. */
void dialogue_drop_answer(struct stack *stack, struct session *session);
