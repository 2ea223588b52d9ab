/* decoder.c - what the decoders share: records that grow, kinds to types, texts of ids and numbers. */
#include "tasks/content/decoder.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16, NUMBER_LEN_MAX = 63 };

bool
decoder_fail(struct decoder *decoder, int error)
{
	if (!decoder->error)
		decoder->error = error;
	return false;
}

int
decoder_type(const struct decoder *decoder, const struct lwm2m_path *path)
{
	const struct object_def *object;
	const struct resource_def *resource;

	if (!decoder->input->objects)
		return -1;
	object = objects_find(decoder->input->objects, (uint16_t)path->object);
	resource = object ? object_resource(object, (uint16_t)path->resource) : NULL;
	return resource ? (int)resource->type : -1;
}

static bool
reserve(struct decoder *decoder)
{
	size_t capacity = decoder->capacity ? 2 * decoder->capacity : FIRST_CAPACITY;
	struct lwm2m_record *grown;

	if (decoder->count < decoder->capacity)
		return true;
	if (decoder->count == DECODE_RECORDS_MAX)
		return decoder_fail(decoder, -E2BIG);
	grown = arena_alloc(decoder->arena, capacity * sizeof *grown);
	if (!grown)
		return decoder_fail(decoder, -ENOMEM);
	if (decoder->count)
		memcpy(grown, decoder->records, decoder->count * sizeof *grown);
	decoder->records = grown;
	decoder->capacity = capacity;
	return true;
}

bool
decoder_add(struct decoder *decoder, const struct lwm2m_path *path, const struct lwm2m_value *value)
{
	struct lwm2m_record *record;

	if (!reserve(decoder))
		return false;
	assert(decoder->count < decoder->capacity);
	record = &decoder->records[decoder->count];
	*record = (struct lwm2m_record){ *path, *value };
	/* The encoders' own rule: a value's path, below the target. */
	if (!lwm2m_records_valid(&decoder->input->target, record, 1))
		return decoder_fail(decoder, -EBADMSG);
	decoder->count++;
	return true;
}

/* ---- texts ---- */

/* Digits of an id up to 65535, without leading zeros; false when there are none. */
static bool
read_id(const char **at, const char *end, int32_t *id)
{
	const char *start = *at;

	for (*id = 0; *at < end && **at >= '0' && **at <= '9' && *id <= UINT16_MAX; (*at)++)
		*id = 10 * *id + (**at - '0');
	return *at > start && *id <= UINT16_MAX && (*start != '0' || *at - start == 1);
}

/* "65535:65535" to a link; false when it is none. */
static bool
decode_link(const uint8_t *bytes, size_t len, struct lwm2m_value *value)
{
	const char *at = (const char *)bytes, *end = at + len;
	int32_t object, instance;

	if (!read_id(&at, end, &object) || at == end || *at++ != ':' ||
	    !read_id(&at, end, &instance) || at != end)
		return false;
	value->link.object = (uint16_t)object;
	value->link.instance = (uint16_t)instance;
	return true;
}

/* ---- kinds to types ---- */

static bool
to_integer(const struct wire_value *wire, int64_t *integer)
{
	switch (wire->kind) {
	case WIRE_UNSIGNED:
		*integer = (int64_t)wire->number;
		return wire->number <= INT64_MAX;
	case WIRE_NEGATIVE:
		*integer = wire->integer;
		return true;
	case WIRE_REAL:
		/* 60.0 is an integer to JSON, as far as a double counts exactly. */
		if (!(fabs(wire->real) <= 0x1p53) || wire->real != trunc(wire->real))
			return false;
		*integer = (int64_t)wire->real;
		return true;
	default:
		return false;
	}
}

static bool
to_real(const struct wire_value *wire, double *real)
{
	*real = wire->kind == WIRE_REAL       ? wire->real
		: wire->kind == WIRE_UNSIGNED ? (double)wire->number
					      : (double)wire->integer;
	return wire->kind <= WIRE_REAL;
}

/* What a value is when nobody says what it should be. */
static enum lwm2m_type
natural_type(const struct wire_value *wire)
{
	static const enum lwm2m_type types[] = {
		[WIRE_UNSIGNED] = LWM2M_INTEGER, [WIRE_NEGATIVE] = LWM2M_INTEGER,
		[WIRE_REAL] = LWM2M_FLOAT,       [WIRE_BOOLEAN] = LWM2M_BOOLEAN,
		[WIRE_TEXT] = LWM2M_STRING,      [WIRE_BYTES] = LWM2M_OPAQUE,
		[WIRE_LINK] = LWM2M_OBJLNK,
	};

	if (wire->kind == WIRE_UNSIGNED && wire->number > INT64_MAX)
		return LWM2M_UNSIGNED;
	assert(wire->kind < sizeof types / sizeof *types);
	return types[wire->kind];
}

static bool
to_type(const struct wire_value *wire, struct lwm2m_value *value)
{
	switch (value->type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		return to_integer(wire, &value->integer);
	case LWM2M_UNSIGNED:
		if (wire->kind == WIRE_UNSIGNED)
			value->number = wire->number;
		else if (wire->kind != WIRE_REAL || !to_integer(wire, &value->integer) ||
			 value->integer < 0)
			return false;
		return true;
	case LWM2M_FLOAT:
		return to_real(wire, &value->real);
	case LWM2M_BOOLEAN:
		value->boolean = wire->kind == WIRE_BOOLEAN && wire->boolean;
		return wire->kind == WIRE_BOOLEAN;
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		value->bytes.at = wire->bytes.at;
		value->bytes.len = wire->bytes.len;
		return wire->kind == WIRE_TEXT;
	case LWM2M_OPAQUE:
		value->bytes.at = wire->bytes.at;
		value->bytes.len = wire->bytes.len;
		return wire->kind == WIRE_BYTES;
	case LWM2M_OBJLNK:
		return (wire->kind == WIRE_LINK || wire->kind == WIRE_TEXT) &&
		       decode_link(wire->bytes.at, wire->bytes.len, value);
	case LWM2M_NONE:
		break;
	}
	return false;
}

bool
decoder_add_wire(struct decoder *decoder, const struct lwm2m_path *path,
		 const struct wire_value *wire)
{
	int type = decoder_type(decoder, path);
	struct lwm2m_value value = { .type = type < 0 ? natural_type(wire)
						      : (enum lwm2m_type)type };

	if (!to_type(wire, &value))
		return decoder_fail(decoder, -EBADMSG);
	return decoder_add(decoder, path, &value);
}

bool
decode_path(const char *at, size_t len, struct lwm2m_path *path)
{
	int32_t *const ids[] = { &path->object, &path->instance, &path->resource,
				 &path->resource_instance };
	const char *end = at + len;

	*path = (struct lwm2m_path){ -1, -1, -1, -1 };
	at += len && *at == '/';
	for (int i = 0; i < 4; i++) {
		if (!read_id(&at, end, ids[i]))
			return false;
		if (at == end)
			return true;
		if (*at++ != '/')
			return false;
	}
	return false;
}

static size_t
digits(const char *at, const char *end)
{
	const char *start = at;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return (size_t)(at - start);
}

/* The grammar of RFC 8259 6; *whole: it is an integer. False when it is not a number. */
static bool
check_number(const char *at, const char *end, bool *whole)
{
	size_t n;

	at += at < end && *at == '-';
	n = digits(at, end);
	if (!n || (n > 1 && *at == '0'))
		return false;
	at += n;
	*whole = at == end;
	if (at < end && *at == '.') {
		n = digits(++at, end);
		if (!n)
			return false;
		at += n;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		n = digits(at, end);
		if (!n)
			return false;
		at += n;
	}
	return at == end;
}

bool
decode_number(const char *at, size_t len, struct wire_value *wire)
{
	char text[NUMBER_LEN_MAX + 1];
	bool whole, negative;

	if (!len || len > NUMBER_LEN_MAX || !check_number(at, at + len, &whole))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	negative = *text == '-';
	errno = 0;
	*wire = (struct wire_value){ .kind = negative ? WIRE_NEGATIVE : WIRE_UNSIGNED };
	if (whole && negative)
		wire->integer = strtoll(text, NULL, 10);
	else if (whole)
		wire->number = strtoull(text, NULL, 10);
	/* -0 is none of the integers. */
	if (whole && !errno && (!negative || wire->integer))
		return true;
	wire->kind = WIRE_REAL;
	wire->real = strtod(text, NULL);
	return isfinite(wire->real);
}
