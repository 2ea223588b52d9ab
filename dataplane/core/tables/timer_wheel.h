/*
 * timer_wheel.h - one timer for each element of a caller's array, in a hierarchical wheel.
 *
 * Ticks are 2^10 us: protocol times start at seconds, so a millisecond is fine enough, and a shift
 * makes a tick. Four levels of 64 slots each cover 63 * 2^18 ticks, 4 h 41 min; what is due later
 * waits in the farthest slot and is placed again. A node falls at most three levels, so arm, cancel
 * and the whole life of a timer are O(1). An occupancy bitmap a level finds the next slot with one
 * count of zeros, so empty slots cost nothing, however long the clock jumps.
 *
 * A timer never goes off early, and late by less than two ticks and the caller's own delay. Timers
 * of the same tick go off in no particular order.
 *
 * Size: 1,088 bytes, and 12 a node: links are 32-bit indices, and the link to the first node's
 * predecessor names the slot instead, which makes the node's own slot number needless.
 *
 * Owner: the caller, of wheel and array. One thread. Nothing allocates or blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TIMER_WHEEL_TICK_BITS = 10,
	TIMER_WHEEL_SLOT_BITS = 6,
	TIMER_WHEEL_SLOTS = 1 << TIMER_WHEEL_SLOT_BITS,
	TIMER_WHEEL_LEVELS = 4,
	TIMER_WHEEL_MOVES = 32, /* nodes that one timer_wheel_pop() moves down a level at most */
};

/* Embedded in the caller's element. All zero: not armed. Links are index + 1. */
struct timer_node {
	uint32_t next; /* 0: the last one */
	uint32_t
		prev; /* 0: not armed; TIMER_NODE_FIRST | level << 6 | slot: the first one of its slot */
	uint32_t due; /* tick, low 32 bits */
};

#define TIMER_NODE_FIRST UINT32_C(0x80000000) /* hence at most 2^31 - 2 elements */

struct timer_wheel {
	uint64_t next_us; /* nothing is to be done before; first, as every turn looks at it alone */
	uint64_t current; /* tick: all before it are done with */
	uint8_t *nodes;   /* the timer_node of element 0 */
	size_t stride;    /* bytes between elements */
	uint64_t occupied[TIMER_WHEEL_LEVELS];
	uint32_t slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS]; /* index + 1 of the first node */
};

/* `first` is the node within element 0, `stride` the size of an element. Nodes must be zero. */
void timer_wheel_init(struct timer_wheel *wheel, struct timer_node *first, size_t stride,
		      uint64_t now_us);

/*
 * Arms, or arms anew. A time that has passed already is due at the next tick; that keeps a caller
 * who arms from its expiry loop from looping for ever. More than 12 days ahead is cut to that.
 */
void timer_wheel_arm(struct timer_wheel *wheel, uint32_t index, uint64_t due_us);

/* Does nothing when the timer is not armed. */
void timer_wheel_cancel(struct timer_wheel *wheel, uint32_t index);

bool timer_wheel_armed(const struct timer_wheel *wheel, uint32_t index);
/* When it goes off, to a tick; false: it is not armed. */
bool timer_wheel_due(const struct timer_wheel *wheel, uint32_t index, uint64_t *due_us);

/*
 * Takes out one timer that is due; false when there is none. Also false after TIMER_WHEEL_MOVES
 * moves between levels: then the next call goes on, and timers are late by that. Arm and cancel
 * anything between two calls.
 */
bool timer_wheel_pop_slow(struct timer_wheel *wheel, uint64_t now_us, uint32_t *index);

static inline bool
timer_wheel_pop(struct timer_wheel *wheel, uint64_t now_us, uint32_t *index)
{
	return now_us >= wheel->next_us && timer_wheel_pop_slow(wheel, now_us, index);
}
