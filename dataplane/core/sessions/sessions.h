/*
 * sessions.h - sessions begin, wait and end.
 *
 * A session is opened for a peer that asked for a bootstrap or proved its address, pinned; it is
 * closed by its timer, by the end of its association, or to make room. What a dialogue does in
 * between is bootstrap/'s.
 *
 * Owner: the stack. One thread. Nothing allocated.
 */
#pragma once

#include "dataplane/core/sessions/bootstrap_state.h"
#include "dataplane/core/sessions/stack_state.h"

/* A session for a peer that has none, pinned, evicting the one that finished longest ago where the
 * pool is full. NULL, and counted: every one is needed. */
struct session *session_open(struct stack *stack, const struct sender *from);

/* Waits for this session, instead of whatever it waited for. */
static inline void
session_arm(struct stack *stack, struct session *session, uint64_t wait_us)
{
	timer_wheel_arm(&stack->wheel, session_slot(stack, session), stack->now_us + wait_us);
}

/* Gives the session's batch back, if it holds one; with a pack goes the memory of its request. */
void session_drop_batch(struct session *session);

/* The session's last event was reported: from now on it may be evicted, unless it runs. */
void session_settled(struct stack *stack, struct session *session);

/* Frees a session's slot with its association; it is running no more and has no event pending. */
void session_close(struct stack *stack, struct session *session);
