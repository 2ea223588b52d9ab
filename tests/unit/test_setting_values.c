/* Packed setting values: what is set is found, what is unset is gone, bytes from a file are judged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/inventory/setting_values.h"

static int
set(uint8_t **values, const char *name, const char *text, bool secret)
{
	return setting_values_set(values, &(struct setting_value){
						  .name = name,
						  .name_len = (uint8_t)strlen(name),
						  .text = text,
						  .text_len = (uint16_t)strlen(text),
						  .secret = secret,
					  });
}

static void
expect(const uint8_t *values, const char *name, const char *text)
{
	struct setting_value value;

	cr_assert_eq(setting_values_find(values, name, strlen(name), &value), text != NULL, "%s",
		     name);
	if (text)
		cr_expect(value.text_len == strlen(text) &&
				  memcmp(value.text, text, value.text_len) == 0,
			  "%s", name);
}

Test(setting_values, none_at_all)
{
	struct setting_value value = { 0 };
	uint8_t *values = NULL;

	expect(NULL, "a", NULL);
	cr_expect_not(setting_values_next(NULL, &value));
	cr_expect_eq(setting_values_size(NULL), 0);
	cr_expect_null(setting_values_copy(NULL));
	cr_expect_eq(setting_values_unset(&values, "a", 1), -ENOENT);
	cr_expect_eq(set(&values, "", "text", false), -EINVAL);
	cr_expect_null(values);
}

Test(setting_values, bytes_that_are_no_block)
{
	static const struct {
		size_t size;
		uint8_t bytes[12];
	} wrong[] = {
		{ 0, "" },
		{ 4, "\4\0\0\0" },                  /* no value */
		{ 5, "\5\0\0\0\0" },                /* half a head */
		{ 9, "\10\0\0\0\0\1\0\0a" },        /* another size than it has */
		{ 8, "\10\0\0\0\0\1\0\0" },         /* the name is not there */
		{ 8, "\10\0\0\0\0\0\0\0" },         /* no name */
		{ 9, "\11\0\0\0\0\1\5\0a" },        /* text beyond the end */
		{ 10, "\12\0\0\0\0\1\0\0ab" },      /* half a second head */
	};
	static const uint8_t good[] = { 10, 0, 0, 0, 0, 1, 1, 0, 'a', 'b' };

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_expect_not(setting_values_check(wrong[i].bytes, wrong[i].size), "%zu", i);
	cr_expect(setting_values_check(good, sizeof good));
}

Test(setting_values, set_replaced_and_unset)
{
	uint8_t *values = NULL;
	struct setting_value value = { 0 };

	cr_assert_eq(set(&values, "a", "1", false), 0);
	cr_assert_eq(set(&values, "b", "", true), 0);
	cr_assert_eq(set(&values, "ab", "longer text", false), 0);
	expect(values, "a", "1");
	expect(values, "b", "");
	expect(values, "ab", "longer text");
	cr_assert_eq(set(&values, "a", "another one", false), 0);
	expect(values, "a", "another one");
	expect(values, "b", "");
	cr_expect(setting_values_check(values, setting_values_size(values)));
	cr_assert(setting_values_next(values, &value));
	cr_expect_eq(value.name[0], 'a', "it keeps its place");
	cr_expect_eq(setting_values_unset(&values, "b", 1), 0);
	expect(values, "b", NULL);
	cr_expect_eq(setting_values_unset(&values, "a", 1), 0);
	cr_expect_eq(setting_values_unset(&values, "ab", 2), 0);
	cr_expect_null(values, "no values are no block");
}

Test(setting_values, as_many_as_there_may_be)
{
	uint8_t *values = NULL;
	char name[16];

	for (unsigned i = 0; i < SETTING_VALUES_MAX; i++) {
		snprintf(name, sizeof name, "value-%u", i);
		cr_assert_eq(set(&values, name, "x", false), 0);
	}
	cr_expect_eq(set(&values, "one more", "x", false), -E2BIG);
	cr_expect_eq(set(&values, "value-0", "y", false), 0);
	expect(values, "value-0", "y");
	expect(values, "value-999", "x");
	setting_values_free(values);
}
