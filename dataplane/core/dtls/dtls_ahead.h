/*
 * dtls_ahead.h - key schedules made ahead: in a burst of datagrams, two handshakes' in step.
 *
 * A key schedule is a chain of hashes, each of the one before: it leaves half of a processor idle, and
 * two side by side cost little more than one. So before the first datagram of a burst is taken, the
 * ClientKeyExchanges that are about to be accepted are noted. When the first of them is taken, like any
 * other, its schedule is made beside that of the next one, which finds its keys made when its turn
 * comes.
 *
 * Nothing but time depends on it. A schedule holds what it was made of, and serves only the handshake
 * that comes to its keys by exactly that: the same transcript, the same message. Whatever happens in
 * between (another datagram of the same client, its handshake displaced or begun anew) leaves the
 * schedule unused, and keys are made as for a handshake that comes alone. A forger gains nothing:
 * schedules are made when one is accepted, and for what is about to be.
 *
 *	dtls_ahead_note()	each datagram of the burst whose peer has a handshake
 *	dtls_handshake_receive()	as ever: takes what it finds by dtls_server.ahead
 *	dtls_ahead_forget()	at the end of the burst, whose bytes are borrowed until then
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks. Holds secrets until
 * dtls_ahead_forget().
 */
#pragma once

#include "dataplane/core/dtls/dtls_handshake.h"

enum { DTLS_AHEAD_MAX = 32 };

/* A ClientKeyExchange that its handshake expects. */
struct dtls_ahead_note {
	const struct dtls_handshake *handshake;
	const uint8_t *exchange; /* its body, in its datagram */
	uint16_t len, message;   /* of it; its message_seq */
};

struct dtls_ahead_schedule {
	/* What it is made of. */
	struct dtls_ahead_note of;
	struct crypto_sha256 before; /* the transcript up to the message */

	/* What was made. */
	bool is_known, is_taken;
	uint32_t device;
	uint64_t identity_hash;
	struct crypto_sha256 transcript; /* with the message */
	uint8_t master[DTLS_MASTER_SECRET];
	struct dtls_derived derived;
	uint8_t answer[DTLS_VERIFY_DATA]; /* what our Finished says */
};

/* All zero: nothing. */
struct dtls_ahead {
	unsigned n_notes;
	bool has_made;
	struct dtls_ahead_note notes[DTLS_AHEAD_MAX];  /* in the order of their datagrams */
	struct dtls_ahead_schedule made[DTLS_IN_STEP]; /* the newest two */
};

/* Notes the ClientKeyExchange that the datagram begins with, if this handshake will accept it. */
void dtls_ahead_note(struct dtls_ahead *ahead, const struct dtls_handshake *handshake,
		     const uint8_t *datagram, size_t len);
/*
 * The schedule of the whole, well-formed key exchange that this handshake has at hand: made before, or
 * now beside that of another one; NULL: there is none to go in step with.
 */
struct dtls_ahead_schedule *dtls_ahead_take(const struct dtls_server *server,
					    const struct dtls_handshake *handshake);
/* What our Finished says, where the handshake took its keys from here; else NULL. */
const uint8_t *dtls_ahead_answer(const struct dtls_ahead *ahead,
				 const struct dtls_handshake *handshake);
void dtls_ahead_forget(struct dtls_ahead *ahead);
