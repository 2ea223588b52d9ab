/*
 * The journal of a change of several files: carried out, taken back or refused, it goes, and no other file than those that
 * it may name is changed. Beside the folder lies a file that nobody may touch.
 */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/file_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { READ_MAX = 64 };

/* What is in the folder before each input; "new" are what a change wrote beside the files. */
static const struct content {
	const char *name, *text;
} contents[] = {
	{ "p/groups.conf", "old" },
	{ "p/servers.conf", "gone" },
	{ "p/tasks/a.xml", "<old/>" },
	{ "p/.cradle-aaaaaa", "new" },
	{ "p/tasks/.cradle-bbbbbb", "<new/>" },
	{ "outside", "outside" },
	{ "p/keys.pem", "no journal names it" },
};
enum { CONTENTS = sizeof contents / sizeof contents[0] };

static char base[64];

static void
clean_up(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", base);
	if (system(command) != 0)
		abort();
}

static void
path_of(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", base, name);
}

static void
make_folders(void)
{
	const char *parent = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	char path[PATH_MAX];

	if (*base)
		return;
	snprintf(base, sizeof base, "%s/fuzz-file-set-XXXXXX", parent);
	if (!mkdtemp(base))
		abort();
	path_of("p", path);
	mkdir(path, 0700);
	path_of("p/tasks", path);
	mkdir(path, 0700);
	atexit(clean_up);
}

static void
put(const char *name, const void *bytes, size_t len)
{
	char path[PATH_MAX];
	int fd;

	path_of(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* The file says what it did. */
static bool
is_as_it_was(const struct content *content)
{
	char path[PATH_MAX], text[READ_MAX];
	ssize_t n;
	int fd;

	path_of(content->name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(content->text) && memcmp(text, content->text, (size_t)n) == 0;
}

/* Whether the journal has the file's name at the end of a line: as a change would. */
static bool
is_named(const uint8_t *data, size_t size, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; at + len <= size; at++)
		if (memcmp(data + at, name, len) == 0 &&
		    (at + len == size || data[at + len] == '\n'))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char folder[PATH_MAX];
	struct text said;
	int result;

	make_folders();
	for (unsigned i = 0; i < CONTENTS; i++)
		put(contents[i].name, contents[i].text, strlen(contents[i].text));
	put("p/.cradle-journal", data, size);
	path_of("p", folder);
	text_init(&said);
	result = file_set_recover(folder, &said);
	/* What fails is the file system, by a name that is a folder or too long for it; then the next start tries again. */
	assert(result == 1 ? text_str(&said)[0] && !file_set_is_open(folder)
			   : result < 0 && file_set_is_open(folder));
	text_fini(&said);
	for (unsigned i = 0; i < 3; i++)
		assert(is_named(data, size, contents[i].name + strlen("p/")) ||
		       is_as_it_was(&contents[i]));
	assert(is_as_it_was(&contents[5]) &&
	       (is_named(data, size, "keys.pem") || is_as_it_was(&contents[6])));
	return 0;
}
