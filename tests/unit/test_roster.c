/* Numbers of endpoint names: given once, kept for good. */
#include <stdio.h>

#include <criterion/criterion.h>

#include "control/roster.h"

Test(roster, numbers_stay)
{
	struct roster roster;
	char name[32];

	roster_init(&roster);
	cr_expect_null(roster_find(&roster, "nobody"));
	cr_expect_null(roster_slot(&roster, 0));
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "device-%u", i);
		cr_assert_eq(roster_add(&roster, name)->id, i);
	}
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "device-%u", i);
		cr_assert_eq(roster_add(&roster, name)->id, i);
		cr_assert_str_eq(roster_slot(&roster, i)->endpoint, name);
	}
	cr_expect_null(roster_find(&roster, "device-10000"));
	cr_expect_null(roster_slot(&roster, 10000));
	roster_fini(&roster);
}
