/*
 * crowd.h - how long a port that takes nothing may hold devices up.
 *
 * While frames wait for a port nothing more begins: a generator that outruns its port measures its
 * own queue. But a port that is dead never takes them, and devices behind it, and behind every
 * other port of its core, must still time out: else the run never ends. So a crowd holds up for a
 * limited time after the port took a frame.
 *
 * Pure. Owner: the port's backlog. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Timers: long beside a burst, short beside every time-out. */
	CROWD_TIMERS_US = 1000000,
};

struct crowd {
	uint64_t taken_us; /* when the port last took a frame, or none waited */
};

/* `waiting` frames are left after the port took `taken`. */
static inline void
crowd_note(struct crowd *crowd, unsigned waiting, unsigned taken, uint64_t now_us)
{
	if (taken || !waiting)
		crowd->taken_us = now_us;
}

/* The most frames that may wait, of `backlog`, for each of a core's ports: half of its buffers are left to receive into. */
static inline unsigned
crowd_backlog(unsigned backlog, unsigned buffers, unsigned ports)
{
	unsigned share = buffers / 2 / ports;

	return share < backlog ? share : backlog;
}

/* Whether `waiting` frames, of at most `backlog`, hold up what may be held up for `patience_us`. */
static inline bool
crowd_holds(const struct crowd *crowd, unsigned waiting, unsigned backlog, uint64_t patience_us,
	    uint64_t now_us)
{
	return waiting > backlog / 4 && now_us - crowd->taken_us < patience_us;
}
