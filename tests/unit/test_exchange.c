/* One request of ours and its reply: encoding, matching, retransmission times, blocks. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/coap/coap_block1.h"
#include "dataplane/core/coap/coap_exchange.h"

static const struct exchange_timing rfc7252 = { 2000000, 150, 4 };

/* A step with these options and payload, on the heap. */
static struct batch_step *
step_new(uint8_t code, uint8_t expect, const char *options, size_t options_len, uint8_t last_option,
	 const uint8_t *payload, size_t payload_len)
{
	struct batch_step *step = malloc(sizeof *step + options_len + payload_len);

	cr_assert(step);
	*step = (struct batch_step){ .code = code,
				     .expect = expect,
				     .last_option = last_option,
				     .options_len = (uint16_t)options_len,
				     .payload_len = (uint32_t)payload_len };
	memcpy(step->bytes, options, options_len);
	if (payload_len)
		memcpy(step->bytes + options_len, payload, payload_len);
	return step;
}

/* PUT /0/2 in TLV and in CBOR, with a payload of `len` counted bytes. */
static struct batch_step *
put_step(size_t len)
{
	uint8_t *payload = malloc(len + 1);
	struct batch_step *step;

	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	step = step_new(COAP_PUT, BATCH_EXPECT_WRITE, "\xb1\x30\x01\x32\x11\x70", 6,
			COAP_OPTION_CONTENT_FORMAT, payload, len);
	free(payload);
	return step;
}

static void
begin_as(struct exchange *exchange, uint16_t mid)
{
	/* The token of the vectors, then the jitter: none. */
	static const uint8_t random[EXCHANGE_RANDOM_LEN] = { 0xaa, 0xbb, 0xcc, 0xdd,
							     0xee, 0xff, 0x11, 0x22 };

	exchange_open(exchange, (uint16_t)(mid - 1));
	exchange_begin(exchange, &rfc7252, random);
}

static size_t
written(const struct exchange *exchange, const struct batch_step *step, uint8_t out[1280])
{
	struct writer writer = writer_init(out, 1280);

	exchange_write(exchange, step, &writer);
	return writer_finish(&writer);
}

/* ---- what goes out ---- */

/* The header vectors of the protocol notes (4-byte tokens there, 8 bytes here): RFC 7252 3, OMA TS
 * Transport 6.4.3. */
Test(exchange, writes_the_vectors)
{
	static const struct {
		uint8_t code;
		const char *options;
		size_t options_len;
		const char *payload, *want;
		size_t want_len;
	} cases[] = {
		{ COAP_DELETE, "", 0, "", "\x48\x04\x00\x01\xaa\xbb\xcc\xdd\xee\xff\x11\x22", 12 },
		{ COAP_DELETE, "\xb1\x30", 2, "",
		  "\x48\x04\x00\x01\xaa\xbb\xcc\xdd\xee\xff\x11\x22\xb1\x30", 14 },
		{ COAP_GET, "\xd1\x04\x28", 3, "",
		  "\x48\x01\x00\x01\xaa\xbb\xcc\xdd\xee\xff\x11\x22\xd1\x04\x28", 15 },
		{ COAP_POST, "\xb2\x62\x73", 3, "",
		  "\x48\x02\x00\x01\xaa\xbb\xcc\xdd\xee\xff\x11\x22\xb2\x62\x73", 15 },
		{ COAP_PUT, "\xb1\x30\x01\x32\x12\x2d\x16", 7, "xyz",
		  "\x48\x03\x00\x01\xaa\xbb\xcc\xdd\xee\xff\x11\x22\xb1\x30\x01\x32\x12\x2d\x16\xff"
		  "xyz",
		  23 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct batch_step *step =
			step_new(cases[i].code, 0, cases[i].options, cases[i].options_len, 0,
				 (const uint8_t *)cases[i].payload, strlen(cases[i].payload));
		struct exchange exchange;
		uint8_t out[1280];

		begin_as(&exchange, 1);
		cr_assert_eq(written(&exchange, step, out), cases[i].want_len, "case %zu", i);
		cr_assert(memcmp(out, cases[i].want, cases[i].want_len) == 0, "case %zu", i);
		free(step);
	}
}

Test(exchange, a_payload_of_1024_goes_whole_and_one_more_byte_in_blocks)
{
	/* RFC 7959 2.1, 2.2: Block1 0/1/1024 behind Content-Format is d1 02 0e. */
	static const uint8_t block_header[] = { 0x48, 0x03, 0x00, 0x06, 0xaa, 0xbb, 0xcc, 0xdd,
						0xee, 0xff, 0x11, 0x22, 0xb1, 0x30, 0x01, 0x32,
						0x11, 0x70, 0xd1, 0x02, 0x0e, 0xff };
	struct batch_step *whole = put_step(1024), *blocks = put_step(1025);
	struct exchange exchange;
	uint8_t out[1280];

	begin_as(&exchange, 6);
	cr_assert_eq(written(&exchange, whole, out), 12 + 6 + 1 + 1024);
	cr_assert_eq(written(&exchange, blocks, out), sizeof block_header + 1024);
	cr_assert(memcmp(out, block_header, sizeof block_header) == 0);
	cr_assert(memcmp(out + sizeof block_header, batch_step_payload(blocks), 1024) == 0);
	free(whole);
	free(blocks);
}

Test(exchange, a_retransmission_is_byte_equal)
{
	struct batch_step *step = put_step(300);
	struct exchange exchange;
	uint8_t first[1280], again[1280];
	size_t len;

	begin_as(&exchange, 7);
	len = written(&exchange, step, first);
	exchange_back_off(&exchange);
	cr_assert_eq(written(&exchange, step, again), len);
	cr_assert(memcmp(first, again, len) == 0);
	free(step);
}

Test(exchange, a_buffer_too_small_yields_nothing)
{
	struct batch_step *step = put_step(100);
	struct exchange exchange;
	uint8_t out[64];
	struct writer writer = writer_init(out, sizeof out);

	begin_as(&exchange, 7);
	exchange_write(&exchange, step, &writer);
	cr_assert_eq(writer_finish(&writer), 0);
	free(step);
}

/* ---- time: RFC 7252 4.2, 4.8 ---- */

Test(exchange, waits_double_from_a_random_start)
{
	static const struct {
		uint32_t random, ack_timeout_us, percent, want;
	} cases[] = {
		{ 0, 2000000, 150, 2000000 },
		{ 0xffffffff, 2000000, 150, 2999999 },
		{ 0x80000000, 2000000, 150, 2500000 },
		{ 0xffffffff, 2000000, 100, 2000000 },
		{ 0xffffffff, 2000000, 50, 2000000 },
		{ 0, 4000000000, 150, 4000000000 },
		{ 0xffffffff, 4000000000, 300, UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct exchange_timing timing = { cases[i].ack_timeout_us, cases[i].percent, 4 };
		uint8_t random[EXCHANGE_RANDOM_LEN] = { 0 };
		struct exchange exchange;

		memcpy(random + EXCHANGE_TOKEN_LEN, &cases[i].random, 4);
		exchange_open(&exchange, 0);
		exchange_begin(&exchange, &timing, random);
		cr_expect_eq(exchange.timeout_us, cases[i].want, "case %zu: %u", i,
			     exchange.timeout_us);
		cr_expect_eq(exchange.retransmits_left, 4);
	}
}

Test(exchange, back_off_saturates)
{
	struct exchange exchange = { .timeout_us = 3000000000, .retransmits_left = 2 };

	exchange_back_off(&exchange);
	cr_assert_eq(exchange.timeout_us, UINT32_MAX);
	cr_assert_eq(exchange.retransmits_left, 1);
}

Test(exchange, message_ids_count_on_over_the_wrap)
{
	struct exchange exchange;
	uint8_t random[EXCHANGE_RANDOM_LEN] = { 0 };

	exchange_open(&exchange, 0xffff);
	exchange_begin(&exchange, &rfc7252, random);
	cr_assert_eq(exchange.mid, 0);
	exchange_restart(&exchange);
	exchange_begin(&exchange, &rfc7252, random);
	cr_assert_eq(exchange.mid, 1);
}

/* ---- what comes back: RFC 7252 4.2, 5.2, 5.3.2 ---- */

static struct coap_header
header_of(enum coap_type type, uint8_t code, uint16_t mid, const char *token, size_t token_len)
{
	struct coap_header header = {
		.type = type, .code = code, .mid = mid, .token_len = (uint8_t)token_len
	};

	memcpy(header.token, token, token_len);
	return header;
}

#define OURS "\xaa\xbb\xcc\xdd\xee\xff\x11\x22"

Test(exchange, matches_replies)
{
	static const struct {
		const char *what;
		bool outstanding;
		enum coap_parsed parsed;
		enum coap_type type;
		uint16_t mid;
		const char *token;
		size_t token_len;
		enum exchange_match want;
	} cases[] = {
		{ "nothing is out", false, COAP_IS_RESPONSE, COAP_ACK, 5, OURS, 8, EXCHANGE_NONE },
		{ "nothing is out", false, COAP_IS_ACK, COAP_ACK, 5, "", 0, EXCHANGE_NONE },
		{ "nothing is out", false, COAP_IS_RESET, COAP_RST, 5, "", 0, EXCHANGE_NONE },
		{ "nothing is out", false, COAP_IS_RESPONSE, COAP_CON, 5, OURS, 8, EXCHANGE_NONE },
		{ "another id", true, COAP_IS_ACK, COAP_ACK, 6, "", 0, EXCHANGE_NONE },
		{ "another id", true, COAP_IS_RESET, COAP_RST, 6, "", 0, EXCHANGE_NONE },
		{ "piggybacked, another id", true, COAP_IS_RESPONSE, COAP_ACK, 6, OURS, 8,
		  EXCHANGE_NONE },
		{ "wrong token", true, COAP_IS_RESPONSE, COAP_ACK, 5,
		  "\xaa\xbb\xcc\xdd\xee\xff\x11\x23", 8, EXCHANGE_NONE },
		{ "cut token", true, COAP_IS_RESPONSE, COAP_ACK, 5, OURS, 7, EXCHANGE_NONE },
		{ "no token", true, COAP_IS_RESPONSE, COAP_ACK, 5, "", 0, EXCHANGE_NONE },
		{ "separate, no token", true, COAP_IS_RESPONSE, COAP_CON, 5, "", 0, EXCHANGE_NONE },
		{ "piggybacked", true, COAP_IS_RESPONSE, COAP_ACK, 5, OURS, 8, EXCHANGE_REPLY },
		{ "separate CON", true, COAP_IS_RESPONSE, COAP_CON, 700, OURS, 8, EXCHANGE_REPLY },
		{ "separate NON", true, COAP_IS_RESPONSE, COAP_NON, 700, OURS, 8, EXCHANGE_REPLY },
		{ "empty ACK", true, COAP_IS_ACK, COAP_ACK, 5, "", 0, EXCHANGE_ACK },
		{ "Reset", true, COAP_IS_RESET, COAP_RST, 5, "", 0, EXCHANGE_RESET },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct coap_header header = header_of(cases[i].type, COAP_CHANGED, cases[i].mid,
						      cases[i].token, cases[i].token_len);
		struct exchange exchange;

		begin_as(&exchange, 5);
		cr_expect_eq(
			exchange_match(&exchange, cases[i].outstanding, cases[i].parsed, &header),
			cases[i].want, "case %zu: %s", i, cases[i].what);
	}
}

Test(exchange, a_copy_of_a_separate_response_is_recognised_later)
{
	uint8_t random[EXCHANGE_RANDOM_LEN] = { 1 };
	struct coap_header separate = header_of(COAP_CON, COAP_CHANGED, 700, OURS, 8);
	struct coap_header other = header_of(COAP_CON, COAP_CHANGED, 701, OURS, 8);
	struct coap_header non = header_of(COAP_NON, COAP_CHANGED, 700, OURS, 8);
	struct exchange exchange;

	begin_as(&exchange, 5);
	cr_assert_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &separate), EXCHANGE_REPLY);
	exchange_begin(&exchange, &rfc7252, random);
	cr_expect_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &separate), EXCHANGE_COPY);
	cr_expect_eq(exchange_match(&exchange, false, COAP_IS_RESPONSE, &separate), EXCHANGE_COPY);
	cr_expect_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &other), EXCHANGE_NONE);
	cr_expect_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &non), EXCHANGE_NONE);
	exchange_restart(&exchange); /* a rebooted device's ids mean something else */
	cr_expect_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &separate), EXCHANGE_NONE);
}

Test(exchange, the_last_four_separate_responses_are_remembered)
{
	struct exchange exchange;

	exchange_open(&exchange, 0);
	for (uint16_t mid = 1; mid < 15; mid++) {
		uint8_t random[EXCHANGE_RANDOM_LEN] = { (uint8_t)mid };
		struct coap_header header;

		exchange_begin(&exchange, &rfc7252, random);
		header = header_of(COAP_CON, COAP_CHANGED, mid, (const char *)exchange.token, 8);
		cr_assert_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &header),
			     EXCHANGE_REPLY);
	}
	cr_assert_eq(exchange.n_acked, EXCHANGE_ACKED);
	for (uint16_t mid = 1; mid < 15; mid++) {
		struct coap_header header = header_of(COAP_CON, COAP_CHANGED, mid, "x", 1);

		cr_expect_eq(exchange_match(&exchange, true, COAP_IS_RESPONSE, &header),
			     mid < 11 ? EXCHANGE_NONE : EXCHANGE_COPY);
	}
}

/* ---- replies of ours ---- */

Test(exchange, replies_without_content)
{
	static const struct {
		enum coap_type type;
		uint8_t code;
		const char *want;
		size_t len;
	} cases[] = {
		{ COAP_CON, COAP_CHANGED, "\x64\x44\x12\x34\xc0\x8e\x9b\xe1", 8 },
		{ COAP_CON, COAP_BAD_REQUEST, "\x64\x80\x12\x34\xc0\x8e\x9b\xe1", 8 },
		{ COAP_NON, COAP_BAD_REQUEST, "\x54\x80\x77\x88\xc0\x8e\x9b\xe1", 8 },
		/* Max-Age 60 is option 14: delta 13 + 1 (RFC 7252 5.10.5) */
		{ COAP_CON, COAP_SERVICE_UNAVAILABLE,
		  "\x64\xa3\x12\x34\xc0\x8e\x9b\xe1\xd1\x01\x3c", 11 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct coap_header request =
			header_of(cases[i].type, COAP_POST, 0x1234, "\xc0\x8e\x9b\xe1", 4);
		uint8_t out[64];
		struct writer writer = writer_init(out, sizeof out);

		exchange_write_reply(&writer, &request, cases[i].code, 60, 0x7788);
		cr_assert_eq(writer_finish(&writer), cases[i].len, "case %zu", i);
		cr_assert(memcmp(out, cases[i].want, cases[i].len) == 0, "case %zu", i);
	}
}

/* ---- blocks: RFC 7959 ---- */

/* The reply, as the dialogue judges its code. */
static enum block1_verdict
take_reply(struct block_place *block, const struct batch_step *step, uint8_t code,
	   const struct coap_options_seen *seen)
{
	return block1_reply(block, step, code, bootstrap_accepts(step->expect, code), seen);
}

static struct coap_options_seen
with_block1(uint32_t num, uint8_t more, uint8_t szx)
{
	struct coap_block block = { .num = num, .more = more, .szx = szx };

	return (struct coap_options_seen){ .has = COAP_HAS_BLOCK1,
					   .block1 = coap_block_encode(&block) };
}

static const struct coap_options_seen no_options;

Test(exchange, a_transfer_goes_through_every_block)
{
	struct batch_step *step = put_step(2500);
	struct block_place block;
	uint8_t got[2500];

	block_init(&block);
	for (uint32_t num = 0; num < 3; num++) {
		struct coap_block due = block1_due(&block, step);
		struct coap_options_seen seen = with_block1(num, 1, 6);

		cr_assert(block1_needed(&block, step));
		cr_assert_eq(due.num, num);
		cr_assert_eq(due.more, num < 2);
		cr_assert_eq(due.szx, 6);
		cr_assert_eq(block1_len(&block, step), num < 2 ? 1024 : 452);
		memcpy(got + block.offset, batch_step_payload(step) + block.offset,
		       block1_len(&block, step));
		cr_assert_eq(
			take_reply(&block, step, num < 2 ? COAP_CONTINUE : COAP_CHANGED, &seen),
			num < 2 ? BLOCK1_AGAIN : BLOCK1_FINAL);
	}
	cr_assert(memcmp(got, batch_step_payload(step), sizeof got) == 0);
	free(step);
}

/* RFC 7959 2.5: after 0/1/1024 was answered with size 256, the next block is number 4 of 256 bytes.
 * */
Test(exchange, a_smaller_size_in_the_reply_rescales_the_number)
{
	struct batch_step *step = put_step(2500);
	struct coap_options_seen seen = with_block1(0, 1, 4);
	struct block_place block;
	struct coap_block due;

	block_init(&block);
	cr_assert_eq(take_reply(&block, step, COAP_CONTINUE, &seen), BLOCK1_AGAIN);
	due = block1_due(&block, step);
	cr_assert_eq(due.num, 4);
	cr_assert_eq(due.szx, 4);
	cr_assert_eq(due.more, 1);
	/* Mid-way again: 4/1/256 answered with 64 bytes: 1280 / 64 is 20. */
	seen = with_block1(4, 1, 2);
	cr_assert_eq(take_reply(&block, step, COAP_CONTINUE, &seen), BLOCK1_AGAIN);
	due = block1_due(&block, step);
	cr_assert_eq(due.num, 20);
	cr_assert_eq(due.szx, 2);
	/* A device that rescales the number it acknowledges is understood, too. */
	seen = with_block1(40, 1, 1);
	cr_assert_eq(take_reply(&block, step, COAP_CONTINUE, &seen), BLOCK1_AGAIN);
	cr_assert_eq(block.offset, 1344);
	/* The size stays for the next step, the position does not. */
	block_rewind(&block);
	cr_assert_eq(block.szx, 1);
	cr_assert_eq(block.offset, 0);
	free(step);
}

Test(exchange, block_replies)
{
	static const struct {
		const char *what;
		size_t payload;
		uint32_t offset; /* of the block that is out, in blocks of 1024 */
		uint8_t code;
		int num; /* < 0: no Block1 */
		uint8_t szx;
		enum block1_verdict want;
		uint32_t want_offset;
		uint8_t want_szx;
	} cases[] = {
		{ "plain write accepted", 100, 0, COAP_CHANGED, -1, 0, BLOCK1_FINAL, 0, 6 },
		{ "2.31 to a plain write", 100, 0, COAP_CONTINUE, 0, 6, BLOCK1_FINAL, 0, 6 },
		{ "error in the middle", 3000, 1024, COAP_BAD_REQUEST, -1, 0, BLOCK1_FINAL, 1024,
		  6 },
		{ "2.04 in the middle, no option", 3000, 0, COAP_CHANGED, -1, 0, BLOCK1_REFUSED, 0,
		  6 },
		{ "2.05 in the middle", 3000, 0, COAP_CONTENT, 0, 6, BLOCK1_REFUSED, 0, 6 },
		{ "2.04 per block", 3000, 0, COAP_CHANGED, 0, 6, BLOCK1_AGAIN, 1024, 6 },
		{ "2.31 without option", 3000, 0, COAP_CONTINUE, -1, 0, BLOCK1_AGAIN, 1024, 6 },
		{ "2.31 for another block", 3000, 1024, COAP_CONTINUE, 7, 6, BLOCK1_REFUSED, 1024,
		  6 },
		{ "2.31 with reserved size", 3000, 0, COAP_CONTINUE, 0, 7, BLOCK1_REFUSED, 0, 6 },
		{ "2.31 to the last block", 1500, 1024, COAP_CONTINUE, 1, 6, BLOCK1_FINAL, 1024,
		  6 },
		{ "4.13 without hint", 3000, 0, COAP_REQUEST_ENTITY_TOO_LARGE, -1, 0, BLOCK1_FINAL,
		  0, 6 },
		{ "4.13 to a plain write, without hint", 900, 0, COAP_REQUEST_ENTITY_TOO_LARGE, -1,
		  0, BLOCK1_AGAIN, 0, 4 },
		{ "4.13 to a short write, without hint", 100, 0, COAP_REQUEST_ENTITY_TOO_LARGE, -1,
		  0, BLOCK1_AGAIN, 0, 2 },
		{ "4.13 to one that no block cuts", 16, 0, COAP_REQUEST_ENTITY_TOO_LARGE, -1, 0,
		  BLOCK1_FINAL, 0, 6 },
		{ "4.13 with a reserved size", 3000, 0, COAP_REQUEST_ENTITY_TOO_LARGE, 0, 7,
		  BLOCK1_FINAL, 0, 6 },
		{ "4.13, same size", 3000, 0, COAP_REQUEST_ENTITY_TOO_LARGE, 0, 6, BLOCK1_FINAL, 0,
		  6 },
		{ "4.13, smaller", 3000, 2048, COAP_REQUEST_ENTITY_TOO_LARGE, 0, 3, BLOCK1_AGAIN, 0,
		  3 },
		{ "4.13 to a plain write", 900, 0, COAP_REQUEST_ENTITY_TOO_LARGE, 0, 4,
		  BLOCK1_AGAIN, 0, 4 },
		{ "4.13, no help", 60, 0, COAP_REQUEST_ENTITY_TOO_LARGE, 0, 2, BLOCK1_FINAL, 0, 6 },
		{ "4.08", 3000, 2048, COAP_REQUEST_ENTITY_INCOMPLETE, -1, 0, BLOCK1_AGAIN, 0, 6 },
		{ "4.08 to a plain write", 100, 0, COAP_REQUEST_ENTITY_INCOMPLETE, -1, 0,
		  BLOCK1_FINAL, 0, 6 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct batch_step *step = put_step(cases[i].payload);
		struct coap_options_seen seen =
			cases[i].num < 0 ? no_options : with_block1((uint32_t)cases[i].num, 1, 6);
		struct block_place block = { .offset = cases[i].offset, .szx = 6 };

		if (cases[i].num >= 0)
			seen.block1 = (uint32_t)cases[i].num << 4 | 8 | cases[i].szx;
		cr_expect_eq(take_reply(&block, step, cases[i].code, &seen), cases[i].want, "%s",
			     cases[i].what);
		cr_expect_eq(block.offset, cases[i].want_offset, "%s", cases[i].what);
		cr_expect_eq(block.szx, cases[i].want_szx, "%s", cases[i].what);
		free(step);
	}
}

/* RFC 7959 2.9.3: Size1 of a 4.13 is the most that the device takes in all. */
Test(exchange, what_is_too_large_in_all_is_not_tried_in_blocks)
{
	struct batch_step *step = put_step(900);
	struct coap_options_seen seen = { .has = COAP_HAS_SIZE1, .size1 = 899 };
	struct block_place block;

	block_init(&block);
	cr_expect_eq(take_reply(&block, step, COAP_REQUEST_ENTITY_TOO_LARGE, &seen),
		     BLOCK1_FINAL);
	seen.size1 = 900;
	cr_expect_eq(take_reply(&block, step, COAP_REQUEST_ENTITY_TOO_LARGE, &seen),
		     BLOCK1_AGAIN);
	cr_expect_eq(block.szx, 4);
	/* Refused again without a hint: there is nothing more to try. */
	cr_expect_eq(take_reply(&block, step, COAP_REQUEST_ENTITY_TOO_LARGE, &no_options),
		     BLOCK1_FINAL);
	free(step);
}

/* Every size, and from each to every smaller one in the middle: the bytes are those of the step. */
Test(exchange, a_transfer_shrinks_from_every_size_to_every_smaller_one)
{
	struct batch_step *step = put_step(4000);

	for (uint8_t from = 0; from <= COAP_SZX_MAX; from++)
		for (uint8_t to = 0; to <= from; to++) {
			struct block_place block;
			uint8_t got[4000];
			unsigned blocks = 0;

			block_init(&block);
			block.szx = from;
			for (;;) {
				struct coap_block due = block1_due(&block, step);
				struct coap_options_seen seen =
					with_block1(due.num, 1, blocks == 1 ? to : due.szx);

				cr_assert_eq(due.num * coap_block_size(due.szx), block.offset);
				memcpy(got + block.offset, batch_step_payload(step) + block.offset,
				       block1_len(&block, step));
				blocks++;
				if (!due.more)
					break;
				cr_assert_eq(take_reply(&block, step, COAP_CONTINUE, &seen),
					     BLOCK1_AGAIN);
			}
			cr_expect_eq(block.szx, to);
			cr_expect(memcmp(got, batch_step_payload(step), sizeof got) == 0);
		}
	free(step);
}

Test(exchange, a_transfer_starts_over_once_after_4_08)
{
	struct batch_step *step = put_step(3000);
	struct block_place block = { .offset = 1024, .szx = 6 };

	cr_expect_eq(take_reply(&block, step, COAP_REQUEST_ENTITY_INCOMPLETE, &no_options),
		     BLOCK1_AGAIN);
	cr_expect_eq(take_reply(&block, step, COAP_REQUEST_ENTITY_INCOMPLETE, &no_options),
		     BLOCK1_FINAL);
	block_rewind(&block);
	cr_expect_eq(take_reply(&block, step, COAP_REQUEST_ENTITY_INCOMPLETE, &no_options),
		     BLOCK1_AGAIN);
	free(step);
}
