/*
 * What a change would do to every device is told before any device gets it, and asking changes nothing.
 */
#include <errno.h>

#include "control/runs/forecast.h"
#include "control/runs/reload_plan.h"
#include "tests/unit/control_world.h"

enum { FLEET = 1000 };

static struct world world;
static struct text text;
static json_t *result;

static void
set_up(void)
{
	world_start(&world);
	text_init(&text);
}

static void
tear_down(void)
{
	json_decref(result);
	text_fini(&text);
	world_stop(&world);
}

TestSuite(forecast, .init = set_up, .fini = tear_down);

#define TASK(writes) "<config><lwm2mBootstrap>" writes "</lwm2mBootstrap></config>"
#define SERVER_1     "<write key=\"/1/0/0\" value=\"2\" /><write key=\"/1/0/1\" value=\"60\" />"
#define SECURITY_2(uri, ssid, key)                                                                 \
	"<write key=\"/0/2/0\" value=\"" uri "\" /><write key=\"/0/2/10\" value=\"" ssid "\" />"   \
	"<write key=\"/0/2/5\" value=\"" key "\" />"
#define OWN_KEY "${sv.id.encodeHex}"

static void
add_fleet(unsigned n)
{
	char name[32], values[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "m-%06u", i);
		snprintf(values, sizeof values, "id=id%u", i);
		world_add(&world, name, NULL, "root.a", values);
	}
}

/* A task that all of root.a run, live. */
static void
live_task(const char *xml)
{
	world_write(&world, "policy/tasks/first.xml", xml);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

static int
plan_for(const char *task)
{
	const struct reload_plan plan = { .service = world.service, .task = task };

	text_fini(&text);
	json_decref(result);
	result = NULL;
	return reload_plan_run(&plan, &text, &result);
}

static int
plan(const char *xml)
{
	world_write(&world, "policy/tasks/first.xml", xml);
	return plan_for(NULL);
}

static long
number(const char *name)
{
	return (long)json_integer_value(json_object_get(result, name));
}

static const json_t *
danger(const char *kind)
{
	const json_t *list = json_object_get(result, "dangers");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *at = json_array_get(list, i);

		if (strcmp(json_string_value(json_object_get(at, "kind")), kind) == 0)
			return at;
	}
	return NULL;
}

static long
endangered(const char *kind)
{
	return (long)json_integer_value(json_object_get(danger(kind), "devices"));
}

static long
operations(const char *name, const char *how)
{
	const json_t *list = json_object_get(result, "operations");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *at = json_array_get(list, i);

		if (strcmp(json_string_value(json_object_get(at, "operation")), name) == 0)
			return (long)json_integer_value(json_object_get(at, how));
	}
	return 0;
}

static bool
says(const char *words)
{
	return strstr(text_str(&text), words);
}

static const char before[] = TASK(SECURITY_2("coap://h:1", "2", OWN_KEY) SERVER_1);

Test(forecast, what_is_wrong_as_a_whole_is_refused_with_its_place)
{
	cr_assert_eq(plan("<config><nonsense/></config>"), -EINVAL);
	cr_assert(says("first.xml") && says("nothing was changed"), "%s", text_str(&text));
	cr_assert_null(json_object_get(result, "devices"));
}

Test(forecast, a_change_of_nothing_concerns_nobody)
{
	add_fleet(10);
	live_task(before);
	cr_assert_eq(plan(before), 0);
	cr_assert_eq(number("changed") + number("failing") + number("concerned"), 0);
	cr_assert_eq(number("devices"), 13);
	/* Other text, the same bytes. */
	cr_assert_eq(plan("<config> <lwm2mBootstrap>" SECURITY_2("coap://h:1", "2", OWN_KEY)
				  SERVER_1 "</lwm2mBootstrap></config>"),
		     0);
	cr_assert_eq(number("concerned"), 12);
	cr_assert_eq(number("changed"), 0);
}

Test(forecast, what_breaks_for_some_is_told_by_its_cause)
{
	char name[32];

	add_fleet(FLEET);
	for (unsigned i = 0; i < FLEET; i += 100) {
		snprintf(name, sizeof name, "odd-%u", i);
		world_add(&world, name, NULL, "root.a", "id=x,port=none");
	}
	live_task(before);
	cr_assert_eq(
		plan(TASK(SECURITY_2("coap://h:${(sv.port ? '1').toInt}", "2", OWN_KEY) SERVER_1)),
		-EINVAL);
	cr_assert_eq(number("failing"), FLEET / 100);
	cr_assert_eq(number("changed"), 0, "%s", text_str(&text));
	cr_assert_eq(number("failing_before"), 1, "dev-2 has no id");
	cr_assert_eq(json_array_size(json_object_get(result, "causes")), 1);
	cr_assert(says("task first (g:root.a:1)") && says("such as odd-0"), "%s", text_str(&text));
}

Test(forecast, what_breaks_for_all_is_told_and_nobody_gets_it)
{
	const struct batch *batch;
	uint32_t tasks;

	add_fleet(FLEET);
	live_task(before);
	batch = world_batch(&world, "m-000001");
	tasks = world.service->reports.n_tasks;
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root.a\"; tasks = ( { name = \"another\"; file = "
		    "\"first.xml\"; } ); }, { name = \"root\"; } );\n");
	cr_assert_eq(plan(TASK(SECURITY_2("${sv.nowhere}", "2", OWN_KEY) SERVER_1)), -EINVAL);
	cr_assert_eq(number("failing"), FLEET + 1); /* dev-1, too */
	cr_assert_eq(world_batch(&world, "m-000001"), batch);
	cr_assert_eq(world.service->generation->number, 2);
	cr_assert_eq(world.service->reports.n_tasks, tasks, "what is planned gets no number");
	cr_assert_eq(world_reload(&world), 0);
}

Test(forecast, operations_are_counted_by_path)
{
	add_fleet(20);
	live_task(before);
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:1", "2", OWN_KEY) "<write key=\"/1/0/0\" "
								      "value=\"2\" /><write "
								      "key=\"/1/0/1\" value=\"61\" "
								      "/><write key=\"/1/0/7\" "
								      "value=\"U\" />")),
		     0);
	cr_assert_eq(number("changed"), 21);
	cr_assert_eq(operations("/1/0/1", "changed"), 21);
	cr_assert_eq(operations("/1/0/7", "added"), 21);
	cr_assert_eq(operations("/0/2/0", "changed") + operations("/0/2/5", "changed"), 0);
	cr_assert_eq(json_array_size(json_object_get(result, "dangers")), 0, "%s", text_str(&text));
	cr_assert(says("-     /1/0/1 Lifetime = 60") && says("+     /1/0/1 Lifetime = 61"), "%s",
		  text_str(&text));
	cr_assert_eq(plan(TASK("<delete key=\"/0/3\" />" SECURITY_2("coap://h:1", "2", OWN_KEY)
				       SERVER_1)),
		     0);
	cr_assert_eq(operations("delete /0/3", "added"), 21);
}

Test(forecast, another_address_is_dangerous)
{
	add_fleet(20);
	live_task(before);
	cr_assert_eq(plan(TASK(SECURITY_2("coap://new:1", "3", OWN_KEY) SERVER_1)), 0);
	cr_assert_eq(endangered("uri"), 21);
	cr_assert_eq(endangered("ssid"), 21);
	cr_assert_eq(endangered("new_host"), 21);
	cr_assert(says("coap://h:1 -> coap://new:1") && says("new: 21 devices"), "%s",
		  text_str(&text));
	/* Another port of the same host, and a host that others are sent to already. */
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:2", "2", OWN_KEY) SERVER_1)), 0);
	cr_assert_eq(endangered("uri"), 21);
	cr_assert_eq(endangered("new_host"), 0);
}

#define LONG_HOST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define E10 "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"

Test(forecast, of_long_addresses_it_is_shown_where_they_differ)
{
	add_fleet(1);
	live_task(TASK(SECURITY_2("coap://" LONG_HOST ":1", "2", OWN_KEY) SERVER_1));
	cr_assert_eq(plan(TASK(SECURITY_2("coap://" LONG_HOST ":2", "2", OWN_KEY) SERVER_1)), 0);
	cr_expect(strstr(text_str(&text), "...1 -> ...2"), "%s", text_str(&text));
	/* One that is cut is cut between characters, and says so. */
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h/" LONG_HOST, "2", OWN_KEY) SERVER_1)), 0);
	cr_expect(strstr(text_str(&text), "a... -> ...h/aaa"), "%s", text_str(&text));
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h/" E10 E10 E10 E10, "2", OWN_KEY) SERVER_1)), 0);
	cr_expect_not(strstr(text_str(&text), "\\x"), "%s", text_str(&text));
	cr_expect(strstr(text_str(&text), "\u00e9..."), "%s", text_str(&text));
}

Test(forecast, a_host_of_devices_that_do_not_change_is_not_new)
{
	add_fleet(20);
	world_write(
		&world, "policy/groups.conf",
		"groups = ( { name = \"root\"; }, { name = \"root.a\"; tasks = ( { name = "
		"\"first\"; file = \"first.xml\"; } ); }, { name = \"root.b\"; tasks = ( { name "
		"= \"other\"; file = \"other.xml\"; } ); } );\n");
	world_write(&world, "policy/tasks/other.xml",
		    TASK(SECURITY_2("coap://there:1", "2", "aa") SERVER_1));
	live_task(before);
	world_add(&world, "b-1", NULL, "root.b", NULL);
	cr_assert_eq(plan(TASK(SECURITY_2("coap://there:1", "2", OWN_KEY) SERVER_1)), 0);
	cr_assert_eq(endangered("uri"), 21);
	cr_assert_eq(endangered("new_host"), 0, "%s", text_str(&text));
}

Test(forecast, one_key_for_many_is_dangerous_and_never_shown)
{
	add_fleet(20);
	live_task(before);
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:1", "2", "5ec2") SERVER_1)), 0);
	cr_assert_eq(endangered("shared_key"), 22, "dev-2 gets one now");
	cr_assert(says("one key for 22 devices") && says("~     /0/2/5"), "%s", text_str(&text));
	cr_assert(!says("5ec2") && !says("id1") && !says("696431"), "%s", text_str(&text));
	/* A key of one's own that changes is no danger. */
	cr_assert_eq(
		plan(TASK(SECURITY_2("coap://h:1", "2", "${(sv.id + 'x').encodeHex}") SERVER_1)),
		0);
	cr_assert_eq(number("changed"), 21);
	cr_assert_eq(endangered("shared_key"), 0);
}

Test(forecast, the_last_server_and_the_account_are_dangerous)
{
	add_fleet(20);
	live_task(before);
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:1", "2", OWN_KEY))), 0);
	cr_assert_eq(endangered("last_server"), 21);
	cr_assert_eq(
		plan(TASK(SECURITY_2("coap://h:1", "2", OWN_KEY) SERVER_1 "<delete key=\"/1\" />")),
		0);
	cr_assert_eq(endangered("last_server"), 21, "deleted behind what is written");
	cr_assert_eq(
		plan(TASK("<delete key=\"/1\" />" SECURITY_2("coap://h:1", "2", OWN_KEY) SERVER_1)),
		0);
	cr_assert_eq(endangered("last_server"), 0, "deleted, and written anew");
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:1", "2", OWN_KEY) SERVER_1
			       "<write key=\"/0/1/0\" value=\"coap://h:9\" />"
			       "<write key=\"/0/1/1\" value=\"true\" />")),
		     0);
	cr_assert_eq(endangered("account"), 21);
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:1", "2", OWN_KEY) SERVER_1
			       "<write key=\"/0/0/0\" value=\"coap://h:9\" />")),
		     0);
	cr_assert_eq(endangered("account"), 21, "instance 0 is where it is mostly");
}

Test(forecast, devices_that_get_nothing_any_more_are_told)
{
	add_fleet(20);
	live_task(before);
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; }, { name = \"root.a\"; } );\n");
	cr_assert_eq(plan_for(NULL), 0);
	cr_assert_eq(endangered("nothing"), 21);
	cr_assert(says("tasks removed: 1"), "%s", text_str(&text));
}

Test(forecast, what_is_made_for_every_session_is_compared_with_the_same_random)
{
	add_fleet(20);
	live_task(TASK(SECURITY_2("coap://h:1", "2", "${string.secureRandom(16).encodeHex}")
			       SERVER_1));
	cr_assert_eq(plan(TASK(SECURITY_2("coap://h:2", "2", "${string.secureRandom(16).encodeHex}")
				       SERVER_1)),
		     0);
	cr_assert_eq(number("changed"), 22);
	cr_assert_eq(operations("/0/2/0", "changed"), 22);
	cr_assert_eq(operations("/0/2/5", "changed"), 0, "%s", text_str(&text));
	cr_assert_eq(endangered("shared_key"), 0);
	cr_assert_eq(endangered("new_host"), 0, "%s", text_str(&text));
}

Test(forecast, a_task_is_planned_for_its_own_devices)
{
	add_fleet(20);
	live_task(before);
	world_write(&world, "policy/tasks/first.xml",
		    TASK(SECURITY_2("coap://h:3", "2", OWN_KEY) SERVER_1));
	cr_assert_eq(plan_for("g:root.a:1"), 0);
	cr_assert_eq(number("devices"), 22);
	cr_assert_eq(number("changed"), 21);
	cr_assert_eq(plan_for("g:root.a:9"), 0);
	cr_assert_eq(number("devices") + number("changed"), 0);
}

static bool
at_once(void *ctx)
{
	return true;
}

Test(forecast, may_be_called_off)
{
	struct reload_plan asked = { .service = world.service, .cancelled = at_once };

	add_fleet(3000);
	live_task(before);
	world_write(&world, "policy/tasks/first.xml",
		    TASK(SECURITY_2("coap://h:3", "2", OWN_KEY) SERVER_1));
	cr_assert_eq(reload_plan_run(&asked, &text, &result), -ECANCELED);
	cr_assert(says("called off") && number("concerned") < 3000, "%s", text_str(&text));
}

Test(frequent, finds_what_is_frequent_among_very_many)
{
	struct frequent_item top[4];
	struct frequent frequent;

	cr_assert_eq(frequent_init(&frequent), 0);
	for (uint64_t i = 0; i < 20 * FREQUENT_SLOTS; i++) {
		frequent_put(&frequent, UINT64_C(0x9e3779b97f4a7c15) * (i + 1), (uint32_t)i);
		if (i % 100 == 0)
			frequent_put(&frequent, 7, 42);
	}
	cr_assert_geq(frequent_top(&frequent, top, 4), 1);
	cr_assert(top[0].hash == 7 && top[0].tag == 42);
	cr_assert_leq(top[0].count, FREQUENT_SLOTS / 5 + 1);
	cr_assert_geq(top[0].count, FREQUENT_SLOTS / 5 - 22, "%u", top[0].count);
	frequent_fini(&frequent);
}
