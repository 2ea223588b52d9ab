/* Computed setting values (TASKS.md section 6): device, deepest group, locked, priority, name. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/policy/profile.h"

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

/* A device in these groups; `own` is its value b, or NULL. */
struct subject {
	struct task_set set;
	struct profile profile;
	uint8_t *values;
};

static void
subject_init(struct subject *subject, const struct policy_group **groups, unsigned n,
	     const char *name, const char *own)
{
	*subject = (struct subject){ .set = { .groups = groups, .n_groups = n } };
	if (own)
		cr_assert_eq(setting_values_set(&subject->values,
						&(struct setting_value){
							.name = name,
							.name_len = (uint8_t)strlen(name),
							.text = own,
							.text_len = (uint16_t)strlen(own) }),
			     0);
	subject->profile = (struct profile){ subject->values, &subject->set };
}

static void
expect(const struct subject *subject, const char *name, const char *text,
       const struct policy_group *origin)
{
	struct profile_value found;

	cr_assert_eq(profile_find(&subject->profile, name, strlen(name), &found), text != NULL, "%s", name);
	if (!text)
		return;
	cr_expect(found.text_len == strlen(text) && memcmp(found.text, text, found.text_len) == 0,
		  "%s is %.*s", name, (int)found.text_len, found.text);
	cr_expect_eq(found.group, origin, "%s", name);
}

Test(profile, missing)
{
	const struct policy_group *groups[] = { &x };
	struct subject subject;

	subject_init(&subject, groups, 1, NULL, NULL);
	expect(&subject, "nothing", NULL, NULL);
	expect(&subject, "", NULL, NULL);
	expect(&subject, "onl", NULL, NULL);
}

Test(profile, a_name_with_a_nul_byte_is_no_shorter_name)
{
	const struct policy_group *groups[] = { &x };
	struct subject subject;
	struct profile_value found;

	subject_init(&subject, groups, 1, NULL, NULL);
	cr_expect_not(profile_find(&subject.profile, "a\0b", 3, &found));
}

Test(profile, deepest_group_wins_and_locked_silences_below)
{
	const struct policy_group *groups[] = { &deep };
	struct subject subject;

	subject_init(&subject, groups, 1, NULL, NULL);
	expect(&subject, "only", "root", &root);
	expect(&subject, "a", "x", &x);
	expect(&subject, "b", "root", &root);
	expect(&subject, "c", "deep", &deep);
	expect(&subject, "l", "x", &x);
}

Test(profile, equal_depth_goes_to_priority_then_name)
{
	const struct policy_group *groups[] = { &z, &x, &y };
	struct subject subject;

	subject_init(&subject, groups, 3, NULL, NULL);
	expect(&subject, "c", "y", &y);
	expect(&subject, "d", "y", &y);
}

Test(profile, device_beats_even_locked)
{
	const struct policy_group *groups[] = { &deep, &y };
	struct subject subject;

	subject_init(&subject, groups, 2, "b", "mine");
	expect(&subject, "b", "mine", NULL);
	setting_values_free(subject.values);
}

static bool
count_value(void *ctx, const struct profile_value *value)
{
	unsigned *counts = ctx;

	counts[(unsigned char)value->name[0]]++;
	return true;
}

Test(profile, each_tells_every_name_once)
{
	const struct policy_group *groups[] = { &z, &deep, &y };
	struct subject subject;
	unsigned counts[256] = { 0 };

	subject_init(&subject, groups, 3, "a", "mine");
	profile_each(&subject.profile, count_value, counts);
	for (const char *name = "abcdlo"; *name; name++)
		cr_expect_eq(counts[(unsigned char)*name], 1, "%c: %u", *name,
			     counts[(unsigned char)*name]);
	setting_values_free(subject.values);
}
