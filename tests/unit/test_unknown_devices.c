/* Unknown devices: counted by name, bounded, the longest silent one goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/runs/unknown_devices.h"

static void
see(struct unknown_devices *unknowns, unsigned number, uint64_t now_ms)
{
	struct session_event event = { .kind = SESSION_UNKNOWN };

	event.name_len =
		(uint8_t)snprintf((char *)event.name, sizeof event.name, "unknown-%u", number);
	unknown_devices_see(unknowns, &event, now_ms);
}

Test(unknowns, counted_bounded_and_oldest_first_out)
{
	struct unknown_devices *unknowns = calloc(1, sizeof *unknowns);
	bool first_is_there = false, second_is_there = false;

	for (unsigned i = 0; i < UNKNOWN_DEVICES_MAX; i++)
		see(unknowns, i, 1000 + i);
	see(unknowns, 0, 5000); /* again: now it is the newest */
	cr_assert_eq(unknowns->count, UNKNOWN_DEVICES_MAX);
	see(unknowns, UNKNOWN_DEVICES_MAX, 6000);
	cr_assert_eq(unknowns->count, UNKNOWN_DEVICES_MAX);
	for (unsigned i = 0; i < UNKNOWN_DEVICES_MAX; i++) {
		const struct unknown *unknown = &unknowns->items[i];

		if (unknown->name_len == 9 && memcmp(unknown->name, "unknown-0", 9) == 0) {
			first_is_there = true;
			cr_expect_eq(unknown->count, 2);
			cr_expect_eq(unknown->first_ms, 1000);
			cr_expect_eq(unknown->last_ms, 5000);
		}
		second_is_there |=
			unknown->name_len == 9 && memcmp(unknown->name, "unknown-1", 9) == 0;
	}
	cr_expect(first_is_there);
	cr_expect_not(second_is_there);
	free(unknowns);
}

Test(unknowns, a_length_beyond_the_field_is_cut)
{
	struct unknown_devices *unknowns = calloc(1, sizeof *unknowns);
	struct session_event event = { .kind = SESSION_UNKNOWN, .name_len = 255 };

	unknown_devices_see(unknowns, &event, 1);
	cr_expect_eq(unknowns->items[0].name_len, sizeof event.name);
	free(unknowns);
}
