/* What a dialogue tells: how far it is, how long its phases took, and why a device refuses. */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

/* ---- how far it is ---- */

Test(dialogue_watched, a_run_tells_how_far_it_is_and_how_much_was_said)
{
	struct world *world = world_ready(2);
	struct coap_header request = start(world);
	struct session_ref ref = last_event(world)->session;
	struct session_progress progress;

	cr_assert(stack_progress(world->stack, ref, world->now, &progress));
	cr_expect(progress.running);
	cr_expect_eq(progress.phase, RUN_PHASE_WRITES);
	cr_expect_eq(progress.step, 0);
	cr_expect_eq(progress.received, 1);
	cr_expect_eq(progress.sent, 2, "the answer and the first step");
	world_tick(world, UINT64_C(3000000) + WORLD_TICKS_US);
	cr_assert(stack_progress(world->stack, ref, world->now, &progress));
	cr_expect_eq(progress.sent, 3);
	cr_expect_eq(progress.retransmitted, 1);
	cr_expect_geq(progress.silent_ms, 3000);
	reply_as(world, &request, COAP_ACK, COAP_CHANGED, 0);
	cr_assert(stack_progress(world->stack, ref, world->now, &progress));
	cr_expect_eq(progress.step, 1);
	cr_expect_eq(progress.received, 2);
	cr_expect_eq(progress.silent_ms, 0);
	ref.serial++;
	cr_expect_not(stack_progress(world->stack, ref, world->now, &progress), "another run");
	ref.slot++;
	cr_expect_not(stack_progress(world->stack, ref, world->now, &progress), "nobody");
	world_free(world);
}

/* ---- how long it took ---- */

static void
expect_delay(struct world *world, enum run_phase phase, uint64_t us)
{
	const struct delays *delays = &stack_delays(world->stack)[phase];
	uint64_t n = 0;

	for (unsigned i = 0; i < DELAY_BUCKETS; i++)
		n += delays->counts[i];
	cr_expect_eq(n, 1, "phase %d: %llu", phase, (unsigned long long)n);
	cr_expect_eq(delays->counts[delay_bucket(us)], 1, "phase %d", phase);
	cr_expect_eq(delays->sum, us, "phase %d: %llu", phase, (unsigned long long)delays->sum);
}

Test(dialogue_watched, phases_are_as_long_as_the_device_took)
{
	struct world *world = world_ready(2);
	struct coap_header request;

	feed_request(world, PORT);
	request = asked(world);
	world->now += 40000;
	accept_step(world, &request);
	request = asked(world);
	world->now += 2000;
	accept_step(world, &request);
	request = asked(world);
	world->now += 700000;
	accept_step(world, &request);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	expect_delay(world, RUN_PHASE_REQUEST, 0);
	expect_delay(world, RUN_PHASE_WRITES, 42000);
	expect_delay(world, RUN_PHASE_FINISH, 700000);
	expect_delay(world, RUN_PHASE_TOTAL, 742000);
	world_free(world);
}

Test(dialogue_watched, a_run_that_fails_is_no_delay_of_those_that_end_well)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 2);

	(void)request;
	for (int i = 0; i < 100; i++)
		world_tick(world, 2000000);
	expect_ended(world, SESSION_FAILED, CAUSE_UNCONFIRMED);
	for (unsigned i = 0; i < DELAY_BUCKETS; i++) {
		cr_assert_eq(stack_delays(world->stack)[RUN_PHASE_FINISH].counts[i], 0);
		cr_assert_eq(stack_delays(world->stack)[RUN_PHASE_TOTAL].counts[i], 0);
	}
	world_free(world);
}

/* RFC 7252 5.5.2: an error may say in words what is wrong. With a format, a payload is for machines. */
Test(dialogue_watched, why_a_device_refuses_is_reported_in_its_words)
{
	static const char words[] = "object 0 instance 2 is \xff taken, and this goes on and on, "
				    "sentence by sentence, beyond what is kept of it";
	uint8_t bytes[160];

	for (int with_format = 0; with_format < 2; with_format++) {
		struct world *world = world_ready(2);
		struct coap_header header = start_at(world, 1);
		struct writer writer = writer_init(bytes, sizeof bytes);
		const struct session_event *said;
		uint16_t last = 0;

		header.type = COAP_ACK;
		header.code = COAP_BAD_REQUEST;
		coap_write_header(&writer, &header);
		if (with_format)
			coap_write_option_uint(&writer, &last, 12, 0);
		coap_write_payload(&writer, words, sizeof words - 1);
		world_feed(world, PORT, bytes, writer_finish(&writer));
		expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
		cr_assert_eq(world->n_events, with_format ? 2 : 3);
		if (!with_format) {
			said = &world->events[1];
			cr_expect_eq(said->kind, SESSION_DIAGNOSTIC);
			cr_expect_eq(said->step, 1);
			cr_expect_eq(said->code, COAP_BAD_REQUEST);
			cr_expect_eq(said->session.serial, last_event(world)->session.serial);
			cr_expect_eq(said->name_len, sizeof said->name);
			cr_expect(memcmp(said->name, words, sizeof said->name) == 0);
		}
		world_free(world);
	}
}
