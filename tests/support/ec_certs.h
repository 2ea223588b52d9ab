/*
 * ec_certs.h - keys and certificates made for a test, with whatever is wrong with them.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { CERT_DER_MAX = 4096, CERT_NOW = 1800000000 }; /* January 2027 */

struct cert {
	EVP_PKEY *key;
	X509 *x509;
	uint8_t der[CERT_DER_MAX], key_der[512];
	size_t der_len, key_der_len;
};

/* Days count from CERT_NOW. */
struct cert_spec {
	const struct cert *issuer;              /* NULL: itself */
	const struct cert *key_of;              /* NULL: a new key */
	const char *cn, *serial_number, *curve; /* curve NULL: P-256 */
	int from_days, to_days;                 /* both 0: -1 to 365 */
	const char *basic, *usage, *extended, *san,
		*constraints; /* as openssl.cnf has them; NULL: none */
};

static inline void
cert_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	if (!value)
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!extension || X509_add_ext(x509, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
}

static inline void
cert_entry(X509_NAME *name, const char *what, const char *value)
{
	if (value && X509_NAME_add_entry_by_txt(name, what, MBSTRING_UTF8,
						(const unsigned char *)value, -1, -1, 0) != 1)
		abort();
}

static inline void
cert_make(struct cert *cert, const struct cert_spec *spec)
{
	static long serial = 1000;
	X509 *x509 = X509_new();
	X509_NAME *name = X509_get_subject_name(x509);
	bool dated = spec->from_days || spec->to_days;
	long day = 86400, from = CERT_NOW + (dated ? spec->from_days : -1) * day;
	long to = CERT_NOW + (dated ? spec->to_days : 365) * day;
	uint8_t *at = cert->der;

	memset(cert, 0, sizeof *cert);
	cert->x509 = x509;
	if (spec->key_of) {
		cert->key = spec->key_of->key;
		EVP_PKEY_up_ref(cert->key);
	} else {
		cert->key = EVP_EC_gen(spec->curve ? spec->curve : "P-256");
	}
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
	ASN1_TIME_set(X509_getm_notBefore(x509), from);
	ASN1_TIME_set(X509_getm_notAfter(x509), to);
	cert_entry(name, "CN", spec->cn);
	cert_entry(name, "serialNumber", spec->serial_number);
	X509_set_issuer_name(x509, spec->issuer ? X509_get_subject_name(spec->issuer->x509) : name);
	X509_set_pubkey(x509, cert->key);
	cert_extension(x509, spec->issuer ? spec->issuer->x509 : x509, NID_basic_constraints,
		       spec->basic);
	cert_extension(x509, x509, NID_key_usage, spec->usage);
	cert_extension(x509, x509, NID_ext_key_usage, spec->extended);
	cert_extension(x509, x509, NID_subject_alt_name, spec->san);
	cert_extension(x509, x509, NID_name_constraints, spec->constraints);
	if (!X509_sign(x509, spec->issuer ? spec->issuer->key : cert->key, EVP_sha256()))
		abort();
	cert->der_len = (size_t)i2d_X509(x509, &at);
	at = cert->key_der;
	cert->key_der_len = (size_t)i2d_PrivateKey(cert->key, &at);
}

static inline void
cert_free(struct cert *cert)
{
	EVP_PKEY_free(cert->key);
	X509_free(cert->x509);
}

/* An authority, and what it issues for a device. */
static inline void
cert_make_ca(struct cert *ca, const char *cn, const struct cert *issuer)
{
	cert_make(ca, &(struct cert_spec){ .cn = cn,
					   .issuer = issuer,
					   .basic = "critical,CA:TRUE",
					   .usage = "critical,keyCertSign,cRLSign" });
}

static inline void
cert_make_device(struct cert *cert, const char *cn, const struct cert *issuer)
{
	cert_make(cert, &(struct cert_spec){ .cn = cn,
					     .issuer = issuer,
					     .usage = "critical,digitalSignature",
					     .extended = "clientAuth" });
}
