#include "tools/storm/identities.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "tools/storm/identity_files.h"

enum { PROGRESS_EVERY = 1000, LIST_LENGTH = 3 };

struct identity {
	uint8_t secret[CURVE_SECRET];
	size_t offset;
	uint32_t len;
};

static int
refuse(char error[AUTHORITY_ERROR_MAX], const char *what, const char *name, size_t len)
{
	snprintf(error, AUTHORITY_ERROR_MAX, "%.*s: %s", (int)len, name, what);
	return -1;
}

/* ---- Certificate messages ---- */

/* Room behind the other messages; NULL. */
static uint8_t *
make_room(struct identities *identities, size_t len)
{
	if (identities->messages_room - identities->messages_len < len) {
		size_t room = 2 * identities->messages_room + len;
		uint8_t *messages = realloc(identities->messages, room);

		if (!messages)
			return NULL;
		identities->messages = messages;
		identities->messages_room = room;
	}
	return identities->messages + identities->messages_len;
}

static void
put_u24(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 16);
	at[1] = (uint8_t)(value >> 8);
	at[2] = (uint8_t)value;
}

/* RFC 7250 3: the key alone, without a list around it. */
static bool
add_raw_key(struct identities *identities, struct identity *identity, const EC_KEY *key)
{
	uint8_t *at = make_room(identities, LIST_LENGTH + CURVE_SPKI);

	if (!at || !curve_put_spki(key, at + LIST_LENGTH))
		return false;
	put_u24(at, CURVE_SPKI);
	identity->offset = identities->messages_len;
	identity->len = LIST_LENGTH + CURVE_SPKI;
	identities->messages_len += identity->len;
	return true;
}

static size_t
chain_len(const STACK_OF(X509) * chain)
{
	size_t len = 0;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		int one = i2d_X509(sk_X509_value(chain, i), NULL);

		if (one <= 0)
			return 0;
		len += LIST_LENGTH + (size_t)one;
	}
	return len;
}

/* RFC 5246 7.4.2: a list of certificates, the device's own first. */
static bool
add_chain(struct identities *identities, struct identity *identity, const STACK_OF(X509) * chain)
{
	size_t len = chain_len(chain);
	uint8_t *at = len ? make_room(identities, LIST_LENGTH + len) : NULL;

	if (!at)
		return false;
	identity->offset = identities->messages_len;
	identity->len = (uint32_t)(LIST_LENGTH + len);
	identities->messages_len += identity->len;
	put_u24(at, len);
	at += LIST_LENGTH;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		uint8_t *der = at + LIST_LENGTH;
		int one = i2d_X509(sk_X509_value(chain, i), &der);

		put_u24(at, (size_t)one);
		at = der;
	}
	return true;
}

static bool
add_certificate(struct identities *identities, struct identity *identity, X509 *x509)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool good = x509 && chain && sk_X509_push(chain, x509) > 0 &&
		    add_chain(identities, identity, chain);

	sk_X509_free(chain);
	X509_free(x509);
	return good;
}

/* ---- devices ---- */

/* Who signs, and what for: as the misbehaviour says. */
struct issuing {
	const struct authority *authority;
	const struct identities_wish *wish;
};

static X509 *
issue(const struct issuing *issuing, EC_KEY *key, const char *name, size_t len)
{
	const enum misbehave misbehave = issuing->wish->misbehave;
	const struct certificate_wish wish = {
		.name = misbehave == MISBEHAVE_UNKNOWN_IDENTITY ? "nobody" : name,
		.name_len = misbehave == MISBEHAVE_UNKNOWN_IDENTITY ? 6 : len,
		.usage = misbehave == MISBEHAVE_WRONG_USAGE ? "serverAuth" : "clientAuth",
		.expired = misbehave == MISBEHAVE_EXPIRED,
	};

	return authority_issue(issuing->authority, key, &wish);
}

/* What its maker gave it, in files. */
static bool
take_files(struct identities *identities, struct identity *identity,
	   const struct identity_files *files)
{
	const BIGNUM *secret = EC_KEY_get0_private_key(files->key);

	return BN_bn2binpad(secret, identity->secret, CURVE_SECRET) == CURVE_SECRET &&
	       (files->chain ? add_chain(identities, identity, files->chain)
			     : add_raw_key(identities, identity, files->key));
}

/* 1: it has files, and is made; 0: it has none. */
static int
make_of_files(struct identities *identities, const struct issuing *issuing, uint32_t device,
	      char error[AUTHORITY_ERROR_MAX])
{
	const struct name_files names = names_files(issuing->wish->names, device);
	struct identity_files files;
	int rc = identity_files_read(&names, issuing->wish->raw, &files, error);

	if (rc == 0 && files.key)
		rc = take_files(identities, &identities->items[device], &files)
			     ? 1
			     : refuse(error, "libcrypto failed", "credentials", 11);
	identity_files_free(&files);
	return rc;
}

static int
issue_device(struct identities *identities, const struct issuing *issuing, uint32_t device,
	     char error[AUTHORITY_ERROR_MAX])
{
	struct identity *identity = &identities->items[device];
	bool unknown =
		issuing->wish->raw && issuing->wish->misbehave == MISBEHAVE_UNKNOWN_IDENTITY;
	char name[NAMES_ENDPOINT_MAX + 1];
	size_t len = names_endpoint(issuing->wish->names, device, name);
	EC_KEY *key;
	bool good;

	name[len] = '?'; /* a key of this name is no device's */
	key = curve_derive_secret(identities->authority.secret, name, len + unknown,
				  identity->secret)
		      ? curve_key(identity->secret)
		      : NULL;
	good = key && (issuing->wish->raw ? add_raw_key(identities, identity, key)
					  : add_certificate(identities, identity,
							    issue(issuing, key, name, len)));
	EC_KEY_free(key);
	ERR_clear_error();
	return good ? 0
		    : refuse(error,
			     "no certificate can be issued: is the name longer than 64 characters?",
			     name, len);
}

static int
make_device(struct identities *identities, const struct issuing *issuing, uint32_t device,
	    char error[AUTHORITY_ERROR_MAX])
{
	int made = make_of_files(identities, issuing, device, error);

	return made ? made : issue_device(identities, issuing, device, error);
}

static void
print_progress(const struct identities_wish *wish, uint32_t done)
{
	if (wish->progress && done % PROGRESS_EVERY == 0)
		fprintf(stderr, "\rcredentials: %u of %u\033[K", done, wish->n);
	if (wish->progress && done == wish->n && done >= PROGRESS_EVERY)
		fprintf(stderr, "\r\033[K");
}

static int
make_devices(struct identities *identities, const struct issuing *issuing,
	     char error[AUTHORITY_ERROR_MAX])
{
	identities->items = calloc(issuing->wish->n, sizeof *identities->items);
	if (!identities->items)
		return refuse(error, "out of memory", "credentials", 11);
	identities->n = issuing->wish->n;
	for (uint32_t i = 0; i < identities->n; i++) {
		if (make_device(identities, issuing, i, error) < 0)
			return -1;
		print_progress(issuing->wish, i + 1);
	}
	return 0;
}

/* Another authority of the same name, and so for this run alone. */
static int
make_forged(struct identities *identities, const struct identities_wish *wish,
	    char error[AUTHORITY_ERROR_MAX])
{
	struct authority other;
	const struct issuing issuing = { &other, wish };
	int rc = authority_forge(&other, &identities->authority) < 0
			 ? refuse(error, "libcrypto failed", "another authority", 17)
			 : make_devices(identities, &issuing, error);

	authority_fini(&other);
	return rc;
}

/* Whether the misbehaviour is one of the certificate itself, which must be issued for it. */
static bool
is_issued(enum misbehave misbehave)
{
	return misbehave == MISBEHAVE_WRONG_CA || misbehave == MISBEHAVE_EXPIRED ||
	       misbehave == MISBEHAVE_WRONG_USAGE || misbehave == MISBEHAVE_UNKNOWN_IDENTITY;
}

/* Where every device has files, the folder need not be one that can issue. */
static int
load_authority(struct identities *identities, const struct identities_wish *wish,
	       char error[AUTHORITY_ERROR_MAX])
{
	const struct names *names = wish->names;

	if (names->with_files && is_issued(wish->misbehave))
		return refuse(
			error,
			"such certificates are issued for it: devices with files of their own "
			"cannot have them",
			"--misbehave", 11);
	if (names->with_files && names->with_files == names->count)
		return authority_load_public(&identities->authority, wish->folder, wish->raw,
					     error);
	return authority_load(&identities->authority, wish->folder, error);
}

int
identities_make(struct identities *identities, const struct identities_wish *wish,
		char error[AUTHORITY_ERROR_MAX])
{
	const struct issuing issuing = { &identities->authority, wish };

	memset(identities, 0, sizeof *identities);
	if (load_authority(identities, wish, error) < 0)
		return -1;
	identities->server_name = AUTHORITY_SERVER_NAME;
	identities->authorities = X509_STORE_new();
	if (!identities->authorities ||
	    X509_STORE_add_cert(identities->authorities, identities->authority.x509) != 1)
		return refuse(error, "libcrypto failed", "authorities", 11);
	return wish->misbehave == MISBEHAVE_WRONG_CA ? make_forged(identities, wish, error)
						     : make_devices(identities, &issuing, error);
}

void
identities_fini(struct identities *identities)
{
	if (identities->items)
		OPENSSL_cleanse(identities->items, identities->n * sizeof *identities->items);
	free(identities->items);
	free(identities->messages);
	X509_STORE_free(identities->authorities);
	authority_fini(&identities->authority);
	memset(identities, 0, sizeof *identities);
}

/* ---- for the fleet ---- */

struct storm_cert_own
identities_own(const struct identities *identities, uint32_t device)
{
	const struct identity *identity = &identities->items[device % identities->n];

	return (struct storm_cert_own){ .secret = identity->secret,
					.message = identities->messages + identity->offset,
					.message_len = identity->len };
}

struct server_identity
identities_server(const struct identities *identities)
{
	return (struct server_identity){ .authorities = identities->authorities,
					 .raw_key = identities->authority.server_key,
					 .name = identities->server_name };
}
