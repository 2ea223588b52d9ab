/*
 * tls_files.h - the certificate and key of this program's TLS, read and checked against each other.
 *
 * Owner: whoever calls tls_files_load(). Allocates; the key is wiped when it is freed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tasks/diag.h"

struct tls_files {
	char *certificate, *key; /* PEM; NULL: none */
	char *authority;         /* of clients' certificates, PEM; NULL: none */
	uint64_t expiry_s;       /* of the certificate, Unix time */
};

/* Without files (NULL) an empty struct. False after adding errors. */
bool tls_files_load(struct tls_files *files, const char *certificate, const char *key,
		    const char *authority, struct diag_list *diags);
void tls_files_fini(struct tls_files *files);
