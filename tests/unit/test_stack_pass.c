/*
 * A stack to records and back: what no stack could have written first; then devices that began with one stack and
 * finish with the next.
 */
#include <criterion/criterion.h>

#include "dataplane/core/record_kinds.h"
#include "dataplane/core/sessions/bootstrap_state.h"
#include "dataplane/core/sessions/stack_state.h"
#include "dataplane/core/stack_fields.h"
#include "dataplane/core/stack_pass.h"
#include "tests/unit/stack_world.h"

enum { SESSIONS = 8, FILE_BYTES = 1 << 16, LATER_US = 123456789 };

static struct world *old, *new;
static struct batch *batch;
static uint8_t file[FILE_BYTES];
static size_t len;
static struct stack_passed saved, loaded;
static uint8_t listeners[LISTENERS_MAX];

/* Of the same device in two processes: ids and names are the same, memory is not. */
static void
add_device(struct world *world)
{
	struct batch *own = world_batch(world, 11542, 98);

	world_device(world, "dev", own, 0);
	if (world == new)
		batch = own;
}

static void
setup(void)
{
	old = world_new(SESSIONS);
	new = world_new_random(SESSIONS, 77, false);
	new->now += LATER_US;
	/* Another process has other secrets. */
	add_device(old);
	add_device(new);
	saved = loaded = (struct stack_passed){ 0 };
	for (unsigned i = 0; i < LISTENERS_MAX; i++)
		listeners[i] = (uint8_t)i;
}

static void
teardown(void)
{
	world_free(old);
	world_free(new);
}

TestSuite(stack_pass, .init = setup, .fini = teardown);

static uint32_t
number_of(void *ctx, const struct batch *any)
{
	return 1;
}

static const struct batch *
batch_of(void *ctx, uint32_t number)
{
	return number == 1 ? batch : NULL;
}

static void
save(void)
{
	const struct stack_saving saving = { number_of, NULL };
	struct record_writer writer;

	cr_assert_leq(stack_save_size(old->stack), sizeof file);
	record_file_begin(&writer, file, sizeof file);
	stack_save(old->stack, &writer, &saving, &saved);
	len = record_file_end(&writer);
	cr_assert_gt(len, 0);
}

static bool
load(void)
{
	const struct stack_loading loading = { .batch = batch_of, .listeners = listeners, .now_us = new->now };
	struct record_reader reader;

	cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
	reader.shift_us = new->now - old->now;
	while (record_next(&reader))
		if (!stack_load(new->stack, &reader, &loading, &loaded))
			return false;
	return !reader.malformed;
}

static const char request[] = "\x44\x02\x12\x34tokn\xb2"
			      "bs\x46"
			      "ep=dev";

/* The first step is out; returns what it was. */
static struct coap_header
begin(struct world *world, uint16_t port)
{
	struct coap_msg msg;

	world_feed(world, port, request, sizeof request - 1);
	cr_assert_eq(world->out.used, 2);
	cr_assert_eq(coap_parse(world->slots[1].data, world->slots[1].len, &msg), COAP_IS_REQUEST);
	return msg.header;
}

static void
answer(struct world *world, uint16_t port, const struct coap_header *step, uint8_t code)
{
	uint8_t bytes[4 + COAP_TOKEN_MAX] = { (uint8_t)(0x60 | step->token_len), code,
					      (uint8_t)(step->mid >> 8), (uint8_t)step->mid };

	memcpy(bytes + 4, step->token, step->token_len);
	world_feed(world, port, bytes, 4u + step->token_len);
}

/* ---- what cannot be ---- */

/* One record of a session in the middle of its run, with one field otherwise. */
static bool
load_with(uint8_t field, uint64_t value)
{
	const struct stack_loading loading = { .batch = batch_of, .listeners = listeners, .now_us = new->now };
	struct session session = { .state = BOOTSTRAP_STEP, .serial = 5, .device = 1000 };
	struct record_writer writer;
	struct record_reader reader;
	bool good;

	session.node.peer = world_peer(4000);
	record_file_begin(&writer, file, sizeof file);
	record_begin(&writer, PASSED_SESSION);
	record_put_fields(&writer, FIELDS_OF(session_fields), &session);
	record_put_number(&writer, SESSION_BATCH, 1);
	record_put_bytes(&writer, field, &value, 1); /* the last one counts */
	record_end(&writer);
	len = record_file_end(&writer);
	cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
	cr_assert(record_next(&reader));
	good = stack_load(new->stack, &reader, &loading, &loaded) && !reader.malformed;
	return good;
}

Test(stack_pass, sessions_that_cannot_be_are_malformed)
{
	cr_expect_not(load_with(16, BOOTSTRAP_STATES), "state");
	cr_expect_not(load_with(16, BOOTSTRAP_IDLE), "a batch without a run");
	cr_expect_not(load_with(16, BOOTSTRAP_PACK), "a pack that is none");
	cr_expect_not(load_with(15, 3), "a step beyond the last");
	cr_expect_not(load_with(11, 98), "a block beyond the payload");
	cr_expect_not(load_with(12, 7), "a block size");
	cr_expect_not(load_with(13, 7), "a block size");
	cr_expect_not(load_with(9, 5), "message ids");
	cr_expect_not(load_with(28, 9), "a token");
	cr_expect_not(load_with(17, CAUSES), "a cause");
	cr_expect_not(load_with(38, RUN_PHASES), "a phase");
	cr_expect_not(load_with(4, LISTENERS_MAX), "a listener");
	cr_expect_not(load_with(SESSION_ASSOCIATED, 1), "an association over NoSec");
	cr_expect_eq(loaded.sessions, 0);
	cr_expect(load_with(90, 1), "a field that came later");
}

Test(stack_pass, who_finds_no_place_is_counted)
{
	cr_expect(load_with(SESSION_SLOT, SESSIONS));
	cr_expect_eq(loaded.lost[STACK_LOST_ROOM], 1);
	cr_expect(load_with(SESSION_BATCH, 2));
	cr_expect_eq(loaded.lost[STACK_LOST_BATCH], 1);
	listeners[0] = STACK_NO_LISTENER;
	cr_expect(load_with(90, 1));
	cr_expect_eq(loaded.lost[STACK_LOST_LISTENER], 1);
	cr_expect_eq(loaded.sessions, 0);
}

Test(stack_pass, a_slot_or_a_peer_that_is_taken_is_not_given_twice)
{
	cr_assert(load_with(SESSION_SLOT, 2));
	cr_assert(load_with(SESSION_SLOT, 2));
	cr_assert(load_with(SESSION_SLOT, 5)); /* the same peer */
	cr_expect_eq(loaded.sessions, 1);
	cr_expect_eq(loaded.lost[STACK_LOST_ROOM], 2);
}

/* ---- what passes ---- */

Test(stack_pass, nothing_is_a_file_too)
{
	save();
	cr_assert(load());
	cr_expect_eq(loaded.sessions, 0);
}

Test(stack_pass, a_run_goes_on_where_it_stood)
{
	struct coap_header step = begin(old, 4000);
	struct coap_msg msg;

	(void)begin(old, 4001);
	save();
	cr_assert(load());
	cr_expect_eq(saved.running, 2);
	cr_expect_eq(loaded.running, 2);
	cr_expect_eq(stack_gauges(new->stack).running, 2);
	for (unsigned i = 0; i < 3; i++) {
		answer(new, 4000, &step, COAP_CHANGED);
		if (i == 2)
			break;
		cr_assert_eq(new->out.used, 1, "step %u", i);
		cr_assert_eq(coap_parse(new->slots[0].data, new->slots[0].len, &msg),
			     COAP_IS_REQUEST);
		step = msg.header;
	}
	cr_expect_eq(new->events[new->n_events - 1].kind, SESSION_FINISHED);
	cr_expect_eq(stack_gauges(new->stack).running, 1);
}

Test(stack_pass, a_copy_of_a_request_gets_its_answer_and_no_second_run)
{
	(void)begin(old, 4000);
	save();
	cr_assert(load());
	world_feed(new, 4000, request, sizeof request - 1);
	cr_assert_eq(new->out.used, 1);
	cr_expect_eq(new->slots[0].data[1], COAP_CHANGED);
	cr_expect_eq(new->n_events, 0);
}

Test(stack_pass, timers_go_off_when_they_would_have)
{
	(void)begin(old, 4000);
	old->now += 1000000;
	save();
	cr_assert(load());
	world_tick(new, 500000);
	cr_expect_eq(new->out.used, 0);
	world_tick(new, 2000000); /* ACK_TIMEOUT by at most 1.5, a second of which is over */
	cr_expect_eq(new->out.used, 1);
}

Test(stack_pass, the_pool_is_left_to_those_who_finished_longest_ago)
{
	for (uint16_t port = 0; port < SESSIONS; port++) {
		struct coap_header step = begin(old, (uint16_t)(4000 + port));

		answer(old, (uint16_t)(4000 + port), &step, COAP_BAD_REQUEST); /* it has failed */
		old->now += 1000;
	}
	save();
	cr_assert(load());
	cr_expect_eq(loaded.sessions, SESSIONS);
	(void)begin(new, 5000);
	cr_expect_eq(world_count(new, COUNTER_sessions_evicted), 1);
	world_feed(new, 4001, request, sizeof request - 1); /* a copy: 4000 alone was evicted */
	cr_expect_eq(new->out.used, 1);
}

/*
 * What a worker of that version left, by name: two sessions without DTLS, of which one is over, two associations, and
 * two handshakes. Never made anew: what was written once must be read.
 */
static const struct {
	const char *file;
	struct stack_passed passed;
} released[] = {
	{ "0.1.0-worker", { .sessions = 6, .running = 2, .associations = 2, .handshakes = 2 } },
};

Test(stack_pass, a_file_of_every_release_is_loaded)
{
	for (unsigned i = 0; i < sizeof released / sizeof released[0]; i++) {
		const struct stack_passed *passed = &released[i].passed;
		char path[512];
		FILE *stored;

		snprintf(path, sizeof path, "%s/tests/unit/passed/%s", SOURCE_ROOT, released[i].file);
		stored = fopen(path, "rb");
		cr_assert(stored, "%s", path);
		len = fread(file, 1, sizeof file, stored);
		fclose(stored);
		loaded = (struct stack_passed){ 0 };
		cr_assert(load(), "%s", path);
		cr_expect_eq(loaded.sessions, passed->sessions);
		cr_expect_eq(loaded.running, passed->running);
		cr_expect_eq(loaded.associations, passed->associations);
		cr_expect_eq(loaded.handshakes, passed->handshakes);
		cr_expect_eq(stack_gauges(new->stack).sessions, passed->sessions);
		world_tick(new, 600000000); /* timers of all of them go off */
	}
}
