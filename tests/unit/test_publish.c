/* Devices that come, change and go while workers read; how often and when tasks run. */
#include <errno.h>

#include "tests/unit/control_world.h"

static struct world world;

static void
set_up(void)
{
	world_start(&world);
}

static void
tear_down(void)
{
	world_stop(&world);
}

TestSuite(publish, .init = set_up, .fini = tear_down);

Test(publish, a_new_device_is_found_with_its_batch)
{
	world_add(&world, "dev-4", "key", "root.a", "id=x");
	cr_expect_not_null(world_batch(&world, "dev-4"));
	cr_expect_eq(world.service->inventory.count, 4);
}

Test(publish, a_changed_device_keeps_its_number_and_what_workers_read_until_the_grace_period)
{
	const struct device_entry *old = directory_find(world.dp.directory, "dev-1", 5);
	const struct batch *batch = world_batch(&world, "dev-1");
	uint32_t id = old->id;

	world_add(&world, "dev-1", "another", "root.a", "id=changed");
	cr_expect_neq(directory_find(world.dp.directory, "dev-1", 5), old);
	cr_expect_eq(directory_find(world.dp.directory, "dev-1", 5)->id, id);
	cr_expect_neq(world_batch(&world, "dev-1"), batch);
	cr_expect_eq(old->key_len, 5, "still readable");
	world_settle(&world);
	cr_expect_eq(world.service->retired.count, 0);
}

Test(publish, a_removed_device_is_gone_with_its_reports_and_its_session_is_cancelled)
{
	struct device *device = world_device(&world, "dev-1");
	struct session_event event = { .kind = SESSION_STARTED,
				       .device = device_id(device),
				       .plan = device->plan->number,
				       .session = { 1, 7 } };
	uint32_t id = device_id(device);

	fake_event(&world.dp, 1, &event);
	events_take(world.service);
	publish_removal(world.service, device);
	cr_expect_null(directory_find(world.dp.directory, "dev-1", 5));
	cr_assert_eq(world.dp.n_commands, 1);
	cr_expect_eq(world.dp.commands[0].kind, STACK_CANCEL);
	cr_expect_null(reports_find(&world.service->reports, 1, id));
	cr_expect_eq(world.service->live.count, 0);
	/* What a worker reports of it afterwards is ignored. */
	event.kind = SESSION_FINISHED;
	fake_event(&world.dp, 1, &event);
	events_take(world.service);
	cr_expect_null(reports_find(&world.service->reports, 1, id));
}

Test(publish, refused_devices_are_counted_as_they_change)
{
	cr_expect_eq(world.service->inventory.refused, 2);
	world_add(&world, "dev-2", NULL, "root.a", "id=now");
	cr_expect_eq(world.service->inventory.refused, 1);
	world_add(&world, "dev-2", NULL, "root.a", NULL);
	cr_expect_eq(world.service->inventory.refused, 2);
	publish_removal(world.service, world_device(&world, "dev-2"));
	cr_expect_eq(world.service->inventory.refused, 1);
}

/* A worker looks at the flag and the batch one after the other. */
Test(publish, what_becomes_per_session_gets_another_entry)
{
	const struct device_entry *old = directory_find(world.dp.directory, "dev-1", 5), *now;

	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root.a\"; tasks = ( { name = \"first\"; file = "
		    "\"first.xml\"; min_interval = 5; } ); }, { name = \"root\"; } );\n");
	world_device(&world, "dev-1")->entry->flags |= DEVICE_NOSEC;
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	now = directory_find(world.dp.directory, "dev-1", 5);
	cr_expect_neq(now, old);
	cr_expect_eq(now->flags, DEVICE_PER_SESSION | DEVICE_NOSEC, "what it is stays");
	cr_expect_not(old->flags & DEVICE_PER_SESSION);
	world_write(&world, "policy/groups.conf", WORLD_GROUPS);
	cr_assert_eq(world_reload(&world), 0);
	now = directory_find(world.dp.directory, "dev-1", 5);
	cr_expect_not(now->flags & DEVICE_PER_SESSION);
	cr_expect_not_null(now->batch);
	world_settle(&world);
}

/* ---- how often ---- */

static void
run_once(uint32_t serial, uint8_t end)
{
	struct device *device = world_device(&world, "dev-1");
	struct session_event event = { .kind = SESSION_STARTED,
				       .device = device_id(device),
				       .plan = device->plan->number,
				       .format = FORMAT_TLV,
				       .session = { 1, serial },
				       .started_us = dataplane_now_us(),
				       .time_us = dataplane_now_us() };

	fake_event(&world.dp, 0, &event);
	event.kind = end;
	event.cause = end == SESSION_FAILED ? CAUSE_TIMEOUT : CAUSE_NONE;
	fake_event(&world.dp, 0, &event);
	cr_assert_eq(events_take(world.service), 2);
}

static void
use_settings(const char *settings)
{
	char groups[512];

	snprintf(groups, sizeof groups,
		 "groups = ( { name = \"root.a\"; tasks = ( { name = \"first\"; file = "
		 "\"first.xml\"; %s } ); }, { name = \"root\"; } );\n",
		 settings);
	world_write(&world, "policy/groups.conf", groups);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

Test(publish, a_task_that_runs_once_is_left_out_after_success_and_runs_after_a_rerun)
{
	const char *argv[] = { "task", "rerun", "first" };
	struct ctl_request request = { .argc = 3, .argv = argv, .fd = -1 };
	struct ctl_answer answer = { 0 };

	use_settings("repetition = \"once\";");
	run_once(1, SESSION_FAILED);
	cr_expect_not_null(world_batch(&world, "dev-1"), "it has not succeeded yet");
	run_once(2, SESSION_FINISHED);
	cr_expect_null(world_batch(&world, "dev-1"));
	cr_expect_eq(world_device(&world, "dev-1")->plan->tasks[0].state, PLAN_LEFT_OUT);
	commands_serve(&world.daemon, &request, &answer);
	cr_expect_eq(answer.exit, CTL_DONE, "%s", answer.error ? answer.error : "");
	cr_expect_not_null(world_batch(&world, "dev-1"));
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_NOT_STARTED);
	free(answer.text);
	free(answer.error);
	json_decref(answer.result);
}

Test(publish, one_that_repeats_stays)
{
	run_once(1, SESSION_FINISHED);
	cr_expect_not_null(world_batch(&world, "dev-1"));
	use_settings("automatic_restart = false;");
	run_once(2, SESSION_FINISHED);
	cr_expect_null(world_batch(&world, "dev-1"), "only an operator restarts it");
}

Test(publish, repeat_without_report_leaves_no_report)
{
	use_settings("repetition = \"repeat_without_report\";");
	run_once(1, SESSION_FINISHED);
	cr_expect_null(world_report(&world, "dev-1"));
}

static const struct batch *
ask_for_session(uint32_t serial)
{
	struct session_event event = { .kind = SESSION_NEEDS_BATCH,
				       .device = device_id(world_device(&world, "dev-1")),
				       .format = FORMAT_TLV,
				       .session = { 1, serial },
				       .started_us = dataplane_now_us() };
	unsigned before = world.dp.n_commands;

	fake_event(&world.dp, 0, &event);
	cr_assert_eq(events_take(world.service), 1);
	cr_assert_eq(world.dp.n_commands, before + 1);
	cr_assert_eq(world.dp.commands[before].kind, STACK_BATCH);
	return world.dp.commands[before].batch;
}

static void
end_session(uint32_t serial, const struct batch *batch, uint8_t kind)
{
	struct session_event event = { .kind = SESSION_STARTED,
				       .device = device_id(world_device(&world, "dev-1")),
				       .plan = batch ? batch->plan : 0,
				       .format = FORMAT_TLV,
				       .session = { 1, serial },
				       .started_us = dataplane_now_us(),
				       .time_us = dataplane_now_us() };

	if (batch)
		fake_event(&world.dp, 0, &event);
	event.kind = kind;
	fake_event(&world.dp, 0, &event);
	events_take(world.service);
	if (batch)
		batch_release(batch);
	world_settle(&world);
}

Test(publish, a_minimum_interval_leaves_a_task_out_until_it_is_over)
{
	const struct batch *batch;

	use_settings("min_interval = 3600;");
	batch = ask_for_session(1);
	cr_assert_not_null(batch, "it has never run");
	end_session(1, batch, SESSION_FINISHED);
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_SUCCESS);
	cr_expect_null(ask_for_session(2));
	end_session(2, NULL, SESSION_REFUSED);
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_SUCCESS, "it is not run: no news");
	cr_expect_not_null(reports_find(&world.service->reports, REPORT_NO_TASK,
					device_id(world_device(&world, "dev-1"))));
}

static void
ask_in_vain(const char *endpoint)
{
	struct session_event event = { .kind = SESSION_REFUSED,
				       .device = device_id(world_device(&world, endpoint)) };

	fake_event(&world.dp, 0, &event);
	events_take(world.service);
}

static int
put_pattern(const char *pattern)
{
	struct device_spec spec = { .endpoint = "dev-1", .groups = "root.a", .key_len = 1 };
	struct setting_value value = {
		.name = "id", .name_len = 2, .text = pattern, .text_len = (uint16_t)strlen(pattern)
	};
	char error[STORE_ERROR_MAX] = "";
	uint8_t *values = NULL;
	bool created;
	int result;

	cr_assert_eq(setting_values_set(&values, &value), 0);
	spec.values = values;
	result = device_change_put(world.service, &spec, &created, error);
	setting_values_free(values);
	cr_expect(result == 0 || strstr(error, "task first"), "%s", error);
	return result;
}

/* It would cost its time at every compilation, and at every start. */
Test(publish, a_value_that_no_pattern_can_take_is_refused_before_it_is_kept)
{
	static const char *const tasks[] = {
		"<config><if "
		"expr=\"${'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches(sv.id)}\">"
		"<log message='x'/></if></config>",
		"<config><if expr=\"${sv.id.matches('(a|aa)+') ? false}\"><log message='x'/></if>"
		"</config>",
	};

	for (unsigned i = 0; i < 2; i++) {
		const char *bad =
			i ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"
			  : "(((((a*)+)+)+)+)+";
		struct plan *plan;

		world_write(&world, "policy/tasks/first.xml", tasks[i]);
		cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
		cr_expect_eq(put_pattern("a+!"), 0);
		plan = world_device(&world, "dev-1")->plan;
		cr_expect_eq(put_pattern(bad), -EINVAL, "%u", i);
		cr_expect_eq(world_device(&world, "dev-1")->plan, plan);
	}
}

/* A task that is not due is no task that could not be compiled. */
Test(publish, refusals_are_counted_as_what_they_are)
{
	const struct refusals *refusals = &world.service->refusals;

	use_settings("repetition = \"once\";");
	run_once(1, SESSION_FINISHED);
	ask_in_vain("dev-1");
	cr_expect_eq(refusals->not_now[RUN_DONE], 1);
	use_settings("condition = \"${sv.id == 'i2'}\";");
	ask_in_vain("dev-1");
	cr_expect_eq(refusals->not_now[RUN_CONDITION], 1);
	cr_expect_eq(refusals->failed, 0);
	use_settings("");
	ask_in_vain("dev-2"); /* its setting is missing */
	cr_expect_eq(refusals->failed, 1);
	ask_in_vain("dev-3"); /* no task is of its group */
	cr_expect_eq(refusals->no_task, 1);
	use_settings("min_interval = 3600;");
	end_session(2, ask_for_session(2), SESSION_FINISHED);
	cr_expect_null(ask_for_session(3));
	end_session(3, NULL, SESSION_REFUSED);
	cr_expect_eq(refusals->not_now[RUN_INTERVAL], 1);
	cr_expect_eq(refusals->not_now[RUN_DONE], 1);
}

/* One for devices here and one for devices there; both for one device would undo each other. */
Test(publish, servers_with_one_ssid_are_alternatives)
{
	struct device *both;

	world_write(&world, "policy/servers.conf",
		    "servers = ( { id = \"north\"; uri = \"n\"; ssid = 7; security = \"nosec\"; },\n"
		    " { id = \"south\"; uri = \"s\"; ssid = 7; security = \"nosec\"; } );\n");
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrapConfiguration serverId='${sv.id}'/>"
		    "<if expr=\"${sv.other == 'south'}\"><lwm2mBootstrapConfiguration "
		    "serverId='${sv.other}'/></if></config>");
	world_add(&world, "dev-1", "key", "root.a", "id=north");
	world_add(&world, "dev-2", "key", "root.a", "id=south,other=south");
	world_add(&world, "dev-3", "key", "root.a", "id=north,other=south");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_not_null(world_batch(&world, "dev-1"));
	cr_expect_not_null(world_batch(&world, "dev-2"));
	cr_expect_null(world_batch(&world, "dev-3"));
	both = world_device(&world, "dev-3");
	cr_assert_eq(both->plan->n_tasks, 1);
	cr_expect(strstr(both->plan->tasks[0].summary,
			 "servers north and south have the Short Server ID 7: this device cannot "
			 "have both"),
		  "%s", both->plan->tasks[0].summary);
}

Test(publish, a_condition_decides_for_each_device)
{
	use_settings("condition = \"${sv.id == 'i1'}\";");
	cr_expect_not_null(world_batch(&world, "dev-1"));
	use_settings("condition = \"${sv.id == 'i2'}\";");
	cr_expect_null(world_batch(&world, "dev-1"));
	cr_expect(strstr(world_device(&world, "dev-1")->plan->tasks[0].summary, "condition"));
}

Test(publish, a_condition_that_is_no_truth_is_an_error_of_the_task)
{
	use_settings("condition = \"${sv.id}\";");
	cr_expect_null(world_batch(&world, "dev-1"));
	cr_expect_eq(world_device(&world, "dev-1")->plan->tasks[0].state, PLAN_OVER);
	cr_expect_eq(world_device(&world, "dev-1")->plan->tasks[0].status, TASK_ERROR);
}
