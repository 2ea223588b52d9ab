/*
 * senml_cbor.c - application/senml+cbor (RFC 8428 6, OMA TS Core 7.4.5).
 *
 * The form is the one of the OMA examples: an instance's path is the base name of its first record, the
 * other records name the resource alone. Floats go out as doubles: that is what clients' vectors hold.
 */
#include "tasks/content/encode.h"

#include <errno.h>

#include "tasks/content/cbor.h"
#include "tasks/number.h"

/* Labels (RFC 8428 table 4; OMA TS Core table 7.4.5-2 for "vlo"). */
enum senml_label {
	SENML_BASE_NAME = -2,
	SENML_NAME = 0,
	SENML_VALUE = 2,
	SENML_STRING = 3,
	SENML_BOOLEAN = 4,
	SENML_DATA = 8,
};

/* "a/b" or "a" when b is absent, between the slashes that a base name has. */
static void
put_ids(struct bytes_out *out, int32_t a, int32_t b, bool base)
{
	char name[2 * NUMBER_TEXT_MAX + 3];
	size_t len = 0;

	if (base)
		name[len++] = '/';
	len += number_format_unsigned((uint64_t)a, name + len);
	if (b >= 0) {
		name[len++] = '/';
		len += number_format_unsigned((uint64_t)b, name + len);
	}
	if (base)
		name[len++] = '/';
	cbor_string(out, CBOR_TEXT, name, len);
}

static void
put_base_name(struct bytes_out *out, const struct lwm2m_path *path)
{
	cbor_integer(out, SENML_BASE_NAME);
	put_ids(out, path->object, path->instance, true);
}

static void
put_name(struct bytes_out *out, const struct lwm2m_path *path)
{
	cbor_integer(out, SENML_NAME);
	put_ids(out, path->resource, path->resource_instance, false);
}

static void
put_value(struct bytes_out *out, const struct lwm2m_value *value)
{
	switch (value->type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		cbor_integer(out, SENML_STRING);
		cbor_string(out, CBOR_TEXT, value->bytes.at, value->bytes.len);
		return;
	case LWM2M_OPAQUE:
		cbor_integer(out, SENML_DATA);
		cbor_string(out, CBOR_BYTES, value->bytes.at, value->bytes.len);
		return;
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		cbor_integer(out, SENML_VALUE);
		cbor_integer(out, value->integer);
		return;
	case LWM2M_UNSIGNED:
		cbor_integer(out, SENML_VALUE);
		cbor_head(out, CBOR_UNSIGNED, value->number);
		return;
	case LWM2M_FLOAT:
		cbor_integer(out, SENML_VALUE);
		cbor_double(out, value->real);
		return;
	case LWM2M_BOOLEAN:
		cbor_integer(out, SENML_BOOLEAN);
		cbor_boolean(out, value->boolean);
		return;
	case LWM2M_OBJLNK:
		cbor_string(out, CBOR_TEXT, "vlo", 3);
		cbor_link(out, value->link.object, value->link.instance);
		return;
	case LWM2M_NONE:
		return;
	}
}

int
senml_cbor_encode(const struct lwm2m_path *target, const struct lwm2m_record *records, size_t count,
		  struct bytes_out *out)
{
	const struct lwm2m_path *before = NULL;

	if (!lwm2m_records_valid(target, records, count))
		return -EINVAL;
	cbor_head(out, CBOR_ARRAY, count);
	for (size_t i = 0; i < count; i++) {
		const struct lwm2m_path *path = &records[i].path;
		bool new_base = !before || before->object != path->object ||
				before->instance != path->instance;

		cbor_head(out, CBOR_MAP, new_base ? 3 : 2);
		if (new_base)
			put_base_name(out, path);
		put_name(out, path);
		put_value(out, &records[i].value);
		before = path;
	}
	return out->overflow ? -EMSGSIZE : 0;
}
