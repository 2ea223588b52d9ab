/* What the policy's files may say: every member that reading them knows is described. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/config/config.h"
#include "control/policy/policy_help.h"

static const struct policy_section *const sections[] = {
	&policy_section_groups,  &policy_section_tasks, &policy_section_values,
	&policy_section_servers, &policy_section_trust, &policy_section_own,
	&policy_section_anchors,
};

Test(policy_help, there_is_no_such_file)
{
	struct text text;

	text_init(&text);
	cr_expect_not(policy_help("", &text));
	cr_expect_not(policy_help("groups", &text));
	cr_expect_eq(text.len, 0);
}

Test(policy_help, every_member_is_described)
{
	static const char *const files[] = { "groups.conf", "servers.conf", "trust.conf" };
	struct text text;

	text_init(&text);
	for (unsigned i = 0; i < 3; i++)
		cr_assert(policy_help(files[i], &text), "%s", files[i]);
	for (unsigned i = 0; i < sizeof sections / sizeof *sections; i++) {
		cr_assert_gt(sections[i]->n, 0);
		cr_expect_not_null(strstr(text_str(&text), sections[i]->title));
		for (size_t k = 0; k < sections[i]->n; k++) {
			const struct conf_member *member = &sections[i]->members[k];
			char entry[512];

			cr_expect_gt(strlen(member->help), 3, "%s", member->name);
			snprintf(entry, sizeof entry, "%s\n    %s\n", member->name, member->help);
			cr_expect_not_null(strstr(text_str(&text), entry), "%s", member->name);
		}
	}
	text_fini(&text);
}

Test(policy_help, every_setting_of_cradle_conf_is_described)
{
	struct text text;

	text_init(&text);
	config_help(&text);
	cr_expect_not_null(strstr(text_str(&text), "log.format\n    "));
	cr_expect_null(strstr(text_str(&text), "\n    \n"), "one has no help");
	cr_expect_null(strstr(text_str(&text), "(null)"));
	text_fini(&text);
}
