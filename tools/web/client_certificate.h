/*
 * client_certificate.h - whom the certificate of a TLS client names, where an authority that counts issued it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The common name (RFC 5280 4.1.2.6). `session` is GnuTLS's. False: no certificate, not verified, no name, one too long. */
bool client_certificate_name(void *session, char *out, size_t size);
