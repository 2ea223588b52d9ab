#include "tasks/content/cbor_read.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tasks/utf8.h"

enum { MAJOR_SIMPLE = 7, INDEFINITE = 31 };

static bool
fail(struct cbor_reader *reader)
{
	reader->at = reader->end;
	return decoder_fail(reader->decoder, -EBADMSG);
}

/* The argument behind an initial byte (RFC 8949 3). */
static bool
read_argument(struct cbor_reader *reader, unsigned info, uint64_t *argument)
{
	size_t len = info < 24 ? 0 : (size_t)1 << (info - 24);

	*argument = info;
	if (info > 27 || (size_t)(reader->end - reader->at) < len)
		return false;
	if (len)
		*argument = 0;
	while (len--)
		*argument = *argument << 8 | *reader->at++;
	return true;
}

/* RFC 8949 appendix D. */
static double
real_of_half(uint64_t bits)
{
	int exponent = (int)(bits >> 10 & 31);
	double fraction = (double)(bits & 0x3ff), value;

	if (exponent == 0)
		value = ldexp(fraction, -24);
	else if (exponent != 31)
		value = ldexp(fraction + 1024, exponent - 25);
	else
		value = bits & 0x3ff ? NAN : INFINITY;
	return bits & 0x8000 ? -value : value;
}

static double
real_of(unsigned info, uint64_t bits)
{
	uint32_t low = (uint32_t)bits;
	float single;
	double real;

	if (info == 25)
		return real_of_half(bits);
	if (info == 26) {
		memcpy(&single, &low, sizeof single);
		return (double)single;
	}
	memcpy(&real, &bits, sizeof real);
	return real;
}

static bool
read_simple(struct cbor_reader *reader, unsigned info, struct cbor_item *item)
{
	enum { FALSE = 20, TRUE = 21, NOTHING = 22, HALF = 25 };

	if (info == INDEFINITE) {
		item->kind = CBOR_ITEM_BREAK;
		return true;
	}
	if (info == FALSE || info == TRUE) {
		item->kind = CBOR_ITEM_BOOLEAN;
		item->boolean = info == TRUE;
		return true;
	}
	if (info == NOTHING) {
		item->kind = CBOR_ITEM_NULL;
		return true;
	}
	if (info < HALF || !read_argument(reader, info, &item->argument))
		return false;
	item->kind = CBOR_ITEM_REAL;
	item->real = real_of(info, item->argument);
	return true;
}

/* The bytes of a string with a definite length. */
static bool
take(struct cbor_reader *reader, uint64_t len, struct cbor_item *item)
{
	if ((uint64_t)(reader->end - reader->at) < len)
		return false;
	item->at = reader->at;
	item->len = (size_t)len;
	reader->at += len;
	return item->kind != CBOR_ITEM_TEXT || utf8_valid((const char *)item->at, item->len);
}

/* Chunks of the same kind up to a break (RFC 8949 3.2.3); each is complete UTF-8. */
static bool
join_chunks(struct cbor_reader *reader, struct cbor_item *item)
{
	struct cbor_item chunk = { .kind = item->kind };
	unsigned major = item->kind == CBOR_ITEM_TEXT ? 3 : 2;
	size_t len = 0;
	uint8_t *joined =
		arena_alloc(reader->decoder->arena, (size_t)(reader->end - reader->at) + 1);
	uint64_t chunk_len;

	if (!joined)
		return decoder_fail(reader->decoder, -ENOMEM);
	while (reader->at < reader->end && *reader->at != 0xff) {
		uint8_t head = *reader->at++;

		if (head >> 5 != major || !read_argument(reader, head & 31, &chunk_len) ||
		    !take(reader, chunk_len, &chunk))
			return false;
		memcpy(joined + len, chunk.at, chunk.len);
		len += chunk.len;
	}
	if (reader->at == reader->end)
		return false;
	reader->at++;
	item->at = joined;
	item->len = len;
	return true;
}

static bool
read_string(struct cbor_reader *reader, unsigned info, struct cbor_item *item)
{
	uint64_t len;

	if (info == INDEFINITE)
		return join_chunks(reader, item);
	return read_argument(reader, info, &len) && take(reader, len, item);
}

static bool
read_item(struct cbor_reader *reader, struct cbor_item *item)
{
	static const enum cbor_kind kinds[] = {
		CBOR_ITEM_UNSIGNED, CBOR_ITEM_NEGATIVE, CBOR_ITEM_BYTES, CBOR_ITEM_TEXT,
		CBOR_ITEM_ARRAY,    CBOR_ITEM_MAP,      CBOR_ITEM_TAG,
	};
	uint8_t head = *reader->at++;
	unsigned info = head & 31;

	if (head >> 5 == MAJOR_SIMPLE)
		return read_simple(reader, info, item);
	item->kind = kinds[head >> 5];
	if (item->kind == CBOR_ITEM_BYTES || item->kind == CBOR_ITEM_TEXT)
		return read_string(reader, info, item);
	item->indefinite = info == INDEFINITE &&
			   (item->kind == CBOR_ITEM_ARRAY || item->kind == CBOR_ITEM_MAP);
	return item->indefinite || read_argument(reader, info, &item->argument);
}

bool
cbor_read(struct cbor_reader *reader, struct cbor_item *item)
{
	*item = (struct cbor_item){ 0 };
	if (reader->at == reader->end || !read_item(reader, item))
		return fail(reader);
	return true;
}

bool
cbor_more(struct cbor_reader *reader, const struct cbor_item *head, uint64_t *left)
{
	if (!head->indefinite)
		return *left && (*left)--;
	if (reader->at == reader->end || *reader->at != 0xff)
		return true; /* an end without a break is the next cbor_read()'s error */
	reader->at++;
	return false;
}

bool
cbor_wire(const struct cbor_item *item, struct wire_value *wire)
{
	switch (item->kind) {
	case CBOR_ITEM_UNSIGNED:
		*wire = (struct wire_value){ WIRE_UNSIGNED, .number = item->argument };
		return true;
	case CBOR_ITEM_NEGATIVE:
		*wire = (struct wire_value){ WIRE_NEGATIVE,
					     .integer = -1 - (int64_t)item->argument };
		return item->argument <= INT64_MAX;
	case CBOR_ITEM_REAL:
		*wire = (struct wire_value){ WIRE_REAL, .real = item->real };
		return true;
	case CBOR_ITEM_BOOLEAN:
		*wire = (struct wire_value){ WIRE_BOOLEAN, .boolean = item->boolean };
		return true;
	case CBOR_ITEM_TEXT:
	case CBOR_ITEM_BYTES:
		*wire = (struct wire_value){ item->kind == CBOR_ITEM_TEXT ? WIRE_TEXT : WIRE_BYTES,
					     .bytes = { item->at, item->len } };
		return true;
	default:
		return false;
	}
}
