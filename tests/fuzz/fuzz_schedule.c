/* Schedules: what is accepted allows some minute of the week. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/policy/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A Thursday at midnight, a leap day, the nights in which clocks are put forward and back. */
static const time_t moments[] = { 0, 951782400, 1774747800, 1792893600 };

/* What is said to come next is allowed then, and nothing before it. */
static void
look_for_next(const struct schedule *schedule, time_t now)
{
	time_t next = schedule_next_time(schedule, now);
	char text[SCHEDULE_NEXT_MAX];

	if (next < now || !schedule_allows(schedule, next))
		__builtin_trap();
	if ((next == now) != schedule_allows(schedule, now))
		__builtin_trap();
	if (!strlen(schedule_next(schedule, now, text)) || strlen(text) >= sizeof text)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[SCHEDULE_TEXT_MAX + 2], error[SCHEDULE_ERROR_MAX];
	const struct schedule *schedule;
	struct arena arena;
	uint8_t any = 0;

	size = size < sizeof text ? size : sizeof text - 1;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	arena_init(&arena, 0);
	schedule = schedule_parse(&arena, text, error);
	for (size_t i = 0; schedule && i < sizeof schedule->minutes; i++)
		any |= schedule->minutes[i];
	if (schedule && !any)
		__builtin_trap();
	for (unsigned i = 0; schedule && i < sizeof moments / sizeof moments[0]; i++)
		look_for_next(schedule, moments[i]);
	arena_fini(&arena);
	return 0;
}
