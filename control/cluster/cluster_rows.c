#include "control/cluster/cluster_rows.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "control/cluster/database.h"
#include "control/inventory/setting_values.h"
#include "dataplane/dataplane.h"

enum { NO_TEXT = UINT32_MAX };

/* Where the secrets of a device belong. */
static uint64_t
place_of(const void *endpoint, size_t len)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	uint64_t place;

	SHA256(endpoint, len, hash);
	memcpy(&place, hash, sizeof place);
	return be64toh(place);
}

/* ---- tuples ---- */

/* Fields of a tuple: a length of four bytes, -1 for NULL, and the bytes. */
struct tuple {
	struct buffer *out;
	int failed; /* 0 or -errno */
};

static void
put_raw(struct tuple *tuple, const void *bytes, size_t len)
{
	if (!tuple->failed)
		tuple->failed = buffer_put(tuple->out, bytes, len);
}

static void
put_bytes(struct tuple *tuple, const void *bytes, size_t len)
{
	uint32_t head = htobe32(bytes ? (uint32_t)len : NO_TEXT);

	put_raw(tuple, &head, sizeof head);
	if (bytes && len)
		put_raw(tuple, bytes, len);
}

static void
put_text(struct tuple *tuple, const char *text)
{
	put_bytes(tuple, text, text ? strlen(text) : 0);
}

static void
put_number(struct tuple *tuple, uint64_t number)
{
	number = htobe64(number);
	put_bytes(tuple, &number, sizeof number);
}

/* Sealed where there is a key, else as it is. */
static void
put_secret(struct tuple *tuple, struct sealer *sealer, const struct seal_place *place,
	   const void *bytes, size_t len)
{
	uint32_t head = htobe32((uint32_t)(len + SEAL_OVERHEAD));

	if (!bytes || !sealer || !sealer_id(sealer)) {
		put_bytes(tuple, bytes, len);
		return;
	}
	put_raw(tuple, &head, sizeof head);
	if (!tuple->failed)
		tuple->failed = buffer_reserve(tuple->out, len + SEAL_OVERHEAD);
	if (tuple->failed)
		return;
	tuple->failed = sealer_seal(sealer, place, bytes, len, tuple->out->bytes + tuple->out->len);
	if (!tuple->failed)
		tuple->out->len += len + SEAL_OVERHEAD;
}

static void
put_device(struct tuple *tuple, struct sealer *sealer, const char *endpoint,
	   const struct device_spec *spec)
{
	const uint64_t row = place_of(endpoint, strlen(endpoint));
	const struct seal_place key = { SEAL_SHARED_KEY, row },
				settings = { SEAL_SHARED_SETTINGS, row };
	const uint8_t *kek = sealer && (spec->key_len || spec->values) ? sealer_id(sealer) : NULL;
	size_t identity_len = device_spec_identity_len(spec);

	if (identity_len)
		put_bytes(tuple, spec->identity, identity_len);
	else
		put_text(tuple, endpoint);
	put_bytes(tuple, identity_len ? spec->identity : NULL, identity_len);
	put_secret(tuple, sealer, &key, spec->key_len ? spec->key : NULL, spec->key_len);
	put_number(tuple, spec->key_is_hex);
	put_text(tuple, spec->domain);
	put_text(tuple, spec->groups);
	put_secret(tuple, sealer, &settings, spec->values, setting_values_size(spec->values));
	put_number(tuple, spec->created_ms);
	put_number(tuple, spec->nosec);
	put_bytes(tuple, kek, KEK_ID_LEN);
	put_number(tuple, 0);
}

static void
put_dead(struct tuple *tuple)
{
	static const bool is_number[CLUSTER_COLUMNS] = { [4] = true, [8] = true, [9] = true };

	for (unsigned i = 1; i < CLUSTER_COLUMNS - 1; i++)
		if (is_number[i])
			put_number(tuple, 0);
		else
			put_bytes(tuple, NULL, 0);
	put_number(tuple, 1);
}

int
cluster_rows_put(struct buffer *out, struct sealer *sealer, uint64_t txn, const char *endpoint,
		 const struct device_spec *spec)
{
	const uint16_t fields = htobe16(CLUSTER_COLUMNS + 1);
	struct tuple tuple = { .out = out };
	size_t before = out->len;

	put_raw(&tuple, &fields, sizeof fields);
	put_text(&tuple, endpoint);
	if (spec)
		put_device(&tuple, sealer, endpoint, spec);
	else
		put_dead(&tuple);
	put_number(&tuple, txn);
	if (tuple.failed)
		out->len = before;
	return tuple.failed;
}

/* ---- rows ---- */

/* Columns of the texts, in the order of enum cluster_text, and how long each may be. */
static const struct {
	int column;
	uint32_t max;
} texts[ROW_TEXTS] = {
	[ROW_ENDPOINT] = { 0, ENDPOINT_NAME_MAX },
	[ROW_IDENTITY] = { 2, DTLS_IDENTITY_MAX },
	[ROW_KEY] = { 3, DTLS_KEY_MAX },
	[ROW_DOMAIN] = { 5, DOMAIN_MAX },
	[ROW_GROUPS] = { 6, 16383 },
	[ROW_SETTINGS] = { 7, SETTING_BLOCK_MAX },
};

enum {
	COLUMN_KEY_IS_HEX = 4,
	COLUMN_CREATED = 8,
	COLUMN_NOSEC = 9,
	COLUMN_KEK = 10,
	COLUMN_DEAD = 11
};

struct opening {
	struct sealer *sealer;
	const PGresult *result;
	int number; /* of the key; -1: plain */
	char *error;
};

static int
damaged(const struct opening *opening, const char *what)
{
	snprintf(opening->error, CLUSTER_ERROR_MAX, "the database's row of device \"%.*s\" %s",
		 PQgetlength(opening->result, 0, 0), PQgetvalue(opening->result, 0, 0), what);
	return -EBADMSG;
}

/* Under which key the row is. */
static int
find_key(struct opening *opening)
{
	const PGresult *result = opening->result;

	opening->number = -1;
	if (PQgetisnull(result, 0, COLUMN_KEK))
		return 0;
	if (opening->sealer)
		opening->number = sealer_find(opening->sealer, PQgetvalue(result, 0, COLUMN_KEK),
					      (size_t)PQgetlength(result, 0, COLUMN_KEK));
	return opening->number < 0
		       ? damaged(opening, "is sealed under a key that is not in `kek` here: give "
					  "all members the same keys")
		       : 0;
}

/* Bytes that a text will have. */
static int
measure(const struct opening *opening, unsigned text, uint32_t *len)
{
	const PGresult *result = opening->result;
	bool sealed = opening->number >= 0 && (text == ROW_KEY || text == ROW_SETTINGS);
	uint32_t overhead = sealed ? SEAL_OVERHEAD : 0;

	*len = NO_TEXT;
	if (PQgetisnull(result, 0, texts[text].column))
		return 0;
	*len = (uint32_t)PQgetlength(result, 0, texts[text].column);
	if (*len < overhead || *len - overhead > texts[text].max)
		return damaged(opening, "has a value that is too long or too short");
	*len -= overhead;
	return 0;
}

static int
read_text(const struct opening *opening, unsigned text, uint8_t *to, uint32_t len)
{
	const char *value = PQgetvalue(opening->result, 0, texts[text].column);
	const struct seal_place place = {
		text == ROW_KEY ? SEAL_SHARED_KEY : SEAL_SHARED_SETTINGS,
		place_of(PQgetvalue(opening->result, 0, 0),
			 (size_t)PQgetlength(opening->result, 0, 0)),
	};
	bool secret = text == ROW_KEY || text == ROW_SETTINGS;

	if (secret && opening->number >= 0) {
		if (sealer_open(opening->sealer, (unsigned)opening->number, &place, value,
				len + SEAL_OVERHEAD, to) < 0)
			return damaged(opening, "has a secret that does not open: it was sealed "
						"elsewhere, or is damaged");
	} else {
		memcpy(to, value, len);
	}
	if (text == ROW_SETTINGS && !setting_values_check(to, len))
		return damaged(opening, "has setting values that are none");
	/* Texts with a NUL in them would be cut. */
	if (!secret && text != ROW_IDENTITY && memchr(to, 0, len))
		return damaged(opening, "has a NUL byte in a name");
	return 0;
}

int
cluster_rows_take(struct records *to, struct sealer *sealer, const PGresult *result, uint64_t txn,
		  char error[CLUSTER_ERROR_MAX])
{
	struct opening opening = { .sealer = sealer, .result = result, .error = error };
	uint32_t len[ROW_TEXTS];
	struct cluster_row *row;
	struct record record;
	size_t size = sizeof *row + ROW_TEXTS;
	uint8_t *at;
	int code = find_key(&opening);

	for (unsigned i = 0; code == 0 && i < ROW_TEXTS; i++) {
		code = measure(&opening, i, &len[i]);
		size += len[i] != NO_TEXT ? len[i] : 0;
	}
	if (code == 0 && (len[ROW_ENDPOINT] == NO_TEXT || !len[ROW_ENDPOINT]))
		code = damaged(&opening, "has no name");
	if (code < 0)
		return code;
	row = records_add(to, size);
	if (!row)
		return -ENOMEM;
	record = row->record;
	*row = (struct cluster_row){
		.record = record,
		.txn = txn,
		.dead = database_number(result, 0, COLUMN_DEAD),
		.key_is_hex = database_number(result, 0, COLUMN_KEY_IS_HEX),
		.nosec = database_number(result, 0, COLUMN_NOSEC),
		.created_ms = database_number(result, 0, COLUMN_CREATED),
	};
	at = row->bytes;
	for (unsigned i = 0; i < ROW_TEXTS; i++) {
		row->len[i] = len[i];
		if (len[i] == NO_TEXT)
			continue;
		if (code == 0)
			code = read_text(&opening, i, at, len[i]);
		at[len[i]] = 0;
		at += len[i] + 1;
	}
	return code; /* a row that is no good is left in the list, which the caller throws away */
}

static const uint8_t *
text_of(const struct cluster_row *row, unsigned text)
{
	const uint8_t *at = row->bytes;

	for (unsigned i = 0; i < text; i++)
		at += row->len[i] != NO_TEXT ? row->len[i] + 1 : 0;
	return row->len[text] != NO_TEXT ? at : NULL;
}

const char *
cluster_row_endpoint(const struct cluster_row *row)
{
	return (const char *)text_of(row, ROW_ENDPOINT);
}

void
cluster_row_spec(const struct cluster_row *row, struct device_spec *spec)
{
	const uint8_t *key = text_of(row, ROW_KEY);
	const char *groups = (const char *)text_of(row, ROW_GROUPS);

	*spec = (struct device_spec){
		.endpoint = cluster_row_endpoint(row),
		.identity = (const char *)text_of(row, ROW_IDENTITY),
		.key_is_hex = row->key_is_hex,
		.nosec = row->nosec,
		.domain = (const char *)text_of(row, ROW_DOMAIN),
		.groups = groups ? groups : "",
		.values = text_of(row, ROW_SETTINGS),
		.created_ms = row->created_ms,
	};
	if (spec->identity)
		spec->identity_len = (uint8_t)row->len[ROW_IDENTITY];
	if (key) {
		assert(row->len[ROW_KEY] <= sizeof spec->key);
		memcpy(spec->key, key, row->len[ROW_KEY]);
		spec->key_len = (uint8_t)row->len[ROW_KEY];
	}
}
