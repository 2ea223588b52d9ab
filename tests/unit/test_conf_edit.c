/* Changes by command leave what a person wrote: remarks, order, layout. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/config/conf_edit.h"

static struct conf_edit edit;
static struct diag_list diags;

static void
set_up(void)
{
	diag_list_init(&diags);
}

static void
tear_down(void)
{
	conf_edit_fini(&edit);
	diag_list_fini(&diags);
}

TestSuite(conf_edit, .init = set_up, .fini = tear_down);

/* Whether libconfig and the scanner agree on this text. */
static bool
agreed(const char *text)
{
	struct conf_text conf;
	bool matches;

	cr_assert_eq(conf_text_parse(&conf, "x.conf", text, strlen(text), &diags), 0, "%s", text);
	matches = conf_edit_matches(&edit, &conf);
	conf_text_fini(&conf);
	return matches;
}

static void
begin(const char *text)
{
	conf_edit_fini(&edit);
	cr_assert_eq(conf_edit_init(&edit, text, strlen(text)), 0, "%s", text);
	cr_expect(agreed(text), "%s", text);
}

static void
expect(const char *text)
{
	cr_expect_str_eq(edit.text, text);
	cr_expect(agreed(edit.text), "%s", edit.text);
}

static const struct conf_node *
list(void)
{
	return conf_edit_member(&edit, edit.root, "l");
}

Test(conf_edit, what_is_no_configuration)
{
	static const char *const texts[] = {
		"a",       "a = ",
		"a = {",   "a = (1, 2",
		"= 1;",    "a = \"x",
		"a = 1 }", "a = [1);",
		"1 = 2;",  "a = {{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{",
		"a 1",     "a = 1; /* never closed\n",
		"a = ;",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		cr_expect_lt(conf_edit_init(&edit, texts[i], strlen(texts[i])), 0, "%s", texts[i]);
	cr_expect_lt(conf_edit_init(&edit, "a\0 = 1", 6), 0);
}

Test(conf_edit, the_scanner_sees_what_libconfig_sees)
{
	static const char *const texts[] = {
		"",
		"# nothing but a remark\n",
		"a = 1",
		"a=1;b:2,c = true d = \"x\" /* ; */ \"y\"; e = ( ) f = [ 1, 2 ]",
		"a = 0x1F; b = -1.5e+3; c = 10L; d = .5; // = {\n e = { f = ( { g = \"}\\\"\"; }, "
		"\"(\" ); };",
		"a = \"x\" # \"y\"\n \"z\"\n b = 2",
		"*odd-name_1* = { };",
		"l = ( 1, ( 2, ( 3 ) ), { a = [ \"x\" ]; } );",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		begin(texts[i]);
}

Test(conf_edit, wrong_changes_change_nothing)
{
	static const struct conf_pair pairs[] = { { "a", "\"never closed" } };

	begin("l = ( { a = 1; } ); m = [ 1 ]; n = 1;");
	cr_expect_lt(conf_edit_set(&edit, list()->children, pairs[0]), 0);
	cr_expect_lt(conf_edit_set(&edit, list(), (struct conf_pair){ "a", "1" }), 0);
	cr_expect_lt(conf_edit_set(&edit, edit.root, (struct conf_pair){ "a b", "1" }), 0);
	cr_expect_lt(conf_edit_set(&edit, NULL, (struct conf_pair){ "a", "1" }), 0);
	cr_expect_lt(conf_edit_append(&edit, NULL, pairs, 1), 0);
	cr_expect_lt(conf_edit_append(&edit, edit.root, pairs, 1), 0);
	cr_expect_lt(conf_edit_append(&edit, conf_edit_member(&edit, edit.root, "m"), pairs, 1), 0);
	cr_expect_lt(conf_edit_remove(&edit, list(), 1), 0);
	cr_expect_eq(conf_edit_unset(&edit, edit.root, "x"), 0, "what is not there is out already");
	expect("l = ( { a = 1; } ); m = [ 1 ]; n = 1;");
}

Test(conf_edit, members)
{
	static const struct {
		const char *before, *set, *after, *unset;
	} cases[] = {
		/* before, with b = 2, and with a taken out of it */
		{ "g = { };", "g = { b = 2; };", "g = { b = 2; };" },
		{ "g = {};", "g = { b = 2; };", "g = { b = 2; };" },
		{ "g = { a = 1 };", "g = { a = 1; b = 2; };", "g = { b = 2; };" },
		{ "g = { a = 1; };", "g = { a = 1; b = 2; };", "g = { b = 2; };" },
		{ "g = { b = 1, # one\n };", "g = { b = 2, # one\n };", "g = { b = 2, # one\n };" },
		{ "g = {\n\ta = 1; # one\n\t# end\n};",
		  "g = {\n\ta = 1; # one\n\tb = 2;\n\t# end\n};", "g = {\n\tb = 2;\n\t# end\n};" },
		{ "g = {\n  a = \"x\" /* 1 */ // one\n};",
		  "g = {\n  a = \"x\"; /* 1 */ // one\n  b = 2;\n};", "g = {\n  b = 2;\n};" },
		{ "g = {\n  a = 1; };", "g = {\n  a = 1;\n  b = 2; };", "g = {\n  b = 2; };" },
		{ "g = {\n  a = 1; c = 3; };", "g = {\n  a = 1; c = 3; b = 2; };",
		  "g = {\n  c = 3; b = 2; };" },
		{ "g = {\r\n  a = 1;\r\n};", "g = {\r\n  a = 1;\n  b = 2;\r\n};",
		  "g = {\n  b = 2;\r\n};" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(cases[i].before);
		cr_expect_eq(conf_edit_set(&edit, conf_edit_member(&edit, edit.root, "g"),
					   (struct conf_pair){ "b", "2" }),
			     0);
		expect(cases[i].set);
		cr_expect_eq(conf_edit_unset(&edit, conf_edit_member(&edit, edit.root, "g"), "a"),
			     0);
		if (i != 9)
			expect(cases[i].after);
	}
}

Test(conf_edit, members_of_the_file)
{
	begin("");
	cr_expect_eq(conf_edit_set(&edit, edit.root, (struct conf_pair){ "l", "( )" }), 0);
	expect("l = ( );\n");
	begin("# remark\n");
	cr_expect_eq(conf_edit_set(&edit, edit.root, (struct conf_pair){ "l", "( )" }), 0);
	expect("# remark\nl = ( );\n");
	begin("a = 1 # remark\n");
	cr_expect_eq(conf_edit_set(&edit, edit.root, (struct conf_pair){ "l", "( )" }), 0);
	expect("a = 1; # remark\nl = ( );\n");
	cr_expect_eq(conf_edit_unset(&edit, edit.root, "a"), 0);
	expect("l = ( );\n");
}

Test(conf_edit, elements_are_laid_out_as_their_neighbours)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "l = ( );", "l = (\n    {\n        a = 1;\n        b = \"x\";\n    }\n);" },
		{ "l = ();", "l = (\n    {\n        a = 1;\n        b = \"x\";\n    }\n);" },
		{ "\tl = (\n\t\t# none yet\n\t);",
		  "\tl = (\n\t\t# none yet\n\t\t{\n\t\t\ta = 1;\n\t\t\tb = \"x\";\n\t\t}\n\t);" },
		{ "l = ( { a = 0; } );", "l = ( { a = 0; }, { a = 1; b = \"x\"; } );" },
		{ "l = (\n  { a = 0; } # first\n);",
		  "l = (\n  { a = 0; }, # first\n  { a = 1; b = \"x\"; }\n);" },
		{ "l = (\n  {\n    a = 0;\n  }\n  # more\n);",
		  "l = (\n  {\n    a = 0;\n  },\n  {\n      a = 1;\n      b = \"x\";\n  }\n  # "
		  "more\n);" },
		{ "l = (\n  {\n    a = 0;\n  }, {\n    a = 2;\n  }\n);",
		  "l = (\n  {\n    a = 0;\n  }, {\n    a = 2;\n  },\n  {\n      a = 1;\n      b = "
		  "\"x\";\n  }\n);" },
	};
	static const struct conf_pair pairs[] = { { "a", "1" }, { "b", "\"x\"" } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(cases[i].before);
		cr_expect_eq(conf_edit_append(&edit, list(), pairs, 2), 0);
		expect(cases[i].after);
	}
}

Test(conf_edit, a_value_is_added_to_lists_and_arrays)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "l = [ ];", "l = [ \"x\" ];" },
		{ "l = [];", "l = [ \"x\"];" },
		{ "l = ( );", "l = ( \"x\" );" },
		{ "l = [ \"a\" ];", "l = [ \"a\", \"x\" ];" },
		{ "l = [ \"a\", \"b\" ]; # all\n", "l = [ \"a\", \"b\", \"x\" ]; # all\n" },
		{ "l = [\n  \"a\" # one\n];", "l = [\n  \"a\", \"x\" # one\n];" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(cases[i].before);
		cr_expect_eq(conf_edit_append_value(&edit, list(), "\"x\""), 0);
		expect(cases[i].after);
	}
	begin("l = { };");
	cr_expect_lt(conf_edit_append_value(&edit, list(), "1"), 0);
	cr_expect_lt(conf_edit_append_value(&edit, NULL, "1"), 0);
	expect("l = { };");
}

Test(conf_edit, elements_go_with_their_commas_and_lines)
{
	static const struct {
		const char *before;
		unsigned index;
		const char *after;
	} cases[] = {
		{ "l = ( { a = 0; } );", 0, "l = ( );" },
		{ "l = ( 1, 2 );", 0, "l = ( 2 );" },
		{ "l = ( 1, 2 );", 1, "l = ( 1 );" },
		{ "l = (\n  # one\n  { a = 1; }, # of one\n  # two\n  { a = 2; } # of two\n);", 0,
		  "l = (\n  # one\n  # two\n  { a = 2; } # of two\n);" },
		{ "l = (\n  { a = 1; }, # of one\n  # two\n  { a = 2; } # of two\n  # end\n);", 1,
		  "l = (\n  { a = 1; } # of one\n  # two\n  # end\n);" },
		{ "l = (\n  {\n    a = 1;\n  }, {\n    a = 2;\n  }\n);", 0,
		  "l = (\n  {\n    a = 2;\n  }\n);" },
		{ "l = (\n  {\n    a = 1;\n  }, {\n    a = 2;\n  }\n);", 1,
		  "l = (\n  {\n    a = 1;\n  }\n);" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(cases[i].before);
		cr_expect_eq(conf_edit_remove(&edit, list(), cases[i].index), 0);
		expect(cases[i].after);
	}
}

Test(conf_edit, quoted_text_is_read_back)
{
	static const char said[] = "a\"b\\c\n\td\x01\x7f \xc3\xa9";
	struct conf_text conf;
	struct text text;

	text_init(&text);
	text_printf(&text, "a = ");
	conf_quote(&text, said);
	cr_assert_eq(conf_text_parse(&conf, "x.conf", text_str(&text), text.len, &diags), 0);
	cr_expect_str_eq(conf_string(&conf, conf_text_root(&conf), "a", "", &diags), said);
	conf_text_fini(&conf);
	text_fini(&text);
}
