/*
 * ec_trust.h - whom we trust and who we are: anchors, revocation lists, a deny list, and our own
 * certificates and keys.
 *
 * Built once by the control side out of files' bytes (PEM or DER), then immutable and shared:
 * ec_trust_hold() and ec_trust_release() from any thread. A new policy is a new trust, so a
 * handshake in progress finishes with what it began with.
 *
 * Memory: heap, of libcrypto too; private keys are wiped with the last reference. Nothing blocks.
 * Errors: 0 or -1, and a sentence for the operator in *error: what is wrong and what to do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EC_ERROR_MAX = 256,
	EC_ANCHOR_TAGS = 255, /* anchors' numbers: 0 .. 254 */
	EC_OWN_NAMES = 16,
	EC_SAN_MAX = 8,
};

struct ec_trust;

/* An empty one, held once. NULL: out of memory. */
struct ec_trust *ec_trust_new(void);
void ec_trust_hold(struct ec_trust *trust);
void ec_trust_release(struct ec_trust *trust);

struct ec_bytes {
	const void *at;
	size_t len;
};

/* One or more certificates of authorities; `tag` comes back with what they vouch for. */
int ec_trust_add_anchor(struct ec_trust *trust, struct ec_bytes file, uint8_t tag,
			char error[EC_ERROR_MAX]);
/* One or more revocation lists. An authority without one revokes nobody. */
int ec_trust_add_crl(struct ec_trust *trust, struct ec_bytes file, char error[EC_ERROR_MAX]);
/* A certificate or public key, by the SHA-256 of its DER (of its SubjectPublicKeyInfo). */
int ec_trust_deny(struct ec_trust *trust, const uint8_t fingerprint[32]);

/*
 * A key of ours that is elsewhere, such as in a token. `sign`: r and s, of 32 bytes each, of a hash;
 * false: not now. Called by helper threads, several at a time; may block. `release`: with the trust.
 */
struct ec_signer {
	bool (*sign)(void *ctx, const uint8_t hash[32], uint8_t signature[64]);
	void (*release)(void *ctx);
	void *ctx;
	uint8_t point[65]; /* its public key, uncompressed */
};

/*
 * Ours: a key and its chain, leaf first; without a chain it serves as raw public key alone.
 * `names` are those a client asks for (SNI): exactly, or "*.domain" for one label; none: the
 * default, as is the first one added. At most one default beside it.
 */
struct ec_own {
	struct ec_bytes key, chain; /* chain.len 0: none */
	struct ec_signer signer;    /* in place of `key`, where `sign` is set */
	const char *names[EC_OWN_NAMES];
	unsigned n_names;
};
/* The signer is the trust's if this returns 0, and else still the caller's. */
int ec_trust_add_own(struct ec_trust *trust, const struct ec_own *own, char error[EC_ERROR_MAX]);

/* What a certificate says of its device, as text; empty where it does not say. */
struct ec_subject {
	const char *cn;            /* the last common name of the subject */
	const char *serial_number; /* the subject's attribute, as in IEEE 802.1AR */
	const char *serial;        /* of the certificate, hexadecimal */
	const char *fingerprint;   /* SHA-256 of the certificate, hexadecimal */
	const char *spki;          /* SHA-256 of its public key, hexadecimal */
	const char *uris[EC_SAN_MAX], *dns[EC_SAN_MAX];
	unsigned n_uris, n_dns;
};

/*
 * The endpoint's name out of a certificate that `tag` vouches for: its length, or 0: there is none.
 * Called by helper threads, several at a time. Without one: the common name.
 */
typedef size_t ec_naming(void *ctx, uint8_t tag, const struct ec_subject *subject, char *name,
			 size_t size);
/* `release`: frees ctx with the trust; NULL: nothing is to be freed. */
void ec_trust_set_naming(struct ec_trust *trust, ec_naming *naming, void *ctx,
			 void (*release)(void *ctx));

/* How long a device's certificate is taken after it expired: devices lie in warehouses. */
void ec_trust_set_grace(struct ec_trust *trust, int64_t seconds);

/* Its number: never twice in a run of the program but for a wrap, and a later one is larger. */
uint32_t ec_trust_generation(const struct ec_trust *trust);
bool ec_trust_has_own(const struct ec_trust *trust);
/* enum dtls_ability of what was added. Raw public keys need nothing but a key of ours: whose they
 * are says the inventory. */
unsigned ec_trust_abilities(const struct ec_trust *trust);

enum ec_dated { EC_DATED_OWN, EC_DATED_ANCHOR, EC_DATED_CRL };
/* The earliest end of all of a kind (seconds since 1970) and its subject, for warnings ahead.
 * INT64_MAX: there is none. */
int64_t ec_trust_ends(const struct ec_trust *trust, enum ec_dated what, const char **subject);
/* The same of what the last ec_trust_add_anchor(), _crl() or _own() added: of a file. The subject is good until the next. */
int64_t ec_trust_last_end(const struct ec_trust *trust, const char **subject);
