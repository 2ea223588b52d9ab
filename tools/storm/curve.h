/*
 * curve.h - what devices need of P-256 and SHA-256, by libcrypto: nothing here is the appliance's
 * own code, which it judges.
 *
 * Any thread; what is returned is the caller's. False: libcrypto is out of memory or randomness, or
 * what it was given is no key, point or signature.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ec.h>

enum {
	CURVE_SECRET = 32,    /* a private number */
	CURVE_POINT = 65,     /* 4, X, Y (SEC 1 2.3.3) */
	CURVE_SIGNATURE = 72, /* most bytes of ECDSA's, as DER */
	CURVE_HASH = 32,
	CURVE_SPKI = 91, /* SubjectPublicKeyInfo: 26 bytes, and the point */
};

/* A new pair. */
bool curve_make_pair(uint8_t secret[CURVE_SECRET], uint8_t point[CURVE_POINT]);
/* The private number that follows from a text, the same in every run: of a device, by a secret of
 * its maker and its name. */
bool curve_derive_secret(const uint8_t seed[CURVE_HASH], const char *text, size_t len,
			 uint8_t secret[CURVE_SECRET]);
/* A whole key pair; NULL. */
EC_KEY *curve_key(const uint8_t secret[CURVE_SECRET]);
/* A public key alone; NULL: the point is not on the curve. */
EC_KEY *curve_public_key(const uint8_t point[CURVE_POINT]);
bool curve_put_spki(const EC_KEY *key, uint8_t spki[CURVE_SPKI]);
/* The public key of an encoded SubjectPublicKeyInfo; NULL: it is none of P-256. */
EC_KEY *curve_key_of_spki(const uint8_t *spki, size_t len);

/* ECDSA of a hash (FIPS 186-4 6); *len as it became. */
bool curve_sign(const uint8_t secret[CURVE_SECRET], const uint8_t hash[CURVE_HASH],
		uint8_t signature[CURVE_SIGNATURE], size_t *len);
bool curve_verify(EC_KEY *key, const uint8_t hash[CURVE_HASH], const uint8_t *signature,
		  size_t len);
/* ECDH: the X coordinate (RFC 8422 5.10). */
bool curve_agree(const uint8_t secret[CURVE_SECRET], const uint8_t point[CURVE_POINT],
		 uint8_t shared[CURVE_SECRET]);

/* TLS 1.2's PRF with SHA-256 (RFC 5246 5): `len` bytes of P_SHA256(secret, label + seed). */
struct curve_prf {
	const uint8_t *secret;
	size_t secret_len;
	const char *label;
	const uint8_t *seed; /* 64 bytes at most */
	size_t seed_len;
};

bool curve_prf(const struct curve_prf *prf, uint8_t *out, size_t len);
