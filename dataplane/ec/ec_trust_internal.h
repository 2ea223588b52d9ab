/*
 * ec_trust_internal.h - the inside of a trust, for dataplane/ec/ alone.
 */
#pragma once

#include <stdatomic.h>

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/ec/ec_trust.h"

enum { FINGERPRINT = 32 };

struct own {
	EC_KEY *key; /* of `signer`: its public half alone */
	struct ec_signer signer;
	char *names[EC_OWN_NAMES];
	unsigned n_names;
	uint8_t *chain; /* body of the Certificate message; NULL: none */
	size_t chain_len;
	uint8_t raw_key[3 + 91]; /* ... of a raw public key */
	struct own *next;
};

struct anchor {
	uint8_t fingerprint[FINGERPRINT];
	uint8_t tag;
};

struct dated {
	int64_t ends;
	char subject[128];
};

struct ec_trust {
	_Atomic unsigned holders;
	uint64_t generation; /* never twice in a run of the program */
	X509_STORE *store;
	bool has_crls;
	struct anchor *anchors;
	size_t n_anchors;
	uint8_t (*denied)[FINGERPRINT];
	size_t n_denied;
	struct own *own; /* in the order they were added */
	ec_naming *naming;
	void *naming_ctx;
	void (*naming_release)(void *ctx);
	int64_t grace_s;
	struct dated dated[3]; /* by enum ec_dated */
	struct dated last;     /* of what was added last */
};

/* The one for this name and type, or NULL. */
const struct own *trust_own(const struct ec_trust *trust, const uint8_t *name, size_t len,
			    bool raw_key);
/* r and s of a hash by a signer; NULL: it cannot. */
ECDSA_SIG *trust_sign_elsewhere(const struct ec_signer *signer, const uint8_t hash[EC_HASH_LEN]);
bool trust_denies(const struct ec_trust *trust, const uint8_t fingerprint[FINGERPRINT]);
/* The tag of an anchor by its fingerprint; 0 when it is none. */
uint8_t trust_tag(const struct ec_trust *trust, const uint8_t fingerprint[FINGERPRINT]);
