/*
 * trace.h - copies of what chosen devices send and get, for the control side to show.
 *
 * Off, it costs one predictable branch a message. On, messages of all devices pay for a look at a
 * handful of numbers, and those of a traced device are copied, up to TRACE_BYTES, behind the record
 * layer: as CoAP. A device that has no session yet is known once its request has been admitted:
 * until then the message waits where it is.
 *
 * Owner: the stack. One thread. Nothing allocated.
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* STACK_TRACE: traces the device, or no more. One more than TRACED_MAX is counted and not traced. */
void trace_set(struct stack *stack, uint32_t device, bool on, bool datagrams);

/* Not for callers: what the inline functions below do while something is traced. */
void trace_note_received(struct stack *stack, const struct sender *from, const uint8_t *data,
			 size_t len);
void trace_note_identified(struct stack *stack, const struct sender *from, uint32_t device);
void trace_note_sent(struct stack *stack, const struct outgoing *outgoing, size_t len);
void trace_note_milestone(struct stack *stack, const struct session *session, uint32_t device,
			  enum trace_kind kind);

void trace_note_refused(struct stack *stack, const struct peer *peer, uint32_t device,
			uint8_t verdict);

static inline bool
trace_is_on(const struct stack *stack)
{
	return __builtin_expect(stack->trace.n != 0, 0);
}

/* A CoAP message came, as this is. Its bytes must stay until it is processed. */
static inline void
trace_received(struct stack *stack, const struct sender *from, const uint8_t *data, size_t len)
{
	if (trace_is_on(stack))
		trace_note_received(stack, from, data, len);
}

/* The message that is being processed is this device's. */
static inline void
trace_identified(struct stack *stack, const struct sender *from, uint32_t device)
{
	if (trace_is_on(stack))
		trace_note_identified(stack, from, device);
}

/* A message of `len` bytes leaves; it is not sealed yet. */
static inline void
trace_sent(struct stack *stack, const struct outgoing *outgoing, size_t len)
{
	if (trace_is_on(stack))
		trace_note_sent(stack, outgoing, len);
}

/* Something that is no CoAP message happened between us and the device. */
static inline void
trace_milestone(struct stack *stack, const struct session *session, uint32_t device,
		enum trace_kind kind)
{
	if (trace_is_on(stack))
		trace_note_milestone(stack, session, device, kind);
}

/* A handshake of the device's is refused, as its certificate is (enum ec_verdict). */
static inline void
trace_refused(struct stack *stack, const struct peer *peer, uint32_t device, uint8_t verdict)
{
	if (trace_is_on(stack))
		trace_note_refused(stack, peer, device, verdict);
}
