/*
 * storm_cert.h - what a handshake with a certificate or a raw public key (RFC 7250) has beside that
 * with a pre-shared key: TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 over P-256 (RFC 7251, RFC 8422), client
 * authentication, extended master secret where the server has it.
 *
 * Messages, transcript and key schedule are written here anew, over libcrypto, so that the appliance
 * is judged by other code than its own. Shared are the framing of records and messages, and the
 * protection of records.
 *
 *	client					server
 *	hello, cookie			->
 *					<-	ServerHello, Certificate, ServerKeyExchange,
 *						CertificateRequest, ServerHelloDone
 *	(storm_cert_compute, which takes 200 us and may be done by another thread)
 *	Certificate, ClientKeyExchange, ->
 *	CertificateVerify, Finished
 *
 * Owner: the device, from its first hello until the server's Finished; on the heap, 9 KB and the
 * chain. A secret: storm_cert_free() wipes it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/sha.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_message.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "tools/storm/curve.h"
#include "tools/storm/server_identity.h"

enum {
	STORM_MESSAGE_MAX = 8192, /* of the server's messages: the appliance's chains have 6 KB */
	STORM_LONG_CHAIN = 65000, /* bytes of ours, where a device misbehaves so */
};

/* Who the device is: borrowed. */
struct storm_cert_own {
	const uint8_t *secret;  /* CURVE_SECRET */
	const uint8_t *message; /* body of its Certificate message */
	uint32_t message_len;
};

/* What the device does, or does wrong. */
struct storm_cert_ways {
	bool raw;              /* a raw public key, theirs and ours */
	bool breaks_signature; /* of CertificateVerify */
	bool long_chain;       /* the certificate, and itself again until 64 KB */
};

/* Between compute and its device: neither looks at the other's while it runs. */
struct storm_cert {
	struct storm_cert *next; /* of a list of helpers.h */
	uint32_t device;         /* number in its fleet */
	bool abandoned;          /* its device ended while it was computed */

	struct storm_cert_ways ways;
	struct storm_cert_own own;
	struct server_identity *server; /* what is held against the server; borrowed */
	SHA256_CTX transcript;
	uint8_t expected; /* enum dtls_handshake_type of the server's next message */

	/* A message in fragments: those of it that came in order. */
	uint32_t gathered;
	uint8_t message[STORM_MESSAGE_MAX];

	/* Of the server's flight. */
	EC_KEY *server_key; /* ours: with a reference of its own */
	uint8_t server_point[CURVE_POINT];
	uint8_t signed_hash[CURVE_HASH];
	uint8_t signature[CURVE_SIGNATURE];
	uint8_t signature_len;

	/* What is computed from, and what comes of it. */
	uint8_t client_random[DTLS_RANDOM], server_random[DTLS_RANDOM];
	bool extended;
	uint16_t first_message; /* message_seq of our Certificate */
	bool good;              /* false: the server's signature is wrong */
	struct dtls_keys keys;
	uint8_t verify[DTLS_VERIFY_DATA], server_verify[DTLS_VERIFY_DATA];

	/* Our flight: whole messages, one behind the other. */
	uint8_t *flight;
	size_t flight_len;
	size_t sent;      /* bytes of it in messages that went out ... */
	size_t sent_body; /* ... and of the next one's body */
};

/* NULL: out of memory. */
struct storm_cert *storm_cert_new(const struct storm_cert_ways *ways,
				  const struct storm_cert_own *own, struct server_identity *server);
void storm_cert_free(struct storm_cert *cert);

/* The ClientHello's extensions that certificates need, behind those of all. */
void storm_cert_write_extensions(const struct storm_cert *cert, struct writer *out);
/* A message as the transcript has it: whole. */
void storm_cert_hash(struct storm_cert *cert, const struct dtls_message *message);

/* The whole message that this fragment completes, with the body in the cert's memory or the
 * fragment's; false: more is to come, or it was ignored. */
bool storm_cert_gather(struct storm_cert *cert, struct dtls_message *message);

enum storm_cert_taken {
	STORM_CERT_MORE,  /* the flight goes on */
	STORM_CERT_WHOLE, /* its end: compute */
	STORM_CERT_WRONG, /* the server is not genuine, or says what we can't follow */
};

/* A message of the server's flight behind its ServerHello, which is the caller's. The randoms,
 * `extended` and `first_message` must be there at the last one. */
enum storm_cert_taken storm_cert_take(struct storm_cert *cert, const struct dtls_message *message);

/* The server's signature, our key share, our signature and all keys; by any thread, which alone
 * touches the cert meanwhile. */
void storm_cert_compute(struct storm_cert *cert);

/* How the flight is cut. */
struct storm_cert_cut {
	size_t fragment_max; /* bytes of a fragment's body */
	bool apart;          /* each fragment in a datagram of its own */
};

/* The flight from its beginning, from now on. */
void storm_cert_rewind(struct storm_cert *cert);
/*
 * One datagram's part of the flight's plain messages; *sequence is of the next record. False: there
 * is none left, ChangeCipherSpec and Finished are the caller's.
 */
bool storm_cert_write_part(struct storm_cert *cert, const struct storm_cert_cut *cut,
			   uint32_t *sequence, struct writer *out);
