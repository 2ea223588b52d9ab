#include "dataplane/core/tables/timer_wheel.h"

#include <assert.h>

enum {
	SLOT_MASK = TIMER_WHEEL_SLOTS - 1,
	TOP = TIMER_WHEEL_LEVELS - 1,
	TOP_SHIFT = TOP * TIMER_WHEEL_SLOT_BITS,
};

/* Ticks ahead that have a slot of their own: one slot short of a turn, so that none laps the
 * current one. */
static const uint64_t span = (uint64_t)SLOT_MASK << TOP_SHIFT;
/* Half of what 32 bits of a tick can tell apart: 12.7 days. */
static const uint64_t due_max = UINT32_MAX / 4;

static struct timer_node *
node_at(const struct timer_wheel *wheel, uint32_t index)
{
	return (struct timer_node *)(void *)(wheel->nodes + (size_t)index * wheel->stride);
}

static unsigned
slot_of(uint64_t tick, unsigned level)
{
	return tick >> (level * TIMER_WHEEL_SLOT_BITS) & SLOT_MASK;
}

/* A node's level is that of the highest digit (6 bits) in which its tick differs from the current
 * one. */
static unsigned
level_of(uint64_t current, uint64_t tick)
{
	uint64_t differs = current ^ tick;
	unsigned level;

	if (differs < TIMER_WHEEL_SLOTS)
		return 0;
	level = (63 - (unsigned)__builtin_clzll(differs)) / TIMER_WHEEL_SLOT_BITS;
	return level < TOP ? level : TOP;
}

static void
note_next(struct timer_wheel *wheel, uint64_t tick)
{
	uint64_t us = tick << TIMER_WHEEL_TICK_BITS;

	if (us < wheel->next_us)
		wheel->next_us = us;
}

/* Links an unlinked node by its `due`, which is not before the current tick. */
static void
link_node(struct timer_wheel *wheel, uint32_t index)
{
	struct timer_node *node = node_at(wheel, index);
	uint64_t due = wheel->current + (uint32_t)(node->due - (uint32_t)wheel->current);
	uint64_t place = due - wheel->current < span ? due : wheel->current + span - 1;
	unsigned level = level_of(wheel->current, place), slot = slot_of(place, level);
	unsigned shift = level * TIMER_WHEEL_SLOT_BITS;

	node->next = wheel->slots[level][slot];
	node->prev = TIMER_NODE_FIRST | level << TIMER_WHEEL_SLOT_BITS | slot;
	if (node->next)
		node_at(wheel, node->next - 1)->prev = index + 1;
	wheel->slots[level][slot] = index + 1;
	wheel->occupied[level] |= UINT64_C(1) << slot;
	note_next(wheel, place >> shift << shift);
}

static void
unlink_node(struct timer_wheel *wheel, struct timer_node *node)
{
	if (node->next)
		node_at(wheel, node->next - 1)->prev = node->prev;
	if (node->prev & TIMER_NODE_FIRST) {
		unsigned place = node->prev & ~TIMER_NODE_FIRST;
		unsigned level = place >> TIMER_WHEEL_SLOT_BITS, slot = place & SLOT_MASK;

		wheel->slots[level][slot] = node->next;
		if (!node->next)
			wheel->occupied[level] &= ~(UINT64_C(1) << slot);
	} else {
		node_at(wheel, node->prev - 1)->next = node->next;
	}
	node->prev = 0;
}

void
timer_wheel_init(struct timer_wheel *wheel, struct timer_node *first, size_t stride,
		 uint64_t now_us)
{
	*wheel = (struct timer_wheel){
		.next_us = UINT64_MAX,
		.current = now_us >> TIMER_WHEEL_TICK_BITS,
		.nodes = (uint8_t *)first,
		.stride = stride,
	};
}

void
timer_wheel_arm(struct timer_wheel *wheel, uint32_t index, uint64_t due_us)
{
	struct timer_node *node = node_at(wheel, index);
	/* Rounded up: never early. The sum cannot wrap within 580,000 years. */
	uint64_t due = (due_us + (1 << TIMER_WHEEL_TICK_BITS) - 1) >> TIMER_WHEEL_TICK_BITS;

	if (node->prev)
		unlink_node(wheel, node);
	if (due <= wheel->current)
		due = wheel->current + 1;
	if (due - wheel->current > due_max)
		due = wheel->current + due_max;
	node->due = (uint32_t)due;
	link_node(wheel, index);
}

void
timer_wheel_cancel(struct timer_wheel *wheel, uint32_t index)
{
	struct timer_node *node = node_at(wheel, index);

	if (node->prev)
		unlink_node(wheel, node);
}

bool
timer_wheel_armed(const struct timer_wheel *wheel, uint32_t index)
{
	return node_at(wheel, index)->prev != 0;
}

bool
timer_wheel_due(const struct timer_wheel *wheel, uint32_t index, uint64_t *due_us)
{
	uint32_t ahead = node_at(wheel, index)->due - (uint32_t)wheel->current;

	*due_us = (wheel->current + ahead) << TIMER_WHEEL_TICK_BITS;
	return timer_wheel_armed(wheel, index);
}

/* Takes the first node of a slot that is occupied. */
static uint32_t
take_first(struct timer_wheel *wheel, unsigned level, unsigned slot)
{
	uint32_t index = wheel->slots[level][slot] - 1;
	struct timer_node *node = node_at(wheel, index);

	if (node->next)
		__builtin_prefetch(node_at(wheel, node->next - 1), 1);
	unlink_node(wheel, node);
	return index;
}

static bool
is_occupied(const struct timer_wheel *wheel, unsigned level, unsigned slot)
{
	return wheel->occupied[level] >> slot & 1;
}

/* Moves the nodes whose slot begins with the current tick down; false when `moves` did not
 * suffice. */
static bool
move_down(struct timer_wheel *wheel, unsigned *moves)
{
	for (unsigned level = TOP; level > 0; level--) {
		unsigned slot = slot_of(wheel->current, level);

		while (is_occupied(wheel, level, slot)) {
			if (!*moves)
				return false;
			--*moves;
			link_node(wheel, take_first(wheel, level, slot));
		}
	}
	return true;
}

/*
 * The first tick from the current one on that has something to do, UINT64_MAX for none. Below the
 * top level only slots behind the current digit can be occupied, and what a lower level holds comes
 * before all of a higher one; the top level goes round.
 */
static uint64_t
next_tick(const struct timer_wheel *wheel)
{
	uint64_t ring = wheel->occupied[TOP];
	unsigned digit = slot_of(wheel->current, TOP);

	for (unsigned level = 0; level < TOP; level++) {
		unsigned shift = level * TIMER_WHEEL_SLOT_BITS;
		uint64_t base = wheel->current >> (shift + TIMER_WHEEL_SLOT_BITS)
							  << TIMER_WHEEL_SLOT_BITS;

		if (wheel->occupied[level])
			return (base + (unsigned)__builtin_ctzll(wheel->occupied[level])) << shift;
	}
	if (!ring)
		return UINT64_MAX;
	if (digit)
		ring = ring >> digit | ring << (TIMER_WHEEL_SLOTS - digit);
	return ((wheel->current >> TOP_SHIFT) + (unsigned)__builtin_ctzll(ring)) << TOP_SHIFT;
}

bool
timer_wheel_pop_slow(struct timer_wheel *wheel, uint64_t now_us, uint32_t *index)
{
	uint64_t now = now_us >> TIMER_WHEEL_TICK_BITS, next;
	unsigned moves = TIMER_WHEEL_MOVES;

	/* Each round spends a move, takes a node or ends: an occupied slot is what brings the next
	 * tick about. */
	for (;;) {
		if (!move_down(wheel, &moves))
			return false;
		if (is_occupied(wheel, 0, slot_of(wheel->current, 0))) {
			*index = take_first(wheel, 0, slot_of(wheel->current, 0));
			return true;
		}
		next = next_tick(wheel);
		if (next > now)
			break;
		assert(next > wheel->current);
		wheel->current = next;
	}
	if (now > wheel->current)
		wheel->current = now;
	wheel->next_us = next == UINT64_MAX ? next : next << TIMER_WHEEL_TICK_BITS;
	return false;
}
