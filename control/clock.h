/*
 * clock.h - what time it is: the wall clock that operators read, and one that only goes forward.
 *
 * Pure but for reading clocks. Any thread. Allocates nothing.
 */
#pragma once

#include <stdint.h>

/* Wall clock, milliseconds since 1970. */
uint64_t clock_now_ms(void);
/* The wall clock at a moment of another clock that says now_us: of the workers'. Now where that is yet
 * to come. */
uint64_t clock_wall_ms(uint64_t then_us, uint64_t now_us);
/* Monotonic. */
uint64_t clock_now_us(void);
/* What this thread has spent of a CPU, whatever else the machine does. */
uint64_t clock_thread_us(void);
/* How often this thread gave its CPU to another: because it was taken from it, or because it waited itself, for a disk or a
 * lock (getrusage(2), ru_nivcsw and ru_nvcsw). Some hundred nanoseconds. */
struct clock_switches {
	uint64_t taken, waited;
};
struct clock_switches clock_thread_switches(void);
