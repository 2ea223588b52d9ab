/*
 * dtls_hello.h - the ClientHello: its shape, and what we choose from it (RFC 5246 7.4.1.2, RFC 6347
 * 4.2.1, RFC 7925).
 *
 *	 0         2        34           ..         ..         ..              ..
 *	+---------+--------+------------+----------+----------+---------------+--------------+
 *	| version | random | session id | cookie   | suites   | compressions  | extensions   |
 *	+---------+--------+------------+----------+----------+---------------+--------------+
 *	'------------ head -------------'          '------------------ tail -----------------'
 *	Each but the first two has its length in front: one byte, two for suites and extensions.
 *
 * Two steps, as the cookie stands between them: dtls_hello_parse() looks at the shape alone and
 * knows no state, so it may be fed by anyone; dtls_hello_choose() is for clients that proved their
 * address, and answers with alerts.
 *
 * Owner: the caller; everything is borrowed from the message. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/dtls_record.h"

struct dtls_bytes {
	const uint8_t *at;
	size_t len;
};

struct dtls_hello {
	uint16_t version;
	const uint8_t *random; /* DTLS_RANDOM bytes */
	struct dtls_bytes cookie;
	struct dtls_bytes suites, compressions, extensions; /* without their lengths */
	struct dtls_bytes head, tail; /* before and behind the cookie: what the cookie covers */
};

/* A whole body; false when its lengths do not fit together. */
bool dtls_hello_parse(const uint8_t *body, size_t len, struct dtls_hello *hello);

/*
 * Just version, random, head and cookie, from a first fragment that ends anywhere behind them;
 * false when it ends before. The tail is empty.
 */
bool dtls_hello_parse_head(const uint8_t *fragment, size_t len, struct dtls_hello *hello);

/* What this server can do beside pre-shared keys: bits of a set. */
enum dtls_ability {
	DTLS_OWN_CERTIFICATE = 1,   /* it shows a chain */
	DTLS_OWN_RAW_KEY = 2,       /* ... or its bare public key */
	DTLS_PEER_CERTIFICATES = 4, /* it takes devices with certificates */
	DTLS_PEER_RAW_KEYS = 8,     /* ... or bare public keys */
	DTLS_CERTIFICATES_CBC = 16, /* TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 too */
};

/* What client and server have in common. */
struct dtls_offer {
	uint16_t suite;    /* enum dtls_suite */
	uint8_t own_type;  /* enum dtls_certificate_type, of the server's and ... */
	uint8_t peer_type; /* ... of the client's certificate; of certificate suites */
	bool answers_own_type, answers_peer_type; /* the client asked: to be answered */
	bool answers_point_formats;
	struct dtls_bytes server_name; /* RFC 6066 3; NULL: none */
	bool extended_master_secret;
	bool secure_renegotiation; /* signalled: to be answered with an empty renegotiation_info */
	bool encrypt_then_mac;     /* RFC 7366: offered; to be answered with a CBC suite alone */
	bool has_cid;              /* connection_id offered, and the client's own one fits */
	uint8_t max_fragment;      /* enum dtls_max_fragment; 0: not asked for */
	struct dtls_bytes peer_cid;
};

/* How records are sealed under a suite of ours. */
enum dtls_protection dtls_suite_protection(uint16_t suite);

static inline bool
dtls_suite_has_certificates(uint16_t suite)
{
	return suite != DTLS_PSK_AES_128_CCM_8 && suite != DTLS_PSK_AES_128_CBC_SHA256;
}

/*
 * DTLS_NO_ALERT and *offer, or the alert that ends this handshake. Suites and extensions unknown
 * to us are skipped. `abilities`: a set of enum dtls_ability.
 *
 * Which suite, best first: PSK with CCM-8, so that whoever can do without elliptic curves does;
 * then those of certificates, when `abilities`, group, point format, signature and the types of
 * both certificates agree (RFC 8422 4: else such a suite must not be chosen); then PSK with CBC.
 */
enum dtls_alert dtls_hello_choose(const struct dtls_hello *hello, unsigned abilities,
				  struct dtls_offer *offer);
