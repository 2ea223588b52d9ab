/*
 * text.c - one value as text/plain or application/octet-stream (OMA TS Core 7.4.1, 7.4.2, appendix C).
 */
#include "tasks/content/encode.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "tasks/base64.h"
#include "tasks/number.h"

static void
put_base64(struct bytes_out *out, const uint8_t *bytes, size_t len)
{
	char text[64];

	for (size_t i = 0; i < len; i += 48) {
		size_t n = len - i < 48 ? len - i : 48;

		bytes_out_put(out, text, base64_encode(BASE64_STANDARD, bytes + i, n, text));
	}
}

int
text_encode(const struct lwm2m_record *record, struct bytes_out *out)
{
	const struct lwm2m_value *value = &record->value;
	char text[NUMBER_TEXT_MAX];

	switch (value->type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		bytes_out_put(out, value->bytes.at, value->bytes.len);
		break;
	case LWM2M_OPAQUE:
		put_base64(out, value->bytes.at, value->bytes.len);
		break;
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		bytes_out_put(out, text, number_format_integer(value->integer, text));
		break;
	case LWM2M_UNSIGNED:
		bytes_out_put(out, text, number_format_unsigned(value->number, text));
		break;
	case LWM2M_FLOAT:
		/* Decimal text has no word for these (OMA TS Core appendix C). */
		if (!isfinite(value->real))
			return -EINVAL;
		bytes_out_put(out, text, number_format_real(value->real, text));
		break;
	case LWM2M_BOOLEAN:
		bytes_out_u8(out, value->boolean ? '1' : '0');
		break;
	case LWM2M_OBJLNK:
		bytes_out_put(out, text,
			      (size_t)snprintf(text, sizeof text, "%u:%u", value->link.object,
					       value->link.instance));
		break;
	case LWM2M_NONE:
		return -EINVAL;
	}
	return out->overflow ? -EMSGSIZE : 0;
}

int
opaque_encode(const struct lwm2m_record *record, struct bytes_out *out)
{
	if (record->value.type != LWM2M_OPAQUE)
		return -EINVAL;
	bytes_out_put(out, record->value.bytes.at, record->value.bytes.len);
	return out->overflow ? -EMSGSIZE : 0;
}
