/*
 * ec_identity.h - the hash that a device is known by, out of a file of its certificate or key.
 *
 * Pure; any thread. Allocates, in libcrypto.
 */
#pragma once

#include <stdint.h>

#include "dataplane/ec/ec_trust.h"

/* SHA-256 of the one certificate in the file, PEM or DER. 0, or -1 and a sentence. */
int ec_identity_of_certificate(struct ec_bytes file, uint8_t hash[32], char error[EC_ERROR_MAX]);
/* SHA-256 of the SubjectPublicKeyInfo: of a public key, or that in a certificate. The same. */
int ec_identity_of_key(struct ec_bytes file, uint8_t hash[32], char error[EC_ERROR_MAX]);
