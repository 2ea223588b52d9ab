/*
 * dtls_ec.h - what a handshake with certificates has beside struct dtls_handshake: 7 KB from a pool
 * of its own, so that certificates can take nothing from those with pre-shared keys.
 *
 *	until the client answers:  our flight, whole messages one behind the other
 *	from then on:              the client's Certificate message, put together in the same place
 *
 * A client that sends its certificate has read all of our flight, so nobody asks for it again.
 *
 * Owner: the handshake that took it, until the verdict. A secret.
 */
#pragma once

#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/ec_job.h"

enum {
	DTLS_FLIGHT_MAX = EC_MESSAGE_MAX + EC_MESSAGE_MAX / 8, /* 512 bytes beside our chain */
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
	uint16_t chain_len;
	uint8_t secret[EC_SCALAR_LEN]; /* of our key share */
	uint8_t point[EC_POINT_LEN];   /* the client's */
	/* Of the transcript up to ClientKeyExchange: what CertificateVerify signs, and the session
	 * hash of RFC 7627. */
	uint8_t hash[EC_HASH_LEN];
	union {
		uint8_t flight[DTLS_FLIGHT_MAX];
		struct {
			uint8_t body[EC_MESSAGE_MAX];
			uint8_t seen[EC_MESSAGE_MAX / 8];
		} chain;
	};
};

_Static_assert(sizeof(struct dtls_ec) <= 8192, "a handshake with certificates must stay bounded");
