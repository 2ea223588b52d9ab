/* convert: values keep to the type of their resource; errors name both and show no secrets. */
#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/content/convert.h"

static struct arena arena;

static void
setup(void)
{
	arena_init(&arena, 0);
}

static void
teardown(void)
{
	arena_fini(&arena);
}

TestSuite(convert, .init = setup, .fini = teardown);

static const struct resource_def ssid = { .id = 10,
					  .name = "Short Server ID",
					  .type = LWM2M_INTEGER,
					  .has_range = true,
					  .min = 1,
					  .max = 65534 };
static const struct resource_def uri = { .id = 0,
					 .name = "LWM2M Server URI",
					 .type = LWM2M_STRING,
					 .has_range = true,
					 .min = 0,
					 .max = 8 };

static struct value
text(const char *at)
{
	return (struct value){ .kind = VALUE_STRING, .text = { at, strlen(at) } };
}

Test(convert, literals_that_are_not_of_the_type)
{
	static const struct {
		enum lwm2m_type type;
		const char *text, *error;
	} cases[] = {
		{ LWM2M_INTEGER, "two", "\"two\" is not an integer, as Short Server ID must be" },
		{ LWM2M_INTEGER, "", "is not an integer" },
		{ LWM2M_INTEGER, " 2", "is not an integer" },
		{ LWM2M_INTEGER, "2 ", "is not an integer" },
		{ LWM2M_INTEGER, "0x10", "is not an integer" },
		{ LWM2M_INTEGER, "2.0", "is not an integer" },
		{ LWM2M_INTEGER, "+", "is not an integer" },
		{ LWM2M_INTEGER, "1-", "is not an integer" },
		{ LWM2M_INTEGER, "9223372036854775808", "does not fit" },
		{ LWM2M_INTEGER, "0", "0 is out of the range 1..65534 of Short Server ID" },
		{ LWM2M_INTEGER, "65535", "65535 is out of the range 1..65534 of Short Server ID" },
		{ LWM2M_UNSIGNED, "-1", "is not an unsigned" },
		{ LWM2M_UNSIGNED, "18446744073709551616", "does not fit" },
		{ LWM2M_TIME, "yesterday", "is not a time" },
		{ LWM2M_FLOAT, "1e999", "too large" },
		{ LWM2M_FLOAT, "1,5", "is not a float" },
		{ LWM2M_FLOAT, "nan", "is not a float" },
		{ LWM2M_FLOAT, "e", "is not a float" },
		{ LWM2M_BOOLEAN, "True", "\"True\" is not a boolean, as Short Server ID must be" },
		{ LWM2M_BOOLEAN, "1", "is not a boolean" },
		{ LWM2M_BOOLEAN, "", "is not a boolean" },
		{ LWM2M_OPAQUE, "abc", "odd number of digits (3)" },
		{ LWM2M_OPAQUE, "zz", "character 1 is not a hex digit" },
		{ LWM2M_OPAQUE, "0g", "character 2 is not a hex digit" },
		{ LWM2M_OBJLNK, "1", "is not an objlnk" },
		{ LWM2M_OBJLNK, ":1", "is not an objlnk" },
		{ LWM2M_OBJLNK, "1:", "is not an objlnk" },
		{ LWM2M_OBJLNK, "1::2", "is not an objlnk" },
		{ LWM2M_OBJLNK, "1:65536", "is not an objlnk" },
		{ LWM2M_OBJLNK, "1:2:3", "is not an objlnk" },
		{ LWM2M_OBJLNK, "99999999999999999999:1", "is not an objlnk" },
		{ LWM2M_NONE, "1", "executable" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct convert convert = { cases[i].type, &ssid, &arena, true, "" };
		struct value value = text(cases[i].text);
		struct lwm2m_value out;

		cr_assert_lt(value_convert(&convert, &value, &out), 0, "%s", cases[i].text);
		cr_assert(strstr(convert.error, cases[i].error), "%s: %s", cases[i].text,
			  convert.error);
	}
}

Test(convert, computed_values_are_not_guessed_at_and_never_shown)
{
	static const struct {
		enum lwm2m_type type;
		struct value value;
		const char *error;
	} cases[] = {
		{ LWM2M_INTEGER,
		  { VALUE_STRING, .text = { "123", 3 } },
		  "the value is string, but Short Server ID is an integer: use .toInt" },
		{ LWM2M_BOOLEAN,
		  { VALUE_STRING, .text = { "true", 4 } },
		  "is a boolean: use .toBoolean" },
		{ LWM2M_FLOAT, { VALUE_STRING, .text = { "1", 1 } }, "use .toDouble" },
		{ LWM2M_STRING, { VALUE_BYTES, .text = { "123", 3 } }, "the value is bytes" },
		{ LWM2M_INTEGER, { VALUE_DOUBLE, .real = 1 }, "the value is double" },
		{ LWM2M_INTEGER, { VALUE_BOOLEAN, .boolean = true }, "the value is boolean" },
		{ LWM2M_INTEGER,
		  { VALUE_INTEGER, .integer = 70123 },
		  "the value is out of the range 1..65534" },
		{ LWM2M_UNSIGNED, { VALUE_INTEGER, .integer = -1 }, "negative" },
		{ LWM2M_OPAQUE, { VALUE_INTEGER, .integer = 1 }, "the value is integer" },
		{ LWM2M_OPAQUE,
		  { VALUE_STRING, .text = { "70123x", 6 } },
		  "character 6 is not a hex digit" },
		{ LWM2M_OBJLNK,
		  { VALUE_STRING, .text = { "70123", 5 } },
		  "a text of 5 bytes is not an objlnk" },
		{ LWM2M_STRING, { VALUE_NULL }, "null" },
		{ LWM2M_OPAQUE, { VALUE_LIST }, "the value is list" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct convert convert = { cases[i].type, &ssid, &arena, false, "" };
		struct lwm2m_value out;

		cr_assert_lt(value_convert(&convert, &cases[i].value, &out), 0, "case %zu", i);
		cr_assert(strstr(convert.error, cases[i].error), "case %zu: %s", i, convert.error);
		cr_assert_null(strstr(convert.error, "70123"), "%s", convert.error);
	}
}

Test(convert, lengths_are_bytes)
{
	struct convert convert = { LWM2M_STRING, &uri, &arena, true, "" };
	struct value value = text("12345678"), longer = text("1234567\xc3\xa4");
	struct lwm2m_value out;

	cr_assert_eq(value_convert(&convert, &value, &out), 0);
	cr_assert_lt(value_convert(&convert, &longer, &out), 0);
	cr_assert_str_eq(convert.error,
			 "9 bytes are out of the range of 0..8 bytes of LWM2M Server URI");
}

Test(convert, values_of_every_type)
{
	struct convert convert = { .arena = &arena, .literal = true };
	struct lwm2m_value out;
	struct value value;

	convert.type = LWM2M_INTEGER;
	value = text("-9223372036854775808");
	cr_assert(!value_convert(&convert, &value, &out) && out.integer == INT64_MIN);
	convert.type = LWM2M_UNSIGNED;
	value = text("18446744073709551615");
	cr_assert(!value_convert(&convert, &value, &out) && out.number == UINT64_MAX);
	convert.type = LWM2M_FLOAT;
	value = text("-1.5e3");
	cr_assert(!value_convert(&convert, &value, &out) && out.real == -1500);
	convert.type = LWM2M_BOOLEAN;
	value = text("false");
	cr_assert(!value_convert(&convert, &value, &out) && !out.boolean);
	convert.type = LWM2M_OPAQUE;
	value = text("00fFA0");
	cr_assert(!value_convert(&convert, &value, &out) && out.bytes.len == 3);
	cr_assert_arr_eq(out.bytes.at, "\x00\xff\xa0", 3);
	value = text("");
	cr_assert(!value_convert(&convert, &value, &out) && out.bytes.len == 0);
	value = (struct value){ VALUE_BYTES, .text = { "\x01", 1 } };
	cr_assert(!value_convert(&convert, &value, &out) && *out.bytes.at == 1);
	convert.type = LWM2M_OBJLNK;
	value = text("65535:0");
	cr_assert(!value_convert(&convert, &value, &out) && out.link.object == 65535 &&
		  !out.link.instance);
	convert.type = LWM2M_STRING;
	value = (struct value){ VALUE_INTEGER, .integer = -7 };
	cr_assert(!value_convert(&convert, &value, &out) && out.bytes.len == 2);
	cr_assert_arr_eq(out.bytes.at, "-7", 2);
}

Test(convert, types_that_agree)
{
	cr_assert(lwm2m_types_agree(LWM2M_INTEGER, LWM2M_UNSIGNED));
	cr_assert(lwm2m_types_agree(LWM2M_STRING, LWM2M_CORELNK));
	cr_assert_not(lwm2m_types_agree(LWM2M_STRING, LWM2M_OPAQUE));
	cr_assert_not(lwm2m_types_agree(LWM2M_BOOLEAN, LWM2M_INTEGER));
}
