/*
 * storm_dtls_client.h - the client side of DTLS 1.2, for hundreds of thousands of devices.
 *
 * TLS_PSK_WITH_AES_128_CCM_8 alone, or what storm_cert.h adds; extended master secret offered,
 * connection id on wish (RFC 6347, 4279, 6655, 7627, 9146). With pre-shared keys messages are not
 * kept: every flight is written anew from this state, so a device that waits costs its random,
 * cookie and transcript, and one with keys costs its keys.
 *
 *	client				server
 *	hello			->
 *				<-	HelloVerifyRequest
 *	hello, cookie		->
 *				<-	ServerHello, ServerHelloDone
 *	last flight		->
 *				<-	ChangeCipherSpec, Finished
 *
 * Pure: bytes in, events and bytes out, time and randomness injected; but for key shares and
 * signatures, whose randomness is libcrypto's. Owner: the caller, of all memory. Life:
 * storm_dtls_start() -> storm_dtls_write_hello() -> { storm_dtls_take() } ... -> crypto_wipe().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/rng.h"
#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "tools/storm/storm_cert.h"

enum {
	STORM_COOKIE_MAX = 32, /* RFC 6347 4.2.1 allows 255; ours has 16, other servers' 20 or 32 */
	STORM_FLIGHT_MAX =
		640, /* bytes of the largest flight but that of a certificate: a hello with a
				 * server's name of 255, or an identity of 128 */
	STORM_FLIGHT_PARTS = 3,
};

enum storm_dtls_step {
	STORM_DTLS_HELLO,     /* no cookie yet */
	STORM_DTLS_COOKIE,    /* the hello with the cookie is out */
	STORM_DTLS_COMPUTING, /* of certificates: ServerHelloDone came, storm_cert_compute() is due */
	STORM_DTLS_DONE,      /* ServerHelloDone came, keys are made: the last flight must go */
	STORM_DTLS_KEYED,     /* the server's Finished was right */
	STORM_DTLS_OVER,      /* a handshake with a certificate was given up: nothing is taken */
};

/* What only a handshake needs, until the keys are made. */
struct storm_dtls_hello {
	struct crypto_sha256 transcript;
	uint8_t random[DTLS_RANDOM], server_random[DTLS_RANDOM];
	uint8_t cookie[STORM_COOKIE_MAX];
	uint8_t cookie_len;
	bool server_hello, extended;
	uint8_t cid[DTLS_CID], cid_len; /* the server's */
	uint16_t server_message;        /* message_seq of its next message */
};

/*
 * What is left then. The session is the server's view turned round: we seal with the client's keys.
 */
struct storm_dtls_keyed {
	struct dtls_session session;
	uint8_t verify[DTLS_VERIFY_DATA], server_verify[DTLS_VERIFY_DATA];
};

/* What opens records of the association before: the server may repeat them for a while. */
struct storm_dtls_former {
	bool is_there;
	uint8_t key[DTLS_KEY], iv[DTLS_IMPLICIT_IV];
};

struct storm_dtls {
	uint8_t step; /* enum storm_dtls_step */
	bool offer_cid;
	/* message_seq of our next message; of the hello that is out while that is. */
	uint16_t message;
	uint32_t sequence; /* of our next record in epoch 0 */
	/* With a certificate or a raw public key, until the server's Finished; else NULL. */
	struct storm_cert *cert;
	struct storm_dtls_former former;
	union {
		struct storm_dtls_hello hello; /* HELLO, COOKIE */
		struct storm_dtls_keyed keyed; /* DONE, KEYED */
	} at;
};

_Static_assert(sizeof(struct storm_dtls) <= 264, "a device must fit 512 bytes");

struct storm_dtls_who {
	const uint8_t *identity, *key;
	uint8_t identity_len, key_len;
};

struct storm_dtls_env {
	const struct crypto_ops *ops;
	struct counters *counters; /* of records that came */
	uint64_t *stale; /* those that only the association before explains; NULL: not counted */
};

/* `dtls` is zeroed, or what a handshake before left, whose keys still tell its late records.
 * `cert` becomes its own: NULL for a pre-shared key. */
void storm_dtls_start(struct storm_dtls *dtls, const struct rng *rng, bool offer_cid,
		      struct storm_cert *cert);
/* The ClientHello, with the cookie there is: the same message again when it was out already. */
void storm_dtls_write_hello(struct storm_dtls *dtls, const struct storm_dtls_env *env,
			    struct writer *out);
/*
 * ClientKeyExchange, ChangeCipherSpec, Finished: one record each. Each may go in a datagram of its
 * own, in any order: `parts` tells where they end.
 */
void storm_dtls_write_last(struct storm_dtls *dtls, const struct storm_dtls_env *env,
			   const struct storm_dtls_who *who, struct writer *out,
			   size_t parts[STORM_FLIGHT_PARTS]);
/* The same with a certificate, one datagram at a time; true: more is to come. It begins anew with
 * storm_cert_rewind(). */
bool storm_dtls_write_last_part(struct storm_dtls *dtls, const struct storm_dtls_env *env,
				const struct storm_cert_cut *cut, struct writer *out);

enum storm_dtls_event {
	STORM_DTLS_NOTHING, /* the record changed nothing */
	STORM_DTLS_VERIFY,  /* a cookie came: write the hello */
	STORM_DTLS_ASKED,   /* ServerHelloDone, with a certificate: storm_cert_compute() */
	STORM_DTLS_GREETED, /* ServerHelloDone: write the last flight */
	STORM_DTLS_SECURED, /* the server's Finished: both sides have the keys */
	STORM_DTLS_DATA,    /* application data */
	STORM_DTLS_ALERT,   /* content[0] is the level, content[1] the description */
	STORM_DTLS_WRONG,   /* the server is not genuine, or says what we can't follow */
};

/* A record's event; content is borrowed from the datagram, opened in place. */
struct storm_dtls_taken {
	enum storm_dtls_event event;
	const uint8_t *content;
	size_t len;
};

/* The next event of the datagram; false at its end. */
bool storm_dtls_take(struct storm_dtls *dtls, const struct storm_dtls_env *env,
		     const struct storm_dtls_who *who, struct dtls_walk *walk,
		     struct storm_dtls_taken *taken);

/* What storm_cert_compute() found: STORM_DTLS_GREETED, or STORM_DTLS_WRONG. */
enum storm_dtls_event storm_dtls_take_computed(struct storm_dtls *dtls);
/* The certificate's part is over, and the handshake too unless it was finished; what is returned is
 * the caller's to free, at once or when it was computed. */
struct storm_cert *storm_dtls_part_with_cert(struct storm_dtls *dtls);

/* Whether storm_dtls_write_data() may be called. */
static inline bool
storm_dtls_is_keyed(const struct storm_dtls *dtls)
{
	return dtls->step == STORM_DTLS_KEYED;
}

void storm_dtls_write_data(struct storm_dtls *dtls, const struct storm_dtls_env *env,
			   const void *bytes, size_t len, struct writer *out);
