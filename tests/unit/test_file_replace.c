/* A file's new content as a whole or not at all: what fails leaves the old one and nothing beside it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/file_replace.h"

static char folder[] = "/tmp/file-replace-XXXXXX";
static char path[64];

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/f", folder);
}

static void
tear_down(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(file_replace, .init = set_up, .fini = tear_down);

static void
expect_content(const char *name, const char *content)
{
	char text[64] = "";
	FILE *file = fopen(name, "r");

	cr_assert_not_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	cr_expect_str_eq(text, content);
}

static int
files_in_folder(void)
{
	DIR *dir = opendir(folder);
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

Test(file_replace, a_disk_that_takes_no_more)
{
	const struct rlimit none = { .rlim_cur = 4, .rlim_max = RLIM_INFINITY };
	const struct rlimit all = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

	cr_assert_eq(file_replace(path, "old", 3), 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	cr_expect_eq(file_replace(path, "longer than four", 16), -EFBIG);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
	expect_content(path, "old");
	cr_expect_eq(files_in_folder(), 1, "nothing is left beside it");
}

Test(file_replace, no_such_folder)
{
	cr_expect_eq(file_replace("/nonexistent/a/b", "x", 1), -ENOENT);
	cr_expect_eq(file_remove("/tmp"), -EISDIR);
	cr_expect_eq(file_remove(path), 0, "what is not there is gone");
}

Test(file_replace, mode_stays)
{
	struct stat st;

	cr_assert_eq(file_replace(path, "one", 3), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0640, "keys may be in it");
	cr_assert_eq(chmod(path, 0604), 0);
	cr_assert_eq(file_replace(path, "two", 3), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0604);
	expect_content(path, "two");
	cr_expect_eq(file_remove(path), 0);
	cr_expect_eq(files_in_folder(), 0);
}

Test(file_replace, a_link_stays_one)
{
	char link[64];
	struct stat st;

	snprintf(link, sizeof link, "%s/l", folder);
	cr_assert_eq(file_replace(path, "one", 3), 0);
	cr_assert_eq(symlink("f", link), 0);
	cr_assert_eq(file_replace(link, "two", 3), 0);
	cr_assert_eq(lstat(link, &st), 0);
	cr_expect(S_ISLNK(st.st_mode));
	expect_content(path, "two");
}

static void
put_file(const char *name)
{
	char file[128];
	FILE *stream;

	snprintf(file, sizeof file, "%s/%s", folder, name);
	stream = fopen(file, "w");
	cr_assert_not_null(stream);
	fclose(stream);
}

Test(file_replace, only_what_a_killed_process_left_is_swept)
{
	static const char *const others[] = { ".cradle-", ".cradle-a1B2c", ".cradle-a1B2c3d",
					      ".Cradle-a1B2c3", "groups.conf" };

	cr_expect_eq(file_sweep("/nowhere"), 0);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		put_file(others[i]);
	put_file(".cradle-a1B2c3");
	put_file(".cradle-ZZZZZZ");
	cr_expect_eq(file_sweep(folder), 2);
	cr_expect_eq(files_in_folder(), 5);
	cr_expect_eq(file_sweep(folder), 0);
}
