/*
 * device_spec.h - one device as operators write it and the store keeps it: what import, export,
 * commands, the store and the inventory hand to each other.
 *
 * An endpoint name (OMA Core TS 6.1.3.3) is text without NUL. A DTLS identity should be (Transport TS
 * 5.2.8: up to 128 bytes UTF-8), and may be any bytes (RFC 4279 5.1, RFC 7925 4.2: opaque). Pure
 * data; whoever fills a struct owns what it points to. Wipe the key after use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

enum { DOMAIN_MAX = 255 };

struct device_spec {
	const char *endpoint; /* 1 to ENDPOINT_NAME_MAX bytes */
	const char *identity; /* NULL: the endpoint name */
	uint8_t identity_len; /* 0: it has no NUL byte, and ends in one */
	uint8_t key[DTLS_KEY_MAX];
	uint8_t key_len;       /* 0: none: over NoSec, or with a certificate */
	bool key_is_hex;       /* it was given as hex: so it is shown and exported */
	bool nosec;            /* served over NoSec although it has a key or a certificate */
	const char *domain;    /* NULL: none */
	const char *groups;    /* names with ',' between; NULL or "": "root" */
	const uint8_t *values; /* setting_values.h; NULL: none */
	uint64_t created_ms;   /* wall clock; 0: now */
};

/* Bytes of its own identity; 0: none. */
size_t device_spec_identity_len(const struct device_spec *spec);
/* Whether it has one that is not its endpoint name, and whether that can be written as text. */
bool device_spec_has_identity(const struct device_spec *spec);
bool device_spec_identity_is_text(const struct device_spec *spec);
/* Whether its key is shown and exported as hex: it was given so, or is no printable text. */
bool device_spec_key_is_hex(const struct device_spec *spec);
/* Whether both say the same of a device, its groups aside; the order of setting values says nothing. */
bool device_spec_same(const struct device_spec *a, const struct device_spec *b);
