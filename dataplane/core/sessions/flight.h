/*
 * flight.h - datagrams on their way out: slots of the outbox, the records in them that wait to be
 * sealed together, and flights, which are what goes without CoAP: handshakes and alerts.
 *
 * Owner: the caller, of the struct, for one datagram. Nothing allocated.
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* The next slot of the outbox, or NULL. What lies in it by now may leave. */
struct dgram_out *outbox_slot(struct stack *stack);

/* The content of `slot` stands behind its record's prefix; it is sealed in place later. */
void seal_later(struct stack *stack, struct dtls_session *association, struct dgram_out *slot,
		uint8_t type, uint16_t content_len);
/* The association ends: what waits of it is sealed from a copy, with everything else of the burst. */
void seal_detach(struct stack *stack, const struct dtls_session *association);
/* Seals the datagrams that wait: before the outbox leaves the stack. */
void seal_all(struct stack *stack);

struct flight {
	struct writer writer;
	struct dgram_out *slot;
};

struct flight flight_begin(struct stack *stack, const struct peer *peer, const struct link *link);
/* Sends what was written, if anything was and all of it found room. */
void flight_end(struct stack *stack, struct flight *flight);
