/* Look-up tables: what is wrong is told with its line, what is right is found by any column. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/policy/csv_table.h"

static struct diag_list diags;
static struct arena arena;

static void
set_up(void)
{
	diag_list_init(&diags);
	arena_init(&arena, 0);
}

static void
tear_down(void)
{
	arena_fini(&arena);
	diag_list_fini(&diags);
}

TestSuite(csv_table, .init = set_up, .fini = tear_down);

static struct csv_table *
parse(const char *text)
{
	return csv_table_parse("t.csv", text, strlen(text), &arena, &diags);
}

static const char *
find(struct csv_table *table, const char *by, const char *key, const char *wanted)
{
	const char *cell = csv_table_find(table, by, strlen(by), key, strlen(key), wanted,
					  strlen(wanted));

	return cell ? cell : "(none)";
}

Test(csv_table, what_is_no_table)
{
	static const struct {
		const char *text, *words;
		uint32_t line;
	} wrong[] = {
		{ "", "must name the columns", 1 },
		{ "\n\r\n", "must name the columns", 1 },
		{ "a,b\n1\n", "fewer cells", 2 },
		{ "a,b\n1,2\n\n1,2,3", "more cells", 4 },
		{ "a,a\n", "two columns have one name", 1 },
		{ "a,b\n\"1,2\n", "a quote is not closed", 2 },
		{ "a,b\n\"1\"x,2\n", "text stands behind a closing quote", 2 },
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		cr_expect_null(parse(wrong[i].text), "%zu", i);
		cr_assert_gt(diags.count, i);
		cr_expect(strstr(diags.items[i].text, wrong[i].words), "%zu: %s", i,
			  diags.items[i].text);
		cr_expect_eq(diags.items[i].place.line, wrong[i].line, "%zu: %u", i,
			     diags.items[i].place.line);
	}
	cr_expect_null(csv_table_parse("t.csv", "a\0b", 3, &arena, &diags));
}

Test(csv_table, found_by_any_column)
{
	struct csv_table *table = parse("\xef\xbb\xbfsite,uri,note\r\n"
					"north,coap://n,\"a \"\"quoted\"\", note\"\r\n"
					"south,coap://s,\"two\nlines\"\r\n"
					"north,coap://late,\r\n"
					"last,,");

	cr_assert_not_null(table, "%s", diags.count ? diags.items[0].text : "");
	cr_expect_str_eq(find(table, "site", "south", "uri"), "coap://s");
	cr_expect_str_eq(find(table, "site", "north", "uri"), "coap://n", "the first one counts");
	cr_expect_str_eq(find(table, "uri", "coap://late", "site"), "north");
	cr_expect_str_eq(find(table, "site", "north", "note"), "a \"quoted\", note");
	cr_expect_str_eq(find(table, "site", "south", "note"), "two\nlines");
	cr_expect_str_eq(find(table, "site", "last", "note"), "");
	cr_expect_str_eq(find(table, "site", "nowhere", "uri"), "(none)");
	cr_expect_str_eq(find(table, "sit", "north", "uri"), "(none)");
	cr_expect_str_eq(find(table, "site", "north", "url"), "(none)");
}

Test(csv_table, names_alone)
{
	struct csv_table *table = parse("a,b");

	cr_assert_not_null(table);
	cr_expect_str_eq(find(table, "a", "", "b"), "(none)");
}
