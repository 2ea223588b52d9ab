/* The dialogue and time: devices that cannot take a step yet, retransmissions, and when a silent one is given up. */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

/* ---- devices that cannot take a step yet ---- */

static void
answer_busy(struct world *world, const struct coap_header *request, int max_age_s)
{
	struct coap_header header = *request;
	uint8_t bytes[64];
	struct writer writer = writer_init(bytes, sizeof bytes);
	uint16_t last = 0;

	header.type = COAP_ACK;
	header.code = COAP_SERVICE_UNAVAILABLE;
	coap_write_header(&writer, &header);
	if (max_age_s >= 0)
		coap_write_option_uint(&writer, &last, COAP_OPTION_MAX_AGE, (uint32_t)max_age_s);
	world_feed(world, PORT, bytes, writer_finish(&writer));
}

/* RFC 7252 5.9.3.4: again after Max-Age, as a new message. */
Test(dialogue_times, a_step_answered_5_03_is_sent_again_after_max_age)
{
	static const int ages[] = { -1, 0, 1, 20, 93 };
	static const uint32_t waits_us[] = { 3000000, 1000000, 1000000, 20000000, 93000000 };

	for (unsigned step = 0; step < STEPS; step++)
		for (unsigned i = 0; i < sizeof ages / sizeof ages[0]; i++) {
			struct world *world = world_ready(2);
			struct coap_header request = start_at(world, step), again;

			answer_busy(world, &request, ages[i]);
			cr_expect_eq(world->out.used, 0);
			cr_expect_eq(stack_gauges(world->stack).running, 1);
			world_tick(world, waits_us[i] - 2 * WORLD_TICKS_US);
			cr_expect_eq(world->out.used, 0, "Max-Age %d", ages[i]);
			world_tick(world, 3 * WORLD_TICKS_US);
			again = asked(world);
			cr_expect_eq(again.mid, (uint16_t)(request.mid + 1));
			cr_expect_neq(memcmp(again.token, request.token, 8), 0);
			cr_expect_eq(world_count(world, COUNTER_bs_held), 1);
			finish_from(world, again, step);
			world_free(world);
		}
}

Test(dialogue_times, a_device_that_stays_busy_ends_the_run)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 1);

	for (unsigned i = 0; i < 3; i++) {
		answer_busy(world, &request, 5);
		world_tick(world, 5000000 + WORLD_TICKS_US);
		request = asked(world);
	}
	answer_busy(world, &request, 5);
	expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
	cr_expect_eq(last_event(world)->code, COAP_SERVICE_UNAVAILABLE);
	world_free(world);
	world = world_ready(2);
	request = start(world);
	answer_busy(world, &request, 94); /* longer than the device waits for us */
	expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
	world_free(world);
}

/* Our 2.04 was lost: the device answers the first step 5.03 or Reset, and repeats its request. */
Test(dialogue_times, a_device_without_our_answer_gets_it_and_the_first_step_again)
{
	for (unsigned reset = 0; reset < 2; reset++) {
		struct world *world = world_ready(2);
		struct coap_header request = start(world), again;

		if (reset)
			reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
		else
			answer_busy(world, &request, 60);
		cr_expect_eq(world->out.used, 0);
		world_tick(world, 2000000);
		feed_request(world, PORT);
		cr_assert_eq(world->out.used, 2);
		cr_expect_eq(sent(world, 0).header.code, COAP_CHANGED);
		again = asked(world);
		cr_expect_eq(again.mid, (uint16_t)(request.mid + 1));
		cr_expect_eq(world_count(world, COUNTER_bs_begun_again), 1);
		cr_expect_eq(world_count(world, COUNTER_bs_started), 1);
		finish_from(world, again, 0);
		cr_expect_eq(world->n_events, 2);
		world_free(world);
	}
}

/* It has its answer: a copy that comes late proves nothing. */
Test(dialogue_times, a_late_copy_of_the_request_does_not_hurry_a_held_step)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 1);

	answer_busy(world, &request, 20);
	feed_request(world, PORT);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.code, COAP_CHANGED);
	world_tick(world, 20000000 + WORLD_TICKS_US);
	finish_from(world, asked(world), 1);
	world_free(world);
}

/* ---- devices that say nothing ---- */

/* RFC 7252 4.2: 2 s to 3 s, doubling, four retransmissions, then as long again: 31 times the first
 * wait. */
Test(dialogue_times, retransmissions_come_at_their_times)
{
	for (unsigned step = 0; step < STEPS; step++) {
		struct world *world = with_device(world_new_random(2, 0, true));
		struct coap_header request = start_at(world, step);

		for (unsigned i = 0; i < 4; i++) {
			world_tick(world, (UINT64_C(2000000) << i) - 1);
			cr_assert_eq(world->out.used, 0, "retransmission %u came early", i);
			world_tick(world, 1 + WORLD_TICKS_US);
			cr_assert_eq(world->out.used, 1, "retransmission %u did not come", i);
			cr_assert_eq(asked(world).mid, request.mid);
		}
		world_tick(world, 32000000 - 1);
		cr_expect_eq(last_event(world)->kind, SESSION_STARTED, "ended early");
		world_tick(world, 1 + WORLD_TICKS_US);
		cr_expect_eq(world->out.used, 0);
		/* Where it is the Finish, its answer alone may be lost. */
		expect_ended(world, SESSION_FAILED,
			     step + 1 < STEPS ? CAUSE_TIMEOUT : CAUSE_UNCONFIRMED);
		cr_expect_eq(last_event(world)->step, step);
		cr_expect_eq(world_count(world, COUNTER_coap_tx_retransmit), 4);
		world_free(world);
	}
}

/* What a peer's server gets wrong: a first retransmission before 2 s or after 3 s. */
Test(dialogue_times, the_first_wait_is_random_between_2_and_3_seconds)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned seed = 0; seed < 251; seed += 5) {
		struct world *world = with_device(world_new_random(2, (uint8_t)seed, false));
		uint64_t waited = 0;

		start(world);
		for (world_clear(world); !world->out.used; waited += 1000)
			world_tick(world, 1000);
		least = waited < least ? waited : least;
		most = waited > most ? waited : most;
		world_free(world);
	}
	cr_expect_geq(least, 2000000);
	cr_expect_lt(least, 2100000);
	cr_expect_gt(most, 2900000);
	cr_expect_leq(most, 3000000 + WORLD_TICKS_US + 1000);
}

Test(dialogue_times, the_wait_for_a_separate_response_ends_after_93_seconds)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 1);

	reply_as(world, &request, COAP_ACK, COAP_EMPTY, 0);
	world_tick(world, 93000000 - 1);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
	world_tick(world, 1 + WORLD_TICKS_US);
	cr_expect_eq(world->out.used, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_SILENT);
	cr_expect_eq(last_event(world)->step, 1);
	/* The answer comes all the same: nobody waits for it. */
	reply_as(world, &request, COAP_CON, COAP_CHANGED, 9);
	cr_expect_eq(sent(world, 0).header.type, COAP_RST);
	cr_expect_eq(world->n_events, 2);
	world_free(world);
}

/* TASKS.md 7: clients give a bootstrap up after EXCHANGE_LIFETIME (247 s) without a request. However late each answer comes that
 * still counts, the next request is there long before. */
Test(dialogue_times, clients_give_up_after_exchange_lifetime_without_a_request)
{
	enum { EXCHANGE_LIFETIME_US = 247000000 };

	for (unsigned seed = 0; seed < 251; seed += 25) {
		struct world *world = with_device(world_new_random(2, (uint8_t)seed, false));
		struct coap_header request = start(world);
		uint64_t waited = 0;

		for (unsigned step = 0; step + 1 < STEPS; step++) {
			/* Lost four times; the fifth is acknowledged, and answered at the last moment. */
			for (unsigned lost = 0; lost < 4; lost++) {
				for (waited = 0, world_clear(world); !world->out.used;
				     waited += 100000)
					world_tick(world, 100000);
				cr_expect_lt(waited, EXCHANGE_LIFETIME_US);
			}
			reply_as(world, &request, COAP_ACK, COAP_EMPTY, 0);
			world_tick(world, 93000000 - 1);
			cr_assert_eq(stack_gauges(world->stack).running, 1);
			reply_as(world, &request, COAP_NON, COAP_CHANGED, 700);
			cr_assert_eq(world->out.used, 1, "no request follows an answer at once");
			request = asked(world);
		}
		world_free(world);
	}
}
