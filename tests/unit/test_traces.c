/* What a trace shows: messages decoded, payloads by length alone, nothing that misleads a terminal. */
#include <errno.h>

#include <criterion/criterion.h>

#include "control/runs/trace.h"
#include "tests/unit/fake_dataplane.h"

static struct dataplane dp;
static struct traces *traces;
static struct text text;

static void
set_up(void)
{
	fake_init(&dp);
	traces = traces_new(&dp);
	text_init(&text);
}

static void
tear_down(void)
{
	text_fini(&text);
	traces_free(traces);
	cr_assert_eq(dp.n_traced, 0, "a device is traced for ever");
}

TestSuite(traces, .init = set_up, .fini = tear_down);

static void
record(uint32_t device, enum trace_kind kind, const char *bytes, size_t len)
{
	struct trace_record *at = &dp.traces[dp.n_traces];

	*at = (struct trace_record){ .time_us = 5000000 + 13 * dp.n_traces,
				     .device = device,
				     .kind = (uint8_t)kind,
				     .step = TRACE_NO_STEP,
				     .peer = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
					       .port = 5000 },
				     .len = (uint16_t)len };
	memcpy(at->bytes, bytes, len < TRACE_BYTES ? len : TRACE_BYTES);
	dp.n_traces++;
}

static struct trace *
started(uint32_t device)
{
	int error;
	struct trace *trace = traces_start(traces, device, TRACE_WISH_MESSAGES, &error);

	cr_assert(trace, "%d", error);
	return trace;
}

/* One record alone, without time. */
static const char *
shown(enum trace_kind kind, const char *bytes, size_t len, uint16_t step,
      trace_payload_formatter *formatter)
{
	struct trace *trace = started(7);
	const char *line;

	record(7, kind, bytes, len);
	dp.traces[0].step = step;
	cr_assert_eq(traces_poll(traces), 1);
	text_fini(&text);
	text_init(&text);
	cr_assert_eq(trace_format(trace, formatter, NULL, &text), 1);
	traces_stop(traces, trace);
	line = strstr(text_str(&text), "s  ");
	cr_assert(line);
	return line + 3;
}

Test(traces, messages_as_lines)
{
	static const struct {
		enum trace_kind kind;
		uint16_t step;
		const char *bytes;
		size_t len;
		const char *line;
	} cases[] = {
#define CASE(kind, step, bytes, line) { kind, step, bytes, sizeof bytes - 1, line }
		CASE(TRACE_RECEIVED, TRACE_NO_STEP,
		     "\x44\x02\x12\x34\xc0\x8e\x9b\xe1\xb2"
		     "bs\x47"
		     "ep=dev1\x07"
		     "pct=112",
		     "10.0.0.1:5000 -> CON POST /bs?ep=dev1&pct=112, mid 0x1234, token c08e9be1\n"),
		CASE(TRACE_SENT, 0, "\x64\x44\x12\x34\xc0\x8e\x9b\xe1",
		     "10.0.0.1:5000 <- ACK 2.04 Changed, mid 0x1234, token c08e9be1\n"),
		CASE(TRACE_SENT, 0,
		     "\x41\x03\xa1\xa1\x06\xb1"
		     "0\x01"
		     "2\x12\x2d\x16\xffgeheim",
		     "10.0.0.1:5000 <- CON PUT /0/2, mid 0xa1a1, token 06, format 11542 (TLV), "
		     "step 1, payload 6 bytes\n"),
		CASE(TRACE_RECEIVED, 0, "\x61\x44\xa1\xa1\x06",
		     "10.0.0.1:5000 -> ACK 2.04 Changed, mid 0xa1a1, token 06, step 1\n"),
		CASE(TRACE_SENT, 4,
		     "\x40\x03\x00\x01\xb1"
		     "0\x11*\xd1\x02\x1e\xd2\x14\x05\x78\xff"
		     "abc",
		     "10.0.0.1:5000 <- CON PUT /0, mid 0x0001, format 42 (opaque), block1 1+ of "
		     "1024 bytes, size1 1400, step 5, payload 3 bytes\n"),
		CASE(TRACE_SENT, 1, "\x40\x04\x00\x02",
		     "10.0.0.1:5000 <- CON DELETE /, mid 0x0002, step 2\n"),
		CASE(TRACE_RECEIVED, 1, "\x70\x00\x00\x02",
		     "10.0.0.1:5000 -> RST, mid 0x0002, step 2\n"),
		CASE(TRACE_RECEIVED, TRACE_NO_STEP, "\x50\x9f\x00\x02",
		     "10.0.0.1:5000 -> NON 4.31, mid 0x0002\n"),
		CASE(TRACE_SENT, TRACE_NO_STEP, "\x60\xa3\x00\x02\xd1\x01\x3c",
		     "10.0.0.1:5000 <- ACK 5.03 Service Unavailable, mid 0x0002, max-age 60 s\n"),
		CASE(TRACE_RECEIVED, TRACE_NO_STEP, "\x40\x02\x00\x03\xb3\x1b[m",
		     "10.0.0.1:5000 -> CON POST /\\x1b[m, mid 0x0003\n"),
		CASE(TRACE_RECEIVED, TRACE_NO_STEP, "\x40\x02\x00\x03\xff",
		     "10.0.0.1:5000 -> 5 bytes that are no CoAP message: 40020003ff\n"),
		CASE(TRACE_RECEIVED, TRACE_NO_STEP, "",
		     "10.0.0.1:5000 -> 0 bytes that are no CoAP message\n"),
		CASE(TRACE_ASSOCIATED, TRACE_NO_STEP, "",
		     "10.0.0.1:5000 -- DTLS handshake finished\n"),
		CASE(TRACE_ASSOCIATED, TRACE_NO_STEP, "\xc0\xa8",
		     "10.0.0.1:5000 -- DTLS handshake finished, TLS_PSK_WITH_AES_128_CCM_8\n"),
		CASE(TRACE_ASSOCIATED, TRACE_NO_STEP, "\xc0\xac",
		     "10.0.0.1:5000 -- DTLS handshake finished, TLS_ECDHE_ECDSA_WITH_AES_128_CCM\n"),
		CASE(TRACE_ASSOCIATED, TRACE_NO_STEP, "\x12\x34",
		     "10.0.0.1:5000 -- DTLS handshake finished, an unknown suite\n"),
		CASE(TRACE_SENT, 0, "\x61\x45\x00\x04\x01\x44\x0a\x0b\x0c\x0d",
		     "10.0.0.1:5000 <- ACK 2.05 Content, mid 0x0004, token 01, etag 0a0b0c0d\n"),
		CASE(TRACE_RECEIVED, 0, "\x61\x45\x00\x05\x01\xc1\x28\xff</0/1>;ssid=2",
		     "10.0.0.1:5000 -> ACK 2.05 Content, mid 0x0005, token 01, format 40 "
		     "(link-format), step 1, payload 13 bytes: </0/1>;ssid=2\n"),
		CASE(TRACE_RECEIVED, 0, "\x61\x80\x00\x06\x01\xffno \x1b[2J",
		     "10.0.0.1:5000 -> ACK 4.00 Bad Request, mid 0x0006, token 01, step 1, payload "
		     "7 bytes: no \\x1b[2J\n"),
#undef CASE
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_str_eq(
			shown(cases[i].kind, cases[i].bytes, cases[i].len, cases[i].step, NULL),
			cases[i].line);
}

static void
formatter(void *ctx, const struct trace_payload *payload, struct text *out)
{
	text_printf(out, "%s step %u format %d: %zu of %zu", payload->path, payload->step,
		    payload->format, payload->len, payload->whole);
}

Test(traces, a_formatter_gets_payloads_and_how_much_of_them_is_missing)
{
	char bytes[1000] = "\x40\x03\x00\x01\xb1"
			   "0\x12\x2d\x16\xff";
	const char *line;

	memset(bytes + 10, 'x', sizeof bytes - 10);
	line = shown(TRACE_SENT, bytes, sizeof bytes, 2, formatter);
	cr_assert(strstr(line, ", /0 step 2 format 11542: 246 of 990\n"), "%s", line);
}

Test(traces, times_count_from_the_first_record)
{
	struct trace *trace = started(7);

	record(7, TRACE_ASSOCIATED, "", 0);
	record(7, TRACE_ASSOCIATION_ENDED, "", 0);
	dp.traces[1].time_us += 12000000;
	traces_poll(traces);
	trace_format(trace, NULL, NULL, &text);
	cr_assert(strncmp(text_str(&text), "+0.000000 s is 20", 17) == 0, "%s", text_str(&text));
	cr_assert(strstr(text_str(&text), "Z\n+0.000000 s  10.0.0.1"), "%s", text_str(&text));
	cr_assert(strstr(text_str(&text), "\n+12.000013 s  "), "%s", text_str(&text));
	cr_assert_eq(trace_format(trace, NULL, NULL, &text), 0, "shown twice");
}

Test(traces, each_sees_its_device_and_two_may_see_one)
{
	struct trace *one = started(7), *same = started(7), *other = started(8);

	cr_assert_eq(dp.n_traced, 2);
	record(7, TRACE_ASSOCIATED, "", 0);
	record(8, TRACE_ASSOCIATED, "", 0);
	record(9, TRACE_ASSOCIATED, "", 0);
	cr_assert_eq(traces_poll(traces), 3);
	cr_assert_eq(trace_format(one, NULL, NULL, &text), 1);
	cr_assert_eq(trace_format(same, NULL, NULL, &text), 1);
	cr_assert_eq(trace_format(other, NULL, NULL, &text), 1);
	traces_stop(traces, one);
	cr_assert_eq(dp.n_traced, 2, "the other view is cut off");
	traces_stop(traces, same);
	cr_assert_eq(dp.n_traced, 1);
}

Test(traces, no_more_than_the_workers_hold)
{
	int error = 0;

	for (uint32_t i = 0; i < TRACED_MAX; i++)
		started(i);
	cr_assert_null(traces_start(traces, 99, TRACE_WISH_MESSAGES, &error));
	cr_assert_eq(error, -ENOSPC);
}

Test(traces, an_end_that_finds_the_mailbox_full_is_tried_again)
{
	struct trace *trace = started(7);
	int error = 0;

	dp.trace_error = -EAGAIN;
	traces_stop(traces, trace);
	cr_assert_eq(dp.n_traced, 1);
	cr_assert_null(traces_start(traces, 8, TRACE_WISH_MESSAGES, &error));
	cr_assert_eq(error, -EAGAIN);
	dp.trace_error = 0;
	traces_poll(traces);
	cr_assert_eq(dp.n_traced, 0);
}

Test(traces, what_is_too_much_is_counted_and_told)
{
	struct trace *trace = started(7);

	for (unsigned i = 0; i < TRACE_KEPT + 5; i++) {
		record(7, TRACE_ASSOCIATED, "", 0);
		traces_poll(traces);
	}
	cr_assert_eq(trace_format(trace, NULL, NULL, &text), TRACE_KEPT);
	cr_assert(strstr(text_str(&text), "5 messages are missing here"));
}

Test(traces, for_machines)
{
	struct trace *trace = started(7);
	json_t *array, *first;

	record(7, TRACE_ASSOCIATED, "", 0);
	traces_poll(traces);
	array = trace_json(trace, NULL, NULL);
	first = json_array_get(array, 0);
	cr_assert_eq(json_array_size(array), 1);
	cr_assert_eq(json_integer_value(json_object_get(first, "t_us")), 0);
	cr_assert(strstr(json_string_value(json_object_get(first, "line")), "finished"));
	json_decref(array);
}

Test(traces, two_views_of_a_device_ask_workers_for_what_both_want)
{
	int error;
	struct trace *messages = started(7);
	struct trace *datagrams = traces_start(traces, 7, TRACE_WISH_DATAGRAMS, &error);
	struct trace *more = started(7);

	cr_expect_eq(dp.wish, TRACE_WISH_DATAGRAMS, "a view that wants less takes nothing away");
	dp.trace_error = -EAGAIN;
	traces_stop(traces, datagrams);
	dp.trace_error = 0;
	traces_poll(traces);
	cr_expect_eq(dp.wish, TRACE_WISH_MESSAGES, "nobody wants datagrams any more");
	traces_stop(traces, more);
	cr_expect_eq(dp.n_traced, 1);
	traces_stop(traces, messages);
	cr_expect_eq(dp.n_traced, 0);
}

Test(traces, a_refused_certificate_is_told_with_its_reason_and_a_remedy)
{
	static const char denied[] = { EC_DENIED };

	cr_assert_str_eq(shown(TRACE_HANDSHAKE_REFUSED, denied, sizeof denied, TRACE_NO_STEP, NULL),
			 "10.0.0.1:5000 -- DTLS handshake refused: its certificate is on the deny "
			 "list; `trust allow HASH` takes it off the list\n");
}
