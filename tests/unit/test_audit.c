/* The audit file: lines that follow each other, and whatever is done to them shows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/audit/audit_chain.h"

static char path[64], error[AUDIT_ERROR_MAX];

static struct audit *
open_at_path(void)
{
	struct audit *audit = audit_open(path, error);

	cr_assert_not_null(audit, "%s", error);
	return audit;
}

static void
begin(void)
{
	strcpy(path, "/tmp/audit-XXXXXX");
	close(mkstemp(path));
}

static int
append(struct audit *audit, const char *word)
{
	json_t *words = json_pack("[s, s]", "group", word), *after = json_pack("{s:s}", "name", word);
	const struct audit_event event = { .time_ms = 1767225600123,
					   .uid = 1000,
					   .pid = 7,
					   .actor = "anna",
					   .command = words,
					   .done = true,
					   .after = after };
	int result = audit_append(audit, &event);

	json_decref(words);
	json_decref(after);
	return result;
}

/* Lines 1 to n. */
static void
write_lines(unsigned n)
{
	struct audit *audit = open_at_path();
	char word[32];

	for (unsigned i = 1; i <= n; i++) {
		snprintf(word, sizeof word, "root.%u", i);
		cr_assert_eq(append(audit, word), 0);
	}
	audit_close(audit);
}

static char *
read_all(size_t *len)
{
	FILE *file = fopen(path, "r");
	static char text[65536];

	*len = fread(text, 1, sizeof text - 1, file);
	text[*len] = 0;
	fclose(file);
	return text;
}

static void
write_all(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	fwrite(text, 1, len, file);
	fclose(file);
}

/* How many lines are good, to the end (0 in *result) or the first that is not. */
static uint64_t
verify(int *result)
{
	struct audit_chain chain = { 0 };
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;
	json_t *json;

	*result = 0;
	while (!*result && (len = getline(&line, &capacity, file)) > 0) {
		*result = audit_chain_take(&chain, line, (size_t)len - (line[len - 1] == '\n'), &json,
					   error);
		json_decref(json);
	}
	free(line);
	fclose(file);
	return chain.seq;
}

Test(audit, lines_follow_each_other_over_restarts)
{
	struct audit_info info;
	struct audit *audit;
	struct stat found;
	int result;

	begin();
	write_lines(3);
	write_lines(2);
	cr_expect_eq(verify(&result), 5);
	cr_expect_eq(result, 0, "%s", error);
	audit = open_at_path();
	audit_info(audit, &info);
	cr_expect_eq(info.seq, 5);
	audit_close(audit);
	cr_assert_eq(stat(path, &found), 0);
	cr_expect_eq(found.st_mode & 07777, 0600);
	unlink(path);
}

Test(audit, a_line_says_who_what_and_when)
{
	static const char expected[] =
		"{\"seq\":1,\"time\":\"2026-01-01T00:00:00.123Z\",\"by\":{\"uid\":1000,\"pid\":7,\"actor\":"
		"\"anna\"},\"command\":[\"group\",\"root.1\"],\"outcome\":\"done\",\"after\":{\"name\":"
		"\"root.1\"},\"prev\":\"" AUDIT_NO_HASH "\",\"hash\":\"";
	size_t len;

	begin();
	write_lines(1);
	cr_expect_eq(strncmp(read_all(&len), expected, sizeof expected - 1), 0, "%s", read_all(&len));
	unlink(path);
}

Test(audit, every_byte_that_changes_shows)
{
	char kept[65536], *text;
	size_t len;
	int result;

	begin();
	write_lines(3);
	text = read_all(&len);
	memcpy(kept, text, len);
	for (size_t i = 0; i < len - 1; i++) {
		char was = kept[i];

		kept[i] = (char)(was ^ 1);
		write_all(kept, len);
		/* A last line that is no JSON any more is one that was cut: nothing follows it. */
		cr_expect(verify(&result) < 3 || result < 0, "byte %zu", i);
		kept[i] = was;
	}
	unlink(path);
}

Test(audit, lines_taken_out_put_in_or_moved_show)
{
	char *lines[4], kept[65536], *all;
	size_t len;
	int result;

	begin();
	write_lines(4);
	all = read_all(&len);
	memcpy(kept, all, len + 1);
	lines[0] = kept;
	for (unsigned i = 1; i < 4; i++) {
		lines[i] = strchr(lines[i - 1], '\n') + 1;
		lines[i][-1] = 0;
	}
	lines[3][strlen(lines[3]) - 1] = 0;
	static const int orders[][5] = {
		{ 0, 2, 3, -1 }, { 1, 2, 3, -1 }, { 0, 2, 1, 3, -1 }, { 0, 1, 1, 2, -1 }, { 3, -1 },
	};
	for (unsigned o = 0; o < sizeof orders / sizeof *orders; o++) {
		char text[65536] = "";

		for (const int *at = orders[o]; *at >= 0; at++) {
			strcat(text, lines[*at]);
			strcat(text, "\n");
		}
		write_all(text, strlen(text));
		verify(&result);
		cr_expect_eq(result, -EBADMSG, "order %u", o);
	}
	unlink(path);
}

Test(audit, a_line_that_was_cut_is_passed_over_and_the_chain_goes_on)
{
	size_t len;
	int result;

	begin();
	write_lines(3);
	read_all(&len);
	cr_assert_eq(truncate(path, (off_t)len - 20), 0);
	write_lines(2); /* numbers 3 and 4: the third was not written */
	cr_expect_eq(verify(&result), 4);
	cr_expect_eq(result, 0, "%s", error);
	unlink(path);
}

Test(audit, what_is_no_regular_file_is_refused_at_once)
{
	strcpy(path, "/tmp/audit-fifo-XXXXXX");
	cr_assert_not_null(mktemp(path));
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_null(audit_open(path, error));
	cr_expect_not_null(strstr(error, "cannot be opened"), "%s", error);
	unlink(path);
	cr_assert_eq(symlink("/tmp/elsewhere", path), 0);
	cr_expect_null(audit_open(path, error));
	unlink(path);
	strcpy(path, "/nowhere/audit");
	cr_expect_null(audit_open(path, error));
	cr_expect_not_null(strstr(error, "put it back"), "%s", error);
}

Test(audit, a_full_disk_is_said_until_it_takes_lines_again)
{
	struct rlimit limit = { 300, RLIM_INFINITY };
	struct audit_info info;
	struct audit *audit;
	int result;

	signal(SIGXFSZ, SIG_IGN);
	begin();
	audit = open_at_path();
	cr_assert_eq(append(audit, "root.a"), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_lt(append(audit, "root.b"), 0);
	cr_expect_not(audit_works(audit));
	audit_info(audit, &info);
	cr_expect_not_null(strstr(info.error, "cannot be written"), "%s", info.error);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect(audit_works(audit));
	cr_expect_eq(append(audit, "root.c"), 0);
	audit_close(audit);
	cr_expect_eq(verify(&result), 2);
	cr_expect_eq(result, 0, "%s", error);
	unlink(path);
}

Test(audit, a_file_that_was_taken_away_takes_no_lines)
{
	struct audit *audit;

	begin();
	audit = open_at_path();
	unlink(path);
	cr_expect_not(audit_works(audit));
	cr_expect_eq(append(audit, "root.a"), -ENOENT);
	audit_close(audit);
}

Test(audit, anchors_come_now_and_then_and_each_line_once)
{
	struct audit *audit;

	begin();
	audit = open_at_path();
	cr_expect_not(audit_wants_anchor(audit, 1000000));
	append(audit, "root.a");
	cr_expect(audit_wants_anchor(audit, 1000000));
	cr_expect_not(audit_wants_anchor(audit, 9000000));
	append(audit, "root.b");
	cr_expect_not(audit_wants_anchor(audit, 1599999));
	cr_expect(audit_wants_anchor(audit, 1600000));
	for (unsigned i = 0; i < 100; i++)
		append(audit, "root.c");
	cr_expect(audit_wants_anchor(audit, 1600001));
	audit_close(audit);
	unlink(path);
}
