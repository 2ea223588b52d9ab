/* xml_tree: exact places, and nothing that a text can do to us. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/xml_tree.h"

static struct arena arena;
static struct diag_list diags;

static void
setup(void)
{
	arena_init(&arena, 16 << 20);
	diag_list_init(&diags);
}

static void
teardown(void)
{
	arena_fini(&arena);
	diag_list_fini(&diags);
}

TestSuite(xml_tree, .init = setup, .fini = teardown);

static struct xml_element *
parse(const char *text)
{
	return xml_tree_parse(&arena, "t.xml", text, strlen(text), &diags);
}

Test(xml_tree, ill_formed_texts_have_places)
{
	static const struct {
		const char *text;
		uint32_t line;
	} cases[] = {
		{ "<a>\n<b>\n</a>", 3 },
		{ "<a>\n<b x='1' x='2'/></a>", 2 },
		{ "<a>\n\n&undeclared;</a>", 3 },
		{ "<a b=c/>", 1 },
		{ "<a>\n<b x='<'/></a>", 2 },
		{ "<a/>\n<b/>", 2 },
		{ "<a>\n\x01</a>", 2 },
		{ "<a>\n<b x='\xff'/></a>", 2 },
		{ "\n", 2 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		diag_list_fini(&diags);
		cr_assert_null(parse(cases[i].text), "%s", cases[i].text);
		cr_assert_geq(diags.errors, 1);
		cr_assert_eq(diags.items[0].place.line, cases[i].line, "%s: %u: %s", cases[i].text,
			     diags.items[0].place.line, diags.items[0].text);
		cr_assert_str_eq(diags.items[0].place.file, "t.xml");
	}
	cr_assert_null(xml_tree_parse(&arena, "t.xml", "", 0, &diags));
}

Test(xml_tree, a_document_type_is_refused_before_it_is_read)
{
	cr_assert_null(parse("<?xml version='1.0'?>\n<!DOCTYPE a [\n<!ENTITY l0 'ha'>\n"
			     "<!ENTITY l1 '&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;'>\n"
			     "<!ENTITY l2 '&l1;&l1;&l1;&l1;&l1;&l1;&l1;&l1;'>]>\n<a>&l2;</a>"));
	cr_assert_eq(diags.errors, 1);
	cr_assert(strstr(diags.items[0].text, "document type"));
	cr_assert_eq(diags.items[0].place.line, 2);
	cr_assert_lt(arena.total, 65536);
	cr_assert_null(parse("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"));
	cr_assert_null(parse("<!DOCTYPE a PUBLIC 'x' 'http://127.0.0.1:1/x.dtd'><a/>"));
}

Test(xml_tree, depth_is_bounded)
{
	char text[1000] = "";

	for (int i = 0; i < XML_DEPTH_MAX; i++)
		strcat(text, "<a>");
	for (int i = 0; i < XML_DEPTH_MAX; i++)
		strcat(text, "</a>");
	cr_assert_not_null(parse(text));
	*text = '\0';
	for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
		strcat(text, "<a>");
	cr_assert_null(parse(text));
	cr_assert_eq(diags.errors, 1);
	cr_assert(strstr(diags.items[0].text, "nested"));
}

Test(xml_tree, memory_is_bounded)
{
	struct arena small;

	arena_init(&small, 20000);
	cr_assert_null(xml_tree_parse(&small, "t", "<a x='1'/>", 10, &diags) ? NULL : "refused");
	char *text = malloc(100001);
	for (size_t i = 0; i < 100000; i += 5)
		memcpy(text + i, "<b/> ", 5);
	memcpy(text, "<a> ", 4);
	memcpy(text + 99995, " </a>", 5);
	cr_assert_null(xml_tree_parse(&small, "t", text, 100000, &diags));
	cr_assert(strstr(diags.items[diags.count - 1].text, "out of memory"));
	cr_assert_leq(small.total, 20000);
	arena_fini(&small);
	free(text);
}

Test(xml_tree, knows_the_place_of_everything)
{
	struct xml_element *root = parse(
		"<?xml version='1.0'?>\n<!-- <b x='no'> -->\n<config xmlns:q='u' q:k = \"v\">"
		"<![CDATA[<b x='no'>]]>\n\t<b\n  x='1 > 2'  y=\"\n\"/>\n  <b z='&lt;&#x20AC;\r\nq'>"
		"</b></config>");
	const struct xml_attribute *a;
	uint32_t line, column;

	cr_assert_not_null(root, "%s", diags.count ? diags.items[0].text : "");
	cr_assert(root->line == 3 && root->column == 1);
	a = xml_find(root, "q:k");
	cr_assert_not_null(a);
	cr_assert(a->line == 3 && a->column == 21, "%u:%u", a->line, a->column);
	cr_assert(a->value_line == 3 && a->value_column == 28);
	cr_assert_str_eq(root->text, "<b x='no'>\n\t\n  ");
	root = root->children;
	cr_assert(root->line == 4 && root->column == 2, "%u:%u", root->line, root->column);
	a = xml_find(root, "x");
	cr_assert(a->line == 5 && a->column == 3 && a->value_column == 6);
	cr_assert_str_eq(a->value, "1 > 2");
	a = xml_find(root, "y");
	cr_assert(a->line == 5 && a->column == 14 && a->value_column == 17);
	root = root->next;
	cr_assert(root->line == 7 && root->column == 3, "%u:%u", root->line, root->column);
	a = xml_find(root, "z");
	cr_assert_str_eq(a->value, "<\xe2\x82\xac q");
	xml_locate(a, 0, &line, &column);
	cr_assert(line == 7 && column == 9);
	xml_locate(a, 1, &line, &column);
	cr_assert(line == 7 && column == 13, "%u:%u", line, column);
	xml_locate(a, 4, &line, &column);
	cr_assert(line == 7 && column == 21, "%u:%u", line, column);
	xml_locate(a, 5, &line, &column);
	cr_assert(line == 8 && column == 1, "%u:%u", line, column);
	cr_assert_null(root->next);
}

Test(xml_tree, text_in_many_pieces_is_joined)
{
	enum { PIECES = 20000 };
	char *text = malloc(PIECES * 5 + 20), *at = text;
	struct xml_element *root;

	at = stpcpy(at, "<a>");
	for (int i = 0; i < PIECES; i++)
		at = stpcpy(at, "&amp;");
	at = stpcpy(at, "</a>");
	root = parse(text);
	cr_assert_not_null(root);
	cr_assert_eq(root->text_len, PIECES);
	cr_assert_eq(strspn(root->text, "&"), PIECES);
	free(text);
}

/* XML 1.0 3.3.3 and 4.6: in an attribute and in text, a reference is the character that it names, whatever it names. */
Test(xml_tree, a_reference_is_its_character)
{
	static const struct {
		const char *reference, *character;
	} rows[] = {
		{ "&amp;", "&" },
		{ "&lt;", "<" },
		{ "&gt;", ">" },
		{ "&quot;", "\"" },
		{ "&apos;", "'" },
		{ "&#38;", "&" },
		{ "&#x26;", "&" },
		{ "&#60;", "<" },
		{ "&#x3C;", "<" },
		{ "&#62;", ">" },
		{ "&#34;", "\"" },
		{ "&#39;", "'" },
		{ "&#9;", "\t" },
		{ "&#10;", "\n" },
		{ "&#13;", "\r" },
		{ "&#32;", " " },
		{ "&#233;", "\xc3\xa9" },
		{ "&#x20ac;", "\xe2\x82\xac" },
		{ "&#119070;", "\xf0\x9d\x84\x9e" },
		{ "&amp;#38;", "&#38;" },
		{ "&#38;amp;", "&amp;" },
		{ "&amp;amp;", "&amp;" },
		{ "a&amp;&amp;b", "a&&b" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[120], value[40];
		struct xml_element *root;
		uint32_t line, column;

		snprintf(text, sizeof text, "<a x='y%sz'>y%sz</a>", rows[i].reference,
			 rows[i].reference);
		snprintf(value, sizeof value, "y%sz", rows[i].character);
		root = parse(text);
		cr_assert_not_null(root, "%s", text);
		cr_expect_str_eq(root->attributes->value, value, "%s", text);
		cr_expect_eq(root->attributes->len, strlen(value));
		cr_expect_str_eq(root->text, value, "%s", text);
		/* And diagnostics find what stands behind it. */
		xml_locate(root->attributes, strlen(value) - 1, &line, &column);
		cr_expect_eq(column, 8 + strlen(rows[i].reference), "%s: %u", text, column);
	}
	cr_expect_null(parse("<a x='&other;'/>"));
	cr_expect_null(parse("<a x='&#0;'/>"));
	cr_expect_null(parse("<a x='&#xd800;'/>"));
}
