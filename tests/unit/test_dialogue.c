/* The dialogue against a scripted peer: lost, doubled, reordered and wrong datagrams, and time. */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

/* ---- the straight line ---- */

Test(dialogue, four_exchanges_with_exact_bytes)
{
	struct world *world = world_ready(2);
	struct coap_header request;
	struct coap_msg msg;

	feed_request(world, PORT);
	cr_assert_eq(world->slots[0].len, 8);
	cr_assert(memcmp(world->slots[0].data, "\x64\x44\x12\x34\xc0\x8e\x9b\xe1", 8) == 0);
	msg = sent(world, 1);
	cr_expect_eq(msg.header.code, COAP_PUT);
	cr_expect_eq(msg.header.token_len, 8);
	cr_expect(coap_path_is(&msg, "0/2"));
	cr_expect_eq(msg.options_len, 7);
	cr_expect_eq(msg.payload_len, 22);
	cr_expect(memcmp(msg.payload, batch_step_payload(world->steps[0][0]), 22) == 0);
	cr_expect_eq(world->events[0].kind, SESSION_STARTED);
	cr_expect_eq(world->events[0].device, 1000);
	cr_expect_eq(world->events[0].generation, 7);
	cr_expect_eq(world->events[0].format, 11542);
	cr_expect_eq(world->events[0].session.serial, 101);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 1);

	request = msg.header;
	world->now += 1000;
	accept_step(world, &request);
	cr_assert_eq(world->out.used, 1);
	msg = sent(world, 0);
	cr_expect(coap_path_is(&msg, "1/0"));
	cr_expect_eq(msg.header.mid, (uint16_t)(request.mid + 1));
	cr_expect(!coap_token_equal(&msg.header, &request));

	request = msg.header;
	accept_step(world, &request);
	msg = sent(world, 0);
	cr_expect_eq(msg.header.code, COAP_POST);
	cr_expect(coap_path_is(&msg, "bs"));
	cr_expect_eq(msg.payload_len, 0);
	cr_expect_eq(world->slots[0].len, 15);

	request = msg.header;
	accept_step(world, &request);
	cr_expect_eq(world->out.used, 0);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(last_event(world)->started_us, WORLD_START_US);
	cr_expect_eq(last_event(world)->time_us, WORLD_START_US + 1000);
	cr_expect_eq(last_event(world)->session.serial, 101);
	cr_expect_eq(world->n_events, 2);
	cr_expect_eq(world_count(world, COUNTER_bs_steps), 3);
	cr_expect_eq(world_count(world, COUNTER_bs_finished), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
	world_free(world);
}

Test(dialogue, answers_go_where_the_last_datagram_came_from)
{
	struct world *world = world_ready(2);
	struct coap_header request = start(world);
	uint8_t bytes[12] = { 0x68, COAP_CHANGED };
	struct dgram_in in = { .peer = world_peer(PORT),
			       .link = { .mac = { 9, 9, 9, 9, 9, 9 }, .vlan = 42 },
			       .len = sizeof bytes,
			       .data = bytes };

	bytes[2] = (uint8_t)(request.mid >> 8);
	bytes[3] = (uint8_t)request.mid;
	memcpy(bytes + 4, request.token, 8);
	world_clear(world);
	stack_receive(world->stack, world->now, &in, 1, &world->out);
	cr_assert_eq(world->out.used, 1);
	cr_expect(memcmp(&world->slots[0].link, &in.link, sizeof in.link) == 0);
	world_free(world);
}

/* ---- disturbances that a dialogue survives, at each of its steps ---- */

static struct coap_header
lose_request(struct world *world, const struct coap_header *request)
{
	world_tick(world, 3000000 + WORLD_TICKS_US);
	cr_assert_eq(world->out.used, 1, "no retransmission");
	cr_assert_eq(asked(world).mid, request->mid);
	cr_assert(memcmp(asked(world).token, request->token, 8) == 0);
	accept_step(world, request);
	return *request;
}

/* The reply and its copy: the second is for a step that is over. */
static struct coap_header
double_reply(struct world *world, const struct coap_header *request)
{
	struct outbox kept;
	uint8_t bytes[DATAGRAM_MAX];
	struct dgram_out slot;

	accept_step(world, request);
	kept = world->out;
	slot = world->slots[0];
	memcpy(bytes, world->bytes[0], sizeof bytes);
	accept_step(world, request);
	cr_assert_eq(world->out.used, 0, "a copy was answered");
	world->out = kept;
	world->slots[0] = slot;
	memcpy(world->bytes[0], bytes, sizeof bytes);
	return *request;
}

static struct coap_header
separate_con(struct world *world, const struct coap_header *request)
{
	struct coap_msg ack;

	reply_as(world, request, COAP_ACK, COAP_EMPTY, 0);
	cr_assert_eq(world->out.used, 0);
	world_tick(world, 20000000); /* no retransmission any more */
	cr_assert_eq(world->out.used, 0);
	reply_as(world, request, COAP_CON, COAP_CHANGED, 700);
	ack = sent(world, 0);
	cr_assert_eq(ack.header.type, COAP_ACK);
	cr_assert_eq(ack.header.code, COAP_EMPTY);
	cr_assert_eq(ack.header.mid, 700);
	return *request;
}

static struct coap_header
separate_non(struct world *world, const struct coap_header *request)
{
	reply_as(world, request, COAP_ACK, COAP_EMPTY, 0);
	reply_as(world, request, COAP_ACK, COAP_EMPTY, 0);
	reply_as(world, request, COAP_NON, COAP_CHANGED, 700);
	return *request;
}

static struct coap_header
response_before_ack(struct world *world, const struct coap_header *request)
{
	reply_as(world, request, COAP_NON, COAP_CHANGED, 700);
	return *request;
}

static struct coap_header
foreign_token_first(struct world *world, const struct coap_header *request)
{
	struct coap_header wrong = *request;

	wrong.token[7] ^= 1;
	reply_as(world, &wrong, COAP_ACK, COAP_CHANGED, 0);
	cr_assert_eq(world->out.used, 0);
	wrong = *request;
	wrong.mid++;
	reply_as(world, &wrong, COAP_ACK, COAP_CHANGED, 0);
	reply_as(world, &wrong, COAP_ACK, COAP_EMPTY, 0);
	reply_as(world, &wrong, COAP_RST, COAP_EMPTY, 0);
	cr_assert_eq(world->out.used, 0);
	wrong.token[0] ^= 1;
	reply_as(world, &wrong, COAP_CON, COAP_CHANGED, 9);
	cr_assert_eq(world->out.used, 1);
	cr_assert_eq(sent(world, 0).header.type, COAP_RST);
	accept_step(world, request);
	return *request;
}

static struct coap_header
copy_of_the_request_first(struct world *world, const struct coap_header *request)
{
	feed_request(world, PORT);
	cr_assert_eq(world->out.used, 1, "a copy started another dialogue");
	cr_assert_eq(sent(world, 0).header.code, COAP_CHANGED);
	accept_step(world, request);
	return *request;
}

static struct coap_header
noise_first(struct world *world, const struct coap_header *request)
{
	world_feed(world, PORT, "\x40\x00\x0a\x0b", 4); /* ping */
	cr_assert_eq(world->out.used, 1);
	world_feed(world, PORT, "\x40\x01\x77\x77\xb2rd", 7); /* another resource */
	cr_assert_eq(sent(world, 0).header.code, COAP_NOT_FOUND);
	world_feed(world, PORT,
		   "\x40\x02\x77\x78\xb2"
		   "bs",
		   7); /* a bad Bootstrap-Request */
	cr_assert_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	world_feed(world, PORT, "\x49\x02\x12\x34", 4);
	world_feed(world, PORT, "\x01", 1);
	accept_step(world, request);
	return *request;
}

static struct coap_header
all_but_the_last_try_lost(struct world *world, const struct coap_header *request)
{
	for (unsigned i = 0; i < 4; i++) {
		world_tick(world, (UINT64_C(3000000) << i) + WORLD_TICKS_US);
		cr_assert_eq(world->out.used, 1, "retransmission %u", i);
	}
	accept_step(world, request);
	return *request;
}

Test(dialogue, survives_disturbances_at_every_step)
{
	static struct coap_header (*const disturb[])(struct world *, const struct coap_header *) = {
		lose_request,
		double_reply,
		separate_con,
		separate_non,
		response_before_ack,
		foreign_token_first,
		copy_of_the_request_first,
		noise_first,
		all_but_the_last_try_lost,
	};

	for (unsigned d = 0; d < sizeof disturb / sizeof disturb[0]; d++)
		for (unsigned step = 0; step < STEPS; step++) {
			struct world *world = world_ready(2);
			struct coap_header request = start_at(world, step);

			disturb[d](world, &request);
			if (step + 1 < STEPS)
				finish_from(world, asked(world), step + 1);
			expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
			cr_expect_eq(world_count(world, COUNTER_bs_started), 1);
			cr_expect_eq(world_count(world, COUNTER_bs_steps), STEPS);
			cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
			cr_expect_eq(world->n_events, 2);
			world_free(world);
		}
}

/* Leshan answers Finish with a CON response of its own: its copies are acknowledged even after the
 * end. */
Test(dialogue, copies_of_a_separate_response_are_acknowledged_again)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 2);

	for (unsigned i = 0; i < 3; i++) {
		reply_as(world, &request, COAP_CON, COAP_CHANGED, 31);
		cr_assert_eq(world->out.used, 1);
		cr_expect_eq(sent(world, 0).header.type, COAP_ACK);
		cr_expect_eq(sent(world, 0).header.mid, 31);
	}
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(world->n_events, 2);
	cr_expect_eq(world_count(world, COUNTER_coap_rx_duplicate), 2);
	world_free(world);
}

/* RFC 7252 5.4.1: a response with a critical option nobody knows is no reply. */
Test(dialogue, responses_with_unknown_critical_options_are_rejected)
{
	struct world *world = world_ready(2);
	struct coap_header request = start(world);

	for (unsigned type = COAP_CON; type <= COAP_ACK; type++) {
		uint8_t bytes[64];
		struct writer writer = writer_init(bytes, sizeof bytes);
		struct coap_header header = request;

		header.type = (uint8_t)type;
		header.code = COAP_CHANGED;
		coap_write_header(&writer, &header);
		writer_u8(&writer, 0x90); /* option 9 */
		world_feed(world, PORT, bytes, writer_finish(&writer));
		cr_expect_eq(world->out.used, type == COAP_CON);
		if (type == COAP_CON)
			cr_expect_eq(sent(world, 0).header.type, COAP_RST);
	}
	cr_expect_eq(world_count(world, COUNTER_coap_bad_reply), 3);
	finish_from(world, request, 0);
	world_free(world);
}

/* ---- how a run fails ---- */

Test(dialogue, a_wrong_reply_ends_the_run_and_sends_no_finish)
{
	static const uint8_t wrong[] = {
		COAP_BAD_REQUEST,
		COAP_UNAUTHORIZED,
		COAP_NOT_FOUND,
		COAP_METHOD_NOT_ALLOWED,
		COAP_NOT_ACCEPTABLE,
		COAP_UNSUPPORTED_CONTENT_FORMAT,
		COAP_INTERNAL_SERVER_ERROR,
		COAP_DELETED,
		COAP_CONTENT,
		COAP_CONTINUE,
		COAP_CODE(3, 0),
		COAP_CODE(2, 30),
		COAP_REQUEST_ENTITY_INCOMPLETE,
	};

	for (unsigned c = 0; c < sizeof wrong; c++)
		for (unsigned step = 0; step < STEPS; step++) {
			struct world *world = world_ready(2);
			struct coap_header request = start_at(world, step);

			reply_as(world, &request, COAP_ACK, wrong[c], 0);
			cr_expect_eq(world->out.used, 0);
			expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
			cr_expect_eq(last_event(world)->code, wrong[c]);
			cr_expect_eq(last_event(world)->step, step);
			world_tick(world, 200000000);
			cr_expect_eq(world->out.used, 0, "something was sent after the failure");
			cr_expect_eq(world_count(world, COUNTER_bs_failed_reply), 1);
			world_free(world);
		}
}

/* RFC 7959 2.9.3: the device may take it in blocks. A Finish has nothing to be cut. */
Test(dialogue, a_write_that_is_too_large_is_tried_in_blocks_once)
{
	for (unsigned step = 0; step < STEPS; step++) {
		struct world *world = world_ready(2);
		struct coap_header request = start_at(world, step);

		reply_as(world, &request, COAP_ACK, COAP_REQUEST_ENTITY_TOO_LARGE, 0);
		if (step < 2) {
			cr_assert_eq(world->out.used, 1);
			cr_expect_eq(sent(world, 0).payload_len, 16);
			request = asked(world);
			reply_as(world, &request, COAP_ACK, COAP_REQUEST_ENTITY_TOO_LARGE, 0);
		}
		cr_expect_eq(world->out.used, 0);
		expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
		cr_expect_eq(last_event(world)->code, COAP_REQUEST_ENTITY_TOO_LARGE);
		cr_expect_eq(last_event(world)->step, step);
		world_free(world);
	}
}

/* What broke for others: a client that answers 2.01 to a write stopped a server. To Finish it is
 * wrong all the same. */
Test(dialogue, created_accepts_a_write_but_no_finish)
{
	struct world *world = world_ready(2);
	struct coap_header request = start(world);

	reply_as(world, &request, COAP_ACK, COAP_CREATED, 0);
	request = asked(world);
	reply_as(world, &request, COAP_ACK, COAP_CREATED, 0);
	request = asked(world);
	reply_as(world, &request, COAP_ACK, COAP_CREATED, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
	cr_expect_eq(last_event(world)->step, 2);
	world_free(world);
}

Test(dialogue, a_wrong_separate_reply_is_acknowledged_and_ends_the_run)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 2);

	reply_as(world, &request, COAP_CON, COAP_NOT_ACCEPTABLE, 31);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.type, COAP_ACK);
	expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
	world_free(world);
}

/* A crash elsewhere: a device that answers Reset. The first step is sent once more. */
Test(dialogue, reset_ends_the_run_at_every_step)
{
	for (unsigned step = 0; step < STEPS; step++)
		for (unsigned acked = 0; acked < 2; acked++) {
			struct world *world = world_ready(2);
			struct coap_header request = start_at(world, step);

			if (acked)
				reply_as(world, &request, COAP_ACK, COAP_EMPTY, 0);
			if (step == 0 && !acked) {
				reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
				cr_expect_eq(world->n_events, 1);
				world_tick(world, 3000000 + WORLD_TICKS_US);
				request = asked(world);
			}
			reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
			cr_expect_eq(world->out.used, 0);
			expect_ended(world, SESSION_FAILED, CAUSE_RESET);
			cr_expect_eq(last_event(world)->step, step);
			reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
			cr_expect_eq(world->n_events, 2);
			cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
			world_free(world);
		}
}

/* ---- sizes of blocks ---- */

static struct coap_block
block_out(const struct world *world, size_t *len)
{
	struct coap_msg msg = sent(world, world->out.used - 1);
	struct coap_options_seen seen;
	struct coap_block block = { .szx = COAP_SZX_MAX };

	cr_assert_eq(coap_options_check(&msg, &seen), COAP_OPTIONS_FINE);
	if (seen.has & COAP_HAS_BLOCK1)
		cr_assert_eq(coap_block_decode(seen.block1, &block), 0);
	*len = msg.payload_len;
	return block;
}

Test(dialogue, no_block_is_larger_than_the_setting)
{
	static const struct {
		uint32_t setting, block;
	} cases[] = { { 0, 1024 },  { 1024, 1024 }, { 1023, 512 }, { 512, 512 },
		      { 300, 256 }, { 64, 64 },     { 16, 16 } };

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *world = world_new(2);
		size_t len;

		world->limits.block_bytes = cases[i].setting;
		world_device(world, "dev-0001", world_batch(world, 11542, 3000), 0);
		start(world);
		cr_expect_eq(coap_block_size(block_out(world, &len).szx), cases[i].block);
		cr_expect_eq(len, cases[i].block);
		world_free(world);
	}
}

/* What a task asks for is about its devices, the setting about all: the smaller one counts. */
Test(dialogue, no_block_is_larger_than_its_task_says)
{
	static const struct {
		uint16_t setting, task, block;
	} cases[] = { { 0, 512, 512 }, { 1024, 64, 64 }, { 256, 512, 256 }, { 512, 0, 512 } };

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *world = world_new(2);
		struct batch *batch = world_batch(world, 11542, 3000);
		size_t len;

		world->limits.block_bytes = cases[i].setting;
		batch->block_bytes = cases[i].task;
		world_device(world, "dev-0001", batch, 0);
		start(world);
		cr_expect_eq(coap_block_size(block_out(world, &len).szx), cases[i].block);
		cr_expect_eq(len, cases[i].block);
		world_free(world);
	}
}

/* A device that receives 600 bytes at most, and never sees what is larger. */
Test(dialogue, a_step_that_gets_no_answer_goes_on_in_smaller_blocks)
{
	static const size_t payloads[] = { 3000, 1000, 700 };

	for (unsigned i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
		struct world *world = world_new(2);
		struct coap_header request;
		struct coap_block block;
		size_t len, got = 0;

		world_device(world, "dev-0001", world_batch(world, 11542, payloads[i]), 0);
		request = start(world);
		for (unsigned silent = 0; silent < 2; silent++) {
			block = block_out(world, &len);
			cr_assert_gt(len, 600);
			world_tick(world, (UINT64_C(3000000) << silent) + WORLD_TICKS_US);
			cr_assert_eq(world->out.used, 1);
		}
		cr_expect_neq(asked(world).mid, request.mid);
		do {
			request = asked(world);
			block = block_out(world, &len);
			cr_assert_leq(len, 512);
			cr_assert_eq(block.num * coap_block_size(block.szx), got);
			got += len;
			reply_as(world, &request, COAP_ACK,
				 block.more ? COAP_CONTINUE : COAP_CHANGED, 0);
		} while (block.more);
		cr_expect_eq(got, payloads[i]);
		cr_expect_eq(world_count(world, COUNTER_bs_blocks_shrunk), 1);
		world_free(world);
	}
}

/* 1024, 512, 256, and then the usual patience: nobody is there. */
Test(dialogue, blocks_shrink_twice_before_a_silent_device_is_given_up)
{
	struct world *world = world_new(2);

	world_device(world, "dev-0001", world_batch(world, 11542, 3000), 0);
	start(world);
	for (unsigned s = 0; s < 2 * 9 + 93 + 5; s++)
		world_tick(world, 1000000);
	expect_ended(world, SESSION_FAILED, CAUSE_TIMEOUT);
	cr_expect_eq(world_count(world, COUNTER_bs_blocks_shrunk), 2);
	cr_expect_eq(world_count(world, COUNTER_coap_tx_retransmit), 1 + 1 + 4);
	world_free(world);
}

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
Test(dialogue, a_step_answered_5_03_is_sent_again_after_max_age)
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

Test(dialogue, a_device_that_stays_busy_ends_the_run)
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
Test(dialogue, a_device_without_our_answer_gets_it_and_the_first_step_again)
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
Test(dialogue, a_late_copy_of_the_request_does_not_hurry_a_held_step)
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

/* Off the path, over NoSec: an attacker knows addresses and ports, and must guess the message id. */
Test(dialogue, spoofed_resets_of_every_message_id_end_no_run)
{
	struct world *world = world_ready(2);
	struct coap_header request = start_at(world, 1), spoofed = { .type = COAP_RST };

	for (uint32_t i = 0; i <= UINT16_MAX; i++) {
		spoofed.mid = (uint16_t)(request.mid + 100 + i);
		feed_message(world, PORT, &spoofed);
		cr_assert_eq(world->out.used, 0);
	}
	cr_expect_eq(world_count(world, COUNTER_coap_rx_reset_ignored), 1);
	cr_expect_eq(world->n_events, 1);
	finish_from(world, request, 1);
	world_free(world);
}

/* RFC 7252 4.2: 2 s to 3 s, doubling, four retransmissions, then as long again: 31 times the first
 * wait. */
Test(dialogue, retransmissions_come_at_their_times)
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
Test(dialogue, the_first_wait_is_random_between_2_and_3_seconds)
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

Test(dialogue, the_wait_for_a_separate_response_ends_after_93_seconds)
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
Test(dialogue, clients_give_up_after_exchange_lifetime_without_a_request)
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

/* ---- the same device again: RFC 7252 4.5 ---- */

Test(dialogue, a_copy_after_the_end_gets_the_same_answer)
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

Test(dialogue, a_finished_session_is_forgotten_after_its_linger_time)
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
Test(dialogue, another_request_supersedes_the_run)
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

Test(dialogue, a_device_may_bootstrap_again_on_its_lingering_session)
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

Test(dialogue, other_ports_are_other_peers)
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
Test(dialogue, a_request_and_its_copy_in_one_burst_are_one_dialogue)
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

Test(dialogue, a_burst_of_new_peers_fills_the_outbox_exactly)
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

/* ---- blocks: RFC 7959 ---- */

Test(dialogue, a_large_write_goes_in_blocks_of_the_device_s_size)
{
	struct world *world = world_new(2);
	struct batch *batch = world_batch(world, 11542, 3000);
	struct coap_header request;
	uint8_t got[3000];
	size_t have = 0;
	unsigned blocks = 0;

	world_device(world, "dev-0001", batch, 0);
	request = start(world);
	for (;;) {
		struct coap_msg msg = sent(world, world->out.used - 1);
		struct coap_options_seen seen;
		struct coap_block block;
		uint8_t bytes[64];
		struct writer writer = writer_init(bytes, sizeof bytes);
		uint16_t last = 0;

		cr_assert_eq(coap_options_check(&msg, &seen), COAP_OPTIONS_FINE);
		if (!(seen.has & COAP_HAS_BLOCK1))
			break;
		cr_assert_eq(coap_block_decode(seen.block1, &block), 0);
		cr_assert_eq(block.num * coap_block_size(block.szx), have);
		memcpy(got + have, msg.payload, msg.payload_len);
		have += msg.payload_len;
		blocks++;
		request = msg.header;
		request.type = COAP_ACK;
		request.code = block.more ? COAP_CONTINUE : COAP_CHANGED;
		if (block.szx > 4 && blocks == 2)
			block.szx = 4; /* 256 bytes from here on */
		coap_write_header(&writer, &request);
		coap_write_option_uint(&writer, &last, COAP_OPTION_BLOCK1,
				       coap_block_encode(&block));
		world_feed(world, PORT, bytes, writer_finish(&writer));
		cr_assert_eq(world->out.used, 1);
	}
	cr_expect_eq(have, sizeof got);
	cr_expect(memcmp(got, batch_step_payload(batch->steps[0]), sizeof got) == 0);
	cr_expect_eq(blocks, 2 + 4);
	finish_from(world, asked(world), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_blocks), blocks - 1);
	world_free(world);
}

/* The size that a device asked for is not that of the next run: it may have another firmware. */
Test(dialogue, a_new_run_begins_with_the_largest_blocks)
{
	struct world *world = world_ready(2);
	struct coap_header request = start(world);
	uint8_t bytes[sizeof request_bytes];
	struct writer writer;
	uint16_t last = 0;

	writer = writer_init(bytes, sizeof bytes);
	request.type = COAP_ACK;
	request.code = COAP_REQUEST_ENTITY_TOO_LARGE;
	coap_write_header(&writer, &request);
	coap_write_option_uint(&writer, &last, COAP_OPTION_BLOCK1, 0); /* 0/0/16 */
	world_feed(world, PORT, bytes, writer_finish(&writer));
	cr_assert_eq(sent(world, 0).payload_len, 16);
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_assert_eq(world->out.used, 2);
	cr_expect_eq(sent(world, 1).payload_len, 22);
	world_free(world);
}

/* ---- how far it is ---- */

Test(dialogue, a_run_tells_how_far_it_is_and_how_much_was_said)
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

Test(dialogue, phases_are_as_long_as_the_device_took)
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

Test(dialogue, a_run_that_fails_is_no_delay_of_those_that_end_well)
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
Test(dialogue, why_a_device_refuses_is_reported_in_its_words)
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
