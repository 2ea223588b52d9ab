/*
 * A new version of a task for a part of its devices: who is in it, when it halts by itself, when it goes on.
 */
#include "control/policy/policy_rollout.h"
#include "control/runs/rollouts.h"
#include "tests/unit/control_world.h"

static struct world world;

static void
set_up(void)
{
	world_start(&world);
	world_write(&world, "policy/tasks/next.xml",
		    "<config><lwm2mBootstrap><write key=\"/1/0/0\" value=\"3\" "
		    "/></lwm2mBootstrap></config>");
}

static void
tear_down(void)
{
	world_stop(&world);
}

TestSuite(rollouts, .init = set_up, .fini = tear_down);

/* root.a's task in a rollout that says this, live. */
static const struct policy_task *
live(const char *rollout)
{
	char groups[1024];

	snprintf(groups, sizeof groups,
		 "groups = ( { name = \"root.a\"; tasks = ( { name = \"first\"; file = "
		 "\"next.xml\"; "
		 "rollout = { former = \"first.xml\"; %s }; } ); } );\n",
		 rollout);
	world_write(&world, "policy/groups.conf", groups);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	return policy_task_find(world.service->generation->policy, "g:root.a:1");
}

static bool
is_refused(const char *rollout, const char *words)
{
	char groups[1024];

	snprintf(groups, sizeof groups,
		 "groups = ( { name = \"root.a\"; tasks = ( { name = \"first\"; file = "
		 "\"next.xml\"; "
		 "rollout = %s; } ); } );\n",
		 rollout);
	world_write(&world, "policy/groups.conf", groups);
	return world_reload(&world) != 0 && strstr(text_str(&world.text), words);
}

static void
note(const struct policy_task *task, const char *endpoint, enum task_status status, uint64_t at_ms)
{
	const struct device *device = world_device(&world, endpoint);

	rollouts_note(world.service, &(struct rollout_report){ .task = task,
							       .device = device,
							       .status = status,
							       .started_ms = at_ms });
	reports_set(&world.service->reports,
		    &(struct report_change){ .device = device_id(device),
					     .task = task->report,
					     .status = status,
					     .started_ms = at_ms,
					     .finished_ms = status == TASK_IN_PROGRESS ? 0 : at_ms,
					     .summary = "x" });
}

/* What is due, looked for long after the last look. */
static bool
due(struct rollout_due *what, uint64_t now_ms)
{
	world.service->rollouts.looked_ms = 0;
	return rollouts_due(world.service, now_ms, what);
}

Test(rollouts, what_is_wrong_in_the_file_is_refused)
{
	cr_expect(is_refused("3", "a rollout is a group"));
	cr_expect(is_refused("{ percent = 1; }", "\"former\" is missing"));
	cr_expect(is_refused("{ former = \"first.xml\"; }", "either percent or group"));
	cr_expect(is_refused("{ former = \"first.xml\"; percent = 1; group = \"root.a\"; }",
			     "either percent or group"));
	cr_expect(is_refused("{ former = \"first.xml\"; percent = 100.5; }", "0 to 100"));
	cr_expect(is_refused("{ former = \"first.xml\"; percent = -1; }", "0 to 100"));
	cr_expect(is_refused("{ former = \"none.xml\"; percent = 1; }", "none.xml"));
	cr_expect(
		is_refused("{ former = \"first.xml\"; percent = 1; advance = \"1h\"; }", "rising"));
	cr_expect(is_refused("{ former = \"first.xml\"; percent = 1; halt_after = 0; }",
			     "halt_after"));
	cr_expect(
		is_refused("{ former = \"first.xml\"; percent = 1; advence = \"\"; }", "advance"));
}

Test(rollouts, texts_are_read_strictly)
{
	struct rollout_step steps[ROLLOUT_STEPS_MAX];

	cr_expect_eq(rollout_parse_percent("1", 1), 10000);
	cr_expect_eq(rollout_parse_percent("0.0001", 6), 1);
	cr_expect_eq(rollout_parse_percent("100", 3), ROLLOUT_PPM);
	cr_expect_eq(rollout_parse_percent("12.5", 4), 125000);
	for (const char *const *bad =
		     (const char *const[]){ "", "0", "0.00001", "100.1", "101", "-1", "1x", "1.2.3",
					    ".", "99999999999", NULL };
	     *bad; bad++)
		cr_expect_eq(rollout_parse_percent(*bad, strlen(*bad)), -1, "%s", *bad);
	cr_expect_eq(rollout_parse_steps("1h 10, 6h 50,1d 100", steps), 3);
	cr_expect(steps[1].after_s == 6 * 3600 && steps[1].ppm == 500000 &&
		  steps[2].ppm == ROLLOUT_PPM);
	cr_expect_eq(rollout_parse_steps("", steps), 0);
	for (const char *const *bad =
		     (const char *const[]){ "1h", "10", "1h 10 6h 50", "1h 10, 1h 10", "1y 10",
					    "h 10", "-1h 10", "1h 0", "999999999w 10", NULL };
	     *bad; bad++)
		cr_expect_eq(rollout_parse_steps(*bad, steps), -1, "%s", *bad);
}

Test(rollouts, a_part_is_as_large_as_it_says_and_grows_around_itself)
{
	struct policy_rollout rollout = { .seed = "a.xml b.xml", .ppm = 10000 },
			      larger = { .seed = "a.xml b.xml", .ppm = 100000 },
			      other = { .seed = "b.xml c.xml", .ppm = 10000 };
	unsigned n = 0, n_larger = 0, both = 0;
	char name[32];

	for (unsigned i = 0; i < 100000; i++) {
		size_t len = (size_t)snprintf(name, sizeof name, "urn:imei:%015u", i);
		bool in = rollout_covers(&rollout, name, len);

		n += in;
		n_larger += rollout_covers(&larger, name, len);
		cr_assert(!in || rollout_covers(&larger, name, len));
		both += in && rollout_covers(&other, name, len);
	}
	/* The names are fixed, so the numbers are, too. */
	cr_expect(n > 900 && n < 1100, "%u", n);
	cr_expect(n_larger > 9700 && n_larger < 10300, "%u", n_larger);
	cr_expect_lt(both, 40, "another rollout has other devices first");
}

Test(rollouts, errors_of_the_new_version_halt_it)
{
	const struct policy_task *task =
		live("group = \"root.a\"; halt_after = 4; halt_errors = 30;");
	struct rollout_due what;

	for (unsigned i = 0; i < 3; i++)
		note(task, "dev-1", TASK_ERROR, 1000 + i);
	cr_assert(!due(&what, 5000), "too few to judge");
	note(task, "dev-1", TASK_ERROR, 2000);
	cr_assert(due(&what, 6000));
	cr_assert_str_eq(what.id, "g:root.a:1");
	cr_assert(strstr(what.reason, "4 of 4 runs of the new version ended with an error"), "%s",
		  what.reason);
	cr_assert(!due(&what, 7000), "it is told once");
	/* Halted, the former version is everybody's. */
	task = live("group = \"root.a\"; halt_after = 4; halted = \"x\"; since = 9;");
	cr_assert(!rollout_gives_new(task, world_device(&world, "dev-1"), NULL));
	cr_assert(!due(&what, 8000));
	/* Gone on, it is judged anew. */
	task = live("group = \"root.a\"; halt_after = 4; since = 10;");
	note(task, "dev-1", TASK_ERROR, 3000);
	cr_assert(!due(&what, 9000));
}

/* A halt that could not be written is no halt: it is asked for until the policy has it. */
Test(rollouts, what_could_not_be_written_is_asked_for_again)
{
	const struct policy_task *task =
		live("group = \"root.a\"; halt_after = 4; halt_errors = 30;");
	struct rollout_due what;

	for (unsigned i = 0; i < 4; i++)
		note(task, "dev-1", TASK_ERROR, 1000 + i);
	cr_assert(due(&what, 6000));
	cr_assert(!due(&what, 65999), "not as fast as it can");
	what.reason[0] = '\0';
	cr_assert(due(&what, 66000));
	cr_expect(strstr(what.reason, "4 of 4 runs"), "%s", what.reason);
	live("group = \"root.a\"; halt_after = 4; halted = \"x\"; since = 70;");
	cr_expect(!due(&what, 1000000));
}

Test(rollouts, errors_as_of_the_former_version_do_not_halt_it)
{
	const struct policy_task *task;
	struct rollout_due what;
	unsigned n = 0;

	world_add(&world, "pilot", NULL, "root.a", NULL);
	task = live("percent = 50; halt_after = 4; halt_errors = 5;");
	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof name, "e-%u", i);
		world_add(&world, name, NULL, "root.a", NULL);
		n += rollout_gives_new(task, world_device(&world, name), NULL);
		/* One run of three fails, whichever version it is: the former ones come first. */
		if (rollout_gives_new(task, world_device(&world, name), NULL))
			continue;
		note(task, name, TASK_SUCCESS, 1000000);
		note(task, name, TASK_SUCCESS, 2000000);
		note(task, name, TASK_ERROR, 3000000);
	}
	cr_assert(n > 60 && n < 140);
	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof name, "e-%u", i);
		if (!rollout_gives_new(task, world_device(&world, name), NULL))
			continue;
		note(task, name, TASK_SUCCESS, 1000000);
		note(task, name, TASK_SUCCESS, 2000000);
		note(task, name, TASK_ERROR, 3000000);
	}
	cr_assert(!due(&what, 4000000), "%s", what.reason);
}

Test(rollouts, devices_that_come_back_soon_halt_it)
{
	const struct policy_task *task =
		live("group = \"root.a\"; halt_after = 4; halt_returns = 20; halt_within = 60;");
	const struct rollout *rollout;
	struct rollout_due what;

	for (unsigned i = 0; i < 4; i++) { /* a minute or more between two */
		note(task, "dev-1", TASK_IN_PROGRESS, 60000 * (2 * i + 1));
		note(task, "dev-1", TASK_SUCCESS, 60000 * (2 * i + 1));
	}
	rollout = rollouts_of(&world.service->rollouts, task);
	cr_assert_eq(rollout->new.returns, 0);
	cr_assert(!due(&what, 900000));
	note(task, "dev-1", TASK_IN_PROGRESS, 420000 + 59000);
	note(task, "dev-1", TASK_SUCCESS, 420000 + 59500);
	cr_assert_eq(rollout->new.returns, 1);
	cr_assert(!due(&what, 901000), "1 of 5 is not beyond 20 %%");
	note(task, "dev-1", TASK_IN_PROGRESS, 420000 + 60000);
	note(task, "dev-1", TASK_SUCCESS, 420000 + 60000);
	cr_assert(due(&what, 902000));
	cr_assert(strstr(what.reason, "2 devices came back within 60 s"), "%s", what.reason);
}

Test(rollouts, goes_on_by_its_schedule_once_it_was_tried)
{
	const struct policy_task *task =
		live("percent = 1; advance = \"1h 10, 2h 100\"; since = 1000; halt_after = 2;");
	struct rollout *rollout = rollouts_of(&world.service->rollouts, task);
	const uint64_t hour_later = (1000 + 3600) * UINT64_C(1000);
	struct rollout_due what;

	cr_assert_eq(rollout_next_step(task->rollout)->ppm, 100000);
	cr_assert(!due(&what, hour_later), "nobody has tried it");
	rollout->new.runs = 2;
	cr_assert(!due(&what, hour_later - 1000), "too soon");
	cr_assert(due(&what, hour_later));
	cr_assert_str_eq(what.reason, "");
	cr_assert(!due(&what, hour_later + 1000), "once");
	task = live("percent = 10; advance = \"1h 10, 2h 100\"; since = 4600; halt_after = 2;");
	cr_assert_eq(rollout_next_step(task->rollout)->ppm, ROLLOUT_PPM);
	cr_assert(!due(&what, UINT64_C(100000000)), "not tried since");
	rollout->new.runs += 2;
	cr_assert(due(&what, UINT64_C(100000000)));
	task = live("percent = 100; advance = \"1h 10, 2h 100\"; since = 99999; halt_after = 2;");
	rollout->new.runs += 2;
	cr_assert(!due(&what, UINT64_C(1000000000)), "no step is left");
}

/* Which of the names are in it: a bit each. */
static uint64_t
chosen(struct world *of, const char *rollout, bool backwards)
{
	char groups[512];
	uint64_t bits = 0;
	const struct policy_task *task;

	world_write(of, "policy/tasks/next.xml",
		    "<config><lwm2mBootstrap><write key=\"/1/0/0\" value=\"3\" "
		    "/></lwm2mBootstrap></config>");
	for (unsigned i = 0; i < 64; i++) {
		char name[16];

		snprintf(name, sizeof name, "m-%u", backwards ? 63 - i : i);
		world_add(of, name, NULL, "root.a", NULL);
	}
	snprintf(groups, sizeof groups,
		 "groups = ( { name = \"root.a\"; tasks = ( { name = \"first\"; file = "
		 "\"next.xml\"; "
		 "rollout = { former = \"first.xml\"; %s }; } ); } );\n",
		 rollout);
	world_write(of, "policy/groups.conf", groups);
	cr_assert_eq(world_reload(of), 0, "%s", text_str(&of->text));
	task = policy_task_find(of->service->generation->policy, "g:root.a:1");
	for (unsigned i = 0; i < 64; i++) {
		char name[16];

		snprintf(name, sizeof name, "m-%u", i);
		bits |= (uint64_t)rollout_gives_new(task, world_device(of, name), NULL) << i;
	}
	return bits;
}

Test(rollouts, members_choose_the_same_devices_whatever_their_numbers)
{
	uint64_t ours = chosen(&world, "percent = 30;", false), theirs;
	uint32_t id = device_id(world_device(&world, "m-1"));
	struct world other;

	world_start(&other);
	world_add(&other, "only-there", NULL, "root.a", NULL);
	theirs = chosen(&other, "percent = 30;", true);
	cr_assert_neq(id, device_id(world_device(&other, "m-1")));
	world_stop(&other);
	cr_expect_eq(ours, theirs);
	cr_expect(ours != 0 && ours != UINT64_MAX);
}

static const struct task_versions *
versions_of(const struct policy_task *task)
{
	return version_counts_of(&world.service->version_counts, task->report);
}

static void
count_run(const struct policy_task *task, enum task_status status)
{
	const struct rollout_report report = { task, world_device(&world, "dev-1"), status, 1000 };

	version_counts_note(world.service, &report);
}

Test(rollouts, runs_and_returns_are_counted_by_version)
{
	const struct device *device = world_device(&world, "dev-1");
	const struct policy_task *task =
		policy_task_find(world.service->generation->policy, "g:root.a:1");
	uint64_t live_ms = world.service->generation->live_since_ms;

	cr_assert_null(versions_of(task));
	count_run(task, TASK_NOT_STARTED);
	count_run(task, TASK_IN_PROGRESS);
	cr_assert_null(versions_of(task), "what is not over is no run");
	count_run(task, TASK_SUCCESS);
	count_run(task, TASK_ERROR);
	version_counts_note_return(world.service, task, device, live_ms + 1);
	cr_assert_eq(versions_of(task)->n, 1);
	cr_expect_str_eq(versions_of(task)->items[0].file, "first.xml");
	cr_expect(versions_of(task)->items[0].counts.runs == 2 &&
		  versions_of(task)->items[0].counts.errors == 1 &&
		  versions_of(task)->items[0].counts.returns == 1);
	/* A rollout gives it the next one, and its halt the former one again. */
	task = live("group = \"root.a\";");
	count_run(task, TASK_SUCCESS);
	cr_assert_eq(versions_of(task)->n, 2);
	cr_expect_str_eq(versions_of(task)->items[1].file, "next.xml");
	task = live("group = \"root.a\"; halted = \"x\"; since = 9;");
	count_run(task, TASK_SUCCESS);
	cr_expect(versions_of(task)->n == 2 && versions_of(task)->items[0].counts.runs == 3);
	/* It had gone well before this policy was live: with which version is not known. */
	live_ms = world.service->generation->live_since_ms;
	cr_assert_gt(live_ms, 0);
	version_counts_note_return(world.service, task, device, live_ms - 1);
	cr_expect_eq(versions_of(task)->items[0].counts.returns, 1);
}

Test(rollouts, the_oldest_version_makes_room)
{
	const struct policy_task *task = NULL;

	for (unsigned i = 0; i <= VERSION_COUNTS_KEPT; i++) {
		char text[128];

		snprintf(text, sizeof text,
			 "<config><lwm2mBootstrap><write key=\"/1/0/1\" value=\"%u\" "
			 "/></lwm2mBootstrap></config>",
			 60 + i);
		world_write(&world, "policy/tasks/first.xml", text);
		cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
		task = policy_task_find(world.service->generation->policy, "g:root.a:1");
		for (unsigned k = 0; k <= i; k++)
			count_run(task, TASK_SUCCESS);
	}
	cr_assert_eq(versions_of(task)->n, VERSION_COUNTS_KEPT);
	cr_expect_eq(versions_of(task)->items[0].counts.runs, 2, "the first one went");
	cr_expect_eq(versions_of(task)->items[VERSION_COUNTS_KEPT - 1].counts.runs,
		     VERSION_COUNTS_KEPT + 1);
}
