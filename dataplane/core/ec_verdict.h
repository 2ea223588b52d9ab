/*
 * ec_verdict.h - how a device's certificate or raw public key was judged: known by the worker that
 * asked, by the helper thread that answered (ec_job.h), and by whoever tells an operator.
 */
#pragma once

/* The number of a trust that was before any of this process: who was judged by it is judged anew. */
enum { EC_TRUST_FORMER = 1 };

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
	EC_NONE_SHOWN,    /* the client's list of certificates is empty; no helper says so */
	EC_TOO_LONG,      /* nor this: its chain is longer than what is taken */
	EC_FAILED,        /* libcrypto: out of memory or randomness */
	EC_VERDICTS,
};
