/*
 * dtls_cbc.h - records of TLS_PSK_WITH_AES_128_CBC_SHA256, whose handshake the slow lane led (RFC
 * 5246 6.2.3.2, RFC 7366).
 *
 * One record at a time: the suite is there because LwM2M demands it, not for speed. dtls_open() and
 * dtls_seal() come here for sessions that have `cbc` set.
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/slow_lane.h"

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
};

/* Makes an association of what the slow lane handed over: *session is written whole, with `cbc`
 * behind it. */
void dtls_cbc_establish(const struct crypto_ops *ops, const struct slow_lane_keys *keys,
			struct dtls_cbc *cbc, struct dtls_session *session);

/* Opens in place: sets content, length and type. False: the record is not genuine, and was
 * wiped. */
bool dtls_cbc_open(const struct crypto_ops *ops, struct dtls_opening *opening);

/* Seals in place, as dtls_seal() says; `sequence` is epoch and sequence number of the record. */
void dtls_cbc_seal(const struct crypto_ops *ops, struct dtls_sealing *sealing, uint64_t sequence);
