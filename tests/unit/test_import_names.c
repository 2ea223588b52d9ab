/* The names an import has seen. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/inventory/import_names.h"

Test(import_names, each_once_across_growth_and_copy)
{
	struct import_names names, copy;
	uint32_t first = 0;
	char name[32];

	cr_assert_eq(import_names_init(&names, 42), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		int len = snprintf(name, sizeof name, "urn:dev:%08u", i);

		cr_assert_eq(import_names_add(&names, name, (size_t)len, i + 1, &first), 0);
	}
	cr_assert_eq(import_names_copy(&copy, &names), 0);
	for (uint32_t i = 0; i < 100000; i += 7) {
		int len = snprintf(name, sizeof name, "urn:dev:%08u", i);

		cr_assert_eq(import_names_add(&names, name, (size_t)len, 5, &first), 1);
		cr_assert_eq(first, i + 1);
		cr_assert_eq(import_names_add(&copy, name, (size_t)len, 5, &first), 1);
	}
	cr_assert_eq(import_names_add(&names, "new", 3, 5, &first), 0);
	cr_assert_eq(import_names_add(&copy, "new", 3, 6, &first), 0, "a copy is its own");
	import_names_fini(&names);
	import_names_fini(&copy);
}

Test(import_names, lengths_and_prefixes_differ)
{
	static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaa";
	struct import_names names;
	uint32_t first;

	cr_assert_eq(import_names_init(&names, 0), 0);
	for (size_t len = 0; len < sizeof text; len++)
		cr_assert_eq(import_names_add(&names, text, len, 1, &first), 0, "length %zu", len);
	cr_assert_eq(import_names_add(&names, "a\0", 2, 1, &first), 0);
	import_names_fini(&names);
}
