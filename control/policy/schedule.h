/*
 * schedule.h - the hours of a week in which a task may run.
 *
 * A schedule is a list of spans, separated by commas: days, then hours. It is read in the
 * appliance's local time, for an operator means the night of the place; "UTC" at its end says
 * otherwise.
 *
 *	Mon-Fri 02:00-05:00, Sat 00:00-24:00
 *	22:00-06:00                              every night, over midnight
 *	Sun                                      all day
 *	Fri-Mon 00:00-24:00 UTC                  days wrap, too
 *
 * The end of a span is not in it. Where clocks are put forward or back, the hour that a clock on
 * the wall shows decides. Immutable once parsed. Owner: the arena. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "tasks/arena.h"

enum {
	SCHEDULE_DAY_MINUTES = 24 * 60,
	SCHEDULE_MINUTES = 7 * SCHEDULE_DAY_MINUTES,
	SCHEDULE_TEXT_MAX = 1000,
	SCHEDULE_ERROR_MAX = 160,
};

/* A bit a minute, from Monday 00:00: 1,260 bytes, and nothing to search. */
struct schedule {
	bool utc;
	uint8_t minutes[SCHEDULE_MINUTES / 8];
};

/* NULL and one sentence (nearest day where one was meant) when the text is no schedule. */
const struct schedule *schedule_parse(struct arena *arena, const char *text,
				      char error[SCHEDULE_ERROR_MAX]);

/* True when the schedule is NULL, too: always. */
bool schedule_allows(const struct schedule *schedule, time_t now);

enum { SCHEDULE_NEXT_MAX = 24 };
/* When it allows next, from now on: "Mon 02:00", "Mon 02:00 UTC"; "never". Returns out. */
const char *schedule_next(const struct schedule *schedule, time_t now, char out[SCHEDULE_NEXT_MAX]);
/* The same as a moment, `now` itself where it allows that; -1: never. */
time_t schedule_next_time(const struct schedule *schedule, time_t now);
