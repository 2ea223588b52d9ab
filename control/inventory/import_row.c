#include "control/inventory/import_row.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/inventory/hash_identity.h"
#include "control/inventory/key_hex.h"
#include "control/inventory/setting_values.h"
#include "tasks/utf8.h"

enum { GROUPS_TEXT_MAX = 65535 };

/* --- errors --- */

static void
add_diag(struct import *import, enum diag_level level, const struct place *at, const char *format,
	 va_list args)
{
	const char *column = at->tag;
	struct place place = { .file = import->name, .line = at->line };
	struct text tag; /* columns are named by the file */

	text_init(&tag);
	if (column)
		text_put_untrusted(&tag, column, strnlen(column, SETTING_NAME_MAX));
	place.tag = column ? text_str(&tag) : NULL;
	diag_add(import->diags, level, &place, format, args);
	text_fini(&tag);
}

void
import_error(struct import *import, struct import_row *row, const char *column, const char *format,
	     ...)
{
	const struct place place = { .line = row ? row->line : import->line, .tag = column };
	va_list args;

	va_start(args, format);
	add_diag(import, DIAG_ERROR, &place, format, args);
	va_end(args);
	if (row)
		row->bad = true;
}

/* Adds a warning, or counts it: a file of a million rows may have as many. */
static void __attribute__((format(printf, 4, 5)))
import_warning(struct import *import, const struct import_row *row, const char *column,
	       const char *format, ...)
{
	const struct place place = { .line = row->line, .tag = column };
	va_list args;

	if (import->warned++ >= IMPORT_WARNINGS)
		return;
	va_start(args, format);
	add_diag(import, DIAG_WARNING, &place, format, args);
	va_end(args);
}

void
import_bad_row(struct import *import, uint32_t line, const char *column, const char *format, ...)
{
	const struct place place = { .line = line, .tag = column };
	va_list args;

	va_start(args, format);
	add_diag(import, DIAG_ERROR, &place, format, args);
	va_end(args);
	import->result->rows++;
	import->result->bad++;
}

/* --- what a cell may hold --- */

/* Where the text stops being UTF-8 without NUL: its length when it does not. */
static size_t
good_until(const char *text, size_t len)
{
	size_t good = utf8_valid_len(text, len);
	const char *nul = memchr(text, '\0', good);

	return nul ? (size_t)(nul - text) : good;
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
	import_error(import, row, column, "\"%s\" is duplicated, first in line %u",
		     shown(&text, cell), first);
	text_fini(&text);
	return true;
}

/* "3.53E+14": what a spreadsheet makes of a long number. */
static bool
is_shortened(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *at = text + digits;

	if (!digits)
		return false;
	if (*at == '.' || *at == ',')
		at += 1 + strspn(at + 1, "0123456789");
	return (*at | 0x20) == 'e' && at[1] == '+' && at[2] &&
	       !at[2 + strspn(at + 2, "0123456789")];
}

static bool
is_all_hex(const struct import_cell *cell)
{
	return cell->len % 2 == 0 && strspn(cell->text, "0123456789abcdefABCDEF") == cell->len;
}

/* What is allowed and hardly meant. */
static void
warn_of_cell(struct import *import, const struct import_row *row, const char *column,
	     const struct import_cell *cell)
{
	enum { LOOKS_HEX = 16 }; /* digits; a word of so many is hardly a key */

	if (!cell->text || !cell->len)
		return;
	if (cell->text[0] == ' ' || cell->text[cell->len - 1] == ' ')
		import_warning(import, row, column, "begins or ends with a blank, which counts");
	else if (strstr(cell->text, "\u00a0"))
		import_warning(import, row, column,
			       "holds a blank that does not break (U+00A0), which is no blank");
	else if (cell == &row->key && cell->len >= LOOKS_HEX && is_all_hex(cell))
		import_warning(import, row, column,
			       "looks like hex, and is taken as text: hex belongs into key_hex");
	else if (cell == &row->endpoint && is_shortened(cell->text))
		import_warning(import, row, column,
			       "looks like a number that a spreadsheet has shortened: format the "
			       "column as text there");
}

/* An identity in hex: any bytes (RFC 4279 5.1). */
static void
read_identity_hex(struct import *import, struct import_row *row)
{
	const struct import_cell *cell = &row->identity_hex;
	size_t n;
	int wrong;

	if (!cell->text)
		return;
	if (row->identity.text) {
		import_error(import, row, "identity", "stands beside identity_hex: leave one out");
		return;
	}
	wrong = bytes_from_hex(cell->text, cell->len, row->identity_bytes,
			       sizeof row->identity_bytes, &n);
	if (wrong < 0)
		import_error(import, row, "identity_hex",
			     "must have 2 to %d hex digits in pairs, not %zu",
			     2 * DTLS_IDENTITY_MAX, cell->len);
	else if (wrong)
		import_error(import, row, "identity_hex", "byte %d is no hex digit", wrong);
	else
		row->identity = (struct import_cell){ (char *)row->identity_bytes, n };
}

/* An identity that is the hash of a key or certificate, which stands beside no pre-shared key. */
static void
read_hash(struct import *import, struct import_row *row)
{
	size_t len = row->identity.len;

	switch (hash_identity_normalise(row->identity.text, &len)) {
	case HASH_IDENTITY_NONE:
		return;
	case HASH_IDENTITY_WRONG:
		import_error(import, row, "identity", "must be " HASH_IDENTITY_WANTED);
		return;
	case HASH_IDENTITY_GOOD:
		row->identity.len = len;
		break;
	}
	if (row->key.text || row->key_hex.text)
		import_error(import, row, row->key.text ? "key" : "key_hex",
			     "stands beside the hash of a key or certificate, and a device comes "
			     "with one of both: leave one out");
}

static void
check_names(struct import *import, struct import_row *row)
{
	const struct import_cell *identity;
	bool good;

	read_identity_hex(import, row);
	identity = row->identity.text ? &row->identity : &row->endpoint;
	if (!row->endpoint.text) {
		import_error(import, row, "endpoint", "is missing");
		return;
	}
	good = check_cell(import, row, "endpoint", &row->endpoint, ENDPOINT_NAME_MAX);
	if (row->identity.text && !row->identity_hex.text)
		good &= check_cell(import, row, "identity", &row->identity, DTLS_IDENTITY_MAX);
	if (good && row->identity.text)
		read_hash(import, row);
	if (!good || row->bad)
		return;
	warn_of_cell(import, row, "endpoint", &row->endpoint);
	if (!row->identity_hex.text)
		warn_of_cell(import, row, "identity", &row->identity);
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
		warn_of_cell(import, row, "key", &row->key);
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

	assert(len);
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
	struct setting_value value = { .name = name, .text = text.text }, other;
	int failed;

	if (name_len == 0 || name_len > SETTING_NAME_MAX) {
		import_error(import, row, column, "a setting value needs a name of 1 to %d bytes",
			     SETTING_NAME_MAX);
		return;
	}
	if (setting_values_find(row->values, name, name_len, &other)) {
		import_error(import, row, column,
			     "value.%s and secret.%s both say something: leave one empty", name,
			     name);
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

/* Whether it is served over NoSec although it has a key. */
static bool
read_nosec(struct import *import, struct import_row *row)
{
	const char *word = row->nosec.text;

	if (!word)
		return row->nosec_ready;
	if (strcasecmp(word, "yes") != 0 && strcasecmp(word, "no") != 0)
		import_error(import, row, "nosec", "is yes, no or nothing");
	return strcasecmp(word, "yes") == 0;
}

void
import_row_finish(struct import *import, struct import_row *row)
{
	struct device_spec device = { .endpoint = row->endpoint.text,
				      .domain = row->domain.text,
				      .values = row->values };

	check_names(import, row);
	device.identity = row->identity.text;
	device.identity_len = (uint8_t)row->identity.len;
	read_key(import, row, &device);
	device.nosec = read_nosec(import, row);
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
