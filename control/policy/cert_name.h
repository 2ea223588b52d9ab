/*
 * cert_name.h - how the endpoint's name follows from a certificate: a template of the task language
 * whose one root is `cert`.
 *
 *	cert.cn             common name of the subject
 *	cert.serialNumber   the subject's serial number (IEEE 802.1AR)
 *	cert.serial         the certificate's, hexadecimal
 *	cert.san.uri, .dns  the first subject alternative name of that kind; .uris, .dnsNames: all
 *	cert.fingerprint    SHA-256 of the certificate, hexadecimal
 *	cert.spki           SHA-256 of its public key, hexadecimal
 *
 * What a certificate lacks is null, as a setting is that nobody set: `?` gives another one.
 *
 * Immutable once parsed; making a name is for any thread, several at a time. Allocates; what one
 * name may cost is bounded, whatever the certificate says.
 */
#pragma once

#include <stddef.h>

#include "dataplane/ec/ec_trust.h"
#include "tasks/diag.h"

#define CERT_NAME_DEFAULT "${cert.cn}"

enum { CERT_NAME_ERROR_MAX = 256 };

struct cert_name;

/* NULL after adding an error at `place`. */
struct cert_name *cert_name_parse(const char *text, const struct place *place,
				  struct diag_list *diags);
void cert_name_free(struct cert_name *name);

/*
 * The length of the name, which is not terminated. 0: this certificate has none, or it is longer
 * than `size`; `error`, where it is not NULL, says why: one sentence without its final dot.
 */
size_t cert_name_make(const struct cert_name *name, const struct ec_subject *subject, char *out,
		      size_t size, char error[CERT_NAME_ERROR_MAX]);
