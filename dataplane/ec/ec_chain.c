#include "dataplane/ec/ec_chain.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/sha.h>

#include "dataplane/ec/ec_trust_internal.h"

/* ---- what a certificate says ---- */

struct texts {
	char cn[EC_NAME_MAX + 1], serial_number[EC_NAME_MAX + 1];
	char serial[2 * 20 + 1], fingerprint[2 * FINGERPRINT + 1], spki[2 * FINGERPRINT + 1];
	char sans[2 * EC_SAN_MAX][EC_NAME_MAX + 1];
};

static void
put_hex(char *text, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* As UTF-8; what is longer than a name of ours, or has a NUL inside, is as if it were not there:
 * a cut one would be another device's. */
static void
copy_text(char text[EC_NAME_MAX + 1], const ASN1_STRING *string)
{
	uint8_t *utf8 = NULL;
	int len = string ? ASN1_STRING_to_UTF8(&utf8, string) : -1;

	if (len > 0 && len <= EC_NAME_MAX && !memchr(utf8, 0, (size_t)len)) {
		memcpy(text, utf8, (size_t)len);
		text[len] = 0;
	}
	OPENSSL_free(utf8);
}

/* The last one of its kind: RFC 5280 orders names from the root down. */
static void
copy_attribute(char text[EC_NAME_MAX + 1], const X509 *certificate, int nid)
{
	const X509_NAME *name = X509_get_subject_name(certificate);
	int at = -1, last = -1;

	while ((at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0)
		last = at;
	if (last >= 0)
		copy_text(text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
}

static void
copy_serial(char *text, size_t size, const X509 *certificate)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	size_t len = (size_t)ASN1_STRING_length(serial);

	if (2 * len < size)
		put_hex(text, ASN1_STRING_get0_data(serial), len);
}

static void
copy_san(const GENERAL_NAME *name, struct texts *texts, struct ec_subject *subject)
{
	char *text;

	if (name->type == GEN_URI && subject->n_uris < EC_SAN_MAX) {
		text = texts->sans[subject->n_uris];
		copy_text(text, name->d.uniformResourceIdentifier);
		if (text[0])
			subject->uris[subject->n_uris++] = text;
	} else if (name->type == GEN_DNS && subject->n_dns < EC_SAN_MAX) {
		text = texts->sans[EC_SAN_MAX + subject->n_dns];
		copy_text(text, name->d.dNSName);
		if (text[0])
			subject->dns[subject->n_dns++] = text;
	}
}

static void
copy_sans(const X509 *certificate, struct texts *texts, struct ec_subject *subject)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		copy_san(sk_GENERAL_NAME_value(names, i), texts, subject);
	GENERAL_NAMES_free(names);
}

static void
describe(const X509 *certificate, struct texts *texts, struct ec_subject *subject)
{
	memset(texts, 0, sizeof *texts);
	*subject = (struct ec_subject){
		.cn = texts->cn,
		.serial_number = texts->serial_number,
		.serial = texts->serial,
		.fingerprint = texts->fingerprint,
		.spki = texts->spki,
	};
	copy_attribute(texts->cn, certificate, NID_commonName);
	copy_attribute(texts->serial_number, certificate, NID_serialNumber);
	copy_serial(texts->serial, sizeof texts->serial, certificate);
	copy_sans(certificate, texts, subject);
}

/* ---- one verification ---- */

struct check {
	const struct ec_trust *trust;
	int64_t wall_s, ends;
};

/* Takes back what is no refusal: an expired device within its grace, and lists that are missing or
 * old, which `status` warns of. */
static int
judge(int good, X509_STORE_CTX *ctx)
{
	const struct check *check = X509_STORE_CTX_get_app_data(ctx);

	if (good)
		return good;
	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		good = X509_STORE_CTX_get_error_depth(ctx) == 0 &&
		       check->wall_s <= check->ends + check->trust->grace_s;
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
		good = 1;
		break;
	}
	if (good)
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return good;
}

static enum ec_verdict
verdict_of(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return EC_UNKNOWN_ISSUER;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return EC_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return EC_NOT_YET_VALID;
	case X509_V_ERR_INVALID_PURPOSE:
	case X509_V_ERR_CERT_REJECTED:
		return EC_PURPOSE;
	case X509_V_ERR_CERT_REVOKED:
		return EC_REVOKED;
	case X509_V_ERR_OUT_OF_MEM:
		return EC_FAILED;
	default:
		return EC_CHAIN;
	}
}

static bool
note_anchor(const struct ec_trust *trust, X509_STORE_CTX *ctx, uint8_t *tag)
{
	const STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
	const X509 *top = sk_X509_value(path, sk_X509_num(path) - 1);
	uint8_t fingerprint[FINGERPRINT];
	unsigned len = sizeof fingerprint;

	if (!top || X509_digest(top, EVP_sha256(), fingerprint, &len) != 1)
		return false;
	*tag = trust_tag(trust, fingerprint);
	return true;
}

/* Follows the chain to an anchor. libcrypto finds the path first, and verifies signatures last. */
static enum ec_verdict
follow(const struct ec_trust *trust, X509 *certificate, STACK_OF(X509) * others, int64_t wall_s,
       struct ec_leaf *leaf)
{
	struct check check = { trust, wall_s, leaf->ends };
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum ec_verdict verdict = EC_FAILED;

	if (!ctx || X509_STORE_CTX_init(ctx, trust->store, certificate, others) != 1)
		goto out;
	X509_STORE_CTX_set_app_data(ctx, &check);
	X509_STORE_CTX_set_verify_cb(ctx, judge);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)wall_s);
	if (X509_verify_cert(ctx) != 1)
		verdict = verdict_of(X509_STORE_CTX_get_error(ctx));
	else if (note_anchor(trust, ctx, &leaf->anchor))
		verdict = EC_GOOD;
out:
	X509_STORE_CTX_free(ctx);
	return verdict;
}

/* ---- the whole ---- */

static X509 *
read_one(const struct dtls_bytes *der)
{
	const uint8_t *at = der->at;
	X509 *certificate = d2i_X509(NULL, &at, (long)der->len);

	if (certificate && at == der->at + der->len)
		return certificate;
	X509_free(certificate);
	return NULL;
}

static STACK_OF(X509) * read_others(const struct dtls_chain *chain)
{
	STACK_OF(X509) *others = sk_X509_new_null();

	for (unsigned i = 1; others && i < chain->n; i++) {
		X509 *certificate = read_one(&chain->certificates[i]);

		if (!certificate || !sk_X509_push(others, certificate)) {
			X509_free(certificate);
			sk_X509_pop_free(others, X509_free);
			return NULL;
		}
	}
	return others;
}

/* The leaf's key, hashes of both, and its end. */
static bool
read_leaf(const struct dtls_bytes *der, const X509 *certificate, struct ec_leaf *leaf,
	  uint8_t hashes[2][FINGERPRINT])
{
	uint8_t *spki = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	const uint8_t *point = len > 0 ? dtls_spki_point(spki, (size_t)len) : NULL;
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	bool good = point && epoch &&
		    ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate));

	ASN1_TIME_free(epoch);
	SHA256(der->at, der->len, hashes[0]);
	SHA256(spki, len > 0 ? (size_t)len : 0, hashes[1]);
	if (good) {
		memcpy(leaf->point, point, sizeof leaf->point);
		leaf->ends = (int64_t)days * 86400 + seconds;
	}
	OPENSSL_free(spki);
	return good;
}

static void
name_leaf(const struct ec_trust *trust, const X509 *certificate, uint8_t hashes[2][FINGERPRINT],
	  struct ec_leaf *leaf)
{
	struct ec_subject subject;
	struct texts texts;
	size_t len;

	describe(certificate, &texts, &subject);
	put_hex(texts.fingerprint, hashes[0], FINGERPRINT);
	put_hex(texts.spki, hashes[1], FINGERPRINT);
	if (trust->naming) {
		len = trust->naming(trust->naming_ctx, leaf->anchor, &subject, leaf->name,
				    sizeof leaf->name);
	} else {
		len = strlen(texts.cn);
		memcpy(leaf->name, texts.cn, len);
	}
	leaf->name_len = (uint8_t)(len <= EC_NAME_MAX ? len : 0);
}

/*
 * An intermediate that two authorities certified may come with both certificates (RFC 5280 6.1: any
 * path will do), and libcrypto follows the first alone. The first certificate that another one of
 * the same name and key stands behind; -1: there is none.
 */
static int
find_crossed(const STACK_OF(X509) * others)
{
	for (int i = 0; i < sk_X509_num(others); i++) {
		const X509 *first = sk_X509_value(others, i);

		for (int k = i + 1; k < sk_X509_num(others); k++) {
			const X509 *second = sk_X509_value(others, k);

			if (X509_NAME_cmp(X509_get_subject_name(first),
					  X509_get_subject_name(second)) == 0 &&
			    EVP_PKEY_eq(X509_get0_pubkey(first), X509_get0_pubkey(second)) == 1)
				return i;
		}
	}
	return -1;
}

/* Tries a second path once, so that nobody multiplies the work by what he sends. */
static enum ec_verdict
follow_either(const struct ec_trust *trust, X509 *certificate, STACK_OF(X509) * others,
	      int64_t wall_s, struct ec_leaf *leaf)
{
	enum ec_verdict verdict = follow(trust, certificate, others, wall_s, leaf);
	int crossed =
		verdict == EC_UNKNOWN_ISSUER || verdict == EC_CHAIN ? find_crossed(others) : -1;

	if (crossed < 0)
		return verdict;
	X509_free(sk_X509_delete(others, crossed));
	return follow(trust, certificate, others, wall_s, leaf);
}

static enum ec_verdict
verify_read(const struct ec_trust *trust, const struct dtls_chain *chain, X509 *certificate,
	    int64_t wall_s, struct ec_leaf *leaf)
{
	STACK_OF(X509) *others = read_others(chain);
	enum ec_verdict verdict = EC_MALFORMED;

	if (others)
		verdict = follow_either(trust, certificate, others, wall_s, leaf);
	sk_X509_pop_free(others, X509_free);
	return verdict;
}

enum ec_verdict
ec_chain_verify(const struct ec_trust *trust, const struct dtls_chain *chain, bool is_pinned,
		int64_t wall_s, struct ec_leaf *leaf)
{
	X509 *certificate = read_one(&chain->certificates[0]);
	uint8_t hashes[2][FINGERPRINT];
	enum ec_verdict verdict = EC_MALFORMED;

	*leaf = (struct ec_leaf){ .anchor = 0 };
	if (certificate) {
		if (!read_leaf(&chain->certificates[0], certificate, leaf, hashes))
			verdict = EC_MALFORMED; /* its name is still the operator's clue */
		else if (trust_denies(trust, hashes[0]) || trust_denies(trust, hashes[1]))
			verdict = EC_DENIED;
		else if (is_pinned)
			verdict = EC_GOOD;
		else
			verdict = verify_read(trust, chain, certificate, wall_s, leaf);
		name_leaf(trust, certificate, hashes, leaf);
		if (verdict == EC_GOOD && !is_pinned && !leaf->name_len)
			verdict = EC_NO_NAME;
	}
	X509_free(certificate);
	ERR_clear_error();
	return verdict;
}

void
ec_chain_describe(const struct dtls_bytes *der, uint8_t anchor,
		  void (*described)(void *ctx, uint8_t anchor, const struct ec_subject *subject),
		  void *ctx)
{
	X509 *certificate = read_one(der);
	uint8_t hashes[2][FINGERPRINT];
	struct ec_subject subject;
	struct texts texts;
	struct ec_leaf leaf;

	if (certificate && read_leaf(der, certificate, &leaf, hashes)) {
		describe(certificate, &texts, &subject);
		put_hex(texts.fingerprint, hashes[0], FINGERPRINT);
		put_hex(texts.spki, hashes[1], FINGERPRINT);
		described(ctx, anchor, &subject);
	}
	X509_free(certificate);
	ERR_clear_error();
}
