/* Computed setting values (TASKS.md section 6): device, deepest group, locked, priority, name. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/profile.h"

#define VALUES(...)                                                                                \
	{                                                                                          \
		(struct policy_value[]){ __VA_ARGS__ },                                            \
			sizeof((struct policy_value[]){ __VA_ARGS__ }) /                           \
				sizeof(struct policy_value)                                        \
	}

static const struct policy_group root = {
	.name = "root",
	.depth = 0,
	.values = VALUES({ "a", "root" }, { "b", "root", .locked = true }, { "only", "root" })
};
static const struct policy_group x = { .name = "root.x",
				       .depth = 1,
				       .parent = &root,
				       .priority = 1,
				       .values = VALUES({ "a", "x" }, { "b", "x" }, { "c", "x" },
							{ "l", "x", .locked = true }) };
static const struct policy_group y = { .name = "root.y",
				       .depth = 1,
				       .parent = &root,
				       .priority = 5,
				       .values = VALUES({ "c", "y" }, { "d", "y" }) };
static const struct policy_group z = { .name = "root.z",
				       .depth = 1,
				       .parent = &root,
				       .priority = 5,
				       .values = VALUES({ "c", "z" }, { "d", "z" }) };
static const struct policy_group deep = { .name = "root.x.deep",
					  .depth = 2,
					  .parent = &x,
					  .values = VALUES({ "c", "deep" }, { "l", "deep" }) };

static void
expect(const struct device *device, const char *name, const char *text,
       const struct policy_group *origin)
{
	struct profile_value found;

	cr_assert_eq(profile_find(device, name, strlen(name), &found), text != NULL, "%s", name);
	if (!text)
		return;
	cr_expect_str_eq(found.value->text, text, "%s is %s", name, found.value->text);
	cr_expect_eq(found.group, origin, "%s", name);
}

Test(profile, missing)
{
	const struct policy_group *groups[] = { &x };
	struct device device = { .groups = groups, .n_groups = 1 };

	expect(&device, "nothing", NULL, NULL);
	expect(&device, "", NULL, NULL);
	expect(&device, "onl", NULL, NULL);
}

Test(profile, a_name_with_a_nul_byte_is_no_shorter_name)
{
	const struct policy_group *groups[] = { &x };
	struct device device = { .groups = groups, .n_groups = 1 };
	struct profile_value found;

	cr_expect_not(profile_find(&device, "a\0b", 3, &found));
}

Test(profile, deepest_group_wins_and_locked_silences_below)
{
	const struct policy_group *groups[] = { &deep };
	struct device device = { .groups = groups, .n_groups = 1 };

	expect(&device, "only", "root", &root);
	expect(&device, "a", "x", &x);
	expect(&device, "b", "root", &root);
	expect(&device, "c", "deep", &deep);
	expect(&device, "l", "x", &x);
}

Test(profile, equal_depth_goes_to_priority_then_name)
{
	const struct policy_group *groups[] = { &z, &x, &y };
	struct device device = { .groups = groups, .n_groups = 3 };

	expect(&device, "c", "y", &y);
	expect(&device, "d", "y", &y);
}

Test(profile, device_beats_even_locked)
{
	const struct policy_group *groups[] = { &deep, &y };
	struct device device = { .groups = groups,
				 .n_groups = 2,
				 .values = VALUES({ "b", "mine" }) };

	expect(&device, "b", "mine", NULL);
}

static bool
count_value(void *ctx, const struct profile_value *value)
{
	unsigned *counts = ctx;

	counts[(unsigned char)value->value->name[0]]++;
	return true;
}

Test(profile, each_tells_every_name_once)
{
	const struct policy_group *groups[] = { &z, &deep, &y };
	struct device device = { .groups = groups,
				 .n_groups = 3,
				 .values = VALUES({ "a", "mine" }) };
	unsigned counts[256] = { 0 };

	profile_each(&device, count_value, counts);
	for (const char *name = "abcdlo"; *name; name++)
		cr_expect_eq(counts[(unsigned char)*name], 1, "%c: %u", *name,
			     counts[(unsigned char)*name]);
}
