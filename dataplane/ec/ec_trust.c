#include "dataplane/ec/ec_trust_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "dataplane/core/dtls/dtls_certificate.h"

enum { DEPTH_MAX = DTLS_CHAIN_MAX - 1 }; /* all that a device may send beside its own */

static int
fail(char error[EC_ERROR_MAX], const char *text)
{
	ERR_clear_error();
	snprintf(error, EC_ERROR_MAX, "%s", text);
	return -1;
}

/* ---- life ---- */

struct ec_trust *
ec_trust_new(void)
{
	static _Atomic uint64_t generations;
	/* lint: allow calloc - the control side, at a reload, as all of this file is */
	struct ec_trust *trust = calloc(1, sizeof *trust);
	X509_VERIFY_PARAM *param;

	if (!trust)
		return NULL;
	trust->store = X509_STORE_new();
	if (!trust->store) {
		free(trust);
		return NULL;
	}
	atomic_init(&trust->holders, 1);
	trust->generation = atomic_fetch_add(&generations, 1) + EC_TRUST_FORMER + 1;
	for (unsigned i = 0; i < 3; i++)
		trust->dated[i].ends = INT64_MAX;
	trust->last.ends = INT64_MAX;
	param = X509_STORE_get0_param(trust->store);
	/* An anchor is whatever the operator trusts, be it an intermediate. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, 1); /* no SHA-1, no short RSA keys above a device */
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
	return trust;
}

void
ec_trust_hold(struct ec_trust *trust)
{
	atomic_fetch_add_explicit(&trust->holders, 1, memory_order_relaxed);
}

static void
free_own(struct own *own)
{
	EC_KEY_free(own->key); /* wipes the private key */
	if (own->signer.release)
		own->signer.release(own->signer.ctx);
	for (unsigned i = 0; i < own->n_names; i++)
		free(own->names[i]);
	free(own->chain);
	free(own);
}

void
ec_trust_release(struct ec_trust *trust)
{
	/* Acquire and release: who frees it must see what all others did with it. */
	if (!trust || atomic_fetch_sub_explicit(&trust->holders, 1, memory_order_acq_rel) != 1)
		return;
	while (trust->own) {
		struct own *next = trust->own->next;

		free_own(trust->own);
		trust->own = next;
	}
	X509_STORE_free(trust->store);
	if (trust->naming_release)
		trust->naming_release(trust->naming_ctx);
	free(trust->anchors);
	free(trust->denied);
	free(trust);
}

/* ---- dates ---- */

static int64_t
seconds_of(const ASN1_TIME *time)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int good = epoch && time && ASN1_TIME_diff(&days, &seconds, epoch, time);

	ASN1_TIME_free(epoch);
	return good ? (int64_t)days * 86400 + seconds : INT64_MAX;
}

static void
note_earlier(struct dated *dated, int64_t ends, const X509_NAME *name)
{
	/* What never ends has a name all the same. */
	if (ends >= dated->ends && *dated->subject)
		return;
	dated->ends = ends;
	X509_NAME_oneline(name, dated->subject, sizeof dated->subject);
}

static void
note_end(struct ec_trust *trust, enum ec_dated what, const ASN1_TIME *time, const X509_NAME *name)
{
	int64_t ends = seconds_of(time);

	note_earlier(&trust->dated[what], ends, name);
	note_earlier(&trust->last, ends, name);
}

int64_t
ec_trust_ends(const struct ec_trust *trust, enum ec_dated what, const char **subject)
{
	*subject = trust->dated[what].subject;
	return trust->dated[what].ends;
}

int64_t
ec_trust_last_end(const struct ec_trust *trust, const char **subject)
{
	*subject = trust->last.subject;
	return trust->last.ends;
}

static void
forget_last(struct ec_trust *trust)
{
	trust->last = (struct dated){ .ends = INT64_MAX };
}

/* ---- reading files ---- */

static bool
is_pem(struct ec_bytes file)
{
	return file.len > 10 && memmem(file.at, file.len, "-----BEGIN ", 11);
}

static BIO *
open_bytes(struct ec_bytes file)
{
	return file.len <= INT_MAX ? BIO_new_mem_buf(file.at, (int)file.len) : NULL;
}

/* Reads the next object: of PEM from `bio`, of DER where *at points. */
struct source {
	BIO *bio;
	const uint8_t *at, *end;
	bool pem, broken;
};

static bool
source_open(struct source *source, struct ec_bytes file)
{
	*source = (struct source){ .at = file.at, .pem = is_pem(file) };
	source->end = source->at + file.len;
	if (source->pem)
		source->bio = open_bytes(file);
	return !source->pem || source->bio;
}

/* PEM: whether the reader stopped at the end, rather than at something it could not read. */
static void
note_pem_end(struct source *source, const void *object)
{
	unsigned long error = ERR_peek_last_error();

	if (object)
		return;
	if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
		source->broken = true;
	ERR_clear_error();
}

static X509 *
next_certificate(struct source *source)
{
	X509 *certificate;

	if (source->pem) {
		certificate = PEM_read_bio_X509(source->bio, NULL, NULL, NULL);
		note_pem_end(source, certificate);
		return certificate;
	}
	if (source->at == source->end)
		return NULL;
	certificate = d2i_X509(NULL, &source->at, source->end - source->at);
	source->broken = !certificate;
	return certificate;
}

static X509_CRL *
next_crl(struct source *source)
{
	X509_CRL *crl;

	if (source->pem) {
		crl = PEM_read_bio_X509_CRL(source->bio, NULL, NULL, NULL);
		note_pem_end(source, crl);
		return crl;
	}
	if (source->at == source->end)
		return NULL;
	crl = d2i_X509_CRL(NULL, &source->at, source->end - source->at);
	source->broken = !crl;
	return crl;
}

/* ---- anchors, CRLs, deny list ---- */

static bool
fingerprint_of(const X509 *certificate, uint8_t fingerprint[FINGERPRINT])
{
	unsigned len = FINGERPRINT;

	return X509_digest(certificate, EVP_sha256(), fingerprint, &len) == 1;
}

static bool
add_anchor(struct ec_trust *trust, X509 *certificate, uint8_t tag)
{
	struct anchor *anchors =
		/* lint: allow realloc - at a reload */
		realloc(trust->anchors, (trust->n_anchors + 1) * sizeof *trust->anchors);

	if (!anchors)
		return false;
	trust->anchors = anchors;
	anchors[trust->n_anchors].tag = tag;
	if (!fingerprint_of(certificate, anchors[trust->n_anchors].fingerprint) ||
	    X509_STORE_add_cert(trust->store, certificate) != 1)
		return false;
	trust->n_anchors++;
	note_end(trust, EC_DATED_ANCHOR, X509_get0_notAfter(certificate),
		 X509_get_subject_name(certificate));
	return true;
}

int
ec_trust_add_anchor(struct ec_trust *trust, struct ec_bytes file, uint8_t tag,
		    char error[EC_ERROR_MAX])
{
	struct source source;
	unsigned n = 0;
	bool added = source_open(&source, file);
	X509 *certificate;

	forget_last(trust);
	while (added && (certificate = next_certificate(&source))) {
		added = add_anchor(trust, certificate, tag);
		X509_free(certificate);
		n++;
	}
	BIO_free(source.bio);
	if (!added)
		return fail(error, "the certificate cannot be taken as an anchor");
	if (source.broken || n == 0)
		return fail(error, "no certificate in PEM or DER");
	return 0;
}

int
ec_trust_add_crl(struct ec_trust *trust, struct ec_bytes file, char error[EC_ERROR_MAX])
{
	struct source source;
	unsigned n = 0;
	bool added = source_open(&source, file);
	X509_CRL *crl;

	forget_last(trust);
	while (added && (crl = next_crl(&source))) {
		added = X509_STORE_add_crl(trust->store, crl) == 1;
		note_end(trust, EC_DATED_CRL, X509_CRL_get0_nextUpdate(crl),
			 X509_CRL_get_issuer(crl));
		X509_CRL_free(crl);
		n++;
	}
	BIO_free(source.bio);
	if (!added)
		return fail(error, "the revocation list cannot be taken");
	if (source.broken || n == 0)
		return fail(error, "no revocation list in PEM or DER");
	trust->has_crls = true;
	X509_VERIFY_PARAM_set_flags(X509_STORE_get0_param(trust->store),
				    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

int
ec_trust_deny(struct ec_trust *trust, const uint8_t fingerprint[32])
{
	uint8_t(*denied)[FINGERPRINT] =
		/* lint: allow realloc - at a reload */
		realloc(trust->denied, (trust->n_denied + 1) * sizeof *denied);

	if (!denied)
		return -1;
	trust->denied = denied;
	memcpy(denied[trust->n_denied++], fingerprint, FINGERPRINT);
	return 0;
}

bool
trust_denies(const struct ec_trust *trust, const uint8_t fingerprint[FINGERPRINT])
{
	for (size_t i = 0; i < trust->n_denied; i++) {
		if (memcmp(trust->denied[i], fingerprint, FINGERPRINT) == 0)
			return true;
	}
	return false;
}

uint8_t
trust_tag(const struct ec_trust *trust, const uint8_t fingerprint[FINGERPRINT])
{
	for (size_t i = 0; i < trust->n_anchors; i++) {
		if (memcmp(trust->anchors[i].fingerprint, fingerprint, FINGERPRINT) == 0)
			return trust->anchors[i].tag;
	}
	return 0;
}

/* ---- our own ---- */

/* No password is asked for: a daemon has nobody to ask. */
static int
no_password(char *buffer, int size, int write, void *ctx)
{
	return -1;
}

static EC_KEY *
read_key(struct ec_bytes file)
{
	const uint8_t *at = file.at;
	EVP_PKEY *key = NULL;
	EC_KEY *ec = NULL;
	BIO *bio;

	if (is_pem(file)) {
		bio = open_bytes(file);
		key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
		BIO_free(bio);
	} else {
		key = d2i_AutoPrivateKey(NULL, &at, (long)file.len);
	}
	if (key)
		ec = EVP_PKEY_get1_EC_KEY(key);
	EVP_PKEY_free(key);
	if (ec && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == NID_X9_62_prime256v1 &&
	    EC_KEY_check_key(ec) == 1)
		return ec;
	EC_KEY_free(ec);
	ERR_clear_error();
	return NULL;
}

ECDSA_SIG *
trust_sign_elsewhere(const struct ec_signer *signer, const uint8_t hash[EC_HASH_LEN])
{
	uint8_t bytes[2 * EC_SCALAR_LEN];
	ECDSA_SIG *signature = NULL;
	BIGNUM *r, *s;

	if (!signer->sign(signer->ctx, hash, bytes))
		return NULL;
	r = BN_bin2bn(bytes, EC_SCALAR_LEN, NULL);
	s = BN_bin2bn(bytes + EC_SCALAR_LEN, EC_SCALAR_LEN, NULL);
	if (r && s)
		signature = ECDSA_SIG_new();
	if (signature && ECDSA_SIG_set0(signature, r, s) == 1)
		return signature;
	ECDSA_SIG_free(signature);
	BN_free(r);
	BN_free(s);
	return NULL;
}

static bool
signs_rightly(const struct ec_signer *signer, EC_KEY *public)
{
	static const uint8_t hash[EC_HASH_LEN] = "any hash";
	ECDSA_SIG *signature = trust_sign_elsewhere(signer, hash);
	bool right = signature && ECDSA_do_verify(hash, sizeof hash, signature, public) == 1;

	ECDSA_SIG_free(signature);
	ERR_clear_error();
	return right;
}

/* The public half, of a key that proved to sign; or NULL, and what is wrong. */
static EC_KEY *
key_of_signer(const struct ec_signer *signer, const char **wrong)
{
	EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);

	*wrong = "out of memory";
	if (key && EC_KEY_oct2key(key, signer->point, sizeof signer->point, NULL) != 1)
		*wrong = "its key is not of P-256";
	else if (key && signs_rightly(signer, key))
		return key;
	else if (key)
		*wrong = "it does not sign with ECDSA, or with another key than its public one";
	EC_KEY_free(key);
	ERR_clear_error();
	return NULL;
}

static bool
point_of(const EC_KEY *key, uint8_t point[EC_POINT_LEN])
{
	return EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
				  POINT_CONVERSION_UNCOMPRESSED, point, EC_POINT_LEN,
				  NULL) == EC_POINT_LEN;
}

static bool
put_raw_key(struct own *own)
{
	struct writer out = writer_init(own->raw_key, sizeof own->raw_key);
	uint8_t point[EC_POINT_LEN];

	if (!point_of(own->key, point))
		return false;
	writer_u24(&out, DTLS_SPKI);
	dtls_spki_write(&out, point);
	return writer_finish(&out) == sizeof own->raw_key;
}

static bool
is_of_key(const X509 *leaf, const struct own *own)
{
	const uint8_t *spki = own->raw_key + 3;
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
	bool same = len == DTLS_SPKI && memcmp(der, spki, DTLS_SPKI) == 0;

	OPENSSL_free(der);
	return same;
}

/* What is wrong with the chain, or NULL. */
static const char *
put_chain(struct ec_trust *trust, struct own *own, struct source *source)
{
	static const char too_long[] = "the chain is too long for a handshake: 6 KB at most";
	uint8_t body[EC_MESSAGE_MAX];
	struct writer out = writer_init(body, sizeof body);
	struct writer_mark mark = writer_reserve_u24(&out);
	unsigned n = 0;
	X509 *certificate;

	for (; (certificate = next_certificate(source)); n++) {
		uint8_t *der = NULL;
		int len = i2d_X509(certificate, &der);
		bool right = n > 0 || is_of_key(certificate, own);

		writer_u24(&out, len > 0 ? (uint32_t)len : 0);
		writer_bytes(&out, der, len > 0 ? (size_t)len : 0);
		note_end(trust, EC_DATED_OWN, X509_get0_notAfter(certificate),
			 X509_get_subject_name(certificate));
		OPENSSL_free(der);
		X509_free(certificate);
		if (!right)
			return "its first certificate is not of this key";
	}
	writer_close(&out, mark);
	if (source->broken || n == 0)
		return "no certificate in PEM or DER";
	own->chain_len = writer_finish(&out);
	if (own->chain_len == 0 || n > DTLS_CHAIN_MAX)
		return too_long;
	own->chain = malloc(own->chain_len); /* lint: allow malloc - at a reload */
	if (!own->chain)
		return "out of memory";
	memcpy(own->chain, body, own->chain_len);
	return NULL;
}

static const char *
fill_own(struct ec_trust *trust, const struct ec_own *from, struct own *own)
{
	struct source source;
	const char *wrong =
		"no private key of P-256 in PEM or DER, or one that asks for a password";

	own->key = from->signer.sign ? key_of_signer(&from->signer, &wrong) : read_key(from->key);
	if (!own->key)
		return wrong;
	if (!put_raw_key(own))
		return "out of memory";
	for (; own->n_names < from->n_names; own->n_names++) {
		/* lint: allow strdup - at a reload */
		own->names[own->n_names] = strdup(from->names[own->n_names]);
		if (!own->names[own->n_names])
			return "out of memory";
	}
	if (from->chain.len == 0)
		return NULL;
	if (!source_open(&source, from->chain))
		return "out of memory";
	wrong = put_chain(trust, own, &source);
	BIO_free(source.bio);
	return wrong;
}

int
ec_trust_add_own(struct ec_trust *trust, const struct ec_own *from, char error[EC_ERROR_MAX])
{
	/* lint: allow calloc - at a reload */
	struct own *own = calloc(1, sizeof *own), **last = &trust->own;
	const char *wrong;

	forget_last(trust);
	wrong = own ? fill_own(trust, from, own) : "out of memory";
	if (wrong) {
		if (own)
			free_own(own);
		return fail(error, wrong);
	}
	own->signer = from->signer;
	while (*last)
		last = &(*last)->next;
	*last = own;
	return 0;
}

/* RFC 6125 6.4.3: a wildcard stands for the whole first label, and for it alone. */
static bool
name_matches(const char *pattern, const uint8_t *name, size_t len)
{
	const uint8_t *dot;

	if (strncmp(pattern, "*.", 2) == 0) {
		dot = memchr(name, '.', len);
		if (!dot || dot == name)
			return false;
		pattern++;
		len -= (size_t)(dot - name);
		name = dot;
	}
	return strlen(pattern) == len && strncasecmp(pattern, (const char *)name, len) == 0;
}

static bool
own_matches(const struct own *own, const uint8_t *name, size_t len)
{
	for (unsigned i = 0; i < own->n_names; i++) {
		if (name_matches(own->names[i], name, len))
			return true;
	}
	return false;
}

const struct own *
trust_own(const struct ec_trust *trust, const uint8_t *name, size_t len, bool raw_key)
{
	const struct own *fallback = NULL;

	for (const struct own *own = trust->own; own; own = own->next) {
		if (!raw_key && !own->chain)
			continue;
		if (len != 0 && own_matches(own, name, len))
			return own;
		if (!fallback || (fallback->n_names != 0 && own->n_names == 0))
			fallback = own;
	}
	return fallback;
}

/* ---- the rest ---- */

void
ec_trust_set_naming(struct ec_trust *trust, ec_naming *naming, void *ctx,
		    void (*release)(void *ctx))
{
	trust->naming_release = release;
	trust->naming = naming;
	trust->naming_ctx = ctx;
}

void
ec_trust_set_grace(struct ec_trust *trust, int64_t seconds)
{
	trust->grace_s = seconds;
}

unsigned
ec_trust_abilities(const struct ec_trust *trust)
{
	unsigned abilities = trust->n_anchors ? DTLS_PEER_CERTIFICATES : 0;

	for (const struct own *own = trust->own; own; own = own->next)
		abilities |= DTLS_OWN_RAW_KEY | DTLS_PEER_RAW_KEYS |
			     (own->chain ? DTLS_OWN_CERTIFICATE : 0);
	return abilities;
}

uint32_t
ec_trust_generation(const struct ec_trust *trust)
{
	return (uint32_t)trust->generation;
}

bool
ec_trust_has_own(const struct ec_trust *trust)
{
	return trust->own;
}
