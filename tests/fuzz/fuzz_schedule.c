/* Schedules: what is accepted allows some minute of the week. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/policy/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	arena_fini(&arena);
	return 0;
}
