/*
 * server_identity.h - what devices hold against the server: an authority and a name, or its raw
 * public key.
 *
 * A chain is verified once: the same bytes are the same verdict. Owner: the caller, one thread; what
 * it points to is borrowed. server_identity_key() allocates where a chain is new.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "tools/storm/curve.h"

struct server_identity {
	X509_STORE *authorities;
	EC_KEY *raw_key;
	const char *name; /* asked for (RFC 6066 3), and held against the certificate; NULL: none */
	/* Verified: the Certificate message, and the key. */
	uint8_t *message;
	size_t message_len;
	EC_KEY *key;
};

static inline const char *
server_identity_name(const struct server_identity *server)
{
	return server->name;
}

/* The key of the server's Certificate message, as a reference of the caller's own; NULL: it is not
 * the one we expect. */
EC_KEY *server_identity_key(struct server_identity *server, bool raw, const uint8_t *message,
			    size_t len);
/* Frees what was verified, not what is borrowed. */
void server_identity_fini(struct server_identity *server);
