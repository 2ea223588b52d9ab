/*
 * pkcs11_key.h - a private key of P-256 in a PKCS#11 token: it signs there, and never leaves it.
 *
 * Any thread; signatures are made in a pool of sessions, as many at once as it has. All but
 * pkcs11_key_point() block as long as the token does. Allocates. A token that was lost is opened again
 * by the next signature, unless it refused the PIN: too many wrong ones lock it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PKCS11_ERROR_MAX = 256, PKCS11_HASH = 32, PKCS11_SIGNATURE = 64, PKCS11_POINT = 65 };

struct pkcs11_key;

/* NULL, and a sentence: what is wrong and what to do. */
struct pkcs11_key *pkcs11_key_open(const char *uri, char error[PKCS11_ERROR_MAX]);
void pkcs11_key_close(void *key);

/* The public key, an uncompressed point (SEC 1 2.3.3); it is not checked. */
const uint8_t *pkcs11_key_point(const struct pkcs11_key *key);
/* r and s of ECDSA, each of 32 bytes; false: the token cannot, now. */
bool pkcs11_key_sign(void *key, const uint8_t hash[PKCS11_HASH],
		     uint8_t signature[PKCS11_SIGNATURE]);
