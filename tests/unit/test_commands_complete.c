/* What may follow the words of a command: of the table, and of what there is. */
#include "control/commands/commands.h"
#include "control/runs/unknown_devices.h"
#include "tests/unit/control_world.h"

static struct world world;
static struct ctl_answer answer;

static void
forget(void)
{
	free(answer.text);
	free(answer.error);
	json_decref(answer.result);
	answer = (struct ctl_answer){ 0 };
}

static void
set_up(void)
{
	world_start(&world);
}

static void
tear_down(void)
{
	forget();
	world_stop(&world);
}

TestSuite(commands_complete, .init = set_up, .fini = tear_down);

/* Words separated by '|', the last one being typed; what may follow, with a blank behind each. */
static const char *
completed(const char *words)
{
	static char line[256], all[8192];
	const char *argv[] = { "complete", line };
	const struct ctl_request request = { .argc = 2, .argv = argv, .fd = -1 };

	forget();
	snprintf(line, sizeof line, "%s", words);
	for (char *at = line; (at = strchr(at, '|'));)
		*at = '\x1f';
	commands_serve(&world.daemon, &request, &answer);
	cr_assert_eq(answer.exit, CTL_DONE, "%s", answer.error);
	snprintf(all, sizeof all, "%s", answer.text ? answer.text : "");
	for (char *at = all; (at = strchr(at, '\n'));)
		*at = ' ';
	return all;
}

Test(commands_complete, words)
{
	static const struct {
		const char *words, *all;
	} cases[] = {
		{ "nothing|of|this|", "" },
		{ "zzz", "" },
		{ "undr", "undrain " },
		{ "log|", "level " },
		{ "log|level|w", "warning " },
		{ "group|value|", "set unset " },
		{ "task|rer", "rerun rerun-failed " },
		{ "device|show|", "dev-1 dev-2 dev-3 " },
		{ "device|show|dev-2", "dev-2 " },
		{ "device|show|dev-2|", "" },
		{ "device|value|set|dev-1|", "" },
		{ "task|show|", "g:root.a:1 " },
		{ "report|show|g|", "dev-1 dev-2 dev-3 " },
		{ "report|show|g", "g:root.a:1 " },
		{ "task|list|--g", "--group " },
		{ "task|list|--group|root", "root root.a " },
		{ "device|list|--state|re", "ready returning " },
		{ "device|list|--state|ready|--gr", "--group " },
		{ "device|add|x|--groups|root,root.", "root,root.a " },
		{ "device|add|x|--groups|root,", "root,root root,root.a " },
		{ "device|add|x|--groups|root,x", "" },
		{ "device|add|x|--key|", "" },
		{ "task|edit|g:root.a:1|--active|o", "on off " },
		{ "unknown|adopt|gh", "ghost " },
		{ "completion|", "bash " },
	};
	struct session_event event = { .kind = SESSION_UNKNOWN, .name_len = 5, .name = "ghost" };

	unknown_devices_see(world.service->unknowns, &event, clock_now_ms());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_expect_str_eq(completed(cases[i].words), cases[i].all, "%s", cases[i].words);
}

Test(commands_complete, every_command_is_found_from_nothing)
{
	const char *all = completed("");

	for (unsigned i = 0; i < n_commands; i++) {
		char first[64];

		snprintf(first, sizeof first, "%.*s ", (int)strcspn(commands[i].words, " "),
			 commands[i].words);
		cr_expect_not_null(strstr(all, first), "%s", commands[i].words);
	}
}

/* However many devices there are, some are looked at, and the one that is typed whole is found. */
Test(commands_complete, bounded)
{
	char name[32];

	for (unsigned i = 0; i < 1200; i++) {
		snprintf(name, sizeof name, "many-%04u", i);
		world_add(&world, name, NULL, NULL, NULL);
	}
	(void)completed("device|show|many-");
	cr_expect_eq(json_array_size(json_object_get(answer.result, "candidates")), 500);
	cr_expect_str_eq(completed("device|show|many-1199"), "many-1199 ");
}

Test(commands_complete, too_many_words_have_nothing)
{
	char words[256] = "device";

	for (unsigned i = 0; i < 40; i++)
		strcat(words, "|a");
	cr_expect_str_eq(completed(words), "");
}
