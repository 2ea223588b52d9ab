/* Lines that a shell keeps: no secret, at most so many, in a file for its owner alone. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tools/cradlectl_history.h"
#include "tools/cradlectl_words.h"

static const char schema_text[] =
	"{\"commands\": [{\"words\": \"status\", \"secret_argument\": 0, \"options\": []},"
	" {\"words\": \"device add\", \"secret_argument\": 0, \"options\":"
	"  [{\"name\": \"--key\", \"secret\": true}, {\"name\": \"--key-file\", \"secret\": "
	"false}]},"
	" {\"words\": \"group value set\", \"secret_argument\": 3, \"options\": []}]}";

static enum history_keep
judge(const json_t *schema, const char *line)
{
	struct words words;
	enum history_keep keep;

	words_split(line, strlen(line), &words);
	keep = history_judge(schema, words.n, words.argv);
	words_free(&words);
	return keep;
}

Test(history, secrets)
{
	json_t *schema = json_loads(schema_text, 0, NULL);

	cr_assert_not_null(schema);
	cr_expect_eq(judge(schema, "device add x --key y"), HISTORY_NEVER);
	cr_expect_eq(judge(schema, "device add x --key=y"), HISTORY_NEVER);
	cr_expect_eq(judge(schema, "device ad x --key=y"), HISTORY_NEVER);
	cr_expect_eq(judge(schema, "--json device add --key y x"), HISTORY_NEVER);
	cr_expect_eq(judge(schema, "group value set g n secret"), HISTORY_NEVER);
	cr_expect_eq(judge(schema, "group valu set g n secret"), HISTORY_SESSION);
	cr_expect_eq(judge(schema, "top"), HISTORY_SESSION);
	cr_expect_eq(judge(schema, "device"), HISTORY_SESSION);
	cr_expect_eq(judge(NULL, "status"), HISTORY_SESSION);
	cr_expect_eq(judge(schema, "group value set g n"), HISTORY_FILE);
	cr_expect_eq(judge(schema, "device add x --key-file y"), HISTORY_FILE);
	cr_expect_eq(judge(schema, "status"), HISTORY_FILE);
	json_decref(schema);
}

static char folder[] = "/tmp/cradle-history-XXXXXX";
static char path[HISTORY_PATH_MAX];

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	setenv("XDG_STATE_HOME", folder, 1);
	cr_assert(history_path(path));
}

static void
teardown(void)
{
	char part[HISTORY_PATH_MAX];

	unlink(path);
	snprintf(part, sizeof part, "%s/cradle", folder);
	rmdir(part);
	cr_expect_eq(rmdir(folder), 0, "something was left behind");
}

struct seen {
	unsigned n;
	char first[32], last[32];
};

static void
see(void *context, const char *line)
{
	struct seen *seen = context;

	if (!seen->n++)
		snprintf(seen->first, sizeof seen->first, "%s", line);
	snprintf(seen->last, sizeof seen->last, "%s", line);
}

static int
open_it(struct seen *seen)
{
	char error[HISTORY_ERROR_MAX] = "";
	int fd;

	*seen = (struct seen){ 0 };
	fd = history_open(path, see, seen, error);
	cr_assert_geq(fd, 0, "%s", error);
	return fd;
}

Test(history, place)
{
	char at[HISTORY_PATH_MAX];

	setenv("HOME", "/home/x", 1);
	setenv("XDG_STATE_HOME", "not/absolute", 1);
	cr_expect(history_path(at));
	cr_expect_str_eq(at, "/home/x/.local/state/cradle/history");
	setenv("XDG_STATE_HOME", "/state", 1);
	cr_expect(history_path(at));
	cr_expect_str_eq(at, "/state/cradle/history");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	cr_expect_not(history_path(at));
}

Test(history, no_regular_file, .init = setup, .fini = teardown)
{
	char error[HISTORY_ERROR_MAX] = "";
	struct seen seen = { 0 };
	int fd = open_it(&seen);

	close(fd);
	unlink(path);
	cr_assert_eq(symlink("/dev/null", path), 0);
	cr_expect_lt(history_open(path, see, &seen, error), 0);
	cr_expect_not_null(strstr(error, path));
}

Test(history, kept_for_its_owner, .init = setup, .fini = teardown)
{
	struct seen seen;
	struct stat status;
	int fd = open_it(&seen);

	cr_expect_eq(seen.n, 0);
	cr_expect_eq(history_add(fd, "status"), 0);
	cr_expect_eq(history_add(fd, "device list"), 0);
	cr_expect_eq(fchmod(fd, 0644), 0);
	close(fd);
	fd = open_it(&seen);
	cr_expect_eq(seen.n, 2);
	cr_expect_str_eq(seen.first, "status");
	cr_expect_str_eq(seen.last, "device list");
	cr_expect_eq(fstat(fd, &status), 0);
	cr_expect_eq(status.st_mode & 0777, 0600);
	close(fd);
}

Test(history, last_lines, .init = setup, .fini = teardown)
{
	enum { WRITTEN = 2 * HISTORY_LINES + 1 };
	struct seen seen;
	char line[32];
	int fd = open_it(&seen);

	for (int i = 0; i < WRITTEN; i++) {
		snprintf(line, sizeof line, "line %d", i);
		cr_assert_eq(history_add(fd, line), 0);
	}
	close(fd);
	close(open_it(&seen)); /* the file is made shorter */
	cr_expect_eq(seen.n, HISTORY_LINES);
	fd = open_it(&seen);
	cr_expect_eq(seen.n, HISTORY_LINES);
	snprintf(line, sizeof line, "line %d", WRITTEN - HISTORY_LINES);
	cr_expect_str_eq(seen.first, line);
	cr_expect_eq(history_add(fd, "one more"), 0);
	close(fd);
	close(open_it(&seen));
	cr_expect_eq(seen.n, HISTORY_LINES);
	cr_expect_str_eq(seen.last, "one more");
}
