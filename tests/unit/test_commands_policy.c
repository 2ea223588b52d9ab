/*
 * Servers, groups and tasks by command: wrong ones are refused whole and leave the files alone,
 * right ones are written and live.
 */
#include "control/commands/commands.h"
#include "control/commands/policy_edit.h"
#include "tests/unit/control_world.h"

static struct world world;
static struct ctl_answer answer;
static int sent = -1; /* the file that the client carries */

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
	json_decref(answer.result);
	answer = (struct ctl_answer){ 0 };
}

static void
tear_down(void)
{
	if (sent >= 0)
		close(sent);
	forget();
	world_stop(&world);
}

TestSuite(commands_policy, .init = set_up, .fini = tear_down);

/* Words separated by '|'; the exit code. */
static int
ask(const char *line)
{
	static char copy[1024];
	const char *argv[32];
	struct ctl_request request = { .argv = argv, .fd = sent };
	char *word = copy;

	forget();
	snprintf(copy, sizeof copy, "%s", line);
	while (word) {
		char *bar = strchr(word, '|');

		argv[request.argc++] = word;
		if (bar)
			*bar++ = '\0';
		word = bar;
	}
	commands_serve(&world.daemon, &request, &answer);
	return answer.exit;
}

/* The client opens a file of this content. */
static void
carry(const char *text)
{
	char path[] = "/tmp/carried-XXXXXX";

	if (sent >= 0)
		close(sent);
	sent = mkstemp(path);
	cr_assert_geq(sent, 0);
	unlink(path);
	cr_assert_eq(write(sent, text, strlen(text)), (ssize_t)strlen(text));
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

static const char *
read_file(const char *name)
{
	static char text[65536];
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/policy/%s", world.folder, name);
	file = fopen(path, "r");
	if (!file)
		return NULL;
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	return text;
}

static bool
file_says(const char *name, const char *words)
{
	const char *text = read_file(name);

	return text && strstr(text, words);
}

static const struct policy *
live(void)
{
	return world.service->generation->policy;
}

#define SERVER "server|add|m1|--uri|h|--ssid|2|--psk|${sv.psk}"

Test(commands_policy, refused_and_nothing_is_changed)
{
	static const struct {
		const char *line, *words;
		int exit;
	} cases[] = {
		{ "server|add|m1", "\"uri\" is missing", CTL_REFUSED },
		{ "server|add|m1|--uri|coap://h|--ssid|2", "write coaps", CTL_REFUSED },
		{ "server|add|m1|--uri|h|--ssid|two", "must be a whole number", CTL_USAGE },
		{ "server|add|m1|--uri|h|--ssid|2|--psk-hex|maybe", "on or off", CTL_USAGE },
		{ "server|add|m1|--url|h", "did you mean --uri", CTL_USAGE },
		{ "server|edit|m1|--ssid|3", "there is no server", CTL_REFUSED },
		{ "server|edit|m1", "say what to change", CTL_USAGE },
		{ "server|show|m1", "there is no server", CTL_REFUSED },
		{ "server|remove|m1", "there is no server", CTL_REFUSED },
		{ "group|add|root.a", "already", CTL_REFUSED },
		{ "group|add|root.x.y", "add root.x", CTL_REFUSED },
		{ "group|add|toor", "is no group name", CTL_REFUSED },
		{ "group|edit|root.b|--priority|1", "did you mean \"root.a\"", CTL_REFUSED },
		{ "group|edit|root.a|--priority|10000000", "out of range", CTL_REFUSED },
		{ "group|show|root.b", "did you mean \"root.a\"", CTL_REFUSED },
		{ "group|remove|root", "it stays", CTL_REFUSED },
		{ "group|remove|root.a", "1 task and 2 devices", CTL_REFUSED },
		/* devices.conf still has devices in it: the reload refuses, and all is put back. */
		{ "group|remove|root.a|--recursive", "still running generation 1", CTL_REFUSED },
		{ "group|value|unset|root.a|none", "sets no value", CTL_REFUSED },
		{ "group|value|set|root.b|x|y", "did you mean \"root.a\"", CTL_REFUSED },
		{ "task|edit|g:root.a:2|--priority|1", "did you mean \"g:root.a:1\"", CTL_REFUSED },
		{ "task|edit|nonsense|--priority|1", "there is no task", CTL_REFUSED },
		{ "task|edit|g:root.a:1|--schedule|Mun", "did you mean \"Mon\"", CTL_REFUSED },
		{ "task|edit|g:root.a:1|--condition|${sv.}", "groups.conf:", CTL_REFUSED },
		{ "task|edit|g:root.a:1|--condition|perhaps", "neither true nor false",
		  CTL_REFUSED },
		{ "task|edit|g:root.a:1|--repetition|twice", "repeat, once", CTL_REFUSED },
		{ "task|edit|g:root.a:1|--file|none.xml", "none.xml", CTL_REFUSED },
		{ "task|copy|g:root.a:1", "say which group", CTL_USAGE },
		{ "task|copy|g:root.a:1|--group|root.a", "two tasks named", CTL_REFUSED },
		{ "task|show|g:root.b:1", "did you mean", CTL_REFUSED },
		{ "task|pause|g:root.a:9", "there is no task", CTL_REFUSED },
		{ "task|remove|g:root:1", "there is no task", CTL_REFUSED },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_expect_eq(ask(cases[i].line), cases[i].exit, "%s", cases[i].line);
		cr_expect(complains(cases[i].words), "%s: %s", cases[i].line, answer.error);
		cr_expect_null(answer.text);
		cr_expect_str_eq(read_file("groups.conf"), WORLD_GROUPS, "%s", cases[i].line);
		cr_expect_null(read_file("servers.conf"), "%s", cases[i].line);
	}
	cr_expect_eq(world.service->generation->number, 1);
}

static bool
is_link(const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof path, "%s/policy/%s", world.folder, name);
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Whoever keeps tasks elsewhere finds them there, and the folder as it was. */
Test(commands_policy, a_linked_file_that_goes_comes_back_as_a_link_where_the_reload_refuses)
{
	char path[256];

	world_write(&world, "first.xml", WORLD_TASK);
	snprintf(path, sizeof path, "%s/policy/tasks/first.xml", world.folder);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink("../../first.xml", path), 0);
	world_write(&world, "cradle.conf", "nonsense");
	cr_expect_eq(ask("task|remove|g:root.a:1|--with-file"), CTL_REFUSED);
	cr_expect(complains("still running generation 1"), "%s", answer.error);
	cr_expect(is_link("tasks/first.xml"));
	world_write(&world, "cradle.conf", WORLD_CONF);
	cr_expect_eq(ask("task|remove|g:root.a:1|--with-file"), CTL_DONE, "%s", answer.error);
	cr_expect_null(read_file("tasks/first.xml"));
	cr_expect_str_eq(read_file("../first.xml"), WORLD_TASK);
}

Test(commands_policy, a_file_that_is_wrong_already_is_told_and_left_alone)
{
	world_write(&world, "policy/groups.conf", "groups = ( { name = ); # mine\n");
	cr_expect_eq(ask("group|add|root.c"), CTL_REFUSED);
	cr_expect(complains("groups.conf:1: error:") && complains("nothing was changed"));
	cr_expect_str_eq(read_file("groups.conf"), "groups = ( { name = ); # mine\n");
}

Test(commands_policy, a_server_from_nothing_to_gone)
{
	cr_expect_eq(ask(SERVER), CTL_DONE, "%s", answer.error);
	cr_expect(says("server m1 added") && says("generation 1 -> 2"));
	cr_expect(json_is_true(json_object_get(answer.result, "changed")));
	cr_assert_eq(live()->n_servers, 1);
	cr_expect_str_eq(live()->servers[0].uri, "coaps://h:5684");
	cr_expect_eq(ask(SERVER), CTL_REFUSED);
	cr_expect(complains("already"));
	cr_expect_eq(ask("server|edit|m1|--name|first \"one\"|--lifetime|60"), CTL_DONE);
	cr_expect_str_eq(live()->servers[0].name, "first \"one\"");
	cr_expect_eq(live()->servers[0].lifetime_s, 60);
	cr_expect_eq(ask("server|edit|m1|--lifetime|"), CTL_DONE);
	cr_expect_eq(live()->servers[0].lifetime_s, 86400);
	cr_expect_eq(ask("server|list"), CTL_DONE);
	cr_expect(says("m1") && says("coaps://h:5684"));
	cr_expect_eq(ask("server|remove|m1"), CTL_DONE);
	cr_expect_eq(live()->n_servers, 0);
	cr_expect_not(file_says("servers.conf", "m1"));
}

Test(commands_policy, a_server_that_tasks_write_stays)
{
	cr_expect_eq(ask(SERVER), CTL_DONE);
	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrapConfiguration serverId=\"m1\"/>"
		    "<lwm2mBootstrap performBootstrapFinish=\"true\"/></config>");
	cr_expect_eq(ask("reload"), CTL_DONE);
	cr_expect_eq(ask("server|show|m1"), CTL_DONE);
	cr_expect(says("g:root.a:1 (first)"));
	cr_expect_eq(ask("server|remove|m1"), CTL_REFUSED);
	cr_expect(complains("server m1 is written by g:root.a:1: change or remove"));
	cr_expect(file_says("servers.conf", "m1"));
}

Test(commands_policy, keys_are_masked)
{
	cr_expect_eq(ask("server|add|m1|--uri|h|--ssid|2|--psk|${sv.id.hmacSHA256('MASTER')}"),
		     CTL_DONE, "%s", answer.error);
	cr_expect_eq(ask("server|add|m2|--uri|h|--ssid|3|--psk|LITERAL"), CTL_DONE);
	cr_expect_eq(ask("server|show|m1"), CTL_DONE);
	cr_expect(says("${sv.id.hmacSHA256('********')}") && !says("MASTER"));
	cr_expect_eq(ask("server|show|m2"), CTL_DONE);
	cr_expect(says("********") && !says("LITERAL"));
	cr_expect_eq(ask("group|value|set|root.a|pin|4711|--secret"), CTL_DONE);
	cr_expect_eq(ask("group|show|root.a"), CTL_DONE);
	cr_expect(says("pin") && says("********") && !says("4711"));
	world_write(&world, "policy/tasks/first.xml",
		    "<config><store target=\"psk\" value=\"STORED\"/><lwm2mBootstrap>"
		    "<write key=\"/0/2/5\" value=\"6B6579\"/><write key=\"/0/2/3\" value=\"6964\"/>"
		    "</lwm2mBootstrap></config>");
	cr_expect_eq(ask("reload"), CTL_DONE);
	cr_expect_eq(ask("task|show|g:root.a:1"), CTL_DONE);
	cr_expect(says("6964") && !says("6B6579") && !says("STORED"));
}

Test(commands_policy, values_in_either_form)
{
	cr_expect_eq(ask("group|value|set|root.a|shared|two"), CTL_DONE, "%s", answer.error);
	cr_expect(file_says("groups.conf", "values = { shared = \"two\"; }"));
	cr_expect_eq(ask("group|value|set|root.a|more|x|--locked"), CTL_DONE);
	cr_expect(file_says("groups.conf", "more = { value = \"x\"; locked = true; };"));
	/* A name that no group can have as a member makes it a list, and nothing is lost. */
	cr_expect_eq(ask("group|value|set|root.a|odd.name|y|--secret"), CTL_DONE, "%s",
		     answer.error);
	cr_expect(file_says("groups.conf",
			    "values = ( { name = \"shared\"; value = \"two\"; }, "
			    "{ name = \"more\"; value = \"x\"; locked = true; }, "
			    "{ name = \"odd.name\"; value = \"y\"; secret = true; } )"),
		  "%s", read_file("groups.conf"));
	cr_expect_eq(ask("group|value|set|root.a|more|z"), CTL_DONE);
	cr_expect(file_says("groups.conf", "{ name = \"more\"; value = \"z\"; }"));
	cr_expect_eq(ask("group|value|unset|root.a|shared"), CTL_DONE);
	cr_expect_eq(ask("group|value|unset|root.a|odd.name"), CTL_DONE);
	cr_expect(file_says("groups.conf", "values = ( { name = \"more\"; value = \"z\"; } )"),
		  "%s", read_file("groups.conf"));
	cr_expect_eq(ask("group|value|set|root|top|1"), CTL_DONE);
	cr_expect(file_says("groups.conf", "{ name = \"root\"; values = { top = \"1\"; }; }"));
}

Test(commands_policy, groups_grow_and_go)
{
	cr_expect_eq(ask("group|add|root.b|--description|the second|--priority|5"), CTL_DONE, "%s",
		     answer.error);
	cr_expect_eq(ask("group|add|root.b.c"), CTL_DONE);
	cr_expect_eq(policy_group(live(), "root.b", 6)->priority, 5);
	cr_expect_eq(ask("group|edit|root.b|--description||--priority|-1"), CTL_DONE);
	cr_expect_eq(policy_group(live(), "root.b", 6)->priority, -1);
	cr_expect_str_eq(policy_group(live(), "root.b", 6)->description, "");
	cr_expect_eq(ask("group|list"), CTL_DONE);
	cr_expect(says("root.b.c"));
	cr_expect_eq(ask("group|remove|root.b"), CTL_REFUSED);
	cr_expect(complains("1 subgroup,"));
	cr_expect_eq(ask("group|remove|root.b|--recursive"), CTL_DONE);
	cr_expect_null(policy_group(live(), "root.b.c", 8));
	cr_expect_str_eq(read_file("groups.conf"), WORLD_GROUPS, "as if nothing had been");
}

Test(commands_policy, a_task_is_copied_into_the_folder_and_live)
{
	cr_expect_eq(ask("task|add|/tmp/t/new.xml|--group|root.a"), CTL_DONE);
	cr_expect_eq(answer.want, CTL_WANT_READ, "the client is asked for the file");
	cr_expect_eq(answer.want_word, 2);
	carry("<config><lwm2mBootstrap><wirte/></lwm2mBootstrap></config>");
	cr_expect_eq(ask("task|add|/tmp/t/new.xml|--group|root.a"), CTL_REFUSED);
	cr_expect(complains("tasks/new.xml:1:") && complains("did you mean <write>"));
	cr_expect_null(read_file("tasks/new.xml"));
	carry("<config><lwm2mBootstrap/></config>");
	cr_expect_eq(ask("task|add|/tmp/t/new.xml|--group|root.a|--comment|c1|--repetition|once"
			 "|--bloodline|b|--schedule|Mon-Fri 02:00-05:00 UTC|--min-interval|60"
			 "|--condition|${sv.x == 'y'}|--log-level|debug|--discard-details|on"
			 "|--active|off|--automatic-restart|no"),
		     CTL_DONE, "%s", answer.error);
	cr_expect_str_eq(read_file("tasks/new.xml"), "<config><lwm2mBootstrap/></config>");
	cr_expect_str_eq(json_string_value(json_object_get(answer.result, "id")), "g:root.a:2");
	cr_expect_str_eq(json_string_value(json_object_get(answer.result, "done")),
			 "task g:root.a:2 added");
	cr_assert_eq(policy_group(live(), "root.a", 6)->n_tasks, 2);

	const struct policy_task *task = &policy_group(live(), "root.a", 6)->tasks[1];

	cr_expect_str_eq(task->id, "g:root.a:2");
	cr_expect_eq(task->repetition, REPETITION_ONCE);
	cr_expect_eq(task->min_interval_s, 60);
	cr_expect_eq(task->log_level, TASK_LOG_DEBUG);
	cr_expect(task->discard_details && !task->active && !task->automatic_restart);
	cr_expect(task->schedule && task->condition && task->condition->depends == EXPR_DEVICE);
	cr_expect_str_eq(task->bloodline, "b");
	cr_expect_eq(strlen(task->created), 20);
	cr_expect_eq(ask("task|list"), CTL_DONE);
	cr_expect(says("c1") && says("once") && says("new.xml"));
	carry("<config><lwm2mBootstrap performBootstrapFinish=\"false\"/></config>");
	cr_expect_eq(ask("task|add|new.xml|--group|root|--name|n"), CTL_REFUSED);
	cr_expect(complains("--replace"));
	cr_expect_eq(ask("task|add|new.xml|--group|root|--name|n|--replace"), CTL_DONE);
	cr_expect(file_says("tasks/new.xml", "false"));
	cr_expect_eq(ask("task|remove|g:root:1|--with-file"), CTL_REFUSED);
	cr_expect(complains("other tasks run"));
	cr_expect_eq(ask("task|remove|g:root:1"), CTL_DONE);
	cr_expect_eq(ask("task|remove|g:root.a:2|--with-file"), CTL_DONE);
	cr_expect_null(read_file("tasks/new.xml"));
}

Test(commands_policy, warnings_of_other_files_are_counted_not_told_again)
{
	carry("<config><lwm2mBootstrap><write key=\"/0/5/10\" "
	      "value=\"5\"/></lwm2mBootstrap></config>");
	cr_expect_eq(ask("task|add|partial.xml|--group|root.a"), CTL_DONE);
	cr_expect(says("policy/tasks/partial.xml:1:") && says(": warning: "), "%s", answer.text);
	cr_expect_eq(ask("group|add|root.b"), CTL_DONE);
	cr_expect_not(says(": warning: "), "%s", answer.text);
	cr_expect(says("group root.b added\n") && says("of other files: `check` shows") &&
		  says("generation 2 -> 3\n"));
	cr_expect_gt(json_array_size(json_object_get(answer.result, "diagnostics")), 0);
	cr_expect_eq(ask("check"), CTL_DONE);
	cr_expect(says("policy/tasks/partial.xml:1:"));
}

Test(commands_policy, ids_stay_when_other_tasks_go)
{
	carry("<config><lwm2mBootstrap/></config>");
	cr_expect_eq(ask("task|copy|g:root.a:1|--group|root.a|--name|second"), CTL_DONE, "%s",
		     answer.error);
	cr_expect_eq(ask("task|copy|g:root.a:2|--group|root|--name|elsewhere"), CTL_DONE, "%s",
		     answer.error);
	cr_expect_str_eq(policy_group(live(), "root", 4)->tasks[0].id, "g:root:1");
	cr_expect_eq(ask("task|edit|g:root.a:2|--priority|7|--subgroups|on"), CTL_DONE);
	cr_expect_eq(ask("task|pause|g:root.a:2"), CTL_DONE);
	cr_expect_eq(ask("task|remove|g:root.a:1"), CTL_DONE);
	cr_assert_eq(policy_group(live(), "root.a", 6)->n_tasks, 1);

	const struct policy_task *task = &policy_group(live(), "root.a", 6)->tasks[0];

	cr_expect_str_eq(task->id, "g:root.a:2");
	cr_expect(task->subgroups && !task->active && task->priority == 7);
	cr_expect_eq(ask("task|resume|g:root.a:2"), CTL_DONE);
	cr_expect(policy_task_find(live(), "g:root.a:2")->active);
}

Test(commands_policy, numbers_that_the_file_leaves_open_are_written_down_before_one_goes)
{
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root.a\"; tasks = (\n"
		    "  { name = \"a\"; file = \"first.xml\"; }, # one\n"
		    "  { name = \"b\"; file = \"first.xml\"; number = 5; },\n"
		    "  { name = \"c\"; file = \"first.xml\"; } # three\n"
		    "); } );\n");
	cr_expect_eq(ask("reload"), CTL_DONE);
	cr_expect_str_eq(policy_group(live(), "root.a", 6)->tasks[2].id, "g:root.a:2");
	cr_expect_eq(ask("task|remove|g:root.a:1"), CTL_DONE, "%s", answer.error);
	cr_expect_str_eq(read_file("groups.conf"),
			 "groups = ( { name = \"root.a\"; tasks = (\n"
			 "  { name = \"b\"; file = \"first.xml\"; number = 5; },\n"
			 "  { name = \"c\"; file = \"first.xml\"; number = 2; } # three\n"
			 "); } );\n");
	cr_expect_str_eq(policy_group(live(), "root.a", 6)->tasks[1].id, "g:root.a:2");
}

Test(commands_policy, a_plan_changes_nothing_and_tells_what_would_change)
{
	static const char *const edits[] = {
		"task|edit|g:root.a:1|--priority|3|--plan", "task|pause|g:root.a:1|--plan",
		"task|remove|g:root.a:1|--with-file|--plan",
		"group|add|root.new|--plan", "group|edit|root.a|--priority|3|--plan",
		"group|value|set|root.a|id|7|--plan", "group|value|unset|root.a|shared|--plan",
		SERVER "|--plan", "reload|--plan",
	};
	char before[2048];

	snprintf(before, sizeof before, "%.2000s", read_file("groups.conf"));
	for (unsigned i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		cr_expect_eq(ask(edits[i]), CTL_DONE, "%s: %s", edits[i], answer.error);
		cr_expect(says("nothing was changed"), "%s: %s", edits[i], answer.text);
		cr_expect(json_is_true(json_object_get(answer.result, "good")), "%s", edits[i]);
	}
	cr_expect_str_eq(read_file("groups.conf"), before);
	cr_expect_null(read_file("servers.conf"));
	cr_expect(file_says("tasks/first.xml", "coap://h:1"));
	cr_expect_eq(world.service->generation->number, 1);
}

Test(commands_policy, a_plan_tells_by_its_exit_that_devices_would_fail)
{
	carry("<config><lwm2mBootstrap><write key=\"/0/2/0\" value=\"${sv.none}\" />"
	      "</lwm2mBootstrap></config>");
	cr_expect_eq(ask("task|edit|g:root.a:1|--xml|/tmp/t/new.xml|--plan"), CTL_REFUSED);
	cr_expect(says("for 1 device a task cannot be compiled any more"), "%s", answer.text);
	cr_expect(says("such as dev-1"), "%s", answer.text);
	cr_expect_null(answer.error);
	cr_expect(json_is_false(json_object_get(answer.result, "good")));
	cr_expect(file_says("tasks/first.xml", "coap://h:1"));
	cr_expect_eq(ask("task|edit|g:root.a:1|--priority|9999999|--plan"), CTL_REFUSED);
	cr_expect(complains("priority"), "%s", answer.error);
	cr_expect_eq(ask("task|plan|nowhere"), CTL_REFUSED);
	cr_expect(complains("there is no task"));
	cr_expect_eq(ask("task|plan|first"), CTL_DONE, "%s", answer.error);
}

/* An edit of one task's file, and somebody's editor between its beginning and its end. */
Test(commands_policy, a_task_file_changed_by_hand_meanwhile_is_not_lost)
{
	const struct ctl_request request = { .fd = -1 };
	struct call call = { .daemon = &world.daemon,
			     .command = &commands[0],
			     .service = world.service,
			     .request = &request };
	char *text = strdup(WORLD_TASK " ");
	struct policy_edit edit;

	cr_assert(policy_edit_begin(&edit, &call, "groups"));
	cr_assert(policy_edit_file(&edit, "tasks/first.xml", text, strlen(text)));
	world_write(&world, "policy/tasks/first.xml", WORLD_TASK "<!-- by hand -->");
	policy_edit_commit(&edit, "task replaced");
	policy_edit_end(&edit);
	cr_expect_eq(call.exit, CTL_REFUSED);
	cr_expect(strstr(text_str(&call.error), "tasks/first.xml was changed by somebody else"),
		  "%s", text_str(&call.error));
	cr_expect(file_says("tasks/first.xml", "by hand"));
	text_fini(&call.text);
	text_fini(&call.error);
	json_decref(call.result);
}

Test(commands_policy, a_file_to_check_is_opened_by_the_client_and_names_nothing_that_we_open)
{
	char conf[512];

	cr_expect_eq(ask("check|/etc/shadow"), CTL_DONE);
	cr_expect_eq(answer.want, CTL_WANT_READ);
	cr_expect_eq(answer.want_word, 1);
	cr_expect_eq(ask("task check|/etc/shadow"), CTL_USAGE, "a word of argv is one word");
	cr_expect_eq(ask("task|check|/etc/shadow"), CTL_DONE);
	cr_expect_eq(answer.want, CTL_WANT_READ);
	cr_expect_eq(answer.want_word, 2);

	world_folder(&world, "theirs");
	world_write(&world, "theirs/groups.conf", "secret-word = 1;\n");
	snprintf(conf, sizeof conf, "%s policy = \"%s/theirs\";\n", WORLD_CONF, world.folder);
	carry(conf);
	cr_expect_eq(ask("check|/home/someone/cradle.conf"), CTL_DONE);
	cr_expect(says("is not the folder that runs") && says("/home/someone/cradle.conf: good\n"),
		  "%s", answer.text);
	cr_expect(!says("secret-word") && !says("groups.conf"), "%s", answer.text);

	snprintf(conf, sizeof conf, "%s policy = \"%s/policy\"; objects = \"%s/objects\";\n",
		 WORLD_CONF, world.folder, world.folder);
	carry(conf);
	cr_expect_eq(ask("check|/home/someone/cradle.conf"), CTL_DONE);
	cr_expect(says("good: 2 groups, 1 task,"), "%s%s", answer.text, answer.error);
	carry("workers = many;\n");
	cr_expect_eq(ask("check|/home/someone/cradle.conf"), CTL_REFUSED);
	cr_expect(complains("/home/someone/cradle.conf:1"), "%s", answer.error);
	carry(WORLD_TASK);
	cr_expect_eq(ask("task|check|mine.xml"), CTL_DONE);
	cr_expect(says("mine.xml: good"), "%s", answer.error);
	carry("<config><wirte/></config>");
	cr_expect_eq(ask("task|check|mine.xml"), CTL_REFUSED);
	cr_expect(complains("mine.xml:1:"), "%s", answer.error);
}

Test(commands_policy, a_line_that_stands_in_no_file_has_no_number)
{
	cr_assert_eq(ask(SERVER), CTL_DONE);
	cr_expect_eq(ask("server|add|m2|--uri|h|--ssid|2|--psk|${sv.psk}|--binding|X"),
		     CTL_REFUSED);
	cr_expect(complains("servers.conf: error: <binding>"), "%s", answer.error);
	/* What is wrong further on is told where it is on disk. */
	world_write(&world, "policy/groups.conf",
		    "groups = (\n { name = \"root\"; },\n { name = \"root.a\"; },\n"
		    " { name = \"root.b\"; nonsense = 1; }\n);\n");
	cr_expect_eq(ask("group|edit|root.a|--description|x|--priority|1"), CTL_REFUSED);
	cr_expect(complains("groups.conf:4: error: <nonsense>"), "%s", answer.error);
	cr_expect_eq(ask("group|edit|root.b|--priority|2000000"), CTL_REFUSED);
	cr_expect(complains("groups.conf: error: <priority>"), "%s", answer.error);
}

static unsigned
mode_of(const char *name)
{
	struct stat st;
	char path[256];

	snprintf(path, sizeof path, "%s/policy/%s", world.folder, name);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_mode & 0777;
}

Test(commands_policy, a_file_that_gets_a_secret_is_kept_from_others)
{
	char path[256];

	snprintf(path, sizeof path, "%s/policy/groups.conf", world.folder);
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_eq(ask("group|value|set|root.a|site|north"), CTL_DONE);
	cr_expect_eq(mode_of("groups.conf"), 0644);
	cr_expect_eq(ask("group|value|set|root.a|pin|1234|--secret"), CTL_DONE, "%s", answer.error);
	cr_expect_eq(mode_of("groups.conf"), 0640);
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_eq(ask("check"), CTL_DONE);
	cr_expect(says("groups.conf: warning: holds secrets") && says("0644"), "%s", answer.text);
	cr_expect_eq(ask("server|add|m1|--uri|h|--ssid|2|--psk|in the clear"), CTL_DONE);
	cr_expect_eq(mode_of("servers.conf"), 0640);
}

Test(commands_policy, durations_with_a_unit)
{
	cr_expect_eq(ask("task|edit|g:root.a:1|--min-interval|5m"), CTL_DONE, "%s", answer.error);
	cr_expect(file_says("groups.conf", "min_interval = 300;"));
	cr_expect_eq(ask("task|edit|g:root.a:1|--min-interval|90"), CTL_DONE);
	cr_expect(file_says("groups.conf", "min_interval = 90;"));
	cr_expect_eq(ask("task|edit|g:root.a:1|--min-interval|5 minutes"), CTL_USAGE);
	cr_expect(complains("30s, 5m, 2h, 1d"), "%s", answer.error);
	cr_expect_eq(ask("task|edit|g:root.a:1|--min-interval|-5"), CTL_USAGE);
}
