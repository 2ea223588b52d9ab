/* The dialogue against a scripted peer: lost, doubled, reordered and wrong datagrams. */
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
