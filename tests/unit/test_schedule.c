/* Spans of a week: wrong ones are told with a remedy, minutes are exact, days and nights wrap. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/policy/schedule.h"

static struct arena arena;

static void
set_up(void)
{
	arena_init(&arena, 0);
}

static void
tear_down(void)
{
	arena_fini(&arena);
}

TestSuite(schedule, .init = set_up, .fini = tear_down);

Test(schedule, wrong)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "Mun", "did you mean \"Mon\"" },
		{ "Xyzzy 02:00-03:00", "is no day" },
		{ "Mon-", "a day is missing" },
		{ ", Mon", "a day is missing" },
		{ "Mon,", "a day is missing" },
		{ "Mon 2:00-03:00", "HH:MM" },
		{ "Mon 02:00", "FROM-TO" },
		{ "Mon 02:00-", "HH:MM" },
		{ "Mon 02:60-03:00", "no time of a day" },
		{ "Mon 24:01-03:00", "no time of a day" },
		{ "25:00-26:00", "no time of a day" },
		{ "02:00-02:00", "is none" },
		{ "Mon 02:00-03:00 Tue", "not understood here" },
		{ "Mon UTC Tue", "not understood here" },
		{ "UTC", "is no day" },
		{ "", "a day is missing" },
	};
	char error[SCHEDULE_ERROR_MAX];
	char endless[SCHEDULE_TEXT_MAX + 2];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_expect_null(schedule_parse(&arena, cases[i].text, error), "%s", cases[i].text);
		cr_expect(strstr(error, cases[i].words), "%s: %s", cases[i].text, error);
	}
	memset(endless, ' ', sizeof endless - 1);
	endless[sizeof endless - 1] = '\0';
	cr_expect_null(schedule_parse(&arena, endless, error));
}

/* 1970-01-05 was a Monday. */
static time_t
at(int day, int hour, int minute)
{
	return (time_t)(4 + day) * 86400 + hour * 3600 + minute * 60;
}

Test(schedule, allows)
{
	static const struct {
		const char *text;
		int day, hour, minute;
		bool allowed;
	} cases[] = {
		{ "Mon 02:00-05:00 UTC", 0, 1, 59, false },
		{ "Mon 02:00-05:00 UTC", 0, 2, 0, true },
		{ "Mon 02:00-05:00 UTC", 0, 4, 59, true },
		{ "Mon 02:00-05:00 UTC", 0, 5, 0, false },
		{ "Mon 02:00-05:00 UTC", 1, 3, 0, false },
		{ "mon-FRI 02:00-05:00,Sat utc", 4, 3, 0, true },
		{ "Mon-Fri 02:00-05:00, Sat UTC", 5, 23, 59, true },
		{ "Mon-Fri 02:00-05:00, Sat UTC", 6, 0, 0, false },
		{ "Sat 00:00-24:00 UTC", 5, 23, 59, true },
		{ "22:00-06:00 UTC", 3, 23, 0, true },
		{ "22:00-06:00 UTC", 3, 5, 59, true },
		{ "22:00-06:00 UTC", 3, 12, 0, false },
		/* The night of Sunday ends on Monday. */
		{ "Sun 22:00-06:00 UTC", 0, 5, 59, true },
		{ "Sun 22:00-06:00 UTC", 6, 5, 59, false },
		{ "Fri-Mon UTC", 0, 12, 0, true },
		{ "Fri-Mon UTC", 1, 0, 0, false },
		{ "Fri-Mon UTC", 4, 0, 0, true },
	};
	char error[SCHEDULE_ERROR_MAX] = "";

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct schedule *schedule = schedule_parse(&arena, cases[i].text, error);

		cr_assert_not_null(schedule, "%s: %s", cases[i].text, error);
		cr_expect_eq(
			schedule_allows(schedule, at(cases[i].day, cases[i].hour, cases[i].minute)),
			cases[i].allowed, "%s: %zu", cases[i].text, i);
	}
	cr_expect(schedule_allows(NULL, 0), "no schedule is always");
}

Test(schedule, local_time_is_the_appliances)
{
	char error[SCHEDULE_ERROR_MAX];
	const struct schedule *schedule = schedule_parse(&arena, "Mon 02:00-05:00", error);

	setenv("TZ", "XYZ-3", 1); /* three hours ahead of UTC */
	tzset();
	cr_assert_not_null(schedule);
	cr_expect(schedule_allows(schedule, at(0, 1, 0)));
	cr_expect_not(schedule_allows(schedule, at(0, 2, 0)));
	cr_expect(schedule_allows(schedule, at(-1, 23, 0)), "Monday comes early there");
}

Test(schedule, next_is_the_first_minute_that_it_allows)
{
	static const struct {
		const char *text;
		int day, hour, minute;
		const char *next;
	} cases[] = {
		{ "Mon 02:00-05:00 UTC", 0, 0, 0, "Mon 02:00 UTC" },
		{ "Mon 02:00-05:00 UTC", 0, 3, 30, "Mon 03:30 UTC" },
		{ "Mon 02:00-05:00 UTC", 0, 5, 0, "Mon 02:00 UTC" },
		{ "Mon, Wed 10:00-11:00 UTC", 1, 12, 0, "Wed 10:00 UTC" },
		{ "Sun 23:59-00:00 UTC", 0, 0, 0, "Sun 23:59 UTC" },
	};
	char error[SCHEDULE_ERROR_MAX], next[SCHEDULE_NEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct schedule *schedule = schedule_parse(&arena, cases[i].text, error);

		cr_assert_not_null(schedule, "%s: %s", cases[i].text, error);
		cr_expect_str_eq(schedule_next(schedule,
					       at(cases[i].day, cases[i].hour, cases[i].minute),
					       next),
				 cases[i].next);
	}
}

Test(schedule, the_next_moment_is_one_that_it_allows)
{
	static const struct {
		const char *text;
		int day, hour, minute;
		int next_day, next_hour, next_minute;
	} cases[] = {
		{ "Mon 02:00-05:00 UTC", 0, 0, 30, 0, 2, 0 },
		{ "Mon 02:00-05:00 UTC", 0, 3, 30, 0, 3, 30 },
		{ "Mon 02:00-05:00 UTC", 0, 5, 0, 7, 2, 0 },
		{ "Mon, Wed 10:00-11:00 UTC", 1, 12, 0, 2, 10, 0 },
	};
	char error[SCHEDULE_ERROR_MAX];
	static const struct schedule none;

	cr_expect_eq(schedule_next_time(&none, at(0, 0, 0)), -1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct schedule *schedule = schedule_parse(&arena, cases[i].text, error);

		cr_assert_not_null(schedule, "%s: %s", cases[i].text, error);
		cr_expect_eq(schedule_next_time(
				     schedule, at(cases[i].day, cases[i].hour, cases[i].minute)),
			     at(cases[i].next_day, cases[i].next_hour, cases[i].next_minute), "%zu",
			     i);
	}
}

/* In Central Europe clocks went forward on Sunday 2026-03-29 at 02:00, and back on 2026-10-25 at 03:00. */
Test(schedule, the_next_moment_follows_clocks_that_are_put_forward_or_back)
{
	static const struct {
		time_t now, next;
	} cases[] = {
		{ 1774652400, 1774749600 }, /* from Sat 00:00 CET to Sun 04:00 CEST */
		{ 1792792800, 1792897200 }, /* from Sat 00:00 CEST to Sun 04:00 CET */
	};
	char error[SCHEDULE_ERROR_MAX];
	const struct schedule *schedule = schedule_parse(&arena, "Sun 04:00-05:00", error);

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	cr_assert_not_null(schedule);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(schedule_next_time(schedule, cases[i].now), cases[i].next, "%ld",
			     (long)schedule_next_time(schedule, cases[i].now));
}
