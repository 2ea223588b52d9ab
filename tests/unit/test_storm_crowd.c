/* How long a port that takes nothing holds devices up. */
#include <criterion/criterion.h>

#include "tools/storm/crowd.h"

enum { BACKLOG = 4096, CROWDED = BACKLOG / 4 + 1, PATIENCE_US = 1000 };

static bool
holds(const struct crowd *crowd, unsigned waiting, uint64_t now_us)
{
	return crowd_holds(crowd, waiting, BACKLOG, PATIENCE_US, now_us);
}

Test(storm_crowd, few_frames_hold_nobody_up)
{
	struct crowd crowd = { 0 };

	crowd_note(&crowd, 0, 0, 5000);
	cr_expect_not(holds(&crowd, 0, 5000));
	cr_expect_not(holds(&crowd, CROWDED - 1, 5000));
	cr_expect(holds(&crowd, CROWDED, 5000));
}

Test(storm_crowd, a_port_that_takes_frames_holds_up_as_long_as_it_is_crowded)
{
	struct crowd crowd = { 0 };

	for (uint64_t now = 5000; now < 5000 + 20 * PATIENCE_US; now += PATIENCE_US / 2) {
		crowd_note(&crowd, CROWDED, 1, now);
		cr_expect(holds(&crowd, CROWDED, now));
	}
}

/* Else a dead port would keep every device of its core running for ever. */
Test(storm_crowd, a_port_that_takes_nothing_holds_up_for_a_limited_time)
{
	struct crowd crowd = { 0 };

	crowd_note(&crowd, 0, 0, 5000);
	for (uint64_t now = 5000; now < 5000 + PATIENCE_US; now++) {
		crowd_note(&crowd, CROWDED, 0, now);
		cr_assert(holds(&crowd, CROWDED, now));
	}
	crowd_note(&crowd, BACKLOG, 0, 5000 + PATIENCE_US);
	cr_expect_not(holds(&crowd, CROWDED, 5000 + PATIENCE_US));
	cr_expect_not(holds(&crowd, BACKLOG, 5000 + 100 * PATIENCE_US));
	/* It lives again. */
	crowd_note(&crowd, CROWDED, 32, 5000 + 200 * PATIENCE_US);
	cr_expect(holds(&crowd, CROWDED, 5000 + 200 * PATIENCE_US));
}

/* However many ports are dead, there are buffers to receive into and to write what goes elsewhere. */
Test(storm_crowd, dead_ports_leave_half_of_the_buffers)
{
	for (unsigned ports = 1; ports <= 16; ports++) {
		unsigned backlog = crowd_backlog(BACKLOG, 16383, ports);

		cr_expect_leq(backlog * ports, 16383 / 2);
		cr_expect_leq(backlog, BACKLOG);
		cr_expect_geq(backlog, 511);
	}
}
