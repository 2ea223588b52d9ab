/*
 * setting_values.h - the setting values of one device, packed into one block of bytes.
 *
 * A million devices hold a handful of short values each; pointers to them would cost more than
 * they do. The same bytes are what the store keeps. Values stand in the order they were set.
 *
 *	 0          4        5           6            8
 *	+----------+--------+-----------+------------+------+-------+--------------
 *	| size, LE | flags  | name_len  | text_len   | name | text  | next value ...
 *	+----------+--------+-----------+------------+------+-------+--------------
 *	 of all     of the first value
 *
 * No values at all are NULL. Owner: whoever made the block, by malloc(); it is wiped when freed.
 * Any thread that owns it. Functions that make a block allocate, the others do not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SETTING_VALUES_MAX = 1000, /* of one device or group */
	SETTING_NAME_MAX = 255,
	SETTING_TEXT_MAX = 65535, /* no batch carries more in one value (BATCH_PAYLOAD_MAX) */
	SETTING_BLOCK_MAX = 1 << 20,
};

struct setting_value {
	const char *name, *text; /* point into the block; not terminated */
	uint8_t name_len;
	uint16_t text_len;
	bool secret; /* masked wherever shown */
};

/* Whether a value of this name is taken for a secret even if nobody says so. */
bool policy_name_is_secret(const char *name);

/* Bytes of the block, its head included; 0 for NULL. */
size_t setting_values_size(const uint8_t *values);
/* False when these bytes, read from a file, are no block. */
bool setting_values_check(const uint8_t *bytes, size_t size);

/* The first value (at NULL) or the one after *value; false at the end. */
bool setting_values_next(const uint8_t *values, struct setting_value *value);
bool setting_values_find(const uint8_t *values, const char *name, size_t len,
			 struct setting_value *value);

/* Whether both hold the same values, in whatever order. */
bool setting_values_same(const uint8_t *a, const uint8_t *b);

/*
 * *values with one value set (in place of the old one of that name) or taken out. 0; -ENOENT when
 * there is none to take out; -EINVAL when a name or text has no good length; -E2BIG beyond
 * SETTING_VALUES_MAX or SETTING_BLOCK_MAX; -ENOMEM. But for 0, *values is as it was.
 */
int setting_values_set(uint8_t **values, const struct setting_value *value);
int setting_values_unset(uint8_t **values, const char *name, size_t len);
/* A copy; NULL for NULL, or out of memory. */
uint8_t *setting_values_copy(const uint8_t *values);
void setting_values_free(uint8_t *values);
