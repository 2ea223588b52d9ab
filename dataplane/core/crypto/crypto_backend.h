/*
 * crypto_backend.h - the backends, for crypto*.c alone. Everyone else asks crypto_select().
 */
#pragma once

#include "dataplane/core/crypto/crypto.h"

extern const struct crypto_ops crypto_mbedtls;

void crypto_mbedtls_gcm_seal(struct crypto_ccm *records, unsigned n);
void crypto_mbedtls_gcm_open(struct crypto_ccm *records, unsigned n);

#if defined(__x86_64__)
/* Usable when crypto_x86_usable(): SHA-NI, AES-NI, PCLMULQDQ, SSE4.1 and SSSE3. */
extern const struct crypto_ops crypto_x86;
bool crypto_x86_usable(void);

void crypto_x86_sha256_blocks(uint32_t h[8], const uint8_t *data, size_t blocks);
void crypto_x86_sha256_lanes(const struct crypto_lane *lanes, unsigned n, size_t blocks);
void crypto_x86_hmac_lanes(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks);
void crypto_x86_ccm8_seal(struct crypto_ccm *records, unsigned n);
void crypto_x86_ccm8_open(struct crypto_ccm *records, unsigned n);
void crypto_x86_ccm16_seal(struct crypto_ccm *records, unsigned n);
void crypto_x86_ccm16_open(struct crypto_ccm *records, unsigned n);
void crypto_x86_gcm_seal(struct crypto_ccm *records, unsigned n);
void crypto_x86_gcm_open(struct crypto_ccm *records, unsigned n);
#endif
