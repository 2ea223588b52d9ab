/* What groups come to: which tasks run, in which order, and what makes a batch stale. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/policy/task_set.h"

static struct diag_list diags;
static struct arena arena;
static struct objects *objects;
static struct policy *policy;

/* Tasks of an empty file, which is good enough to be ordered. */
static void
load(const char *groups)
{
	const struct policy_source files[] = {
		{ "groups.conf", groups, strlen(groups) },
		{ "tasks/t.xml", "<config><lwm2mBootstrap /></config>", 35 },
		{ "tasks/r.xml",
		  "<config><lwm2mBootstrap><write key=\"/0/1/5\" "
		  "value=\"${string.secureRandom(4).encodeHex}\" /></lwm2mBootstrap></config>",
		  117 },
	};

	policy_free(policy);
	policy = policy_load_changed("/nonexistent", files, 3, objects, &arena, &diags);
	cr_assert(policy && diags.errors == 0, "%s", diags.count ? diags.items[0].text : "");
}

static void
set_up(void)
{
	diag_list_init(&diags);
	arena_init(&arena, 0);
	objects = objects_new();
	policy = NULL;
}

static void
tear_down(void)
{
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

TestSuite(task_set, .init = set_up, .fini = tear_down);

static struct task_set
resolve(const char *list)
{
	struct task_set set;

	cr_assert_eq(task_set_resolve(&set, policy, list, &arena), 0);
	return set;
}

/* The names of the tasks, in order, such as "abc". */
static void
expect(const char *list, const char *names)
{
	struct task_set set = resolve(list);
	char got[TASK_SET_TASKS_MAX + 1] = "";

	for (unsigned i = 0; i < set.n_tasks; i++)
		got[i] = set.tasks[i]->name[0];
	cr_expect_str_eq(got, names, "%s: %s", list, got);
}

#define GROUP(name, tasks) "{ name = \"" name "\"; tasks = ( " tasks " ); }"
#define TASK(name, more)   "{ name = \"" name "\"; file = \"t.xml\"; " more " }"

Test(task_set, a_group_that_is_not_there_is_told)
{
	struct task_set set;

	load("groups = ( " GROUP("root", "") " );");
	set = resolve("root,root.gone");
	cr_expect_str_eq(set.missing, "root.gone");
	cr_expect_eq(set.n_groups, 1);
}

Test(task_set, inactive_ones_and_those_of_other_groups_do_not_run)
{
	load("groups = ( " GROUP("root", TASK("a", "subgroups = true;") ", " TASK("b", "")) ", "
	     GROUP("root.x", TASK("c", "active = false;") ", " TASK("d", "")) ", "
	     GROUP("root.y", TASK("e", "")) " );");
	expect("root", "ab");
	expect("root.x", "ad");
	expect("root.x,root.y", "ade");
}

Test(task_set, lower_numbers_run_first_then_their_order)
{
	load("groups = ( " GROUP("root", TASK("a", "subgroups = true; priority = 20;") ", "
					 TASK("b", "subgroups = true;")) ", "
	     GROUP("root.x", TASK("c", "priority = 5;") ", " TASK("d", "")) " );");
	expect("root.x", "cbda");
	expect("root.x,root", "cbda");
}

/* TASKS.md section 6: of one bloodline only one runs, that of the group of highest priority. */
Test(task_set, of_one_bloodline_only_one_runs)
{
	load("groups = ( " GROUP("root", TASK("a", "subgroups = true; bloodline = \"one\";")) ", "
	     "{ name = \"root.x\"; priority = 1; tasks = ( " TASK("b", "bloodline = \"one\";") " ); }, "
	     "{ name = \"root.y\"; priority = 7; tasks = ( " TASK("c", "bloodline = \"one\";") ", "
	     TASK("d", "bloodline = \"two\";") " ); } );");
	expect("root", "a");
	expect("root.x", "b");
	expect("root.x,root.y", "cd");
	expect("root.y,root.x", "cd");
}

Test(task_set, what_needs_the_moment_is_made_per_session)
{
	load("groups = ( " GROUP("root", TASK("a", "")) ", "
	     GROUP("root.i", TASK("a", "min_interval = 60;")) ", "
	     GROUP("root.s", TASK("a", "schedule = \"Mon-Fri 02:00-05:00\";")) ", "
	     GROUP("root.c", TASK("a", "condition = \"${lwm2m.bootstrapEvent == 'x'}\";")) ", "
	     GROUP("root.d", TASK("a", "condition = \"${device.id gt 5}\";")) ", "
	     GROUP("root.r", "{ file = \"r.xml\"; }") " );");
	cr_expect_not(resolve("root").per_session);
	cr_expect(resolve("root.i").per_session);
	cr_expect(resolve("root.s").per_session);
	cr_expect(resolve("root.c").per_session);
	cr_expect_not(resolve("root.d").per_session);
	cr_expect(resolve("root.r").per_session);
}

Test(task_set, a_fingerprint_tells_what_makes_a_batch_stale)
{
	static const char *const changed[] = {
		"groups = ( { name = \"root\"; values = { v = \"2\"; }; }, " GROUP("root.x", TASK("a", "")) " );",
		"groups = ( { name = \"root\"; values = { w = \"1\"; }; }, " GROUP("root.x", TASK("a", "")) " );",
		"groups = ( { name = \"root\"; values = { v = \"1\"; }; }, " GROUP("root.x", TASK("b", "")) " );",
		"groups = ( { name = \"root\"; values = { v = \"1\"; }; }, "
		GROUP("root.x", TASK("a", "active = false;")) " );",
		"groups = ( { name = \"root\"; values = { v = \"1\"; }; }, "
		GROUP("root.x", TASK("a", "repetition = \"once\";")) " );",
		"groups = ( { name = \"root\"; values = { v = \"1\"; }; }, "
		GROUP("root.x", "{ name = \"a\"; file = \"r.xml\"; }") " );",
	};
	static const char first[] = "groups = ( { name = \"root\"; values = { v = \"1\"; }; }, "
		GROUP("root.x", TASK("a", "")) " );";
	uint64_t fingerprint;

	load(first);
	fingerprint = resolve("root.x").fingerprint;
	load(first);
	cr_expect_eq(resolve("root.x").fingerprint, fingerprint);
	for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
		load(changed[i]);
		cr_expect_neq(resolve("root.x").fingerprint, fingerprint, "%s", changed[i]);
	}
}
