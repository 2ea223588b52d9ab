/*
 * dtls_schedule.h - from pre-shared key to record keys and verify_data (RFC 4279 2, RFC 5246 8.1
 * and 6.3, RFC 7627 4).
 *
 * The master secret itself is never kept: all its uses are HMACs, so the caller makes it a key whose
 * pads are compressed, and wipes it. Owner: the caller, who wipes. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/dtls_record.h"

enum { DTLS_PSK_MAX = 64 };

/*
 * master_secret = PRF(premaster of the key, label, seed): label "extended master secret" and the
 * session hash as the only seed (RFC 7627 4), or "master secret" and both randoms, the client's
 * first (RFC 5246 8.1).
 */
void dtls_schedule_master(const struct crypto_ops *ops, const struct crypto_piece *psk,
			  const char *label, const struct crypto_piece seed[2],
			  uint8_t master[DTLS_MASTER_SECRET]);

/* The same of any premaster secret, such as the one that ECDHE agreed on. */
void dtls_schedule_master_of(const struct crypto_ops *ops, const struct crypto_piece *premaster,
			     const char *label, const struct crypto_piece seed[2],
			     uint8_t master[DTLS_MASTER_SECRET]);

/* What follows from a master secret. */
struct dtls_derived {
	struct crypto_hmac_key master;
	struct dtls_keys keys;
	uint8_t client_verify[DTLS_VERIFY_DATA]; /* what the client's Finished must say */
};

/*
 * The functions below take one handshake, or two whose hashes then go in step: with most processors
 * that costs far less than one after the other (crypto_step_percent()).
 */
enum { DTLS_IN_STEP = 2 };

/* Of one handshake: what its keys are derived of, and where they go. */
struct dtls_derivation {
	const uint8_t *master;          /* DTLS_MASTER_SECRET bytes */
	const uint8_t *hash;            /* of the transcript before the client's Finished */
	struct crypto_piece randoms[2]; /* the client's, the server's */
	struct dtls_derived *derived;
};

void dtls_schedule_derive(const struct crypto_ops *ops, const struct dtls_derivation *handshakes,
			  unsigned n);

/* The whole way from a pre-shared key. */
struct dtls_psk_schedule {
	struct crypto_piece psk;
	bool extended;                          /* RFC 7627 */
	const struct crypto_sha256 *transcript; /* up to ClientKeyExchange, and with it */
	struct crypto_piece randoms[2];         /* the client's, the server's */
	uint8_t *master;                        /* written, DTLS_MASTER_SECRET bytes */
	struct dtls_derived *derived;           /* written */
};

void dtls_schedule_psk(const struct crypto_ops *ops, const struct dtls_psk_schedule *handshakes,
		       unsigned n);

/* Of one handshake: what our Finished says. The client's has but one right form, so that is known
 * before it comes. */
struct dtls_answering {
	const struct crypto_sha256 *transcript; /* up to the client's Finished, without it */
	const struct dtls_derived *derived;
	uint8_t *verify_data; /* written, DTLS_VERIFY_DATA bytes */
	uint16_t message;     /* message_seq of the client's Finished */
};

void dtls_schedule_answer(const struct crypto_ops *ops, const struct dtls_answering *handshakes,
			  unsigned n);

/* key_block, and the verify_data that the client must send: independent, so that a backend may
 * interleave them. */
void dtls_schedule_keys(const struct crypto_ops *ops, const struct crypto_prf *client_finished,
			const uint8_t *server_random, const uint8_t *client_random,
			struct dtls_keys *keys);

/* The same for a suite with CBC, whose records are opened one by one: of one of them, or for good. */
void dtls_schedule_cbc(const struct crypto_ops *ops, const struct crypto_hmac_key *master,
		       const uint8_t *server_random, const uint8_t *client_random,
		       uint8_t block[DTLS_CBC_KEY_BLOCK]);

/* The PRF job for verify_data (RFC 5246 7.4.9); label "client finished" or "server finished". */
struct crypto_prf dtls_schedule_verify(const struct crypto_hmac_key *master, const char *label,
				       const uint8_t hash[DTLS_HASH], uint8_t *verify_data);
