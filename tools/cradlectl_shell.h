/*
 * cradlectl_shell.h - `cradlectl shell`: a line, a command, until "exit" or the end of the input.
 *
 * On a terminal lines are edited, completed by Tab and offered again (cradlectl_history.h); Ctrl-C gives a new prompt.
 * Elsewhere each line of standard input is run. Every command runs in a process of its own, so that it ends, is
 * interrupted and cleans up as one that `cradlectl` was started for. One thread; handles SIGINT, SIGTERM, SIGHUP and
 * SIGWINCH while it runs.
 */
#pragma once

#include <jansson.h>

struct shell_calls {
	void *context;
	/* Runs one command; the exit code. In a process of its own: it may end that. argv[argc] is NULL. */
	int (*run)(void *context, int argc, char **argv);
	/* What may follow, a line each, malloc'ed; NULL: nobody answers. */
	char *(*complete)(void *context, int argc, char **argv);
	/* `help schema`: a new reference, NULL: nobody answers. */
	json_t *(*schema)(void *context);
};

/* The exit code of the last command. */
int shell_run(const struct shell_calls *calls);
