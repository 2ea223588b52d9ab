/*
 * hash_identity.h - identities of devices that come with a raw public key or a certificate of their
 * own (directory.h), as people write them.
 *
 * Workers compare bytes, so what is kept is exact: the prefix and 64 digits in lower case. A hash
 * that was cut, or a digit too much, would never match, and nobody would know why.
 *
 * Pure; any thread.
 */
#pragma once

#include <stddef.h>

enum hash_identity {
	HASH_IDENTITY_NONE,  /* begins as none: it is an identity of another kind */
	HASH_IDENTITY_GOOD,  /* and now as workers compare it */
	HASH_IDENTITY_WRONG, /* begins as one, and is none */
};

#define HASH_IDENTITY_WANTED                                                                       \
	"\"spki-sha256:\" or \"cert-sha256:\" and the 64 hex digits of a SHA-256, ':' between "    \
	"them "                                                                                    \
	"or not"

/* Makes it lower case and takes colons out, as openssl prints them: *len may shrink. */
enum hash_identity hash_identity_normalise(char *identity, size_t *len);
