#include "dataplane/ec/ec_identity.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "dataplane/core/dtls/dtls_certificate.h"

static int
fail(char error[EC_ERROR_MAX], const char *text)
{
	ERR_clear_error();
	snprintf(error, EC_ERROR_MAX, "%s", text);
	return -1;
}

static bool
has(struct ec_bytes file, const char *word)
{
	return file.len && memmem(file.at, file.len, word, strlen(word));
}

static X509 *
read_certificate(struct ec_bytes file)
{
	const uint8_t *at = file.at;
	X509 *certificate = NULL;
	BIO *bio;

	if (file.len > INT_MAX)
		return NULL;
	if (!has(file, "-----BEGIN "))
		return d2i_X509(NULL, &at, (long)file.len);
	bio = BIO_new_mem_buf(file.at, (int)file.len);
	if (bio)
		certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *
read_public(struct ec_bytes file)
{
	const uint8_t *at = file.at;
	EVP_PKEY *key = NULL;
	BIO *bio;

	if (file.len > INT_MAX)
		return NULL;
	if (!has(file, "-----BEGIN "))
		return d2i_PUBKEY(NULL, &at, (long)file.len);
	bio = BIO_new_mem_buf(file.at, (int)file.len);
	if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return key;
}

/* Whether a device can come with it: P-256, uncompressed, is all that is taken. */
static bool
spki_is_good(const uint8_t *spki, int len)
{
	return len > 0 && dtls_spki_point(spki, (size_t)len);
}

static const char not_p256[] = "its key is not of P-256: no device can come with it";

int
ec_identity_of_certificate(struct ec_bytes file, uint8_t hash[32], char error[EC_ERROR_MAX])
{
	X509 *certificate = read_certificate(file);
	uint8_t *der = NULL, *spki = NULL;
	int len, spki_len;
	bool good;

	if (!certificate)
		return fail(error, "no certificate in PEM or DER");
	spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	len = i2d_X509(certificate, &der);
	good = len > 0 && spki_is_good(spki, spki_len);
	if (good)
		SHA256(der, (size_t)len, hash);
	OPENSSL_free(der);
	OPENSSL_free(spki);
	X509_free(certificate);
	return good ? 0 : fail(error, not_p256);
}

/* The DER of a public key, or of the one in a certificate; its length, 0: there is none. */
static int
read_spki(struct ec_bytes file, uint8_t **spki)
{
	X509 *certificate = NULL;
	EVP_PKEY *key = read_public(file);
	int len = 0;

	if (!key) {
		certificate = read_certificate(file);
		if (certificate)
			len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), spki);
	} else {
		len = i2d_PUBKEY(key, spki);
	}
	EVP_PKEY_free(key);
	X509_free(certificate);
	return len;
}

int
ec_identity_of_key(struct ec_bytes file, uint8_t hash[32], char error[EC_ERROR_MAX])
{
	uint8_t *spki = NULL;
	int len;
	bool good;

	/* The device's own secret is nobody else's: who has it here should know. */
	if (has(file, "PRIVATE KEY-----"))
		return fail(error, "is a private key, which belongs to the device alone: give its "
				   "public half, as `openssl pkey -in FILE -pubout` prints it");
	len = read_spki(file, &spki);
	if (len <= 0)
		return fail(error, "no public key in PEM or DER, and no certificate");
	good = spki_is_good(spki, len);
	if (good)
		SHA256(spki, (size_t)len, hash);
	OPENSSL_free(spki);
	return good ? 0 : fail(error, not_p256);
}
