/* The transaction: whole or not at all, and sessions in flight keep what they began with. */
#include "control/runs/costly_tasks.h"
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

TestSuite(reload, .init = set_up, .fini = tear_down);

static bool
said(const char *words)
{
	return strstr(text_str(&world.text), words) != NULL;
}

static size_t
count_of(const char *key)
{
	return json_array_size(json_object_get(world.result, key));
}

Test(reload, refusal_tells_every_error_and_changes_nothing)
{
	const struct directory *directory = world.dp.directory;
	uint32_t retransmit = world.service->config->max_retransmit;

	world_write(&world, "cradle.conf",
		    WORLD_CONF "limits = { max_retransmit = 1; ack_timeout_ms = 0; };");
	world_write(
		&world, "policy/groups.conf",
		"groups = ( { name = \"root.b\"; tasks = ( { file = \"first.xml\"; } ); } );\n");
	world_write(&world, "policy/tasks/first.xml",
		    "<config>\n <lwm2mBootstrap>\n  <write key=\"/0/2/O\" value=\"x\" />\n "
		    "</lwm2mBootstrap>\n</config>\n");
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("cradle.conf:4: error:") || said("cradle.conf:4:"), "%s",
		  text_str(&world.text));
	cr_expect(said("there is no group \"root.a\", but 2 devices are in it, such as dev-1") ||
		  said("first.xml"));
	cr_expect(said("first.xml:3:"));
	cr_expect(said("still running generation 1\n"));
	cr_expect_eq(world.dp.directory, directory);
	cr_expect_eq(world.service->generation->number, 1);
	cr_expect_eq(world.service->config->max_retransmit, retransmit);
	cr_expect_eq(world.dp.n_retired, 0);
}

Test(reload, a_missing_file_is_refused)
{
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; tasks = ( { file = \"none.xml\"; } ); } );\n");
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("none.xml: error: cannot be read"), "%s", text_str(&world.text));
}

Test(reload, a_refused_reload_uses_no_number)
{
	world_write(&world, "policy/groups.conf", "groups = (");
	cr_assert_lt(world_reload(&world), 0);
	world_write(&world, "policy/groups.conf", WORLD_GROUPS);
	cr_assert_eq(world_reload(&world), 0);
	cr_expect(said("generation 1 -> 2"));
}

Test(reload, tells_tasks_added_changed_and_removed)
{
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; tasks = ( { name = \"second\"; file = "
		    "\"first.xml\"; } ); },\n"
		    " { name = \"root.a\"; tasks = ( { name = \"first\"; file = \"first.xml\"; "
		    "priority = 3; } ); } );\n");
	cr_assert_eq(world_reload(&world), 0);
	cr_expect_eq(count_of("tasks_added"), 1);
	cr_expect_eq(count_of("tasks_changed"), 1);
	cr_expect_eq(count_of("tasks_removed"), 0);
	world_write(&world, "policy/groups.conf", WORLD_GROUPS);
	cr_assert_eq(world_reload(&world), 0);
	cr_expect_eq(count_of("tasks_removed"), 1);
	cr_expect_eq(count_of("tasks_changed"), 1);
}

Test(reload, a_changed_file_is_a_changed_task)
{
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrap><write key=\"/1/0/1\" value=\"60\" "
		    "/></lwm2mBootstrap></config>");
	cr_assert_eq(world_reload(&world), 0);
	cr_expect_eq(count_of("tasks_changed"), 1);
	cr_expect(said("root.a: first"));
	cr_expect_not_null(world_batch(&world, "dev-2"), "no value is missing any more");
}

#define OBJECT(name)                                                                               \
	"<LWM2M>\n<Object>\n<Name>Meter</Name>\n<ObjectID>30000</ObjectID>\n"                      \
	"<MultipleInstances>Multiple</MultipleInstances>\n<Resources>\n<Item ID='1'>\n"            \
	"<Name>" name "</Name><Operations>RW</Operations>"                                         \
	"<MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>"             \
	"<Type>Integer</Type></Item>\n</Resources>\n</Object>\n</LWM2M>\n"

/* DDF files of the folder are read again, and tasks are checked against what they say now. */
Test(reload, object_definitions_are_of_the_generation)
{
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrap><write key='Meter.0.Tariff' value='7'/>"
		    "</lwm2mBootstrap></config>");
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(strstr(text_str(&world.text), "unknown object \"Meter\": add"), "%s",
		  text_str(&world.text));
	world_write(&world, "objects/30000.xml", OBJECT("Tariff"));
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_not_null(world_batch(&world, "dev-2"));
	/* The resource has another name: the task is wrong now, and the former generation serves. */
	world_write(&world, "objects/30000.xml", OBJECT("Rate"));
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(strstr(text_str(&world.text), "first.xml:1:"), "%s", text_str(&world.text));
	cr_expect(strstr(text_str(&world.text), "Tariff"), "%s", text_str(&world.text));
	cr_expect_not_null(world_batch(&world, "dev-2"));
	world_write(&world, "objects/30000.xml", "<LWM2M>\n<Object>\n");
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(strstr(text_str(&world.text), "30000.xml:3"), "%s", text_str(&world.text));
}

Test(reload, applies_live_settings_and_names_the_others)
{
	world_write(&world, "cradle.conf",
		    WORLD_CONF "sessions = 128; limits = { max_retransmit = 2; };");
	cr_assert_eq(world_reload(&world), 0);
	cr_expect(said("setting applied: limits.max_retransmit: 4 -> 2"));
	cr_expect(said("needs a restart: sessions: 65536 -> 128"));
	cr_expect_eq(world.dp.limits.max_retransmit, 2);
	cr_expect_eq(world.service->config->sessions, 65536);
	/* It stays to be said until the restart. */
	cr_assert_eq(world_reload(&world), 0);
	cr_expect(said("needs a restart: sessions"));
	cr_expect_not(said("max_retransmit"));
}

Test(reload, a_group_that_devices_are_in_cannot_go)
{
	world_write(&world, "policy/groups.conf", "groups = ( { name = \"root\"; } );\n");
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("there is no group \"root.a\", but 2 devices are in it, such as dev-1"),
		  "%s", text_str(&world.text));
	cr_expect(said("still running generation 1\n"));
}

/* What a reload refuses a check refuses, too: of what runs, and of a file that a client sends. */
Test(reload, a_check_says_that_a_group_that_devices_are_in_cannot_go)
{
	char file[128], conf[512];
	struct text text;
	struct check_outcome outcome = { .text = &text,
					 .service = world.service,
					 .inventory = &world.service->inventory };
	const struct check_source source = { .file = "theirs.conf", .text = conf };

	world_write(&world, "policy/groups.conf", "groups = ( { name = \"root\"; } );\n");
	snprintf(file, sizeof file, "%s", world.service->config->file);
	for (int sent = 0; sent < 2; sent++) {
		struct check_source own = source;

		own.len = (size_t)snprintf(conf, sizeof conf,
					   "%s policy = \"%s/policy\"; objects = \"%s/objects\";\n",
					   WORLD_CONF, world.folder, world.folder);
		text_init(&text);
		cr_expect_lt(sent ? reload_check_text(world.service, &own, &outcome)
				  : reload_check(file, &outcome),
			     0);
		cr_expect(strstr(text_str(&text),
				 "there is no group \"root.a\", but 2 devices are in it"),
			  "%s", text_str(&text));
		text_fini(&text);
		json_decref(outcome.result);
	}
}

Test(reload, what_has_not_changed_keeps_its_batch)
{
	const struct batch *batch = world_batch(&world, "dev-1");

	cr_assert_eq(world_reload(&world), 0);
	cr_expect_eq(world_batch(&world, "dev-1"), batch);
	cr_expect_eq(world.service->generation->number, 2);
}

/* A value of a group is a change for its devices alone. */
Test(reload, a_changed_value_is_compiled_for_those_it_concerns)
{
	const struct batch *batch = world_batch(&world, "dev-1");
	char *changed = strdup(WORLD_GROUPS);

	memcpy(strstr(changed, "one"), "two", 3);
	world_write(&world, "policy/groups.conf", changed);
	free(changed);
	cr_assert_eq(world_reload(&world), 0);
	cr_expect_neq(world_batch(&world, "dev-1"), batch);
	cr_expect_eq(world_device(&world, "dev-1")->plan->generation->number, 2);
	cr_expect_eq(world_device(&world, "dev-3")->plan->generation->number, 1);
}

static void
change_task(void)
{
	world_write(&world, "policy/tasks/first.xml", WORLD_TASK " ");
	cr_assert_eq(world_reload(&world), 0);
}

Test(reload, a_held_batch_outlives_its_generation)
{
	const struct batch *batch = world_batch(&world, "dev-1");
	uint32_t plan = batch->plan;

	batch_hold(batch);
	change_task();
	cr_expect_neq(world_batch(&world, "dev-1"), batch);
	world_settle(&world);
	cr_expect_eq(world.service->retired.count, 1);
	cr_expect_eq(batch->generation, 1);
	cr_assert_not_null(plan_at(&world.service->plans, plan));
	cr_expect_eq(plan_at(&world.service->plans, plan)->generation->number, 1);
	batch_release(batch);
	world_settle(&world);
	cr_expect_eq(world.service->retired.count, 0);
	cr_expect_null(plan_at(&world.service->plans, plan));
}

Test(reload, nothing_is_freed_before_the_grace_period)
{
	const struct batch *batch = world_batch(&world, "dev-1");

	change_task();
	retired_sweep(&world.service->retired, &world.service->plans, 1000);
	retired_sweep(&world.service->retired, &world.service->plans, 1000);
	cr_expect_eq(batch->generation, 1, "still readable");
	cr_expect_not_null(plan_at(&world.service->plans, batch->plan));
}

/* ---- only what changed is compiled anew ---- */

#define SERVER(id, ssid, uri)                                                                      \
	"{ id = \"" id "\"; name = \"" id "\"; ssid = " ssid "; uri = \"" uri                      \
	"\"; security = \"nosec\"; }"

static void
use_servers(const char *list)
{
	char text[512];

	snprintf(text, sizeof text, "servers = ( %s );\n", list);
	world_write(&world, "policy/servers.conf", text);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

Test(reload, a_server_that_no_task_of_a_device_names_leaves_its_batch_alone)
{
	const struct batch *batch;

	use_servers(SERVER("a", "7", "coap://h:1"));
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrapConfiguration serverId=\"a\"/></config>");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	batch = world_batch(&world, "dev-1");
	cr_assert_not_null(batch);
	use_servers(SERVER("a", "7", "coap://h:1") ", " SERVER("b", "8", "coap://h:2"));
	cr_expect_eq(world_batch(&world, "dev-1"), batch, "another server was added");
	use_servers(SERVER("a", "7", "coap://h:3") ", " SERVER("b", "8", "coap://h:2"));
	cr_expect_neq(world_batch(&world, "dev-1"), batch, "its own server was changed");
}

Test(reload, files_that_are_written_again_as_they_were_change_nothing)
{
	const struct batch *batch;

	world_folder(&world, "policy/resources");
	world_write(&world, "policy/resources/sites.csv", "id,uri\n1,coap://one\n");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	batch = world_batch(&world, "dev-1");
	cr_assert_not_null(batch);
	world_write(&world, "policy/resources/sites.csv", "id,uri\n1,coap://one\n");
	world_write(&world, "policy/tasks/first.xml", WORLD_TASK);
	world_write(&world, "policy/groups.conf", WORLD_GROUPS);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_eq(world_batch(&world, "dev-1"), batch);
	world_write(&world, "policy/resources/sites.csv", "id,uri\n1,coap://two\n");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_neq(world_batch(&world, "dev-1"), batch);
}

static void
stop_service(void *ctx)
{
	struct service *service = ctx;

	service->stopping = true;
}

/* A million devices take seconds, and the supervisor's patience ends before. */
Test(reload, a_long_publication_is_abandoned_when_the_program_stops)
{
	enum { MANY = 2500 };
	uint32_t renewed = 0, total = 0;
	struct device *device;
	char endpoint[32];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(endpoint, sizeof endpoint, "many-%u", i);
		world_add(&world, endpoint, NULL, "root.a", "id=x");
	}
	world.service->pump = (struct pump){ stop_service, world.service };
	change_task();
	for (uint32_t id = 0; (device = inventory_next(&world.service->inventory, &id)); id++) {
		total++;
		renewed += device->plan->generation->number == 2;
	}
	cr_expect_gt(total, MANY);
	cr_expect_lt(renewed, MANY);
	cr_expect_gt(renewed, 0);
}

/* What a task names in resources/ is looked for when it is loaded. */
Test(reload, warns_of_files_tables_and_columns_that_are_not_there)
{
	world_folder(&world, "policy/resources");
	world_write(&world, "policy/resources/sites.csv", "id,uri\ni0,coap://one\n");
	world_write(&world, "policy/resources/key.der", "0123456789");
	world_write(
		&world, "policy/tasks/first.xml",
		"<config><lwm2mBootstrap>\n<write key=\"/0/2/0\" "
		"value=\"${res.sites.by('id').get(sv.id).uri}\"/>\n"
		"<write key=\"/3/0/14\" value=\"${res.sites.by('idd').get(sv.id).url ? 'x'}\"/>\n"
		"<write key=\"/3/0/15\" value=\"${res.places.by('id').get(sv.id).uri ? 'x'}\"/>\n"
		"<upload key=\"/0/2/5\" resourceId=\"key.der\"/>\n<upload key=\"/0/2/4\" "
		"resourceId=\"none.der\"/></lwm2mBootstrap></config>");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect(said("first.xml:3:22: warning: <write value> resources/sites.csv has no column "
		       "\"idd\"; did you "
		       "mean \"id\"?"),
		  "%s", text_str(&world.text));
	cr_expect(said("resources/sites.csv has no column \"url\"; did you mean \"uri\"?"));
	cr_expect(said(
		"first.xml:4:22: warning: <write value> there is no table resources/places.csv"));
	cr_expect(said("first.xml:6:22: warning: <upload resourceId> there is no file "
		       "resources/none.der"));
	cr_expect_not(said("first.xml:2:22") || said("key.der"));
}

/* ---- what takes too long ---- */

#define LONG_TEXT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"
#define COSTLY    "(((((a*)+)+)+)+)+"

static void
write_matching(const char *pattern, const char *text)
{
	char task[512], groups[512];

	snprintf(task, sizeof task,
		 "<config><if expr=\"${sv.text.matches('%s') ? false}\"><log message='x'/></if>"
		 "</config>",
		 pattern);
	snprintf(groups, sizeof groups,
		 "groups = ( { name = \"root\"; }, { name = \"root.a\"; values = { text = \"%s\"; "
		 "};\n"
		 " tasks = ( { name = \"first\"; file = \"first.xml\"; } ); } );\n",
		 text);
	world_write(&world, "policy/tasks/first.xml", task);
	world_write(&world, "policy/groups.conf", groups);
}

Test(reload, a_group_value_that_no_pattern_can_take_is_refused_before_it_is_live)
{
	write_matching(COSTLY, "a");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	write_matching(COSTLY, LONG_TEXT);
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("value \"text\" of group root.a task first"), "%s", text_str(&world.text));
	cr_expect(said("takes too long for devices such as dev-1"), "%s", text_str(&world.text));
	cr_expect_eq(world.service->generation->number, 2);
	write_matching(COSTLY, "aa");
	cr_expect_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

Test(reload, a_task_that_takes_too_long_for_a_device_is_refused_and_its_check_says_so)
{
	struct text text;
	struct check_outcome outcome = { .text = &text, .service = world.service };
	char file[128];

	write_matching("a+c", LONG_TEXT);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	write_matching(COSTLY, LONG_TEXT);
	text_init(&text);
	snprintf(file, sizeof file, "%s", world.service->config->file);
	cr_expect_lt(reload_check(file, &outcome), 0);
	cr_expect(strstr(text_str(&text), "task first"), "%s", text_str(&text));
	text_fini(&text);
	json_decref(outcome.result);
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("task first (") && said("dev-1"), "%s", text_str(&world.text));
	cr_expect_eq(world.service->generation->number, 2);
}

/* Wherever it stands: in a condition, and in a server that the task names. */
Test(reload, a_pattern_outside_the_task_takes_too_long_as_well)
{
	static const char search[] = "${sv.text.matches('" COSTLY "') ? false}";
	char groups[512], servers[512];
	char error[STORE_ERROR_MAX] = "";
	const struct device_spec spec = { .endpoint = "dev-9", .groups = "root.a" };
	bool created;

	snprintf(groups, sizeof groups,
		 "groups = ( { name = \"root\"; }, { name = \"root.a\"; values = { text = \"" LONG_TEXT "\"; };\n"
		 " tasks = ( { name = \"first\"; file = \"first.xml\"; condition = \"%s\"; } ); } );\n",
		 search);
	world_write(&world, "policy/groups.conf", groups);
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("takes too long for devices such as dev-1"), "%s", text_str(&world.text));
	snprintf(servers, sizeof servers,
		 "servers = ( { id = \"one\"; uri = \"h\"; ssid = 7; security = \"psk\";\n"
		 "identity = \"%s\"; psk = \"k\"; } );\n", search);
	world_write(&world, "policy/servers.conf", servers);
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; }, { name = \"root.a\"; values = { text = \"a\"; };\n"
		    " tasks = ( { name = \"first\"; file = \"first.xml\"; } ); } );\n");
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrapConfiguration serverId=\"one\" /></config>");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_eq(device_change_put(world.service, &spec, &created, error), 0, "%s", error);
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; }, { name = \"root.a\"; values = { text = \"" LONG_TEXT "\"; };\n"
		    " tasks = ( { name = \"first\"; file = \"first.xml\"; } ); } );\n");
	cr_assert_lt(world_reload(&world), 0);
	cr_expect(said("takes too long"), "%s", text_str(&world.text));
}

/* An ordinary error of a device's task stays its own affair. */
Test(reload, a_task_that_fails_for_a_device_is_taken)
{
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrap><write key=\"/0/2/0\" value=\"${sv.nobody}\" />"
		    "</lwm2mBootstrap></config>");
	cr_expect_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_expect_null(world_batch(&world, "dev-1"));
}

/* A start takes it, so that others are served; then it must not stand in the way. */
Test(reload, what_took_too_long_before_does_not_stand_in_the_way_of_other_changes)
{
	struct device *device = world_device(&world, "dev-1");
	struct setting_value value = {
		.name = "text", .name_len = 4, .text = LONG_TEXT, .text_len = sizeof LONG_TEXT - 1
	};
	uint8_t *values = NULL;

	write_matching(COSTLY, "a");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	cr_assert_eq(setting_values_set(&values, &value), 0);
	inventory_set_values(&world.service->inventory, device, values);
	write_matching(COSTLY, "aa");
	cr_expect_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	/* That of another device does. */
	write_matching(COSTLY, LONG_TEXT);
	cr_expect_lt(world_reload(&world), 0);
}

/* One of each list of groups is tried first, wherever it stands. */
Test(reload, a_lone_device_of_its_groups_is_tried_among_thousands)
{
	char name[16];

	write_matching("a+c", "a");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	for (unsigned i = 0; i < 2 * COSTLY_TRIED_MAX; i++) {
		snprintf(name, sizeof name, "many-%u", i);
		world_add(&world, name, NULL, "root.a", "text=a");
	}
	world_add(&world, "lone", NULL, "root,root.a", "text=" LONG_TEXT);
	write_matching(COSTLY, "a");
	cr_expect_lt(world_reload(&world), 0);
	cr_expect(said("such as lone"), "%s", text_str(&world.text));
}
