/*
 * dialogue_actions.h - what the dialogue's table tells a session to do: send, wait, tell, linger,
 * close.
 *
 * Actions read and write everything of a session but its state, which dialogue.c has set before.
 * Owner: the stack. One thread.
 */
#pragma once

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/stack_state.h"

/* Trap: the session is gone after BOOTSTRAP_DO_CLOSE. */
void dialogue_act(struct stack *stack, struct session *session, enum bootstrap_action action);

/* Waits for this session, instead of whatever it waited for. */
void dialogue_arm(struct stack *stack, struct session *session, uint64_t wait_us);

/* The block of its pack at which the session stands, as the answer to its request. */
void dialogue_serve(struct stack *stack, struct session *session);

/* The answer that the run stood at is of no use any more: gives its buffer back, if it has one. */
void dialogue_drop_answer(struct stack *stack, struct session *session);

/* Gives the session's batch back, if it holds one; with a pack goes the memory of its request. */
void dialogue_drop_batch(struct session *session);

/* The session's last event was told: from now on it may be evicted, unless it runs. */
void dialogue_settled(struct stack *stack, struct session *session);

/* A session for a peer that has none, pinned, evicting the one that finished longest ago where the
 * pool is full. NULL, and counted: every one is needed. */
struct session *dialogue_open(struct stack *stack, const struct sender *from);

/* Frees a session's slot; it is running no more and has nothing untold. */
void dialogue_close(struct stack *stack, struct session *session);
