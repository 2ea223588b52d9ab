/*
 * admission.h - which requests lead to a dialogue, and what the others are answered.
 *
 * In the order of what it costs: a copy of a known request, the message alone
 * (bootstrap_request.h), draining, the directory, room in the pool, room for the event. A session
 * is opened last, so whoever is refused leaves no trace but counters.
 *
 * Owner: the stack. One thread.
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* A CON or NON request (COAP_IS_REQUEST); `bytes` is the whole message. */
void admission_request(struct stack *stack, struct sender *from, const struct coap_msg *msg,
		       const uint8_t *bytes, size_t len);
