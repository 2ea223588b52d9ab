/*
 * senml_json.c - application/senml+json (RFC 8428 5, OMA TS Core 7.4.4), without white space.
 *
 * Base names as in senml_cbor.c. JSON has no NaN and no infinity (RFC 8259 6): such a float is -EINVAL.
 */
#include "tasks/content/encode.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tasks/base64.h"
#include "tasks/number.h"

static void
put_text(struct bytes_out *out, const char *text)
{
	bytes_out_put(out, text, strlen(text));
}

static void
put_escape(struct bytes_out *out, uint8_t c)
{
	char escape[sizeof "\\u0000"];

	if (c == '"' || c == '\\')
		snprintf(escape, sizeof escape, "\\%c", c);
	else
		snprintf(escape, sizeof escape, "\\u%04x", c);
	put_text(out, escape);
}

static void
put_string(struct bytes_out *out, const uint8_t *text, size_t len)
{
	size_t plain = 0;

	bytes_out_u8(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= ' ' && text[i] != '"' && text[i] != '\\')
			continue;
		bytes_out_put(out, text + plain, i - plain);
		put_escape(out, text[i]);
		plain = i + 1;
	}
	bytes_out_put(out, text + plain, len - plain);
	bytes_out_u8(out, '"');
}

static void
put_data(struct bytes_out *out, const uint8_t *bytes, size_t len)
{
	char text[64];

	bytes_out_u8(out, '"');
	for (size_t i = 0; i < len; i += 48) {
		size_t n = len - i < 48 ? len - i : 48;

		bytes_out_put(out, text, base64_encode(BASE64_URL, bytes + i, n, text));
	}
	bytes_out_u8(out, '"');
}

static void
put_link(struct bytes_out *out, uint16_t object, uint16_t instance)
{
	char text[sizeof "\"65535:65535\""];

	snprintf(text, sizeof text, "\"%u:%u\"", object, instance);
	put_text(out, text);
}

static void
put_number(struct bytes_out *out, const struct lwm2m_value *value)
{
	char text[NUMBER_TEXT_MAX];
	size_t len;

	if (value->type == LWM2M_FLOAT)
		len = number_format_real(value->real, text);
	else if (value->type == LWM2M_UNSIGNED)
		len = number_format_unsigned(value->number, text);
	else
		len = number_format_integer(value->integer, text);
	bytes_out_put(out, text, len);
}

static void
put_value(struct bytes_out *out, const struct lwm2m_value *value)
{
	switch (value->type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		put_text(out, ",\"vs\":");
		put_string(out, value->bytes.at, value->bytes.len);
		return;
	case LWM2M_OPAQUE:
		put_text(out, ",\"vd\":");
		put_data(out, value->bytes.at, value->bytes.len);
		return;
	case LWM2M_BOOLEAN:
		put_text(out, value->boolean ? ",\"vb\":true" : ",\"vb\":false");
		return;
	case LWM2M_OBJLNK:
		put_text(out, ",\"vlo\":");
		put_link(out, value->link.object, value->link.instance);
		return;
	default:
		put_text(out, ",\"v\":");
		put_number(out, value);
	}
}

static void
put_id(struct bytes_out *out, int32_t id)
{
	char text[NUMBER_TEXT_MAX];

	bytes_out_put(out, text, number_format_unsigned((uint64_t)id, text));
}

static void
put_names(struct bytes_out *out, const struct lwm2m_path *path, bool new_base)
{
	if (new_base) {
		put_text(out, "\"bn\":\"/");
		put_id(out, path->object);
		bytes_out_u8(out, '/');
		put_id(out, path->instance);
		put_text(out, "/\",");
	}
	put_text(out, "\"n\":\"");
	put_id(out, path->resource);
	if (path->resource_instance >= 0) {
		bytes_out_u8(out, '/');
		put_id(out, path->resource_instance);
	}
	bytes_out_u8(out, '"');
}

int
senml_json_encode(const struct lwm2m_path *target, const struct lwm2m_record *records, size_t count,
		  struct bytes_out *out)
{
	const struct lwm2m_path *before = NULL;

	if (!lwm2m_records_valid(target, records, count))
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		const struct lwm2m_record *record = &records[i];

		if (record->value.type == LWM2M_FLOAT && !isfinite(record->value.real))
			return -EINVAL;
		put_text(out, i ? ",{" : "[{");
		put_names(out, &record->path,
			  !before || before->object != record->path.object ||
				  before->instance != record->path.instance);
		put_value(out, &record->value);
		bytes_out_u8(out, '}');
		before = &record->path;
	}
	bytes_out_u8(out, ']');
	return out->overflow ? -EMSGSIZE : 0;
}
