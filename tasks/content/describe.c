#include "tasks/content/describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tasks/coap_numbers.h"
#include "tasks/content/batch_text.h"
#include "tasks/content/decode.h"
#include "tasks/objects/key.h"
#include "tasks/utf8.h"

enum {
	SHOWN_MAX = 80, /* bytes of one value */
	SCRATCH_MAX = 1 << 20,
};

/* Text that grows as long as there is room, and counts on. */
struct page {
	char *at;
	size_t len, size;
};

static void __attribute__((format(printf, 2, 3))) put(struct page *page, const char *format, ...)
{
	bool room = page->len < page->size;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(room ? page->at + page->len : NULL, room ? page->size - page->len : 0,
			format, args);
	va_end(args);
	page->len += len > 0 ? (size_t)len : 0;
}

/* Without control characters: what a device or an operator wrote goes to a terminal. */
static bool
is_printable(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] < ' ' || at[i] == 0x7f)
			return false;
	return utf8_valid((const char *)at, len);
}

static void
put_hex(struct page *page, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(page, "%02x", at[i]);
}

/* Opaque text is shown in both forms: who confuses hex with text sees it here. */
static void
put_bytes(struct page *page, const struct lwm2m_value *value)
{
	bool is_text = is_printable(value->bytes.at, value->bytes.len);
	bool is_opaque = value->type == LWM2M_OPAQUE;
	size_t len = value->bytes.len < SHOWN_MAX ? value->bytes.len : SHOWN_MAX;

	if (!value->bytes.len) {
		put(page, "(empty)");
		return;
	}
	/* Not in the middle of a character. */
	while (is_text && len < value->bytes.len &&
	       utf8_is_continuation((const char)value->bytes.at[len]))
		len--;
	if (is_opaque || !is_text)
		put_hex(page, value->bytes.at, len);
	if (is_opaque && is_text)
		put(page, " \"%.*s\"", (int)len, (const char *)value->bytes.at);
	else if (is_text)
		put(page, "%.*s", (int)len, (const char *)value->bytes.at);
	if (len < value->bytes.len)
		put(page, "... (%zu bytes)", value->bytes.len);
}

static size_t
value_size(const struct lwm2m_value *value)
{
	bool bytes = value->type == LWM2M_STRING || value->type == LWM2M_OPAQUE ||
		     value->type == LWM2M_CORELNK;

	return bytes ? value->bytes.len : sizeof value->number;
}

static void
put_value(struct page *page, const struct lwm2m_record *record)
{
	const struct lwm2m_value *value = &record->value;
	uint8_t text[64];
	struct bytes_out out;

	if (key_path_is_secret(&record->path)) {
		put(page, "(%zu bytes)", value_size(value));
		return;
	}
	switch (value->type) {
	case LWM2M_STRING:
	case LWM2M_OPAQUE:
	case LWM2M_CORELNK:
		put_bytes(page, value);
		return;
	case LWM2M_BOOLEAN:
		put(page, "%s", value->boolean ? "true" : "false");
		return;
	case LWM2M_FLOAT:
		put(page, "%.15g", value->real);
		return;
	default:
		bytes_out_init(&out, text, sizeof text);
		if (!text_encode(record, &out))
			put(page, "%.*s", (int)out.len, (const char *)text);
	}
}

static void
put_record(struct page *page, const struct objects *objects, const struct lwm2m_record *record)
{
	const struct lwm2m_path *path = &record->path;
	const struct object_def *object =
		objects ? objects_find(objects, (uint16_t)path->object) : NULL;
	const struct resource_def *resource =
		object ? object_resource(object, (uint16_t)path->resource) : NULL;

	put(page, "    /%d/%d/%d", path->object, path->instance, path->resource);
	if (path->resource_instance >= 0)
		put(page, "/%d", path->resource_instance);
	put(page, "%s%s = ", resource ? " " : "", resource ? resource->name : "");
	put_value(page, record);
	put(page, "\n");
}

/* An option's value as a number: in digits for a path, in binary for a format. */
static int32_t
option_number(unsigned number, const uint8_t *at, unsigned len)
{
	int32_t value = 0;

	for (unsigned i = 0; i < len; i++)
		value = number == COAP_OPTION_URI_PATH ? 10 * value + (at[i] - '0')
						       : value << 8 | at[i];
	return value;
}

/* From our own options (batch_build.c): small and well-formed. */
void
batch_step_target(const struct batch_step *step, struct decode_input *input)
{
	int32_t *const ids[] = { &input->target.object, &input->target.instance,
				 &input->target.resource, &input->target.resource_instance };
	const uint8_t *at = batch_step_options(step), *end = at + step->options_len;
	unsigned number = 0, n_ids = 0;

	while (at < end) {
		unsigned delta = *at >> 4, len = *at & 15;

		at++;
		number += delta == 13 ? 13u + *at++ : delta;
		if (number == COAP_OPTION_URI_PATH && n_ids < 4)
			*ids[n_ids++] = option_number(number, at, len);
		if (number == COAP_OPTION_CONTENT_FORMAT)
			input->format = (enum content_format)option_number(number, at, len);
		at += len;
	}
}

static bool
put_records(struct page *page, const struct decode_input *input)
{
	struct lwm2m_records records = { 0 };
	struct arena arena;
	bool good;

	arena_init(&arena, SCRATCH_MAX);
	good = content_decode(input, &arena, &records) == 0;
	for (size_t i = 0; good && i < records.count; i++)
		put_record(page, input->objects, &records.at[i]);
	arena_fini(&arena);
	return good;
}

static void
put_payload(struct page *page, const struct batch_step *step, const struct objects *objects)
{
	struct decode_input input = { .target = { -1, -1, -1, -1 },
				      .bytes = batch_step_payload(step),
				      .len = step->payload_len,
				      .objects = objects };

	batch_step_target(step, &input);
	if (!put_records(page, &input))
		put(page, "    (the payload is not what its content format allows)\n");
}

size_t
payload_describe(const struct decode_input *input, char *out, size_t size)
{
	struct page page = { out, 0, size };

	return put_records(&page, input) ? page.len : 0;
}

size_t
batch_step_describe(const struct batch_step *step, const struct objects *objects, char *out,
		    size_t size)
{
	static const char *const policies[] = { "", ", continue on error", ", finish on error" };
	struct page page = { out, 0, size };
	char head[120];

	batch_step_format(step, head, sizeof head);
	put(&page, "%s%s%s\n", head, policies[step->on_error],
	    step->correction ? ", when Finish is refused" : "");
	if (step->payload_len)
		put_payload(&page, step, objects);
	return page.len;
}
