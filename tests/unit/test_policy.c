/* groups.conf: every wrong line is told, parents are linked, values and tasks are read. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/policy/policy.h"

#define FOLDER SOURCE_ROOT "/conf/policy"

static struct diag_list diags;
static struct arena arena;
static struct objects *objects;
static struct policy *policy;

static void
set_up(void)
{
	diag_list_init(&diags);
	arena_init(&arena, 0);
	objects = objects_new();
}

static void
tear_down(void)
{
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

TestSuite(policy, .init = set_up, .fini = tear_down);

static void
parse(const char *text)
{
	policy = policy_parse(FOLDER, text, strlen(text), objects, &arena, &diags);
}

static bool
told(uint32_t line, const char *words)
{
	for (size_t i = 0; i < diags.count; i++)
		if (diags.items[i].place.line == line && strstr(diags.items[i].text, words))
			return true;
	return false;
}

Test(policy, wrong_groups_and_tasks)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
		{ "{ name = \"toor\"; }", "is no group name" },
		{ "{ name = \"root..a\"; }", "is no group name" },
		{ "{ name = \"root.a b\"; }", "is no group name" },
		{ "{ name = \"root.a.\"; }", "is no group name" },
		{ "{ description = \"x\"; }", "\"name\" is missing" },
		{ "{ name = 5; }", "must be text" },
		{ "7", "must be a group" },
		{ "{ name = \"root.b\"; nmae = \"x\"; }", "did you mean \"name\"" },
		{ "{ name = \"root.c\"; priority = \"high\"; }", "must be a whole number" },
		{ "{ name = \"root.d.e\"; }", "add root.d" },
		{ "{ name = \"root.f\"; values = { a = 5; }; }", "must be text in quotes" },
		{ "{ name = \"root.g\"; values = { a = { secret = true; }; }; }",
		  "\"value\" is missing" },
		{ "{ name = \"root.h\"; values = ( { value = \"x\"; } ); }", "needs a name" },
		{ "{ name = \"root.i\"; values = ( { name = \"a\"; value = \"1\"; }, { name = "
		  "\"a\"; value = \"2\"; } ); }",
		  "set twice" },
		{ "{ name = \"root.j\"; tasks = 1; }", "must be a list" },
		{ "{ name = \"root.k\"; tasks = ( { name = \"x\"; } ); }", "\"file\" is missing" },
		{ "{ name = \"root.l\"; tasks = ( { file = \"../x.xml\"; } ); }",
		  "must be the name of a file" },
		{ "{ name = \"root.m\"; tasks = ( { file = \"reference-task.xml\"; active = 1; } "
		  "); }",
		  "must be true or false" },
		{ "{ name = \"root.n\"; tasks = ( { file = \"reference-task.xml\"; }, { file = "
		  "\"reference-task.xml\"; } ); }",
		  "two tasks named" },
		{ "{ name = \"root.b\"; }", "is duplicated" },
	};
	size_t n = sizeof wrong / sizeof wrong[0];
	char text[4096] = "groups = (";

	for (size_t i = 0; i < n; i++) {
		strncat(text, i ? ",\n" : "\n", sizeof text - strlen(text) - 1);
		strncat(text, wrong[i].line, sizeof text - strlen(text) - 1);
	}
	strncat(text, ");\n", sizeof text - strlen(text) - 1);
	parse(text);
	cr_expect_eq(diags.errors, n, "%zu errors", diags.errors);
	for (size_t i = 0; i < n; i++)
		cr_expect(told((uint32_t)i + 2, wrong[i].words) || told(9, wrong[i].words), "%s",
			  wrong[i].line);
	cr_expect(policy && policy->incomplete);
}

#define FILE_OF(settings) "{ file = \"reference-task.xml\"; " settings " }"

Test(policy, wrong_settings_of_tasks)
{
	static const struct {
		const char *task, *words;
	} cases[] = {
		{ FILE_OF("repetition = \"oncee\";"), "did you mean \"once\"" },
		{ FILE_OF("name = \"b\"; repetition = \"x\";"), "repeat, once" },
		{ FILE_OF("name = \"c\"; automatic_restart = 1;"), "must be true or false" },
		{ FILE_OF("name = \"d\"; condition = \"${device.isInGrup('root')}\";"),
		  "isInGroup" },
		{ FILE_OF("name = \"e\"; condition = \"yes\";"), "neither true nor false" },
		{ FILE_OF("name = \"f\"; condition = \"${1 + sv.x.toInt}\";"),
		  "never gives true or false" },
		{ FILE_OF("name = \"g\"; min_interval = -1;"), "out of range" },
		{ FILE_OF("name = \"h\"; schedule = \"Mun 02:00-03:00\";"),
		  "did you mean \"Mon\"" },
		{ FILE_OF("name = \"i\"; bloodline = 5;"), "must be text" },
		{ FILE_OF("name = \"j\"; log_level = \"warnin\";"), "did you mean" },
		{ FILE_OF("name = \"k\"; discard_details = \"no\";"), "must be true or false" },
		{ FILE_OF("name = \"l\"; number = 0;"), "out of range" },
		{ FILE_OF("name = \"m\"; number = 7;"), NULL },
		{ FILE_OF("name = \"n\"; number = 7;"), "two tasks of number 7" },
		{ FILE_OF("name = \"o\"; repitition = \"once\";"), "did you mean \"repetition\"" },
	};
	enum { CASES = sizeof cases / sizeof cases[0] };
	static char text[8192] = "groups = ( { name = \"root\"; tasks = (";

	for (size_t i = 0; i < CASES; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n%s", i ? "," : "",
			 cases[i].task);
	strncat(text, "); } );\n", sizeof text - strlen(text) - 1);
	parse(text);
	cr_expect_eq(diags.errors, CASES - 1, "%zu errors", diags.errors);
	for (size_t i = 0; i < CASES; i++)
		cr_expect(!cases[i].words || told((uint32_t)i + 2, cases[i].words), "%s",
			  cases[i].task);
}

Test(policy, settings_of_tasks)
{
	const struct policy_task *tasks;

	parse("groups = ( { name = \"root\"; tasks = (\n"
	      "{ file = \"reference-task.xml\"; },\n"
	      "{ file = \"reference-task.xml\"; name = \"b\"; number = 1; repetition = \"ONCE\";\n"
	      "automatic_restart = false; condition = \"${sv.x == lwm2m.bootstrapEvent}\";\n"
	      "min_interval = 60; schedule = \"Sat\"; bloodline = \"b\"; log_level = \"trace\";\n"
	      "discard_details = true; created = \"then\"; },\n"
	      "{ file = \"reference-task.xml\"; name = \"c\"; condition = \"\"; schedule = \"\"; "
	      "}\n"
	      "); } );");
	cr_assert(policy && diags.errors == 0);
	tasks = policy_group(policy, "root", 4)->tasks;
	cr_expect_str_eq(tasks[0].id, "g:root:2", "1 is taken");
	cr_expect_str_eq(tasks[1].id, "g:root:1");
	cr_expect_str_eq(tasks[2].id, "g:root:3");
	cr_expect_eq(tasks[0].repetition, REPETITION_REPEAT);
	cr_expect(tasks[0].automatic_restart && !tasks[0].condition && !tasks[0].schedule);
	cr_expect(!tasks[0].bloodline && !tasks[0].discard_details && !tasks[0].min_interval_s);
	cr_expect_eq(tasks[0].log_level, TASK_LOG_INFO);
	cr_expect_eq(tasks[1].repetition, REPETITION_ONCE);
	cr_expect_eq(tasks[1].condition->depends, EXPR_SESSION);
	cr_expect_eq(tasks[1].condition->place.line, 4);
	cr_expect(tasks[1].schedule && tasks[1].discard_details && !tasks[1].automatic_restart);
	cr_expect_eq(tasks[1].min_interval_s, 60);
	cr_expect_eq(tasks[1].log_level, TASK_LOG_TRACE);
	cr_expect_str_eq(tasks[1].bloodline, "b");
	cr_expect_str_eq(tasks[1].created, "then");
	cr_expect(!tasks[2].condition && !tasks[2].schedule, "empty is none");
	cr_expect_eq(policy_task_find(policy, "g:root:3"), &tasks[2]);
	cr_expect_str_eq(policy_nearest_task(policy, "g:rot:3"), "g:root:3");
}

Test(policy, a_file_named_twice_is_read_and_blamed_once)
{
	parse("groups = ( { name = \"root\"; tasks = (\n"
	      "{ name = \"a\"; file = \"none.xml\"; }, { name = \"b\"; file = \"none.xml\"; } ); } "
	      ");");
	cr_expect_eq(diags.errors, 1);
	cr_expect(strstr(diags.items[0].text, "cannot be read"));
}

Test(policy, sample)
{
	const struct policy_group *group;

	policy = policy_load(FOLDER, objects, &arena, &diags);
	cr_assert(policy && diags.errors == 0);
	group = policy_group(policy, "root.demo", 9);
	cr_assert_not_null(group);
	cr_expect_str_eq(group->parent->name, "root");
	cr_expect_eq(group->depth, 1);
	cr_assert_eq(group->n_tasks, 1);
	cr_expect_str_eq(group->tasks[0].id, "g:root.demo:1");
	cr_expect(group->tasks[0].active && group->tasks[0].subgroups);
	cr_expect_eq(group->tasks[0].priority, 10);
	cr_expect_not_null(group->tasks[0].source->task);
	cr_expect_str_eq(group->values.items[0].text, "lab");
	cr_expect_null(policy_group(policy, "root.dem", 8));
	cr_expect_null(policy_group(policy, "root\0demo", 9));
}

Test(policy, root_is_there_unsaid_and_values_take_their_marks)
{
	const struct policy_value *values;

	parse("groups = ( { name = \"root.a\"; values = (\n"
	      "{ name = \"odd.name\"; value = \"1\"; locked = true; },\n"
	      "{ name = \"pin\"; value = \"2\"; secret = true; },\n"
	      "{ name = \"masterPassword\"; value = \"3\"; } ); } );");
	cr_assert(policy && diags.errors == 0);
	cr_assert_eq(policy->n_groups, 2);
	values = policy_group(policy, "root.a", 6)->values.items;
	cr_expect(values[0].locked && !values[0].secret);
	cr_expect(values[1].secret && !values[1].locked);
	cr_expect(values[2].secret, "a password is a secret whoever forgets to say so");
}

Test(policy, settings_that_look_back_need_reports)
{
	parse("groups = ( { name = \"root\"; tasks = (\n"
	      " { file = \"a.xml\"; repetition = \"repeat_without_report\"; min_interval = 5; },\n"
	      " { name = \"b\"; file = \"a.xml\"; repetition = \"repeat_without_report\";\n"
	      "   automatic_restart = false; } ); } );");
	cr_expect(told(2, "min_interval needs reports"));
	cr_expect(told(3, "automatic_restart = false needs reports"));
}
