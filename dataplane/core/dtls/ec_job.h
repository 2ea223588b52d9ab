/*
 * ec_job.h - what passes between a worker and the threads that compute with elliptic curves.
 *
 * An operation over P-256 takes as long as hundreds of records, so none is done on a polled core.
 * Nor is anything else that a helper thread can do as well: it puts our flight together, hashes the
 * transcript, and derives the keys. A handshake with certificates asks twice:
 *
 *	worker                                  helper thread
 *	verified ClientHello  -- EC_BEGIN  -->  a key pair made ahead, its parameters signed,
 *	our flight, as it is  <--------------   our flight made of it
 *	the client's flight   -- EC_FINISH -->  chain verified, signature verified, ECDH
 *	keys, or a refusal    <--------------
 *
 * A job is a part of what its handshake has for certificates (dtls_ec.h). It goes by its address, and
 * nothing is copied: from the offer to the answer it is the helper's, and the worker reads of it
 * nothing but its flight's bytes, which EC_FINISH leaves alone. A handshake that ends meanwhile leaves
 * the job behind, and its answer gives back the place.
 *
 *	bytes:  | our flight, whole messages     | Certificate | ClientKeyExchange | CertificateVerify |
 *	        0                       flight_len  chain_at      each a header and its body
 *
 * Messages lie there as the transcript has them: not in fragments (RFC 6347 4.2.6).
 *
 * Owner: whoever holds the job. Secret is `secrets` alone; the rest went or will go over the network
 * as it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/dtls_schedule.h"
#include "dataplane/core/ec_verdict.h"
#include "dataplane/core/lane_head.h"

enum {
	EC_SCALAR_LEN = 32,
	EC_POINT_LEN = DTLS_POINT, /* uncompressed (SEC 1 2.3.3) */
	EC_HASH_LEN = 32,
	EC_SIGNATURE_MAX = 72,                /* DER */
	EC_NAME_MAX = 255,                    /* of an endpoint, and of a server (RFC 1035 2.3.4) */
	EC_MESSAGE_MAX = 6144,                /* body of a Certificate message, theirs or ours */
	EC_FLIGHT_MAX = EC_MESSAGE_MAX + 512, /* beside our chain */
	/* ClientKeyExchange and CertificateVerify. */
	EC_SHARE = DTLS_HANDSHAKE_HEADER + 1 + EC_POINT_LEN,
	EC_VERIFY_MAX = DTLS_HANDSHAKE_HEADER + 4 + DTLS_OTHER_SIGNATURE_MAX,
	/* The longest Certificate, and behind it which bytes of it have come, or what follows it. */
	EC_ROOM = DTLS_HANDSHAKE_HEADER + EC_MESSAGE_MAX + EC_MESSAGE_MAX / 8,
};

_Static_assert(EC_SHARE + EC_VERIFY_MAX <= EC_MESSAGE_MAX / 8, "the client's flight fits");
_Static_assert(EC_FLIGHT_MAX <= EC_ROOM, "our flight fits");

enum ec_job_kind { EC_BEGIN, EC_FINISH };

struct ec_secrets {
	uint8_t secret[EC_SCALAR_LEN]; /* of our key pair: made by EC_BEGIN, used by EC_FINISH */
	/* By EC_FINISH; the former for who reads along with an operator's leave. */
	uint8_t master[DTLS_MASTER_SECRET];
	struct dtls_derived derived;
	uint8_t answer[DTLS_VERIFY_DATA]; /* what our Finished says */
};

struct ec_begin {
	uint8_t server_name_len; /* 0: the client named none */
	uint8_t server_name[EC_NAME_MAX];
};

struct ec_finish {
	/* In. */
	bool extended_master_secret;
	bool is_pinned; /* inventory knows this very certificate or key: no chain is needed */
	/* Out. */
	uint32_t trust; /* number of the trust that it was judged by */
	uint8_t anchor; /* number of the anchor that the chain led to */
	uint8_t name_len;
	uint8_t name[EC_NAME_MAX]; /* the endpoint that the certificate is of; of a refused one too,
				    * when it could be read */
};

struct ec_job {
	struct lane_head head;
	uint8_t kind;    /* enum ec_job_kind */
	uint8_t verdict; /* enum ec_verdict: out */
	uint8_t type; /* enum dtls_certificate_type: of ours in EC_BEGIN, of theirs in EC_FINISH */
	uint16_t message;    /* message_seq of ServerHello */
	uint16_t flight_len; /* EC_BEGIN: of ServerHello in, of all out */
	uint16_t chain_at,
		chain_len;     /* of the client's Certificate: header, and length of the body */
	uint16_t verify_len;   /* of CertificateVerify's body */
	uint16_t next_message; /* message_seq of the client's Finished */
	const struct crypto_ops *ops;
	uint8_t client_random[DTLS_RANDOM], server_random[DTLS_RANDOM];
	/* EC_BEGIN: up to ClientHello in, up to ServerHelloDone out. EC_FINISH, which may come more
	 * than once, leaves it as it is. */
	struct crypto_sha256 transcript;
	struct ec_secrets secrets;
	union {
		struct ec_begin begin;
		struct ec_finish finish;
	};
	uint8_t bytes[EC_ROOM];
};

/* The bodies of the client's messages. */
static inline const uint8_t *
ec_job_chain(const struct ec_job *job)
{
	return job->bytes + job->chain_at + DTLS_HANDSHAKE_HEADER;
}

static inline const uint8_t *
ec_job_share(const struct ec_job *job)
{
	return ec_job_chain(job) + job->chain_len + DTLS_HANDSHAKE_HEADER;
}

static inline const uint8_t *
ec_job_verify(const struct ec_job *job)
{
	return ec_job_share(job) + EC_SHARE;
}
