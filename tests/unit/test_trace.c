/* Traces of a device's dialogue over NoSec: every message of it, and of nobody else. */
#include "tests/unit/scripted_peer.h"

static struct world *world;

static void
set_up(void)
{
	world = world_ready(8);
	world_device(world, "dev-0002", world_batch(world, 11542, 22), 0);
}

static void
tear_down(void)
{
	world_free(world);
}

TestSuite(trace, .init = set_up, .fini = tear_down);

static void
trace(uint32_t device, bool on)
{
	const struct stack_command command = { .kind = STACK_TRACE, .on = on, .device = device };

	stack_command(world->stack, world->now, &command, &world->out);
}

static void
expect_record(unsigned i, enum trace_kind kind, uint8_t code, uint16_t step)
{
	const struct trace_record *record = &world->traces[i];

	cr_assert_lt(i, world->n_traces);
	cr_expect_eq(record->kind, kind, "record %u: kind %u", i, record->kind);
	cr_expect_eq(record->bytes[1], code, "record %u: code %02x", i, record->bytes[1]);
	cr_expect_eq(record->step, step, "record %u: step %u", i, record->step);
	cr_expect_eq(record->device, 1000);
	cr_expect_not(record->secured);
	cr_expect_eq(record->peer.port, PORT);
	cr_expect_eq(record->time_us, world->now);
}

Test(trace, nothing_is_recorded_unless_asked)
{
	finish_from(world, start(world), 0);
	cr_assert_eq(world->n_traces, 0);
}

Test(trace, a_whole_dialogue_from_its_first_request_on)
{
	trace(1000, true);
	finish_from(world, start(world), 0);
	cr_assert_eq(world->n_traces, 8);
	expect_record(0, TRACE_RECEIVED, COAP_POST, TRACE_NO_STEP);
	cr_expect_eq(world->traces[0].len, sizeof request_bytes);
	cr_expect_arr_eq(world->traces[0].bytes, request_bytes, sizeof request_bytes);
	expect_record(1, TRACE_SENT, COAP_CHANGED, 0);
	expect_record(2, TRACE_SENT, COAP_PUT, 0);
	expect_record(3, TRACE_RECEIVED, COAP_CHANGED, 0);
	expect_record(4, TRACE_SENT, COAP_PUT, 1);
	expect_record(5, TRACE_RECEIVED, COAP_CHANGED, 1);
	expect_record(6, TRACE_SENT, COAP_POST, 2);
	expect_record(7, TRACE_RECEIVED, COAP_CHANGED, 2);
}

Test(trace, retransmissions_are_messages_too)
{
	trace(1000, true);
	start(world);
	world_tick(world, 4000000);
	cr_assert_eq(world->n_traces, 4);
	expect_record(3, TRACE_SENT, COAP_PUT, 0);
}

Test(trace, other_devices_and_unknown_ones_are_not)
{
	static const uint8_t request[] = "\x44\x02\x12\x34tokn\xb2"
					 "bs\x4b"
					 "ep=dev-0002";
	static const uint8_t foreign[] = "\x44\x02\x12\x34tokn\xb2"
					 "bs\x4b"
					 "ep=dev-0003";

	trace(1000, true);
	world_feed(world, 6000, request, sizeof request - 1);
	cr_assert_eq(world->out.used, 2);
	world_feed(world, 6001, foreign, sizeof foreign - 1);
	cr_assert_eq(world->out.used, 1);
	world_feed(world, 6002, "\x40\x00\x00\x01", 4);
	cr_assert_eq(world->n_traces, 0);
	feed_request(world, PORT);
	cr_assert_eq(world->n_traces, 3);
}

/* The answer to a request that led to no session is the device's all the same. */
Test(trace, a_refusal)
{
	world_device(world, "dev-0009", NULL, 0);
	trace(1002, true);
	world_feed(world, 6000,
		   "\x44\x02\x12\x34tokn\xb2"
		   "bs\x4b"
		   "ep=dev-0009",
		   23);
	cr_assert_eq(world->n_traces, 2);
	cr_expect_eq(world->traces[0].kind, TRACE_RECEIVED);
	cr_expect_eq(world->traces[1].kind, TRACE_SENT);
	cr_expect_eq(world->traces[1].bytes[1], COAP_BAD_REQUEST);
	cr_expect_eq(world->traces[1].device, 1002);
}

Test(trace, ends_when_told)
{
	struct coap_header request;

	trace(1000, true);
	trace(1000, true); /* twice is once */
	request = start(world);
	trace(1000, false);
	accept_step(world, &request);
	cr_assert_eq(world->n_traces, 3);
	trace(1000, false);
	trace(77, false);
}

Test(trace, a_full_table_and_a_full_ring_are_counted)
{
	struct coap_header request;

	for (uint32_t i = 0; i < TRACED_MAX; i++)
		trace(2000 + i, true);
	trace(1000, true);
	cr_assert_eq(world_count(world, COUNTER_trace_full), 1);
	request = start(world);
	cr_assert_eq(world->n_traces, 0);
	trace(2001, false);
	trace(1000, true);
	world->trace_room = 1;
	finish_from(world, request, 0);
	cr_assert_eq(world->n_traces, 1);
	cr_assert_eq(world_count(world, COUNTER_trace_full), 1 + 4);
}

Test(trace, a_long_message_is_cut_and_says_how_long_it_was)
{
	world_device(world, "dev-0005", world_batch(world, 11542, 700), 0);
	trace(1002, true);
	world_feed(world, 6000,
		   "\x44\x02\x12\x34tokn\xb2"
		   "bs\x4b"
		   "ep=dev-0005",
		   23);
	cr_assert_eq(world->n_traces, 3);
	cr_assert_eq(world->traces[2].len, world->slots[1].len);
	cr_assert_gt(world->traces[2].len, TRACE_BYTES);
	cr_assert_arr_eq(world->traces[2].bytes, world->slots[1].data, TRACE_BYTES);
}

Test(trace, a_capture_without_dtls_has_the_request_that_told_whose_it_is)
{
	const struct stack_command command = {
		.kind = STACK_TRACE, .on = true, .datagrams = true, .device = 1000
	};
	unsigned in = 0, out = 0;

	stack_command(world->stack, world->now, &command, &world->out);
	finish_from(world, start(world), 0);
	for (unsigned i = 0; i < world->n_traces; i++) {
		in += world->traces[i].kind == TRACE_DATAGRAM_IN;
		out += world->traces[i].kind == TRACE_DATAGRAM_OUT;
	}
	cr_expect_eq(in, 4, "%u", in);
	cr_expect_eq(out, 4, "%u", out);
}
