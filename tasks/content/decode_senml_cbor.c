/*
 * decode_senml_cbor.c - application/senml+cbor (RFC 8428 6, OMA TS Core 7.4.5).
 *
 * Times and units are read over: LwM2M values have none. What would change a value (bv, sums) is refused, as is a
 * label that must be understood (RFC 8428 4.4: its name ends in "_") and a value that is no scalar.
 */
#include <string.h>

#include "tasks/content/cbor_read.h"
#include "tasks/content/decode_internal.h"

/* RFC 8428 table 4. */
enum senml_label {
	SENML_BASE_SUM = -6,
	SENML_BASE_VALUE = -5,
	SENML_BASE_NAME = -2,
	SENML_NAME = 0,
	SENML_VALUE = 2,
	SENML_STRING = 3,
	SENML_BOOLEAN = 4,
	SENML_SUM = 5,
	SENML_DATA = 8,
};

/* The kinds that a value label takes, as a bit set. */
static unsigned
kinds_of(int64_t label)
{
	switch (label) {
	case SENML_VALUE:
		return 1u << WIRE_UNSIGNED | 1u << WIRE_NEGATIVE | 1u << WIRE_REAL;
	case SENML_STRING:
		return 1u << WIRE_TEXT;
	case SENML_BOOLEAN:
		return 1u << WIRE_BOOLEAN;
	case SENML_DATA:
		return 1u << WIRE_BYTES;
	default:
		return 0;
	}
}

static bool
read_numbered(struct senml_record *record, int64_t label, const struct wire_value *value)
{
	unsigned kinds = kinds_of(label);
	const char *text = (const char *)value->bytes.at;

	switch (label) {
	case SENML_BASE_NAME:
		return value->kind == WIRE_TEXT &&
		       senml_record_base(record, text, value->bytes.len);
	case SENML_NAME:
		return value->kind == WIRE_TEXT &&
		       senml_record_name(record, text, value->bytes.len);
	case SENML_BASE_SUM:
	case SENML_BASE_VALUE:
	case SENML_SUM:
		return false;
	default:
		return !kinds || (kinds >> value->kind & 1 && senml_record_value(record, value));
	}
}

/* "vlo" is the one that LwM2M adds (OMA TS Core table 7.4.5-2). */
static bool
read_named(struct senml_record *record, const struct cbor_item *label, struct wire_value *value)
{
	if (label->len == 3 && !memcmp(label->at, "vlo", 3)) {
		if (value->kind != WIRE_TEXT)
			return false;
		value->kind = WIRE_LINK;
		return senml_record_value(record, value);
	}
	return !label->len || label->at[label->len - 1] != '_';
}

static bool
read_field(struct cbor_reader *reader, struct senml_record *record)
{
	struct cbor_item label, item;
	struct wire_value number, value;

	if (!cbor_read(reader, &label) || !cbor_read(reader, &item) || !cbor_wire(&item, &value))
		return false;
	if (label.kind == CBOR_ITEM_TEXT)
		return read_named(record, &label, &value);
	if (!cbor_wire(&label, &number))
		return false;
	if (number.kind == WIRE_NEGATIVE)
		return read_numbered(record, number.integer, &value);
	return number.kind == WIRE_UNSIGNED && number.number <= INT64_MAX &&
	       read_numbered(record, (int64_t)number.number, &value);
}

static bool
read_record(struct cbor_reader *reader, struct senml_record *record)
{
	struct cbor_item map;
	uint64_t left;

	if (!cbor_read(reader, &map) || map.kind != CBOR_ITEM_MAP)
		return false;
	senml_record_begin(record);
	for (left = map.argument; cbor_more(reader, &map, &left);)
		if (!read_field(reader, record))
			return false;
	return senml_record_end(reader->decoder, record);
}

bool
senml_cbor_decode(struct decoder *decoder)
{
	struct cbor_reader reader = { decoder, decoder->input->bytes,
				      decoder->input->bytes + decoder->input->len };
	struct senml_record record = { 0 };
	struct cbor_item array;
	uint64_t left;

	if (!cbor_read(&reader, &array) || array.kind != CBOR_ITEM_ARRAY)
		return false;
	for (left = array.argument; cbor_more(&reader, &array, &left);)
		if (!read_record(&reader, &record))
			return false;
	return reader.at == reader.end && !decoder->error;
}
