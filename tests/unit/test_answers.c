/* Answers that decide what follows: put together from blocks, handed over, awaited, given back. */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

enum { CAPACITY = 8192 };

/* A device whose batch is these letters (stack_world.h) and ends in an answer that matters. */
static struct world *
asking_with(const char *letters, const struct world_options *options)
{
	struct world *world = world_new_options(4, options);
	struct batch *batch = world_batch_of(world, 11542, letters);

	batch->continues = true;
	world_device(world, "dev-0001", batch, 0);
	return world;
}

static struct world *
asking(const char *letters)
{
	return asking_with(letters, &(struct world_options){ 0 });
}

struct piece {
	uint8_t code;
	int num; /* < 0: no Block2 */
	uint8_t more, szx;
	size_t from, len; /* of text() */
	uint8_t etag;     /* 0: none */
	uint32_t size2;   /* 0: none */
	bool no_format;
};

/* What the device says: its byte i. */
static uint8_t
text(size_t i)
{
	return (uint8_t)(i * 13 + i / 256 + 5);
}

static void
write_piece(struct writer *writer, const struct piece *piece)
{
	struct coap_block block = { (uint32_t)piece->num, piece->more, piece->szx };
	uint16_t last = 0;

	if (piece->etag)
		coap_write_option(writer, &last,
				  &(struct coap_option){ COAP_OPTION_ETAG, 1, &piece->etag });
	if (!piece->no_format)
		coap_write_option_uint(writer, &last, COAP_OPTION_CONTENT_FORMAT, 40);
	if (piece->num >= 0)
		coap_write_option_uint(writer, &last, COAP_OPTION_BLOCK2,
				       coap_block_encode(&block));
	if (piece->size2)
		coap_write_option_uint(writer, &last, COAP_OPTION_SIZE2, piece->size2);
	if (piece->len)
		writer_u8(writer, 0xff);
	for (size_t i = 0; i < piece->len; i++)
		writer_u8(writer, text(piece->from + i));
}

static void
answer_as(struct world *world, const struct coap_header *request, enum coap_type type, uint16_t mid,
	  const struct piece *piece)
{
	uint8_t bytes[DATAGRAM_MAX];
	struct writer writer = writer_init(bytes, sizeof bytes);
	struct coap_header header = *request;

	header.type = type;
	header.code = piece->code ? piece->code : COAP_CONTENT;
	if (type != COAP_ACK)
		header.mid = mid;
	coap_write_header(&writer, &header);
	write_piece(&writer, piece);
	world_feed(world, PORT, bytes, writer_finish(&writer));
}

static void
answer_with(struct world *world, const struct coap_header *request, const struct piece *piece)
{
	answer_as(world, request, COAP_ACK, 0, piece);
}

/* The Block2 option of the request that was just sent; -1: none. */
static int64_t
asked_block(const struct world *world)
{
	struct coap_msg msg = sent(world, world->out.used - 1);
	struct coap_options_seen seen;

	cr_assert_eq(msg.payload_len, 0, "a request for a block has no payload");
	cr_assert_eq(coap_options_check(&msg, &seen), COAP_OPTIONS_FINE);
	return seen.has & COAP_HAS_BLOCK2 ? (int64_t)seen.block2 : -1;
}

static void
expect_answer(const struct world *world, uint8_t code, size_t len)
{
	const struct session_event *event = last_event(world);

	cr_assert_eq(event->kind, SESSION_NEEDS_BATCH);
	cr_expect_eq(event->ask, ASK_REST);
	cr_expect_eq(event->code, code);
	cr_assert_eq(event->answer_len, len, "%u bytes", event->answer_len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(event->answer[i], text(i), "byte %zu", i);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
}

static void
give_rest(struct world *world, struct session_ref ref, struct batch *batch, uint16_t from)
{
	struct stack_command command = {
		.kind = STACK_BATCH, .session = ref, .batch = batch, .from = from
	};

	if (batch)
		batch_hold(batch);
	world_clear(world);
	stack_command(world->stack, world->now, &command, &world->out);
}

static void
expect_all_given_back(struct world *world, unsigned n)
{
	for (unsigned b = 0; b < world->n_batches; b++)
		cr_expect_eq(atomic_load(&world->batches[b]->holders), n, "batch %u", b);
}

/* ---- the straight line ---- */

Test(answers, a_discover_decides_what_follows)
{
	struct world *world = asking("d");
	struct batch *rest = world_batch_of(world, 112, "wwf");
	struct coap_header request = start(world);
	struct coap_msg msg = sent(world, 1);
	struct session_ref ref;

	cr_expect_eq(msg.header.code, COAP_GET);
	cr_expect_eq(asked_block(world), -1);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 60 });
	cr_expect_eq(world->out.used, 0);
	expect_answer(world, COAP_CONTENT, 60);
	cr_expect_eq(last_event(world)->format, 40);
	cr_expect_eq(last_event(world)->plan, 70);
	cr_expect_eq(last_event(world)->step, 0);
	ref = last_event(world)->session;

	give_rest(world, ref, rest, 1);
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 0);
	cr_expect_eq(atomic_load(&rest->holders), 1);
	request = asked(world);
	cr_expect_eq(request.code, COAP_PUT);
	accept_step(world, &request);
	request = asked(world);
	cr_expect_eq(request.code, COAP_POST);
	accept_step(world, &request);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(world->n_events, 3, "STARTED, NEEDS_BATCH, FINISHED");
	cr_expect_eq(last_event(world)->plan, 71);
	cr_expect_eq(last_event(world)->step, 2);
	cr_expect_eq(world_count(world, COUNTER_bs_steps), 3);
	cr_expect_eq(world_count(world, COUNTER_bs_answers), 1);
	expect_all_given_back(world, 0);
	world_free(world);
}

/* The control side may hand the same batch out again, and an answer may decide twice. */
Test(answers, several_answers_in_one_run)
{
	struct world *world = asking("d");
	struct batch *second = world_batch_of(world, 112, "dwr");
	struct batch *third = world_batch_of(world, 112, "dwrf");
	struct coap_header request = start(world);

	second->continues = true;
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	give_rest(world, last_event(world)->session, second, 1);
	request = asked(world);
	accept_step(world, &request);
	request = asked(world);
	cr_expect_eq(request.code, COAP_GET);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 20 });
	expect_answer(world, COAP_CONTENT, 20);
	cr_expect_eq(last_event(world)->step, 2);
	give_rest(world, last_event(world)->session, third, 3);
	request = asked(world);
	accept_step(world, &request);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	expect_all_given_back(world, 0);
	world_free(world);
}

Test(answers, nothing_may_follow)
{
	struct world *world = asking("d");
	struct batch *rest = world_batch_of(world, 112, "w");
	struct coap_header request = start(world);

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	give_rest(world, last_event(world)->session, rest, 1);
	cr_expect_eq(world->out.used, 0);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	expect_all_given_back(world, 0);
	world_free(world);
}

/* The control side reports why; the device gets no Finish. */
Test(answers, the_rest_may_be_impossible)
{
	struct world *world = asking("d");
	struct coap_header request = start(world);

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	give_rest(world, last_event(world)->session, NULL, 0);
	cr_expect_eq(world->out.used, 0);
	expect_ended(world, SESSION_REFUSED, CAUSE_NONE);
	cr_expect_eq(world_count(world, COUNTER_bs_stopped), 1);
	world_free(world);
}

Test(answers, an_empty_answer_is_one)
{
	struct world *world = asking("d");
	struct coap_header request = start(world);

	answer_with(world, &request, &(struct piece){ .num = -1, .no_format = true });
	expect_answer(world, COAP_CONTENT, 0);
	cr_expect_eq(last_event(world)->format, SESSION_NO_FORMAT);
	world_free(world);
}

/* Of a Discover or Read in the middle nobody reads the answer: its first block is enough. */
Test(answers, block_wise_answers_that_nobody_reads_are_accepted)
{
	struct world *world = world_new(2);
	struct coap_header request;

	world_device(world, "dev-0001", world_batch_of(world, 11542, "drf"), 0);
	request = start(world);
	answer_with(world, &request,
		    &(struct piece){ .num = 0, .more = 1, .szx = 2, .len = 64, .size2 = 90000 });
	request = asked(world);
	cr_expect_eq(request.code, COAP_GET);
	cr_expect_eq(asked_block(world), -1, "it went on with the answer");
	answer_with(world, &request, &(struct piece){ .num = 0, .more = 1, .szx = 6, .len = 1024 });
	request = asked(world);
	accept_step(world, &request);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	world_free(world);
}

/* ---- blocks: RFC 7959 ---- */

/* Answers in blocks of this size until none is left; `shrink_to` from the second one on. */
static unsigned
serve_blocks(struct world *world, struct coap_header request, size_t total, uint8_t szx,
	     uint8_t shrink_to)
{
	size_t at = 0;
	unsigned blocks = 0;

	for (;;) {
		size_t size = coap_block_size(szx), left = total - at;
		struct piece piece = { .num = (int)(at / size),
				       .more = left > size,
				       .szx = szx,
				       .from = at,
				       .len = left < size ? left : size,
				       .etag = 7 };

		answer_with(world, &request, &piece);
		blocks++;
		if (!piece.more)
			return blocks;
		at += size;
		cr_assert_eq(world->out.used, 1);
		cr_assert_eq(asked_block(world), (int64_t)(at / size << 4 | szx));
		cr_assert_neq(asked(world).mid, request.mid);
		request = asked(world);
		szx = shrink_to < szx ? shrink_to : szx;
	}
}

Test(answers, every_block_size_and_every_length)
{
	static const size_t lengths[] = { 1, 15, 16, 17, 1023, 1024, 1025, 3000, CAPACITY };

	for (uint8_t szx = 0; szx <= COAP_SZX_MAX; szx++)
		for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
			struct world *world = asking("d");
			unsigned blocks;

			blocks = serve_blocks(world, start(world), lengths[i], szx, szx);
			expect_answer(world, COAP_CONTENT, lengths[i]);
			cr_expect_eq(world_count(world, COUNTER_bs_blocks), blocks - 1);
			world_free(world);
		}
}

Test(answers, the_device_may_choose_smaller_blocks_on_the_way)
{
	for (uint8_t szx = 1; szx <= COAP_SZX_MAX; szx++) {
		struct world *world = asking("d");

		serve_blocks(world, start(world), 3000, szx, szx - 1);
		expect_answer(world, COAP_CONTENT, 3000);
		world_free(world);
	}
}

/* What the device sends in says nothing of what it takes, so our writes stay as they are. */
Test(answers, the_size_of_its_answers_is_not_that_of_our_writes)
{
	struct world *world = asking("d");
	struct batch *rest = world_batch(world, 112, 900);

	serve_blocks(world, start(world), 100, 1, 1);
	give_rest(world, last_event(world)->session, rest, 0);
	cr_expect_eq(sent(world, 0).payload_len, 900);
	world_free(world);
}

Test(answers, blocks_come_lost_doubled_and_separately)
{
	struct world *world = asking("d");
	struct coap_header request = start(world), next;
	struct piece first = { .num = 0, .more = 1, .szx = 2, .len = 64, .etag = 1 };
	struct piece second = { .num = 1, .szx = 2, .from = 64, .len = 30, .etag = 1 };

	world_tick(world, 3000000 + WORLD_TICKS_US);
	cr_assert_eq(asked(world).mid, request.mid);
	reply_as(world, &request, COAP_ACK, COAP_EMPTY, 0);
	answer_as(world, &request, COAP_CON, 900, &first);
	cr_assert_eq(world->out.used, 2, "the ACK and the next request");
	next = asked(world);
	answer_as(world, &request, COAP_CON, 900, &first); /* a copy */
	cr_assert_eq(world->out.used, 1);
	cr_expect_eq(sent(world, 0).header.type, COAP_ACK);
	world_tick(world, 3000000 + WORLD_TICKS_US);
	cr_assert_eq(asked(world).mid, next.mid);
	cr_expect_eq(asked_block(world), 1 << 4 | 2);
	answer_as(world, &next, COAP_NON, 901, &second);
	expect_answer(world, COAP_CONTENT, 94);
	answer_as(world, &next, COAP_NON, 901, &second); /* nobody waits for it */
	cr_expect_eq(world->n_events, 2);
	cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
	world_free(world);
}

/* Replies to the first request and, in order, to those that follow; the last one decides. */
struct odd_case {
	const char *what;
	struct piece pieces[5];
	enum session_cause cause; /* CAUSE_NONE: an answer of `len` bytes comes of it */
	size_t len;
};

static const struct odd_case odd_cases[] = {
	{ "reserved size", { { .num = 0, .szx = 7, .len = 5 } }, CAUSE_BLOCKS, 0 },
	{ "a block that is not full",
	  { { .num = 0, .more = 1, .szx = 2, .len = 63 } },
	  CAUSE_BLOCKS,
	  0 },
	{ "a block that is too long",
	  { { .num = 0, .more = 1, .szx = 2, .len = 65 } },
	  CAUSE_BLOCKS,
	  0 },
	{ "a last block that is too long", { { .num = 0, .szx = 0, .len = 17 } }, CAUSE_BLOCKS, 0 },
	{ "block 3 first, then as asked",
	  { { .num = 3, .szx = 2, .from = 192, .len = 64 }, { .num = 0, .szx = 2, .len = 50 } },
	  CAUSE_NONE,
	  50 },
	{ "block 3 first, and again",
	  { { .num = 3, .szx = 2, .from = 192, .len = 64 },
	    { .num = 3, .szx = 2, .from = 192, .len = 64 } },
	  CAUSE_BLOCKS,
	  0 },
	{ "block 0 twice: the number is asked for again",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64 },
	    { .num = 0, .more = 1, .szx = 2, .len = 64 },
	    { .num = 1, .szx = 2, .from = 64, .len = 64 } },
	  CAUSE_NONE,
	  128 },
	{ "a device that knows block 0 only",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64 },
	    { .num = 0, .more = 1, .szx = 2, .len = 64 },
	    { .num = 0, .more = 1, .szx = 2, .len = 64 } },
	  CAUSE_BLOCKS,
	  0 },
	{ "ETag changes once: from the start",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64, .etag = 1, .from = 9 },
	    { .num = 1, .szx = 2, .from = 70, .len = 64, .etag = 2 },
	    { .num = 0, .more = 1, .szx = 2, .len = 64, .etag = 2 },
	    { .num = 1, .szx = 2, .from = 64, .len = 1, .etag = 2 } },
	  CAUSE_NONE,
	  65 },
	{ "ETag changes each time",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64, .etag = 1 },
	    { .num = 1, .szx = 2, .len = 64, .etag = 2 },
	    { .num = 0, .more = 1, .szx = 2, .len = 64, .etag = 2 },
	    { .num = 1, .szx = 2, .len = 64, .etag = 3 } },
	  CAUSE_BLOCKS,
	  0 },
	{ "ETag with the first block only",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64, .etag = 1 },
	    { .num = 1, .szx = 2, .from = 64, .len = 3 } },
	  CAUSE_NONE,
	  67 },
	{ "ETag with the last block only",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64 },
	    { .num = 1, .szx = 2, .from = 64, .len = 3, .etag = 1 } },
	  CAUSE_NONE,
	  67 },
	{ "4.08 on the way: from the start",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64, .from = 3 },
	    { .code = COAP_REQUEST_ENTITY_INCOMPLETE, .num = -1 },
	    { .num = 0, .szx = 2, .len = 64 } },
	  CAUSE_NONE,
	  64 },
	{ "4.08 twice",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64 },
	    { .code = COAP_REQUEST_ENTITY_INCOMPLETE, .num = -1 },
	    { .code = COAP_REQUEST_ENTITY_INCOMPLETE, .num = -1 } },
	  CAUSE_REPLY,
	  0 },
	{ "4.04 on the way",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64 }, { .code = COAP_NOT_FOUND, .num = -1 } },
	  CAUSE_REPLY,
	  0 },
	{ "the whole of it on the way",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64, .from = 8 }, { .num = -1, .len = 40 } },
	  CAUSE_NONE,
	  40 },
	{ "an empty last block",
	  { { .num = 0, .more = 1, .szx = 2, .len = 64 }, { .num = 1, .szx = 2 } },
	  CAUSE_NONE,
	  64 },
	{ "larger blocks than were asked for",
	  { { .num = 0, .more = 1, .szx = 0, .len = 16 },
	    { .num = 1, .more = 0, .szx = 0, .from = 16, .len = 16 } },
	  CAUSE_NONE,
	  32 },
	{ "announced as too long",
	  { { .num = 0, .more = 1, .szx = 6, .len = 1024, .size2 = CAPACITY + 1 } },
	  CAUSE_TOO_LONG,
	  0 },
	{ "2.03 is no answer", { { .code = COAP_VALID, .num = -1 } }, CAUSE_REPLY, 0 },
};

Test(answers, odd_transfers)
{
	for (size_t i = 0; i < sizeof odd_cases / sizeof odd_cases[0]; i++) {
		const struct odd_case *c = &odd_cases[i];
		struct world *world = asking("d");
		struct coap_header request = start(world);

		for (unsigned p = 0; p < 5; p++) {
			answer_with(world, &request, &c->pieces[p]);
			if (!world->out.used)
				break;
			request = asked(world);
		}
		cr_assert_eq(world->out.used, 0, "%s", c->what);
		if (c->cause == CAUSE_NONE) {
			cr_expect_eq(last_event(world)->answer_len, c->len, "%s: %u bytes", c->what,
				     last_event(world)->answer_len);
			expect_answer(world, COAP_CONTENT, c->len);
		} else {
			cr_expect_eq(last_event(world)->cause, c->cause, "%s: %u", c->what,
				     last_event(world)->cause);
			expect_ended(world, SESSION_FAILED, c->cause);
		}
		cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
		world_free(world);
	}
}

/* ---- bounds ---- */

Test(answers, an_answer_longer_than_its_buffer_ends_the_run)
{
	struct world *world =
		asking_with("d", &(struct world_options){ .answers = 1, .answer_bytes = 1000 });
	struct coap_header request = start(world);

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 1000 });
	expect_answer(world, COAP_CONTENT, 1000);
	give_rest(world, last_event(world)->session, NULL, 0);
	world_free(world);

	world = asking_with("d", &(struct world_options){ .answers = 1, .answer_bytes = 1000 });
	request = start(world);
	answer_with(world, &request, &(struct piece){ .num = 0, .more = 1, .szx = 5, .len = 512 });
	request = asked(world);
	answer_with(world, &request,
		    &(struct piece){ .num = 1, .szx = 5, .from = 512, .len = 489 });
	expect_ended(world, SESSION_FAILED, CAUSE_TOO_LONG);
	cr_expect_eq(world_count(world, COUNTER_bs_failed_answer_long), 1);
	world_free(world);
}

/* Devices on other ports begin runs of their own; the pool has one buffer. */
Test(answers, an_exhausted_pool_ends_the_run_and_is_free_again_later)
{
	struct world *world = asking_with("d", &(struct world_options){ .answers = 1 });
	struct coap_header request = start(world), other;
	struct session_ref ref;
	uint8_t bytes[64];
	struct writer writer = writer_init(bytes, sizeof bytes);

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	ref = last_event(world)->session;
	feed_request(world, 5001);
	other = asked(world);
	other.type = COAP_ACK;
	other.code = COAP_CONTENT;
	coap_write_header(&writer, &other);
	world_feed(world, 5001, bytes, writer_finish(&writer));
	cr_expect_eq(last_event(world)->kind, SESSION_FAILED);
	cr_expect_eq(last_event(world)->cause, CAUSE_NO_ROOM);
	cr_expect_eq(world_count(world, COUNTER_bs_failed_answer_room), 1);

	give_rest(world, ref, world_batch_of(world, 112, "f"), 0);
	request = asked(world);
	accept_step(world, &request);
	cr_expect_eq(last_event(world)->kind, SESSION_FINISHED);
	world_clear(world);
	memcpy(bytes, request_bytes, sizeof request_bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof request_bytes);
	request = asked(world);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 20 });
	expect_answer(world, COAP_CONTENT, 20);
	world_free(world);
}

/* ---- waiting for the control side ---- */

Test(answers, a_rest_that_does_not_come_is_given_up)
{
	struct world *world = asking_with("d", &(struct world_options){ .answers = 1 });
	struct coap_header request = start(world);
	struct batch *late = world_batch_of(world, 112, "f");
	struct session_ref ref;
	uint8_t bytes[sizeof request_bytes];

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	ref = last_event(world)->session;
	world_tick(world, 1500000 - 1);
	cr_expect_eq(stack_gauges(world->stack).running, 1);
	world_tick(world, 1 + WORLD_TICKS_US);
	cr_expect_eq(world->out.used, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_NO_BATCH);
	cr_expect_eq(world_count(world, COUNTER_bs_failed_no_rest), 1);

	/* The control side may still be reading: the buffer is not used again before it answers. */
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	request = asked(world);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	cr_expect_eq(last_event(world)->cause, CAUSE_NO_ROOM);
	give_rest(world, ref, late, 0);
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(atomic_load(&late->holders), 0);
	bytes[7] ^= 2;
	world_feed(world, PORT, bytes, sizeof bytes);
	request = asked(world);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	expect_answer(world, COAP_CONTENT, 10);
	world_free(world);
}

Test(answers, a_waiting_run_can_be_superseded_or_cancelled)
{
	struct world *world = asking("d");
	struct coap_header request = start(world);
	struct session_ref ref;
	uint8_t bytes[sizeof request_bytes];
	struct stack_command cancel = { .kind = STACK_CANCEL };

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	ref = last_event(world)->session;
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	cr_assert_eq(world->out.used, 2);
	cr_expect_eq(world->events[2].cause, CAUSE_SUPERSEDED);
	request = asked(world);
	give_rest(world, ref, world_batch_of(world, 112, "f"), 0);
	cr_expect_eq(world->out.used, 0);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	cancel.session = last_event(world)->session;
	stack_command(world->stack, world->now, &cancel, &world->out);
	expect_ended(world, SESSION_FAILED, CAUSE_CANCELLED);
	world_tick(world, 60000000);
	cr_expect_eq(world->out.used, 0);
	cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
	world_free(world);
}

/* It acknowledges what comes again, and takes nothing for an answer that was not asked for. */
Test(answers, a_waiting_run_takes_no_replies)
{
	struct world *world = asking("d");
	struct coap_header request = start(world);

	answer_as(world, &request, COAP_CON, 31, &(struct piece){ .num = -1, .len = 10 });
	expect_answer(world, COAP_CONTENT, 10);
	answer_as(world, &request, COAP_CON, 31, &(struct piece){ .num = -1, .len = 10 });
	cr_expect_eq(sent(world, 0).header.type, COAP_ACK);
	reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
	reply_as(world, &request, COAP_ACK, COAP_CHANGED, 0);
	feed_request(world, PORT);
	cr_expect_eq(sent(world, 0).header.code, COAP_CHANGED, "a copy of the request");
	cr_expect_eq(world->n_events, 2);
	cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
	world_free(world);
}

/* ---- a ring without room ---- */

Test(answers, a_question_without_room_is_asked_later)
{
	struct world *world = asking("d");
	struct coap_header request = start(world);

	world->event_room = 0;
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 30 });
	cr_expect_eq(world->n_events, 1);
	world_tick(world, 1000);
	world->event_room = 1;
	world_tick(world, 1000);
	expect_answer(world, COAP_CONTENT, 30);
	give_rest(world, last_event(world)->session, NULL, 0);
	world->event_room = 1;
	world_tick(world, 1000);
	expect_ended(world, SESSION_REFUSED, CAUSE_NONE);
	world_free(world);
}

Test(answers, a_question_that_was_never_asked_is_dropped_with_its_run)
{
	struct world *world = asking_with("d", &(struct world_options){ .answers = 1 });
	struct coap_header request = start(world);
	struct session_ref ref = last_event(world)->session;
	uint8_t bytes[sizeof request_bytes];

	world->event_room = 0;
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 30 });
	give_rest(world, ref, world_batch_of(world, 112, "f"), 0); /* out of nowhere */
	cr_expect_eq(world->out.used, 0);
	world_tick(world, 1500000 + WORLD_TICKS_US);
	world->event_room = 10;
	world_tick(world, 1000);
	cr_expect_eq(world->n_events, 2);
	expect_ended(world, SESSION_FAILED, CAUSE_NO_BATCH);

	/* Nobody reads the buffer, so it is free at once. */
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	request = asked(world);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 10 });
	expect_answer(world, COAP_CONTENT, 10);
	world_free(world);
}

Test(answers, start_question_and_outcome_are_told_in_this_order)
{
	struct world *world = asking("d");
	struct batch *made = world_batch_of(world, 11542, "d");
	struct coap_header request;
	struct session_ref ref;

	made->continues = true;
	world->entries[0]->flags = DEVICE_PER_SESSION;
	feed_request(world, PORT);
	ref = last_event(world)->session;
	world->event_room = 0;
	give_rest(world, ref, made, 0);
	request = asked(world);
	answer_with(world, &request, &(struct piece){ .num = -1, .len = 5 });
	cr_expect_eq(world->n_events, 1);
	for (unsigned told = 2; told <= 3; told++) {
		world->event_room = 1;
		world_tick(world, 1000);
		cr_assert_eq(world->n_events, told);
	}
	cr_expect_eq(world->events[1].kind, SESSION_STARTED);
	expect_answer(world, COAP_CONTENT, 5);
	world_free(world);
}

/* ---- refusals ---- */

Test(answers, a_refused_question_ends_the_run_or_is_told)
{
	struct world *world = asking("d");
	struct coap_header request = start(world);

	reply_as(world, &request, COAP_ACK, COAP_METHOD_NOT_ALLOWED, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
	cr_expect_eq(last_event(world)->code, COAP_METHOD_NOT_ALLOWED);
	world_free(world);

	world = asking("d?");
	request = start(world);
	reply_as(world, &request, COAP_ACK, COAP_METHOD_NOT_ALLOWED, 0);
	expect_answer(world, COAP_METHOD_NOT_ALLOWED, 0);
	cr_expect_null(last_event(world)->answer);
	cr_expect_eq(last_event(world)->refused_steps, 1);
	give_rest(world, last_event(world)->session, world_batch_of(world, 112, "f"), 0);
	request = asked(world);
	accept_step(world, &request);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
	cr_expect_eq(last_event(world)->refused_steps, 1);
	cr_expect_eq(last_event(world)->refused_step, 0);
	cr_expect_eq(last_event(world)->refused_code, COAP_METHOD_NOT_ALLOWED);
	cr_expect_eq(last_event(world)->code, COAP_EMPTY);
	world_free(world);
}

/* The next Finish is in the rest, so the control side must leave out what its policy leaves out. */
Test(answers, a_refused_write_whose_finish_is_to_be_made_is_told)
{
	struct world *world = asking("w!d");
	struct coap_header request = start(world);

	reply_as(world, &request, COAP_ACK, COAP_BAD_REQUEST, 0);
	cr_expect_eq(world->out.used, 0);
	expect_answer(world, COAP_BAD_REQUEST, 0);
	cr_expect_eq(last_event(world)->step, 0);
	world_free(world);
}

Test(answers, an_error_on_the_way_tells_nothing_of_the_first_blocks)
{
	struct world *world = asking("r?");
	struct coap_header request = start(world);

	answer_with(world, &request, &(struct piece){ .num = 0, .more = 1, .szx = 2, .len = 64 });
	request = asked(world);
	reply_as(world, &request, COAP_ACK, COAP_NOT_FOUND, 0);
	expect_answer(world, COAP_NOT_FOUND, 0);
	world_free(world);
}

/* ---- the end ---- */

Test(answers, the_end_wipes_answers)
{
	struct world *world = asking("d");
	size_t size = stack_size(&world->config);
	struct coap_header request = start(world);
	uint8_t secret[24];

	answer_with(world, &request, &(struct piece){ .num = -1, .len = 64 });
	memcpy(secret, last_event(world)->answer + 8, sizeof secret);
	cr_assert_not_null(memmem(world->memory, size, secret, sizeof secret));
	stack_fini(world->stack);
	world->stack = NULL;
	cr_expect_null(memmem(world->memory, size, secret, sizeof secret));
	expect_all_given_back(world, 0);
	world_free(world);
}
