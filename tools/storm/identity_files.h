/*
 * identity_files.h - a device's certificate and private key as its maker gave them: PEM files that the
 * CSV of devices names.
 *
 * Any thread; allocates. What is wrong becomes a sentence with the file and a remedy.
 */
#pragma once

#include <openssl/x509.h>

#include "tools/storm/authority.h"
#include "tools/storm/names.h"

/* Freed by identity_files_free(), also what was read before an error. */
struct identity_files {
	STACK_OF(X509) * chain; /* the device's own first; NULL: no file is named */
	EC_KEY *key;            /* a whole pair of P-256 */
};

/* 0; -1 and a sentence. `raw`: the certificate is not needed. */
int identity_files_read(const struct name_files *names, bool raw, struct identity_files *files,
			char error[AUTHORITY_ERROR_MAX]) __attribute__((warn_unused_result));
void identity_files_free(struct identity_files *files);
