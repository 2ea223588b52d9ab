/*
 * A template of endpoint names and what a certificate says, a line each: template, common name, serial
 * number, URI, DNS name. A name fits, is the same each time, and where there is none it is said why.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/cert_name.h"
#include "tasks/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 5 };

static void
make(const struct cert_name *name, const struct ec_subject *subject)
{
	char first[255], again[255], error[CERT_NAME_ERROR_MAX] = "";
	size_t len = cert_name_make(name, subject, first, sizeof first, error);

	if (len > sizeof first || (len == 0) != (*error != '\0'))
		__builtin_trap();
	if (cert_name_make(name, subject, again, sizeof again, NULL) != len ||
	    memcmp(first, again, len) != 0)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *lines[LINES] = { 0 }, *at = text;
	struct ec_subject subject = { .serial = "0a", .fingerprint = "ff", .spki = "00" };
	struct cert_name *name;
	struct diag_list diags;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (unsigned i = 0; i < LINES; i++) {
		char *end = strchr(at, '\n');

		lines[i] = at;
		at = end ? end + 1 : at + strlen(at);
		if (end)
			*end = '\0';
		/* What a certificate says is well-formed, and no longer than a name (ec_chain.c). */
		if (i && (!utf8_valid(lines[i], strlen(lines[i])) || strlen(lines[i]) > 255))
			lines[i] = at + strlen(at);
	}
	subject.cn = lines[1];
	subject.serial_number = lines[2];
	subject.uris[0] = lines[3];
	subject.n_uris = *lines[3] != '\0';
	subject.dns[0] = lines[4];
	subject.n_dns = *lines[4] != '\0';
	diag_list_init(&diags);
	name = cert_name_parse(lines[0], NULL, &diags);
	if (!name != (diags.errors > 0))
		__builtin_trap();
	if (name)
		make(name, &subject);
	cert_name_free(name);
	diag_list_fini(&diags);
	free(text);
	return 0;
}
