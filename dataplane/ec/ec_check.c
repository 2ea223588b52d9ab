#include "dataplane/ec/ec_check.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "dataplane/ec/ec_chain.h"

/* Certificates as a device would send them: DER, one behind the other. */
struct sent {
	uint8_t bytes[EC_MESSAGE_MAX];
	size_t len;
	struct dtls_chain chain;
	bool too_long;
};

static void
add(struct sent *sent, X509 *certificate)
{
	uint8_t *at = sent->bytes + sent->len;
	int len = i2d_X509(certificate, NULL);

	if (len <= 0 || (size_t)len > sizeof sent->bytes - sent->len ||
	    sent->chain.n == DTLS_CHAIN_MAX) {
		sent->too_long = true;
		return;
	}
	sent->chain.certificates[sent->chain.n++] = (struct dtls_bytes){ at, (size_t)len };
	sent->len += (size_t)i2d_X509(certificate, &at);
}

static void
read_pem(struct ec_bytes file, struct sent *sent)
{
	BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
	X509 *certificate;

	while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		add(sent, certificate);
		X509_free(certificate);
	}
	BIO_free(bio);
}

static void
read_der(struct ec_bytes file, struct sent *sent)
{
	const uint8_t *at = file.at;
	X509 *certificate = d2i_X509(NULL, &at, (long)file.len);

	if (certificate)
		add(sent, certificate);
	X509_free(certificate);
}

static void
put_names(const struct dtls_bytes *der, struct ec_checked *checked)
{
	const uint8_t *at = der->at;
	X509 *certificate = d2i_X509(NULL, &at, (long)der->len);

	if (!certificate)
		return;
	X509_NAME_oneline(X509_get_subject_name(certificate), checked->subject,
			  sizeof checked->subject);
	X509_NAME_oneline(X509_get_issuer_name(certificate), checked->issuer,
			  sizeof checked->issuer);
	X509_free(certificate);
}

int
ec_check(const struct ec_trust *trust, const struct ec_check_ask *ask, struct ec_checked *checked,
	 char error[EC_ERROR_MAX])
{
	struct sent sent = { .len = 0 };
	struct ec_leaf leaf;

	*checked = (struct ec_checked){ .verdict = EC_MALFORMED };
	if (ask->file.len > INT_MAX)
		return -1;
	if (ask->file.len && memmem(ask->file.at, ask->file.len, "-----BEGIN ", 11))
		read_pem(ask->file, &sent);
	else
		read_der(ask->file, &sent);
	ERR_clear_error();
	if (!sent.chain.n || sent.too_long) {
		snprintf(error, EC_ERROR_MAX, "%s",
			 sent.too_long ? "more than a device may send: 6 KB and 10 certificates"
				       : "no certificate in PEM or DER");
		return -1;
	}
	checked->verdict = ec_chain_verify(trust, &sent.chain, ask->is_pinned, ask->wall_s, &leaf);
	checked->anchor = leaf.anchor;
	checked->ends = leaf.ends;
	checked->name_len = leaf.name_len;
	memcpy(checked->name, leaf.name, leaf.name_len);
	put_names(&sent.chain.certificates[0], checked);
	if (ask->described)
		ec_chain_describe(&sent.chain.certificates[0], leaf.anchor, ask->described,
				  ask->ctx);
	return 0;
}
