/* When a drain refuses new devices: after routes had time to go, or at once where nobody asks. */
#include <criterion/criterion.h>

#include "control/health.h"

enum { NOW = 1000000, WITHDRAW = 5000 };

static struct health health;

static void
setup(void)
{
	health = (struct health){ 0 };
}

TestSuite(health, .init = setup);

Test(health, without_checks_a_drain_refuses_at_once)
{
	cr_assert(health_drain(&health, WITHDRAW, NOW));
	cr_assert(health.refusing);
	cr_assert_not(health_must_refuse(&health, NOW + 1), "once");
}

Test(health, a_check_must_fail_first_and_routes_have_time_to_go)
{
	health_checked(&health, NOW - 1000);
	cr_assert_not(health_drain(&health, WITHDRAW, NOW));
	cr_assert_not(health_must_refuse(&health, NOW + 8999), "the check is awaited");
	health_checked(&health, NOW + 8999);
	cr_assert_not(health_must_refuse(&health, NOW + 8999 + WITHDRAW - 1));
	health_checked(&health, NOW + 8999 + WITHDRAW - 1);
	cr_assert(health_must_refuse(&health, NOW + 8999 + WITHDRAW), "since the first one");
	cr_assert_not(health_must_refuse(&health, NOW + 8999 + WITHDRAW + 1), "once");
}

Test(health, a_checker_that_is_gone_is_not_waited_for)
{
	health_checked(&health, NOW - 1000);
	cr_assert_not(health_drain(&health, WITHDRAW, NOW));
	cr_assert_not(health_must_refuse(&health, NOW - 1000 + HEALTH_CHECKER_MS - 1));
	cr_assert(health_must_refuse(&health, NOW - 1000 + HEALTH_CHECKER_MS));
}

Test(health, one_that_asked_long_ago_is_gone)
{
	health_checked(&health, NOW - HEALTH_CHECKER_MS);
	cr_assert(health_drain(&health, WITHDRAW, NOW));
}

Test(health, who_does_not_want_to_wait_need_not)
{
	health_checked(&health, NOW);
	cr_assert(health_drain(&health, 0, NOW));
}

/* Asked twice: the second may only hurry it. */
Test(health, a_second_drain_does_not_begin_anew)
{
	health_checked(&health, NOW);
	cr_assert_not(health_drain(&health, WITHDRAW, NOW));
	health_checked(&health, NOW + 1000);
	cr_assert_not(health_drain(&health, WITHDRAW, NOW + 3000));
	cr_assert(health_must_refuse(&health, NOW + 1000 + WITHDRAW));
	cr_assert_not(health_drain(&health, WITHDRAW, NOW + 9000), "it refuses already");
}

Test(health, the_end_of_a_drain_forgets_it)
{
	health_checked(&health, NOW);
	cr_assert_not(health_drain(&health, WITHDRAW, NOW));
	health_checked(&health, NOW + 1000);
	health_undrain(&health);
	cr_assert_not(health_must_refuse(&health, NOW + 100000));
	health_checked(&health, NOW + 100000);
	cr_assert_not(health_drain(&health, WITHDRAW, NOW + 100000));
	cr_assert_not(health_must_refuse(&health, NOW + 100001), "what the first one heard does not count");
}

/* The process before this one drained: what its workers were told is told to these. */
Test(health, a_drain_that_was_passed_on_goes_on)
{
	health.draining = true;
	cr_assert(health_must_refuse(&health, NOW));
}
