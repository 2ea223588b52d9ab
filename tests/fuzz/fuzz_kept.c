/*
 * What a process that crashed left in memory, into a stack; then time passes, devices send something, and it crashes once
 * more. Input: slots, each behind a byte: its place (3 bits), and whether its tag is right (no bit), that of a slot that is
 * being written (bit 6) or eight bytes behind it (bit 7). Right means with the checks that a stack makes: a checksum is
 * none against who may write here.
 */
#include "dataplane/core/sessions/kept_slots.h"
#include "dataplane/core/stack_kept.h"
#include "tests/unit/stack_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSIONS = 8, ROUNDS = 4, ROUND_US = 80 * 1000 * 1000, WRITING = 0x40, RAW = 0x80 };

static _Atomic uint64_t tags[SESSIONS];
static struct kept_slot slots[SESSIONS];
static const struct kept_place place = { tags, slots, "the key of tags" };

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
seal(const struct kept_memory *memory, uint32_t index)
{
	struct kept_slot *slot = &slots[index];

	slot->numbers.salt = kept_salt_of(slot);
	dtls_kept_sent(&slot->numbers, slot->numbers.sent & DTLS_KEPT_MAX);
	dtls_kept_received(&slot->numbers, slot->numbers.received & DTLS_KEPT_MAX);
	tags[index] = kept_tag_of(memory, index);
}

/* How many slots are in use. */
static unsigned
fill(const struct kept_memory *memory, const uint8_t *data, size_t size)
{
	unsigned used = 0;

	memset(slots, 0, sizeof slots);
	memset((void *)tags, 0, sizeof tags);
	while (size) {
		uint8_t how = *data++;
		uint32_t index = how % SESSIONS;
		uint64_t tag = KEPT_WRITING;
		size_t len = --size < sizeof slots[0] ? size : sizeof slots[0];

		memcpy(&slots[index], data, len);
		data += len;
		size -= len;
		if (how & RAW && size >= sizeof tag) {
			memcpy(&tag, data, sizeof tag);
			data += sizeof tag;
			size -= sizeof tag;
		}
		tags[index] = tag;
		if (!(how & (RAW | WRITING)))
			seal(memory, index);
	}
	for (unsigned i = 0; i < SESSIONS; i++)
		used += tags[i] != KEPT_FREE;
	return used;
}

static struct world *
start(void)
{
	struct world *world = world_new(SESSIONS);

	world_device(world, "dev", world_batch(world, 11542, 98), 0);
	world_device_with(world, "name", "identity", "0123456789abcdef", world->batches[0], 0);
	stack_keep(world->stack, &place);
	return world;
}

/* What was taken up is there and whole, and nothing else is. */
static unsigned
restore(struct world *world)
{
	struct stack_restored restored = { 0 };
	unsigned whole = 0;

	stack_restore(world->stack, world->now, &restored);
	for (uint32_t i = 0; i < SESSIONS; i++) {
		if (tags[i] == KEPT_FREE)
			continue;
		check(kept_is_whole(&world->stack->kept, i));
		whole++;
	}
	check(whole == restored.associations && whole == stack_gauges(world->stack).sessions);
	return whole + restored.damaged + restored.unknown + restored.no_room;
}

static void
send_from_all(struct world *world)
{
	static const uint8_t messages[][40] = {
		{ 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 20 },
		{ 25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 'c', 'i', 'd', '!', 0, 17 },
		{ 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 20, 1 },
	};

	for (unsigned m = 0; m < sizeof messages / sizeof messages[0]; m++)
		for (uint16_t port = 4000; port < 4003; port++) {
			struct peer peer = world_peer(port);

			peer.listener = 1;
			world_feed_at(world, peer, messages[m], sizeof messages[m]);
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world = start(), *next;
	unsigned used = fill(&world->stack->kept, data, size);

	check(restore(world) == used);
	for (unsigned i = 0; i < ROUNDS / 2; i++) {
		send_from_all(world);
		world_tick(world, ROUND_US);
	}
	used = stack_gauges(world->stack).sessions;
	next = start();
	next->now = world->now;
	check(restore(next) == used);
	for (unsigned i = 0; i < ROUNDS; i++) {
		send_from_all(next);
		world_tick(next, ROUND_US);
	}
	check(stack_gauges(next->stack).sessions == 0);
	for (unsigned i = 0; i < SESSIONS; i++)
		check(tags[i] == KEPT_FREE);
	world_free(world);
	world_free(next);
	return 0;
}
