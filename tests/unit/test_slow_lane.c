/* Who makes way where every handshake of the slow lane is in use. */
#include <criterion/criterion.h>

#include "control/slow_lane.c"

enum { CONTEXTS = 64, NOW = 1000000 };

static struct slow_lane *lane;

/* All in use since just now, of one prefix. */
static void
setup(void)
{
	lane = calloc(1, sizeof *lane + CONTEXTS * sizeof *lane->contexts);
	cr_assert_not_null(lane);
	lane->n_contexts = CONTEXTS;
	for (unsigned i = 0; i < CONTEXTS; i++)
		lane->contexts[i] = (struct lane_context){ .lane = lane,
							   .used = true,
							   .slot = i,
							   .prefix = 7,
							   .started_ms = NOW };
}

static void
teardown(void)
{
	free(lane);
}

TestSuite(slow_lane, .init = setup, .fini = teardown);

static struct lane_context *
victim_of(uint32_t prefix, uint64_t now)
{
	const struct slow_lane_item newcomer = { .prefix = prefix };

	return choose_victim(lane, &newcomer, now);
}

Test(slow_lane, half_open_handshakes_of_one_host_make_way_for_another)
{
	lane->contexts[9].started_ms = NOW - 10;
	cr_assert_eq(victim_of(8, NOW), &lane->contexts[9], "the oldest");
}

Test(slow_lane, devices_of_a_prefix_that_come_at_once_do_not_displace_each_other)
{
	cr_assert_null(victim_of(7, NOW));
	cr_assert_null(victim_of(7, NOW + LANE_GRACE_MS - 1));
	cr_assert_not_null(victim_of(7, NOW + LANE_GRACE_MS));
}

Test(slow_lane, a_host_with_many_displaces_its_own)
{
	lane->contexts[3].prefix = 8; /* older than all of them */
	lane->contexts[3].started_ms = NOW - 2 * LANE_GRACE_MS;
	lane->contexts[5].started_ms = NOW - LANE_GRACE_MS;
	cr_assert_eq(victim_of(7, NOW), &lane->contexts[5]);
}

Test(slow_lane, prefixes_of_two_workers_are_not_one)
{
	for (unsigned i = 0; i < CONTEXTS; i++)
		lane->contexts[i].worker = 1;
	cr_assert_not_null(victim_of(7, NOW));
}

Test(slow_lane, a_few_of_each_prefix_stay)
{
	for (unsigned i = 0; i < CONTEXTS; i++)
		lane->contexts[i].prefix = i / 4;
	cr_assert_null(victim_of(100, NOW));
}
