/*
 * Reports: counts follow changes of status, the ring forgets the oldest, tasks keep their number.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/runs/reports.h"
#include "control/store/store.h"

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
	struct report_change change = { .task = task,
					.device = device,
					.status = status,
					.started_ms = 1,
					.finished_ms = status >= TASK_SUCCESS ? 2 : 0,
					.summary = summary };

	reports_set(&reports, &change);
}

Test(reports, nothing_is_known_of_who_never_asked)
{
	cr_expect_null(reports_find(&reports, 0, 7));
	cr_expect_null(reports_ended(&reports, 0));
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
	cr_expect_str_eq(reports_summary(&reports, reports_find(&reports, task, 1)),
			 "PUT /0/2 answered 4.00 Bad Request");
	cr_expect_eq(reports.ring_count, 3);
	cr_expect_str_eq(
		reports_summary(&reports, reports_ended(&reports, reports_first(&reports))),
		"2 operations accepted");
}

Test(reports, ring_keeps_the_newest)
{
	char summary[16];

	for (unsigned i = 0; i < REPORTS_RING + 5; i++) {
		snprintf(summary, sizeof summary, "%u", i);
		set(0, i, TASK_SUCCESS, summary);
	}
	cr_expect_eq(reports.ring_count, REPORTS_RING);
	cr_expect_str_eq(
		reports_summary(&reports, reports_ended(&reports, reports_first(&reports))), "5");
	cr_expect_str_eq(reports_summary(&reports, reports_ended(&reports, reports.ended - 1)),
			 "10004");
	cr_expect_null(reports_ended(&reports, reports.ended));
	/* The table grew meanwhile and lost none. */
	for (unsigned i = 0; i < REPORTS_RING + 5; i++)
		cr_assert_not_null(reports_find(&reports, 0, i));
	cr_expect_eq(reports.dropped, 0);
}

Test(reports, a_late_one_is_in_the_ring_alone)
{
	uint32_t task = reports_task(&reports, "root", "a", "g:root:1");
	const struct report_change late = { .task = task,
					    .device = 1,
					    .status = TASK_ERROR,
					    .member = 7,
					    .started_ms = 1,
					    .finished_ms = 1,
					    .summary = "no answer",
					    .late = true };

	set(task, 1, TASK_SUCCESS, "2 operations accepted");
	reports_set(&reports, &late);
	cr_expect_eq(reports.tasks[task].counts[TASK_SUCCESS], 1);
	cr_expect_eq(reports.tasks[task].counts[TASK_ERROR], 0);
	cr_expect_eq(reports_find(&reports, task, 1)->status, TASK_SUCCESS);
	cr_expect_eq(reports_ended(&reports, 1)->member, 7);
}

Test(reports, who_has_not_begun_has_no_start)
{
	uint32_t task = reports_task(&reports, "root", "a", "g:root:1");

	set(task, 1, TASK_NOT_STARTED, "to be run again");
	cr_expect_eq(report_began_ms(reports_find(&reports, task, 1)), 0);
	set(task, 1, TASK_SUCCESS, "2 operations accepted");
	cr_expect_eq(report_began_ms(reports_find(&reports, task, 1)), 1);
}

Test(reports, a_task_keeps_its_number_and_gets_its_new_id)
{
	uint32_t task = reports_task(&reports, "root", "a", "g:root:1");

	cr_expect_neq(reports_task(&reports, "root.b", "a", "g:root.b:1"), task);
	cr_expect_eq(reports_task(&reports, "root", "a", "g:root:2"), task);
	cr_expect_str_eq(reports.tasks[task].id, "g:root:2");
}

Test(reports, what_was_in_progress_when_the_program_ended_was_interrupted)
{
	uint32_t task = reports_task(&reports, "root", "a", "g:root:1");
	const struct report *report;

	cr_assert(reports_load(&reports, &(struct store_report){ .device = 7,
								 .task = task,
								 .status = TASK_IN_PROGRESS,
								 .started_ms = 5,
								 .summary = "in progress" }));
	report = reports_find(&reports, task, 7);
	cr_assert_not_null(report);
	cr_expect_eq(report->status, TASK_ERROR);
	cr_expect(strstr(reports_summary(&reports, report), "interrupted"));
	cr_expect_eq(reports.tasks[task].counts[TASK_ERROR], 1);
}

static void
load(uint32_t device, uint64_t started_ms, uint64_t finished_ms)
{
	const struct store_report report = {
		.device = device,
		.task = 1,
		.status = finished_ms ? TASK_SUCCESS : TASK_NOT_STARTED,
		.started_ms = started_ms,
		.finished_ms = finished_ms,
		.summary = "as it was",
	};

	cr_assert(reports_load(&reports, &report));
}

/* A start reads reports in order of devices, and shows them in the order in which they ended. */
Test(reports, those_loaded_are_in_the_ring_by_their_end)
{
	static const uint32_t order[] = { 4, 2, 3, 1 };

	reports_task(&reports, "root", "a", "g:root:1");
	load(1, 10, 500);
	load(2, 200, 300);
	load(3, 100, 300);
	load(4, 90, 100);
	load(5, 80, 0);
	cr_expect_null(reports_ended(&reports, 0), "not yet");
	reports_loaded(&reports);
	cr_assert_eq(reports.ended, 4);
	cr_expect_eq(reports_first(&reports), 0);
	for (unsigned i = 0; i < 4; i++)
		cr_expect_eq(reports_ended(&reports, i)->device, order[i], "%u", i);
	set(1, 9, TASK_SUCCESS, "2 operations accepted");
	cr_expect_eq(reports_ended(&reports, 4)->device, 9, "what ends now comes behind them");
}

Test(reports, of_many_that_are_loaded_the_ring_has_the_newest)
{
	enum { MANY = 3 * REPORTS_RING + 7 };

	reports_task(&reports, "root", "a", "g:root:1");
	/* Each time once, in an order of its own: 7919 and MANY have no common divisor. */
	for (uint32_t i = 0; i < MANY; i++)
		load(i, 1, 2 + (uint64_t)i * 7919 % MANY);
	reports_loaded(&reports);
	cr_assert_eq(reports.ring_count, REPORTS_RING);
	for (uint32_t i = 0; i < REPORTS_RING; i++)
		cr_expect_eq(report_finished_ms(reports_ended(&reports, i)),
			     2 + MANY - REPORTS_RING + i);
	set(1, 1, TASK_SUCCESS, "2 operations accepted");
	cr_expect_eq(reports_first(&reports), 1, "the oldest made room");
	cr_expect_null(reports_ended(&reports, 0));
}

Test(reports, of_a_task_that_nobody_knows_are_left_out)
{
	cr_expect(reports_load(&reports,
			       &(struct store_report){ .task = 999, .summary = "whatever" }));
	cr_expect_null(reports_find(&reports, 999, 0));
}

/* Open addressing: a hole must not hide what was pushed on. */
Test(reports, forgetting_a_device_hides_no_other)
{
	uint32_t tasks[3];

	for (unsigned i = 0; i < 3; i++)
		tasks[i] = reports_task(&reports, "root", (const char *[]){ "a", "b", "c" }[i], "");
	for (uint32_t device = 0; device < 5000; device++)
		for (unsigned i = 0; i < 3; i++)
			set(tasks[i], device, TASK_SUCCESS, "fine");
	for (uint32_t device = 0; device < 5000; device += 3)
		reports_forget_device(&reports, device);
	for (uint32_t device = 0; device < 5000; device++)
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(reports_find(&reports, tasks[i], device) != NULL,
				     device % 3 != 0, "%u", device);
	cr_expect_eq(reports.tasks[tasks[0]].counts[TASK_SUCCESS], 5000 - 1667);
}
