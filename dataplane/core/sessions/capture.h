/*
 * capture.h - the datagrams of chosen devices as they are on the wire, with the master secrets of
 * their handshakes, for the control side to put into a file.
 *
 * Who a handshake is of shows when it is half over, and the file wants it whole, its secret before
 * it. So while any device is captured, the datagrams of all handshakes are held in a bounded ring,
 * which holds nothing that is not on the wire; those of a captured device go to the control side once
 * the handshake is over, the others are overwritten. Of a cookie exchange, which leaves no state,
 * the verified hello alone is held.
 *
 * Off, it costs one predictable branch a datagram. Owner: the stack. One thread. Nothing allocated:
 * the ring is part of the stack (stack_config.capture_bytes).
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* Bytes of the ring, as a part of the stack; and the ring itself. */
size_t capture_size(const struct stack_config *config);
void capture_init(struct stack *stack, void *memory);
void capture_fini(struct stack *stack);

/* Captures the device, or no more: what is held of it goes out then, finished or not. */
void capture_set(struct stack *stack, uint32_t device, bool on);

/* Not for callers: what the inline functions below do while something is captured. */
void capture_note_received(struct stack *stack, const struct dgram_in *in, uint64_t hash);
void capture_note_hello(struct stack *stack, const struct dgram_in *in);
void capture_note_sent(struct stack *stack, const struct dgram_out *out);
void capture_note_identified(struct stack *stack, const struct peer *peer, uint32_t device);
void capture_flush(struct stack *stack);

/* Of a handshake that gave its secret up to a key log: dtls_server.key_log. */
void capture_secret(void *stack, uint32_t device, const uint8_t *client_random,
		    const uint8_t *master);

static inline bool
capture_is_on(const struct stack *stack)
{
	return __builtin_expect(stack->capture.n != 0, 0);
}

/* A datagram came, and nothing of it was opened yet. */
static inline void
capture_received(struct stack *stack, const struct dgram_in *in, uint64_t hash)
{
	if (capture_is_on(stack))
		capture_note_received(stack, in, hash);
}

/* It is a ClientHello with a cookie of ours. */
static inline void
capture_hello(struct stack *stack, const struct dgram_in *in)
{
	if (capture_is_on(stack))
		capture_note_hello(stack, in);
}

/* A datagram leaves, as it is: sealed, or in plaintext. */
static inline void
capture_sent(struct stack *stack, const struct dgram_out *out)
{
	if (capture_is_on(stack))
		capture_note_sent(stack, out);
}

/* What the peer sends is this device's, or says so. */
static inline void
capture_identified(struct stack *stack, const struct peer *peer, uint32_t device)
{
	if (capture_is_on(stack))
		capture_note_identified(stack, peer, device);
}

/* A handshake is over, whose datagrams may wait for that. */
static inline void
capture_settled(struct stack *stack)
{
	stack->capture.is_due = stack->capture.n != 0;
}

/* At the end of a call of the stack. */
static inline void
capture_end(struct stack *stack)
{
	if (__builtin_expect(stack->capture.is_due, 0))
		capture_flush(stack);
}
