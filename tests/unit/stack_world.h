/*
 * stack_world.h - a stack with everything around it simulated: clock, randomness, directory, event
 * ring, peers.
 *
 * For test_stack*.c and the fuzz target; header-only, so that each program gets its own.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/tables/directory.h"
#include "dataplane/core/stack.h"
#include "tasks/batch.h"

enum {
	WORLD_EVENTS = 64,
	WORLD_START_US = 1000000000,
	WORLD_MAX_AGE = 60,
	WORLD_TICKS_US = 2048, /* timers go off this late at most */
	WORLD_BATCHES = 16,
	WORLD_TRACES = 64,
};

struct world {
	struct stack *stack;
	void *memory;
	bool keeps_memory; /* that of the world is not its own */
	struct stack_config config;
	struct stack_limits limits;
	const struct stack_limits *_Atomic published_limits;
	struct directory *_Atomic directory;
	uint64_t now;
	uint8_t random; /* where the generator stands */
	bool zero_random;
	/* the event ring */
	struct session_event events[WORLD_EVENTS];
	unsigned n_events, event_room;
	struct trace_record traces[WORLD_TRACES];
	unsigned n_traces, trace_room;
	unsigned refusals; /* so many events find no room, then there is some again */
	/* what the stack sent in the last call */
	struct dgram_out slots[STACK_TX_MAX];
	uint8_t bytes[STACK_TX_MAX][DATAGRAM_MAX];
	struct outbox out;
	/* all on the heap, for the end */
	struct batch *batches[WORLD_BATCHES];
	struct batch_step *steps[WORLD_BATCHES][8];
	struct device_entry *entries[WORLD_BATCHES];
	unsigned n_batches, n_entries;
};

static inline void
world_random(void *ctx, uint8_t *bytes, size_t len)
{
	struct world *world = ctx;

	/* Each handful is one byte repeated, of its own, and never 0 unless wanted. */
	memset(bytes, world->zero_random ? 0 : world->random % 255 + 1, len);
	world->random++;
}

static inline bool
world_emit(void *ctx, const struct session_event *event)
{
	struct world *world = ctx;

	if (world->refusals) {
		world->refusals--;
		return false;
	}
	if (!world->event_room || world->n_events == WORLD_EVENTS)
		return false;
	world->event_room--;
	world->events[world->n_events++] = *event;
	return true;
}

static inline bool
world_trace(void *ctx, const struct trace_record *record)
{
	struct world *world = ctx;

	if (world->n_traces == world->trace_room)
		return false;
	world->traces[world->n_traces++] = *record;
	return true;
}

static inline void
world_clear(struct world *world)
{
	world->out.used = 0;
}

/* How its randomness begins, and of the stack's configuration the sizes that are not 0. */
struct world_options {
	uint8_t random;
	bool zero_random;
	unsigned answers;
	uint32_t answer_bytes;
	bool serve_keyed; /* over NoSec, too */
	unsigned handshakes;
	bool handshakes_alone;
	uint32_t capture_bytes;
	bool (*ec_offer)(void *ctx, struct ec_job *job); /* NULL: no certificates */
	void *ec_ctx;
	unsigned certificates;
	struct world_memory *memory; /* of worlds one after the other; NULL: its own */
};

/*
 * What a world is made of, for programs that make thousands: fresh memory costs a page fault every 4 KB, which is most
 * of what a short life costs. Every new world still finds nothing but zeros in it, whatever the one before left.
 */
struct world_memory {
	void *blocks[2];
	size_t sizes[2];
};

/* Zeroed, and aligned to a cache line. */
static inline void *
world_block(struct world_memory *memory, unsigned which, size_t size)
{
	size_t whole = (size + 63) / 64 * 64;
	void *block = memory && memory->sizes[which] == whole ? memory->blocks[which] : NULL;

	if (!block)
		block = aligned_alloc(64, whole);
	if (!block)
		abort();
	memset(block, 0, whole);
	if (!memory)
		return block;
	if (memory->blocks[which] != block)
		free(memory->blocks[which]);
	memory->blocks[which] = block;
	memory->sizes[which] = whole;
	return block;
}

static inline struct world *
world_new_options(unsigned sessions, const struct world_options *options)
{
	struct world *world = world_block(options->memory, 0, sizeof *world);

	world->keeps_memory = options->memory;
	world->random = options->random;
	world->zero_random = options->zero_random;
	world->now = WORLD_START_US;
	world->event_room = UINT32_MAX;
	world->trace_room = WORLD_TRACES;
	world->limits = (struct stack_limits){ .ack_timeout_us = 2000000,
					       .ack_random_percent = 150,
					       .max_retransmit = 4,
					       .linger_us = 247000000,
					       .batch_wait_us = 1500000,
					       .busy_max_age_s = WORLD_MAX_AGE };
	atomic_store(&world->published_limits, &world->limits);
	atomic_store(&world->directory, directory_new(16, (const uint8_t *)"0123456789abcdef"));
	world->config =
		(struct stack_config){ .sessions = sessions,
				       .listener_security = { LISTENER_NOSEC, LISTENER_PSK },
				       .listener_serves_keyed = { options->serve_keyed },
				       .n_listeners = 2,
				       .hash_seed = "a hash seed 0123",
				       .serial_base = 101,
				       .answers = options->answers,
				       .answer_bytes = options->answer_bytes,
				       .rng = { world_random, world },
				       .handshakes = options->handshakes,
				       .handshakes_alone = options->handshakes_alone,
				       .capture_bytes = options->capture_bytes ? options->capture_bytes : 64 * 1024,
				       .ec_offer = options->ec_offer,
				       .ec_ctx = options->ec_ctx,
				       .certificates = options->certificates,
				       .emit = world_emit,
				       .trace = world_trace,
				       .emit_ctx = world,
				       .limits = &world->published_limits,
				       .directory = &world->directory };
	world->memory = world_block(options->memory, 1, stack_size(&world->config));
	if (!world->directory)
		abort();
	world->stack = stack_init(world->memory, &world->config, world->now);
	world->out = (struct outbox){ .slots = world->slots, .size = STACK_TX_MAX };
	for (unsigned i = 0; i < STACK_TX_MAX; i++) {
		world->slots[i].data = world->bytes[i];
		world->slots[i].cap = DATAGRAM_MAX;
	}
	return world;
}

/* The generator begins at `random`, or gives nothing but zeros. */
static inline struct world *
world_new_random(unsigned sessions, uint8_t random, bool zero_random)
{
	return world_new_options(sessions, &(struct world_options){ .random = random, .zero_random = zero_random });
}

static inline struct world *
world_new(unsigned sessions)
{
	return world_new_random(sessions, 0, false);
}

static inline void
world_free(struct world *world)
{
	if (world->stack)
		stack_fini(world->stack);
	if (!world->keeps_memory)
		free(world->memory);
	directory_free(world->directory);
	for (unsigned i = 0; i < world->n_entries; i++)
		device_entry_free(world->entries[i]);
	for (unsigned i = 0; i < world->n_batches; i++) {
		for (unsigned s = 0; s < world->batches[i]->n_steps; s++)
			free(world->steps[i][s]);
		free(world->batches[i]);
	}
	if (!world->keeps_memory)
		free(world);
}

static inline struct batch_step *
world_step(uint8_t code, uint8_t expect, uint8_t last_option, const char *options,
	   size_t options_len, size_t payload_len)
{
	struct batch_step *step = calloc(1, sizeof *step + options_len + payload_len);

	if (!step)
		abort();
	step->code = code;
	step->expect = expect;
	step->last_option = last_option;
	step->options_len = (uint16_t)options_len;
	step->payload_len = (uint32_t)payload_len;
	memcpy(step->bytes, options, options_len);
	for (size_t i = 0; i < payload_len; i++)
		step->bytes[options_len + i] = (uint8_t)(i + i / 256 + 1);
	return step;
}

/* PUT /0/2 with `payload_len` bytes in TLV, PUT /1/0 with 18, Finish: the reference shape. */
static inline struct batch *
world_batch(struct world *world, uint16_t format, size_t payload_len)
{
	struct batch *batch = calloc(1, sizeof *batch + 3 * sizeof batch->steps[0]);
	unsigned b = world->n_batches++;

	if (!batch || b == WORLD_BATCHES)
		abort();
	world->batches[b] = batch;
	world->steps[b][0] = world_step(COAP_PUT, BATCH_EXPECT_WRITE, 12,
					"\xb1\x30\x01\x32\x12\x2d\x16", 7, payload_len);
	world->steps[b][1] =
		world_step(COAP_PUT, BATCH_EXPECT_WRITE, 12, "\xb1\x31\x01\x30\x12\x2d\x16", 7, 18);
	world->steps[b][2] = world_step(COAP_POST, BATCH_EXPECT_FINISH, 11, "\xb2\x62\x73", 3, 0);
	batch->format = format;
	batch->generation = 7;
	batch->n_steps = 3;
	for (unsigned s = 0; s < 3; s++)
		batch->steps[s] = world->steps[b][s];
	return batch;
}

/* What stands before a step's payload: method, expectation and path of each kind. */
static inline struct batch_step *
world_step_of(char kind, size_t payload_len)
{
	switch (kind) {
	case 'd': /* GET /, Accept 40 */
		return world_step(COAP_GET, BATCH_EXPECT_DISCOVER, 17, "\xd1\x04\x28", 3, 0);
	case 'r': /* GET /1, Accept 11542 */
		return world_step(COAP_GET, BATCH_EXPECT_READ, 17, "\xb1\x31\x62\x2d\x16", 5, 0);
	case 'x': /* DELETE /0 */
		return world_step(COAP_DELETE, BATCH_EXPECT_DELETE, 11, "\xb1\x30", 2, 0);
	case 'f':
		return world_step(COAP_POST, BATCH_EXPECT_FINISH, 11, "\xb2\x62\x73", 3, 0);
	default: /* PUT /1/0 */
		return world_step(COAP_PUT, BATCH_EXPECT_WRITE, 12, "\xb1\x31\x01\x30\x12\x2d\x16",
				  7, payload_len);
	}
}

/* One letter a step: d discover, r read, x delete, f Finish, w write. Behind it may stand `?` (goes
 * on when refused), `!` (the same, up to the next Finish) and `+` (a correction). */
static inline struct batch *
world_batch_of(struct world *world, uint16_t format, const char *letters)
{
	unsigned b = world->n_batches++, n = 0;
	struct batch *batch = calloc(1, sizeof *batch + 8 * sizeof batch->steps[0]);

	if (!batch || b >= WORLD_BATCHES)
		abort();
	for (; *letters; letters++) {
		if (*letters == '?')
			world->steps[b][n - 1]->on_error = BATCH_CONTINUE;
		else if (*letters == '!')
			world->steps[b][n - 1]->on_error = BATCH_FINISH;
		else if (*letters == '+')
			world->steps[b][n - 1]->correction = 1;
		else
			world->steps[b][n++] = world_step_of(*letters, 18);
	}
	for (unsigned s = 0; s < n; s++)
		batch->steps[s] = world->steps[b][s];
	batch->format = format;
	batch->generation = 7;
	batch->plan = 70 + b;
	batch->n_steps = (uint16_t)n;
	world->batches[b] = batch;
	return batch;
}

/* A Bootstrap-Pack of so many bytes. */
static inline struct batch *
world_pack(struct world *world, uint16_t format, size_t payload_len)
{
	unsigned b = world->n_batches;
	struct batch *batch = world_batch_of(world, format, "w");

	free(world->steps[b][0]);
	world->steps[b][0] = world_step_of('w', payload_len);
	batch->steps[0] = world->steps[b][0];
	batch->pack = true;
	return batch;
}

/* A device as it can prove itself, or not; the batch may be NULL. */
static inline struct device_entry *
world_device_with(struct world *world, const char *name, const char *identity, const char *key,
		  const struct batch *batch, uint8_t flags)
{
	struct device_entry *entry =
		device_entry_new(world->n_entries + 1000, name, strlen(name), identity,
				 strlen(identity), key, strlen(key));
	struct device_entry *old;
	struct directory_retired retired;

	if (!entry || world->n_entries == WORLD_BATCHES)
		abort();
	entry->flags = flags;
	atomic_store(&entry->batch, batch);
	if (directory_put(world->directory, entry, &old, &retired) != 0 || old)
		abort();
	free(retired.blocks[0]);
	free(retired.blocks[1]);
	world->entries[world->n_entries++] = entry;
	return entry;
}

/* One without a key. */
static inline struct device_entry *
world_device(struct world *world, const char *name, const struct batch *batch, uint8_t flags)
{
	return world_device_with(world, name, "", "", batch, flags);
}

static inline struct peer
world_peer(uint16_t port)
{
	struct peer peer = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = port };

	return peer;
}

static inline struct link
world_link(void)
{
	return (struct link){ .mac = { 2, 0, 0, 0, 0, 1 }, .vlan = LINK_UNTAGGED };
}

/* Hands the stack one datagram of exactly these bytes; what it answers replaces what it answered
 * before. */
static inline void
world_feed_at(struct world *world, struct peer peer, const void *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1); /* exact: sanitizers see the first byte read beyond
						 * */
	struct dgram_in in = {
		.peer = peer, .link = world_link(), .len = (uint16_t)len, .data = exact
	};

	if (!exact)
		abort();
	if (len)
		memcpy(exact, bytes, len);
	world_clear(world);
	stack_receive(world->stack, world->now, &in, 1, &world->out);
	free(exact);
}

static inline void
world_feed(struct world *world, uint16_t port, const void *bytes, size_t len)
{
	world_feed_at(world, world_peer(port), bytes, len);
}

/* Turns the clock forward and lets timers run. */
static inline void
world_tick(struct world *world, uint64_t later_us)
{
	world->now += later_us;
	world_clear(world);
	stack_tick(world->stack, world->now, &world->out);
}

static inline uint64_t
world_count(const struct world *world, enum counter counter)
{
	return stack_counters(world->stack)->value[counter];
}
