/*
 * outgoing.h - the one door through which CoAP messages leave.
 *
 * outgoing_begin() -> write the message through outgoing.writer -> outgoing_end(). Over NoSec the
 * message is written straight into the outbox slot; a record layer leaves its header's room in
 * front and seals in outgoing_end(), in place: nothing is copied either way.
 *
 * Owner: the caller, of the struct, for one message. Nothing allocated.
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* Always usable: without a free slot the message is written nowhere, and counted. */
struct outgoing outgoing_begin(struct stack *stack, const struct sender *to);
void outgoing_end(struct stack *stack, struct outgoing *outgoing);

/* An empty ACK or Reset. */
void outgoing_empty(struct stack *stack, const struct sender *to, enum coap_type type,
		    uint16_t mid);
/* A reply without content to a request. */
void outgoing_reply(struct stack *stack, const struct sender *to, const struct coap_header *request,
		    uint8_t code);
