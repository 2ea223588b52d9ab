/*
 * crypto_backend.h - the backends, for crypto*.c alone. Everyone else asks crypto_select().
 */
#pragma once

#include "dataplane/core/crypto.h"

extern const struct crypto_ops crypto_mbedtls;
