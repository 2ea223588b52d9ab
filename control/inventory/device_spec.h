/*
 * device_spec.h - one device as operators write it and the store keeps it: what import, export,
 * commands, the store and the inventory hand to each other.
 *
 * Names are text without NUL: an endpoint name (OMA Core TS 6.1.3.3), a DTLS identity (Transport TS
 * 5.2.8: up to 128 bytes UTF-8). Pure data; whoever fills a struct owns what it points to. Wipe the
 * key after use.
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
	uint8_t key[DTLS_KEY_MAX];
	uint8_t key_len;       /* 0: none, NoSec listeners only */
	bool key_is_hex;       /* it was given as hex: so it is shown and exported */
	const char *domain;    /* NULL: none */
	const char *groups;    /* names with ',' between; NULL or "": "root" */
	const uint8_t *values; /* setting_values.h; NULL: none */
	uint64_t created_ms;   /* wall clock; 0: now */
};
