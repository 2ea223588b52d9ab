/*
 * dtls_server.h - what all handshakes of a worker share, and the part of a handshake that has no
 * state.
 *
 * Owner: one worker. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/counters.h"
#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/rng.h"
#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_cookie.h"
#include "dataplane/core/dtls/dtls_members.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "dataplane/core/dtls/dtls_schedule.h"
#include "dataplane/core/peer.h"

enum { DTLS_IDENTITY_LEN_MAX = 128 }; /* OMA TS Transport 5.2.8 */

struct dtls_handshake;

/* An identity that a look-up found. */
struct dtls_identity {
	uint64_t hash;   /* of the look-up's choice, handed on to dtls_session */
	uint32_t device; /* handed on too */
	uint8_t key_len; /* 1 to DTLS_PSK_MAX */
	uint8_t key[DTLS_PSK_MAX];
};

/* What of a client is not served. */
enum dtls_unserved {
	DTLS_UNSERVED_SUITES,   /* it offers these suites alone, two bytes each */
	DTLS_UNSERVED_IDENTITY, /* its identity, of `whole_len` bytes, begins so and is too long */
};

struct dtls_ahead;
struct dtls_bytes;
struct dtls_ec;
struct ec_finish;

/*
 * The way to the helper threads and to what handshakes with certificates take beside their own
 * memory (dtls_ec.h). What is NULL or empty is a counted outcome: the client repeats.
 */
struct dtls_ec_way {
	/* Zeroed up to its job; NULL: none, and counted why. */
	struct dtls_ec *(*take)(void *ctx, const struct dtls_handshake *hs);
	/* Wipes what is secret of it; if its job is away, once that comes back. */
	void (*release)(void *ctx, struct dtls_ec *ec);
	/* Its job, filled in, is a helper's from then on; false: their ring is full. */
	bool (*offer)(void *ctx, struct dtls_ec *ec);
	/* The device that inventory has this raw public key (its SubjectPublicKeyInfo) or pinned
	 * certificate of. */
	bool (*find_pinned)(void *ctx, uint8_t type, const struct dtls_bytes *der,
			    struct dtls_identity *found);
	/* The device of the endpoint name that a certificate was issued for. */
	bool (*find_endpoint)(void *ctx, const struct ec_finish *finish,
			      struct dtls_identity *found);
};

struct dtls_server {
	const struct crypto_ops *ops;
	struct rng rng;
	struct counters *counters;
	struct dtls_cookies cookies;
	uint8_t worker; /* first byte of our connection ids */
	struct dtls_members members; /* what their last two bytes are, in a cluster */
	/* Compares by length and bytes: an identity is no C string. False: unknown, or without a
	 * key. Looks, and does nothing else: its answer may go unused. Asked by
	 * dtls_server_find(). */
	bool (*find_identity)(void *ctx, const uint8_t *identity, size_t len,
			      struct dtls_identity *found);
	/* A handshake goes on with this identity: `device` has it, or nobody. NULL: nobody wants to
	 * know. */
	void (*identified)(void *ctx, const uint8_t *identity, size_t len, bool is_known,
			   uint32_t device);
	/* Room for the keys of an association under DTLS_CBC, whose record layer gives it back;
	 * NULL: none is free. */
	struct dtls_cbc *(*take_cbc)(void *ctx);
	/* Someone, whom a cookie proves to be there, has nothing that we serve: who that is, is
	 * for the counters and lists of the caller. NULL: nobody wants to know. */
	void (*unserved)(void *ctx, enum dtls_unserved what, const uint8_t *offered, size_t len,
			 size_t whole_len);
	/* Who wants the master secrets of known devices' handshakes; NULL: nobody. */
	void (*key_log)(void *ctx, uint32_t device, const uint8_t client_random[DTLS_RANDOM],
			const uint8_t master[DTLS_MASTER_SECRET]);
	void *find_ctx; /* of all five */
	struct dtls_ahead *ahead; /* of this burst; NULL: none is made */
	unsigned abilities; /* enum dtls_ability; 0 where `ec` is not set */
	uint32_t trust;     /* verdicts by one of a lower number count no more */
	struct dtls_ec_way ec;
	void *ec_ctx;
	/* Stands for the key of who is unknown; a secret, so it never matches. */
	uint8_t decoy[DTLS_KEY];
};

/* The caller has set ops, rng, counters, worker and the look-up. In the end it wipes the struct. */
void dtls_server_init(struct dtls_server *server, uint64_t now_us);

/* The device and key of an identity; who is unknown (false) gets a key that nobody has, so that it
 * learns nothing now (RFC 4279 2, 7.3). The caller wipes `found`. */
bool dtls_server_find(const struct dtls_server *server, const struct reader *identity,
		      struct dtls_identity *found);

enum dtls_greeting {
	DTLS_GREETING_DROPPED,  /* nothing to do with this record */
	DTLS_GREETING_ANSWERED, /* a HelloVerifyRequest was written */
	/* A ClientHello, or its first fragment, with a cookie of ours: spend memory on it. */
	DTLS_GREETING_VERIFIED,
	/* A fragment without a whole cookie: only of use beside others of its hello. */
	DTLS_GREETING_FRAGMENT,
};

/*
 * Looks at a handshake record of epoch 0 that begins with a ClientHello. Keeps nothing and sends an
 * alert to nobody: who has no cookie gets a HelloVerifyRequest or nothing, and never more bytes
 * than it sent.
 */
enum dtls_greeting dtls_greet(const struct dtls_server *server, const struct peer *peer,
			      const struct dtls_record *record, struct writer *out);

/* Whether a record of epoch 0 begins with a ClientHello. */
bool dtls_is_hello(const struct dtls_record *record);
