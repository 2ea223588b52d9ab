/* How long the control thread does one thing, by its cause. */
#include <criterion/criterion.h>

/* Time goes as a test says. */
#include "control/clock.h"
#include "control/lookout.h"
#include "control/turns.c"

static uint64_t now_us, cpu_us;
static struct clock_switches switches;
static struct turns turns;

uint64_t
clock_now_us(void)
{
	return now_us;
}

uint64_t
clock_thread_us(void)
{
	return cpu_us;
}

struct clock_switches
clock_thread_switches(void)
{
	return switches;
}

/* What the lookout heard last. */
static const char *heard = "nothing yet";

void
lookout_enter(struct lookout *lookout, const char *doing)
{
	heard = doing;
}

static void
take(const char *cause, uint64_t us)
{
	turns_begin(&turns, cause);
	now_us += us;
	turns_end(&turns);
}

static const char list[] = "device list", tick[] = "tick";

Test(turns, the_longest_of_each_cause_is_kept)
{
	cr_expect_null(turns_longest(&turns));
	take(tick, 10);
	take(list, 300);
	take(list, 2000);
	take(tick, 40);
	cr_expect_str_eq(turns_longest(&turns)->name, "device list");
	cr_expect_eq(turns_longest(&turns)->longest_us, 2000);
	cr_expect_eq(turns_longest(&turns)->turns, 2);
	cr_expect_eq(turns_longest(&turns)->sum_us, 2300);
	cr_expect_eq(turns.delays.sum, 2350);
}

/* What else the machine does is not the thread's fault. */
Test(turns, its_own_time_is_told_apart)
{
	turns_begin(&turns, list);
	now_us += 90000;
	cpu_us += 700;
	turns_end(&turns);
	cr_expect_eq(turns_longest(&turns)->longest_us, 90000);
	cr_expect_eq(turns_longest(&turns)->longest_cpu_us, 700);
}

/* ... and told apart by its interruptions: what no other thread broke into is its own by the clock. */
Test(turns, the_longest_that_nobody_broke_into_is_kept)
{
	take(list, 1200);
	turns_begin(&turns, list);
	now_us += 90000;
	switches.taken++;
	turns_end(&turns);
	take(list, 900);
	cr_expect_eq(turns_longest(&turns)->longest_us, 90000);
	cr_expect_eq(turns_longest(&turns)->longest_unbroken_us, 1200);
	cr_expect_eq(turns_longest(&turns)->interrupted, 1);
	/* One that waits by itself is told by itself: it is not excused. */
	turns_begin(&turns, list);
	now_us += 5000;
	switches.waited += 2;
	turns_end(&turns);
	cr_expect_eq(turns_longest(&turns)->longest_unbroken_us, 1200);
	cr_expect_eq(turns_longest(&turns)->longest_waited_us, 5000);
	cr_expect_eq(turns_longest(&turns)->waited, 1);
}

Test(turns, a_turn_is_of_what_it_turned_out_to_be)
{
	turns_begin(&turns, tick);
	cr_expect_eq(turns_cause(&turns, list), tick);
	now_us += 7;
	turns_end(&turns);
	cr_expect_str_eq(turns_longest(&turns)->name, "device list");
	/* Outside a turn there is nothing to name, and nothing to end. */
	cr_expect_null(turns_cause(&turns, tick));
	turns_end(&turns);
	cr_expect_eq(turns_longest(&turns)->turns, 1);
}

Test(turns, a_reset_forgets_all_but_the_turn_that_runs)
{
	take(list, 5000);
	turns_begin(&turns, tick);
	now_us += 30;
	turns_reset(&turns);
	cr_expect_null(turns_longest(&turns));
	now_us += 3;
	turns_end(&turns);
	cr_expect_eq(turns_longest(&turns)->longest_us, 33);
}

Test(turns, more_causes_than_there_is_room_for_count_as_others)
{
	static char names[2 * TURN_CAUSES][8];

	for (unsigned i = 0; i < 2 * TURN_CAUSES; i++)
		take(names[i], 1);
	take(list, 9);
	cr_expect_str_eq(turns_longest(&turns)->name, "others");
	cr_expect_eq(turns.causes[TURN_CAUSES - 1].turns, TURN_CAUSES + 2);
}

Test(turns, the_lookout_hears_what_begins_and_ends)
{
	turns_begin(&turns, "socket");
	cr_assert_str_eq(heard, "socket");
	turns_cause(&turns, "device add");
	cr_assert_str_eq(heard, "device add");
	turns_end(&turns);
	cr_assert_null(heard);
}
