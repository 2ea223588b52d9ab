/*
 * decode: what the encoders' vectors hold, what the specification prints, what must be refused; and that the same
 * values come out of every format. Sources as in content_vectors.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/content/decode.h"
#include "tasks/content/decode_internal.h"
#include "tests/unit/content_vectors.h"

enum { BYTES_MAX = 4096 };

static struct objects *objects;
static struct arena arena;

static void
setup(void)
{
	objects = objects_new();
	arena_init(&arena, 0);
}

static void
teardown(void)
{
	objects_free(objects);
	arena_fini(&arena);
}

TestSuite(decode, .init = setup, .fini = teardown);

/* An id stands in a definition once: instances repeat it. */
static bool
is_repeated(const struct lwm2m_record *records, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (records[i].path.resource == records[at].path.resource)
			return true;
	return false;
}

/* The types of these records as a definition that is newer than the built-in one. */
static void
define(const struct lwm2m_record *records, size_t count)
{
	static const char *const types[] = {
		"String", "Integer", "Unsigned Integer", "Float",   "Boolean",
		"Opaque", "Time",    "Objlnk",           "Corelnk",
	};
	struct diag_list diags;
	char text[BYTES_MAX];
	size_t at = 0;

	at += (size_t)snprintf(text, sizeof text,
			       "<LWM2M><Object><Name>Vector</Name><ObjectID>%d</ObjectID>"
			       "<ObjectVersion>9.9</ObjectVersion><MultipleInstances>Multiple"
			       "</MultipleInstances><Resources>",
			       records->path.object);
	for (size_t i = 0; i < count; i++) {
		if (is_repeated(records, i))
			continue;
		at += (size_t)snprintf(
			text + at, sizeof text - at,
			"<Item ID=\"%d\"><Name>R%zu</Name><Operations>RW</Operations>"
			"<MultipleInstances>Multiple</MultipleInstances><Type>%s</Type>"
			"</Item>",
			records[i].path.resource, i, types[records[i].value.type]);
	}
	snprintf(text + at, sizeof text - at, "</Resources></Object></LWM2M>");
	diag_list_init(&diags);
	cr_assert_eq(objects_load_text(objects, "v.xml", text, strlen(text), &diags), 0, "%s",
		     diags.count ? diags.items[0].text : "");
	diag_list_fini(&diags);
}

/* Definitions for the records of each object. */
static void
define_all(const struct lwm2m_record *records, size_t count)
{
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && records[i + n].path.object == records[i].path.object;)
			n++;
		define(records + i, n);
	}
}

static bool
values_equal(const struct lwm2m_value *a, const struct lwm2m_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		return a->integer == b->integer;
	case LWM2M_UNSIGNED:
		return a->number == b->number;
	case LWM2M_FLOAT:
		return !memcmp(&a->real, &b->real, sizeof a->real) ||
		       (isnan(a->real) && isnan(b->real));
	case LWM2M_BOOLEAN:
		return a->boolean == b->boolean;
	case LWM2M_OBJLNK:
		return a->link.object == b->link.object && a->link.instance == b->link.instance;
	default:
		return a->bytes.len == b->bytes.len &&
		       (!a->bytes.len || !memcmp(a->bytes.at, b->bytes.at, a->bytes.len));
	}
}

static void
assert_same(const struct lwm2m_records *got, const struct lwm2m_record *want, size_t count,
	    const char *name)
{
	cr_assert_eq(got->count, count, "%s: %zu", name, got->count);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(memcmp(&got->at[i].path, &want[i].path, sizeof want[i].path), 0,
			     "%s: path %zu", name, i);
		cr_assert(values_equal(&got->at[i].value, &want[i].value), "%s: value %zu", name,
			  i);
	}
}

Test(decode, gives_back_what_the_vectors_were_made_from)
{
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *vector = &vectors[i];
		uint8_t bytes[512];
		struct decode_input input = { vector->format, vector->target, bytes,
					      unhex(vector->hex, bytes), objects };
		struct lwm2m_records records;

		define_all(vector->records, vector->count);
		cr_assert_eq(content_decode(&input, &arena, &records), 0, "%s", vector->name);
		assert_same(&records, vector->records, vector->count, vector->name);
		objects_free(objects);
		objects = objects_new();
	}
}

Test(decode, gives_back_what_the_texts_were_made_from)
{
	struct lwm2m_records records;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct decode_input input = { texts[i].format, texts[i].target,
					      (const uint8_t *)texts[i].text, strlen(texts[i].text),
					      objects };

		/* One resource of two types cannot be defined: there the format tells. */
		if (texts[i].records[0].path.object != texts[i].target.object)
			input.objects = NULL;
		else
			define_all(texts[i].records, texts[i].count);
		cr_assert_eq(content_decode(&input, &arena, &records), 0, "%s", texts[i].text);
		cr_assert_eq(records.count, texts[i].count);
		if (input.objects)
			assert_same(&records, texts[i].records, texts[i].count, texts[i].text);
		objects_free(objects);
		objects = objects_new();
	}
}

/* Every vector, cut at every length: no reader goes on behind the end. */
Test(decode, refuses_every_vector_that_is_cut)
{
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *vector = &vectors[i];
		uint8_t bytes[512];
		size_t len = unhex(vector->hex, bytes);

		if (vector->format == FORMAT_OPAQUE || vector->format == FORMAT_TLV)
			continue; /* a TLV may end behind any entry */
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *exact = malloc(cut + !cut);
			struct decode_input input = { vector->format, vector->target, exact, cut,
						      NULL };
			struct lwm2m_records records;

			memcpy(exact, bytes, cut);
			cr_assert_eq(content_decode(&input, &arena, &records), -EBADMSG,
				     "%s at %zu", vector->name, cut);
			free(exact);
		}
	}
}

#define JSON  FORMAT_SENML_JSON
#define SCBOR FORMAT_SENML_CBOR
#define LCBOR FORMAT_LWM2M_CBOR

struct reading {
	const char *name;
	enum content_format format;
	struct lwm2m_path target;
	const char *input; /* hex for binary formats, the text itself for others */
	const char *json;  /* what it says as SenML JSON; NULL: refused */
};

#define MANUFACTURER_3_0_0 "[{\"bn\":\"/3/0/\",\"n\":\"0\",\"vs\":\"Open Mobile Alliance\"}]"
#define DEVICE_3_0                                                                                 \
	"[{\"bn\":\"/3/0/\",\"n\":\"0\",\"vs\":\"Open Mobile Alliance\"},{\"n\":\"1\",\"vs\":"     \
	"\"Lightweight M2M Client\"},{\"n\":\"2\",\"vs\":\"345000123\"},{\"n\":\"3\",\"vs\":"      \
	"\"1.0\"},{\"n\":\"6/0\",\"v\":1},{\"n\":\"6/1\",\"v\":5},{\"n\":\"7/0\",\"v\":3800},"     \
	"{\"n\":\"7/1\",\"v\":5000},{\"n\":\"8/0\",\"v\":125},{\"n\":\"8/1\",\"v\":900},"          \
	"{\"n\":\"9\",\"v\":100},{\"n\":\"10\",\"v\":15},{\"n\":\"11/0\",\"v\":0},{\"n\":\"13\","  \
	"\"v\":1367491215},{\"n\":\"14\",\"vs\":\"+02:00\"},{\"n\":\"16\",\"vs\":\"U\"}]"
#define SERVERS_1                                                                                  \
	"[{\"bn\":\"/1/0/\",\"n\":\"0\",\"v\":101},{\"n\":\"1\",\"v\":86400},{\"n\":\"2\",\"v\":"  \
	"300},{\"n\":\"3\",\"v\":6000},{\"n\":\"5\",\"v\":86400},{\"n\":\"6\",\"vb\":true},{\"n\"" \
	":\"7\",\"vs\":\"U\"},{\"bn\":\"/1/1/\",\"n\":\"0\",\"v\":102},{\"n\":\"1\",\"v\":86400}," \
	"{\"n\":\"2\",\"v\":600},{\"n\":\"3\",\"v\":6000},{\"n\":\"5\",\"v\":86400},{\"n\":\"6\""  \
	",\"vb\":false},{\"n\":\"7\",\"vs\":\"U\"}]"
#define ACCESS_2_5                                                                                 \
	"[{\"bn\":\"/2/5/\",\"n\":\"0\",\"v\":5},{\"n\":\"1\",\"v\":0},{\"n\":\"2/102\",\"v\":0}," \
	"{\"n\":\"3\",\"v\":101}]"
#define UTC_14 "[{\"bn\":\"/3/0/\",\"n\":\"14\",\"vs\":\"+0\"}]"

/* clang-format off */
static const struct reading readings[] = {
	/* OMA TS Core 7.4, 7.5 as printed. */
	{ "C: /3/0/0", LCBOR, PATH(3, 0, 0, -1), "a183030000744f70656e204d6f62696c6520416c6c69616e6365", MANUFACTURER_3_0_0 },
	{ "C: /3/0/0 nested", LCBOR, PATH(3, 0, 0, -1), "a103a100a100744f70656e204d6f62696c6520416c6c69616e6365", MANUFACTURER_3_0_0 },
	{ "C: /3/0", LCBOR, PATH(3, 0, -1, -1),
	  "a1820300ad00744f70656e204d6f62696c6520416c6c69616e636501764c69676874776569676874204d324d20436c69656e7402693334"
	  "353030303132330363312e3006a20001010507a200190ed80119138808a200187d011903840918640a0f0ba100000d1a5182428f0e662b"
	  "30323a3030106155", DEVICE_3_0 },
	{ "C: /1", LCBOR, PATH(1, -1, -1, -1),
	  "a101a200a7001865011a000151800219012c03191770051a0001518006f507615501a7001866011a000151800219025803191770051a00"
	  "01518006f4076155", SERVERS_1 },
	{ "C: composite", LCBOR, PATH(-1, -1, -1, -1),
	  "a2820300a200744f70656e204d6f62696c6520416c6c69616e6365091864830100011a00015180",
	  "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":86400},{\"bn\":\"/3/0/\",\"n\":\"0\",\"vs\":\"Open Mobile Alliance\"},"
	  "{\"n\":\"9\",\"v\":100}]" },
	{ "C: /2/5", LCBOR, PATH(2, 5, -1, -1), "a1820205a4000501008202186600031865", ACCESS_2_5 },
	{ "C: /2 without instance", LCBOR, PATH(2, -1, -1, -1), "a1820219ffffa4000501008202186600031865",
	  "[{\"bn\":\"/2/65535/\",\"n\":\"0\",\"v\":5},{\"n\":\"1\",\"v\":0},{\"n\":\"2/102\",\"v\":0},{\"n\":\"3\",\"v\":101}]" },
	{ "C: SenML CBOR of /3/0", SCBOR, PATH(3, 0, -1, -1),
	  "90a321652f332f302f00613003744f70656e204d6f62696c6520416c6c69616e6365a200613103764c69676874776569676874204d324d"
	  "20436c69656e74a20061320369333435303030313233a20061330363312e30a20063362f300201a20063362f310205a20063372f300219"
	  "0ed8a20063372f3102191388a20063382f3002187da20063382f3102190384a2006139021864a200623130020fa2006431312f300200a2"
	  "00623133021a5182428fa20062313403662b30323a3030a200623136036155", DEVICE_3_0 },
	/* Its errata. */
	{ "C erratum: TLV of /1, a length that is two short", FORMAT_TLV, PATH(1, -1, -1, -1),
	  "08000dc10001c40100015180c10601c10755", NULL },
	{ "C erratum: the same as printed", FORMAT_TLV, PATH(1, -1, -1, -1), "08000dc10001c400015180c10601c10755", NULL },
	{ "C erratum: TLV of /3/0, 22 bytes said and 21 there", FORMAT_TLV, PATH(3, 0, -1, -1),
	  "c80014""4f70656e204d6f62696c6520416c6c69616e6365" "c80116""4c69676874776569677420""4d324d20436c69656e74"
	  "c80209""333435303030313233", NULL },
	{ "C erratum: TLV of /66, 0x23 for 0x26", FORMAT_TLV, PATH(66, -1, -1, -1),
	  "080023c8000b6d79536572766963652031c8010f496e7465726e65742e31352e323334c40200430000", NULL },
	/* LwM2M CBOR: freedom of encoders, and its limits. */
	{ "F: indefinite text", LCBOR, PATH(3, 0, 14, -1), "a18303000e7f612b6130ff", UTC_14 },
	{ "indefinite maps and keys", LCBOR, PATH(3, 0, 14, -1), "bf9f03000eff622b30ff", UTC_14 },
	{ "a long map head", LCBOR, PATH(3, 0, 14, -1), "b80183030018" "0e622b30", UTC_14 },
	{ "F: a tagged time", LCBOR, PATH(3, 0, 13, -1), "a18303000dc11a5182428f", "[{\"bn\":\"/3/0/\",\"n\":\"13\",\"v\":1367491215}]" },
	{ "F: null of an executable", LCBOR, PATH(3, 0, -1, -1), "a183030004f6", "" },
	{ "null of another", LCBOR, PATH(3, 0, -1, -1), "a18303000ef6", NULL },
	{ "another tag", LCBOR, PATH(3, 0, 13, -1), "a18303000dc21a5182428f", NULL },
	{ "an empty map", LCBOR, PATH(3, 0, -1, -1), "a0", NULL },
	{ "an empty map inside", LCBOR, PATH(3, 0, -1, -1), "a1820300a0", NULL },
	{ "an empty key", LCBOR, PATH(3, 0, 14, -1), "a180a18303000e622b30", NULL },
	{ "five ids", LCBOR, PATH(3, 0, -1, -1), "a185030006000105", NULL },
	{ "a map below four ids", LCBOR, PATH(3, 0, -1, -1), "a18403000600a10105", NULL },
	{ "two ids and a value", LCBOR, PATH(3, 0, -1, -1), "a182030005", NULL },
	{ "a key that is text", LCBOR, PATH(3, 0, -1, -1), "a1613305", NULL },
	{ "an id beyond 16 bits", LCBOR, PATH(3, 0, -1, -1), "a18303001a0001000005", NULL },
	{ "a value twice", LCBOR, PATH(3, 0, -1, -1), "a28303000901830300" "0902", NULL },
	{ "a resource with and without instances", LCBOR, PATH(3, 0, -1, -1), "a1820300a206a100010605", NULL },
	{ "beside the target", LCBOR, PATH(3, 0, -1, -1), "a183040009" "01", NULL },
	{ "bytes behind the end", LCBOR, PATH(3, 0, 14, -1), "a18303000e622b3000", NULL },
	{ "no UTF-8", LCBOR, PATH(3, 0, 14, -1), "a18303000e62c328", NULL },
	{ "a string where an integer is defined", LCBOR, PATH(3, 0, 9, -1), "a1830300096135", NULL },
	{ "a break without a beginning", LCBOR, PATH(3, 0, -1, -1), "ff", NULL },
	{ "undefined", LCBOR, PATH(3, 0, 9, -1), "a183030009f7", NULL },
	{ "reserved bits", LCBOR, PATH(3, 0, 9, -1), "a1830300091c", NULL },
	{ "a chunk in a chunk", LCBOR, PATH(3, 0, 14, -1), "a18303000e7f7f612bffff", NULL },
	{ "no map", LCBOR, PATH(3, 0, -1, -1), "80", NULL },
	/* TLV. */
	{ "an instance around the target's own", FORMAT_TLV, PATH(1, 0, -1, -1), "080003c10165", "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":101}]" },
	{ "another instance", FORMAT_TLV, PATH(1, 0, -1, -1), "080103c10165", NULL },
	{ "no instance around resources of an object", FORMAT_TLV, PATH(1, -1, -1, -1), "c10165", NULL },
	{ "an instance that is empty", FORMAT_TLV, PATH(1, -1, -1, -1), "0000", "" },
	{ "low bits beside a length field", FORMAT_TLV, PATH(1, 0, -1, -1), "cf010165", "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":101}]" },
	{ "an instance in a resource", FORMAT_TLV, PATH(1, 0, -1, -1), "c10165000041" "0065", NULL },
	{ "a resource in a multiple resource", FORMAT_TLV, PATH(3, 0, -1, -1), "8306c10001", NULL },
	{ "an integer of three bytes", FORMAT_TLV, PATH(1, 0, -1, -1), "c301000001", NULL },
	{ "a boolean of 2", FORMAT_TLV, PATH(1, 0, -1, -1), "c10602", NULL },
	{ "a resource twice", FORMAT_TLV, PATH(1, 0, -1, -1), "c10165c10166", NULL },
	{ "a length behind the end", FORMAT_TLV, PATH(1, 0, -1, -1), "c20165", NULL },
	{ "half an id", FORMAT_TLV, PATH(1, 0, -1, -1), "e001", NULL },
	{ "a value for an executable", FORMAT_TLV, PATH(1, 0, -1, -1), "c10400", NULL },
	/* SenML CBOR. */
	{ "records in any order, and a time", SCBOR, PATH(1, 0, -1, -1), "82a421652f312f302f006137036155" "061a5182428f" "a20061310205",
	  "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":5},{\"n\":\"7\",\"vs\":\"U\"}]" },
	{ "indefinite array and map", SCBOR, PATH(1, 0, -1, -1), "9fbf21652f312f302f0061310205ffff", "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":5}]" },
	{ "no records", SCBOR, PATH(1, -1, -1, -1), "80", "" },
	{ "a record without value", SCBOR, PATH(1, 0, -1, -1), "81a221652f312f302f006131", NULL },
	{ "two values", SCBOR, PATH(1, 0, -1, -1), "81a421652f312f302f0061310205036155", NULL },
	{ "a base value", SCBOR, PATH(1, 0, -1, -1), "81a421652f312f302f0061310205" "2401", NULL },
	{ "a label that must be understood", SCBOR, PATH(1, 0, -1, -1), "81a421652f312f302f0061310205" "62785f01", NULL },
	{ "an unknown label", SCBOR, PATH(1, 0, -1, -1), "81a421652f312f302f0061310205" "617801", "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":5}]" },
	{ "a nested value", SCBOR, PATH(1, 0, -1, -1), "81a321652f312f302f0061310280", NULL },
	{ "a name that is no path", SCBOR, PATH(1, 0, -1, -1), "81a321652f312f302f0061780205", NULL },
	{ "a name with a leading zero", SCBOR, PATH(1, 0, -1, -1), "81a321652f312f302f006230310205", NULL },
	{ "a name without its first slash", SCBOR, PATH(1, 0, 1, -1), "81a20065312f302f310205", NULL },
	/* SenML JSON. */
	{ "blanks, escapes, a later base", JSON, PATH(3, 0, -1, -1),
	  " [ { \"n\" : \"/3/0/0\" , \"vs\" : \"a\\u00e9\\ud83d\\ude00\\n\\/\" } ,\t{\"bn\":\"/3/0/\",\"n\":\"9\",\"v\":1e2,\"u\":\"%\"}\n] ",
	  "[{\"bn\":\"/3/0/\",\"n\":\"0\",\"vs\":\"a\xc3\xa9\xf0\x9f\x98\x80\\u000a/\"},{\"n\":\"9\",\"v\":100}]" },
	{ "standard base64 with padding", JSON, PATH(0, 2, 5, -1), "[{\"n\":\"/0/2/5\",\"vd\":\"+/+/+w==\"}]",
	  "[{\"bn\":\"/0/2/\",\"n\":\"5\",\"vd\":\"-_-_-w\"}]" },
	{ "no base64", JSON, PATH(0, 2, 5, -1), "[{\"n\":\"/0/2/5\",\"vd\":\"+\"}]", NULL },
	{ "a comma too many", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"v\":1},]", NULL },
	{ "a comma too many in a record", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"v\":1,}]", NULL },
	{ "a name twice", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"n\":\"/3/0/9\",\"v\":1}]", NULL },
	{ "a number with a leading zero", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"v\":01}]", NULL },
	{ "a number beyond its type", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"v\":18446744073709551616}]", NULL },
	{ "a fraction for an integer", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"v\":1.5}]", NULL },
	{ "a number beyond doubles", JSON, PATH(6, 0, 0, -1), "[{\"n\":\"/6/0/0\",\"v\":1e999}]", NULL },
	{ "null", JSON, PATH(3, 0, -1, -1), "[{\"n\":\"/3/0/9\",\"v\":null}]", NULL },
	{ "half a surrogate pair", JSON, PATH(3, 0, 0, -1), "[{\"n\":\"/3/0/0\",\"vs\":\"\\ud83d\"}]", NULL },
	{ "a control character", JSON, PATH(3, 0, 0, -1), "[{\"n\":\"/3/0/0\",\"vs\":\"\n\"}]", NULL },
	{ "an unknown escape", JSON, PATH(3, 0, 0, -1), "[{\"n\":\"/3/0/0\",\"vs\":\"\\x\"}]", NULL },
	{ "something behind", JSON, PATH(3, 0, 0, -1), "[{\"n\":\"/3/0/0\",\"vs\":\"\"}]x", NULL },
	{ "an object alone", JSON, PATH(3, 0, 0, -1), "{\"n\":\"/3/0/0\",\"vs\":\"\"}", NULL },
	{ "an empty record", JSON, PATH(3, 0, 0, -1), "[{}]", NULL },
	/* One value. */
	{ "text of an integer", FORMAT_TEXT, PATH(1, 0, 1, -1), "60", "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":60}]" },
	{ "text of no integer", FORMAT_TEXT, PATH(1, 0, 1, -1), "60s", NULL },
	{ "empty text of an integer", FORMAT_TEXT, PATH(1, 0, 1, -1), "", NULL },
	{ "text of no boolean", FORMAT_TEXT, PATH(1, 0, 6, -1), "true", NULL },
	{ "text of an instance", FORMAT_TEXT, PATH(1, 0, -1, -1), "60", NULL },
	{ "CBOR of two values", FORMAT_CBOR, PATH(1, 0, 1, -1), "0101", NULL },
	{ "links have no values", FORMAT_LINK, PATH(1, 0, 1, -1), "</1>", NULL },
};
/* clang-format on */

/* The bytes of a reading. */
static size_t
reading_bytes(const struct reading *reading, uint8_t *bytes)
{
	size_t len = strlen(reading->input);

	if (reading->format != FORMAT_TEXT && reading->format != JSON &&
	    reading->format != FORMAT_LINK)
		return unhex(reading->input, bytes);
	memcpy(bytes, reading->input, len);
	return len;
}

Test(decode, reads_what_is_allowed_and_refuses_the_rest)
{
	const struct lwm2m_path everything = PATH(-1, -1, -1, -1);

	for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
		const struct reading *reading = &readings[i];
		uint8_t bytes[512], json[2048];
		struct decode_input input = { reading->format, reading->target, bytes,
					      reading_bytes(reading, bytes), objects };
		struct lwm2m_records records;
		struct bytes_out out;
		int error = content_decode(&input, &arena, &records);

		bytes_out_init(&out, json, sizeof json - 1);
		if (!reading->json) {
			cr_expect(error == -EBADMSG || error == -ENOTSUP, "%s: %d", reading->name,
				  error);
			continue;
		}
		cr_expect_eq(error, 0, "%s: %d", reading->name, error);
		if (!error && records.count)
			cr_expect_eq(
				senml_json_encode(&everything, records.at, records.count, &out), 0);
		json[out.len] = '\0';
		cr_expect_str_eq((const char *)json, reading->json, "%s: %s", reading->name,
				 (const char *)json);
	}
}

/* ---- the same values out of every format ---- */

static uint64_t seed = 1;

static uint64_t
draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Values at the edges of the widths that formats choose by. */
static uint64_t
draw_number(void)
{
	uint64_t edge = UINT64_C(1) << draw() % 64;

	return edge - 1 + draw() % 3;
}

static void
draw_value(struct lwm2m_value *value, char text[16])
{
	size_t len = draw() % 16;

	for (size_t i = 0; i < len; i++)
		text[i] = value->type == LWM2M_OPAQUE ? (char)draw() : (char)(1 + draw() % 126);
	switch (value->type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		value->integer = (int64_t)draw_number();
		break;
	case LWM2M_UNSIGNED:
		value->number = draw_number();
		break;
	case LWM2M_FLOAT:
		value->real = ldexp((double)(int64_t)draw(), (int)(draw() % 200) - 130);
		if (draw() % 3 == 0)
			value->real = (double)(int)(draw() % 2000) - 1000;
		break;
	case LWM2M_BOOLEAN:
		value->boolean = draw() & 1;
		break;
	case LWM2M_OBJLNK:
		value->link.object = (uint16_t)draw();
		value->link.instance = (uint16_t)draw();
		break;
	default:
		value->bytes.at = (const uint8_t *)text;
		value->bytes.len = len;
	}
}

Test(decode, the_same_values_come_out_of_every_format)
{
	static const enum content_format formats[] = { FORMAT_TLV, JSON, SCBOR, LCBOR };
	char strings[RECORDS][16];

	for (int round = 0; round < 300; round++) {
		struct lwm2m_record drawn[RECORDS];
		size_t count = 1 + draw() % (RECORDS - 1);
		const struct lwm2m_path target = PATH(300, -1, -1, -1);

		for (size_t i = 0; i < count; i++) {
			drawn[i] = (struct lwm2m_record){ AT(300, (int32_t)(i / 5 * 300),
							     (int32_t)(i * 100 % 500)) };
			if (i % 5 == 3)
				drawn[i].path.resource_instance = (int32_t)(draw() % 65536);
			drawn[i].value.type =
				(enum lwm2m_type)((i % 5 + (size_t)round) % LWM2M_NONE);
			draw_value(&drawn[i].value, strings[i]);
		}
		define_all(drawn, count < 5 ? count : 5);
		for (size_t f = 0; f < 4; f++) {
			uint8_t bytes[BYTES_MAX];
			struct bytes_out out;
			struct decode_input input = { formats[f], target, bytes, 0, objects };
			struct lwm2m_records records;

			bytes_out_init(&out, bytes, sizeof bytes);
			cr_assert_eq(content_encode(formats[f], &target, drawn, count, &out), 0);
			input.len = out.len;
			cr_assert_eq(content_decode(&input, &arena, &records), 0,
				     "round %d, format %d", round, formats[f]);
			assert_same(&records, drawn, count, "drawn");
		}
		arena_reset(&arena);
		objects_free(objects);
		objects = objects_new();
	}
}

Test(decode, a_flood_of_values_is_bounded)
{
	enum { VALUES = DECODE_RECORDS_MAX + 1 };
	static uint8_t bytes[VALUES * 4];
	struct decode_input input = { FORMAT_TLV, PATH(1, 0, -1, -1), bytes, sizeof bytes, NULL };
	struct lwm2m_records records;

	for (int i = 0; i < VALUES; i++) {
		bytes[4 * i] = 0xe1;
		bytes[4 * i + 1] = (uint8_t)(i >> 8);
		bytes[4 * i + 2] = (uint8_t)i;
	}
	cr_assert_eq(content_decode(&input, &arena, &records), -E2BIG);
	input.len -= 4;
	cr_assert_eq(content_decode(&input, &arena, &records), 0);
	cr_assert_eq(records.count, DECODE_RECORDS_MAX);
}
