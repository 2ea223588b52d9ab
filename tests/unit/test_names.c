/* Texts by numbers: one number a text, for good. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/inventory/names.h"

Test(names, a_text_that_was_never_added)
{
	struct names names;

	names_init(&names);
	cr_expect_eq(names_find(&names, "a"), NAMES_NONE);
	names_add(&names, "b");
	cr_expect_eq(names_find(&names, "a"), NAMES_NONE);
	cr_expect_eq(names_find(&names, ""), NAMES_NONE);
	names_fini(&names);
}

Test(names, numbers_stay_as_the_table_grows)
{
	struct names names;
	char text[16];

	names_init(&names);
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(text, sizeof text, "text %u", i);
		cr_assert_eq(names_add(&names, text), i);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(text, sizeof text, "text %u", i);
		cr_assert_eq(names_add(&names, text), i);
		cr_assert_str_eq(names_text(&names, i), text);
	}
	names_fini(&names);
}
