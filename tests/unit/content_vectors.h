/*
 * content_vectors.h - records and their bytes: OMA TS Core 1.2 7.4 and 7.5 ("C"), the Zephyr unit tests
 * content_oma_tlv and content_senml_cbor ("Z"), an independent encoder's vectors of LwM2M CBOR types ("F"),
 * and vectors worked out by hand from the same sections ("H").
 */
#pragma once

#include <math.h>
#include <stdio.h>

#include "tasks/content/encode.h"

enum { RECORDS = 12 };

#define PATH(o, i, r, ri)                                                                          \
	{                                                                                          \
		.object = o, .instance = i, .resource = r, .resource_instance = ri                 \
	}
#define AT(o, i, r)        .path = PATH(o, i, r, -1)
#define AT_RI(o, i, r, ri) .path = PATH(o, i, r, ri)
#define BYTES(kind, text)                                                                          \
	.value.type = kind, .value.bytes.at = (const uint8_t *)(text),                             \
	.value.bytes.len = sizeof(text) - 1
#define STRING(text)  BYTES(LWM2M_STRING, text)
#define OPAQUE(text)  BYTES(LWM2M_OPAQUE, text)
#define CORELNK(text) BYTES(LWM2M_CORELNK, text)
#define INTEGER(n)    .value.type = LWM2M_INTEGER, .value.integer = n
#define TIME(n)       .value.type = LWM2M_TIME, .value.integer = n
#define UNSIGNED(n)   .value.type = LWM2M_UNSIGNED, .value.number = n
#define FLOAT(n)      .value.type = LWM2M_FLOAT, .value.real = n
#define BOOLEAN(b)    .value.type = LWM2M_BOOLEAN, .value.boolean = b
#define OBJLNK(o, i)  .value.type = LWM2M_OBJLNK, .value.link.object = o, .value.link.instance = i
#define NOTHING       .value.type = LWM2M_NONE

#define KEY_16 "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
#define SECURITY_2                                                                                 \
	{ AT(0, 2, 0), STRING("coaps://s.example:5684") }, { AT(0, 2, 1), BOOLEAN(false) },        \
		{ AT(0, 2, 2), INTEGER(0) }, { AT(0, 2, 3), OPAQUE("dev-0001") },                  \
		{ AT(0, 2, 4), OPAQUE("") }, { AT(0, 2, 5), OPAQUE(KEY_16) },                      \
	{                                                                                          \
		AT(0, 2, 10), INTEGER(101)                                                         \
	}
#define SERVER_1                                                                                   \
	{ AT(1, 1, 0), INTEGER(101) }, { AT(1, 1, 1), INTEGER(86400) },                            \
		{ AT(1, 1, 6), BOOLEAN(true) },                                                    \
	{                                                                                          \
		AT(1, 1, 7), STRING("U")                                                           \
	}
#define ACCESS_5                                                                                   \
	{ AT(2, 5, 0), INTEGER(5) }, { AT(2, 5, 1), INTEGER(0) },                                  \
		{ AT_RI(2, 5, 2, 102), INTEGER(0) },                                               \
	{                                                                                          \
		AT(2, 5, 3), INTEGER(101)                                                          \
	}
#define MANUFACTURER STRING("Open Mobile Alliance")

struct vector {
	const char *name;
	enum content_format format;
	struct lwm2m_path target;
	struct lwm2m_record records[RECORDS];
	size_t count; /* 0: those with a type or an object other than zero */
	const char *hex;
};

static size_t
unhex(const char *hex, uint8_t *out)
{
	size_t len = 0;

	for (; hex[0] && hex[1]; hex += 2, len++) {
		int high = hex[0] <= '9' ? hex[0] - '0' : hex[0] - 'a' + 10;
		int low = hex[1] <= '9' ? hex[1] - '0' : hex[1] - 'a' + 10;

		out[len] = (uint8_t)(high << 4 | low);
	}
	return len;
}

/* clang-format off */
static const struct vector vectors[] = {
	{ "H: TLV of a Security instance", FORMAT_TLV, PATH(0, 2, -1, -1),
	  { SECURITY_2 }, 7,
	  "c80016636f6170733a2f2f732e6578616d706c653a35363834c10100c10200c803086465762d30303031c004"
	  "c80510000102030405060708090a0b0c0d0e0fc10a65" },
	{ "H: TLV of an object with that instance", FORMAT_TLV, PATH(0, -1, -1, -1),
	  { SECURITY_2 }, 7,
	  "080242c80016636f6170733a2f2f732e6578616d706c653a35363834c10100c10200c803086465762d303030"
	  "31c004c80510000102030405060708090a0b0c0d0e0fc10a65" },
	{ "H: TLV of a Server instance", FORMAT_TLV, PATH(1, 1, -1, -1),
	  { SERVER_1 }, 4, "c10065c40100015180c10601c10755" },
	{ "C 7.4.3, its length corrected: TLV of object 1", FORMAT_TLV, PATH(1, -1, -1, -1),
	  { { AT(1, 0, 0), INTEGER(1) }, { AT(1, 0, 1), INTEGER(86400) },
	  { AT(1, 0, 6), BOOLEAN(true) }, { AT(1, 0, 7), STRING("U") } }, 4,
	  "08000fc10001c40100015180c10601c10755" },
	{ "ETS int-215: TLV of a Server instance", FORMAT_TLV, PATH(1, 0, -1, -1),
	  { { AT(1, 0, 2), INTEGER(101) }, { AT(1, 0, 3), INTEGER(1010) },
	  { AT(1, 0, 5), INTEGER(2000) }, { AT(1, 0, 6), BOOLEAN(true) },
	  { AT(1, 0, 7), STRING("U") } }, 5, "c10265c20303f2c20507d0c10601c10755" },
	{ "H: TLV of an access control instance", FORMAT_TLV, PATH(2, 0, -1, -1),
	  { { AT(2, 0, 0), INTEGER(1) }, { AT(2, 0, 1), INTEGER(0) },
	  { AT_RI(2, 0, 2, 101), INTEGER(15) }, { AT(2, 0, 3), INTEGER(101) } }, 4,
	  "c10001c10100830241650fc10365" },
	{ "C 7.4.3: TLV of object 2", FORMAT_TLV, PATH(2, -1, -1, -1),
	  { { AT(2, 0, 0), INTEGER(1) }, { AT(2, 0, 1), INTEGER(0) },
	  { AT_RI(2, 0, 2, 127), INTEGER(7) }, { AT(2, 0, 3), INTEGER(127) },
	  { AT(2, 2, 0), INTEGER(3) }, { AT(2, 2, 1), INTEGER(0) },
	  { AT_RI(2, 2, 2, 127), INTEGER(7) }, { AT_RI(2, 2, 2, 310), INTEGER(1) },
	  { AT(2, 2, 3), INTEGER(127) } }, 9,
	  "08000ec10001c101008302417f07c1037f080212c10003c101008702417f0761013601c1037f" },
	{ "H: TLV of one instance of a resource", FORMAT_TLV, PATH(2, 2, 2, 310),
	  { { AT_RI(2, 2, 2, 310), INTEGER(1) } }, 1, "61013601" },
	{ "H: TLV of a multiple resource", FORMAT_TLV, PATH(2, 2, 2, -1),
	  { { AT_RI(2, 2, 2, 127), INTEGER(7) }, { AT_RI(2, 2, 2, 310), INTEGER(1) } }, 2,
	  "8702417f0761013601" },
	{ "H: TLV, 49320 as integer needs four bytes", FORMAT_TLV, PATH(0, 2, 16, -1),
	  { { AT_RI(0, 2, 16, 0), INTEGER(49320) } }, 1, "861044000000c0a8" },
	{ "H: TLV, 49320 as unsigned needs two", FORMAT_TLV, PATH(0, 2, 16, -1),
	  { { AT_RI(0, 2, 16, 0), UNSIGNED(49320) } }, 1, "84104200c0a8" },
	{ "Z: TLV 0", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), INTEGER(0) } }, 1, "c1aa00" },
	{ "Z: TLV 127", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), INTEGER(127) } }, 1, "c1aa7f" },
	{ "Z: TLV -128", FORMAT_TLV, PATH(1, 0, 0xaabb, -1),
	  { { AT(1, 0, 0xaabb), INTEGER(-128) } }, 1, "e1aabb80" },
	{ "Z: TLV 32767", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), INTEGER(32767) } }, 1, "c2aa7fff" },
	{ "Z: TLV -32768", FORMAT_TLV, PATH(1, 0, 0xaabb, -1),
	  { { AT(1, 0, 0xaabb), INTEGER(-32768) } }, 1, "e2aabb8000" },
	{ "Z: TLV 2^31-1", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), INTEGER(INT32_MAX) } }, 1, "c4aa7fffffff" },
	{ "Z: TLV -2^31", FORMAT_TLV, PATH(1, 0, 0xaabb, -1),
	  { { AT(1, 0, 0xaabb), INTEGER(INT32_MIN) } }, 1, "e4aabb80000000" },
	{ "Z: TLV 2^63-1", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), INTEGER(INT64_MAX) } }, 1, "c8aa087fffffffffffffff" },
	{ "Z: TLV -2^63", FORMAT_TLV, PATH(1, 0, 0xaabb, -1),
	  { { AT(1, 0, 0xaabb), INTEGER(INT64_MIN) } }, 1, "e8aabb088000000000000000" },
	{ "Z: TLV string", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), STRING("test_string") } }, 1, "c8aa0b746573745f737472696e67" },
	{ "Z: TLV 0.123", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), FLOAT(0.123) } }, 1, "c8aa083fbf7ced916872b0" },
	{ "Z: TLV -10.0", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), FLOAT(-10.0) } }, 1, "c8aa08c024000000000000" },
	{ "Z: TLV -123.125", FORMAT_TLV, PATH(1, 0, 0xaabb, -1),
	  { { AT(1, 0, 0xaabb), FLOAT(-123.125) } }, 1, "e8aabb08c05ec80000000000" },
	{ "Z: TLV true", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), BOOLEAN(true) } }, 1, "c1aa01" },
	{ "Z: TLV object link 0:0", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), OBJLNK(0, 0) } }, 1, "c4aa00000000" },
	{ "Z: TLV opaque", FORMAT_TLV, PATH(1, 0, 0xaa, -1),
	  { { AT(1, 0, 0xaa), OPAQUE("test_opaque") } }, 1, "c8aa0b746573745f6f7061717565" },
	{ "C 7.4.3: TLV of /65/0", FORMAT_TLV, PATH(65, 0, -1, -1),
	  { { AT_RI(65, 0, 0, 0), OBJLNK(66, 0) }, { AT_RI(65, 0, 0, 1), OBJLNK(66, 1) },
	  { AT(65, 0, 1), STRING("8613800755500") }, { AT(65, 0, 2), INTEGER(0x12345678) } }, 4,
	  "88000c440000420000440100420001c8010d38363133383030373535353030c40212345678" },
	{ "H: SenML CBOR of a Security instance", FORMAT_SENML_CBOR, PATH(0, 2, -1, -1),
	  { SECURITY_2 }, 7,
	  "87a321652f302f322f0061300376636f6170733a2f2f732e6578616d706c653a35363834a200613104f4a200"
	  "61320200a200613308486465762d30303031a20061340840a20061350850000102030405060708090a0b0c0d"
	  "0e0fa200623130021865" },
	{ "H: SenML CBOR of a pack", FORMAT_SENML_CBOR, PATH(-1, -1, -1, -1),
	  { SECURITY_2, SERVER_1 }, 11,
	  "8ba321652f302f322f0061300376636f6170733a2f2f732e6578616d706c653a35363834a200613104f4a200"
	  "61320200a200613308486465762d30303031a20061340840a20061350850000102030405060708090a0b0c0d"
	  "0e0fa200623130021865a321652f312f312f006130021865a2006131021a00015180a200613604f5a2006137"
	  "036155" },
	{ "Z: SenML CBOR 127", FORMAT_SENML_CBOR, PATH(65535, 0, 0, -1),
	  { { AT(65535, 0, 0), INTEGER(127) } }, 1, "81a321692f36353533352f302f00613002187f" },
	{ "Z: SenML CBOR -128", FORMAT_SENML_CBOR, PATH(65535, 0, 0, -1),
	  { { AT(65535, 0, 0), INTEGER(-128) } }, 1, "81a321692f36353533352f302f00613002387f" },
	{ "Z: SenML CBOR -2147483648", FORMAT_SENML_CBOR, PATH(65535, 0, 2, -1),
	  { { AT(65535, 0, 2), INTEGER(INT32_MIN) } }, 1,
	  "81a321692f36353533352f302f006132023a7fffffff" },
	{ "Z: SenML CBOR string", FORMAT_SENML_CBOR, PATH(65535, 0, 4, -1),
	  { { AT(65535, 0, 4), STRING("test_string") } }, 1,
	  "81a321692f36353533352f302f006134036b746573745f737472696e67" },
	{ "Z: SenML CBOR -10.0", FORMAT_SENML_CBOR, PATH(65535, 0, 5, -1),
	  { { AT(65535, 0, 5), FLOAT(-10.0) } }, 1,
	  "81a321692f36353533352f302f00613502fbc024000000000000" },
	{ "Z: SenML CBOR true", FORMAT_SENML_CBOR, PATH(65535, 0, 6, -1),
	  { { AT(65535, 0, 6), BOOLEAN(true) } }, 1, "81a321692f36353533352f302f00613604f5" },
	{ "Z: SenML CBOR object link 1:2", FORMAT_SENML_CBOR, PATH(65535, 0, 7, -1),
	  { { AT(65535, 0, 7), OBJLNK(1, 2) } }, 1,
	  "81a321692f36353533352f302f00613763766c6f63313a32" },
	{ "Z: SenML CBOR object link 65535:65535", FORMAT_SENML_CBOR, PATH(65535, 0, 7, -1),
	  { { AT(65535, 0, 7), OBJLNK(65535, 65535) } }, 1,
	  "81a321692f36353533352f302f00613763766c6f6b36353533353a3635353335" },
	{ "Z: SenML CBOR opaque", FORMAT_SENML_CBOR, PATH(65535, 0, 8, -1),
	  { { AT(65535, 0, 8), OPAQUE("test_opaque") } }, 1,
	  "81a321692f36353533352f302f006138084b746573745f6f7061717565" },
	{ "Z: SenML CBOR time", FORMAT_SENML_CBOR, PATH(65535, 0, 9, -1),
	  { { AT(65535, 0, 9), TIME(1170111600) } }, 1,
	  "81a321692f36353533352f302f006139021a45be7c70" },
	{ "H: SenML CBOR instances of a resource", FORMAT_SENML_CBOR, PATH(3, 0, 6, -1),
	  { { AT_RI(3, 0, 6, 0), UNSIGNED(1) }, { AT_RI(3, 0, 6, 1), UNSIGNED(5) } }, 2,
	  "82a321652f332f302f0063362f300201a20063362f310205" },
	{ "H: LwM2M CBOR of a Security instance", FORMAT_LWM2M_CBOR, PATH(0, 2, -1, -1),
	  { SECURITY_2 }, 7,
	  "a1820002a70076636f6170733a2f2f732e6578616d706c653a3536383401f4020003486465762d3030303104"
	  "400550000102030405060708090a0b0c0d0e0f0a1865" },
	{ "H: LwM2M CBOR of a pack", FORMAT_LWM2M_CBOR, PATH(-1, -1, -1, -1),
	  { SECURITY_2, SERVER_1 }, 11,
	  "a200a102a70076636f6170733a2f2f732e6578616d706c653a3536383401f4020003486465762d3030303104"
	  "400550000102030405060708090a0b0c0d0e0f0a186501a101a4001865011a0001518006f5076155" },
	{ "C 7.4.6: LwM2M CBOR of /3/0/0", FORMAT_LWM2M_CBOR, PATH(3, 0, 0, -1),
	  { { AT(3, 0, 0), MANUFACTURER } }, 1,
	  "a183030000744f70656e204d6f62696c6520416c6c69616e6365" },
	{ "C 7.4.6: LwM2M CBOR of /3/0/6", FORMAT_LWM2M_CBOR, PATH(3, 0, 6, -1),
	  { { AT_RI(3, 0, 6, 0), INTEGER(1) }, { AT_RI(3, 0, 6, 1), INTEGER(5) } }, 2,
	  "a183030006a200010105" },
	{ "C 7.4.6: LwM2M CBOR of /2/5", FORMAT_LWM2M_CBOR, PATH(2, 5, -1, -1),
	  { ACCESS_5 }, 4, "a1820205a4000501008202186600031865" },
	{ "H: LwM2M CBOR of two instances", FORMAT_LWM2M_CBOR, PATH(1, -1, -1, -1),
	  { { AT(1, 0, 0), INTEGER(101) }, { AT(1, 0, 1), INTEGER(60) },
	  { AT(1, 1, 0), INTEGER(102) } }, 3, "a101a200a200186501183c8201001866" },
	{ "F: string", FORMAT_LWM2M_CBOR, PATH(3442, 0, 110, -1),
	  { { AT(3442, 0, 110), STRING("hello") } }, 1, "a183190d7200186e6568656c6c6f" },
	{ "F: -25", FORMAT_LWM2M_CBOR, PATH(3442, 0, 120, -1),
	  { { AT(3442, 0, 120), INTEGER(-25) } }, 1, "a183190d720018783818" },
	{ "F: 2^64-1", FORMAT_LWM2M_CBOR, PATH(3442, 0, 125, -1),
	  { { AT(3442, 0, 125), UNSIGNED(UINT64_MAX) } }, 1, "a183190d7200187d1bffffffffffffffff" },
	{ "F: half float", FORMAT_LWM2M_CBOR, PATH(3442, 0, 130, -1),
	  { { AT(3442, 0, 130), FLOAT(1.5) } }, 1, "a183190d72001882f93e00" },
	{ "F: boolean", FORMAT_LWM2M_CBOR, PATH(3442, 0, 140, -1),
	  { { AT(3442, 0, 140), BOOLEAN(true) } }, 1, "a183190d7200188cf5" },
	{ "F: opaque", FORMAT_LWM2M_CBOR, PATH(3442, 0, 150, -1),
	  { { AT(3442, 0, 150), OPAQUE("\x01\x02\xff") } }, 1, "a183190d72001896430102ff" },
	{ "F without its tag, as C 7.4.6: time", FORMAT_LWM2M_CBOR, PATH(3442, 0, 160, -1),
	  { { AT(3442, 0, 160), TIME(1367491215) } }, 1, "a183190d720018a01a5182428f" },
	{ "F: object link", FORMAT_LWM2M_CBOR, PATH(3442, 0, 170, -1),
	  { { AT(3442, 0, 170), OBJLNK(3, 0) } }, 1, "a183190d720018aa63333a30" },
	{ "F: link", FORMAT_LWM2M_CBOR, PATH(3442, 0, 180, -1),
	  { { AT(3442, 0, 180), CORELNK("</2/0>") } }, 1, "a183190d720018b4663c2f322f303e" },
	/* RFC 8949 appendix A. */
	{ "CBOR 0.0", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(0.0) } }, 1, "f90000" },
	{ "CBOR -0.0", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(-0.0) } }, 1, "f98000" },
	{ "CBOR 65504.0", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(65504.0) } }, 1, "f97bff" },
	{ "CBOR 100000.0", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(100000.0) } }, 1, "fa47c35000" },
	{ "CBOR 0.00006103515625", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(0.00006103515625) } }, 1, "f90400" },
	{ "CBOR 1.1", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(1.1) } }, 1, "fb3ff199999999999a" },
	{ "CBOR infinity", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(-INFINITY) } }, 1, "f9fc00" },
	{ "CBOR NaN", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(NAN) } }, 1, "f97e00" },
	{ "CBOR 1000000000000", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), INTEGER(1000000000000) } }, 1, "1b000000e8d4a51000" },
	{ "CBOR -2^63", FORMAT_CBOR, PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), INTEGER(INT64_MIN) } }, 1, "3b7fffffffffffffff" },
	{ "CBOR of a resource instance", FORMAT_CBOR, PATH(3, 0, 6, 1),
	  { { AT_RI(3, 0, 6, 1), INTEGER(5) } }, 1, "05" },
	{ "opaque", FORMAT_OPAQUE, PATH(0, 2, 5, -1),
	  { { AT(0, 2, 5), OPAQUE("\x00\xff") } }, 1, "00ff" },
	{ "opaque, empty", FORMAT_OPAQUE, PATH(0, 2, 4, -1),
	  { { AT(0, 2, 4), OPAQUE("") } }, 1, "" },
};
/* clang-format on */

static const struct {
	enum content_format format;
	struct lwm2m_path target;
	struct lwm2m_record records[RECORDS];
	size_t count;
	const char *text;
} texts[] = {
	{ FORMAT_SENML_JSON,
	  PATH(0, 2, -1, -1),
	  { SECURITY_2 },
	  7,
	  "[{\"bn\":\"/0/2/\",\"n\":\"0\",\"vs\":\"coaps://"
	  "s.example:5684\"},{\"n\":\"1\",\"vb\":false},"
	  "{\"n\":\"2\",\"v\":0},{\"n\":\"3\",\"vd\":\"ZGV2LTAwMDE\"},{\"n\":\"4\",\"vd\":\"\"},"
	  "{\"n\":\"5\",\"vd\":\"AAECAwQFBgcICQoLDA0ODw\"},{\"n\":\"10\",\"v\":101}]" },
	{ FORMAT_SENML_JSON,
	  PATH(-1, -1, -1, -1),
	  { { AT(1, 0, 0), INTEGER(-1) },
	    { AT(1, 1, 0), UNSIGNED(UINT64_MAX) },
	    { AT_RI(2, 1, 2, 7), TIME(5) } },
	  3,
	  "[{\"bn\":\"/1/0/\",\"n\":\"0\",\"v\":-1},{\"bn\":\"/1/1/\",\"n\":\"0\","
	  "\"v\":18446744073709551615},{\"bn\":\"/2/1/\",\"n\":\"2/7\",\"v\":5}]" },
	{ FORMAT_SENML_JSON,
	  PATH(65535, 65535, 65535, 65535),
	  { { AT_RI(65535, 65535, 65535, 65535), OBJLNK(65535, 65535) } },
	  1,
	  "[{\"bn\":\"/65535/65535/\",\"n\":\"65535/65535\",\"vlo\":\"65535:65535\"}]" },
	/* RFC 8259 7: quotation mark, reverse solidus and control characters are escaped. */
	{ FORMAT_SENML_JSON,
	  PATH(3, 0, 0, -1),
	  { { AT(3, 0, 0), STRING("\"a\\\n\x1f"
				  "é\x7f") } },
	  1,
	  "[{\"bn\":\"/3/0/\",\"n\":\"0\",\"vs\":\"\\\"a\\\\\\u000a\\u001fé\x7f\"}]" },
	/* RFC 4648 5: '-' and '_', no padding (RFC 8428 4.3). */
	{ FORMAT_SENML_JSON,
	  PATH(0, 0, 5, -1),
	  { { AT(0, 0, 5), OPAQUE("\xfb\xff\xfe\xff") } },
	  1,
	  "[{\"bn\":\"/0/0/\",\"n\":\"5\",\"vd\":\"-__-_w\"}]" },
	{ FORMAT_SENML_JSON,
	  PATH(6, 0, 0, -1),
	  { { AT(6, 0, 0), FLOAT(-43.61092) } },
	  1,
	  "[{\"bn\":\"/6/0/\",\"n\":\"0\",\"v\":-43.61092}]" },
	{ FORMAT_TEXT,
	  PATH(3, 0, 0, -1),
	  { { AT(3, 0, 0), MANUFACTURER } },
	  1,
	  "Open Mobile Alliance" },
	{ FORMAT_TEXT,
	  PATH(1, 1, 1, -1),
	  { { AT(1, 1, 1), INTEGER(INT64_MIN) } },
	  1,
	  "-9223372036854775808" },
	{ FORMAT_TEXT,
	  PATH(1, 1, 1, -1),
	  { { AT(1, 1, 1), UNSIGNED(UINT64_MAX) } },
	  1,
	  "18446744073709551615" },
	{ FORMAT_TEXT, PATH(1, 1, 1, -1), { { AT(1, 1, 1), FLOAT(0.1) } }, 1, "0.1" },
	{ FORMAT_TEXT, PATH(1, 1, 6, -1), { { AT(1, 1, 6), BOOLEAN(true) } }, 1, "1" },
	{ FORMAT_TEXT, PATH(1, 1, 6, -1), { { AT(1, 1, 6), BOOLEAN(false) } }, 1, "0" },
	{ FORMAT_TEXT,
	  PATH(3, 0, 13, -1),
	  { { AT(3, 0, 13), TIME(1367491215) } },
	  1,
	  "1367491215" },
	{ FORMAT_TEXT, PATH(3, 0, 13, -1), { { AT(3, 0, 13), OBJLNK(66, 1) } }, 1, "66:1" },
	{ FORMAT_TEXT, PATH(3, 0, 13, -1), { { AT(3, 0, 13), CORELNK("</1>") } }, 1, "</1>" },
	{ FORMAT_TEXT,
	  PATH(0, 2, 5, -1),
	  { { AT(0, 2, 5), OPAQUE("\xfb\xff\xfe\xff") } },
	  1,
	  "+//+/w==" },
	{ FORMAT_TEXT, PATH(3, 0, 6, 1), { { AT_RI(3, 0, 6, 1), INTEGER(5) } }, 1, "5" },
};
