/* What libconfig's parser must never get to see, and the places of what it does. */
#include <string.h>

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
