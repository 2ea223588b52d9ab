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
/* How often this thread's CPU was taken from it for another thread; waits of its own are not among them (getrusage(2),
 * ru_nivcsw). Some hundred nanoseconds. */
uint64_t clock_thread_interruptions(void);
