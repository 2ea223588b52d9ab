/* Files of a folder changed together: a process that is killed before any step leaves the old ones or the new ones. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

enum { KILLED = 9, STEPS_MAX = 1000 };

static int steps_left = -1; /* -1: no end; at 0 the process dies before the step */
static const char *refused; /* a rename to a path with this end fails */

static void
step(void)
{
	if (steps_left == 0)
		_exit(KILLED);
	steps_left -= steps_left > 0;
}

static int
step_rename(const char *from, const char *to)
{
	step();
	if (refused && strlen(to) >= strlen(refused) &&
	    strcmp(to + strlen(to) - strlen(refused), refused) == 0) {
		errno = EIO;
		return -1;
	}
	return rename(from, to);
}

static int
step_unlink(const char *path)
{
	step();
	return unlink(path);
}

static int
step_mkostemp(char *path, int flags)
{
	step();
	return mkostemp(path, flags);
}

static ssize_t
step_write(int fd, const void *bytes, size_t len)
{
	step();
	return write(fd, bytes, len);
}

static int
step_fsync(int fd)
{
	step();
	return fsync(fd);
}

#define rename   step_rename
#define unlink   step_unlink
#define mkostemp step_mkostemp
#define write    step_write
#define fsync    step_fsync
#include "control/file_replace.c"
#undef TEMPORARY
#include "control/file_set.c"
#undef rename
#undef unlink
#undef mkostemp
#undef write
#undef fsync

/* One that changes, one that comes, one that goes, one in a folder below. */
static const struct file_set_item set[] = {
	{ "tasks/a.xml", "<new/>", 6, "<old/>", 6, false },
	{ "tasks/b.xml", "<b/>", 4, NULL, 0, false },
	{ "groups.conf", "new secret", 10, "old", 3, true },
	{ "servers.conf", NULL, 0, "gone", 4, false },
};
enum { N_SET = sizeof set / sizeof set[0] };

static char base[] = "/tmp/file-set-XXXXXX";
static char folder[64];

static void
put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	cr_assert_eq(join(folder, name, path), 0);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

static void
make_folder(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "rm -rf %s && mkdir -p %s/tasks", folder, folder);
	cr_assert_eq(system(path), 0);
	for (size_t i = 0; i < N_SET; i++)
		if (set[i].old)
			put(set[i].name, set[i].old);
}

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(base));
	snprintf(folder, sizeof folder, "%s/p", base);
	make_folder();
}

static void
tear_down(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -r %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(file_set, .init = set_up, .fini = tear_down);

static bool
says(const char *name, const char *text, size_t len)
{
	char path[PATH_MAX], *now;
	size_t now_len;
	bool same;

	cr_assert_eq(join(folder, name, path), 0);
	cr_assert_eq(read_file(path, FILE_MAX, &now, &now_len), 0);
	same = !now == !text && (!now || (now_len == len && memcmp(now, text, len) == 0));
	forget(now, now_len);
	return same;
}

static bool
all_are(bool new)
{
	bool all = true;

	for (size_t i = 0; i < N_SET; i++)
		all &= new ? says(set[i].name, set[i].text, set[i].len)
			   : says(set[i].name, set[i].old, set[i].old_len);
	return all;
}

static int
files_in(const char *name)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	cr_assert_eq(join(folder, name, path), 0);
	dir = opendir(path);
	while ((entry = readdir(dir)))
		n += entry->d_type == DT_REG;
	closedir(dir);
	return n;
}

/* What a start does. */
static int
recover_and_sweep(struct text *said)
{
	char tasks[PATH_MAX];
	int result = file_set_recover(folder, said);

	cr_assert_eq(join(folder, "tasks", tasks), 0);
	file_sweep(folder);
	file_sweep(tasks);
	return result;
}

static int
recover_quietly(void)
{
	struct text said;
	int result;

	text_init(&said);
	result = recover_and_sweep(&said);
	text_fini(&said);
	return result;
}

/* In a process of its own, which is killed before its step number `steps`. Whether it was. */
static bool
killed_at(int steps, bool recovering)
{
	const char *failed;
	pid_t child = fork();
	int status;

	if (child == 0) {
		steps_left = steps;
		if (recovering)
			_exit(recover_quietly() < 0);
		_exit(file_set_change(folder, set, N_SET, &failed) < 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED));
	return WEXITSTATUS(status) == KILLED;
}

Test(file_set, killed_before_every_step_there_are_the_old_files_or_the_new_ones)
{
	unsigned old = 0, new = 0;
	int steps = 0;

	for (bool killed = true; killed; steps++) {
		make_folder();
		cr_assert_lt(steps, STEPS_MAX);
		killed = killed_at(steps, false);
		cr_assert_geq(recover_quietly(), 0);
		old += all_are(false);
		new += all_are(true);
		cr_assert_eq(old + new, (unsigned)steps + 1, "a mix after step %d", steps);
		cr_expect(killed || all_are(true));
		cr_expect_not(file_set_is_open(folder));
		cr_expect_eq(files_in("tasks") + files_in("."), 3, "step %d left something", steps);
	}
	cr_expect_gt(old, 4 * 3); /* each of its new files was being written */
	cr_expect_gt(new, N_SET);
}

/* Killed in the middle, and then before every step of the recovery. */
Test(file_set, a_recovery_that_is_killed_goes_on_at_the_next_start)
{
	bool any = false;

	for (int at = 0; at < STEPS_MAX; at++) {
		bool killed = true;

		make_folder();
		if (!killed_at(at, false))
			break;
		for (int steps = 0; file_set_is_open(folder) && killed; steps++) {
			make_folder();
			cr_assert(killed_at(at, false));
			killed = killed_at(steps, true);
			any |= killed;
			cr_assert_geq(recover_quietly(), 0);
			cr_expect(all_are(true), "killed at %d, and at %d", at, steps);
			cr_expect_eq(files_in("tasks") + files_in("."), 3);
			make_folder();
			cr_assert(killed_at(at, false));
		}
	}
	cr_expect(any);
}

/* The step behind the journal: none of the files is moved yet. */
static void
leave_open(void)
{
	for (int steps = 0; steps < STEPS_MAX && !file_set_is_open(folder); steps++) {
		make_folder();
		cr_assert(killed_at(steps, false));
	}
	cr_assert(file_set_is_open(folder));
	cr_assert(all_are(false));
}

Test(file_set, a_hand_was_quicker_and_nothing_of_the_change_is_taken)
{
	struct text said;

	leave_open();
	put("groups.conf", "by hand");
	text_init(&said);
	cr_expect_eq(recover_and_sweep(&said), 1);
	cr_expect_not_null(strstr(text_str(&said), "taken back"));
	cr_expect_not_null(strstr(text_str(&said), "as somebody left them since: groups.conf"));
	text_fini(&said);
	cr_expect(says("groups.conf", "by hand", 7));
	cr_expect(says("tasks/a.xml", "<old/>", 6));
	cr_expect(says("servers.conf", "gone", 4));
	cr_expect_eq(files_in("tasks") + files_in("."), 3);
}

Test(file_set, a_new_content_that_is_lost_takes_the_change_back)
{
	char tasks[PATH_MAX];
	struct text said;

	leave_open();
	cr_assert_eq(join(folder, "tasks", tasks), 0);
	cr_assert_eq(file_sweep(tasks), 2);
	text_init(&said);
	cr_expect_eq(recover_and_sweep(&said), 1);
	cr_expect_not_null(strstr(text_str(&said), "lost of tasks/a.xml, tasks/b.xml"));
	text_fini(&said);
	cr_expect(all_are(false));
}

#define SOME "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

Test(file_set, a_journal_that_is_none_is_told_and_goes)
{
	static const char *const bad[] = {
		"",
		"nonsense\n",
		HEADER "x\n",
		HEADER "- - ../x groups.conf\n",
		HEADER "- - - ../../etc/passwd\n",
		HEADER "- - - /etc/passwd\n",
		/* Others than those that a change wrote beside the files would be taken away. */
		HEADER "- " SOME " groups.conf tasks/a.xml\n",
		HEADER "- " SOME " .cradle-abcde/ tasks/a.xml\n",
		HEADER "- " SOME " - tasks/a.xml\n",
		HEADER "- - .cradle-abcdef tasks/a.xml\n",
		HEADER "- 00 .cradle-abcdef tasks/a.xml\n",
		HEADER "- - - " JOURNAL "\n",
		HEADER "- - - tasks/.cradle-abcdef\n",
		HEADER "- - -\n",
		HEADER "- - - \n",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct text said;

		put(JOURNAL, bad[i]);
		text_init(&said);
		cr_expect_eq(recover_and_sweep(&said), 1);
		cr_expect_not_null(strstr(text_str(&said), "not understood"), "%zu", i);
		text_fini(&said);
		cr_expect_not(file_set_is_open(folder));
		cr_expect(all_are(false));
	}
}

/* Lines that end in NUL, not in a line break, are more than room was made for. */
Test(file_set, a_journal_with_nul_is_none)
{
	static const char line[] = "- - - groups.conf";
	char path[PATH_MAX];
	struct text said;
	FILE *file;

	cr_assert_eq(join(folder, JOURNAL, path), 0);
	file = fopen(path, "w");
	fputs(HEADER, file);
	for (unsigned i = 0; i < 1000; i++)
		fwrite(line, sizeof line, 1, file);
	fclose(file);
	text_init(&said);
	cr_expect_eq(recover_and_sweep(&said), 1);
	cr_expect_not_null(strstr(text_str(&said), "not understood"));
	text_fini(&said);
	cr_expect(all_are(false));
}

/* A name that is cut short would be another file. */
Test(file_set, a_journal_with_a_name_that_is_too_long_is_none)
{
	char text[1024] = HEADER "- - - ";
	struct text said;

	memset(text + strlen(text), 'a', NAME_BYTES);
	put(JOURNAL, text);
	text_init(&said);
	cr_expect_eq(recover_and_sweep(&said), 1);
	cr_expect_not_null(strstr(text_str(&said), "not understood"));
	text_fini(&said);
}

/* Changes one file alone, killed right behind the journal, and has that recovered. */
static void
interrupt_and_recover(const char *name)
{
	const struct file_set_item item = { .name = name, .text = "new", .len = 3 };
	const char *failed;
	struct text said;

	for (int steps = 0; steps < STEPS_MAX && !file_set_is_open(folder); steps++) {
		pid_t child = fork();

		if (child == 0) {
			steps_left = steps;
			_exit(file_set_change(folder, &item, 1, &failed) < 0);
		}
		cr_assert_eq(waitpid(child, NULL, 0), child);
	}
	cr_assert(file_set_is_open(folder), "%s", name);
	text_init(&said);
	cr_expect_eq(recover_and_sweep(&said), 1);
	cr_expect_not_null(strstr(text_str(&said), "finished"), "%s: %s", name, text_str(&said));
	text_fini(&said);
	cr_expect(says(name, "new", 3), "%s", name);
}

/* Two dots lead out of the folder as a part of a path alone. */
Test(file_set, a_recovery_understands_every_name_that_a_change_takes)
{
	static const char *const names[] = { "tasks/v1..2.xml", "tasks/a...xml", "tasks/..xml",
					     "tasks/a b.xml",   " c.conf",       "tasks/d.." };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		interrupt_and_recover(names[i]);
}

/* What a recovery would not understand is refused before anything is changed. */
Test(file_set, a_name_that_no_journal_can_say_is_refused)
{
	static const char *const bad[] = { "",      "/etc/passwd",          "..",
					   "../x",  "tasks/../../x",        "tasks/..",
					   JOURNAL, "tasks/.cradle-abcdef", "a\nb" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const struct file_set_item items[] = {
			set[0], { .name = bad[i], .text = "new", .len = 3 }
		};
		const char *failed;

		cr_expect_eq(file_set_change(folder, items, 2, &failed), -EINVAL, "%zu", i);
		cr_expect_eq(failed, bad[i]);
		cr_expect_not(file_set_is_open(folder));
		cr_expect(all_are(false));
		cr_expect_eq(files_in("tasks") + files_in("."), 3);
	}
}

Test(file_set, nothing_was_interrupted)
{
	struct text said;

	text_init(&said);
	cr_expect_eq(recover_and_sweep(&said), 0);
	cr_expect_eq(said.len, 0);
	text_fini(&said);
}

Test(file_set, a_disk_that_fails_in_the_middle_leaves_the_old_files)
{
	static const char *const ends[] = { "/tasks/b.xml", "/groups.conf", "/" JOURNAL };

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		const char *failed;

		refused = ends[i];
		cr_expect_eq(file_set_change(folder, set, N_SET, &failed), -EIO);
		refused = NULL;
		cr_expect(failed ? strstr(ends[i], failed) != NULL : i == 2);
		cr_expect(all_are(false), "%s", ends[i]);
		cr_expect_not(file_set_is_open(folder));
		cr_expect_eq(files_in("tasks") + files_in("."), 3);
	}
}

/* The one that had gone already, and the one that was to be private from now on. */
Test(file_set, a_change_that_fails_leaves_mode_and_owner_as_they_were)
{
	static const char *const names[] = { "servers.conf", "groups.conf" };
	const char *failed;
	char path[PATH_MAX];
	struct stat before, after;

	refused = "/last.conf";
	for (size_t i = 0; i < 2; i++) {
		const struct file_set_item items[] = {
			{ names[i], i == 0 ? NULL : "new", i == 0 ? 0 : 3, i == 0 ? "gone" : "old",
			  i == 0 ? 4 : 3, FILE_READ_BY_GROUP },
			{ "last.conf", "x", 1, NULL, 0, FILE_READ_AS_BEFORE },
		};

		cr_assert_eq(join(folder, names[i], path), 0);
		cr_assert_eq(chmod(path, 0604), 0);
		if (geteuid() == 0)
			cr_assert_eq(chown(path, 12, 34), 0);
		cr_assert_eq(stat(path, &before), 0);
		cr_expect_eq(file_set_change(folder, items, 2, &failed), -EIO);
		cr_assert_eq(stat(path, &after), 0);
		cr_expect_eq(after.st_mode, before.st_mode, "%s: %o", names[i], after.st_mode);
		cr_expect_eq(after.st_uid, before.st_uid);
		cr_expect_eq(after.st_gid, before.st_gid);
	}
	refused = NULL;
	cr_expect(all_are(false));
}

Test(file_set, what_is_private_is_so_from_its_first_byte)
{
	char path[PATH_MAX];
	const char *failed;
	struct stat st;

	cr_assert_eq(join(folder, "groups.conf", path), 0);
	cr_assert_eq(chmod(path, 0644), 0);
	cr_assert_eq(file_set_change(folder, set, N_SET, &failed), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0640);
	cr_expect(all_are(true));
}

/* ---- symbolic links ---- */

/* "servers.conf", which goes in the set, as a link to a file outside of the folder. */
static void
make_link(const char *target)
{
	char path[PATH_MAX], outside[PATH_MAX];
	FILE *file;

	make_folder();
	snprintf(outside, sizeof outside, "%s/outside", base);
	file = fopen(outside, "w");
	fputs("gone", file);
	fclose(file);
	cr_assert_eq(join(folder, "servers.conf", path), 0);
	unlink(path);
	cr_assert_eq(symlink(target, path), 0);
}

static bool
is_link_to(const char *name, const char *target)
{
	char path[PATH_MAX], *link;
	bool same;

	cr_assert_eq(join(folder, name, path), 0);
	link = file_link(path);
	same = link && strcmp(link, target) == 0;
	free(link);
	return same;
}

static bool
outside_says(const char *text)
{
	return says("../outside", text, strlen(text));
}

Test(file_set, a_link_stays_one_and_the_file_behind_it_changes)
{
	const struct file_set_item item = { "servers.conf", "new", 3, "gone", 4, false, NULL };
	const char *failed;

	make_link("../outside");
	cr_assert_eq(file_set_change(folder, &item, 1, &failed), 0);
	cr_expect(is_link_to("servers.conf", "../outside"));
	cr_expect(outside_says("new"));
}

Test(file_set, a_link_that_goes_leaves_its_file_and_comes_back_as_a_link)
{
	struct file_set_item items[] = { { "servers.conf", NULL, 0, "gone", 4, false, "../outside" },
					 { "groups.conf", "new", 3, "old", 3, false, NULL } };
	const char *failed;

	make_link("../outside");
	cr_assert_eq(file_set_change(folder, items, 1, &failed), 0);
	cr_expect(says("servers.conf", NULL, 0));
	cr_expect(outside_says("gone"));
	/* A change that fails behind it. */
	make_link("../outside");
	refused = "groups.conf";
	cr_expect_eq(file_set_change(folder, items, 2, &failed), -EIO);
	refused = NULL;
	cr_expect(is_link_to("servers.conf", "../outside"));
	cr_expect(all_are(false));
	cr_expect(outside_says("gone"));
	cr_expect_eq(files_in("tasks") + files_in("."), 2, "something is left");
}

/* Killed before any step of it, the link is there afterwards, or not yet. */
Test(file_set, a_change_that_brings_a_link_back_may_be_killed)
{
	const struct file_set_item item = { "servers.conf", "gone", 4, NULL, 0, false, "../outside" };
	unsigned come = 0;
	const char *failed;
	int status = -1;

	for (int steps = 0; status; steps++) {
		char path[PATH_MAX];
		pid_t child;

		make_link("../outside");
		cr_assert_eq(join(folder, "servers.conf", path), 0);
		cr_assert_eq(unlink(path), 0);
		cr_assert_lt(steps, STEPS_MAX);
		child = fork();
		if (child == 0) {
			steps_left = steps;
			_exit(file_set_change(folder, &item, 1, &failed) < 0);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert_geq(recover_quietly(), 0);
		come += is_link_to("servers.conf", "../outside");
		cr_expect(is_link_to("servers.conf", "../outside") || says("servers.conf", NULL, 0));
		cr_expect(outside_says("gone"));
		cr_expect_eq(files_in("tasks") + files_in("."), 2, "step %d left something", steps);
	}
	cr_expect_gt(come, 1);
}

/* It would become a file, and nobody would know where the one is that it meant. */
Test(file_set, a_link_to_nowhere_is_not_written_over)
{
	const struct file_set_item item = { "servers.conf", "new", 3, NULL, 0, false, NULL };
	const char *failed;

	make_link("../nowhere");
	cr_expect_eq(file_set_change(folder, &item, 1, &failed), -ENOENT);
	cr_expect_str_eq(failed, "servers.conf");
	cr_expect(is_link_to("servers.conf", "../nowhere"));
}
