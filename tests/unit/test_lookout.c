/* A control thread that does not go on is told, with where it is; one that does is not. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/log.h"
#include "control/lookout.h"

static const struct lookout_times times = { 1000, 10000 };
static uint64_t now_ms = 5000, lasted_ms;
static struct lookout_view view = { .last_ms = 5000 };

static enum lookout_verdict
look_after(uint64_t ms, bool busy, uint64_t serial)
{
	now_ms += ms;
	return lookout_judge(&view, &times, busy, serial, now_ms, &lasted_ms);
}

Test(lookout, who_waits_for_events_may_do_so_for_ever)
{
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(look_after(1000, false, 7), LOOKOUT_FINE);
}

Test(lookout, who_goes_on_is_not_told)
{
	for (uint64_t i = 0; i < 1000; i++)
		cr_assert_eq(look_after(1000, true, 1 + i / 9), LOOKOUT_FINE);
}

Test(lookout, a_stall_is_told_once_and_so_is_its_end)
{
	look_after(0, true, 1);
	for (int i = 0; i < 9; i++)
		cr_assert_eq(look_after(1000, true, 1), LOOKOUT_FINE);
	cr_assert_eq(look_after(1000, true, 1), LOOKOUT_STUCK);
	cr_assert_eq(lasted_ms, 10000);
	for (int i = 0; i < 50; i++)
		cr_assert_eq(look_after(1000, true, 1), LOOKOUT_FINE);
	cr_assert_eq(look_after(1000, true, 2), LOOKOUT_GOES_ON);
	cr_assert_eq(lasted_ms, 61000);
	cr_assert_eq(look_after(1000, true, 2), LOOKOUT_FINE);
}

Test(lookout, an_end_without_anything_new_is_told_too)
{
	look_after(0, true, 1);
	for (int i = 0; i < 10; i++)
		look_after(1000, true, 1);
	cr_assert(view.told);
	cr_assert_eq(look_after(1000, false, 1), LOOKOUT_GOES_ON);
	cr_assert_eq(look_after(1000, false, 1), LOOKOUT_FINE);
}

Test(lookout, the_first_look_may_be_late_too)
{
	cr_assert_eq(look_after(12000, false, 1), LOOKOUT_STOOD_STILL);
}

/* Then nobody was slow: what was being done had no chance either. */
Test(lookout, a_machine_that_stood_still_accuses_nobody)
{
	look_after(0, true, 1);
	look_after(1000, true, 1);
	cr_assert_eq(look_after(90000, true, 1), LOOKOUT_STOOD_STILL);
	cr_assert_eq(lasted_ms, 90000);
	cr_assert_eq(look_after(1000, true, 1), LOOKOUT_FINE);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(look_after(1000, true, 1), LOOKOUT_FINE);
	cr_assert_eq(look_after(1000, true, 1), LOOKOUT_STUCK);
}

Test(lookout, without_one_nothing_happens)
{
	lookout_enter(NULL, "work");
	lookout_goes_on(NULL);
	lookout_free(NULL);
}

static void
read_line(FILE *said, char line[1500])
{
	cr_assert(fgets(line, 1500, said), "the log's end");
}

/* The real thread: what it says comes when it comes, and is waited for. */
Test(lookout, the_log_says_what_the_thread_does_and_where_it_is)
{
	char line[1500];
	struct lookout *lookout;
	FILE *said;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	said = fdopen(ends[0], "r");
	fflush(stderr);
	dup2(ends[1], STDERR_FILENO);
	lookout = lookout_new((struct lookout_times){ 50, 100 });
	cr_assert(lookout);
	lookout_enter(lookout, "a wait for what does not come");
	do
		read_line(said, line);
	while (!strstr(line, "does not go on")); /* a machine under load may have stood still */
	cr_expect(strstr(line, "\"a wait for what does not come\""), "%s", line);
	cr_expect(strstr(line, " s of CPU"), "%s", line);
	lookout_enter(lookout, NULL);
	do
		read_line(said, line);
	while (!strstr(line, "goes on;"));
	cr_expect(strstr(line, "\"a wait for what does not come\" kept it for"), "%s", line);
	lookout_free(lookout);
	fclose(said);
}
