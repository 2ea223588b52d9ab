/*
 * dtls_ahead.h - key schedules made ahead: those of several handshakes in one burst of datagrams,
 * two in step.
 *
 * A key schedule is a chain of hashes, each of the one before: it leaves half of a processor idle, and
 * two side by side cost little more than one. So before the first datagram of a burst is taken, the
 * ClientKeyExchanges that are about to be accepted are noted, and the schedules of each two of them
 * are made. When such a message is then taken, like any other, its keys are there.
 *
 * Nothing but time depends on it. A schedule holds what it was made of, and serves only the handshake
 * that comes to its keys by exactly that: the same transcript, the same message. Whatever happens in
 * between (another datagram of the same client, its handshake displaced or begun anew) leaves the
 * schedule unused, and keys are made as for a handshake that comes alone. A forger gains nothing: only
 * what will be accepted is noted, once a handshake, and that moves the handshake on.
 *
 *	dtls_ahead_note()	each datagram of the burst whose peer has a handshake
 *	dtls_ahead_make()
 *	dtls_handshake_receive()	as ever; finds what was made by dtls_server.ahead
 *	dtls_ahead_forget()	at the end of the burst, whose bytes are borrowed until then
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks. Holds secrets until
 * dtls_ahead_forget().
 */
#pragma once

#include "dataplane/core/dtls/dtls_handshake.h"

enum { DTLS_AHEAD_MAX = 32 };

struct dtls_ahead_schedule {
	/* What it is made of. */
	const struct dtls_handshake *handshake;
	const uint8_t *exchange; /* body of the ClientKeyExchange, in its datagram */
	uint16_t exchange_len;
	struct crypto_sha256 before; /* the transcript up to it */

	/* What was made. */
	bool is_known, is_taken;
	uint32_t device;
	uint64_t identity_hash;
	struct crypto_sha256 transcript; /* with it */
	uint8_t master[DTLS_MASTER_SECRET];
	struct dtls_derived derived;
	uint8_t answer[DTLS_VERIFY_DATA]; /* what our Finished says */
};

/* All zero: nothing. */
struct dtls_ahead {
	unsigned n_noted, n_made;
	struct dtls_ahead_schedule schedules[DTLS_AHEAD_MAX];
};

/* Notes the ClientKeyExchange that the datagram begins with, if this handshake will accept it. */
void dtls_ahead_note(struct dtls_ahead *ahead, const struct dtls_handshake *handshake,
		     const uint8_t *datagram, size_t len);
/* Of an odd number the last one is left: it comes alone. */
void dtls_ahead_make(struct dtls_ahead *ahead, const struct dtls_server *server);
/* The schedule of the key exchange that this handshake has accepted, or NULL. */
struct dtls_ahead_schedule *dtls_ahead_find(struct dtls_ahead *ahead,
					    const struct dtls_handshake *handshake);
/* What our Finished says, where the handshake took its keys from here; else NULL. */
const uint8_t *dtls_ahead_answer(const struct dtls_ahead *ahead,
				 const struct dtls_handshake *handshake);
void dtls_ahead_forget(struct dtls_ahead *ahead);
