/*
 * Reports: counts follow changes of status, the ring forgets the oldest, tasks keep their number.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/reports.h"

static struct reports reports;

static void
set_up(void)
{
	cr_assert_eq(reports_init(&reports), 0);
}

static void
tear_down(void)
{
	reports_fini(&reports);
}

TestSuite(reports, .init = set_up, .fini = tear_down);

static void
set(uint32_t task, uint32_t device, enum task_status status, const char *summary)
{
	struct report report = { .task = task,
				 .device = device,
				 .status = status,
				 .started_ms = 1,
				 .finished_ms = status >= TASK_SUCCESS ? 2 : 0,
				 .summary = (char *)summary };

	reports_set(&reports, &report);
}

Test(reports, nothing_is_known_of_who_never_asked)
{
	cr_expect_null(reports_find(&reports, 0, 7));
	cr_expect_null(reports_at(&reports, 0));
}

Test(reports, counts_follow_the_last_status)
{
	uint32_t task = reports_task(&reports, "root", "a", "g:root:1");

	set(task, 1, TASK_IN_PROGRESS, "in progress");
	set(task, 1, TASK_SUCCESS, "2 operations accepted");
	set(task, 2, TASK_ERROR, "no answer");
	set(task, 1, TASK_ERROR, "PUT /0/2 answered 4.00 Bad Request");
	cr_expect_eq(reports.tasks[task].counts[TASK_IN_PROGRESS], 0);
	cr_expect_eq(reports.tasks[task].counts[TASK_SUCCESS], 0);
	cr_expect_eq(reports.tasks[task].counts[TASK_ERROR], 2);
	cr_expect_str_eq(reports_find(&reports, task, 1)->summary,
			 "PUT /0/2 answered 4.00 Bad Request");
	cr_expect_eq(reports.ring_count, 3);
	cr_expect_str_eq(reports_at(&reports, 0)->summary, "2 operations accepted");
}

Test(reports, ring_keeps_the_newest)
{
	char summary[16];

	for (unsigned i = 0; i < REPORTS_RING + 5; i++) {
		snprintf(summary, sizeof summary, "%u", i);
		set(0, i, TASK_SUCCESS, summary);
	}
	cr_expect_eq(reports.ring_count, REPORTS_RING);
	cr_expect_str_eq(reports_at(&reports, 0)->summary, "5");
	cr_expect_str_eq(reports_at(&reports, REPORTS_RING - 1)->summary, "10004");
	cr_expect_null(reports_at(&reports, REPORTS_RING));
	/* The table grew meanwhile and lost none. */
	for (unsigned i = 0; i < REPORTS_RING + 5; i++)
		cr_assert_not_null(reports_find(&reports, 0, i));
	cr_expect_eq(reports.dropped, 0);
}

Test(reports, a_task_keeps_its_number_and_gets_its_new_id)
{
	uint32_t task = reports_task(&reports, "root", "a", "g:root:1");

	cr_expect_neq(reports_task(&reports, "root.b", "a", "g:root.b:1"), task);
	cr_expect_eq(reports_task(&reports, "root", "a", "g:root:2"), task);
	cr_expect_str_eq(reports.tasks[task].id, "g:root:2");
}
