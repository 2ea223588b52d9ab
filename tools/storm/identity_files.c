#include "tools/storm/identity_files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

enum { PATH_LENGTH_MAX = 1024 };

static int __attribute__((format(printf, 2, 3)))
refuse(char error[AUTHORITY_ERROR_MAX], const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, AUTHORITY_ERROR_MAX, format, list);
	va_end(list);
	ERR_clear_error();
	return -1;
}

/* Names are relative to the folder of the file that they stand in. */
static FILE *
open_named(const struct name_files *names, const struct name_file *name, char path[PATH_LENGTH_MAX],
	   char error[AUTHORITY_ERROR_MAX])
{
	size_t folder = name->at[0] == '/' ? 0 : names->folder_len;
	int len = snprintf(path, PATH_LENGTH_MAX, "%.*s%.*s", (int)folder, names->folder, name->len,
			   name->at);
	FILE *stream;

	if (len >= PATH_LENGTH_MAX) {
		refuse(error, "a file's name is longer than %d bytes", PATH_LENGTH_MAX - 1);
		return NULL;
	}
	stream = fopen(path, "re");
	if (!stream)
		refuse(error, "%s: %s; a name in the CSV is relative to the CSV's folder", path,
		       strerror(errno));
	return stream;
}

static int
read_chain(const struct name_files *names, struct identity_files *files,
	   char error[AUTHORITY_ERROR_MAX])
{
	char path[PATH_LENGTH_MAX];
	FILE *stream = open_named(names, &names->certificate, path, error);
	X509 *x509;

	if (!stream)
		return -1;
	files->chain = sk_X509_new_null();
	while (files->chain && (x509 = PEM_read_X509(stream, NULL, NULL, NULL)))
		if (!sk_X509_push(files->chain, x509)) {
			X509_free(x509);
			break;
		}
	fclose(stream);
	ERR_clear_error(); /* the end of the file is one */
	return sk_X509_num(files->chain) > 0
		       ? 0
		       : refuse(error, "%s: no certificate in PEM, the device's own first", path);
}

/* Nobody is there to ask for a passphrase. */
static int
no_passphrase(char *buffer, int size, int writing, void *ctx)
{
	return -1;
}

static int
read_key(const struct name_files *names, struct identity_files *files,
	 char error[AUTHORITY_ERROR_MAX])
{
	char path[PATH_LENGTH_MAX];
	FILE *stream = open_named(names, &names->key, path, error);
	EVP_PKEY *key;

	if (!stream)
		return -1;
	key = PEM_read_PrivateKey(stream, NULL, no_passphrase, NULL);
	fclose(stream);
	if (!key)
		return refuse(error, "%s: no private key in PEM without a passphrase", path);
	files->key = EVP_PKEY_get1_EC_KEY(key);
	EVP_PKEY_free(key);
	if (!files->key ||
	    EC_GROUP_get_curve_name(EC_KEY_get0_group(files->key)) != NID_X9_62_prime256v1)
		return refuse(error, "%s: no key of P-256, the curve that devices must have", path);
	return 0;
}

static int
check_pair(const struct identity_files *files, char error[AUTHORITY_ERROR_MAX])
{
	EVP_PKEY *key = EVP_PKEY_new();
	bool good = key && EVP_PKEY_set1_EC_KEY(key, files->key) == 1 &&
		    X509_check_private_key(sk_X509_value(files->chain, 0), key) == 1;

	EVP_PKEY_free(key);
	return good ? 0
		    : refuse(error, "the private key is not that of the first certificate: are the "
				    "files of one device?");
}

int
identity_files_read(const struct name_files *names, bool raw, struct identity_files *files,
		    char error[AUTHORITY_ERROR_MAX])
{
	*files = (struct identity_files){ NULL, NULL };
	if (!names->key.len && !names->certificate.len)
		return 0;
	if (!names->key.len)
		return refuse(error, "%.*s: its row needs private_key as well",
			      names->certificate.len, names->certificate.at);
	if (read_key(names, files, error) < 0)
		return -1;
	if (raw)
		return 0;
	if (!names->certificate.len)
		return refuse(error, "%.*s: its row needs certificate as well, for --x509",
			      names->key.len, names->key.at);
	return read_chain(names, files, error) < 0 ? -1 : check_pair(files, error);
}

void
identity_files_free(struct identity_files *files)
{
	sk_X509_pop_free(files->chain, X509_free);
	EC_KEY_free(files->key); /* wipes the private number */
	*files = (struct identity_files){ NULL, NULL };
}
