/* Who is admitted, what the control side is told, and what it commands. */
#include <criterion/criterion.h>

#include "dataplane/core/dtls/dtls_hello.h"
#include "tests/unit/scripted_peer.h"

/* ---- full pools, full rings, drain ---- */

static void
expect_busy(struct world *world)
{
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(world->slots[0].len, 11);
	cr_expect(memcmp(world->slots[0].data, "\x64\xa3\x12\x34\xc0\x8e\x9b\xe1\xd1\x01\x3c",
			 11) == 0);
}

Test(admission, a_full_pool_turns_away_and_evicts_only_who_has_finished)
{
	struct world *world = world_ready(2);
	struct coap_header request = start(world);

	feed_request(world, 5001);
	feed_request(world, 5002);
	expect_busy(world);
	cr_expect_eq(world_count(world, COUNTER_sessions_full), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_refused_busy), 1);

	accept_from(world, request, 0);
	cr_expect_eq(last_event(world)->kind, SESSION_FINISHED);
	feed_request(world, 5002);
	cr_expect_eq(world->out.used, 2);
	cr_expect_eq(world_count(world, COUNTER_sessions_evicted), 1);
	cr_expect_eq(stack_gauges(world->stack).sessions, 2);
	feed_request(world, PORT); /* evicted, so its request is new; and there is no room */
	expect_busy(world);
	feed_request(world, 5001); /* still running: a copy */
	cr_expect_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.code, COAP_CHANGED);
	world_free(world);
}

Test(admission, the_session_that_finished_first_is_evicted_first)
{
	struct world *world = world_ready(3);

	for (uint16_t port = 1; port <= 3; port++) {
		feed_request(world, port);
		world_tick(world, 1000);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct stack_command cancel = { .kind = STACK_CANCEL,
						.session = world->events[2 - i].session };

		stack_command(world->stack, world->now, &cancel, &world->out);
	}
	feed_request(world, 4); /* takes the place of 3, which ended first */
	cr_assert_eq(world->out.used, 2);
	feed_request(world, 1);
	cr_expect_eq(world->out.used, 1, "1 was evicted");
	feed_request(world, 2);
	cr_expect_eq(world->out.used, 1, "2 was evicted");
	world_free(world);
}

Test(admission, a_full_ring_refuses_new_runs_without_a_trace)
{
	struct world *world = world_ready(2);

	world->event_room = 0;
	feed_request(world, PORT);
	expect_busy(world);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 0);
	cr_expect_eq(world_count(world, COUNTER_events_full), 1);
	world->event_room = 10;
	finish_from(world, start(world), 0); /* the same bytes: it was not remembered */
	world_free(world);
}

Test(admission, an_outcome_without_room_is_kept_and_told_later)
{
	struct world *world = world_ready(1);
	struct coap_header request = start_at(world, 2);
	uint64_t ended = world->now;

	world->event_room = 0;
	accept_step(world, &request);
	cr_expect_eq(world->n_events, 1);
	world_tick(world, 1000);
	cr_expect_eq(world->n_events, 1);
	feed_request(world, 5001); /* the slot is not free, however done */
	expect_busy(world);
	feed_request(world, PORT); /* a copy is still a copy */
	cr_expect_eq(sent(world, 0).header.code, COAP_CHANGED);
	world_tick(world, 300000000); /* nor does it linger out */
	cr_expect_eq(stack_gauges(world->stack).sessions, 1);

	world->event_room = 10;
	world_tick(world, 1000);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(world->n_events, 2);
	cr_expect_eq(last_event(world)->time_us, ended);
	world_tick(world, 2000000 + WORLD_TICKS_US);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	world_free(world);
}

Test(admission, a_new_request_waits_for_the_pending_outcome_of_the_last)
{
	struct world *world = world_ready(2);
	uint8_t bytes[sizeof request_bytes];

	start_at(world, 1);
	world->event_room = 0;
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.code, COAP_SERVICE_UNAVAILABLE);
	cr_expect_eq(stack_gauges(world->stack).running, 0);
	world->event_room = 10;
	world_tick(world, 1000);
	expect_ended(world, SESSION_FAILED, CAUSE_SUPERSEDED);
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_assert_eq(world->out.used, 2);
	finish_from(world, asked(world), 0);
	world_free(world);
}

/* Room for one event only: the outcome of the last run goes first, and the new run must wait. */
Test(admission, a_pending_outcome_is_reported_before_the_next_run_begins)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 2);
	uint8_t bytes[sizeof request_bytes];

	world->event_room = 0;
	accept_step(world, &request);
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world->event_room = 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_expect_eq(sent(world, 0).header.code, COAP_SERVICE_UNAVAILABLE);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(last_event(world)->session.serial, 101);

	world->event_room = 2;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_assert_eq(world->out.used, 2);
	cr_expect_eq(last_event(world)->kind, SESSION_STARTED);
	cr_expect_eq(last_event(world)->session.serial, 102);
	finish_from(world, asked(world), 0);
	cr_expect_eq(world->n_events, 4);
	world_free(world);
}

/* The control side may make room between the two: still the outcome is not overwritten. */
Test(admission, a_run_does_not_begin_over_a_pending_outcome)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 2);
	uint8_t bytes[sizeof request_bytes];

	world->refusals = 2;
	accept_step(world, &request);
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_expect_eq(sent(world, 0).header.code, COAP_SERVICE_UNAVAILABLE);
	world_tick(world, 1000);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(last_event(world)->session.serial, 101);
	world_free(world);
}

/* A session that lingered and runs again is no longer there to be evicted. */
Test(admission, a_session_that_runs_again_is_not_evicted)
{
	struct world *world = world_ready(2);
	uint8_t bytes[sizeof request_bytes];

	finish_from(world, start(world), 0);
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_assert_eq(world->out.used, 2);
	feed_request(world, 5001);
	cr_expect_eq(world->out.used, 2);
	feed_request(world, 5002);
	expect_busy(world);
	cr_expect_eq(world_count(world, COUNTER_sessions_evicted), 0);
	world_free(world);
}

Test(admission, many_pending_outcomes_are_reported_in_their_order)
{
	struct world *world = world_ready(8);

	for (uint16_t port = 0; port < 8; port++)
		feed_request(world, (uint16_t)(port + 1));
	world->event_room = 0;
	for (unsigned i = 0; i < 8; i++) {
		struct stack_command cancel = { .kind = STACK_CANCEL,
						.session = world->events[i].session };

		stack_command(world->stack, world->now, &cancel, &world->out);
	}
	cr_expect_eq(world->n_events, 8);
	for (unsigned told = 0; told < 8; told += 3) {
		world->event_room = 3;
		world_tick(world, 1000);
	}
	cr_assert_eq(world->n_events, 16);
	for (unsigned i = 0; i < 8; i++)
		cr_expect_eq(world->events[8 + i].session.serial, 101 + i);
	world_free(world);
}

static void
drain(struct world *world, bool on)
{
	struct stack_command command = { .kind = STACK_DRAIN, .on = on };

	world_clear(world);
	stack_command(world->stack, world->now, &command, &world->out);
	cr_expect_eq(world->out.used, 0);
}

Test(admission, draining_refuses_new_runs_and_finishes_those_that_run)
{
	struct world *world = world_ready(4);
	struct coap_header request = start(world);

	drain(world, true);
	feed_request(world, 5001);
	expect_busy(world);
	feed_request(world, PORT); /* a copy */
	cr_expect_eq(sent(world, 0).header.code, COAP_CHANGED);
	finish_from(world, request, 0);
	drain(world, false);
	feed_request(world, 5001);
	cr_expect_eq(world->out.used, 2);
	world_free(world);
}

/* ---- the control side: cancel, batches ---- */

static void
command(struct world *world, enum stack_command_kind kind, struct session_ref ref,
	const struct batch *batch)
{
	struct stack_command command = { .kind = (uint8_t)kind, .session = ref, .batch = batch };

	world_clear(world);
	stack_command(world->stack, world->now, &command, &world->out);
}

Test(admission, cancel_ends_exactly_the_run_it_names)
{
	struct world *world = world_ready(2);
	struct session_ref ref, wrong;

	start(world);
	ref = last_event(world)->session;
	wrong = (struct session_ref){ ref.slot, ref.serial + 1 };
	command(world, STACK_CANCEL, wrong, NULL);
	wrong = (struct session_ref){ ref.slot + 1, ref.serial };
	command(world, STACK_CANCEL, wrong, NULL);
	wrong = (struct session_ref){ 0xffffffff, ref.serial };
	command(world, STACK_CANCEL, wrong, NULL);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
	cr_expect_eq(world_count(world, COUNTER_bs_stale_commands), 3);
	command(world, STACK_CANCEL, ref, NULL);
	cr_expect_eq(world->out.used, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_CANCELLED);
	world_tick(world, 60000000);
	cr_expect_eq(world->out.used, 0, "a cancelled run went on");
	command(world, STACK_CANCEL, ref, NULL);
	cr_expect_eq(world->n_events, 2);
	world_free(world);
}

/* dev-cbor has a batch in TLV and asks for CBOR; its batch for CBOR is the world's last. */
static struct session_ref
ask_for_batch(struct world *world)
{
	static const char bytes[] = "\x44\x02\x12\x34\xc0\x8e\x9b\xe1\xb2"
				    "bs\x4b"
				    "ep=dev-0001\x07"
				    "pct=112";

	world_feed(world, PORT, bytes, sizeof bytes - 1);
	cr_expect_eq(world->out.used, 0);
	cr_assert_eq(last_event(world)->kind, SESSION_NEEDS_BATCH);
	cr_expect_eq(last_event(world)->format, 112);
	cr_expect_eq(last_event(world)->device, 1000);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
	return last_event(world)->session;
}

static void
repeat_ask(struct world *world)
{
	static const char bytes[] = "\x44\x02\x12\x34\xc0\x8e\x9b\xe1\xb2"
				    "bs\x4b"
				    "ep=dev-0001\x07"
				    "pct=112";

	world_feed(world, PORT, bytes, sizeof bytes - 1);
}

Test(admission, a_batch_in_another_format_is_asked_for_and_awaited)
{
	struct world *world = world_ready(2);
	struct session_ref ref = ask_for_batch(world);
	struct batch *made = world_batch(world, 112, 40);

	repeat_ask(world);
	cr_expect_eq(world->out.used, 0, "a copy was answered before the request");
	cr_expect_eq(world->n_events, 1);
	world_tick(world, 1000000);
	batch_hold(made);
	command(world, STACK_BATCH, ref, made);
	cr_assert_eq(world->out.used, 2);
	cr_expect(memcmp(world->slots[0].data, "\x64\x44\x12\x34\xc0\x8e\x9b\xe1", 8) == 0);
	cr_expect_eq(sent(world, 1).payload_len, 40);
	cr_expect_eq(last_event(world)->kind, SESSION_STARTED);
	cr_expect_eq(last_event(world)->session.serial, ref.serial);
	finish_from(world, asked(world), 0);
	cr_expect_eq(atomic_load(&made->holders), 0);
	cr_expect_eq(last_event(world)->format, 112);
	repeat_ask(world);
	cr_expect_eq(world->out.used, 1);
	cr_expect_eq(world_count(world, COUNTER_bs_compiled_waiting), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_made_on_demand), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_ready), 0);
	feed_request(world, PORT + 1); /* in the format that is ready */
	cr_expect_eq(world_count(world, COUNTER_bs_ready), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_compiled_waiting), 1);
	world_free(world);
}

Test(admission, a_device_with_a_batch_per_session_always_asks)
{
	struct world *world = world_ready(2);
	struct batch *made = world_batch(world, 11542, 30);

	world->entries[0]->flags = DEVICE_PER_SESSION;
	feed_request(world, PORT);
	cr_expect_eq(world->out.used, 0);
	cr_assert_eq(last_event(world)->kind, SESSION_NEEDS_BATCH);
	batch_hold(made);
	command(world, STACK_BATCH, last_event(world)->session, made);
	cr_expect_eq(world->out.used, 2);
	finish_from(world, asked(world), 0);
	cr_expect_eq(world_count(world, COUNTER_bs_made_per_session), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_compiled_waiting), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_ready), 0);
	world_free(world);
}

/* Such a batch is never published, so the directory may hold none for the device. */
Test(admission, a_batch_per_session_needs_none_in_the_directory)
{
	struct world *world = world_ready(2);

	world->entries[0]->flags = DEVICE_PER_SESSION;
	atomic_store(&world->entries[0]->batch, NULL);
	feed_request(world, PORT);
	cr_expect_eq(world->out.used, 0);
	cr_assert_eq(last_event(world)->kind, SESSION_NEEDS_BATCH);
	command(world, STACK_BATCH, last_event(world)->session, NULL);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	expect_ended(world, SESSION_REFUSED, CAUSE_NONE);
	world_free(world);
}

Test(admission, no_batch_refuses_the_request)
{
	struct world *world = world_ready(2);

	command(world, STACK_BATCH, ask_for_batch(world), NULL);
	cr_assert_eq(world->out.used, 1);
	cr_expect(memcmp(world->slots[0].data, "\x64\x80\x12\x34\xc0\x8e\x9b\xe1", 8) == 0);
	expect_ended(world, SESSION_REFUSED, CAUSE_NONE);
	repeat_ask(world);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	cr_expect_eq(world->n_events, 2);
	world_free(world);
}

Test(admission, a_batch_without_steps_is_no_batch)
{
	struct world *world = world_ready(2);
	struct batch *made = world_batch(world, 112, 40);
	struct session_ref ref = ask_for_batch(world);

	batch_hold(made);
	made->n_steps = 0;
	command(world, STACK_BATCH, ref, made);
	made->n_steps = 3;
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	cr_expect_eq(atomic_load(&made->holders), 0);
	expect_ended(world, SESSION_REFUSED, CAUSE_NONE);
	world_free(world);
}

Test(admission, a_batch_that_does_not_come_is_given_up)
{
	struct world *world = world_ready(2);
	struct session_ref ref = ask_for_batch(world);
	struct batch *made = world_batch(world, 112, 40);

	world_tick(world, 1500000 - 1);
	cr_expect_eq(world->out.used, 0);
	world_tick(world, 1 + WORLD_TICKS_US);
	expect_busy(world);
	expect_ended(world, SESSION_FAILED, CAUSE_NO_BATCH);
	batch_hold(made);
	command(world, STACK_BATCH, ref, made);
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(atomic_load(&made->holders), 0, "a batch too late was not released");
	cr_expect_eq(world_count(world, COUNTER_bs_stale_commands), 1);
	world_free(world);
}

Test(admission, a_waiting_request_can_be_superseded_or_cancelled)
{
	struct world *world = world_ready(2);
	struct session_ref ref = ask_for_batch(world);
	struct batch *made = world_batch(world, 112, 40);

	feed_request(world, PORT); /* in TLV now: the batch is at hand */
	cr_assert_eq(world->out.used, 2);
	cr_expect_eq(world->events[1].cause, CAUSE_SUPERSEDED);
	batch_hold(made);
	command(world, STACK_BATCH, ref, made);
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(atomic_load(&made->holders), 0);
	command(world, STACK_CANCEL, last_event(world)->session, NULL);

	ref = ask_for_batch(world);
	command(world, STACK_CANCEL, ref, NULL);
	expect_busy(world);
	expect_ended(world, SESSION_FAILED, CAUSE_CANCELLED);
	world_free(world);
}

Test(admission, a_late_start_is_told_before_its_outcome)
{
	struct world *world = world_ready(2);
	struct session_ref ref = ask_for_batch(world);
	struct batch *made = world_batch(world, 112, 40);
	struct coap_header request;

	world->event_room = 0;
	batch_hold(made);
	command(world, STACK_BATCH, ref, made);
	cr_assert_eq(world->out.used, 2);
	request = asked(world);
	accept_step(world, &request);
	request = asked(world);
	reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
	cr_expect_eq(world->n_events, 1);
	world->event_room = 1;
	world_tick(world, 1000);
	cr_assert_eq(world->n_events, 2);
	cr_expect_eq(last_event(world)->kind, SESSION_STARTED);
	world->event_room = 1;
	world_tick(world, 1000);
	expect_ended(world, SESSION_FAILED, CAUSE_RESET);
	world_free(world);
}

/* ---- unknown devices and devices without a batch ---- */

Test(admission, unknown_devices_are_reported_by_name_at_a_bounded_rate)
{
	struct world *world = world_ready(2);
	unsigned told;

	world_feed(world, PORT,
		   "\x40\x02\x12\x34\xb2"
		   "bs\x47"
		   "ep=nobo",
		   15);
	cr_assert_eq(last_event(world)->kind, SESSION_UNKNOWN);
	cr_expect_eq(last_event(world)->name_len, 4);
	cr_expect(memcmp(last_event(world)->name, "nobo", 4) == 0);
	for (unsigned i = 0; i < 5000; i++) {
		world->n_events = 0;
		world_feed(world, PORT,
			   "\x40\x02\x12\x34\xb2"
			   "bs\x47"
			   "ep=nobo",
			   15);
		cr_assert_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	}
	told = (unsigned)(5001 - world_count(world, COUNTER_bs_unknown_unreported));
	cr_expect_gt(told, 100);
	cr_expect_lt(told, 2000);
	start(world); /* who is known is served */
	world_free(world);
}

/* A device that is refused as it asks is to be found by its operator; one that looks around is none. */
Test(admission, who_asks_for_what_is_not_served_is_told)
{
	static const struct {
		const char *bytes, *asks;
		size_t len;
		enum counter counter;
	} cases[] = {
		{ "\x40\x02\x12\x34\xb2"
		  "bs\x44"
		  "ep=a\x06"
		  "pct=60",
		  "ep=a&pct=60", 19, COUNTER_bs_refused_format },
		{ "\x40\x02\x12\x34\xb2"
		  "bs\x43"
		  "ep=",
		  "ep=", 11, COUNTER_bs_refused_query },
		{ "\x50\x02\x12\x34\xb2"
		  "bs\x44"
		  "ep=a",
		  "ep=a", 12, COUNTER_bs_refused_non },
		{ "\x40\x02\x12\x34\xb2"
		  "bs\x44"
		  "ep=a\x21\x3c",
		  "ep=a", 14, COUNTER_coap_not_acceptable },
		{ "\x40\x02\x12\x34\xb2"
		  "bs\x44"
		  "ep=a\xa1\x01",
		  "ep=a", 14, COUNTER_coap_bad_option },
		{ "\x40\x01\x12\x34\xb6"
		  "bspack\x44"
		  "ep=a\x22\x2d\x16",
		  "ep=a", 19, COUNTER_coap_not_acceptable },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *world = world_ready(2);

		world_feed(world, PORT, cases[i].bytes, cases[i].len);
		cr_assert_eq(world->n_events, 1, "%u", i);
		cr_expect_eq(last_event(world)->kind, SESSION_UNSERVED);
		cr_expect_eq(last_event(world)->cause, CAUSE_REQUEST);
		cr_expect_eq(last_event(world)->reason, cases[i].counter, "%u", i);
		cr_assert_eq(last_event(world)->name_len, strlen(cases[i].asks), "%u", i);
		cr_expect(!memcmp(last_event(world)->name, cases[i].asks, strlen(cases[i].asks)));
		cr_expect_eq(last_event(world)->whole_len, strlen(cases[i].asks));
		cr_expect_eq(world_count(world, cases[i].counter), 1);
		world_free(world);
	}
}

Test(admission, who_looks_around_is_not_told_of)
{
	struct world *world = world_ready(2);

	world_feed(world, PORT, "\x40\x01\x12\x34\xb4test", 9);
	cr_expect_eq(world_count(world, COUNTER_coap_not_found), 1);
	cr_expect_eq(world->n_events, 0);
	world_free(world);
}

Test(admission, what_is_told_of_long_parameters_is_cut)
{
	struct world *world = world_ready(2);
	uint8_t bytes[200] = "\x40\x02\x12\x34\xb2"
			     "bs\x4d\x61"
			     "ep="; /* 110 bytes in all, then pct=60 */

	memset(bytes + 12, 'n', 107);
	memcpy(bytes + 119, "\x06pct=60", 7);
	world_feed(world, PORT, bytes, 126);
	cr_assert_eq(last_event(world)->kind, SESSION_UNSERVED);
	cr_expect_eq(last_event(world)->name_len, 96);
	cr_expect_eq(last_event(world)->whole_len, 110 + 1 + 6);
	world_free(world);
}

Test(admission, a_long_name_is_cut)
{
	struct world *world = world_ready(2);
	uint8_t bytes[128] = "\x40\x02\x12\x34\xb2"
			     "bs\x4d\x61"
			     "ep="; /* 110 bytes in all */

	memset(bytes + 12, 'n', 107);
	world_feed(world, PORT, bytes, 12 + 107);
	cr_assert_eq(last_event(world)->kind, SESSION_UNKNOWN);
	cr_expect_eq(last_event(world)->name_len, 96);
	world_free(world);
}

Test(admission, a_device_without_a_batch_is_refused_and_told_of)
{
	struct world *world = world_ready(2);

	atomic_store(&world->entries[0]->batch, NULL);
	feed_request(world, PORT);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	cr_expect_eq(last_event(world)->kind, SESSION_REFUSED);
	cr_expect_eq(last_event(world)->device, 1000);
	world->event_room = 0;
	feed_request(world, PORT); /* when it can't be told of, it shall ask again */
	expect_busy(world);
	world_free(world);
}

Test(admission, an_empty_directory_knows_nobody)
{
	struct world *world = world_ready(2);
	struct directory *directory = atomic_exchange(&world->directory, NULL);

	feed_request(world, PORT);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	atomic_store(&world->directory, directory);
	world_free(world);
}

/* ---- the rest ---- */

/* ---- devices that can prove themselves, named by anyone over NoSec ---- */

#define A_HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct credential_case {
	const char *identity, *key;
	uint8_t flags;
	bool refused;
} credential_cases[] = {
	{ "", "key", 0, true },
	{ "identity", "key", 0, true },
	{ IDENTITY_RAW_KEY A_HASH, "", 0, true },
	{ IDENTITY_CERTIFICATE A_HASH, "", 0, true },
	{ "", "key", DEVICE_PER_SESSION, true },
	{ "", "", 0, false },
	{ "identity", "", 0, false },
	{ "", "key", DEVICE_NOSEC, false },
	{ IDENTITY_RAW_KEY A_HASH, "", DEVICE_NOSEC, false },
};

static struct world *
world_of_case(const struct credential_case *one, bool serve_keyed)
{
	struct world *world =
		world_new_options(2, &(struct world_options){ .serve_keyed = serve_keyed });

	world_device_with(world, "dev-0001", one->identity, one->key,
			  world_batch(world, 11542, 22), one->flags);
	return world;
}

static void
expect_refused_over_nosec(struct world *world)
{
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	cr_assert_eq(world->n_events, 1);
	cr_expect_eq(last_event(world)->kind, SESSION_REJECTED);
	cr_expect_eq(last_event(world)->cause, CAUSE_NOSEC);
	cr_expect_eq(last_event(world)->device, 1000);
	cr_expect_eq(world_count(world, COUNTER_bs_refused_nosec), 1);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
}

Test(admission, a_device_that_has_a_key_is_refused_over_nosec)
{
	for (size_t i = 0; i < sizeof credential_cases / sizeof *credential_cases; i++) {
		const struct credential_case *one = &credential_cases[i];
		struct world *world = world_of_case(one, false);

		feed_request(world, PORT);
		if (one->refused)
			expect_refused_over_nosec(world);
		else
			cr_expect_eq(world_count(world, COUNTER_bs_refused_nosec), 0, "case %zu", i);
		cr_expect_eq(stack_gauges(world->stack).sessions, !one->refused, "case %zu", i);
		world_free(world);
	}
}

Test(admission, a_nosec_listener_may_be_told_to_serve_devices_with_keys)
{
	for (size_t i = 0; i < sizeof credential_cases / sizeof *credential_cases; i++) {
		struct world *world = world_of_case(&credential_cases[i], true);

		feed_request(world, PORT);
		cr_expect_eq(stack_gauges(world->stack).sessions, 1, "case %zu", i);
		world_free(world);
	}
}

/* Devices whose names an authority vouches for have no key in the inventory. */
Test(admission, where_authorities_are_trusted_a_device_without_a_key_is_refused_over_nosec)
{
	const struct credential_case none = { "", "", 0, true }, allowed = { "", "", DEVICE_NOSEC,
									       false };
	struct world *world = world_of_case(&none, false);

	world->limits.abilities = DTLS_PEER_CERTIFICATES;
	feed_request(world, PORT);
	expect_refused_over_nosec(world);
	world_free(world);
	world = world_of_case(&allowed, false);
	world->limits.abilities = DTLS_PEER_CERTIFICATES;
	feed_request(world, PORT);
	cr_expect_eq(stack_gauges(world->stack).sessions, 1);
	world_free(world);
}

/* Who asks learns nothing of whose names are devices. */
Test(admission, the_refusal_over_nosec_is_that_of_an_unknown_name)
{
	uint8_t known[2 * sizeof request_bytes];
	struct world *world = world_of_case(&credential_cases[0], false);
	size_t len;

	feed_request(world, PORT);
	len = world->slots[0].len;
	cr_assert_leq(len, sizeof known);
	memcpy(known, world->slots[0].data, len);
	world_free(world);
	world = world_new(2);
	feed_request(world, PORT);
	cr_assert_eq(world_count(world, COUNTER_bs_refused_unknown), 1);
	cr_assert_eq(world->slots[0].len, len);
	cr_expect(memcmp(world->slots[0].data, known, len) == 0);
	world_free(world);
}

Test(admission, a_dtls_listener_takes_no_plain_coap)
{
	struct world *world = world_ready(2);
	struct peer peer = world_peer(PORT);

	peer.listener = 1;
	world_feed_at(world, peer, request_bytes, sizeof request_bytes);
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	world_free(world);
}

Test(admission, the_end_cancels_what_runs_and_wipes)
{
	struct world *world = world_ready(4);
	size_t size = stack_size(&world->config);
	struct coap_header request;

	request = start(world);
	cr_assert_not_null(memmem(world->memory, size, request.token, sizeof request.token));
	feed_request(world, 5001);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 2);
	world_clear(world);
	stack_fini(world->stack);
	world->stack = NULL;
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 0);
	cr_assert_eq(world->n_events, 4);
	for (unsigned i = 2; i < 4; i++) {
		cr_expect_eq(world->events[i].kind, SESSION_FAILED);
		cr_expect_eq(world->events[i].cause, CAUSE_CANCELLED);
	}
	cr_expect_null(memmem(world->memory, size, request.token, sizeof request.token));
	cr_expect_null(memmem(world->memory, size, world->config.hash_seed, 16));
	world_free(world);
}

Test(admission, a_session_costs_no_more_than_512_bytes)
{
	struct world *small = world_new(40000), *large = world_new(60000);
	size_t each = (stack_size(&large->config) - stack_size(&small->config)) / 20000;

	cr_expect_leq(stack_session_bytes(), 512);
	cr_expect_leq(each, stack_session_bytes() * 2, "%zu bytes a session", each);
	world_free(small);
	world_free(large);
}
