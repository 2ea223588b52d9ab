/*
 * slice.h - long work in slices: when to let others have their turn (pump.h). Control thread.
 *
 *	struct slice slice = { 0 };
 *	... for each step: ...
 *		if (slice_is_over(&slice, 500))
 *			slice_pump(&slice, pump);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/clock.h"
#include "control/pump.h"

enum {
	SLICE_US = 1000,
	SLICE_STEPS_PER_LOOK = 16, /* at the clock */
};

/* All zero: not begun. */
struct slice {
	uint64_t until_us;
	unsigned steps;
};

/* One step more: whether they are `most`, or take too long. */
static inline bool
slice_is_over(struct slice *slice, unsigned most)
{
	if (++slice->steps >= most)
		return true;
	if (slice->steps % SLICE_STEPS_PER_LOOK)
		return false;
	if (!slice->until_us)
		slice->until_us = clock_now_us() + SLICE_US;
	return clock_now_us() >= slice->until_us;
}

/* Lets others have their turn, and begins the next one. */
static inline void
slice_pump(struct slice *slice, const struct pump *pump)
{
	pump_run(pump);
	*slice = (struct slice){ .until_us = clock_now_us() + SLICE_US };
}
