/* CoAP messages: what is refused, what is understood, and bytes back to bytes. */
#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane/core/coap/coap_msg.h"

enum { BYTES_MAX = 256 };

/* Hex to bytes; the table rows below are all well-formed. */
static size_t
unhex(const char *hex, uint8_t out[BYTES_MAX])
{
	size_t len = strlen(hex) / 2;

	cr_assert_leq(len, BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return len;
}

/* ---- what is refused ---- */

struct refused {
	const char *hex;
	enum coap_parsed parsed;
	bool reset;
	const char *why;
};

static const struct refused refused[] = {
	{ "", COAP_IS_TOO_SHORT, false, "empty datagram" },
	{ "400112", COAP_IS_TOO_SHORT, false, "three bytes" },
	{ "00010001", COAP_IS_OTHER_VERSION, false, "version 0" },
	{ "80010001", COAP_IS_OTHER_VERSION, false, "version 2" },
	{ "c0010001", COAP_IS_OTHER_VERSION, false, "version 3" },
	{ "890100010000000000000000000000", COAP_IS_OTHER_VERSION, false,
	  "version before token length" },
	{ "49010001000000000000000000", COAP_BAD_TOKEN_LENGTH, true, "TKL 9, CON" },
	{ "4f010001000000000000000000000000000000", COAP_BAD_TOKEN_LENGTH, true, "TKL 15, CON" },
	{ "59010001000000000000000000", COAP_BAD_TOKEN_LENGTH, false, "TKL 9, NON" },
	{ "69450001000000000000000000", COAP_BAD_TOKEN_LENGTH, false, "TKL 9, ACK" },
	{ "44010001aabbcc", COAP_BAD_TOKEN_CUT, true, "three of four token bytes" },
	{ "4100000111", COAP_BAD_EMPTY_WITH_BYTES, true, "empty CON with token" },
	{ "41000001", COAP_BAD_EMPTY_WITH_BYTES, true, "empty CON that only claims a token" },
	{ "40000001b0", COAP_BAD_EMPTY_WITH_BYTES, true, "empty CON with option" },
	{ "40000001ff00", COAP_BAD_EMPTY_WITH_BYTES, true, "empty CON with payload" },
	{ "60000001ff00", COAP_BAD_EMPTY_WITH_BYTES, false, "empty ACK with payload" },
	{ "7000000100", COAP_BAD_EMPTY_WITH_BYTES, false, "Reset with a byte" },
	{ "50000001", COAP_BAD_EMPTY_NON, false, "empty NON" },
	{ "40200001", COAP_BAD_CLASS, true, "class 1" },
	{ "40c00001", COAP_BAD_CLASS, true, "class 6" },
	{ "40e10001", COAP_BAD_CLASS, true, "class 7 (signalling is for TCP)" },
	{ "50e00001", COAP_BAD_CLASS, false, "class 7, NON" },
	{ "60c00001", COAP_BAD_CLASS, false, "class 6, ACK" },
	{ "60010001", COAP_BAD_ACK_REQUEST, false, "GET in an ACK" },
	{ "70450001", COAP_BAD_RESET_NOT_EMPTY, false, "2.05 in a Reset" },
	{ "70010001", COAP_BAD_RESET_NOT_EMPTY, false, "GET in a Reset" },
	{ "40010001f0", COAP_BAD_OPTION_RESERVED, true, "delta nibble 15" },
	{ "400100010f", COAP_BAD_OPTION_RESERVED, true, "length nibble 15" },
	{ "40010001b16103f100", COAP_BAD_OPTION_CUT, true, "option 14 claims three of two bytes" },
	{ "40010001b161f100", COAP_BAD_OPTION_RESERVED, true,
	  "delta nibble 15 in the second option" },
	{ "40010001b3aabb", COAP_BAD_OPTION_CUT, true, "two of three value bytes" },
	{ "40010001d0", COAP_BAD_OPTION_CUT, true, "delta byte missing" },
	{ "40010001e000", COAP_BAD_OPTION_CUT, true, "second delta byte missing" },
	{ "400100010d", COAP_BAD_OPTION_CUT, true, "length byte missing" },
	{ "400100010effff", COAP_BAD_OPTION_CUT, true, "65804 value bytes claimed" },
	{ "50010001b3aabb", COAP_BAD_OPTION_CUT, false, "cut option, NON" },
	{ "40010001e0fef3", COAP_BAD_OPTION_NUMBER, true, "delta 65536" },
	{ "40010001e0ffff", COAP_BAD_OPTION_NUMBER, true, "delta 65804" },
	{ "40010001e0fef210", COAP_BAD_OPTION_NUMBER, true, "65535 + 1" },
	{ "40010001ff", COAP_BAD_PAYLOAD_EMPTY, true, "marker at the end" },
	{ "40010001b16100ff", COAP_BAD_PAYLOAD_EMPTY, true, "marker after an option" },
	{ "50010001ff", COAP_BAD_PAYLOAD_EMPTY, false, "marker at the end, NON" },
	{ "60450001ff", COAP_BAD_PAYLOAD_EMPTY, false, "marker at the end, ACK" },
};

Test(coap_msg, refuses_with_a_name_and_knows_when_to_reset)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		uint8_t bytes[BYTES_MAX];
		size_t len = unhex(refused[i].hex, bytes);
		struct coap_msg msg;
		enum coap_parsed parsed = coap_parse(bytes, len, &msg);

		cr_expect_eq(parsed, refused[i].parsed, "%s: %d", refused[i].why, (int)parsed);
		cr_expect_eq(coap_wants_reset(parsed, &msg), refused[i].reset, "%s",
			     refused[i].why);
		if (coap_is_malformed(parsed))
			cr_expect_eq(msg.header.mid, 1, "%s", refused[i].why);
	}
}

/* ---- what is understood ---- */

struct sound {
	const char *hex;
	enum coap_parsed parsed;
	uint8_t type, code, token_len, options;
	uint16_t mid;
	size_t payload_len;
};

/* PROTOCOL facts: own vectors, and captures of Wakaama's client; the header lines end before their payload. */
static const struct sound sound[] = {
	{ "44021234c08e9be1b262734b65703d6465762d30303031077063743d313132", COAP_IS_REQUEST,
	  COAP_CON, COAP_POST, 4, 3, 0x1234, 0 },
	{ "44028ec0c08e9be1b262734d0565703d746573746c776d326d636c69656e74", COAP_IS_REQUEST,
	  COAP_CON, COAP_POST, 4, 2, 0x8ec0, 0 },
	{ "4402d9ddddd9af5cb26273", COAP_IS_REQUEST, COAP_CON, COAP_POST, 4, 1, 0xd9dd, 0 },
	{ "64441234c08e9be1", COAP_IS_RESPONSE, COAP_ACK, COAP_CHANGED, 4, 0, 0x1234, 0 },
	{ "64801234c08e9be1", COAP_IS_RESPONSE, COAP_ACK, COAP_BAD_REQUEST, 4, 0, 0x1234, 0 },
	{ "44040001aabbccdd", COAP_IS_REQUEST, COAP_CON, COAP_DELETE, 4, 0, 1, 0 },
	{ "44040002aabbccddb130", COAP_IS_REQUEST, COAP_CON, COAP_DELETE, 4, 1, 2, 0 },
	{ "44010003aabbccddd10428", COAP_IS_REQUEST, COAP_CON, COAP_GET, 4, 1, 3, 0 },
	{ "44030004aabbccddb1300132122d16", COAP_IS_REQUEST, COAP_CON, COAP_PUT, 4, 3, 4, 0 },
	{ "44030005aabbccddb13001321170", COAP_IS_REQUEST, COAP_CON, COAP_PUT, 4, 3, 5, 0 },
	{ "44030006aabbccddb13001321170d1020e", COAP_IS_REQUEST, COAP_CON, COAP_PUT, 4, 4, 6, 0 },
	{ "44010007aabbccddb1316170", COAP_IS_REQUEST, COAP_CON, COAP_GET, 4, 2, 7, 0 },
	{ "44020008aabbccddb26273", COAP_IS_REQUEST, COAP_CON, COAP_POST, 4, 1, 8, 0 },
	{ "44010009c08e9be1b662737061636b4b65703d6465762d303030310a6163633d3c2f302f303e2170",
	  COAP_IS_REQUEST, COAP_CON, COAP_GET, 4, 4, 9, 0 },
	{ "40000a0b", COAP_IS_PING, COAP_CON, COAP_EMPTY, 0, 0, 0x0a0b, 0 },
	{ "70000a0b", COAP_IS_RESET, COAP_RST, COAP_EMPTY, 0, 0, 0x0a0b, 0 },
	/* Own: the empty ACK, payloads, the longest token, separate responses, codes that nobody knows. */
	{ "60000a0b", COAP_IS_ACK, COAP_ACK, COAP_EMPTY, 0, 0, 0x0a0b, 0 },
	{ "4045ffffff00", COAP_IS_RESPONSE, COAP_CON, COAP_CONTENT, 0, 0, 0xffff, 1 },
	{ "58450001010203040506070821ff", COAP_IS_RESPONSE, COAP_NON, COAP_CONTENT, 8, 1, 1,
	  0 },
	{ "401f0001", COAP_IS_REQUEST, COAP_CON, COAP_CODE(0, 31), 0, 0, 1, 0 },
	{ "60610001", COAP_IS_RESPONSE, COAP_ACK, COAP_CODE(3, 1), 0, 0, 1, 0 },
	{ "60bf0001ffffff", COAP_IS_RESPONSE, COAP_ACK, COAP_CODE(5, 31), 0, 0, 1, 2 },
	/* The largest option number; one of 269 bytes would be longer than this table's buffer. */
	{ "40010001e1fef2aa", COAP_IS_REQUEST, COAP_CON, COAP_GET, 0, 1, 1, 0 },
};

static unsigned
count_options(const struct coap_msg *msg)
{
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;
	unsigned n = 0;

	while (coap_option_next(&iter, &option))
		n++;
	return n;
}

/* Writes a parsed message anew; deltas and lengths have one encoding each, so the bytes must be the same. */
static size_t
write_again(const struct coap_msg *msg, uint8_t *out, size_t capacity)
{
	struct writer writer = writer_init(out, capacity);
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;
	uint16_t last = 0;

	coap_write_header(&writer, &msg->header);
	while (coap_option_next(&iter, &option))
		coap_write_option(&writer, &last, &option);
	coap_write_payload(&writer, msg->payload, msg->payload_len);
	return writer_finish(&writer);
}

Test(coap_msg, reads_and_rewrites_the_vectors)
{
	for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
		const struct sound *s = &sound[i];
		uint8_t bytes[BYTES_MAX], again[BYTES_MAX];
		size_t len = unhex(s->hex, bytes), again_len;
		struct coap_msg msg;

		cr_assert_eq(coap_parse(bytes, len, &msg), s->parsed, "%s", s->hex);
		cr_expect_eq(msg.header.type, s->type, "%s", s->hex);
		cr_expect_eq(msg.header.code, s->code, "%s", s->hex);
		cr_expect_eq(msg.header.mid, s->mid, "%s", s->hex);
		cr_expect_eq(msg.header.token_len, s->token_len, "%s", s->hex);
		cr_expect_eq(msg.payload_len, s->payload_len, "%s", s->hex);
		cr_expect_eq(count_options(&msg), s->options, "%s", s->hex);
		again_len = write_again(&msg, again, sizeof again);
		cr_assert_eq(again_len, len, "%s", s->hex);
		cr_expect_arr_eq(again, bytes, len, "%s", s->hex);
	}
}

Test(coap_msg, every_prefix_of_a_message_is_handled)
{
	uint8_t bytes[BYTES_MAX];
	size_t len = unhex("44030006aabbccddb13001321170d1020eff0102", bytes);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1); /* sanitizers see the first byte beyond */
		struct coap_msg msg;
		enum coap_parsed parsed;

		memcpy(exact, bytes, cut);
		parsed = coap_parse(exact, cut, &msg);
		if (parsed == COAP_IS_REQUEST)
			cr_expect_eq(write_again(&msg, bytes + 128, 128), cut);
		free(exact);
	}
}

Test(coap_msg, extended_deltas_and_lengths_meet_at_their_edges)
{
	static const uint16_t numbers[] = { 0, 12, 13, 268, 269, 65535 };
	static const uint16_t lengths[] = { 0, 12, 13, 268, 269, 1100 };
	static const uint8_t value[1100] = { 0xa5, [1099] = 0x5a };

	for (size_t i = 0; i < 6; i++)
		for (size_t j = 0; j < 6; j++) {
			struct coap_option in = { numbers[i], lengths[j], value }, out;
			uint8_t bytes[1200];
			struct writer writer = writer_init(bytes, sizeof bytes);
			struct coap_option_iter iter;
			struct coap_msg msg;
			uint16_t last = 0;

			coap_write_header(&writer, &(struct coap_header){ .code = COAP_GET });
			coap_write_option(&writer, &last, &in);
			cr_assert_eq(coap_parse(bytes, writer_finish(&writer), &msg),
				     COAP_IS_REQUEST);
			iter = coap_options(&msg);
			cr_assert(coap_option_next(&iter, &out));
			cr_assert_eq(out.number, in.number);
			cr_assert_eq(out.len, in.len);
			cr_assert_arr_eq(out.value, value, in.len);
			cr_assert_not(coap_option_next(&iter, &out));
		}
}

/* ---- options against the table ---- */

struct option_case {
	const char *options; /* encoded */
	enum coap_options_verdict verdict;
	uint16_t refused;
	uint16_t has;
	const char *why;
};

static const struct option_case option_cases[] = {
	{ "", COAP_OPTIONS_FINE, 0, 0, "none" },
	{ "10", COAP_OPTIONS_BAD, 1, 0, "If-Match: conditional requests are not understood" },
	{ "50", COAP_OPTIONS_BAD, 5, 0, "If-None-Match" },
	{ "30", COAP_OPTIONS_BAD, 3, 0, "empty Uri-Host" },
	{ "3161", COAP_OPTIONS_FINE, 0, 0, "Uri-Host" },
	{ "31610161", COAP_OPTIONS_BAD, 3, 0, "Uri-Host twice" },
	{ "721633", COAP_OPTIONS_FINE, 0, 0, "Uri-Port" },
	{ "73001633", COAP_OPTIONS_BAD, 7, 0, "Uri-Port of three bytes" },
	{ "90", COAP_OPTIONS_BAD, 9, 0, "OSCORE is not understood" },
	{ "b000", COAP_OPTIONS_FINE, 0, 0, "Uri-Path twice, empty" },
	{ "20", COAP_OPTIONS_FINE, 0, 0, "unknown elective 2" },
	{ "2000", COAP_OPTIONS_FINE, 0, 0, "unknown elective 2, twice" },
	{ "d000", COAP_OPTIONS_BAD, 13, 0, "unknown critical 13" },
	{ "e0fef2", COAP_OPTIONS_BAD, 65535, 0, "unknown critical 65535" },
	{ "e0fef1", COAP_OPTIONS_FINE, 0, 0, "unknown elective 65534" },
	{ "40", COAP_OPTIONS_FINE, 0, 0, "empty ETag: elective, ignored" },
	{ "49000102030405060708", COAP_OPTIONS_FINE, 0, 0, "ETag of nine bytes: ignored" },
	{ "41aa", COAP_OPTIONS_FINE, 0, COAP_HAS_ETAG, "ETag" },
	{ "60", COAP_OPTIONS_FINE, 0, COAP_HAS_OBSERVE, "Observe 0" },
	{ "c128", COAP_OPTIONS_FINE, 0, COAP_HAS_CONTENT_FORMAT, "Content-Format 40" },
	{ "c3000028", COAP_OPTIONS_FINE, 0, 0, "Content-Format of three bytes: ignored" },
	{ "d101ff", COAP_OPTIONS_FINE, 0, COAP_HAS_MAX_AGE, "Max-Age" },
	{ "d10428", COAP_OPTIONS_FINE, 0, COAP_HAS_ACCEPT, "Accept 40" },
	{ "d104280128", COAP_OPTIONS_BAD, 17, COAP_HAS_ACCEPT, "Accept twice" },
	{ "d304000028", COAP_OPTIONS_BAD, 17, 0, "Accept of three bytes" },
	{ "d00a", COAP_OPTIONS_FINE, 0, COAP_HAS_BLOCK2, "Block2 0/0/16" },
	{ "d40a00000000", COAP_OPTIONS_BAD, 23, 0, "Block2 of four bytes" },
	{ "d10e0e", COAP_OPTIONS_FINE, 0, COAP_HAS_BLOCK1, "Block1 0/1/1024" },
	{ "d10e0e010e", COAP_OPTIONS_BAD, 27, COAP_HAS_BLOCK1, "Block1 twice" },
	{ "d10f40", COAP_OPTIONS_FINE, 0, COAP_HAS_SIZE2, "Size2" },
	{ "d20f0400", COAP_OPTIONS_FINE, 0, COAP_HAS_SIZE2, "Size2, two bytes" },
	{ "d22f0400", COAP_OPTIONS_FINE, 0, COAP_HAS_SIZE1, "Size1" },
	{ "d52f0000000400", COAP_OPTIONS_FINE, 0, 0, "Size1 of five bytes: ignored" },
	{ "d11661", COAP_OPTIONS_PROXY, 35, 0, "Proxy-Uri" },
	{ "d016", COAP_OPTIONS_BAD, 35, 0, "empty Proxy-Uri" },
	{ "d11a61", COAP_OPTIONS_PROXY, 39, 0, "Proxy-Scheme" },
	{ "d1166161610161", COAP_OPTIONS_BAD, 41, 0, "Proxy-Uri, then unknown critical 41" },
};

static void
parse_options(const char *hex, struct coap_msg *msg, uint8_t bytes[4 + BYTES_MAX])
{
	size_t len;

	memcpy(bytes, "\x40\x02\x00\x01", 4);
	len = 4 + unhex(hex, bytes + 4);
	cr_assert_eq(coap_parse(bytes, len, msg), COAP_IS_REQUEST, "%s", hex);
}

Test(coap_msg, options_are_held_against_the_table)
{
	for (size_t i = 0; i < sizeof option_cases / sizeof option_cases[0]; i++) {
		const struct option_case *c = &option_cases[i];
		uint8_t bytes[4 + BYTES_MAX];
		struct coap_msg msg;
		struct coap_options_seen seen;

		parse_options(c->options, &msg, bytes);
		cr_expect_eq(coap_options_check(&msg, &seen), c->verdict, "%s", c->why);
		cr_expect_eq(seen.refused, c->refused, "%s: %u", c->why, seen.refused);
		cr_expect_eq(seen.has, c->has, "%s: %x", c->why, seen.has);
	}
}

Test(coap_msg, seen_options_carry_their_values)
{
	uint8_t bytes[4 + BYTES_MAX];
	struct coap_msg msg;
	struct coap_options_seen seen;

	/* ETag aabb, Content-Format 11542, Max-Age 60, Accept 112, Block2 5/0/64, Block1 1/1/1024, Size1 1152 */
	parse_options("42aabb822d16213c31706152411ed214"
		      "0480",
		      &msg, bytes);
	cr_assert_eq(coap_options_check(&msg, &seen), COAP_OPTIONS_FINE);
	cr_assert_eq(seen.etag.len, 2);
	cr_assert_arr_eq(seen.etag.value, "\xaa\xbb", 2);
	cr_assert_eq(seen.content_format, 11542);
	cr_assert_eq(seen.max_age, 60);
	cr_assert_eq(seen.accept, 112);
	cr_assert_eq(seen.block2, 5 << 4 | 2);
	cr_assert_eq(seen.block1, 1 << 4 | 8 | 6);
	cr_assert_eq(seen.size1, 1152);
}

Test(coap_msg, uints_accept_leading_zeros_and_saturate)
{
	static const uint8_t value[] = { 0, 0, 0, 0, 1, 2 };

	cr_assert_eq(coap_option_uint(&(struct coap_option){ 60, 0, value }), 0);
	cr_assert_eq(coap_option_uint(&(struct coap_option){ 60, 6, value }), 0x0102);
	cr_assert_eq(
		coap_option_uint(&(struct coap_option){ 60, 5, (const uint8_t *)"\1\0\0\0\0" }),
		UINT32_MAX);
}

Test(coap_msg, paths_match_whole_segments)
{
	static const struct {
		const char *options, *path;
		bool is;
	} cases[] = {
		{ "", "bs", false },
		{ "", "", true },
		{ "b0", "", false },
		{ "b26273", "bs", true },
		{ "b26273", "b", false },
		{ "b26273", "bsx", false },
		{ "b26273", "a/bs", false },
		{ "b2627300", "bs", false },
		{ "b0026273", "bs", false },
		{ "b1610162026273", "a/b/bs", true },
		{ "b161026273", "a/bs", true },
		{ "b1610262734161", "a/bs", true }, /* a query behind */
		{ "b4612f6273", "a/bs", false },    /* one segment that holds a slash */
		{ "3161826273", "bs", true },       /* a Uri-Host before */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t bytes[4 + BYTES_MAX];
		struct coap_msg msg;

		parse_options(cases[i].options, &msg, bytes);
		cr_expect_eq(coap_path_is(&msg, cases[i].path), cases[i].is, "%s %s",
			     cases[i].options, cases[i].path);
	}
}

Test(coap_msg, blocks_refuse_szx_7_and_round_trip)
{
	struct coap_block block;

	cr_assert_eq(coap_block_decode(7, &block), -EINVAL);
	for (uint32_t value = 0; value < 1u << 12; value++)
		if (coap_block_decode(value, &block) == 0)
			cr_assert_eq(coap_block_encode(&block), value);
	cr_assert_eq(coap_block_decode(0xfffffe, &block), 0);
	cr_assert_eq(block.num, COAP_BLOCK_NUM_MAX);
	cr_assert_eq(block.more, 1);
	cr_assert_eq(coap_block_size(block.szx), COAP_BLOCK_MAX);
}

/* ---- writing ---- */

Test(coap_msg, options_out_of_order_and_long_tokens_fail_the_writer)
{
	uint8_t bytes[32];
	struct writer writer = writer_init(bytes, sizeof bytes);
	uint16_t last = COAP_OPTION_ACCEPT;

	coap_write_option_uint(&writer, &last, COAP_OPTION_URI_PATH, 0);
	cr_assert_not(writer_ok(&writer));
	writer = writer_init(bytes, sizeof bytes);
	coap_write_header(&writer, &(struct coap_header){ .token_len = 9 });
	cr_assert_not(writer_ok(&writer));
	writer = writer_init(bytes, 3);
	coap_write_empty(&writer, COAP_RST, 1);
	cr_assert_eq(writer_finish(&writer), 0);
}

Test(coap_msg, writes_uints_in_their_shortest_form)
{
	uint8_t bytes[64], expected[BYTES_MAX];
	struct writer writer = writer_init(bytes, sizeof bytes);
	uint16_t last = 0;
	size_t len = unhex("c0"
			   "21ff"
			   "33010000"
			   "d41e"
			   "ffffffff",
			   expected);

	coap_write_option_uint(&writer, &last, COAP_OPTION_CONTENT_FORMAT, 0);
	coap_write_option_uint(&writer, &last, COAP_OPTION_MAX_AGE, 255);
	coap_write_option_uint(&writer, &last, COAP_OPTION_ACCEPT, 0x10000);
	coap_write_option_uint(&writer, &last, COAP_OPTION_SIZE1, UINT32_MAX);
	cr_assert_eq(writer_finish(&writer), len);
	cr_assert_arr_eq(bytes, expected, len);
}

Test(coap_msg, writes_the_request_of_a_device)
{
	uint8_t bytes[64], expected[BYTES_MAX];
	size_t len =
		unhex("44021234c08e9be1b262734b65703d6465762d30303031077063743d313132", expected);
	struct writer writer = writer_init(bytes, sizeof bytes);
	struct coap_header header = { .type = COAP_CON,
				      .code = COAP_POST,
				      .mid = 0x1234,
				      .token_len = 4,
				      .token = { 0xc0, 0x8e, 0x9b, 0xe1 } };
	uint16_t last = 0;

	coap_write_header(&writer, &header);
	coap_write_option_text(&writer, &last, COAP_OPTION_URI_PATH, "bs");
	coap_write_option_text(&writer, &last, COAP_OPTION_URI_QUERY, "ep=dev-0001");
	coap_write_option_text(&writer, &last, COAP_OPTION_URI_QUERY, "pct=112");
	coap_write_payload(&writer, NULL, 0);
	cr_assert_eq(writer_finish(&writer), len);
	cr_assert_arr_eq(bytes, expected, len);
}

Test(coap_msg, answers_a_ping_with_its_pong)
{
	static const uint8_t ping[] = { 0x40, 0x00, 0x0a, 0x0b };
	uint8_t pong[4];
	struct writer writer = writer_init(pong, sizeof pong);
	struct coap_msg msg;

	cr_assert_eq(coap_parse(ping, sizeof ping, &msg), COAP_IS_PING);
	coap_write_empty(&writer, COAP_RST, msg.header.mid);
	cr_assert_eq(writer_finish(&writer), 4);
	cr_assert_arr_eq(pong, "\x70\x00\x0a\x0b", 4);
}

Test(coap_msg, tokens_differ_by_length_too)
{
	struct coap_header a = { .token_len = 2, .token = { 1, 0 } },
			   b = { .token_len = 1, .token = { 1 } };

	cr_assert_not(coap_token_equal(&a, &b));
	b.token_len = 2;
	cr_assert(coap_token_equal(&a, &b));
}
