#include "control/inventory/import_row.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/inventory/key_hex.h"
#include "control/inventory/setting_values.h"

enum { GROUPS_TEXT_MAX = 65535 };

/* --- errors --- */

static void
add_error(struct import *import, uint32_t line, const char *column, const char *format,
	  va_list args)
{
	struct place place = { .file = import->name, .line = line };
	struct text tag; /* columns are named by the file */

	text_init(&tag);
	if (column)
		text_put_untrusted(&tag, column, strnlen(column, SETTING_NAME_MAX));
	place.tag = column ? text_str(&tag) : NULL;
	diag_add(import->diags, DIAG_ERROR, &place, format, args);
	text_fini(&tag);
}

void
import_error(struct import *import, struct import_row *row, const char *column, const char *format,
	     ...)
{
	va_list args;

	va_start(args, format);
	add_error(import, row ? row->line : import->line, column, format, args);
	va_end(args);
	if (row)
		row->bad = true;
}

void
import_bad_row(struct import *import, uint32_t line, const char *column, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_error(import, line, column, format, args);
	va_end(args);
	import->result->rows++;
	import->result->bad++;
}

/* --- what a cell may hold --- */

/* The length of the well-formed UTF-8 sequence at `at` (RFC 3629 4), or 0. */
static size_t
sequence(const uint8_t *at, size_t len)
{
	size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	uint32_t code = n == 2 ? at[0] & 0x1fU : n == 3 ? at[0] & 0xfU : at[0] & 7U;

	if (n < 2)
		return n;
	if (n > len || at[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fU);
	}
	if ((n == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
	    (n == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return n;
}

/* Where the text stops being UTF-8 without NUL: its length when it does not. */
static size_t
good_until(const char *text, size_t len)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t i = 0;

	while (i < len) {
		uint64_t word;
		size_t n;

		if (len - i >= sizeof word) {
			/* Eight bytes at once while none is above 0x7f or NUL. */
			memcpy(&word, at + i, sizeof word);
			if (!((word | (word - UINT64_C(0x0101010101010101))) &
			      UINT64_C(0x8080808080808080))) {
				i += sizeof word;
				continue;
			}
		}
		n = at[i] ? sequence(at + i, len - i) : 0;
		if (!n)
			return i;
		i += n;
	}
	return len;
}

/* Whether the cell is there and good; tells what is wrong with one that is not. */
static bool
check_cell(struct import *import, struct import_row *row, const char *column,
	   const struct import_cell *cell, size_t max)
{
	size_t good;

	if (!cell->text)
		return false;
	if (cell->len == 0 || cell->len > max) {
		import_error(import, row, column, "must have 1 to %zu bytes, not %zu", max,
			     cell->len);
		return false;
	}
	good = good_until(cell->text, cell->len);
	if (good == cell->len)
		return true;
	import_error(import, row, column, "byte %zu is %s", good + 1,
		     cell->text[good] ? "not UTF-8: save the file as UTF-8" : "NUL");
	return false;
}

/* A name of the file in a sentence: nothing of it may mislead a terminal. */
static const char *
shown(struct text *text, const struct import_cell *cell)
{
	text_init(text);
	text_put_untrusted(text, cell->text, cell->len);
	return text_str(text);
}

/* --- names --- */

static bool
is_twice(struct import *import, struct import_row *row, const char *column,
	 struct import_names *names, const struct import_cell *cell)
{
	struct text text;
	uint32_t first;
	int got = import_names_add(names, cell->text, cell->len, row->line, &first);

	if (got < 0)
		import->failed = got;
	if (got <= 0)
		return false;
	import_error(import, row, column, "\"%s\" is there twice, first in line %u",
		     shown(&text, cell), first);
	text_fini(&text);
	return true;
}

static void
check_names(struct import *import, struct import_row *row)
{
	const struct import_cell *identity = row->identity.text ? &row->identity : &row->endpoint;
	bool good;

	if (!row->endpoint.text) {
		import_error(import, row, "endpoint", "is missing");
		return;
	}
	good = check_cell(import, row, "endpoint", &row->endpoint, ENDPOINT_NAME_MAX);
	if (row->identity.text)
		good &= check_cell(import, row, "identity", &row->identity, DTLS_IDENTITY_MAX);
	if (!good)
		return;
	if (!import->identities_differ && identity == &row->identity &&
	    (row->identity.len != row->endpoint.len ||
	     memcmp(row->identity.text, row->endpoint.text, row->endpoint.len) != 0)) {
		import->failed = import_names_copy(&import->identities, &import->endpoints);
		import->identities_differ = !import->failed;
	}
	if (is_twice(import, row, "endpoint", &import->endpoints, &row->endpoint))
		return;
	if (import->identities_differ)
		is_twice(import, row, "identity", &import->identities, identity);
}

/* --- keys --- */

/* What is wrong is told without showing the key. */
static void
read_hex(struct import *import, struct import_row *row, struct device_spec *device)
{
	const struct import_cell *cell = &row->key_hex;
	int wrong = key_from_hex(cell->text, cell->len, device);

	if (wrong < 0)
		import_error(import, row, "key_hex",
			     "must have 2 to %d hex digits in pairs, not %zu", 2 * DTLS_KEY_MAX,
			     cell->len);
	else if (wrong)
		import_error(import, row, "key_hex", "byte %d is no hex digit", wrong);
}

static void
read_key(struct import *import, struct import_row *row, struct device_spec *device)
{
	if (row->key.text && row->key_hex.text) {
		import_error(import, row, "key", "stands beside key_hex: leave one out");
		return;
	}
	if (row->key_hex.text) {
		read_hex(import, row, device);
	} else if (check_cell(import, row, "key", &row->key, DTLS_KEY_MAX)) {
		memcpy(device->key, row->key.text, row->key.len);
		device->key_len = (uint8_t)row->key.len;
	}
}

/* --- groups and values --- */

void
import_row_group(struct import *import, struct import_row *row, const char *name, size_t len)
{
	while (len && *name == ' ') {
		name++;
		len--;
	}
	while (len && name[len - 1] == ' ')
		len--;
	if (!len || good_until(name, len) < len || memchr(name, ',', len)) {
		import_error(import, row, "groups",
			     len ? "holds what is no group name" : "holds an empty name");
		return;
	}
	if (import->groups.len)
		text_put(&import->groups, ",", 1);
	text_put(&import->groups, name, len);
	row->groups_ready = true;
}

static void
split_groups(struct import *import, struct import_row *row)
{
	const char *at = row->groups.text;

	while (at) {
		size_t len = strcspn(at, ";,");

		import_row_group(import, row, at, len);
		at = at[len] ? at + len + 1 : NULL;
	}
}

static bool
is_secret(struct import *import, const char *name, size_t len)
{
	unsigned place = ((uint8_t)name[0] * 5U + (uint8_t)name[len - 1] * 3U + (unsigned)len) %
			 IMPORT_KNOWN_NAMES;
	struct import_known_name *known = &import->known[place];

	if (len >= sizeof known->name)
		return policy_name_is_secret(name);
	if (known->len != len || memcmp(known->name, name, len) != 0) {
		memcpy(known->name, name, len);
		known->len = (uint8_t)len;
		known->secret = policy_name_is_secret(name);
	}
	return known->secret;
}

void
import_row_value(struct import *import, struct import_row *row, const char *column,
		 const char *name, struct import_cell text, bool secret)
{
	size_t name_len = strlen(name), good;
	struct setting_value value = { .name = name, .text = text.text };
	int failed;

	if (name_len == 0 || name_len > SETTING_NAME_MAX) {
		import_error(import, row, column, "a setting value needs a name of 1 to %d bytes",
			     SETTING_NAME_MAX);
		return;
	}
	good = good_until(text.text, text.len);
	if (text.len > SETTING_TEXT_MAX || good < text.len) {
		import_error(import, row, column,
			     text.len > SETTING_TEXT_MAX ? "is longer than 65535 bytes"
			     : text.text[good]           ? "is not UTF-8: save the file as UTF-8"
							 : "holds a NUL");
		return;
	}
	value.name_len = (uint8_t)name_len;
	value.text_len = (uint16_t)text.len;
	value.secret = secret || is_secret(import, name, name_len);
	failed = setting_values_set(&row->values, &value);
	if (failed == -E2BIG)
		import_error(import, row, column,
			     "is too much: a device holds %d values in %d bytes",
			     SETTING_VALUES_MAX, SETTING_BLOCK_MAX);
	else if (failed)
		import->failed = failed;
}

/* --- the row --- */

static void
hand_on(struct import *import, struct import_row *row, const struct device_spec *device)
{
	switch (import->calls->each(import->calls->ctx, device, row->line)) {
	case IMPORT_TAKEN:
		return;
	case IMPORT_REJECTED:
		row->bad = true;
		return;
	case IMPORT_STOP:
		import->failed = -ECANCELED;
		return;
	}
}

void
import_row_finish(struct import *import, struct import_row *row)
{
	struct device_spec device = { .endpoint = row->endpoint.text,
				      .identity = row->identity.text,
				      .domain = row->domain.text,
				      .values = row->values };

	check_names(import, row);
	read_key(import, row, &device);
	check_cell(import, row, "domain", &row->domain, DOMAIN_MAX);
	if (check_cell(import, row, "groups", &row->groups, GROUPS_TEXT_MAX))
		split_groups(import, row);
	if (import->groups.failed)
		import->failed = -ENOMEM;
	if (row->groups_ready)
		device.groups = text_str(&import->groups);
	if (!row->bad && !import->failed)
		hand_on(import, row, &device);
	import->groups.len = 0;
	import->result->rows++;
	import->result->bad += row->bad;
	explicit_bzero(device.key, sizeof device.key);
	setting_values_free(row->values);
}
