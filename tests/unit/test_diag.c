/* diag: nothing is lost silently, lists read from top to bottom, suggestions are near. */
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/diag.h"

Test(diag, what_goes_beyond_the_limit_is_counted)
{
	struct diag_list list;

	diag_list_init(&list);
	for (int i = 0; i < DIAG_MAX + 7; i++)
		diag_error(&list, NULL, "problem %d", i);
	cr_assert_eq(list.count, DIAG_MAX);
	cr_assert_eq(list.errors, DIAG_MAX + 7);
	cr_assert_eq(list.dropped, 7);
	diag_list_fini(&list);
	cr_assert_eq(list.count, 0);
}

Test(diag, sorts_by_place_and_keeps_the_order_within_one)
{
	static const struct {
		uint32_t line, column;
		const char *text;
	} found[] = {
		{ 9, 4, "d" }, { 2, 7, "b" }, { 9, 1, "c" }, { 2, 3, "a" }, { 9, 4, "e" },
	};
	struct diag_list list;
	char order[8] = "";

	diag_list_init(&list);
	for (size_t i = 0; i < 5; i++) {
		struct place place = { .file = "t",
				       .line = found[i].line,
				       .column = found[i].column };

		diag_warning(&list, &place, "%s", found[i].text);
	}
	diag_list_sort(&list);
	for (size_t i = 0; i < 5; i++)
		strncat(order, list.items[i].text, 1);
	cr_assert_str_eq(order, "abcde");
	cr_assert_eq(list.warnings, 5);
	cr_assert_eq(list.errors, 0);
	diag_list_fini(&list);
}

Test(diag, formats_what_is_known_of_a_place)
{
	static const struct {
		struct place place;
		const char *text;
	} cases[] = {
		{ { "t.xml", 9, 4, "write", "value" }, "t.xml:9:4: error: <write value> no" },
		{ { "t.xml", 9, 4, "write", NULL }, "t.xml:9:4: error: <write> no" },
		{ { "t.xml", 9, 0, NULL, NULL }, "t.xml:9: error: no" },
		{ { "t.xml", 0, 0, NULL, NULL }, "t.xml: error: no" },
		{ { NULL, 3, 1, NULL, NULL }, "3:1: error: no" },
		{ { NULL, 0, 0, NULL, NULL }, "error: no" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct diag_list list;
		char line[80], cut[6];

		diag_list_init(&list);
		diag_error(&list, &cases[i].place, "no");
		cr_assert_eq(diag_format(list.items, line, sizeof line),
			     (int)strlen(cases[i].text));
		cr_assert_str_eq(line, cases[i].text);
		cr_assert_eq(diag_format(list.items, cut, sizeof cut), (int)strlen(cases[i].text));
		cr_assert_eq(strlen(cut), 5);
		diag_list_fini(&list);
	}
}

Test(diag, suggests_only_what_is_near)
{
	static const char *const words[] = { "write", "delete", "lwm2mBootstrap", "if" };
	char endless[300];

	memset(endless, 'x', sizeof endless - 1);
	endless[sizeof endless - 1] = '\0';
	cr_assert_null(diag_nearest("reboot", words, 4));
	cr_assert_null(diag_nearest("", words, 4));
	cr_assert_null(diag_nearest(endless, words, 4));
	cr_assert_null(diag_nearest("write", words, 0));
	cr_assert_str_eq(diag_nearest("wirte", words, 4), "write");
	cr_assert_str_eq(diag_nearest("DELET", words, 4), "delete");
	cr_assert_str_eq(diag_nearest("lwm2mbootstarp", words, 4), "lwm2mBootstrap");
	cr_assert_str_eq(diag_nearest("iff", words, 4), "if");
}
