/* The stack over DTLS as it is traced and captured. */
#include "tests/unit/secured_world.h"

SECURED_SUITE(secured_watched);

/* ---- traced ---- */

static void
trace_device(uint32_t id)
{
	const struct stack_command command = { .kind = STACK_TRACE, .on = true, .device = id };

	stack_command(world->stack, world->now, &command, &world->out);
}

Test(secured_watched, a_trace_shows_messages_in_the_clear_and_the_association)
{
	static const enum trace_kind kinds[] = { TRACE_ASSOCIATED, TRACE_RECEIVED, TRACE_SENT,
						 TRACE_SENT, TRACE_RECEIVED };

	trace_device(1000);
	device_handshake(&device);
	device_handshake(&other);
	device_bootstrap(&device, "dev");
	device_send(&device, buffer,
		    client_seal(&device.client, DTLS_ALERT_RECORD, "\x01\x00", 2, buffer));
	cr_assert_eq(world->n_traces, 10);
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		cr_expect_eq(world->traces[i].kind, kinds[i], "record %u", i);
	cr_expect_eq(world->traces[9].kind, TRACE_ASSOCIATION_ENDED);
	cr_expect_eq(world->traces[9].len, 0);
	cr_expect_eq(world->traces[0].len, 2);
	cr_expect_arr_eq(world->traces[0].bytes, "\xc0\xa8", 2, "its suite");
	cr_expect(world->traces[1].secured);
	cr_expect_arr_eq(world->traces[1].bytes, "\x44\x02\x00\x4dtokn", 8);
	cr_expect_eq(world->traces[3].bytes[1], 0x03);
	cr_expect_eq(world->traces[3].step, 0);
}

Test(secured_watched, a_trace_shows_a_wrong_key)
{
	trace_device(1000);
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	await_verdict(&device);
	cr_assert_eq(world->n_traces, 1);
	cr_expect_eq(world->traces[0].kind, TRACE_HANDSHAKE_FAILED);
	cr_expect_eq(world->traces[0].device, 1000);
}

/* ---- captured (capture.h) ---- */

static void
capture_device(uint32_t id, bool on)
{
	const struct stack_command command = {
		.kind = STACK_TRACE, .on = on, .datagrams = on, .device = id
	};

	stack_command(world->stack, world->now, &command, &world->out);
}

/* How many records of the kind there are, and the first one; -1: none. */
static unsigned
n_records(enum trace_kind kind, int *first)
{
	unsigned n = 0;

	*first = -1;
	for (unsigned i = 0; i < world->n_traces; i++)
		if (world->traces[i].kind == kind) {
			*first = n++ ? *first : (int)i;
			cr_expect_eq(world->traces[i].device, 1000, "of nobody else");
		}
	return n;
}

Test(secured_watched, a_capture_has_the_secret_first_then_the_whole_handshake_and_all_records)
{
	int secret, in, out;

	capture_device(1000, true);
	device_handshake(&other);
	device_handshake(&device);
	device_bootstrap(&other, "name");
	device_bootstrap(&device, "dev");
	cr_assert_eq(n_records(TRACE_SECRET, &secret), 1);
	cr_assert_geq(n_records(TRACE_DATAGRAM_IN, &in), 4);
	cr_assert_geq(n_records(TRACE_DATAGRAM_OUT, &out), 4);
	cr_expect(secret < in && in < out);
	cr_expect_eq(world->traces[secret].len, TRACE_RANDOM_BYTES + TRACE_MASTER_BYTES);
	/* The verified ClientHello: epoch 0, with the random of the secret. */
	cr_expect_eq(world->traces[in].bytes[0], DTLS_HANDSHAKE);
	cr_expect_eq(world->traces[in].bytes[DTLS_RECORD_HEADER], DTLS_CLIENT_HELLO);
	cr_expect_arr_eq(world->traces[in].bytes + DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER + 2,
			 world->traces[secret].bytes, TRACE_RANDOM_BYTES);
	cr_expect(world->traces[in].secured);
}

Test(secured_watched, a_capture_of_a_wrong_key_has_its_handshake)
{
	int secret, in;

	capture_device(1000, true);
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	cr_expect_eq(n_records(TRACE_DATAGRAM_IN, &in), 0, "it is not over yet");
	await_verdict(&device);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
	cr_expect_eq(n_records(TRACE_SECRET, &secret), 1);
}

Test(secured_watched, a_capture_that_ends_tells_what_it_holds)
{
	int in;

	capture_device(1000, true);
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	capture_device(1000, false);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
	world->n_traces = 0;
	device_handshake(&device);
	cr_expect_eq(world->n_traces, 0, "no more");
}

Test(secured_watched, a_capture_of_an_association_that_was_there_has_records_without_secret)
{
	int secret, in;

	device_handshake(&device);
	capture_device(1000, true);
	device_bootstrap(&device, "dev");
	cr_expect_eq(n_records(TRACE_SECRET, &secret), 0);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 3);
	cr_expect_eq(world->traces[in].bytes[4], 1, "epoch 1");
}

Test(secured_watched, a_capture_waits_for_room_in_the_ring_of_the_control_side)
{
	int in;

	capture_device(1000, true);
	world->trace_room = 0;
	device_handshake(&device);
	world->trace_room = WORLD_TRACES;
	world_tick(world, 1);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
}

/* Handshakes beyond the ring's bytes overwrite the oldest, whose place is not used any more. */
Test(secured_watched, a_capture_holds_as_many_handshakes_as_its_ring_has_room_for)
{
	int in;

	capture_device(1000, true);
	for (unsigned i = 0; i < 400; i++) {
		device_init(&other, 1, (uint16_t)(6000 + i));
		device_handshake(&other);
		world_tick(world, 10 * SECOND); /* idle sessions make way */
	}
	cr_expect_eq(n_records(TRACE_DATAGRAM_IN, &in), 0);
	device_handshake(&device);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
	cr_expect_eq(world->traces[in].bytes[DTLS_RECORD_HEADER], DTLS_CLIENT_HELLO);
}
