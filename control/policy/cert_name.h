/*
 * cert_name.h - how the endpoint's name follows from a certificate: text with places to fill in.
 *
 *	{cn}              common name of the subject
 *	{serial_number}   the subject's serial number (IEEE 802.1AR)
 *	{serial}          the certificate's, hexadecimal
 *	{uri}, {dns}      the first subject alternative name of that kind
 *	{fingerprint}     SHA-256 of the certificate, hexadecimal
 *	{spki}            SHA-256 of its public key, hexadecimal
 *
 * A certificate that lacks what is asked for has no name. Pure; any thread.
 */
#pragma once

#include <stddef.h>

#include "dataplane/ec/ec_trust.h"

#define CERT_NAME_DEFAULT "{cn}"

/* NULL, or what is wrong with the text: the rest of a sentence. */
const char *cert_name_check(const char *text);
/* The length of the name, which is not terminated; 0: there is none, or it is longer than `size`. */
size_t cert_name_make(const char *text, const struct ec_subject *subject, char *name, size_t size);
