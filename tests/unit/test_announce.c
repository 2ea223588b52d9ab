/* announce: how often, and how far apart, a port's addresses are told to its link. */
#include <criterion/criterion.h>

#include "dataplane/io/announce.h"

enum { START_US = 5000 };

Test(announce, nothing_that_was_not_begun)
{
	struct announce announce = { 0 };

	cr_expect_not(announce_due(&announce, 0));
	cr_expect_not(announce_due(&announce, UINT64_MAX));
}

Test(announce, never_closer_than_a_second)
{
	struct announce announce = { 0 };

	announce_begin(&announce, START_US);
	cr_expect(announce_due(&announce, START_US));
	announce_sent(&announce, START_US);
	cr_expect_not(announce_due(&announce, START_US));
	cr_expect_not(announce_due(&announce, START_US + 999999));
	cr_expect(announce_due(&announce, START_US + 1000000));
	/* One that was late, as the link was, does not draw the next one near. */
	announce_sent(&announce, START_US + 1700000);
	cr_expect_not(announce_due(&announce, START_US + 2699999));
	cr_expect(announce_due(&announce, START_US + 2700000));
}

Test(announce, waits_until_it_is_sent)
{
	struct announce announce = { 0 };

	announce_begin(&announce, START_US);
	for (uint64_t now_us = START_US; now_us < START_US + 60000000; now_us += 500000)
		cr_assert(announce_due(&announce, now_us));
}

static unsigned
sent_within(struct announce *announce, uint64_t from_us, uint64_t for_us)
{
	unsigned sent = 0;

	for (uint64_t now_us = from_us; now_us < from_us + for_us; now_us += 500000) {
		if (!announce_due(announce, now_us))
			continue;
		announce_sent(announce, now_us);
		sent++;
	}
	return sent;
}

Test(announce, three_times_and_again_when_begun_again)
{
	struct announce announce = { 0 };

	announce_begin(&announce, START_US);
	cr_expect_eq(sent_within(&announce, START_US, 60000000), 3);
	cr_expect_not(announce_due(&announce, UINT64_MAX));
	announce_begin(&announce, 70000000);
	cr_expect_eq(sent_within(&announce, 70000000, 500000), 1);
	announce_begin(&announce, 70500000); /* what has begun begins anew */
	cr_expect_eq(sent_within(&announce, 70500000, 60000000), 3);
}
