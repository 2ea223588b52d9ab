#include <criterion/criterion.h>

#include "control/policy/policy_health.h"

Test(policy_health, warnings_are_no_trouble)
{
	struct place place = { .file = "groups.conf", .line = 3, .column = 1 };
	struct policy_health health = { 0 };
	struct diag_list diags;

	diag_list_init(&diags);
	diag_warning(&diags, &place, "odd");
	policy_health_fail_diags(&health, 1000, &diags);
	cr_assert_eq(health.failing_since_ms, 0);
	diag_list_fini(&diags);
}

Test(policy_health, the_first_error_is_shown_and_the_others_counted)
{
	struct place place = { .file = "groups.conf", .line = 3, .column = 1 };
	struct policy_health health = { 0 };
	struct diag_list diags;

	diag_list_init(&diags);
	diag_warning(&diags, &place, "odd");
	diag_error(&diags, &place, "bad");
	policy_health_fail_diags(&health, 1000, &diags);
	cr_assert_str_eq(health.error, "groups.conf:3:1: error: bad");
	diag_error(&diags, &place, "worse");
	policy_health_fail_diags(&health, 2000, &diags);
	cr_assert_str_eq(health.error, "groups.conf:3:1: error: bad (and 1 more)");
	cr_assert_eq(health.failing_since_ms, 1000, "since the first one");
	diag_list_fini(&diags);
}

Test(policy_health, it_ends)
{
	struct policy_health health = { 0 };

	policy_health_fail(&health, 1000, "the disk is full");
	cr_assert_eq(health.failing_since_ms, 1000);
	policy_health_mend(&health);
	cr_assert_eq(health.failing_since_ms, 0);
	cr_assert_str_empty(health.error);
	policy_health_fail(&health, 3000, "again");
	cr_assert_eq(health.failing_since_ms, 3000);
}
