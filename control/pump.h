/*
 * pump.h - what long work calls between its slices, so that nothing waits for its end: workers are
 * looked after, and commands that only look are answered.
 *
 * A hook and its context. Who owns the loop sets it; who works long gets it as a parameter and knows
 * nothing of what it does, but that devices, sessions and reports may change meanwhile. Control
 * thread.
 */
#pragma once

#include <stddef.h>

struct pump {
	void (*run)(void *ctx); /* NULL: nobody has to be looked after */
	void *ctx;
};

static inline void
pump_run(const struct pump *pump)
{
	if (pump && pump->run)
		pump->run(pump->ctx);
}
