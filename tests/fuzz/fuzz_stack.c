/*
 * Datagrams, time and commands in any order against a stack with two sessions' room. Input: records of
 *
 *	+----------------------------+-----+-------------+
 *	| 0..1 peer, 2..7 what it is | len | len bytes   |
 *	+----------------------------+-----+-------------+
 *
 * The generator gives zeros, so that tokens are zero and message ids count from 1: replies can be guessed.
 * dev-0001 is written to, dev-0002 is asked first; the control side may give either, or a pack.
 */
#include "dataplane/core/cursor.h"
#include "tests/unit/stack_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum what { FUZZ_DATAGRAM, FUZZ_TIME, FUZZ_CANCEL, FUZZ_BATCH, FUZZ_DRAIN, FUZZ_RING, FUZZ_WHATS };

/* The world's batches, in the order in which they are made. */
enum { WRITES, OTHER_FORMAT, ASKS, REST, PACK, BATCHES };

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* Everything sent must be sound CoAP, and within what the header promises. */
static void
check_sent(struct world *world, unsigned most)
{
	struct coap_msg msg;

	require(world->out.used <= most);
	for (unsigned i = 0; i < world->out.used; i++)
		require(coap_parse(world->slots[i].data, world->slots[i].len, &msg) <=
			COAP_IS_PING);
	require(stack_gauges(world->stack).sessions <= 2);
	require(world_count(world, COUNTER_bs_illegal) == 0);
	require(world_count(world, COUNTER_coap_tx_no_room) == 0);
}

/* Which batch, by two bits above the one that says that there is one. */
static const struct batch *
chosen_batch(const struct world *world, uint8_t choice)
{
	static const uint8_t batches[] = { OTHER_FORMAT, REST, PACK, ASKS };

	return choice & 1 ? world->batches[batches[choice >> 1 & 3]] : NULL;
}

static void
give_command(struct world *world, enum stack_command_kind kind, struct reader *body)
{
	struct stack_command command = { .kind = (uint8_t)kind };

	command.session.slot = reader_u8(body);
	command.session.serial = 101u + reader_u8(body);
	command.on = reader_u8(body) & 1;
	if (kind == STACK_BATCH) {
		command.batch = chosen_batch(world, reader_u8(body));
		command.from = reader_u8(body);
		command.code = reader_u8(body);
	}
	if (command.batch)
		batch_hold(command.batch);
	world_clear(world);
	stack_command(world->stack, world->now, &command, &world->out);
	check_sent(world, 2);
}

/* The control side reads an answer until it has said what follows, whatever became of the run. */
static void
read_answers(const struct world *world)
{
	static volatile uint8_t sum;

	for (unsigned i = 0; i < world->n_events; i++)
		for (uint32_t at = 0; at < world->events[i].answer_len; at++)
			sum += world->events[i].answer[at];
}

static void
take_record(struct world *world, struct reader *input)
{
	uint8_t head = reader_u8(input);
	struct reader body = reader_vector_u8(input);
	size_t len = reader_left(&body);

	switch ((enum what)((head >> 2) % FUZZ_WHATS)) {
	case FUZZ_DATAGRAM:
		world_feed(world, (uint16_t)(5000 + (head & 3)), body.at, len);
		check_sent(world, STACK_REPLIES_PER_RX);
		return;
	case FUZZ_TIME:
		world_tick(world, (uint64_t)reader_u16(&body) * 10000);
		check_sent(world, 2);
		return;
	case FUZZ_CANCEL:
		give_command(world, STACK_CANCEL, &body);
		return;
	case FUZZ_BATCH:
		give_command(world, STACK_BATCH, &body);
		return;
	case FUZZ_DRAIN:
		give_command(world, STACK_DRAIN, &body);
		return;
	case FUZZ_RING:
		world->n_events = 0;
		world->event_room = reader_u8(&body);
		return;
	case FUZZ_WHATS:
		return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world_memory memory;
	const struct world_options options = { .zero_random = true,
					       .answer_bytes = 2000,
					       .memory = &memory };
	struct world *world = world_new_options(2, &options);
	struct reader input = reader_init(data, size);
	struct batch *asks;

	world_device(world, "dev-0001", world_batch(world, 11542, 1500), 0);
	world_batch(world, 112, 40);
	asks = world_batch_of(world, 11542, "x?r!d?");
	asks->continues = true;
	world_device(world, "dev-0002", asks, 0);
	world_batch_of(world, 11542, "ww?fw!+f+");
	world_pack(world, 112, 2100);
	while (reader_left(&input)) {
		take_record(world, &input);
		read_answers(world);
	}
	stack_fini(world->stack);
	world->stack = NULL;
	for (unsigned b = 0; b < BATCHES; b++)
		require(atomic_load(&world->batches[b]->holders) == 0);
	world_free(world);
	return 0;
}
