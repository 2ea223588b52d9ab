#include "tools/web/tls_files.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "control/config/conf_text.h"

enum { PEM_MAX = 1 << 20 };

static gnutls_datum_t
datum(char *text)
{
	return (gnutls_datum_t){ .data = (unsigned char *)text, .size = (unsigned)strlen(text) };
}

/* Whether they are what TLS will take: GnuTLS itself says. */
static void
check_pair(struct tls_files *files, const struct place *place, struct diag_list *diags)
{
	gnutls_datum_t certificate = datum(files->certificate), key = datum(files->key);
	gnutls_certificate_credentials_t credentials;
	int error = gnutls_certificate_allocate_credentials(&credentials);

	if (!error) {
		error = gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key,
							    GNUTLS_X509_FMT_PEM);
		gnutls_certificate_free_credentials(credentials);
	}
	if (error < 0)
		diag_error(diags, place, "certificate and key cannot be used: %s",
			   gnutls_strerror(error));
}

static void
read_expiry(struct tls_files *files, const struct place *place, struct diag_list *diags)
{
	gnutls_datum_t pem = datum(files->certificate);
	gnutls_x509_crt_t certificate;
	time_t end = -1;

	if (gnutls_x509_crt_init(&certificate))
		return;
	if (!gnutls_x509_crt_import(certificate, &pem, GNUTLS_X509_FMT_PEM))
		end = gnutls_x509_crt_get_expiration_time(certificate);
	gnutls_x509_crt_deinit(certificate);
	files->expiry_s = end > 0 ? (uint64_t)end : 0;
	if (end > 0 && end < time(NULL))
		diag_warning(diags, place, "the certificate has expired");
}

static void
read_authority(struct tls_files *files, const char *authority, struct diag_list *diags)
{
	const struct place place = { .file = authority };
	gnutls_x509_trust_list_t list;
	gnutls_datum_t pem;
	size_t len;

	files->authority = conf_file_read(authority, PEM_MAX, &len, diags);
	if (!files->authority || gnutls_x509_trust_list_init(&list, 0))
		return;
	pem = datum(files->authority);
	if (gnutls_x509_trust_list_add_trust_mem(list, &pem, NULL, GNUTLS_X509_FMT_PEM, 0, 0) <= 0)
		diag_error(diags, &place, "there is no certificate of an authority in it");
	gnutls_x509_trust_list_deinit(list, 1);
}

bool
tls_files_load(struct tls_files *files, const char *certificate, const char *key,
	       const char *authority, struct diag_list *diags)
{
	const struct place place = { .file = certificate };
	size_t errors = diags->errors, len;

	*files = (struct tls_files){ 0 };
	if (!certificate || !key)
		return true;
	files->certificate = conf_file_read(certificate, PEM_MAX, &len, diags);
	files->key = conf_file_read(key, PEM_MAX, &len, diags);
	if (files->certificate && files->key) {
		check_pair(files, &place, diags);
		read_expiry(files, &place, diags);
	}
	if (authority)
		read_authority(files, authority, diags);
	if (diags->errors == errors)
		return true;
	tls_files_fini(files);
	return false;
}

void
tls_files_fini(struct tls_files *files)
{
	free(files->certificate);
	free(files->authority);
	if (files->key)
		explicit_bzero(files->key, strlen(files->key));
	free(files->key);
	*files = (struct tls_files){ 0 };
}
