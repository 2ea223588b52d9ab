/* encode: the content formats against the vectors of content_vectors.h, and what cannot be carried. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/base64.h"
#include "tasks/content/encode.h"
#include "tasks/number.h"
#include "tests/unit/content_vectors.h"

static const struct lwm2m_path all = PATH(-1, -1, -1, -1);

static void
hexed(const uint8_t *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	out[2 * len] = '\0';
}

/* ---- what no encoder takes ---- */

struct refusal {
	const char *name;
	enum content_format format;
	struct lwm2m_path target;
	struct lwm2m_record records[2];
	size_t count;
	int error;
};

/* clang-format off */
static const struct refusal refusals[] = {
	{ "an unknown format", (enum content_format)99, PATH(3, 0, 0, -1),
	  { { AT(3, 0, 0), MANUFACTURER } }, 1, -ENOTSUP },
	{ "links carry no values", FORMAT_LINK, PATH(3, 0, 0, -1),
	  { { AT(3, 0, 0), MANUFACTURER } }, 1, -EINVAL },
	{ "no records, TLV", FORMAT_TLV, PATH(3, 0, -1, -1), { { AT(3, 0, 0) } }, 0, -EINVAL },
	{ "no records: empty maps are illegal", FORMAT_LWM2M_CBOR, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 0) } }, 0, -EINVAL },
	{ "no records, SenML", FORMAT_SENML_CBOR, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 0) } }, 0, -EINVAL },
	{ "TLV has no object ids", FORMAT_TLV, PATH(-1, -1, -1, -1),
	  { { AT(3, 0, 0), MANUFACTURER } }, 1, -EINVAL },
	{ "a record beside the target's object", FORMAT_TLV, PATH(3, 0, -1, -1),
	  { { AT(4, 0, 0), INTEGER(1) } }, 1, -EINVAL },
	{ "a record beside the target's instance", FORMAT_TLV, PATH(3, 0, -1, -1),
	  { { AT(3, 1, 0), INTEGER(1) } }, 1, -EINVAL },
	{ "a record beside the target's resource", FORMAT_SENML_CBOR, PATH(3, 0, 1, -1),
	  { { AT(3, 0, 0), INTEGER(1) } }, 1, -EINVAL },
	{ "a record beside the target's resource instance", FORMAT_SENML_JSON, PATH(3, 0, 6, 1),
	  { { AT_RI(3, 0, 6, 0), INTEGER(1) } }, 1, -EINVAL },
	{ "records out of order", FORMAT_LWM2M_CBOR, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 1), INTEGER(1) }, { AT(3, 0, 0), INTEGER(1) } }, 2, -EINVAL },
	{ "a record twice", FORMAT_TLV, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 1), INTEGER(1) }, { AT(3, 0, 1), INTEGER(1) } }, 2, -EINVAL },
	{ "a resource with and without instances", FORMAT_TLV, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 6), INTEGER(1) }, { AT_RI(3, 0, 6, 0), INTEGER(1) } }, 2, -EINVAL },
	{ "a record above resources", FORMAT_TLV, PATH(3, 0, -1, -1),
	  { { AT(3, 0, -1), INTEGER(1) } }, 1, -EINVAL },
	{ "an id beyond 16 bits", FORMAT_SENML_CBOR, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 65536), INTEGER(1) } }, 1, -EINVAL },
	{ "an executable has no value", FORMAT_TLV, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 4), NOTHING } }, 1, -EINVAL },
	{ "text of two values", FORMAT_TEXT, PATH(3, 0, 6, -1),
	  { { AT_RI(3, 0, 6, 0), INTEGER(1) }, { AT_RI(3, 0, 6, 1), INTEGER(5) } }, 2, -EINVAL },
	{ "text of an instance", FORMAT_TEXT, PATH(3, 0, -1, -1),
	  { { AT(3, 0, 0), MANUFACTURER } }, 1, -EINVAL },
	{ "CBOR of a multiple resource", FORMAT_CBOR, PATH(3, 0, 6, -1),
	  { { AT_RI(3, 0, 6, 0), INTEGER(1) } }, 1, -EINVAL },
	{ "opaque of an integer", FORMAT_OPAQUE, PATH(1, 1, 0, -1),
	  { { AT(1, 1, 0), INTEGER(101) } }, 1, -EINVAL },
	{ "JSON has no NaN", FORMAT_SENML_JSON, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(NAN) } }, 1, -EINVAL },
	{ "text has no NaN", FORMAT_TEXT, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(NAN) } }, 1, -EINVAL },
	{ "JSON has no infinity", FORMAT_SENML_JSON, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(INFINITY) } }, 1, -EINVAL },
};
/* clang-format on */

Test(encode, refuses_what_a_format_cannot_carry)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *refusal = &refusals[i];
		struct bytes_out out;
		uint8_t bytes[256];

		bytes_out_init(&out, bytes, sizeof bytes);
		cr_expect_eq(content_encode(refusal->format, &refusal->target, refusal->records,
					    refusal->count, &out),
			     refusal->error, "%s", refusal->name);
	}
}

/* ---- vectors ---- */

Test(encode, matches_the_vectors)
{
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *vector = &vectors[i];
		uint8_t bytes[512], expected[512];
		size_t len = unhex(vector->hex, expected);
		struct bytes_out out;
		char got[1025];

		bytes_out_init(&out, bytes, sizeof bytes);
		cr_expect_eq(content_encode(vector->format, &vector->target, vector->records,
					    vector->count, &out),
			     0, "%s", vector->name);
		hexed(bytes, out.len, got);
		cr_expect(out.len == len && memcmp(bytes, expected, len) == 0,
			  "%s:\n got  %s\n want %s", vector->name, got, vector->hex);
	}
}

/* Every vector, cut at every size: nothing is written behind the end and the overflow is told. */
Test(encode, reports_an_output_that_is_full)
{
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *vector = &vectors[i];

		for (size_t size = 0; size < strlen(vector->hex) / 2; size++) {
			uint8_t bytes[512] = { 0 };
			struct bytes_out out;

			bytes[size] = 0xa5;
			bytes_out_init(&out, bytes, size);
			cr_assert_eq(content_encode(vector->format, &vector->target,
						    vector->records, vector->count, &out),
				     -EMSGSIZE, "%s at %zu", vector->name, size);
			cr_assert_eq(bytes[size], 0xa5, "%s at %zu", vector->name, size);
		}
	}
}

/* The lengths where a TLV header grows (OMA TS Core table 7.4.3-1). */
Test(encode, tlv_length_fields_grow_at_their_limits)
{
	static uint8_t payload[70000], bytes[70100];
	static const struct {
		size_t len;
		const char *header;
	} cases[] = {
		{ 7, "c700" },       { 8, "c80008" },       { 255, "c800ff" },
		{ 256, "d0000100" }, { 65535, "d000ffff" }, { 65536, "d800010000" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct lwm2m_path target = PATH(0, 0, 0, -1);
		struct lwm2m_record record = { AT(0, 0, 0) };
		struct bytes_out out;
		uint8_t header[8];
		size_t header_len = unhex(cases[i].header, header);

		record.value.type = LWM2M_OPAQUE;
		record.value.bytes.at = payload;
		record.value.bytes.len = cases[i].len;
		bytes_out_init(&out, bytes, sizeof bytes);
		cr_assert_eq(tlv_encode(&target, &record, 1, &out), 0);
		cr_expect_eq(out.len, header_len + cases[i].len);
		cr_expect_arr_eq(bytes, header, header_len, "%zu bytes", cases[i].len);
	}
}

Test(encode, writes_the_textual_formats)
{
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct bytes_out out;
		char text[512];

		bytes_out_init(&out, (uint8_t *)text, sizeof text - 1);
		cr_expect_eq(content_encode(texts[i].format, &texts[i].target, texts[i].records,
					    texts[i].count, &out),
			     0, "%s", texts[i].text);
		text[out.len] = '\0';
		cr_expect_str_eq(text, texts[i].text);
	}
}

/* A resource longer than the pieces that base64 is made in comes out as one text. */
Test(encode, joins_base64_of_long_values)
{
	struct lwm2m_record record = { AT(0, 0, 5) };
	uint8_t bytes[100], back[160];
	struct bytes_out out;
	char text[200];

	memset(bytes, 0x5a, sizeof bytes);
	record.value.type = LWM2M_OPAQUE;
	record.value.bytes.at = bytes;
	record.value.bytes.len = sizeof bytes;
	bytes_out_init(&out, (uint8_t *)text, sizeof text);
	cr_assert_eq(text_encode(&record, &out), 0);
	cr_assert_eq(base64_decode(text, out.len, back), 100);
	cr_assert_arr_eq(back, bytes, 100);
}

/* ---- base64 (RFC 4648 10) and numbers ---- */

Test(base64, refuses_what_no_encoder_writes)
{
	static const char *const wrong[] = {
		"Z",    "Zg=",  "Zg===", "====", "=",       "Zm9vZ",
		"Zm 9", "Zh==", "Zm9=",  "Z=9v", "Zm9\xff", "Zg==Zg=="
	};
	uint8_t out[32];

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_expect_eq(base64_decode(wrong[i], strlen(wrong[i]), out), -EINVAL, "%s",
			     wrong[i]);
}

Test(base64, matches_rfc_4648_section_10)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		size_t len = strlen(pairs[i][0]), n;
		uint8_t bytes[16];
		char text[16];

		n = base64_encode(BASE64_STANDARD, (const uint8_t *)pairs[i][0], len, text);
		cr_expect(n == strlen(pairs[i][1]) && !memcmp(text, pairs[i][1], n), "%s",
			  pairs[i][0]);
		cr_expect_eq(base64_decode(text, n, bytes), (long)len);
		cr_expect_arr_eq(bytes, pairs[i][0], len);
		n = base64_encode(BASE64_URL, (const uint8_t *)pairs[i][0], len, text);
		cr_expect_null(memchr(text, '=', n));
		cr_expect_eq(base64_decode(text, n, bytes), (long)len);
	}
}

Test(number, formats_the_shortest_text_that_reads_back)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" },          { -0.0, "-0" },
		{ 1.5, "1.5" },      { -10, "-10" },
		{ 0.1, "0.1" },      { 1.0 / 3, "0.3333333333333333" },
		{ 1e30, "1e+30" },   { 0.1 + 0.2, "0.30000000000000004" },
		{ INFINITY, "inf" }, { -INFINITY, "-inf" },
	};
	char text[NUMBER_TEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_expect_eq(number_format_real(cases[i].value, text), strlen(cases[i].text));
		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(encode, knows_a_pack_from_its_target)
{
	struct lwm2m_record record = { AT(3, 0, 0), INTEGER(1) };

	cr_expect(lwm2m_records_valid(&all, &record, 1));
	cr_expect_not(lwm2m_records_valid(&all, &record, 0));
}
