/* Which files members share, and which version of the cluster's policy the files of a folder are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/runs/policy_base.h"
#include "control/runs/policy_share.h"

static char folder[] = "/tmp/cradle-base-XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	cr_assert_geq(fputs(text, file), 0);
	fclose(file);
}

static void
set_up(void)
{
	static const char *const folders[] = { "tasks", "certs", "keys" };
	char path[128];

	cr_assert_not_null(mkdtemp(folder));
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
		cr_assert_eq(mkdir(path, 0700), 0);
	}
	put("groups.conf", "groups = ( );");
	put("tasks/a.xml", "<task/>");
	put("certs/own.key", "a key");
	put("certs/other.key", "a key that the policy does not name");
	put("certs/member-own.key", "this member's");
	put("notes.txt", "no part of it");
}

static void
tear_down(void)
{
	char command[160];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(policy_base, .init = set_up, .fini = tear_down);

/* As a policy that names two keys. */
static const struct policy_read own = { "certs/member-own.key", 0, 0, NULL },
				named = { "certs/own.key", 0, 0, &own };
static const struct policy policy = { .read = &named };

static void
read_set(struct policy_set *set)
{
	*set = (struct policy_set){ 0 };
	cr_assert_eq(policy_set_read(set, folder, &policy, NULL), 0);
}

Test(policy_base, names_that_members_do_not_share)
{
	static const char *const not[] = { "certs/member-a.key", "keys/member-", "../groups.conf", "certs/../a",
					   "tasks/", "tasks/.a.xml", "certs/.own.key", ".cradle-cluster", "notes.txt",
					   "", "certs", "tasks/a/b.xml" };
	static const char *const shared[] = { "groups.conf", "servers.conf", "trust.conf", "tasks/a.xml", "resources/t.csv",
					      "certs/own.key", "keys/a.der" };

	for (unsigned i = 0; i < sizeof not/ sizeof not[0]; i++)
		cr_expect_not(policy_set_shares(not[i]), "%s", not[i]);
	for (unsigned i = 0; i < sizeof shared / sizeof shared[0]; i++)
		cr_expect(policy_set_shares(shared[i]), "%s", shared[i]);
}

Test(policy_base, of_keys_those_that_the_policy_names_are_shared)
{
	struct policy_set set;

	read_set(&set);
	cr_assert_eq(set.n, 3);
	cr_expect_str_eq(set.files[0].name, "certs/own.key");
	cr_expect_str_eq(set.files[1].name, "groups.conf");
	cr_expect_str_eq(set.files[2].text, "<task/>");
	policy_set_fini(&set);
}

static void
note_names(void *ctx, const struct policy_set_file *before, const struct policy_set_file *after)
{
	char *names = ctx;

	sprintf(names + strlen(names), "%c%s ", !before ? '+' : !after ? '-' : '~',
		before ? before->name : after->name);
}

Test(policy_base, differences_are_found_by_name_and_content)
{
	char names[256] = "", said[64];
	uint8_t first[DIGEST_MAX], second[DIGEST_MAX];
	struct policy_set before, after;

	read_set(&before);
	put("tasks/a.xml", "<task />");
	put("tasks/b.xml", "<task/>");
	put("servers.conf", "servers = ( );");
	unlink(strcat(strcpy(said, folder), "/certs/own.key"));
	read_set(&after);
	cr_expect_eq(policy_set_compare(&before, &after, note_names, names), 4);
	cr_expect_str_eq(names, "-certs/own.key +servers.conf ~tasks/a.xml +tasks/b.xml ");
	cr_assert(policy_set_digest(&before, first) && policy_set_digest(&after, second));
	cr_expect_neq(memcmp(first, second, sizeof first), 0);
	cr_expect_eq(policy_set_compare(&after, &after, note_names, names), 0);
	policy_set_fini(&before);
	policy_set_fini(&after);
}

/* What does not fit is counted: the sentence stays whole. */
Test(policy_base, names_of_what_changed_are_cut_where_there_are_too_many)
{
	struct policy_base base = { .version = 1 };
	char names[64], file[32];
	struct policy_set set;

	for (unsigned i = 0; i < 50; i++) {
		snprintf(file, sizeof file, "tasks/number-%02u.xml", i);
		put(file, "<task/>");
	}
	read_set(&set);
	for (size_t max = 24; max < sizeof names; max++) {
		cr_expect_eq(policy_share_changed(&base, &set, names, max), 53);
		cr_expect_lt(strlen(names), max);
		cr_expect(strstr(names, " more") || strstr(names, "53 files"), "%s", names);
	}
	policy_set_fini(&set);
}

Test(policy_base, what_was_written_is_read_and_another_clusters_is_nobodys)
{
	struct policy_base base = { .version = 17, .digest = "9f3c" }, read;
	struct policy_set set;
	struct stat found;
	char path[128];

	read_set(&set);
	cr_assert_eq(policy_base_write(folder, "north", &base, &set), 0);
	snprintf(path, sizeof path, "%s/" POLICY_BASE_FILE, folder);
	cr_assert_eq(stat(path, &found), 0);
	cr_expect_eq(found.st_mode & 0007, 0);
	cr_assert_eq(policy_base_read(folder, "north", &read), 0);
	cr_expect_eq(read.version, 17);
	cr_expect_str_eq(read.digest, "9f3c");
	cr_expect_eq(policy_set_compare(&read.files, &set, NULL, NULL), 0);
	policy_base_fini(&read);
	cr_assert_eq(policy_base_read(folder, "south", &read), 0);
	cr_expect_eq(read.version + read.files.n, 0);
	policy_base_remove(folder);
	cr_assert_eq(policy_base_read(folder, "north", &read), 0);
	cr_expect_eq(read.version, 0);
	policy_set_fini(&set);
}

Test(policy_base, what_is_damaged_is_no_version)
{
#define GOOD "cradle cluster policy 1\n17 9f3c north\n"
	static const char sum[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char *const bad[] = { "", "cradle", "cradle cluster policy 2\n17 9f3c north\n",
					   "cradle cluster policy 1\n", "cradle cluster policy 1\n17 9f3c north",
					   "cradle cluster policy 1\n0 9f3c north\n", "cradle cluster policy 1\nx 9f3c north\n",
					   GOOD "0123 groups.conf\n", GOOD "%s ../groups.conf\n", GOOD "%s certs/member-a\n",
					   GOOD "%s groups.conf", GOOD "%sgroups.conf\n" };
	struct policy_base read;
	char text[512];

	snprintf(text, sizeof text, GOOD "%s groups.conf\n", sum);
	put(POLICY_BASE_FILE, text);
	cr_assert_eq(policy_base_read(folder, "north", &read), 0);
	cr_expect_eq(read.version, 17);
	cr_expect_eq(read.files.n, 1);
	policy_base_fini(&read);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *at = strstr(bad[i], "%s");

		snprintf(text, sizeof text, "%.*s%s%s", at ? (int)(at - bad[i]) : 400, bad[i], at ? sum : "",
			 at ? at + 2 : "");
		put(POLICY_BASE_FILE, text);
		cr_assert_eq(policy_base_read(folder, "north", &read), 0, "%s", bad[i]);
		cr_expect_eq(read.version + read.files.n, 0, "%s", bad[i]);
	}
}
