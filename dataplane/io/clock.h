/*
 * clock.h - the time stamp counter as microseconds: one multiplication, no division, no system
 * call.
 *
 * us = cycles * (10^6 * 2^64 / hz) / 2^64: the upper half of a 64 x 64 product. The factor is cut
 * below its 64th bit, so the error at 2 GHz is 2 us after a thousand years. All threads compute the
 * same factor, so their times compare. Needs an invariant counter (every x86 server of the last
 * fifteen years). Pure; any thread.
 */
#pragma once

#include <stdint.h>

struct clock {
	uint64_t factor;
};

static inline struct clock
clock_make(uint64_t cycles_per_s)
{
	return (struct clock){ (uint64_t)(((unsigned __int128)1000000 << 64) / cycles_per_s) };
}

static inline uint64_t
clock_us(struct clock clock, uint64_t cycles)
{
	return (uint64_t)((unsigned __int128)cycles * clock.factor >> 64);
}
