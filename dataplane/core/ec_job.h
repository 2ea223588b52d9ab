/*
 * ec_job.h - what passes between a worker and the threads that compute with elliptic curves.
 *
 * An operation over P-256 takes as long as hundreds of records, so none is done on a polled core.
 * A handshake with certificates asks twice:
 *
 *	worker                                  helper thread
 *	verified ClientHello  -- EC_BEGIN  -->  a key pair made ahead, its parameters signed
 *	our flight            <--------------
 *	the client's flight   -- EC_FINISH -->  chain verified, signature verified, ECDH
 *	keys, or a refusal    <--------------
 *
 * A job carries copies of all it needs, never a pointer into a worker's memory; its answer comes
 * back in the same memory and names place and serial of the handshake, so that one which ended
 * meanwhile is known and ignored. Jobs come from a bounded pool and are never waited for: an empty
 * pool is a counted outcome, and the client repeats what it sent.
 *
 * Owner: whoever holds the job. It holds secrets: wiped when it goes back to its pool.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/lane_head.h"

enum {
	EC_SCALAR_LEN = 32,
	EC_POINT_LEN = 65, /* uncompressed (SEC 1 2.3.3) */
	EC_HASH_LEN = 32,
	EC_RANDOM_LEN = 32,
	EC_SIGNATURE_MAX = 72, /* DER */
	EC_NAME_MAX = 255,     /* of an endpoint, and of a server (RFC 1035 2.3.4) */
	EC_MESSAGE_MAX = 6144, /* body of a Certificate message, theirs or ours */
};

enum ec_job_kind { EC_BEGIN, EC_FINISH };

/* What became of a job: EC_GOOD, or why not, as operators read it (counters.def). */
enum ec_verdict {
	EC_GOOD,
	EC_NO_CREDENTIAL,  /* we have no certificate or key of the type that was asked for */
	EC_MALFORMED,      /* the client's certificate cannot be read, or its key is not P-256 */
	EC_UNKNOWN_ISSUER, /* no anchor of ours issued it, or an intermediate is missing */
	EC_EXPIRED,        /* beyond the time of grace */
	EC_NOT_YET_VALID,
	EC_PURPOSE, /* not for clients, or not for signatures */
	EC_REVOKED,
	EC_DENIED,        /* on the deny list */
	EC_CHAIN,         /* a constraint of an authority, a bad signature in the chain, ... */
	EC_NO_NAME,       /* no endpoint name follows from it */
	EC_BAD_SIGNATURE, /* CertificateVerify: the client has not the key of its certificate */
	EC_BAD_POINT,     /* the client's key share is not on the curve */
	EC_NOT_PINNED,    /* the device has another key or certificate in the inventory; of a raw
			   * public key: no device has it */
	EC_FAILED,        /* libcrypto: out of memory or randomness */
	EC_VERDICTS,
};

struct ec_begin {
	/* In. */
	uint8_t client_random[EC_RANDOM_LEN], server_random[EC_RANDOM_LEN];
	uint8_t server_name_len; /* 0: the client named none */
	uint8_t server_name[EC_NAME_MAX];
	/* Out, beside the body of our Certificate message in ec_job.bytes. */
	uint8_t secret[EC_SCALAR_LEN]; /* of the key pair: back to us in EC_FINISH */
	uint8_t point[EC_POINT_LEN];
	uint8_t signature_len;
	uint8_t signature[EC_SIGNATURE_MAX];
};

struct ec_finish {
	/* In, beside the body of the client's Certificate message in ec_job.bytes. */
	uint8_t secret[EC_SCALAR_LEN];
	uint8_t point[EC_POINT_LEN]; /* the client's */
	uint8_t hash[EC_HASH_LEN];   /* of the transcript, which CertificateVerify signs */
	uint8_t signature_len;
	uint8_t signature[EC_SIGNATURE_MAX];
	bool is_pinned; /* inventory knows this very certificate or key: no chain is needed */
	/* Out. */
	uint8_t premaster[EC_SCALAR_LEN];
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
	uint16_t len; /* of `bytes` */
	uint32_t slot, serial; /* of the handshake's place */
	union {
		struct ec_begin begin;
		struct ec_finish finish;
	};
	uint8_t bytes[EC_MESSAGE_MAX];
};
