/*
 * authority.h - a folder with a small authority, from which devices have their certificates and keys.
 *
 *	ca.pem, ca.key		the authority
 *	bs.pem, bs.key		the appliance's certificate and key
 *	devices.secret		from which, with its name, each device's private key follows
 *	trust.conf		what the appliance's policy says of all that
 *	x509.csv, rpk.csv	the devices, for `cradlectl device import`
 *
 * Nobody keeps a hundred thousand files of certificates: a device's is issued anew for each run,
 * with the same key. Owner: the caller; one thread. Allocates.
 */
#pragma once

#include <openssl/x509.h>

#include "tools/storm/curve.h"
#include "tools/storm/names.h"

#define AUTHORITY_SERVER_NAME "bs.example.com"

enum { AUTHORITY_ERROR_MAX = 512, AUTHORITY_DAYS = 3650 };

struct authority {
	X509 *x509;
	EVP_PKEY *key;
	EC_KEY *server_key; /* of bs.pem: devices with raw keys know it */
	uint8_t secret[CURVE_HASH];
};

/* What a certificate is like. */
struct certificate_wish {
	const char *name; /* common name */
	size_t name_len;
	const char *usage; /* extendedKeyUsage, as openssl.cnf has it */
	bool is_server;    /* its name is that of a host, too */
	bool expired;      /* years ago */
};

/* Makes the folder, which must not be there, for devices `names` 0 to n - 1. 0; -1 and a sentence. */
int authority_make(const char *folder, const struct names *names, uint32_t n,
		   char error[AUTHORITY_ERROR_MAX]) __attribute__((warn_unused_result));
/* Reads one. authority_fini() in both cases. */
int authority_load(struct authority *authority, const char *folder, char error[AUTHORITY_ERROR_MAX])
	__attribute__((warn_unused_result));
/* What devices hold against the server alone: ca.pem, and with `raw` bs.pem. Nothing is issued by it. */
int authority_load_public(struct authority *authority, const char *folder, bool raw,
			  char error[AUTHORITY_ERROR_MAX]) __attribute__((warn_unused_result));
/* Another one of the same name, whom nobody trusts. */
int authority_forge(struct authority *authority, const struct authority *like)
	__attribute__((warn_unused_result));
void authority_fini(struct authority *authority);

/* NULL: libcrypto failed, or the name is too long for a common name (64 characters). */
X509 *authority_issue(const struct authority *authority, EC_KEY *key,
		      const struct certificate_wish *wish);
