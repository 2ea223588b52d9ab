#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tools/cradlectl_history.h"

/* ---- which lines ---- */

/* The word is this option, or "OPTION=VALUE". */
static bool
is_option(const char *word, const char *option)
{
	size_t len = strlen(option);

	return strncmp(word, option, len) == 0 && (!word[len] || word[len] == '=');
}

/* Of any command, for a mistyped command holds a secret all the same. */
static bool
has_secret_option(const json_t *commands, int argc, char *const *argv)
{
	const json_t *command, *option;
	size_t i, k;

	json_array_foreach(commands, i, command)
	{
		json_array_foreach(json_object_get(command, "options"), k, option)
		{
			const char *name = json_string_value(json_object_get(option, "name"));

			if (!name || !json_is_true(json_object_get(option, "secret")))
				continue;
			for (int n = 0; n < argc; n++)
				if (is_option(argv[n], name))
					return true;
		}
	}
	return false;
}

/* How many words the line's first ones share with a command's; 0: the line says another command. */
static int
words_said(const char *words, int argc, char *const *argv)
{
	int n = 0;

	for (; *words; n++) {
		size_t len = strcspn(words, " ");

		if (n == argc || strlen(argv[n]) != len || strncmp(argv[n], words, len) != 0)
			return 0;
		words += len + (words[len] != '\0');
	}
	return n;
}

enum history_keep
history_judge(const json_t *schema, int argc, char *const *argv)
{
	const json_t *commands = json_object_get(schema, "commands"), *command;
	size_t i;

	if (has_secret_option(commands, argc, argv))
		return HISTORY_NEVER;
	json_array_foreach(commands, i, command)
	{
		const char *words = json_string_value(json_object_get(command, "words"));
		json_int_t secret = json_integer_value(json_object_get(command, "secret_argument"));
		int said = words ? words_said(words, argc, argv) : 0;

		/* Options before it count, too: better one line too few. */
		if (said)
			return secret && argc - said >= secret ? HISTORY_NEVER : HISTORY_FILE;
	}
	return HISTORY_SESSION;
}

/* ---- the file ---- */

bool
history_path(char path[HISTORY_PATH_MAX])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int len = -1;

	/* One that is not absolute is to be ignored. */
	if (state && *state == '/')
		len = snprintf(path, HISTORY_PATH_MAX, "%s/cradle/history", state);
	else if (home && *home == '/')
		len = snprintf(path, HISTORY_PATH_MAX, "%s/.local/state/cradle/history", home);
	return len > 0 && len < HISTORY_PATH_MAX;
}

/* 0, or -1 with errno. Folders that are made are for their owner alone. */
static int
make_folders(const char *path)
{
	char folder[HISTORY_PATH_MAX];

	snprintf(folder, sizeof folder, "%s", path);
	for (char *at = strchr(folder + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(folder, 0700) && errno != EEXIST)
			return -1;
		*at = '/';
	}
	return 0;
}

/* The last lines, in a ring. */
struct tail {
	char *lines[HISTORY_LINES];
	size_t n; /* of all lines */
};

static void
read_tail(FILE *from, struct tail *tail)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, from)) >= 0) {
		char **place = &tail->lines[tail->n % HISTORY_LINES];

		if (len && line[len - 1] == '\n')
			line[--len] = '\0';
		if (!len)
			continue;
		free(*place);
		*place = line;
		line = NULL;
		size = 0;
		tail->n++;
	}
	free(line);
}

/* So that the file does not grow for ever: its last lines become the file. Where that fails, it stays as it was. */
static void
shorten(const char *path, const struct tail *tail)
{
	char temporary[HISTORY_PATH_MAX + 8];
	FILE *to;
	int fd;

	snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	to = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!to) {
		if (fd >= 0) {
			close(fd);
			unlink(temporary);
		}
		return;
	}
	for (size_t i = 0; i < HISTORY_LINES; i++)
		fprintf(to, "%s\n", tail->lines[(tail->n + i) % HISTORY_LINES]);
	if (ferror(to) | fclose(to) || rename(temporary, path))
		unlink(temporary);
}

static int
open_file(const char *path)
{
	int fd =
		open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat status = { 0 };

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    ((status.st_mode & 0777) == 0600 || fchmod(fd, 0600) == 0))
		return fd;
	errno = S_ISREG(status.st_mode) ? errno : EINVAL;
	close(fd);
	return -1;
}

int
history_open(const char *path, void (*each)(void *context, const char *line), void *context,
	     char error[HISTORY_ERROR_MAX])
{
	struct tail tail = { .n = 0 };
	int fd = make_folders(path) ? -1 : open_file(path);
	FILE *from = fd >= 0 ? fopen(path, "re") : NULL;

	if (from) {
		read_tail(from, &tail);
		fclose(from);
	} else if (fd >= 0) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		snprintf(error, HISTORY_ERROR_MAX, "%s: %s; lines are kept for this time only",
			 path, strerror(errno));
	for (size_t i = 0; i < HISTORY_LINES; i++) {
		const char *line = tail.lines[(tail.n + i) % HISTORY_LINES];

		if (line)
			each(context, line);
	}
	if (fd >= 0 && tail.n > 2 * HISTORY_LINES) {
		shorten(path, &tail);
		close(fd);
		fd = open_file(path);
	}
	for (size_t i = 0; i < HISTORY_LINES; i++)
		free(tail.lines[i]);
	return fd;
}

int
history_add(int fd, const char *line)
{
	/* One call, so that lines of two shells do not mix. */
	const struct iovec parts[] = {
		{ (void *)line, strlen(line) },
		{ (void *)"\n", 1 },
	};
	size_t whole = parts[0].iov_len + parts[1].iov_len;
	ssize_t written = writev(fd, parts, 2);

	if (written < 0)
		return -errno;
	return (size_t)written == whole ? 0 : -ENOSPC;
}
