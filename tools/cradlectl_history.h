/*
 * cradlectl_history.h - lines of `cradlectl shell` that a later one offers again: which, and the file that holds them.
 *
 * The file is $XDG_STATE_HOME/cradle/history, or ~/.local/state/cradle/history (XDG Base Directory Specification 0.8): a
 * line each, mode 0600, the last HISTORY_LINES of them. Lines of several shells at once come one behind the other. What
 * may hold a secret is never written. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum { HISTORY_LINES = 1000, HISTORY_PATH_MAX = 4096, HISTORY_ERROR_MAX = HISTORY_PATH_MAX + 128 };

enum history_keep {
	HISTORY_NEVER,   /* it holds a secret */
	HISTORY_SESSION, /* nobody knows whether it does: while this program runs */
	HISTORY_FILE,
};

/* By the appliance's table of commands (`help schema`); NULL: it is not to be had. */
enum history_keep history_judge(const json_t *schema, int argc, char *const *argv);

/* Where the file is; false: neither variable says. */
bool history_path(char path[HISTORY_PATH_MAX]);
/*
 * Opens the file, made with its folders where it is not there, and calls `each` with its last lines, the oldest first.
 * What history_add() writes to, or -1 and a sentence in `error`.
 */
int history_open(const char *path, void (*each)(void *context, const char *line), void *context,
		 char error[HISTORY_ERROR_MAX]);
/* 0 or -errno. */
int history_add(int fd, const char *line);
