#include "tools/storm/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { FILE_NAME_MAX = 512, DAY_S = 86400, YEAR_S = 365 * DAY_S };

static int __attribute__((format(printf, 2, 3)))
refuse(char error[AUTHORITY_ERROR_MAX], const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, AUTHORITY_ERROR_MAX, format, list);
	va_end(list);
	return -1;
}

/* ---- certificates ---- */

static EVP_PKEY *
wrap(EC_KEY *key)
{
	EVP_PKEY *wrapped = EVP_PKEY_new();

	if (wrapped && key && EVP_PKEY_set1_EC_KEY(wrapped, key) == 1)
		return wrapped;
	EVP_PKEY_free(wrapped);
	return NULL;
}

static bool
add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = extension && X509_add_ext(x509, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return good;
}

static bool
set_name(X509_NAME *name, const char *text, size_t len)
{
	return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					  (const unsigned char *)text, (int)len, -1, 0) == 1;
}

/* Valid from two days ago, or past. The serial number is random (RFC 5280 4.1.2.2). */
static bool
set_life(X509 *x509, bool expired)
{
	BIGNUM *serial = BN_new();
	bool good =
		serial && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)) &&
		X509_set_version(x509, X509_VERSION_3) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(x509), expired ? -20L * YEAR_S : -2L * DAY_S) &&
		X509_gmtime_adj(X509_getm_notAfter(x509),
				expired ? -15L * YEAR_S : (long)AUTHORITY_DAYS * DAY_S);

	BN_free(serial);
	return good;
}

static bool
set_purpose(X509 *x509, X509 *issuer, const struct certificate_wish *wish)
{
	char host[NAMES_ENDPOINT_MAX + 8];

	snprintf(host, sizeof host, "DNS:%.*s", (int)wish->name_len, wish->name);
	/* RFC 5280 4.2.1.1: whose key signed it, as names repeat. */
	return add_extension(x509, issuer, NID_authority_key_identifier, "keyid:always") &&
	       add_extension(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(x509, issuer, NID_ext_key_usage, wish->usage) &&
	       (!wish->is_server || add_extension(x509, issuer, NID_subject_alt_name, host));
}

X509 *
authority_issue(const struct authority *authority, EC_KEY *key, const struct certificate_wish *wish)
{
	X509 *x509 = X509_new();
	EVP_PKEY *wrapped = wrap(key);
	bool good = x509 && wrapped && set_life(x509, wish->expired) &&
		    set_name(X509_get_subject_name(x509), wish->name, wish->name_len) &&
		    X509_set_issuer_name(x509, X509_get_subject_name(authority->x509)) == 1 &&
		    X509_set_pubkey(x509, wrapped) == 1 &&
		    set_purpose(x509, authority->x509, wish) &&
		    X509_sign(x509, authority->key, EVP_sha256()) > 0;

	EVP_PKEY_free(wrapped);
	if (good)
		return x509;
	ERR_clear_error();
	X509_free(x509);
	return NULL;
}

static EC_KEY *
fresh_key(void)
{
	uint8_t secret[CURVE_SECRET], point[CURVE_POINT];
	EC_KEY *key = curve_make_pair(secret, point) ? curve_key(secret) : NULL;

	OPENSSL_cleanse(secret, sizeof secret);
	return key;
}

/* Its certificate, of itself. */
static int
make_root(struct authority *authority, const X509_NAME *name)
{
	EC_KEY *key = fresh_key();
	bool good;

	authority->key = wrap(key);
	authority->x509 = X509_new();
	EC_KEY_free(key);
	good = authority->key && authority->x509 && set_life(authority->x509, false) &&
	       X509_set_subject_name(authority->x509, name) == 1 &&
	       X509_set_issuer_name(authority->x509, name) == 1 &&
	       X509_set_pubkey(authority->x509, authority->key) == 1 &&
	       add_extension(authority->x509, authority->x509, NID_subject_key_identifier,
			     "hash") &&
	       add_extension(authority->x509, authority->x509, NID_basic_constraints,
			     "critical,CA:TRUE") &&
	       add_extension(authority->x509, authority->x509, NID_key_usage,
			     "critical,keyCertSign,cRLSign") &&
	       X509_sign(authority->x509, authority->key, EVP_sha256()) > 0;
	return good ? 0 : -1;
}

int
authority_forge(struct authority *authority, const struct authority *like)
{
	memset(authority, 0, sizeof *authority);
	memcpy(authority->secret, like->secret, sizeof authority->secret);
	return make_root(authority, X509_get_subject_name(like->x509));
}

void
authority_fini(struct authority *authority)
{
	X509_free(authority->x509);
	EVP_PKEY_free(authority->key);
	EC_KEY_free(authority->server_key);
	OPENSSL_cleanse(authority, sizeof *authority);
}

/* ---- files ---- */

/* "FOLDER/NAME"; false: too long. */
static bool
file_in(const char *folder, const char *name, char file[FILE_NAME_MAX])
{
	return snprintf(file, FILE_NAME_MAX, "%s/%s", folder, name) < FILE_NAME_MAX;
}

static FILE *
create(const char *folder, const char *name, mode_t mode)
{
	char file[FILE_NAME_MAX];
	int fd = file_in(folder, name, file)
			 ? open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
			 : -1;
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");

	if (fd >= 0 && !stream)
		close(fd);
	return stream;
}

static bool
write_certificate(const char *folder, const char *name, X509 *x509)
{
	FILE *stream = create(folder, name, 0644);
	bool good = stream && PEM_write_X509(stream, x509) == 1;

	return stream && fclose(stream) == 0 && good;
}

static bool
write_key(const char *folder, const char *name, EVP_PKEY *key)
{
	FILE *stream = create(folder, name, 0600);
	bool good = stream && PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL) == 1;

	return stream && fclose(stream) == 0 && good;
}

static bool
write_secret(const char *folder, const uint8_t secret[CURVE_HASH])
{
	FILE *stream = create(folder, "devices.secret", 0600);

	for (unsigned i = 0; stream && i < CURVE_HASH; i++)
		fprintf(stream, "%02x", secret[i]);
	return stream && fputc('\n', stream) != EOF && fclose(stream) == 0;
}

static bool
write_trust(const char *folder)
{
	FILE *stream = create(folder, "trust.conf", 0644);
	bool good =
		stream &&
		fputs("# For the policy folder; bs.pem, bs.key and ca.pem belong in its certs/.\n"
		      "own = ( { key = \"bs.key\"; chain = \"bs.pem\"; names = [ "
		      "\"" AUTHORITY_SERVER_NAME "\" ]; } );\n"
		      "anchors = ( { file = \"ca.pem\"; } );\n",
		      stream) != EOF;

	return stream && fclose(stream) == 0 && good;
}

/* "spki-sha256:..." of a device: as inventory has it. */
static bool
put_identity(const struct authority *authority, const char *name, size_t len, FILE *stream)
{
	uint8_t secret[CURVE_SECRET], spki[CURVE_SPKI], hash[CURVE_HASH];
	EC_KEY *key = curve_derive_secret(authority->secret, name, len, secret) ? curve_key(secret)
										: NULL;
	bool good = key && curve_put_spki(key, spki);

	EC_KEY_free(key);
	OPENSSL_cleanse(secret, sizeof secret);
	SHA256(spki, sizeof spki, hash);
	fputs("spki-sha256:", stream);
	for (unsigned i = 0; i < CURVE_HASH; i++)
		fprintf(stream, "%02x", hash[i]);
	return good;
}

static void
put_cell(const char *text, size_t len, FILE *stream)
{
	fputc('"', stream);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			fputc('"', stream);
		fputc(text[i], stream);
	}
	fputc('"', stream);
}

static bool
write_table(const char *folder, const struct authority *authority, const struct names *names,
	    uint32_t n, bool raw)
{
	FILE *stream = create(folder, raw ? "rpk.csv" : "x509.csv", 0644);
	bool good = stream && fputs(raw ? "endpoint,identity\n" : "endpoint\n", stream) != EOF;

	for (uint32_t i = 0; good && i < n; i++) {
		char name[NAMES_ENDPOINT_MAX];
		size_t len = names_endpoint(names, i, name);

		put_cell(name, len, stream);
		if (raw)
			fputc(',', stream);
		good = !raw || put_identity(authority, name, len, stream);
		fputc('\n', stream);
	}
	good = good && !ferror(stream);
	return stream && fclose(stream) == 0 && good;
}

/* ---- making ---- */

static bool
make_server(const struct authority *authority, const char *folder)
{
	const struct certificate_wish wish = { AUTHORITY_SERVER_NAME,
					       sizeof AUTHORITY_SERVER_NAME - 1, "serverAuth", true,
					       false };
	EC_KEY *key = fresh_key();
	EVP_PKEY *wrapped = wrap(key);
	X509 *x509 = wrapped ? authority_issue(authority, key, &wish) : NULL;
	bool good = x509 && write_certificate(folder, "bs.pem", x509) &&
		    write_key(folder, "bs.key", wrapped);

	X509_free(x509);
	EVP_PKEY_free(wrapped);
	EC_KEY_free(key);
	return good;
}

static int
make_all(struct authority *authority, const char *folder, const struct names *names, uint32_t n)
{
	X509_NAME *name = X509_NAME_new();
	bool good = name && set_name(name, "Storm", 5) && make_root(authority, name) == 0 &&
		    RAND_bytes(authority->secret, sizeof authority->secret) == 1 &&
		    write_certificate(folder, "ca.pem", authority->x509) &&
		    write_key(folder, "ca.key", authority->key) && make_server(authority, folder) &&
		    write_secret(folder, authority->secret) && write_trust(folder) &&
		    write_table(folder, authority, names, n, false) &&
		    write_table(folder, authority, names, n, true);

	X509_NAME_free(name);
	return good ? 0 : -1;
}

int
authority_make(const char *folder, const struct names *names, uint32_t n,
	       char error[AUTHORITY_ERROR_MAX])
{
	struct authority authority = { .x509 = NULL };
	int rc;

	if (mkdir(folder, 0755) < 0)
		return refuse(error, "%s: %s", folder,
			      errno == EEXIST ? "is there already; an authority is made once"
					      : strerror(errno));
	rc = make_all(&authority, folder, names, n);
	if (rc < 0)
		refuse(error, "%s: cannot be filled: %s", folder,
		       errno ? strerror(errno) : "libcrypto failed");
	authority_fini(&authority);
	return rc;
}

/* ---- reading ---- */

static FILE *
open_in(const char *folder, const char *name, char error[AUTHORITY_ERROR_MAX])
{
	char file[FILE_NAME_MAX];
	FILE *stream = file_in(folder, name, file) ? fopen(file, "re") : NULL;

	if (!stream)
		refuse(error, "%s/%s: %s; cradlestorm --make-ca makes such a folder", folder, name,
		       strerror(errno));
	return stream;
}

static X509 *
read_certificate(const char *folder, const char *name, char error[AUTHORITY_ERROR_MAX])
{
	FILE *stream = open_in(folder, name, error);
	X509 *x509 = stream ? PEM_read_X509(stream, NULL, NULL, NULL) : NULL;

	if (stream && !x509)
		refuse(error, "%s/%s: no certificate in PEM", folder, name);
	if (stream)
		fclose(stream);
	return x509;
}

static EVP_PKEY *
read_key(const char *folder, const char *name, char error[AUTHORITY_ERROR_MAX])
{
	FILE *stream = open_in(folder, name, error);
	EVP_PKEY *key = stream ? PEM_read_PrivateKey(stream, NULL, NULL, NULL) : NULL;

	if (stream && !key)
		refuse(error, "%s/%s: no private key in PEM", folder, name);
	if (stream)
		fclose(stream);
	return key;
}

static int
read_secret(struct authority *authority, const char *folder, char error[AUTHORITY_ERROR_MAX])
{
	FILE *stream = open_in(folder, "devices.secret", error);
	unsigned byte, n = 0;

	if (!stream)
		return -1;
	while (n < CURVE_HASH && fscanf(stream, "%2x", &byte) == 1)
		authority->secret[n++] = (uint8_t)byte;
	fclose(stream);
	return n == CURVE_HASH
		       ? 0
		       : refuse(error, "%s/devices.secret: 64 hex digits are needed", folder);
}

static int
read_server(struct authority *authority, const char *folder, char error[AUTHORITY_ERROR_MAX])
{
	X509 *x509 = read_certificate(folder, "bs.pem", error);
	EVP_PKEY *key = x509 ? X509_get0_pubkey(x509) : NULL;

	authority->server_key = key ? EVP_PKEY_get1_EC_KEY(key) : NULL;
	if (x509 && !authority->server_key)
		refuse(error, "%s/bs.pem: its key is none of P-256", folder);
	X509_free(x509);
	return authority->server_key ? 0 : -1;
}

int
authority_load_public(struct authority *authority, const char *folder, bool raw,
		      char error[AUTHORITY_ERROR_MAX])
{
	memset(authority, 0, sizeof *authority);
	authority->x509 = read_certificate(folder, "ca.pem", error);
	if (!authority->x509)
		return -1;
	return raw ? read_server(authority, folder, error) : 0;
}

int
authority_load(struct authority *authority, const char *folder, char error[AUTHORITY_ERROR_MAX])
{
	memset(authority, 0, sizeof *authority);
	authority->x509 = read_certificate(folder, "ca.pem", error);
	if (!authority->x509)
		return -1;
	authority->key = read_key(folder, "ca.key", error);
	if (!authority->key)
		return -1;
	if (X509_check_private_key(authority->x509, authority->key) != 1)
		return refuse(error, "%s: ca.key is not the key of ca.pem", folder);
	return read_server(authority, folder, error) < 0 ? -1
							 : read_secret(authority, folder, error);
}
