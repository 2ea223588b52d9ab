#include "tasks/content/convert.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/show.h"
#include "tasks/utf8.h"

enum {
	NUMBER_TEXT_MAX = 64, /* characters of a number; longer text is none */
	SHOWN_MAX = 40,       /* characters of a literal shown in an error */
};

static int __attribute__((format(printf, 2, 3)))
fail(struct convert *convert, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	show_into_v(convert->error, sizeof convert->error, format, args);
	va_end(args);
	return -1;
}

static const char *
resource_name(const struct convert *convert)
{
	return convert->resource ? convert->resource->name : "the resource";
}

static const char *
article(enum lwm2m_type type)
{
	return strchr("aeiou", *lwm2m_type_name(type)) ? "an" : "a";
}

/* Names both: what is given and what is wanted. Only literals are shown. */
static int
fail_text(struct convert *convert, const struct value *value)
{
	const char *type = lwm2m_type_name(convert->type);

	if (convert->literal)
		return fail(convert, "\"%.*s\" is not %s %s, as %s must be",
			    (int)utf8_cut(value->text.at, value->text.len, SHOWN_MAX),
			    value->text.at, article(convert->type), type, resource_name(convert));
	return fail(convert, "a text of %zu bytes is not %s %s, as %s must be", value->text.len,
		    article(convert->type), type, resource_name(convert));
}

static int
fail_kind(struct convert *convert, const struct value *value)
{
	static const char *const remedies[] = {
		[LWM2M_INTEGER] = ": use .toInt",     [LWM2M_UNSIGNED] = ": use .toInt",
		[LWM2M_TIME] = ": use .toInt",        [LWM2M_FLOAT] = ": use .toDouble",
		[LWM2M_BOOLEAN] = ": use .toBoolean", [LWM2M_NONE] = "",
	};
	const char *remedy = value->kind == VALUE_STRING ? remedies[convert->type] : NULL;

	return fail(convert, "the value is %s, but %s is %s %s%s", value_kind_name(value->kind),
		    resource_name(convert), article(convert->type), lwm2m_type_name(convert->type),
		    remedy ? remedy : "");
}

/* A copy that ends in NUL, of the characters that numbers have. */
static bool
number_text(const struct value *value, const char *allowed, char out[static NUMBER_TEXT_MAX])
{
	if (!value->text.len || value->text.len >= NUMBER_TEXT_MAX)
		return false;
	memcpy(out, value->text.at, value->text.len);
	out[value->text.len] = '\0';
	return strspn(out, allowed) == value->text.len;
}

static int
check_range(struct convert *convert, double number, const char *shown)
{
	const struct resource_def *resource = convert->resource;

	if (!resource || !resource->has_range ||
	    (number >= resource->min && number <= resource->max))
		return 0;
	return fail(convert, "%s is out of the range %.15g..%.15g of %s",
		    convert->literal ? shown : "the value", resource->min, resource->max,
		    resource->name);
}

/* Of a string or opaque value: the definition's range is of its bytes. */
static int
check_length(struct convert *convert, size_t len)
{
	const struct resource_def *resource = convert->resource;

	if (!resource || !resource->has_range ||
	    ((double)len >= resource->min && (double)len <= resource->max))
		return 0;
	return fail(convert, "%zu bytes are out of the range of %.15g..%.15g bytes of %s", len,
		    resource->min, resource->max, resource->name);
}

static int
to_string(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	char text[NUMBER_TEXT_MAX];
	const char *copy;
	int len;

	if (value->kind == VALUE_STRING) {
		out->bytes.at = (const uint8_t *)value->text.at;
		out->bytes.len = value->text.len;
		return check_length(convert, value->text.len);
	}
	if (value->kind == VALUE_INTEGER)
		len = snprintf(text, sizeof text, "%" PRId64, value->integer);
	else if (value->kind == VALUE_DOUBLE)
		len = snprintf(text, sizeof text, "%.17g", value->real);
	else if (value->kind == VALUE_BOOLEAN)
		len = snprintf(text, sizeof text, "%s", value->boolean ? "true" : "false");
	else
		return fail_kind(convert, value);
	copy = arena_copy(convert->arena, text, (size_t)len);
	if (!copy)
		return fail(convert, "out of memory");
	out->bytes.at = (const uint8_t *)copy;
	out->bytes.len = (size_t)len;
	return check_length(convert, (size_t)len);
}

static int
to_integer(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	char text[NUMBER_TEXT_MAX], *end;

	if (value->kind == VALUE_INTEGER) {
		out->integer = value->integer;
		return check_range(convert, (double)out->integer, "");
	}
	if (value->kind != VALUE_STRING || !convert->literal)
		return fail_kind(convert, value);
	if (!number_text(value, "+-0123456789", text))
		return fail_text(convert, value);
	errno = 0;
	out->integer = strtoll(text, &end, 10);
	if (*end || end == text)
		return fail_text(convert, value);
	if (errno)
		return fail(convert, "%s does not fit an integer of 64 bits", text);
	return check_range(convert, (double)out->integer, text);
}

static int
to_unsigned(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	char text[NUMBER_TEXT_MAX], *end;

	if (value->kind == VALUE_INTEGER && value->integer < 0)
		return fail(convert, "the value is negative, but %s is an unsigned integer",
			    resource_name(convert));
	if (value->kind == VALUE_INTEGER) {
		out->number = (uint64_t)value->integer;
		return check_range(convert, (double)out->number, "");
	}
	if (value->kind != VALUE_STRING || !convert->literal)
		return fail_kind(convert, value);
	if (!number_text(value, "0123456789", text))
		return fail_text(convert, value);
	errno = 0;
	out->number = strtoull(text, &end, 10);
	if (errno)
		return fail(convert, "%s does not fit an unsigned integer of 64 bits", text);
	return check_range(convert, (double)out->number, text);
}

static int
to_float(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	char text[NUMBER_TEXT_MAX] = "", *end;

	if (value->kind == VALUE_DOUBLE) {
		out->real = value->real;
	} else if (value->kind == VALUE_INTEGER) {
		out->real = (double)value->integer;
	} else if (value->kind == VALUE_STRING && convert->literal) {
		if (!number_text(value, "+-.0123456789eE", text))
			return fail_text(convert, value);
		out->real = strtod(text, &end);
		if (*end || end == text)
			return fail_text(convert, value);
	} else {
		return fail_kind(convert, value);
	}
	if (!isfinite(out->real))
		return fail(convert, "the number is too large for %s", resource_name(convert));
	return check_range(convert, out->real, text);
}

static int
to_boolean(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	if (value->kind == VALUE_BOOLEAN) {
		out->boolean = value->boolean;
		return 0;
	}
	if (value->kind != VALUE_STRING || !convert->literal)
		return fail_kind(convert, value);
	out->boolean = value->text.len == 4 && !memcmp(value->text.at, "true", 4);
	if (!out->boolean && (value->text.len != 5 || memcmp(value->text.at, "false", 5)))
		return fail_text(convert, value);
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
to_opaque(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	size_t len = value->text.len / 2;
	uint8_t *bytes;

	if (value->kind == VALUE_BYTES) {
		out->bytes.at = (const uint8_t *)value->text.at;
		out->bytes.len = value->text.len;
		return check_length(convert, value->text.len);
	}
	if (value->kind != VALUE_STRING)
		return fail_kind(convert, value);
	if (value->text.len % 2)
		return fail(convert,
			    "%s is opaque and takes hex text, but this has an odd number of digits "
			    "(%zu)",
			    resource_name(convert), value->text.len);
	bytes = arena_alloc(convert->arena, len);
	if (!bytes)
		return fail(convert, "out of memory");
	for (size_t i = 0; i < value->text.len; i += 2) {
		int high = hex_digit(value->text.at[i]), low = hex_digit(value->text.at[i + 1]);

		if (high < 0 || low < 0)
			return fail(
				convert,
				"%s is opaque and takes hex text, but character %zu is not a hex "
				"digit: use .encodeHex",
				resource_name(convert), high < 0 ? i + 1 : i + 2);
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	out->bytes.at = bytes;
	out->bytes.len = len;
	return check_length(convert, len);
}

/* "object:instance" (OMA TS Core appendix C). */
static int
to_objlnk(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	char text[NUMBER_TEXT_MAX], *end, *start;
	unsigned long object, instance;

	if (value->kind != VALUE_STRING)
		return fail_kind(convert, value);
	if (!number_text(value, "0123456789:", text) || *text == ':')
		return fail_text(convert, value);
	object = strtoul(text, &end, 10);
	start = end + 1;
	if (*end != ':' || *start == '\0' || *start == ':')
		return fail_text(convert, value);
	instance = strtoul(start, &end, 10);
	if (*end || object > UINT16_MAX || instance > UINT16_MAX)
		return fail_text(convert, value);
	out->link.object = (uint16_t)object;
	out->link.instance = (uint16_t)instance;
	return 0;
}

int
value_convert(struct convert *convert, const struct value *value, struct lwm2m_value *out)
{
	out->type = convert->type;
	if (value->kind == VALUE_NULL)
		return fail(convert, "the value is null");
	switch (convert->type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		return to_string(convert, value, out);
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		return to_integer(convert, value, out);
	case LWM2M_UNSIGNED:
		return to_unsigned(convert, value, out);
	case LWM2M_FLOAT:
		return to_float(convert, value, out);
	case LWM2M_BOOLEAN:
		return to_boolean(convert, value, out);
	case LWM2M_OPAQUE:
		return to_opaque(convert, value, out);
	case LWM2M_OBJLNK:
		return to_objlnk(convert, value, out);
	case LWM2M_NONE:
		break;
	}
	return fail(convert, "%s is executable and has no value", resource_name(convert));
}

unsigned
convert_kinds(enum lwm2m_type type)
{
	switch (type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		return 1u << VALUE_STRING | 1u << VALUE_INTEGER | 1u << VALUE_DOUBLE |
		       1u << VALUE_BOOLEAN;
	case LWM2M_INTEGER:
	case LWM2M_TIME:
	case LWM2M_UNSIGNED:
		return 1u << VALUE_INTEGER;
	case LWM2M_FLOAT:
		return 1u << VALUE_DOUBLE | 1u << VALUE_INTEGER;
	case LWM2M_BOOLEAN:
		return 1u << VALUE_BOOLEAN;
	case LWM2M_OPAQUE:
		return 1u << VALUE_STRING | 1u << VALUE_BYTES;
	case LWM2M_OBJLNK:
		return 1u << VALUE_STRING;
	case LWM2M_NONE:
		break;
	}
	return 0;
}

static bool
is_whole_number(enum lwm2m_type type)
{
	return type == LWM2M_INTEGER || type == LWM2M_UNSIGNED || type == LWM2M_TIME;
}

/* Task texts say "integer" for all whole numbers, and "string" for links: their languages have
 * no more. */
bool
lwm2m_types_agree(enum lwm2m_type given, enum lwm2m_type defined)
{
	return given == defined || (is_whole_number(given) && is_whole_number(defined)) ||
	       (given == LWM2M_STRING && (defined == LWM2M_CORELNK || defined == LWM2M_OBJLNK));
}
