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

Test(conf_text, twice_the_same_name)
{
	static const char text[] = "a = 1;\na = 2;\n";

	refused(text, sizeof text - 1, 2, "duplicate");
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
