/*
 * dtls_cid.h - what authentication covers of a record with a connection id (RFC 9146 5): the same
 * under an AEAD and under CBC.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"

/*
 * All but the content: placeholder, tls12_cid, cid_length, then the record's `header` as sent, with
 * its id, and the inner plaintext's length. Returns its own.
 */
uint16_t dtls_cid_put_aad(uint8_t aad[CRYPTO_CCM_AAD_MAX], const uint8_t *header, size_t cid_len,
			  size_t plaintext);
