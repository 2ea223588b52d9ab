/* Bootstrap-Packs: asked for, made by the control side, served in blocks, served again. */
#include <criterion/criterion.h>

#include "dataplane/core/bootstrap/bootstrap_query.h"
#include "tests/unit/scripted_peer.h"

enum { PACK_BYTES = 3000 };

/* One GET /bspack of a device. */
struct get {
	const char *endpoint; /* NULL: dev-0001 */
	const char *accounts; /* NULL: none */
	int accept;           /* < 0: none */
	int block;            /* Block2 value, < 0: none */
	uint16_t mid;
	uint8_t token;
};

static size_t
write_get(const struct get *get, uint8_t *bytes, size_t size)
{
	struct writer writer = writer_init(bytes, size);
	const struct coap_header header = {
		.code = COAP_GET, .mid = get->mid, .token_len = 2, .token = { get->token, 9 }
	};
	char text[128];
	uint16_t last = 0;

	coap_write_header(&writer, &header);
	coap_write_option_text(&writer, &last, COAP_OPTION_URI_PATH, "bspack");
	snprintf(text, sizeof text, "ep=%s", get->endpoint ? get->endpoint : "dev-0001");
	coap_write_option_text(&writer, &last, COAP_OPTION_URI_QUERY, text);
	if (get->accounts) {
		snprintf(text, sizeof text, "acc=%s", get->accounts);
		coap_write_option_text(&writer, &last, COAP_OPTION_URI_QUERY, text);
	}
	if (get->accept >= 0)
		coap_write_option_uint(&writer, &last, COAP_OPTION_ACCEPT, (uint32_t)get->accept);
	if (get->block >= 0)
		coap_write_option_uint(&writer, &last, COAP_OPTION_BLOCK2, (uint32_t)get->block);
	return writer_finish(&writer);
}

static void
feed_get(struct world *world, const struct get *get)
{
	uint8_t bytes[256];

	world_feed(world, PORT, bytes, write_get(get, bytes, sizeof bytes));
}

static int
block(unsigned num, unsigned szx)
{
	return (int)(num << 4 | szx);
}

/* The session asked the control side for a pack. */
static struct session_ref
ask_for_pack(struct world *world, const struct get *get)
{
	unsigned events = world->n_events;

	feed_get(world, get);
	cr_assert_eq(world->out.used, 0);
	cr_assert_gt(world->n_events, events);
	cr_assert_eq(last_event(world)->kind, SESSION_NEEDS_BATCH);
	cr_expect_eq(last_event(world)->ask, ASK_PACK);
	cr_expect_eq(last_event(world)->device, 1000);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
	return last_event(world)->session;
}

static void
give(struct world *world, struct session_ref ref, const struct batch *batch, uint8_t code)
{
	struct stack_command command = {
		.kind = STACK_BATCH, .session = ref, .batch = batch, .code = code
	};

	if (batch)
		batch_hold(batch);
	world_clear(world);
	stack_command(world->stack, world->now, &command, &world->out);
}

/* What a device has of a pack. */
struct fetched {
	uint8_t bytes[8192];
	size_t len;
	uint8_t etag[8];
	size_t etag_len;
	bool more;
	uint8_t szx;
	int size2;
};

/* Takes the one answer that was just sent: a block at this offset. */
static void
take_block(const struct world *world, const struct get *get, struct fetched *fetched)
{
	struct coap_msg msg = sent(world, 0);
	struct coap_options_seen seen;
	struct coap_block got = { .szx = COAP_SZX_MAX };

	cr_assert_eq(world->out.used, 1);
	cr_assert_eq(msg.header.type, COAP_ACK);
	cr_assert_eq(msg.header.code, COAP_CONTENT);
	cr_assert_eq(msg.header.mid, get->mid);
	cr_assert_eq(msg.header.token[0], get->token);
	cr_assert_eq(coap_options_check(&msg, &seen), COAP_OPTIONS_FINE);
	cr_assert(seen.has & COAP_HAS_ETAG);
	cr_assert(seen.has & COAP_HAS_CONTENT_FORMAT);
	if (seen.has & COAP_HAS_BLOCK2)
		cr_assert_eq(coap_block_decode(seen.block2, &got), 0);
	if (fetched->etag_len) {
		cr_expect_eq(seen.etag.len, fetched->etag_len);
		cr_expect(memcmp(seen.etag.value, fetched->etag, seen.etag.len) == 0,
			  "ETag changed");
	}
	fetched->etag_len = seen.etag.len;
	memcpy(fetched->etag, seen.etag.value, seen.etag.len);
	fetched->len = got.num * coap_block_size(got.szx);
	memcpy(fetched->bytes + fetched->len, msg.payload, msg.payload_len);
	fetched->len += msg.payload_len;
	fetched->more = got.more;
	fetched->szx = got.szx;
	fetched->size2 = seen.has & COAP_HAS_SIZE2 ? (int)seen.size2 : -1;
}

static void
expect_whole(const struct fetched *fetched, const struct batch *batch)
{
	const struct batch_step *step = batch->steps[0];

	cr_assert_not(fetched->more);
	cr_assert_eq(fetched->len, step->payload_len, "%zu bytes", fetched->len);
	cr_expect(memcmp(fetched->bytes, batch_step_payload(step), fetched->len) == 0);
}

static struct world *
pack_world(void)
{
	return world_ready(4);
}

/* ---- the straight line: PROTOCOL 1.9, 5.7 B7 ---- */

Test(pack, one_block_is_the_whole_run)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, 135);
	struct get get = { .accounts = "</0/0>", .accept = 112, .block = -1, .mid = 7, .token = 1 };
	struct session_ref ref = ask_for_pack(world, &get);
	struct fetched fetched = { 0 };

	cr_expect_eq(last_event(world)->format, 112);
	cr_expect_eq(last_event(world)->name_len, 6);
	cr_expect(memcmp(last_event(world)->name, "</0/0>", 6) == 0);
	give(world, ref, pack, 0);
	take_block(world, &get, &fetched);
	expect_whole(&fetched, pack);
	cr_expect_eq(fetched.size2, -1);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(world->n_events, 3);
	cr_expect_eq(world->events[1].kind, SESSION_STARTED);
	cr_expect_eq(last_event(world)->plan, pack->plan);
	cr_expect_eq(last_event(world)->format, 112);
	cr_expect_eq(world_count(world, COUNTER_bs_started), 1);
	cr_expect_eq(world_count(world, COUNTER_bs_finished), 1);
	world_free(world);
}

/* The vector of the protocol notes: GET /bspack?ep=dev-0001&acc=</0/0>, Accept 112. */
Test(pack, the_request_vector)
{
	static const char bytes[] = "\x44\x01\x00\x09\xc0\x8e\x9b\xe1\xb6"
				    "bspack"
				    "\x4b"
				    "ep=dev-0001"
				    "\x0a"
				    "acc=</0/0>"
				    "\x21\x70";
	static const char want[] = "\x64\x45\x00\x09\xc0\x8e\x9b\xe1\x44\0\0\0\x65\x81\x70\xff"
				   "\x01";
	struct world *world = pack_world();

	world_feed(world, PORT, bytes, sizeof bytes - 1);
	cr_assert_eq(last_event(world)->ask, ASK_PACK);
	give(world, last_event(world)->session, world_pack(world, 112, 1), 0);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(world->slots[0].len, sizeof want - 1);
	cr_expect(memcmp(world->slots[0].data, want, sizeof want - 1) == 0);
	world_free(world);
}

Test(pack, formats_and_their_default)
{
	static const struct {
		int accept;
		uint16_t format;
	} cases[] = { { 112, 112 }, { 110, 110 }, { 11544, 11544 }, { -1, 112 } };

	for (unsigned i = 0; i < 4; i++) {
		struct world *world = pack_world();
		struct get get = { .accept = cases[i].accept, .block = -1, .mid = 7 };
		struct coap_options_seen seen;
		struct coap_msg msg;

		ask_for_pack(world, &get);
		cr_expect_eq(last_event(world)->format, cases[i].format);
		cr_expect_eq(last_event(world)->name_len, 0);
		give(world, last_event(world)->session, world_pack(world, cases[i].format, 50), 0);
		msg = sent(world, 0);
		cr_assert_eq(coap_options_check(&msg, &seen), COAP_OPTIONS_FINE);
		cr_expect_eq(seen.content_format, cases[i].format);
		world_free(world);
	}
}

/* ---- blocks ---- */

/* Fetches on from the block after what there is; each request is a new one. */
static void
fetch_rest(struct world *world, struct get *get, struct fetched *fetched)
{
	while (fetched->more) {
		get->mid++;
		get->token++;
		get->block = block((unsigned)(fetched->len / coap_block_size(fetched->szx)),
				   fetched->szx);
		feed_get(world, get);
		take_block(world, get, fetched);
	}
}

Test(pack, every_block_size_and_every_length)
{
	static const size_t lengths[] = { 1, 15, 16, 17, 1023, 1024, 1025, 2048, PACK_BYTES };

	for (unsigned szx = 0; szx <= COAP_SZX_MAX; szx++)
		for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
			struct world *world = pack_world();
			struct batch *pack = world_pack(world, 112, lengths[i]);
			struct get get = { .accept = 112, .block = block(0, szx), .mid = 7 };
			struct session_ref ref = ask_for_pack(world, &get);
			struct fetched fetched = { 0 };

			give(world, ref, pack, 0);
			take_block(world, &get, &fetched);
			cr_expect_eq(fetched.more, lengths[i] > coap_block_size((uint8_t)szx));
			if (fetched.more) {
				cr_expect_eq(fetched.szx, szx);
				cr_expect_eq(fetched.size2, (int)lengths[i]);
			}
			fetch_rest(world, &get, &fetched);
			expect_whole(&fetched, pack);
			expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
			cr_expect_eq(world->n_events, 3);
			world_free(world);
		}
}

/* A client that names no size is given the largest blocks. */
Test(pack, without_negotiation_blocks_are_the_largest)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct fetched fetched = { 0 };

	give(world, ask_for_pack(world, &get), pack, 0);
	take_block(world, &get, &fetched);
	cr_expect_eq(fetched.szx, 6);
	cr_expect_eq(fetched.len, 1024);
	fetch_rest(world, &get, &fetched);
	expect_whole(&fetched, pack);
	cr_expect_eq(world_count(world, COUNTER_bs_pack_blocks), 3);
	world_free(world);
}

/* Any block, in any order, of any size: RFC 7959 asks nothing else of a server. */
Test(pack, sizes_change_and_blocks_come_in_any_order)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct fetched fetched = { 0 };

	give(world, ask_for_pack(world, &get), pack, 0);
	take_block(world, &get, &fetched);
	fetched.szx = 4; /* 256 bytes from here on: block 4 is due */
	get.mid++;
	get.block = block(4, 4);
	feed_get(world, &get);
	take_block(world, &get, &fetched);
	cr_expect_eq(fetched.len, 1280);
	get.mid++;
	get.block = block(0, 2); /* back to the start, before the end */
	feed_get(world, &get);
	take_block(world, &get, &fetched);
	cr_expect_eq(fetched.len, 64);
	cr_expect_eq(world->n_events, 2, "the same run");
	fetched.len = 1280;
	fetched.szx = 4;
	fetched.more = true;
	fetch_rest(world, &get, &fetched);
	expect_whole(&fetched, pack);
	world_free(world);
}

Test(pack, a_block_beyond_the_end_is_refused_and_changes_nothing)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, 2048);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct fetched fetched = { 0 };

	give(world, ask_for_pack(world, &get), pack, 0);
	take_block(world, &get, &fetched);
	for (unsigned i = 0; i < 2; i++) {
		struct get beyond = { .accept = 112,
				      .block = i ? block(0xfffff, 6) : block(2, 6),
				      .mid = (uint16_t)(100 + i) };

		feed_get(world, &beyond);
		cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	}
	feed_get(world, &get); /* a copy of the first */
	take_block(world, &get, &fetched);
	cr_expect_eq(fetched.len, 1024);
	fetch_rest(world, &get, &fetched);
	expect_whole(&fetched, pack);
	world_free(world);
}

Test(pack, copies_are_served_and_nothing_is_told_twice)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, 2000);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct session_ref ref = ask_for_pack(world, &get);
	struct fetched fetched = { 0 };

	feed_get(world, &get);
	cr_expect_eq(world->out.used, 0, "a copy was answered before the request");
	give(world, ref, pack, 0);
	take_block(world, &get, &fetched);
	for (unsigned i = 0; i < 3; i++) {
		feed_get(world, &get);
		take_block(world, &get, &fetched);
		cr_expect_eq(fetched.len, 1024);
	}
	fetch_rest(world, &get, &fetched);
	expect_whole(&fetched, pack);
	world_tick(world, 200000000);
	feed_get(world, &get); /* of the last block */
	take_block(world, &get, &fetched);
	cr_expect_eq(fetched.len, 2000);
	cr_expect_eq(world->n_events, 3);
	cr_expect_eq(world_count(world, COUNTER_coap_rx_duplicate), 5);
	world_free(world);
}

/* ---- after the end ---- */

/* RFC 7252 4.5, RFC 7959 2.4: with a message id of its own it is no copy, and asks for the pack of now. */
Test(pack, a_request_after_the_last_block_was_fetched_is_a_new_run)
{
	for (unsigned named = 0; named < 2; named++) {
		struct world *world = pack_world();
		struct batch *pack = world_pack(world, 112, PACK_BYTES);
		struct batch *next = world_pack(world, 112, PACK_BYTES + 7);
		struct get get = { .accept = 112, .block = -1, .mid = 7 };
		struct fetched first = { 0 }, second = { 0 };

		give(world, ask_for_pack(world, &get), pack, 0);
		take_block(world, &get, &first);
		fetch_rest(world, &get, &first);
		expect_whole(&first, pack);
		get.mid++;
		get.token++;
		get.block = named ? block(0, 6) : -1;
		give(world, ask_for_pack(world, &get), next, 0);
		take_block(world, &get, &second);
		fetch_rest(world, &get, &second);
		expect_whole(&second, next);
		cr_expect_neq(memcmp(first.etag, second.etag, first.etag_len), 0);
		cr_expect_eq(world_count(world, COUNTER_bs_pack_requests), 2);
		cr_expect_eq(atomic_load(&pack->holders), 0);
		world_free(world);
	}
}

Test(pack, later_blocks_can_be_fetched_again_while_the_session_lingers)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct fetched fetched = { 0 };

	give(world, ask_for_pack(world, &get), pack, 0);
	take_block(world, &get, &fetched);
	fetch_rest(world, &get, &fetched);
	cr_expect_eq(atomic_load(&pack->holders), 1);
	for (unsigned again = 0; again < 3; again++) {
		world_tick(world, 240000000);
		get.mid++;
		get.token++;
		get.block = block(1, 6);
		fetched.len = 1024;
		feed_get(world, &get);
		take_block(world, &get, &fetched);
		fetch_rest(world, &get, &fetched);
		expect_whole(&fetched, pack);
	}
	cr_expect_eq(world->n_events, 3);
	cr_expect_eq(stack_gauges(world->stack).lingering, 1);
	world_tick(world, 247000000 + WORLD_TICKS_US);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	cr_expect_eq(atomic_load(&pack->holders), 0, "held for nobody");
	get.mid++;
	get.block = block(1, 6);
	feed_get(world, &get);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST, "the middle of nothing");
	world_free(world);
}

/* Other parameters or another format are another representation. */
Test(pack, another_request_is_another_run)
{
	static const struct get others[] = {
		{ .accept = 110, .block = -1, .mid = 9 },
		{ .accept = 112, .accounts = "</0/1>", .block = -1, .mid = 9 },
		{ .accept = 110, .block = 0x16, .mid = 9 },
	};

	for (unsigned i = 0; i < 3; i++) {
		struct world *world = pack_world();
		struct batch *pack = world_pack(world, 112, PACK_BYTES);
		struct get get = { .accept = 112, .block = -1, .mid = 7 };

		give(world, ask_for_pack(world, &get), pack, 0);
		feed_get(world, &others[i]);
		if (others[i].block > 0) {
			cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
			cr_expect_eq(stack_gauges(world->stack).running, 1);
		} else {
			cr_expect_eq(world->out.used, 0);
			cr_expect_eq(world->events[2].cause, CAUSE_SUPERSEDED);
			cr_expect_eq(last_event(world)->ask, ASK_PACK);
			cr_expect_eq(atomic_load(&pack->holders), 0);
		}
		world_free(world);
	}
}

/* Never both: the newest wins, either way. */
Test(pack, a_run_and_a_pack_supersede_each_other)
{
	struct world *world = pack_world();
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct coap_header request;

	start(world);
	give(world, ask_for_pack(world, &get), pack, 0);
	cr_expect_eq(world->events[1].cause, CAUSE_SUPERSEDED);
	feed_request(world, PORT);
	cr_assert_eq(world->out.used, 2);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	request = asked(world);
	get.mid++;
	get.block = block(1, 6);
	feed_get(world, &get);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	finish_from(world, request, 0);
	cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
	world_free(world);
}

/* ---- refusals ---- */

/* CLIENTS: any error sends Anjay to /bs; silence would not. */
Test(pack, the_control_side_refuses_with_its_code)
{
	static const struct {
		uint8_t code, want;
	} cases[] = {
		{ COAP_NOT_IMPLEMENTED, COAP_NOT_IMPLEMENTED },
		{ COAP_METHOD_NOT_ALLOWED, COAP_METHOD_NOT_ALLOWED },
		{ 0, COAP_BAD_REQUEST },
		{ COAP_CONTENT, COAP_BAD_REQUEST },
		{ 0xff, COAP_BAD_REQUEST },
	};

	for (unsigned i = 0; i < 5; i++) {
		struct world *world = pack_world();
		struct get get = { .accept = 112, .block = -1, .mid = 7 };
		struct session_ref ref = ask_for_pack(world, &get);

		give(world, ref, NULL, cases[i].code);
		cr_expect_eq(sent(world, 0).header.code, cases[i].want);
		expect_ended(world, SESSION_REFUSED, CAUSE_NONE);
		cr_expect_eq(last_event(world)->code, cases[i].want);
		feed_get(world, &get);
		cr_expect_eq(sent(world, 0).header.code, cases[i].want, "a copy");
		cr_expect_eq(world->n_events, 2);
		cr_expect_eq(world_count(world, COUNTER_bs_pack_refused), 1);
		finish_from(world, start(world), 0); /* and the fallback works */
		world_free(world);
	}
}

/* A control side that knows no packs answers as to any other question. */
Test(pack, a_run_is_no_pack_and_a_pack_no_run)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *run = world_batch(world, 112, 40), *pack = world_pack(world, 11542, 100);
	struct session_ref ref = ask_for_pack(world, &get);

	give(world, ref, run, 0);
	cr_expect_eq(sent(world, 0).header.code, COAP_NOT_IMPLEMENTED);
	cr_expect_eq(atomic_load(&run->holders), 0);
	world->entries[0]->flags = DEVICE_PER_SESSION;
	feed_request(world, PORT);
	give(world, last_event(world)->session, pack, 0);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	world_free(world);
}

/* What a task says of blocks holds for a batch that was made while its device waited, too. */
Test(pack, a_batch_that_comes_late_bounds_its_blocks)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *run = world_batch(world, 11542, 3000), *pack = world_pack(world, 112, 1000);

	pack->block_bytes = run->block_bytes = 128;
	give(world, ask_for_pack(world, &get), pack, 0);
	cr_expect_eq(sent(world, 0).payload_len, 128);
	world->entries[0]->flags = DEVICE_PER_SESSION;
	feed_request(world, PORT);
	give(world, last_event(world)->session, run, 0);
	cr_assert_eq(world->out.used, 2);
	cr_expect_eq(sent(world, 1).payload_len, 128);
	world_free(world);
}

Test(pack, a_device_that_has_a_key_gets_no_pack_over_nosec)
{
	struct get get = { .accounts = "</0/0>", .accept = 112, .block = -1, .mid = 7, .token = 1 };
	struct world *world = world_new(4);

	world_device_with(world, "dev-0001", "", "key", world_batch(world, 11542, 22), 0);
	feed_get(world, &get);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
	cr_expect_eq(last_event(world)->kind, SESSION_REJECTED);
	cr_expect_eq(last_event(world)->cause, CAUSE_NOSEC);
	cr_expect_eq(world_count(world, COUNTER_bs_refused_nosec), 1);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	world_free(world);
}

Test(pack, a_pack_of_nothing_is_none)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *pack = world_pack(world, 112, 0);

	give(world, ask_for_pack(world, &get), pack, 0);
	cr_expect_eq(sent(world, 0).header.code, COAP_NOT_IMPLEMENTED);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	world_free(world);
}

Test(pack, a_pack_that_does_not_come_is_given_up)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *pack = world_pack(world, 112, 10);
	struct session_ref ref = ask_for_pack(world, &get);

	world_tick(world, 1500000 + WORLD_TICKS_US);
	cr_expect_eq(sent(world, 0).header.code, COAP_SERVICE_UNAVAILABLE);
	expect_ended(world, SESSION_FAILED, CAUSE_NO_BATCH);
	give(world, ref, pack, 0);
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	world_free(world);
}

Test(pack, a_transfer_that_stops_ends_the_run_after_93_seconds)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct fetched fetched = { 0 };

	give(world, ask_for_pack(world, &get), pack, 0);
	take_block(world, &get, &fetched);
	world_tick(world, 93000000 - 1);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
	world_tick(world, 1 + WORLD_TICKS_US);
	expect_ended(world, SESSION_FAILED, CAUSE_PACK_LEFT);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	feed_get(world, &get); /* a copy of what cannot be served any more: a new request */
	cr_expect_eq(last_event(world)->ask, ASK_PACK);
	world_free(world);
}

Test(pack, cancel_ends_a_transfer)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct session_ref ref = ask_for_pack(world, &get);
	struct stack_command cancel = { .kind = STACK_CANCEL, .session = ref };

	give(world, ref, pack, 0);
	world_clear(world);
	stack_command(world->stack, world->now, &cancel, &world->out);
	expect_ended(world, SESSION_FAILED, CAUSE_CANCELLED);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	world_free(world);
}

Test(pack, accounts_longer_than_an_event_takes_are_refused)
{
	char accounts[QUERY_ACCOUNTS_MAX + 2];

	for (unsigned len = QUERY_ACCOUNTS_MAX; len <= QUERY_ACCOUNTS_MAX + 1; len++) {
		struct world *world = pack_world();
		struct get get = { .accounts = accounts, .accept = 112, .block = -1 };

		memset(accounts, 'a', len);
		accounts[len] = '\0';
		feed_get(world, &get);
		if (len == QUERY_ACCOUNTS_MAX)
			cr_expect_eq(last_event(world)->name_len, len);
		else
			cr_expect_eq(sent(world, 0).header.code, COAP_BAD_REQUEST);
		world_free(world);
	}
}

Test(pack, a_full_ring_or_draining_turns_away)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct stack_command drain = { .kind = STACK_DRAIN, .on = true };
	struct batch *pack = world_pack(world, 112, PACK_BYTES);
	struct fetched fetched = { 0 };
	struct session_ref ref;

	world->event_room = 0;
	feed_get(world, &get);
	cr_expect_eq(sent(world, 0).header.code, COAP_SERVICE_UNAVAILABLE);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	world->event_room = 10;
	ref = ask_for_pack(world, &get);
	stack_command(world->stack, world->now, &drain, &world->out);
	give(world, ref, pack, 0);
	take_block(world, &get, &fetched);
	fetch_rest(world, &get, &fetched); /* what runs is finished */
	expect_whole(&fetched, pack);
	get.accept = 110;
	get.block = -1;
	get.mid++;
	feed_get(world, &get);
	cr_expect_eq(sent(world, 0).header.code, COAP_SERVICE_UNAVAILABLE);
	world_free(world);
}

Test(pack, the_end_gives_served_packs_back)
{
	struct world *world = pack_world();
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *pack = world_pack(world, 112, 10);

	give(world, ask_for_pack(world, &get), pack, 0);
	cr_expect_eq(atomic_load(&pack->holders), 1);
	stack_fini(world->stack);
	world->stack = NULL;
	cr_expect_eq(atomic_load(&pack->holders), 0);
	world_free(world);
}

Test(pack, an_evicted_session_gives_its_pack_back)
{
	struct world *world = world_ready(1);
	struct get get = { .accept = 112, .block = -1, .mid = 7 };
	struct batch *pack = world_pack(world, 112, 10);

	give(world, ask_for_pack(world, &get), pack, 0);
	feed_request(world, 5001);
	cr_expect_eq(world->out.used, 2);
	cr_expect_eq(world_count(world, COUNTER_sessions_evicted), 1);
	cr_expect_eq(atomic_load(&pack->holders), 0);
	world_free(world);
}
