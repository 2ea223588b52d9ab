/*
 * look_ahead.h - fetches what the messages of a burst will need of the directory and of batches,
 * before the first of them is processed.
 *
 * With a million devices each of these lines is in main memory when its device comes: the bucket, the
 * entry that it leads to, the batch, the step. One after the other a Bootstrap-Request would wait for
 * four of them; here a burst waits for each kind once, together. A guess that is wrong costs a fetch
 * and nothing else: whoever processes the message looks everything up himself.
 *
 * Pure; allocates nothing; the worker's thread. Reads the directory under the caller's quiescent
 * points.
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* `sessions[i]` is that of the peer of in[i], or NULL; n is STACK_BURST at most. */
void look_ahead(const struct stack *stack, const struct dgram_in *in,
		struct session *const *sessions, unsigned n);
