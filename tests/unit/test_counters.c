/* counters.def is an interface: names are unique, well-formed and explained. */
#include <ctype.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/counters.h"

Test(counters, names_are_unique_lower_case_and_explained)
{
	for (unsigned i = 0; i < COUNTERS; i++) {
		const char *name = counter_infos[i].name;

		for (const char *c = name; *c; c++)
			cr_assert(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_',
				  "%s", name);
		for (unsigned j = 0; j < i; j++)
			cr_assert_str_neq(name, counter_infos[j].name);
		cr_assert_gt(strlen(counter_infos[i].text), 10, "%s has no sentence", name);
	}
}

/* A script that asks for a former name gets the counter that replaced it. */
Test(counters, former_names_stand_for_a_counter_and_are_none_themselves)
{
	for (const struct counter_alias *alias = counter_aliases; alias->name; alias++) {
		cr_assert_lt(alias->counter, COUNTERS);
		for (unsigned i = 0; i < COUNTERS; i++)
			cr_assert_str_neq(alias->name, counter_infos[i].name);
	}
}
