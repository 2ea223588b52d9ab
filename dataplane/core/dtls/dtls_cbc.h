/*
 * dtls_cbc.h - records of the suites with AES-128-CBC and HMAC-SHA-256 (RFC 5246 6.2.3.2, RFC 7366;
 * with connection ids RFC 9146 5.1 and 5.2).
 *
 * One record at a time: the suites are there because LwM2M demands them, not for speed. dtls_open()
 * and dtls_seal() come here for sessions under DTLS_CBC.
 *
 * A forger learns nothing from timing: crypto_cbc_open() takes as long for a wrong padding as for a
 * wrong MAC (crypto_cbc.c says how), and what does not open is answered by nobody.
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"

struct dtls_session;
struct dtls_opening;
struct dtls_sealing;

/* Keys of both directions, from a pool of their own: few sessions need them. A secret. */
struct dtls_cbc {
	struct crypto_cbc_keys client, server;
};

enum {
	DTLS_CBC_IV = 16,
	DTLS_CBC_SUFFIX_MAX = 32 + 16, /* MAC and padding */
	DTLS_CBC_MAC_KEY = 32,
	/* RFC 5246 6.3: MAC keys of client and server, then their encryption keys. */
	DTLS_CBC_KEY_BLOCK = 2 * DTLS_CBC_MAC_KEY + 2 * CRYPTO_AES_KEY_LEN,
};

void dtls_cbc_init(const struct crypto_ops *ops, struct dtls_cbc *cbc,
		   const uint8_t block[DTLS_CBC_KEY_BLOCK], bool encrypt_then_mac);

/* Opens in place: sets content, length and type. False: the record is not genuine, and is as it
 * came. */
bool dtls_cbc_open(const struct crypto_ops *ops, struct dtls_opening *opening);

/* Seals in place, as dtls_seal() says; `number` is epoch and sequence number of the record. */
void dtls_cbc_seal(const struct crypto_ops *ops, struct dtls_sealing *sealing, uint64_t number);
