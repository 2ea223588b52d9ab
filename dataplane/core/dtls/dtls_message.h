/*
 * dtls_message.h - handshake messages: header, reassembly, transcript form (RFC 6347 4.2.2, 4.2.3,
 * 4.2.6).
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_defs.h"

/* One message or one fragment of it, borrowed from its record. */
struct dtls_message {
	uint8_t type;
	uint16_t sequence; /* message_seq */
	uint32_t length;   /* of the whole message's body */
	uint32_t offset;   /* of this fragment */
	uint32_t fragment_length;
	const uint8_t *header; /* DTLS_HANDSHAKE_HEADER bytes, with the fragment behind them */
	const uint8_t *fragment;
};

/* The next of possibly several messages of a record; false when there is none or the rest is
 * malformed. */
bool dtls_message_next(struct reader *record, struct dtls_message *message);

static inline bool
dtls_message_is_whole(const struct dtls_message *message)
{
	return message->fragment_length == message->length;
}

/* The header as if the message had not been fragmented: what the transcript covers (RFC 6347
 * 4.2.6). */
void dtls_message_header(uint8_t header[DTLS_HANDSHAKE_HEADER], uint8_t type, uint32_t length,
			 uint16_t sequence);

/*
 * Reassembly of one message into borrowed memory. Fragments may come in any order, overlap and
 * repeat. One that clashes with those before it begins anew: whoever forged one of them, its sender
 * repeats all of his. All zero: nothing yet.
 */
struct dtls_assembly {
	uint16_t length; /* of the body, set by the first fragment */
	uint16_t have;   /* bytes of it */
};

enum dtls_gather {
	DTLS_GATHER_MORE,    /* fragments are missing */
	DTLS_GATHER_WHOLE,   /* the body is complete */
	DTLS_GATHER_REFUSED, /* it does not fit the memory */
};

/* `body` has `capacity` bytes, `seen` one bit for each of them; both zeroed by the caller before
 * the first fragment. */
enum dtls_gather dtls_assembly_add(struct dtls_assembly *assembly,
				   const struct dtls_message *message, uint8_t *body, uint8_t *seen,
				   size_t capacity);
