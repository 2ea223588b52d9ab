/* What is kept comes back: devices, reports, unknown devices, after the end of the program. */
#include "tests/unit/control_world.h"

static struct world world;
static char path[128];

/* The world's daemon on a store, as the appliance starts. */
static void
open_store(void)
{
	char error[STORE_ERROR_MAX];

	world.service->store = store_open(path, error);
	cr_assert_not_null(world.service->store, "%s", error);
	cr_assert_eq(restore_all(world.service), 0);
}

static void
set_up(void)
{
	world_start(&world);
	snprintf(path, sizeof path, "%s/cradle.db", world.folder);
	open_store();
}

static void
tear_down(void)
{
	store_close(world.service->store);
	world_stop(&world);
}

TestSuite(kept, .init = set_up, .fini = tear_down);

/* All that is in memory goes; the files stay. */
static void
restart(void)
{
	struct daemon *daemon = &world.daemon;
	struct diag_list diags;

	store_close(daemon->service.store);
	fake_pass_grace(&world.dp);
	dataplane_reap(&world.dp);
	daemon->service.dp = NULL;
	daemon_fini(daemon);
	diag_list_init(&diags);
	cr_assert_eq(daemon_init(daemon, 16), 0);
	daemon->service.generation = generation_load(daemon->service.config, 1, &diags);
	cr_assert_not_null(daemon->service.generation);
	diag_list_fini(&diags);
	open_store();
	daemon->service.dp = &world.dp;
	dataplane_publish_directory(daemon->service.dp, daemon->service.inventory.directory);
}

Test(kept, wrong_devices_are_refused_and_nothing_is_kept)
{
	static const struct {
		struct device_spec spec;
		const char *words;
	} wrong[] = {
		{ { .endpoint = "" }, "1 to 255 bytes" },
		{ { .endpoint = "x", .groups = "root.b" }, "did you mean \"root.a\"" },
		{ { .endpoint = "x", .groups = "root,,root.a" }, "1 to 64 names" },
	};
	char error[STORE_ERROR_MAX];
	bool created;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		cr_expect_lt(device_change_put(world.service, &wrong[i].spec, &created, error), 0);
		cr_expect(strstr(error, wrong[i].words), "%s", error);
	}
	cr_expect_null(inventory_find(&world.service->inventory, "x"));
}

Test(kept, devices_come_back_as_they_were)
{
	uint32_t id;

	world_add(&world, "dev-9", "secret-9", "root.a", "id=nine,password=pw9");
	id = device_id(world_device(&world, "dev-9"));
	restart();
	cr_expect_eq(device_id(world_device(&world, "dev-9")), id);
	cr_expect_not_null(world_batch(&world, "dev-9"), "it is compiled");
	cr_expect_eq(world_device(&world, "dev-9")->entry->key_len, 8);
}

Test(kept, a_removed_device_stays_away_and_its_number_is_not_given_again)
{
	char error[STORE_ERROR_MAX];
	uint32_t id;

	world_add(&world, "dev-9", NULL, NULL, NULL);
	id = device_id(world_device(&world, "dev-9"));
	cr_assert_eq(device_change_remove(world.service, world_device(&world, "dev-9"), error), 0);
	restart();
	cr_expect_null(inventory_find(&world.service->inventory, "dev-9"));
	world_add(&world, "dev-10", NULL, NULL, NULL);
	cr_expect_gt(device_id(world_device(&world, "dev-10")), id);
}

static void
tell(uint8_t kind, uint32_t serial)
{
	struct device *device = world_device(&world, "dev-9");
	struct session_event event = { .kind = kind,
				       .device = device_id(device),
				       .plan = device->plan->number,
				       .format = FORMAT_TLV,
				       .session = { 1, serial },
				       .started_us = dataplane_now_us(),
				       .time_us = dataplane_now_us() };

	fake_event(&world.dp, 0, &event);
	events_take(world.service);
}

Test(kept, reports_come_back_and_one_in_progress_was_interrupted)
{
	world_add(&world, "dev-9", NULL, "root.a", "id=nine");
	tell(SESSION_STARTED, 1);
	tell(SESSION_FINISHED, 1);
	restart();
	cr_assert_not_null(world_report(&world, "dev-9"));
	cr_expect_eq(world_report(&world, "dev-9")->status, TASK_SUCCESS);
	cr_expect_neq(world_device(&world, "dev-9")->last_bootstrap_ms, 0);
	tell(SESSION_STARTED, 2);
	restart();
	cr_expect_eq(world_report(&world, "dev-9")->status, TASK_ERROR);
	cr_expect(strstr(world_summary(&world, "dev-9"), "interrupted"), "%s",
		  world_summary(&world, "dev-9"));
}

Test(kept, what_a_task_did_once_stays_done)
{
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root.a\"; tasks = ( { name = \"first\"; file = "
		    "\"first.xml\"; repetition = \"once\"; } ); }, { name = \"root\"; } );\n");
	cr_assert_eq(world_reload(&world), 0);
	world_add(&world, "dev-9", NULL, "root.a", "id=nine");
	tell(SESSION_STARTED, 1);
	tell(SESSION_FINISHED, 1);
	restart();
	cr_expect_null(world_batch(&world, "dev-9"));
}

Test(kept, properties_that_a_task_stored_come_back)
{
	world_write(&world, "policy/tasks/first.xml",
		    "<config><store type=\"devProp\" target=\"made\" value=\"here\" />"
		    "<join group=\"root\" />"
		    "<lwm2mBootstrap><write key=\"/1/0/1\" value=\"60\" /></lwm2mBootstrap>"
		    "</config>");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	world_add(&world, "dev-9", NULL, "root.a", "id=nine");
	cr_expect(world_device(&world, "dev-9")->entry->flags & DEVICE_PER_SESSION);
	tell(SESSION_NEEDS_BATCH, 1);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_assert_not_null(world.dp.commands[0].batch);
	tell(SESSION_STARTED, 1);
	tell(SESSION_FINISHED, 1);
	batch_release(world.dp.commands[0].batch);
	cr_expect_str_eq(device_groups(&world.service->inventory, world_device(&world, "dev-9")),
			 "root.a,root");
	inventory_effects_save(world.service, UINT64_MAX);
	restart();
	{
		struct setting_value value;

		cr_assert(setting_values_find(world_device(&world, "dev-9")->values, "made", 4,
					      &value));
		cr_expect(value.text_len == 4 && memcmp(value.text, "here", 4) == 0);
	}
	cr_expect_str_eq(device_groups(&world.service->inventory, world_device(&world, "dev-9")),
			 "root.a,root");
}

/* Tasks come and go for years: what they left is not kept for ever. */
Test(kept, reports_of_a_task_go_with_it)
{
	char error[STORE_ERROR_MAX];
	uint32_t number;

	world_add(&world, "dev-9", NULL, "root.a", "id=nine");
	tell(SESSION_STARTED, 1);
	tell(SESSION_FINISHED, 1);
	number = world.service->generation->policy->groups[1].tasks[0].report;
	cr_assert_not_null(world_report(&world, "dev-9"));
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; }, { name = \"root.a\"; tasks = (\n"
		    "  { name = \"other\"; file = \"first.xml\"; } ); } );\n");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_null(world_report(&world, "dev-9"));
	cr_expect_eq(world.service->reports.tasks[number].counts[TASK_SUCCESS], 0);
	world_write(&world, "policy/groups.conf", WORLD_GROUPS);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_null(world_report(&world, "dev-9"), "it is another task of the same name");
	cr_assert_eq(store_flush(world.service->store, 5000, NULL, error), 0, "%s", error);
	restart();
	cr_expect_null(world_report(&world, "dev-9"));
	cr_expect_eq(world.service->reports.count, 0);
}

/* `report list` has what ended before the start, too. */
Test(kept, the_list_of_reports_goes_on)
{
	const struct reports *reports = &world.service->reports;
	char error[STORE_ERROR_MAX];
	const struct report *report;

	world_add(&world, "dev-9", NULL, "root.a", "id=nine");
	tell(SESSION_STARTED, 1);
	tell(SESSION_FINISHED, 1);
	cr_assert_eq(reports->ended, 1);
	cr_assert_eq(store_flush(world.service->store, 5000, NULL, error), 0, "%s", error);
	restart();
	reports = &world.service->reports;
	cr_assert_eq(reports->ended, 1);
	report = reports_ended(reports, 0);
	cr_assert_not_null(report);
	cr_expect_eq(report->device, device_id(world_device(&world, "dev-9")));
	cr_expect_eq(report->status, TASK_SUCCESS);
}

static char *
log_of(const char *endpoint)
{
	char error[STORE_ERROR_MAX];

	cr_assert_eq(store_flush(world.service->store, 5000, NULL, error), 0, "%s", error);
	return store_read_log(world.service->store, 1, device_id(world_device(&world, endpoint)));
}

Test(kept, a_failed_run_says_who_it_was_how_far_it_came_and_what_the_device_said)
{
	struct session_event event = { .kind = SESSION_STARTED,
				       .format = FORMAT_TLV,
				       .session = { 1, 1 },
				       .time_us = 900000,
				       .started_us = 800000 };
	char *log;

	world_add(&world, "dev-9", NULL, "root.a", "id=nine");
	event.device = device_id(world_device(&world, "dev-9"));
	event.plan = world_device(&world, "dev-9")->plan->number;
	fake_event(&world.dp, 0, &event);
	event.kind = SESSION_DIAGNOSTIC;
	event.code = 0x80;
	event.step = 1;
	event.name_len = 12;
	memcpy(event.name, "no\x1b[2J such\n", 12);
	fake_event(&world.dp, 0, &event);
	event.kind = SESSION_FAILED;
	event.cause = CAUSE_REPLY;
	fake_event(&world.dp, 0, &event);
	cr_assert_eq(events_take(world.service), 3);
	log = log_of("dev-9");
	cr_assert_not_null(log);
	cr_expect(strstr(log, "format 11542, step 2 of 3: PUT /1/0"), "%s", log);
	cr_expect(strstr(log, "device answered 4.00 to PUT /1/0: \"no\\x1b[2J such\\x0a\""), "%s",
		  log);
	free(log);
}

Test(kept, unknown_devices_come_back)
{
	struct session_event event = { .kind = SESSION_UNKNOWN,
				       .name_len = 8,
				       .name = "unknown device" };

	fake_event(&world.dp, 0, &event);
	events_take(world.service);
	unknown_devices_save(world.service->unknowns, world.service->store, UINT64_MAX);
	restart();
	cr_assert_eq(world.service->unknowns->count, 1);
	cr_expect_eq(world.service->unknowns->items[0].count, 1);
}
