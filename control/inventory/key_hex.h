/*
 * key_hex.h - keys and identities as operators write them in hex. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "control/inventory/device_spec.h"

/*
 * Bytes in hex, either case; "0x" before it and one ':', '-' or blank between two bytes are taken, as
 * other programs write them. 0 and *n; -EINVAL when there are no digits, not in pairs, or more than
 * `max` bytes; else the number of the first character that is no digit, from 1.
 */
int bytes_from_hex(const char *hex, size_t len, uint8_t *bytes, size_t max, size_t *n)
	__attribute__((warn_unused_result));
/* The same into the spec's key. */
int key_from_hex(const char *hex, size_t len, struct device_spec *spec)
	__attribute__((warn_unused_result));
