/*
 * dtls_ec.h - what a handshake with certificates has beside struct dtls_handshake: 7 KB from a pool
 * of its own, so that certificates can take nothing from those with pre-shared keys.
 *
 *	+------------------------------+---------------------------------------+
 *	| our flight, whole messages   | the client's Certificate message, and |
 *	| one behind the other         | which bytes of it have come           |
 *	+------------------------------+---------------------------------------+
 *
 * The flight stays until the verdict: what looks like the client's certificate may be forged, and the
 * client still without our flight. Where both do not fit, as where both chains are of several KB, the
 * certificate takes the flight's place: who sends one has read all of it.
 *
 * Owner: the handshake that took it, until the verdict. A secret.
 */
#pragma once

#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/ec_job.h"

enum {
	DTLS_FLIGHT_MAX = EC_MESSAGE_MAX + 512, /* beside our chain */
	DTLS_EC_ROOM = 7424,                    /* a chain of the longest in fragments: 6912 */
	/* What every path takes (RFC 791: hosts accept 576 bytes), less IP, UDP and a little. */
	DTLS_CAUTIOUS_DATAGRAM = 508,
};

struct dtls_ec {
	uint16_t suite;
	uint8_t own_type, peer_type; /* enum dtls_certificate_type */
	bool answers_own_type, answers_peer_type, answers_name, answers_point_formats;
	bool is_pinned;
	uint16_t flight_len;   /* 0: there is none any more */
	uint16_t sent_message; /* where in it the next message begins that is to be sent ... */
	uint16_t sent_bytes;   /* ... and how much of its body went out already */
	uint16_t chain_at, chain_len;  /* of the client's Certificate message's body */
	uint8_t secret[EC_SCALAR_LEN]; /* of our key share */
	uint8_t point[EC_POINT_LEN];   /* the client's */
	/* Of the transcript up to ClientKeyExchange: what CertificateVerify signs, and the session
	 * hash of RFC 7627. */
	uint8_t hash[EC_HASH_LEN];
	/* What would be wrong with the client, if what came is its own (DTLS_DOUBT_CERTIFICATE). */
	struct {
		uint16_t counter; /* enum counter */
		uint8_t verdict;  /* enum ec_verdict of a helper; EC_GOOD: it was never asked */
		uint8_t name_len;
		uint8_t name[EC_NAME_MAX]; /* which endpoint the certificate is of */
	} doubt;
	uint8_t room[DTLS_EC_ROOM];
};

_Static_assert(sizeof(struct dtls_ec) <= 8192, "a handshake with certificates must stay bounded");
