/*
 * digest.h - MD5 (RFC 1321), SHA-256 (FIPS 180-4) and their HMAC (RFC 2104), for expressions.
 *
 * The crypto library's. Deriving a device's key or identity from a master is control-side work of a few blocks; the
 * dataplane has its own way, fast. MD5 is here for what operators' tasks already use, and protects nothing. The library
 * allocates for an HMAC, and wipes what it held of keys.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256 };

enum { DIGEST_MAX = 32 }; /* bytes of the longest */

struct digest_span {
	const void *at;
	size_t len;
};

/* Each writes the digest and returns its length, 16 or 32; 0: the library has not got it, or no memory. */
size_t digest_bytes(enum digest_algorithm algorithm, struct digest_span message,
		    uint8_t out[DIGEST_MAX]);
size_t digest_hmac(enum digest_algorithm algorithm, struct digest_span key,
		   struct digest_span message, uint8_t out[DIGEST_MAX]);
