/*
 * cradlectl - one command to the running appliance, over its control socket.
 *
 * Knows the protocol and nothing else: commands, help and completion come from the daemon. What works without one is asked
 * of the `cradled` beside this program, so that one code checks.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/socket/ctl_proto.h"
#include "tools/client/ctl_client.h"
#include "tools/cradlectl_alone.h"
#include "tools/cradlectl_completion.h"
#include "tools/cradlectl_options.h"
#include "tools/cradlectl_shell.h"
#include "tools/cradlectl_talk.h"
#include "tools/cradlectl_top.h"

/* `check FILE`: the daemon stands in another folder, so it gets the whole path. One that does not
 * exist goes as it is: the daemon says so. */
static void
make_path_absolute(struct options *options, char path[PATH_MAX])
{
	if (options_is(options, "check", NULL) && options->argc == 2 &&
	    options->argv[1][0] != '-' && realpath(options->argv[1], path))
		options->argv[1] = path;
}

/* `top [--interval S] [--count N]`: the exit code. */
static int
run_top(const struct options *options, int socket)
{
	struct top_options top = { .socket = socket, .interval_s = 1 };
	const char *value;
	int number;

	if (options->json)
		return options_fail(options, CTL_USAGE,
				    "top is a picture for people; machines ask `stats`");
	for (int i = 1, taken; i < options->argc; i += taken) {
		taken = options_value(options->argc - i, options->argv + i, "--interval", &value);
		if (taken && options_seconds(value, &number)) {
			top.interval_s = (unsigned)number;
			continue;
		}
		taken = taken ? 0
			      : options_value(options->argc - i, options->argv + i, "--count",
					      &value);
		if (!taken || !options_seconds(value, &number))
			return options_fail(options, CTL_USAGE,
					    "usage: cradlectl top [--interval S] [--count N]");
		top.pictures = (unsigned)number;
	}
	number = top_run(&top);
	if (number == CTL_NOT_RUNNING)
		return options_fail(options, number, "the appliance has gone, or does not answer");
	return number;
}

/* ---- one command ---- */

/* With the appliance that listens at `socket`. */
static int
run_with_daemon(struct options *options, int socket)
{
	char path[PATH_MAX];

	if (options_is(options, "top", NULL))
		return run_top(options, socket);
	make_path_absolute(options, path);
	return talk_run(socket, options);
}

static int
run_command(struct options *options)
{
	int result, socket;

	if (options_is(options, "__complete", NULL))
		return completion_print(options);
	result = alone_run(options);
	if (result >= 0)
		return result;
	socket = ctl_client_connect(options->socket, true, options->timeout_s);
	if (socket < 0)
		return alone_answer(options, -socket);
	result = run_with_daemon(options, socket);
	close(socket);
	return result;
}

/* ---- the shell ---- */

/* A line of it, with the options that the shell was started with. */
static int
run_shell_line(void *context, int argc, char **argv)
{
	struct options options = *(const struct options *)context;
	char **with_name = calloc((size_t)argc + 2, sizeof *with_name);
	int result;

	if (!with_name)
		return options_fail(&options, CTL_REFUSED, "out of memory");
	with_name[0] = (char *)"cradlectl";
	memcpy(with_name + 1, argv, (size_t)argc * sizeof *argv);
	result = options_parse(argc + 1, with_name, &options);
	if (!result && options_is(&options, "shell", NULL))
		result = options_fail(&options, CTL_USAGE, "this is the shell");
	else if (!result && options_is(&options, "exit", NULL))
		result = options_fail(&options, CTL_USAGE, "usage: exit");
	else if (!result)
		result = run_command(&options);
	free(with_name);
	return result;
}

static char *
complete_shell_line(void *context, int argc, char **argv)
{
	return completion_words(context, argc, argv);
}

static json_t *
ask_schema(void *context)
{
	static const char *const words[] = { "help", "schema" };
	json_t *answer = completion_ask(context, true, 2, words);
	json_t *result = json_incref(json_object_get(answer, "result"));

	json_decref(answer);
	return result;
}

static int
run_shell(struct options *options)
{
	const struct shell_calls calls = {
		.context = options,
		.run = run_shell_line,
		.complete = complete_shell_line,
		.schema = ask_schema,
	};

	if (options->argc != 1)
		return options_fail(options, CTL_USAGE, "usage: cradlectl shell");
	return shell_run(&calls);
}

int
main(int argc, char **argv)
{
	struct options options = options_default();
	int result = options_parse(argc, argv, &options);

	if (result)
		return result;
	return options_is(&options, "shell", NULL) ? run_shell(&options) : run_command(&options);
}
