/* The same device again (RFC 7252 4.5), and several at once. */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

Test(dialogue_again, a_copy_after_the_end_gets_the_same_answer)
{
	struct world *world = world_ready(2);

	finish_from(world, start(world), 0);
	world_tick(world, 240000000);
	feed_request(world, PORT);
	cr_assert_eq(world->out.used, 1);
	cr_expect(memcmp(world->slots[0].data, "\x64\x44\x12\x34\xc0\x8e\x9b\xe1", 8) == 0);
	cr_expect_eq(world_count(world, COUNTER_bs_started), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_requests), 1);
	world_free(world);
}

Test(dialogue_again, a_finished_session_is_forgotten_after_its_linger_time)
{
	struct world *world = world_ready(2);

	finish_from(world, start(world), 0);
	cr_expect_eq(stack_gauges(world->stack).lingering, 1);
	world_tick(world, 247000000 - 1);
	cr_expect_eq(stack_gauges(world->stack).sessions, 1);
	world_tick(world, 1 + WORLD_TICKS_US);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	cr_expect_eq(world_count(world, COUNTER_sessions_closed), 1);
	start(world); /* and now it is a new request */
	cr_expect_eq(last_event(world)->session.serial, 102);
	world_free(world);
}

/* A rebooted device counts its message ids from the start again: its token or its bytes tell. */
Test(dialogue_again, another_request_supersedes_the_run)
{
	static const struct {
		unsigned at;
		uint8_t flip;
	} changes[] = {
		{ 3, 1 },                    /* message id */
		{ 4, 0x80 },                 /* token */
		{ sizeof request_bytes, 0 }, /* one more parameter */
	};

	for (unsigned c = 0; c < 3; c++) {
		struct world *world = world_ready(2);
		struct coap_header old = start_at(world, 1);
		uint8_t bytes[sizeof request_bytes + 4];
		size_t len = sizeof request_bytes;

		memcpy(bytes, request_bytes, len);
		if (changes[c].at < len) {
			bytes[changes[c].at] ^= changes[c].flip;
		} else {
			memcpy(bytes + len,
			       "\x03"
			       "b=U",
			       4); /* another query parameter */
			len += 4;
		}
		world_feed(world, PORT, bytes, len);
		cr_assert_eq(world->out.used, 2);
		cr_expect_eq(world->n_events, 3);
		cr_expect_eq(world->events[1].kind, SESSION_FAILED);
		cr_expect_eq(world->events[1].cause, CAUSE_SUPERSEDED);
		cr_expect_eq(world->events[1].session.serial, 101);
		cr_expect_eq(world->events[1].step, 1);
		cr_expect_eq(world->events[2].kind, SESSION_STARTED);
		cr_expect_eq(world->events[2].session.serial, 102);
		cr_expect_eq(atomic_load(&world->batches[0]->holders), 1);
		cr_expect_eq(stack_gauges(world->stack).sessions, 1);

		struct coap_header request = asked(world);
		accept_step(world, &old); /* too late */
		cr_expect_eq(world->out.used, 0);
		finish_from(world, request, 0);
		cr_expect_eq(world_count(world, COUNTER_bs_superseded), 1);
		world_free(world);
	}
}

Test(dialogue_again, a_device_may_bootstrap_again_on_its_lingering_session)
{
	struct world *world = world_ready(2);
	uint8_t bytes[sizeof request_bytes];

	memcpy(bytes, request_bytes, sizeof bytes);
	for (unsigned run = 0; run < 5; run++) {
		bytes[3] = (uint8_t)run;
		world_feed(world, PORT, bytes, sizeof bytes);
		cr_assert_eq(world->out.used, 2);
		finish_from(world, asked(world), 0);
	}
	cr_expect_eq(world_count(world, COUNTER_bs_finished), 5);
	cr_expect_eq(world_count(world, COUNTER_sessions_opened), 1);
	world_free(world);
}

Test(dialogue_again, other_ports_are_other_peers)
{
	struct world *world = world_ready(3);

	for (uint16_t port = 1; port <= 3; port++) {
		feed_request(world, port);
		cr_expect_eq(world->out.used, 2);
	}
	cr_expect_eq(world_count(world, COUNTER_bs_started), 3);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 3);
	world_free(world);
}

/* The look-ups of a burst are made before its first message is taken. */
Test(dialogue_again, a_request_and_its_copy_in_one_burst_are_one_dialogue)
{
	struct world *world = world_ready(2);
	uint8_t bytes[STACK_BURST][sizeof request_bytes];
	struct dgram_in in[STACK_BURST];

	for (unsigned i = 0; i < STACK_BURST; i++) {
		memcpy(bytes[i], request_bytes, sizeof request_bytes);
		in[i] = (struct dgram_in){ .peer = world_peer(PORT),
					   .link = world_link(),
					   .len = sizeof request_bytes,
					   .data = bytes[i] };
	}
	stack_receive(world->stack, world->now, in, STACK_BURST, &world->out);
	cr_expect_eq(world->out.used, STACK_BURST + 1);
	cr_expect_eq(world_count(world, COUNTER_bs_started), 1);
	cr_expect_eq(world_count(world, COUNTER_coap_rx_duplicate), STACK_BURST - 1);
	cr_expect_eq(stack_gauges(world->stack).sessions, 1);
	world_free(world);
}

Test(dialogue_again, a_burst_of_new_peers_fills_the_outbox_exactly)
{
	struct world *world = world_ready(STACK_BURST);
	uint8_t bytes[STACK_BURST][sizeof request_bytes];
	struct dgram_in in[STACK_BURST];

	for (unsigned i = 0; i < STACK_BURST; i++) {
		memcpy(bytes[i], request_bytes, sizeof request_bytes);
		in[i] = (struct dgram_in){ .peer = world_peer((uint16_t)(6000 + i)),
					   .link = world_link(),
					   .len = sizeof request_bytes,
					   .data = bytes[i] };
	}
	stack_receive(world->stack, world->now, in, STACK_BURST, &world->out);
	cr_expect_eq(world->out.used, STACK_TX_MAX);
	cr_expect_eq(world_count(world, COUNTER_coap_tx_no_room), 0);
	cr_expect_eq(stack_gauges(world->stack).running, STACK_BURST);
	world_free(world);
}
