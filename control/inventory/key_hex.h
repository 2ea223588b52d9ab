/*
 * key_hex.h - a pre-shared key as operators write it in hex. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "control/inventory/device_spec.h"

/*
 * Into the spec's key; either case. 0; -EINVAL when there are no digits, not in pairs, or more than
 * DTLS_KEY_MAX bytes; else the number of the first character that is no digit, from 1.
 */
int key_from_hex(const char *hex, size_t len, struct device_spec *spec)
	__attribute__((warn_unused_result));
