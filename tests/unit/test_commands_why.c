/*
 * `why`: one answer for each state that a device can be in, by the decisions of a run; names that no
 * device has.
 */
#include "control/commands/commands.h"
#include "control/runs/rejected_devices.h"
#include "control/runs/unknown_devices.h"
#include "tasks/utf8.h"
#include "tests/unit/control_world.h"

static struct world world;
static struct ctl_answer answer;
static unsigned width;

static void
set_up(void)
{
	world_start(&world);
	world.service->config->listeners[0].allow_keyed_devices = true;
	width = 0;
}

static void
forget(void)
{
	free(answer.text);
	free(answer.error);
	json_decref(answer.result);
	answer = (struct ctl_answer){ 0 };
}

static void
tear_down(void)
{
	forget();
	world_stop(&world);
}

TestSuite(commands_why, .init = set_up, .fini = tear_down);

static int
why(const char *name)
{
	const char *argv[] = { "why", name };
	const struct ctl_request request = { .argc = 2, .argv = argv, .fd = -1, .width = width };

	forget();
	commands_serve(&world.daemon, &request, &answer);
	return answer.exit;
}

static const char *
verdict(void)
{
	return json_string_value(json_object_get(answer.result, "verdict"));
}

static bool
says(const char *words)
{
	const char *text = answer.exit == CTL_DONE ? answer.text : answer.error;

	return text && strstr(text, words);
}

/* The reason of the i-th task. */
static const char *
reason(size_t i)
{
	return json_string_value(json_object_get(
		json_array_get(json_object_get(answer.result, "tasks"), i), "reason"));
}

static void
use_tasks(const char *tasks)
{
	char text[2048];

	snprintf(text, sizeof text,
		 "groups = ( { name = \"root\"; }, { name = \"root.a\"; tasks = ( %s ); },\n"
		 "  { name = \"root.a.b\"; } );\n",
		 tasks);
	world_write(&world, "policy/groups.conf", text);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

static void
set_report(const char *endpoint, enum task_status status, const char *summary)
{
	const struct report_change change = { .task = 1,
					      .device = device_id(world_device(&world, endpoint)),
					      .status = status,
					      .started_ms = clock_now_ms(),
					      .finished_ms = clock_now_ms(),
					      .summary = summary };

	reports_set(&world.service->reports, &change);
}

static void
reject(const char *endpoint, uint8_t cause, const char *as)
{
	struct session_event event = { .kind = SESSION_REJECTED,
				       .cause = cause,
				       .device = device_id(world_device(&world, endpoint)),
				       .name_len = (uint8_t)strlen(as) };

	memcpy(event.name, as, strlen(as));
	rejected_devices_see(world.service->rejected, &event, clock_now_ms());
}

/* ---- negative cases ---- */

Test(commands_why, no_device_of_that_name)
{
	cr_expect_eq(why("nobody-at-all"), CTL_REFUSED);
	cr_expect(says("there is no device \"nobody-at-all\""), "%s", answer.error);
	cr_expect_str_eq(verdict(), "unknown");
	cr_expect_eq(json_array_size(json_object_get(answer.result, "similar")), 0);
	cr_expect_not(says("unknown  "));
	cr_expect_eq(why(""), CTL_REFUSED);
}

Test(commands_why, control_characters_of_a_name_do_not_come_back)
{
	cr_expect_eq(why("dev\033[2J"), CTL_REFUSED);
	cr_expect_null(strchr(answer.error, '\033'));
}

Test(commands_why, similar_names_are_offered)
{
	static const struct {
		const char *name, *similar;
	} cases[] = {
		{ "dev-11", "dev-1" },
		{ "DEV-1", "dev-1" },
		{ "  dev-2 ", "dev-2" },
		{ "urn:imei:dev-3", "dev-3" },
		{ "490154203237518", "urn:imei:490154203237518" },
		{ "who-am-i", "dev-4" }, /* its identity */
	};
	struct device_spec spec = { .endpoint = "dev-4",
				    .identity = "who-am-i",
				    .identity_len = 8 };
	char error[STORE_ERROR_MAX];
	bool created;

	world_add(&world, "urn:imei:490154203237518", NULL, NULL, NULL);
	cr_assert_eq(device_change_put(world.service, &spec, &created, error), 0, "%s", error);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool found = false;
		json_t *item;
		size_t k;

		cr_expect_eq(why(cases[i].name), CTL_REFUSED, "%s", cases[i].name);
		json_array_foreach(json_object_get(answer.result, "similar"), k, item)
		{
			found |= strcmp(json_string_value(item), cases[i].similar) == 0;
		}
		cr_expect(found, "%s: %s", cases[i].name, answer.error);
	}
}

Test(commands_why, who_asked_by_the_name_is_told)
{
	struct session_event event = { .kind = SESSION_UNKNOWN, .name_len = 5, .name = "ghost" };

	unknown_devices_see(world.service->unknowns, &event, clock_now_ms());
	reject("dev-1", CAUSE_IDENTITY, "ghost");
	cr_expect_eq(why("ghost"), CTL_REFUSED);
	cr_expect(says("it asked 1 time,") && says("`unknown adopt`"), "%s", answer.error);
	cr_expect(says("device dev-1 showed its own key"), "%s", answer.error);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "rejected")), 1);
	cr_expect_eq(why("ghos"), CTL_REFUSED);
	cr_expect_not(says("`unknown adopt`"), "another name");
}

/* ---- devices ---- */

Test(commands_why, ready)
{
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "ready");
	cr_expect_str_eq(reason(0), "sent");
	cr_expect(says("dev-1: a request now is sent 1 task in 3 requests"), "%s", answer.text);
	cr_expect(says("5 bytes") && says("identity \"dev-1\""), "%s", answer.text);
	cr_expect_null(strstr(answer.text, "k-e-y"));
}

Test(commands_why, no_task)
{
	cr_expect_eq(why("dev-3"), CTL_DONE);
	cr_expect_str_eq(verdict(), "no_task");
	use_tasks("{ name = \"first\"; file = \"first.xml\"; active = false; }");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "no_task");
	cr_expect_str_eq(reason(0), "paused");
	cr_expect(says("`task resume`"));
}

/* What holds a task back is told once, by whichever ways its group is reached. */
Test(commands_why, tasks_that_are_not_for_it)
{
	use_tasks("{ name = \"own\"; file = \"first.xml\"; subgroups = false; },\n"
		  "{ name = \"kin\"; file = \"first.xml\"; subgroups = true; bloodline = \"x\"; "
		  "priority = 1; },\n"
		  "{ name = \"late\"; file = \"first.xml\"; subgroups = true; bloodline = \"x\"; "
		  "priority = 2; }");
	world_add(&world, "below", NULL, "root.a.b", "id=i2");
	cr_expect_eq(why("below"), CTL_DONE);
	cr_expect_str_eq(reason(0), "sent");
	cr_expect_str_eq(reason(1), "subgroups");
	cr_expect_str_eq(reason(2), "bloodline");
	cr_expect(says("task g:root.a:2 of the same bloodline"), "%s", answer.text);
	world_add(&world, "both", NULL, "root.a,root.a.b", "id=i3");
	cr_expect_eq(why("both"), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "tasks")), 3, "%s",
		     answer.text);
}

Test(commands_why, not_now_says_when)
{
	uint64_t now_ms = clock_now_ms(), next_ms;
	char text[256];
	time_t later = (time_t)(now_ms / 1000) + 2 * 24 * 60 * 60;
	struct tm tm;

	gmtime_r(&later, &tm);
	strftime(text, sizeof text,
		 "{ name = \"first\"; file = \"first.xml\"; min_interval = 3600; schedule = \"%a "
		 "02:00-03:00 UTC\"; }",
		 &tm);
	use_tasks(text);
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "not_now");
	cr_expect_str_eq(reason(0), "schedule");
	next_ms = (uint64_t)json_integer_value(json_object_get(answer.result, "next_ms"));
	cr_expect_gt(next_ms, now_ms);
	cr_expect_eq(next_ms / 1000 % 86400, 2 * 3600, "two o'clock, UTC");
	cr_expect(says("its minimum interval is 3600 s") && says("its schedule is"), "%s",
		  answer.text);

	use_tasks("{ name = \"first\"; file = \"first.xml\"; min_interval = 3600; }");
	set_report("dev-1", TASK_SUCCESS, "");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(reason(0), "min_interval");
	next_ms = (uint64_t)json_integer_value(json_object_get(answer.result, "next_ms"));
	cr_expect(next_ms > now_ms + 3590000 && next_ms <= clock_now_ms() + 3600000);
	world_add(&world, "dev-5", NULL, "root.a", "id=i5"); /* which has not run it */
	cr_expect_eq(why("dev-5"), CTL_DONE);
	cr_expect_str_eq(reason(0), "sent");
}

Test(commands_why, done_once)
{
	use_tasks("{ name = \"first\"; file = \"first.xml\"; repetition = \"once\"; }");
	set_report("dev-1", TASK_SUCCESS, "");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(reason(0), "done");
	cr_expect_str_eq(verdict(), "nothing_to_send");
	cr_expect(says("`task rerun`"));
}

Test(commands_why, a_condition_and_a_task_that_fails)
{
	use_tasks("{ name = \"first\"; file = \"first.xml\"; condition = \"${false}\"; }");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(reason(0), "condition");
	use_tasks("{ name = \"first\"; file = \"first.xml\"; }");
	cr_expect_eq(why("dev-2"), CTL_DONE); /* it has no sv.id */
	cr_expect_str_eq(verdict(), "fails");
	cr_expect(says("sv.id"), "%s", answer.text);
}

Test(commands_why, the_last_refusal)
{
	set_report("dev-1", TASK_ERROR, "PUT /0/2 answered 4.00 Bad Request");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect(says("task first: PUT /0/2 answered 4.00"), "%s", answer.text);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_object_get(answer.result, "last_refusal"), "status")),
			 "Error");
	set_report("dev-1", TASK_SUCCESS, "");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_not(says("trouble  "));
}

Test(commands_why, rejected)
{
	reject("dev-1", CAUSE_KEY, "");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "rejected");
	cr_expect(says("wrong key") && says("`device edit --key`"), "%s", answer.text);
}

Test(commands_why, rejected_for_whatever_cause)
{
	for (unsigned cause = 0; cause < 64; cause++) {
		reject("dev-1", (uint8_t)cause, "x");
		cr_expect_eq(why("dev-1"), CTL_DONE, "%u", cause);
		cr_expect_str_eq(verdict(), "rejected");
	}
}

/* dev-1 has a key: without security it is served where its listener or the device is set so. */
Test(commands_why, without_security_by_the_workers_rule)
{
	json_t *served;

	world.service->config->listeners[0].allow_keyed_devices = false;
	cr_expect_eq(why("dev-1"), CTL_DONE);
	served = json_object_get(json_object_get(answer.result, "security"),
				 "served_without_security");
	cr_expect(json_is_false(served));
	cr_expect(says("it can come over DTLS"), "%s", answer.text);
	cr_expect_str_eq(verdict(), "no_way_in", "there is no listener with DTLS");
	world.service->config->listeners[0].allow_keyed_devices = true;
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "ready");
}

Test(commands_why, draining)
{
	world.daemon.health.draining = true;
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "draining");
}

Test(commands_why, no_way_in)
{
	world.service->config->listeners[0].security = LISTENER_PSK;
	cr_expect_eq(why("dev-2"), CTL_DONE);
	cr_expect_str_eq(verdict(), "no_way_in");
	cr_expect_eq(why("dev-1"), CTL_DONE);
	cr_expect_str_eq(verdict(), "ready", "it has a key");
}

Test(commands_why, it_fits_the_terminal)
{
	static const char *const names[] = { "dev-1", "dev-2", "dev-3", "dev-11" };

	reject("dev-2", CAUSE_IDENTITY, "dev-11");
	set_report(
		"dev-1", TASK_ERROR,
		"a summary that is much longer than a line of any terminal of eighty columns is, "
		"andawordthatislongerthanthatbyitselfandhasnoplacewhereitcouldbebrokeninanydecentwa"
		"yatall");
	width = 80;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *text;

		(void)why(names[i]);
		text = answer.exit == CTL_DONE ? answer.text : answer.error;
		for (const char *at = text; *at; at += strspn(at, "\n")) {
			size_t len = strcspn(at, "\n");

			cr_expect_leq(utf8_width(at, len), width, "%.*s", (int)len, at);
			at += len;
		}
	}
}
