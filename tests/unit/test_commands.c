/*
 * The command table: help knows every command, unknown words get the nearest, secrets stay
 * masked.
 */
#include "control/commands/commands.h"
#include "tasks/utf8.h"
#include "tests/unit/control_world.h"

static struct world world;
static struct ctl_answer answer;

static void
set_up(void)
{
	world_start(&world);
}

static void
forget(void)
{
	free(answer.text);
	free(answer.error);
	free(answer.next);
	json_decref(answer.result);
	if (answer.source.fill)
		answer.source.free(answer.source.ctx);
	answer = (struct ctl_answer){ 0 };
}

static void
tear_down(void)
{
	forget();
	world_stop(&world);
}

TestSuite(commands, .init = set_up, .fini = tear_down);

/* `line` in words; the exit code. */
static int
ask(const char *line)
{
	static char copy[256];
	const char *argv[16];
	struct ctl_request request = { .argv = argv, .fd = -1 };
	char *word = copy, *space;

	forget();
	snprintf(copy, sizeof copy, "%s", line);
	do {
		argv[request.argc++] = word;
		space = strchr(word, ' ');
		if (space) {
			*space = '\0';
			word = space + 1;
		}
	} while (space);
	commands_serve(&world.daemon, &request, &answer);
	return answer.exit;
}

static bool
complains(const char *words)
{
	return answer.error && strstr(answer.error, words);
}

static bool
says(const char *words)
{
	return answer.text && strstr(answer.text, words);
}

Test(commands, not_understood)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "device list --state redy",
		  "a state is ready, nothing, bootstrapping or returning, not \"redy\"" },
		{ "statu", "did you mean \"status\"" },
		{ "task lst", "did you mean \"task list\"" },
		{ "cluster pol", "did you mean \"cluster policy pull\"" },
		{ "tsak list", "did you mean \"task list\"" },
		{ "task", "say one of: task list, task check" },
		{ "group value", "say one of: group value set, group value unset" },
		{ "group value sett a b c", "say one of: group value set, group value unset" },
		{ "frobnicate", "`cradlectl help`" },
		{ "stats --al", "did you mean --all" },
		{ "stats --worker", "needs a value" },
		{ "stats --worker x", "must be a number" },
		{ "stats --all=1", "takes no value" },
		{ "stats a b", "unexpected argument" },
		{ "device show", "usage: device show ENDPOINT" },
		{ "log level loud", "a level is" },
		{ "help relod", "did you mean \"reload\"" },
		{ "completion zsh", "bash only" },
		{ "reload --force", "has no option" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_expect_eq(ask(cases[i].line), CTL_USAGE, "%s", cases[i].line);
		cr_expect(complains(cases[i].words), "%s: %s", cases[i].line, answer.error);
	}
}

Test(commands, refused)
{
	cr_expect_eq(ask("device show dev-11"), CTL_REFUSED);
	cr_expect(complains("did you mean \"dev-1\""));
	cr_expect_eq(ask("task list --group root.b"), CTL_REFUSED);
	cr_expect(complains("did you mean \"root.a\""));
	cr_expect_eq(ask("report list --device nobody"), CTL_REFUSED);
	cr_expect_eq(ask("stats --worker 7"), CTL_REFUSED);
	cr_expect_eq(ask("check /nonexistent/cradle.conf"), CTL_DONE);
	cr_expect_eq(answer.want, CTL_WANT_READ, "the client opens it, and says what is wrong");
	world_write(&world, "policy/groups.conf", "groups = 5;");
	cr_expect_eq(ask("reload"), CTL_REFUSED);
	cr_expect(complains("still running generation 1"));
	cr_expect_null(answer.text);
}

Test(commands, control_characters_do_not_come_back)
{
	cr_expect_eq(ask("st\033[2Jatus"), CTL_USAGE);
	cr_expect_null(strchr(answer.error, '\033'));
}

Test(commands, help_knows_every_command_and_setting)
{
	cr_expect_eq(ask("help"), CTL_DONE);
	for (unsigned i = 0; i < n_commands; i++)
		cr_expect(says(commands[i].words), "%s", commands[i].words);
	for (unsigned i = 0; i < n_commands; i++) {
		char line[64];

		snprintf(line, sizeof line, "help %s", commands[i].words);
		cr_expect_eq(ask(line), CTL_DONE, "%s", line);
		cr_expect(says(commands[i].help), "%s", line);
	}
	cr_expect_eq(ask("help manual"), CTL_DONE);
	cr_expect(says("limits.linger_s") && says("bs_finished") && says("device show ENDPOINT"));
	cr_expect_eq(ask("help settings sessions"), CTL_DONE);
	cr_expect(says("64 to 67108864"));
}

/* The list of commands fits a terminal of 120 columns; what a command can be told stands below its name. */
Test(commands, help_fits_a_screen)
{
	cr_expect_eq(ask("help"), CTL_DONE);
	for (const char *line = answer.text; *line; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");

		cr_expect_leq(len, 120, "%.*s", (int)len, line);
		line += len;
	}
	cr_expect_eq(ask("help task add"), CTL_DONE);
	cr_expect(says("task add [OPTION...] FILE\n") && says("--repetition WORD: "));
	cr_expect_eq(ask("help device import"), CTL_DONE);
	cr_expect(says("device import [--format FORMAT] [--verify-only] [--skip-bad] [FILE]\n"));
}

/* A narrow terminal gets more lines, never less of what a command does. */
Test(commands, help_is_wrapped_and_never_cut)
{
	static const unsigned widths[] = { 72, 80, 100 };

	for (unsigned w = 0; w < sizeof widths / sizeof *widths; w++) {
		const char *argv[] = { "help" };
		const struct ctl_request request = {
			.argc = 1, .argv = argv, .fd = -1, .width = widths[w]
		};

		forget();
		commands_serve(&world.daemon, &request, &answer);
		cr_assert_eq(answer.exit, CTL_DONE);
		cr_expect_null(strstr(answer.text, "\xe2\x80\xa6"), "an ellipsis");
		for (const char *at = answer.text; *at; at += strspn(at, "\n")) {
			size_t len = strcspn(at, "\n");

			cr_expect_leq(len, widths[w], "%.*s", (int)len, at);
			at += len;
		}
	}
}

Test(commands, completion_offers_every_word)
{
	cr_expect_eq(ask("completion bash"), CTL_DONE);
	for (unsigned i = 0; i < n_commands; i++) {
		const char *space = strrchr(commands[i].words, ' ');

		cr_expect(says(space ? space + 1 : commands[i].words), "%s", commands[i].words);
	}
	cr_expect(says("complete -o default -F _cradlectl cradlectl"));
}

/* conf/bash-completion is this text: made by `cradlectl completion bash`. */
/* A list for a client that takes pages. */
/* The row of a setting in the last answer. */
static const json_t *
setting(const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer.result, "settings"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
			return row;
	}
	return NULL;
}

static const char *
setting_says(const char *name, const char *key)
{
	const char *text = json_string_value(json_object_get(setting(name), key));

	return text ? text : "";
}

Test(commands, settings_tell_what_a_reload_and_a_restart_would_change)
{
	cr_assert_eq(ask("setting list"), CTL_DONE);
	cr_expect_str_eq(setting_says("sessions", "value"), "65536");
	cr_expect_null(json_object_get(setting("sessions"), "on_disk"));
	cr_expect(json_is_true(json_object_get(answer.result, "good")));
	world_write(&world, "cradle.conf",
		    WORLD_CONF "sessions = 128; limits = { max_retransmit = 2; };\n");
	cr_assert_eq(ask("setting list --changed"), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "settings")), 2);
	cr_expect_str_eq(setting_says("sessions", "on_disk"), "128");
	cr_expect_str_eq(setting_says("sessions", "takes"), "restart");
	cr_expect_str_eq(setting_says("limits.max_retransmit", "takes"), "reload");
	cr_expect(strstr(answer.text, "a reload would change 1 of them, a restart 2"), "%s",
		  answer.text);
	cr_assert_eq(ask("setting list limits.* --changed"), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "settings")), 1);
	/* What cannot be made live changes nothing, and what runs is told all the same. */
	world_write(&world, "cradle.conf", WORLD_CONF "sessions = nonsense;\n");
	cr_assert_eq(ask("setting list"), CTL_DONE);
	cr_expect(json_is_false(json_object_get(answer.result, "good")));
	cr_expect_gt(json_array_size(json_object_get(answer.result, "diagnostics")), 0);
	cr_expect_str_eq(setting_says("sessions", "value"), "65536");
	cr_expect(strstr(answer.text, "cannot be made live"), "%s", answer.text);
}

static int
ask_page(const char *page)
{
	const char *argv[] = { "device", "list" };
	const struct ctl_request request = {
		.argc = 2, .argv = argv, .json = true, .fd = -1, .page = page
	};

	forget();
	commands_serve(&world.daemon, &request, &answer);
	return answer.exit;
}

Test(commands, a_place_to_go_on_from_is_checked)
{
	static const char *const bad[] = { "x",   "1",   "1/",   "/1",  "1/x",  "1/1x",
					   "1;1", "-/-", "1/1/", "a/1", " 1/1", "1/-1" };

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_eq(ask_page(bad[i]), CTL_USAGE, "%s", bad[i]);
	/* Beyond the end is the end, whoever says so. */
	cr_expect_eq(ask_page("4000000000/7"), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "devices")), 0);
	cr_expect_eq(json_integer_value(json_object_get(answer.result, "count")), 7);
	cr_expect_null(answer.next);
	cr_expect_eq(ask_page(""), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "devices")), 3);
	cr_expect(!answer.text && !answer.next);
}

/* cradlectl takes these for its own, wherever they stand. */
Test(commands, no_command_has_an_option_of_the_clients)
{
	static const char *const own[] = { "--json", "--progress", "--wide", "--columns",
					   "--sort" };

	for (unsigned i = 0; i < n_commands; i++)
		for (unsigned o = 0; o < commands[i].n_options; o++)
			for (unsigned k = 0; k < sizeof own / sizeof *own; k++)
				cr_expect_str_neq(commands[i].options[o].name, own[k], "%s",
						  commands[i].words);
}

/* A call has places for so many. */
Test(commands, no_command_has_more_options_than_a_call_holds)
{
	for (unsigned i = 0; i < n_commands; i++)
		cr_expect_leq(commands[i].n_options, COMMAND_OPTIONS_MAX, "%s", commands[i].words);
}

Test(commands, shipped_completion_is_up_to_date)
{
	static char shipped[65536];
	FILE *file = fopen(SOURCE_ROOT "/conf/bash-completion", "r");

	cr_assert_not_null(file);
	shipped[fread(shipped, 1, sizeof shipped - 1, file)] = '\0';
	fclose(file);
	cr_expect_eq(ask("completion bash"), CTL_DONE);
	cr_expect_str_eq(answer.text, shipped);
}

Test(commands, secrets_are_masked_for_people_and_machines)
{
	char *json;

	cr_expect_eq(ask("device show dev-1"), CTL_DONE);
	cr_expect(says("i1") && says("********") && says("root.a") && says("5 bytes"));
	cr_expect_not(says("pw\n") || says("k-e-y"));
	json = json_dumps(answer.result, 0);
	cr_expect_null(strstr(json, "\"pw\""));
	cr_expect_null(strstr(json, "k-e-y"));
	free(json);
}

Test(commands, status_stats_and_lists_answer)
{
	cr_expect_eq(ask("status"), CTL_DONE);
	cr_expect(says("generation 1: 2 groups, 1 task, 3 devices"));
	cr_expect_eq(json_array_size(json_object_get(answer.result, "workers")), 2);
	cr_expect_eq(ask("phases"), CTL_DONE);
	cr_expect(says("total         100    1.0 ms  1.0 ms  2.10 s"));
	cr_expect_eq(ask("stats bs_*"), CTL_DONE);
	cr_expect(says("bs_finished") && !says("bs_started"));
	cr_expect_eq(ask("stats bs_* --all --worker 1"), CTL_DONE);
	cr_expect(says("bs_started") && !says("coap_rx"));
	cr_expect_eq(ask("stats bs_unknown_untold"), CTL_DONE);
	cr_expect(says("the former name of bs_unknown_unreported"));
	cr_expect_not_null(
		json_object_get(json_object_get(answer.result, "counters"), "bs_unknown_untold"));
	cr_expect_eq(ask("task list"), CTL_DONE);
	cr_expect(says("g:root.a:1"));
	cr_expect_eq(ask("device list --group root.a --limit 1"), CTL_DONE);
	cr_expect(says("dev-1") && !says("dev-2") && says("1 more: --offset 1"));
	cr_expect_eq(ask("device list --offset 2"), CTL_DONE);
	cr_expect(says("dev-3") && !says("dev-1"));
	cr_expect_eq(ask("unknown list"), CTL_DONE);
	cr_expect_eq(ask("session list"), CTL_DONE);
	cr_expect_eq(ask("report list"), CTL_DONE);
	cr_expect_eq(ask("check"), CTL_DONE);
}

static void
begin_session(const char *endpoint)
{
	const struct device *device = world_device(&world, endpoint);
	struct session_event event = { .kind = SESSION_STARTED,
				       .device = device_id(device),
				       .plan = device->plan->number,
				       .session = { 1, 7 } };

	fake_event(&world.dp, 1, &event);
	events_take(world.service);
}

Test(commands, a_session_tells_how_far_it_is)
{
	static const struct session_progress progress = { .running = true,
							  .phase = RUN_PHASE_WRITES,
							  .step = 1,
							  .received = 3,
							  .sent = 9,
							  .retransmitted = 2,
							  .silent_ms = 4200 };
	const json_t *item;

	begin_session("dev-1");
	cr_expect_eq(ask("session show dev-1"), CTL_DONE);
	cr_expect_not(says("messages"), "its worker does not tell: %s", answer.text);
	world.dp.progress = &progress;
	cr_expect_eq(ask("session list"), CTL_DONE);
	cr_expect(says("2 of 3") && says("writes") && says("4.2"), "%s", answer.text);
	item = json_array_get(json_object_get(answer.result, "sessions"), 0);
	cr_expect_eq(json_integer_value(json_object_get(item, "step")), 2);
	cr_expect_eq(json_integer_value(json_object_get(item, "steps")), 3);
	cr_expect_eq(json_integer_value(json_object_get(item, "silent_ms")), 4200);
	cr_expect_eq(json_integer_value(json_object_get(item, "retransmitted")), 2);
	cr_expect_eq(ask("session show dev-1"), CTL_DONE);
	cr_expect(says("  step 2 of 3, writes\n"), "%s", answer.text);
	cr_expect(says("messages: 3 received, the last 4.2 seconds ago; 9 sent, 2 of them again"),
		  "%s", answer.text);
}

static void
expect_narrow(const char *text, size_t columns)
{
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
		cr_expect_leq(strcspn(at, "\n"), columns, "%.*s", (int)strcspn(at, "\n"), at);
}

Test(commands, a_report_is_shown_a_value_a_line)
{
	const struct device *device = world_device(&world, "dev-1");
	struct session_event event = { .kind = SESSION_FAILED,
				       .cause = CAUSE_TIMEOUT,
				       .device = device_id(device),
				       .plan = device->plan->number,
				       .session = { 1, 7 },
				       .received = 3,
				       .sent = 9,
				       .retransmitted = 4 };

	begin_session("dev-1");
	fake_event(&world.dp, 1, &event);
	events_take(world.service);
	cr_expect_eq(ask("report show g:root.a:1 dev-1"), CTL_DONE, "%s", answer.error);
	cr_expect(says("g:root.a:1 on dev-1\n") && says("  status    Error\n"), "%s", answer.text);
	cr_expect(says("  summary   "), "%s", answer.text);
	expect_narrow(answer.text, 80);
}

static void
reject(const char *endpoint, enum session_cause cause, const char *name)
{
	struct session_event event = { .kind = SESSION_REJECTED,
				       .cause = cause,
				       .name_len = (uint8_t)strlen(name),
				       .device = device_id(world_device(&world, endpoint)) };

	memcpy(event.name, name, strlen(name));
	rejected_devices_see(world.service->rejected, &event, 1000);
}

Test(commands, rejected_devices_are_listed)
{
	cr_expect_eq(ask("status"), CTL_DONE);
	cr_expect_not(says("rejected"));
	reject("dev-1", CAUSE_KEY, "");
	reject("dev-2", CAUSE_IDENTITY, "dev-\x1b[2J");
	cr_expect_eq(ask("status"), CTL_DONE);
	cr_expect(says("rejected: 2 devices"));
	reject("dev-3", CAUSE_NOSEC, "");
	cr_expect_eq(ask("device turned-away"), CTL_DONE);
	cr_expect(says("dev-1") && says("wrong key"));
	cr_expect(says("dev-2") && says("asked as another: dev-\\x1b[2J"), "%s", answer.text);
	cr_expect(says("dev-3") && says("over NoSec, though it has a key"));
	cr_expect(says("`device edit NAME --nosec on` serves it over NoSec"), "%s", answer.text);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "turned_away")), 3);
	cr_expect_eq(ask("device rejected"), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "rejected")), 3);
	cr_expect_eq(ask("device remove dev-3"), CTL_DONE);
	cr_expect_eq(ask("device show dev-1"), CTL_DONE);
	cr_expect(says("rejected  wrong key; 1 time, last 1970-01-01"), "%s", answer.text);
	cr_expect_eq(ask("device show dev-2"), CTL_DONE);
	cr_expect(says("the device must ask under the endpoint name"), "%s", answer.text);
	cr_expect_eq(ask("device remove dev-1"), CTL_DONE);
	cr_expect_eq(world.service->rejected->count, 1);
}

Test(commands, a_device_may_be_let_over_nosec)
{
	cr_expect_eq(ask("device edit dev-1 --nosec maybe"), CTL_USAGE);
	cr_expect(complains("--nosec is on or off"), "%s", answer.error);
	cr_expect_eq(ask("device show dev-1"), CTL_DONE);
	cr_expect(says("nosec     off"), "%s", answer.text);
	cr_expect_eq(ask("device edit dev-1 --nosec on"), CTL_DONE);
	cr_expect(world_device(&world, "dev-1")->entry->flags & DEVICE_NOSEC);
	cr_expect_eq(ask("device show dev-1"), CTL_DONE);
	cr_expect(says("nosec     on"), "%s", answer.text);
	cr_expect_eq(ask("device list --nosec"), CTL_DONE);
	cr_expect(says("dev-1") && !says("dev-2"), "%s", answer.text);
	cr_expect_eq(ask("check"), CTL_DONE);
	cr_expect(says("1 device is served here whatever key it has"), "%s", answer.text);
	cr_expect_eq(ask("device edit dev-1 --domain d"), CTL_DONE);
	cr_expect(world_device(&world, "dev-1")->entry->flags & DEVICE_NOSEC, "forgotten");
	cr_expect_eq(ask("device edit dev-1 --nosec off"), CTL_DONE);
	cr_expect_not(world_device(&world, "dev-1")->entry->flags & DEVICE_NOSEC);
	cr_expect_eq(ask("check"), CTL_DONE);
	cr_expect_not(says("whatever key"), "%s", answer.text);
	cr_expect_eq(world.service->inventory.nosec, 0);
}

Test(commands, drain_reaches_every_worker)
{
	cr_expect_eq(ask("drain"), CTL_DONE);
	cr_assert_eq(world.dp.n_commands, 2);
	cr_expect_eq(world.dp.commands[1].kind, STACK_DRAIN);
	cr_expect(world.dp.commands[1].on);
	cr_expect_eq(ask("undrain"), CTL_DONE);
	cr_expect_not(world.dp.commands[3].on);
}

/* What a device or a task says of itself: escape sequences, line breaks, half a character, no text. */
static const char odd[] = "\033[2J\nforged row \xc3";

static void
tell_oddly(void)
{
	struct report_change change = { .device = device_id(world_device(&world, "dev-1")),
					.task = 1,
					.status = TASK_ERROR,
					.started_ms = 1000,
					.finished_ms = 2000,
					.summary = odd };

	reports_set(&world.service->reports, &change);
}

Test(commands, nothing_that_a_task_says_breaks_a_list_or_steers_a_terminal)
{
	const char *summary;

	tell_oddly();
	cr_expect_eq(ask("report list"), CTL_DONE);
	cr_expect(says("\\x1b[2J\\x0aforged row \\xc3"), "%s", answer.text);
	cr_expect_null(strchr(answer.text, '\033'));
	cr_expect_null(strstr(answer.text, "\nforged"));
	cr_assert_eq(json_array_size(json_object_get(answer.result, "reports")), 1);
	summary = json_string_value(json_object_get(
		json_array_get(json_object_get(answer.result, "reports"), 0), "summary"));
	cr_assert_not_null(summary);
	cr_expect(strstr(summary, "forged row \\xc3"), "%s", summary);
	cr_expect_eq(ask("device show dev-1"), CTL_DONE);
	cr_expect(says("\\x0aforged row \\xc3"), "%s", answer.text);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "tasks")), 1);
}

Test(commands, names_and_values_with_control_characters_make_no_rows)
{
	cr_assert_eq(ask("device add two\nrows\033[31m --domain a\nb"), CTL_DONE);
	cr_assert_eq(ask("device value set dev-1 na\nme te\033xt"), CTL_DONE);
	cr_expect_eq(ask("device list"), CTL_DONE);
	cr_expect(says("two\\x0arows\\x1b[31m  "), "%s", answer.text);
	cr_expect_eq(ask("device show two\nrows\033[31m"), CTL_DONE);
	cr_expect(says("two\\x0arows\\x1b[31m\n"), "%s", answer.text);
	cr_expect(says("a\\x0ab\n"), "%s", answer.text);
	cr_expect_eq(ask("device profile dev-1"), CTL_DONE);
	cr_expect(says("na\\x0ame") && says("te\\x1bxt"), "%s", answer.text);
}

Test(commands, a_complaint_is_cut_at_a_character)
{
	char line[200] = "status x";

	for (unsigned i = 0; i < 40; i++)
		strcat(line, "\u00e9");
	cr_expect_eq(ask(line), CTL_USAGE);
	cr_assert_not_null(answer.error);
	cr_expect(utf8_valid(answer.error, strlen(answer.error)), "%s", answer.error);
	cr_expect(complains("\u00e9\u00e9\""), "%s", answer.error);
}

/* ---- preview ---- */

static void
use_groups(const char *first, const char *second)
{
	char text[1024];

	snprintf(text, sizeof text,
		 "groups = ( { name = \"root\"; }, { name = \"root.a\"; tasks = (\n"
		 "  { name = \"first\"; file = \"first.xml\"; %s },\n"
		 "  { name = \"second\"; file = \"first.xml\"; %s } ); } );\n",
		 first, second);
	world_write(&world, "policy/groups.conf", text);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

Test(commands, a_preview_decides_as_a_run_would)
{
	char schedule[96], next[32];
	time_t later = time(NULL) + 2 * 24 * 60 * 60;
	struct report_change change = { .task = 1,
					.status = TASK_SUCCESS,
					.started_ms = clock_now_ms(),
					.finished_ms = clock_now_ms(),
					.summary = "" };
	struct tm tm;

	gmtime_r(&later, &tm);
	strftime(schedule, sizeof schedule, "schedule = \"%a 02:00-03:00 UTC\";", &tm);
	strftime(next, sizeof next, "next %a 02:00 UTC", &tm);
	use_groups(schedule, "active = false;");
	cr_expect_eq(ask("task preview dev-1"), CTL_DONE);
	cr_expect(says("not now") && says(next), "%s", answer.text);
	cr_expect(says("paused") && says("nothing would be sent"), "%s", answer.text);
	cr_expect_not(says("would be sent "), "%s", answer.text);
	cr_expect_eq(ask("task preview dev-1 --regardless"), CTL_DONE);
	cr_expect(says("would be sent") && says("PUT /0/2"), "%s", answer.text);

	use_groups("min_interval = 3600;", "active = false;");
	cr_expect_eq(ask("task preview dev-1"), CTL_DONE);
	cr_expect(says("PUT /0/2"), "%s", answer.text);
	change.device = device_id(world_device(&world, "dev-1"));
	reports_set(&world.service->reports, &change);
	cr_expect_eq(ask("task preview dev-1"), CTL_DONE);
	cr_expect(says("minimum interval") && says("next 20"), "%s", answer.text);
	cr_expect_not(says("PUT /0/2"), "%s", answer.text);
}

/* The key of a client's file. */
static int
ask_with_file(const char *line, const char *text)
{
	static char copy[256];
	const char *argv[16];
	struct ctl_request request = { .argv = argv };
	char path[] = "/tmp/carried-XXXXXX";

	request.fd = mkstemp(path);
	cr_assert_geq(request.fd, 0);
	unlink(path);
	cr_assert_eq(write(request.fd, text, strlen(text)), (ssize_t)strlen(text));
	forget();
	snprintf(copy, sizeof copy, "%s", line);
	for (char *at = copy, *word; (word = strsep(&at, " "));)
		argv[request.argc++] = word;
	commands_serve(&world.daemon, &request, &answer);
	close(request.fd);
	return answer.exit;
}

static void
see_unknown(enum unknown_over over, const char *name)
{
	struct session_event event = { .over = (uint8_t)over,
				       .device = device_id(world_device(&world, "dev-1")),
				       .name_len = (uint8_t)strlen(name) };

	memcpy(event.name, name, strlen(name));
	unknown_devices_see(world.service->unknowns, &event, 1000);
}

Test(commands, unknown_devices_with_their_security_and_identity)
{
	static const struct {
		enum unknown_over over;
		const char *name, *security, *identity;
	} cases[] = {
		{ UNKNOWN_OVER_NOSEC, "a", "nosec", "" },
		{ UNKNOWN_OVER_PSK, "b", "psk", "b" },
		{ UNKNOWN_OVER_RAW_KEY, "spki-sha256:00", "rpk", "spki-sha256:00" },
		{ UNKNOWN_OVER_CERTIFICATE, "c", "certificate", "" },
		{ UNKNOWN_OVER_DEVICE, "other", "dtls", "dev-1" },
		{ UNKNOWN_OVER_UNTOLD, "old", "-", "" },
	};
	json_t *item;
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		see_unknown(cases[i].over, cases[i].name);
	cr_assert_eq(ask("unknown list"), CTL_DONE);
	json_array_foreach(json_object_get(answer.result, "unknown"), i, item)
	{
		cr_expect_str_eq(json_string_value(json_object_get(item, "security")),
				 cases[i].security);
		cr_expect_str_eq(json_string_value(json_object_get(item, "identity")),
				 cases[i].identity);
	}
	cr_expect_eq(i, sizeof cases / sizeof cases[0]);
}

/* It would stay refused: its identity is that of the device it is. */
Test(commands, adopting_another_name_of_a_known_device_is_warned_of)
{
	see_unknown(UNKNOWN_OVER_DEVICE, "other");
	see_unknown(UNKNOWN_OVER_PSK, "new");
	cr_expect_eq(ask("unknown adopt other --key k"), CTL_DONE, "%s", answer.error);
	cr_expect(says("warning: it asked with the identity of device dev-1"), "%s", answer.text);
	cr_expect_not_null(json_object_get(answer.result, "warning"));
	cr_expect_eq(ask("unknown adopt new --key k"), CTL_DONE, "%s", answer.error);
	cr_expect_not(says("warning"), "%s", answer.text);
}

/* An export of it could not be imported again. */
Test(commands, endpoint_names_are_utf_8)
{
	see_unknown(UNKNOWN_OVER_NOSEC, "\xff\xfe");
	cr_expect_eq(ask("unknown adopt \\xff\\xfe --key k"), CTL_REFUSED);
	cr_expect(complains("is no UTF-8"), "%s", answer.error);
	cr_expect_eq(ask("device add \\xc3\\x28 --key k"), CTL_REFUSED);
	cr_expect(complains("is no UTF-8"), "%s", answer.error);
	cr_expect_eq(ask("device add z\xc3\xa4hler --key k"), CTL_DONE, "%s", answer.error);
	cr_expect_eq(ask("unknown adopt \\xff\\xfe --key k --endpoint named"), CTL_DONE, "%s",
		     answer.error);
}

Test(commands, identities_of_any_bytes_are_taken_as_they_are_shown)
{
	const struct session_event event = { .name = { 0xff, 0xfe, 0, 1 }, .name_len = 4 };
	const struct device *device;

	unknown_devices_see(world.service->unknowns, &event, 1000);
	cr_expect_eq(ask("unknown list"), CTL_DONE);
	cr_expect(says("\\xff\\xfe\\x00\\x01"), "%s", answer.text);
	cr_expect_eq(ask("unknown adopt \\xff\\xfe\\x00\\x01 --key k"), CTL_REFUSED);
	cr_expect(complains("--endpoint NAME"), "%s", answer.error);
	cr_expect_eq(ask("unknown adopt \\xff\\xfe\\x00\\x01 --key k --endpoint e1"), CTL_DONE,
		     "%s", answer.error);
	device = inventory_find_identity(&world.service->inventory, "\xff\xfe\0\1", 4);
	cr_assert_eq(device, world_device(&world, "e1"));
	cr_expect_eq(world.service->unknowns->count, 0);
	cr_expect_eq(ask("device show e1"), CTL_DONE);
	cr_expect(says("identity  \\xff\\xfe\\x00\\x01 (hex fffe0001)"), "%s", answer.text);
	cr_expect_str_eq(json_string_value(json_object_get(answer.result, "identity_hex")),
			 "fffe0001");
	cr_expect_eq(ask("device edit e1 --identity-hex 00:ff"), CTL_DONE, "%s", answer.error);
	cr_expect_not_null(inventory_find_identity(&world.service->inventory, "\0\xff", 2));
	cr_expect_eq(ask("device edit e1 --identity \\x00\\xfe"), CTL_DONE);
	cr_expect_not_null(inventory_find_identity(&world.service->inventory, "\0\xfe", 2));
	cr_expect_eq(ask("device add e2 --key k --identity-hex 00fe"), CTL_REFUSED);
	cr_expect(complains("belongs to device e1"), "%s", answer.error);
	cr_expect_eq(ask("device add e\\x1b --groups root.a;root"), CTL_DONE, "%s", answer.error);
	cr_expect_eq(ask("device show e\\x1b"), CTL_DONE, "%s", answer.error);
	cr_expect(says("groups    root.a,root\n"), "%s", answer.text);
}

Test(commands, a_key_may_come_in_a_file_that_argv_does_not_show)
{
	cr_expect_eq(ask("device add f1 --key-file -"), CTL_DONE);
	cr_expect_eq(answer.want, CTL_WANT_READ);
	cr_expect_eq(answer.want_word, 4);
	cr_expect_eq(ask("device add f1 --key-file=-"), CTL_USAGE);
	cr_expect_eq(ask_with_file("device add f1 --key-file -", "s e c\n"), CTL_DONE, "%s",
		     answer.error);
	cr_expect_eq(world_device(&world, "f1")->entry->key_len, 5);
	cr_expect_eq(ask_with_file("device edit f1 --key-hex-file k", "00:11\r\n"), CTL_DONE, "%s",
		     answer.error);
	cr_expect_eq(world_device(&world, "f1")->entry->key_len, 2);
	cr_expect_eq(ask_with_file("device edit f1 --key-file k", ""), CTL_USAGE);
	cr_expect_eq(ask_with_file("device edit f1 --key-file k --key x", "y"), CTL_USAGE);
}

Test(commands, reports_by_status_and_age)
{
	struct report_change change = { .device = device_id(world_device(&world, "dev-1")),
					.task = 1,
					.status = TASK_ERROR,
					.started_ms = 1767225600000, /* 2026-01-01 */
					.finished_ms = 1767225600001,
					.summary = "old" };

	reports_set(&world.service->reports, &change);
	change.device = device_id(world_device(&world, "dev-2"));
	change.status = TASK_SUCCESS;
	change.started_ms = change.finished_ms = clock_now_ms();
	change.summary = "fresh";
	reports_set(&world.service->reports, &change);
	cr_expect_eq(ask("report list --status error"), CTL_DONE);
	cr_expect(says("old") && !says("fresh"), "%s", answer.text);
	cr_expect_eq(ask("report list --since 1h"), CTL_DONE);
	cr_expect(says("fresh") && !says("old"), "%s", answer.text);
	cr_expect_eq(ask("report list --since 2025-12-31"), CTL_DONE);
	cr_expect(says("fresh") && says("old"), "%s", answer.text);
	cr_expect_eq(ask("report list --since 2026-01-01T00:00:01Z --status success"), CTL_DONE);
	cr_expect(says("fresh") && !says("old"), "%s", answer.text);
	cr_expect_eq(ask("report list --since yesterday"), CTL_USAGE);
	cr_expect_eq(ask("report list --status broken"), CTL_USAGE);
}

Test(commands, a_refusal_has_no_heading_before_it)
{
	cr_expect_eq(ask("report list --device nobody"), CTL_REFUSED);
	cr_expect(complains("there is no device"));
	cr_expect_null(answer.text);
}
