/* decode_text.c - text/plain and application/octet-stream: one value (OMA TS Core 7.4.1, 7.4.2, appendix C). */
#include <errno.h>
#include <string.h>

#include "tasks/base64.h"
#include "tasks/content/decode_internal.h"
#include "tasks/utf8.h"

static bool
add_base64(struct decoder *decoder)
{
	const struct decode_input *input = decoder->input;
	uint8_t *bytes = arena_alloc(decoder->arena, input->len / 4 * 3 + 3);
	struct lwm2m_value value = { .type = LWM2M_OPAQUE };
	long len;

	if (!bytes)
		return decoder_fail(decoder, -ENOMEM);
	len = base64_decode((const char *)input->bytes, input->len, bytes);
	if (len < 0)
		return false;
	value.bytes.at = bytes;
	value.bytes.len = (size_t)len;
	return decoder_add(decoder, &input->target, &value);
}

/* The kind that a type's text stands for. */
static bool
read_wire(const struct decode_input *input, int type, struct wire_value *wire)
{
	const char *text = (const char *)input->bytes;

	switch (type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
	case LWM2M_UNSIGNED:
		return decode_number(text, input->len, wire) && wire->kind != WIRE_REAL;
	case LWM2M_FLOAT:
		return decode_number(text, input->len, wire);
	case LWM2M_BOOLEAN:
		*wire = (struct wire_value){ WIRE_BOOLEAN, .boolean = input->len && *text == '1' };
		return input->len == 1 && (*text == '0' || *text == '1');
	default:
		*wire = (struct wire_value){ WIRE_TEXT, .bytes = { input->bytes, input->len } };
		return utf8_valid(text, input->len);
	}
}

bool
text_decode(struct decoder *decoder)
{
	const struct decode_input *input = decoder->input;
	struct wire_value wire;
	int type;

	if (input->target.resource < 0)
		return false;
	type = decoder_type(decoder, &input->target);
	if (type == LWM2M_OPAQUE)
		return add_base64(decoder);
	return read_wire(input, type, &wire) && decoder_add_wire(decoder, &input->target, &wire);
}

bool
opaque_decode(struct decoder *decoder)
{
	const struct decode_input *input = decoder->input;
	struct wire_value wire = { WIRE_BYTES, .bytes = { input->bytes, input->len } };

	return input->target.resource >= 0 && decoder_add_wire(decoder, &input->target, &wire);
}
