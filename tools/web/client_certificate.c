#include "tools/web/client_certificate.h"

#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

static bool
read_name(const gnutls_datum_t *der, char *out, size_t size)
{
	gnutls_x509_crt_t certificate;
	size_t len = size;
	bool good;

	if (gnutls_x509_crt_init(&certificate))
		return false;
	good = !gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) &&
	       !gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, out,
					      &len);
	gnutls_x509_crt_deinit(certificate);
	/* A name with a NUL in it is no name: what stands before it may be somebody else's. */
	return good && len < size && strlen(out) == len;
}

bool
client_certificate_name(void *session, char *out, size_t size)
{
	unsigned count = 0, status = GNUTLS_CERT_INVALID;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);

	return chain && count && !gnutls_certificate_verify_peers2(session, &status) && !status &&
	       read_name(&chain[0], out, size);
}
