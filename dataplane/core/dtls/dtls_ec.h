/*
 * dtls_ec.h - what a handshake with certificates has beside struct dtls_handshake: 8 KB from a pool
 * of its own, so that certificates can take nothing from those with pre-shared keys.
 *
 * Its greater part is the job that helper threads work on, with our flight and the client's
 * (ec_job.h). The flight stays until the verdict: what looks like the client's certificate may be
 * forged, and the client still without our flight. Where both do not fit, as where both chains are of
 * several KB, the certificate takes the flight's place: who sends one has read all of it.
 *
 * Owner: the handshake that took it, until the verdict; of the job see there.
 */
#pragma once

#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/ec_job.h"

enum {
	/* What every path takes (RFC 791: hosts accept 576 bytes), less IP, UDP and a little. */
	DTLS_CAUTIOUS_DATAGRAM = 508,
};

struct dtls_ec {
	uint16_t suite;
	uint8_t own_type, peer_type; /* enum dtls_certificate_type */
	bool answers_own_type, answers_peer_type, answers_name, answers_point_formats;
	bool is_pinned;
	uint16_t flight_len;   /* of what may be sent; 0: there is none yet, or not any more */
	uint16_t sent_message; /* where in it the next message begins that is to be sent ... */
	uint16_t sent_bytes;   /* ... and how much of its body went out already */
	/* What would be wrong with the client, if what came is its own (DTLS_DOUBT_CERTIFICATE). */
	struct {
		uint8_t verdict; /* enum ec_verdict */
		uint8_t name_len;
		uint8_t name[EC_NAME_MAX]; /* which endpoint the certificate is of */
	} doubt;
	/* Lines of its own: a helper thread writes there while the worker reads the rest. */
	struct ec_job job __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct dtls_ec) <= 8192 - 64, "a handshake with certificates stays bounded");
