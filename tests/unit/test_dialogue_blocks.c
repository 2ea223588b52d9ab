/* The dialogue against a scripted peer, in blocks (RFC 7959): how large they are, and what makes them smaller. */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

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

Test(dialogue_blocks, no_block_is_larger_than_the_setting)
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
Test(dialogue_blocks, no_block_is_larger_than_its_task_says)
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
Test(dialogue_blocks, a_step_that_gets_no_answer_goes_on_in_smaller_blocks)
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
Test(dialogue_blocks, blocks_shrink_twice_before_a_silent_device_is_given_up)
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

Test(dialogue_blocks, a_large_write_goes_in_blocks_of_the_device_s_size)
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
Test(dialogue_blocks, a_new_run_begins_with_the_largest_blocks)
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
