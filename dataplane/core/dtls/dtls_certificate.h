/*
 * dtls_certificate.h - the handshake messages of ECDHE_ECDSA suites: read and written as plain
 * bytes.
 *
 *	Certificate (RFC 5246 7.4.2):         list (3 bytes of length) of certificates (3 each), DER
 *	  of a raw public key (RFC 7250 3):   its SubjectPublicKeyInfo (3): one length less
 *	ServerKeyExchange (RFC 8422 5.4):     3, curve (2), point (1), algorithm (2), signature (2)
 *	CertificateRequest (RFC 5246 7.4.4):  types (1), algorithms (2), authorities (2)
 *	ClientKeyExchange (RFC 8422 5.7):     point (1)
 *	CertificateVerify (RFC 5246 7.4.8):   algorithm (2), signature (2)
 *
 * Numbers are lengths of fields or of the length in front of them. Nothing here looks into a
 * certificate: that is for the helper threads (dataplane/ec). A raw public key is compared as it
 * came, against the one form a P-256 key has in DER.
 *
 * Owner: the caller; what is read is borrowed from the message. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/dtls_hello.h"

enum {
	DTLS_CHAIN_MAX = 10, /* certificates of one chain */
	DTLS_SPKI = 91,      /* SubjectPublicKeyInfo of a P-256 key: 26 bytes and the point */
	/* What ServerKeyExchange says of the curve, and signs (RFC 8422 5.4). */
	DTLS_KEY_PARAMETERS = 4 + DTLS_POINT,
};

/* A Certificate message, walked once. */
struct dtls_chain {
	unsigned n; /* certificates; 0: the client has none (RFC 5246 7.4.6) */
	/* The first is the peer's own; of a raw public key: its SubjectPublicKeyInfo. */
	struct dtls_bytes certificates[DTLS_CHAIN_MAX];
};

/* False: lengths that do not fit together, an empty certificate, or too many of them. */
bool dtls_certificate_parse(const uint8_t *body, size_t len, uint8_t type,
			    struct dtls_chain *chain);
void dtls_certificate_write(struct writer *out, uint8_t type, const struct dtls_chain *chain);

/* The point of a P-256 key in its SubjectPublicKeyInfo, or NULL: it is another kind of key, or its
 * point is compressed. Whether it is on the curve is not asked here. */
const uint8_t *dtls_spki_point(const uint8_t *spki, size_t len);
void dtls_spki_write(struct writer *out, const uint8_t point[DTLS_POINT]);

void dtls_key_parameters_write(struct writer *out, const uint8_t point[DTLS_POINT]);
/* ServerKeyExchange: parameters and what is signed of them. */
void dtls_server_key_exchange_write(struct writer *out, const uint8_t point[DTLS_POINT],
				    const struct dtls_bytes *signature);
/* (client) Another curve or algorithm than ours is malformed. */
bool dtls_server_key_exchange_parse(const uint8_t *body, size_t len, const uint8_t **point,
				    struct dtls_bytes *signature);

/* Any certificate of a P-256 key: no names of authorities, which would tell anybody whom we
 * trust and cost a flight of bytes. */
void dtls_certificate_request_write(struct writer *out);
/* (client) Whether it asks for what ours asks for, among others. */
bool dtls_certificate_request_parse(const uint8_t *body, size_t len);

/* The point, or NULL. */
const uint8_t *dtls_client_key_exchange_parse(const uint8_t *body, size_t len);
void dtls_client_key_exchange_write(struct writer *out, const uint8_t point[DTLS_POINT]);

bool dtls_certificate_verify_parse(const uint8_t *body, size_t len, struct dtls_bytes *signature);
void dtls_certificate_verify_write(struct writer *out, const struct dtls_bytes *signature);
