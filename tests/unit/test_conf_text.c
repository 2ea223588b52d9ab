/* What libconfig's parser must never get to see, and the places of what it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/config/conf_text.h"

static struct diag_list diags;

static void
set_up(void)
{
	diag_list_init(&diags);
}

static void
tear_down(void)
{
	diag_list_fini(&diags);
}

TestSuite(conf_text, .init = set_up, .fini = tear_down);

static void
refused(const char *text, size_t len, uint32_t line, const char *words)
{
	struct conf_text conf;

	cr_assert_lt(conf_text_parse(&conf, "x.conf", text, len, &diags), 0);
	cr_assert_eq(diags.errors, 1);
	cr_expect_eq(diags.items[0].place.line, line, "line %u", diags.items[0].place.line);
	cr_expect(strstr(diags.items[0].text, words), "%s", diags.items[0].text);
}

Test(conf_text, nul_bytes)
{
	refused("a = 1;\nb\0 = 2;", 14, 2, "NUL");
}

Test(conf_text, includes)
{
	static const char text[] = "a = 1;\n \t@include \"/etc/passwd\"\n";

	refused(text, sizeof text - 1, 2, "@include");
}

Test(conf_text, deep_nesting)
{
	char text[2000] = "a = ";

	memset(text + 4, '(', 1500);
	refused(text, strlen(text), 1, "nested");
}

Test(conf_text, a_string_that_never_ends_is_told_where_it_begins)
{
	static const char text[] = "a = 1;\nb = \"x\\\";\nc = 1;\n\n";

	refused(text, sizeof text - 1, 2, "never closed");
}

Test(conf_text, syntax)
{
	static const char text[] = "a = 1;\nb = = 2;\n";

	refused(text, sizeof text - 1, 2, "syntax");
}

/* libconfig 1.5 keeps such a text for ever. */
Test(conf_text, a_text_in_quotes_where_none_can_be_is_told)
{
	static const struct {
		const char *text;
		uint32_t line;
	} wrong[] = {
		{ "\"a\" = 1;", 1 },
		{ "a = 1;\n\"b\" c = 2;", 2 },
		{ "a \"b\";", 1 },
		{ "a = 1 \"b\";", 1 },
		{ "a = { b = 1, \"c\" };", 1 },
		{ "a = true\n \"b\";", 2 },
		{ "a = ( { } \"b\" );", 1 },
		{ "a = [ 1 \"b\" ];", 1 },
	};
	static const char good[] = "a = \"x\" /* and */ \"y\"\n\"z\"; b : \"c\"; d = ( \"e\", \"f\" \"g\", [ \"h\" ] );\n"
				   "i = { j = \"k\", l = \"m\" }";
	struct conf_text conf;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		refused(wrong[i].text, strlen(wrong[i].text), wrong[i].line, "no text in quotes");
		diag_list_fini(&diags);
		diag_list_init(&diags);
	}
	cr_assert_eq(conf_text_parse(&conf, "x.conf", good, strlen(good), &diags), 0);
	conf_text_fini(&conf);
}

Test(conf_text, twice_the_same_name)
{
	static const char text[] = "a = 1;\nabc = 3; a = 2;\n";

	refused(text, sizeof text - 1, 2, "duplicate setting: \"a\"");
}

Test(conf_text, a_byte_order_mark_is_no_part_of_it)
{
	static const char text[] = "\xef\xbb\xbf"
				   "a = 1;\n";
	static const char wide[] = "\xff\xfe"
				   "a\0=\0001\0;\0";
	struct conf_text conf;

	cr_assert_eq(conf_text_parse(&conf, "x.conf", text, sizeof text - 1, &diags), 0);
	cr_expect_eq(config_setting_length(conf_text_root(&conf)), 1);
	conf_text_fini(&conf);
	refused(wide, sizeof wide - 1, 1, "save it as UTF-8");
}

Test(conf_text, a_number_that_does_not_fit_is_never_another_one)
{
	static const struct {
		const char *text;
		uint32_t line; /* 0: good */
	} cases[] = {
		{ "a = 2147483647; b = -2147483647; c = 0x7fffffff; d = 3000000000L;", 0 },
		{ "a = 1.5; b = 1e9; c = 12345678901.5; d9999999999 = 1; # 99999999999\n", 0 },
		{ "a = \"99999999999\"; b9-99999999999 = 1;", 0 },
		{ "a = 1;\nb = 2147483648;", 2 },
		{ "a = 1;\n\nb = 4294967297;", 3 },
		{ "a = 99999999999999999999999;", 1 },
		{ "a = 99999999999999999999999L;", 1 },
		{ "a = 0x1ffffffff;", 1 },
		{ "a = [ 1, 99999999999 ];", 1 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *text = cases[i].text;
		struct conf_text conf;

		diag_list_fini(&diags);
		diag_list_init(&diags);
		if (cases[i].line) {
			refused(text, strlen(text), cases[i].line, "too large");
			continue;
		}
		cr_assert_eq(conf_text_parse(&conf, "x", text, strlen(text), &diags), 0, "%s",
			     diags.count ? diags.items[0].text : text);
		conf_text_fini(&conf);
	}
}

Test(conf_text, what_is_wrong_is_told_where_it_is)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *words;
	} cases[] = {
		{ "a = (\n 1, 2;\nb = 3;\n", 1, "this '(' is never closed" },
		{ "a = ( { b = 1; );\n", 1, "this ')' cannot close the '{' of line 1" },
		{ "a = 1;\n}\n", 2, "this '}' closes nothing" },
		{ "a = 1;\nlevel = info;\n", 2, "text stands in quotes: \"info\"" },
		{ "a = ( { b = 1; }\n\n # and\n { b = 2; } );\n", 4, "from line 1" },
		{ "a = 1;\nb 2;\n", 2, "NAME = VALUE" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		diag_list_fini(&diags);
		diag_list_init(&diags);
		refused(cases[i].text, strlen(cases[i].text), cases[i].line, cases[i].words);
	}
}

Test(conf_text, no_such_file)
{
	struct conf_text conf;

	cr_assert_lt(conf_text_load(&conf, "/nonexistent/x.conf", 1000, &diags), 0);
	cr_expect(strstr(diags.items[0].text, "No such file"));
}

Test(conf_text, brackets_in_strings_and_comments_are_no_nesting)
{
	static const char text[] =
		"a = \"((((((((((((((((((((((\\\"((\"; # {{{{{{{{{{{{{{{{{{{{{{{\n"
		"/* [[[[[[[[[[[[[[[[[[[[[[[[[[ */ b = [ 1, 2 ];\n";
	struct conf_text conf;

	cr_assert_eq(conf_text_parse(&conf, "x.conf", text, sizeof text - 1, &diags), 0);
	cr_expect_eq(config_setting_length(conf_text_root(&conf)), 2);
	conf_text_fini(&conf);
}

/* Reading must neither wait nor swallow a device: the file is refused, and why. */
static void
file_refused(const char *path, size_t max, const char *words)
{
	size_t len;

	diag_list_fini(&diags);
	diag_list_init(&diags);
	cr_assert_null(conf_file_read(path, max, &len, &diags), "%s", path);
	cr_assert_eq(diags.errors, 1);
	cr_expect(strstr(diags.items[0].text, words), "%s: %s", path, diags.items[0].text);
}

Test(conf_text, pipes_sockets_devices_folders_and_huge_files_are_refused_at_once, .timeout = 10)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/cradle-conf-XXXXXX", fifo[64], file[64];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert(mkdtemp(folder));
	snprintf(fifo, sizeof fifo, "%s/fifo", folder);
	snprintf(file, sizeof file, "%s/file", folder);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	file_refused(fifo, 100, "regular file");
	file_refused("/dev/zero", 100, "regular file");
	file_refused(address.sun_path, 100, "regular file");
	file_refused(folder, 100, "folder");
	fclose(fopen(file, "w"));
	cr_assert_eq(truncate(file, 101), 0);
	file_refused(file, 100, "more than 100 bytes");
	close(fd);
	unlink(fifo);
	unlink(file);
	unlink(address.sun_path);
	rmdir(folder);
}
