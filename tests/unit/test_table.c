/* Tables as wide as a terminal: what is shortened, what is dropped, and names of every kind. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/table.h"
#include "tasks/utf8.h"

#define WIDE                                                                                       \
	"\xe4\xb8\xad\xe6\x96\x87\xe5\x90\x8d\xe5\xad\x97" /* four characters of two columns each */
#define MARKED        "e\xcc\x81" /* e and a combining acute accent: one column */
#define RIGHT_TO_LEFT "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d" /* four letters */
#define DOTS          "\xe2\x80\xa6"

static struct text text;

static void
fill(struct table *table)
{
	table_init(table, "name|size:1|~summary|when:2");
	table_cell(table, "%s", "a-device");
	table_cell(table, "%s", "9 ms");
	table_cell(table, "%s", "all went well and nothing was refused");
	table_cell(table, "%s", "2026-01-01T00:00:00Z");
	table_cell(table, "%s", "b");
	table_cell(table, "%s", "10 ms");
	table_cell(table, "%s", "short");
	table_cell(table, "%s", "2026-01-02T00:00:00Z");
}

static const char *
shown(const struct table_view *view)
{
	struct table table;

	text_fini(&text);
	text.view = view;
	fill(&table);
	table_finish(&table, &text);
	return text_str(&text);
}

static unsigned
widest(const char *lines)
{
	unsigned most = 0;

	while (*lines) {
		size_t len = strcspn(lines, "\n");
		unsigned own = (unsigned)utf8_width(lines, len);

		most = own > most ? own : most;
		lines += len + (lines[len] == '\n');
	}
	return most;
}

Test(table, without_a_width_everything_is_there)
{
	cr_expect_str_eq(
		shown(NULL),
		"name      size   summary                                when\n"
		"a-device  9 ms   all went well and nothing was refused  2026-01-01T00:00:00Z\n"
		"b         10 ms  short                                  2026-01-02T00:00:00Z\n");
}

Test(table, no_line_is_wider_than_the_terminal)
{
	for (unsigned width = 20; width < 120; width++) {
		struct table_view view = { .width = width };

		cr_expect_leq(widest(shown(&view)), width > 24 ? width : 24, "%u:\n%s", width,
			      text_str(&text));
	}
}

Test(table, free_text_is_shortened_before_a_column_is_dropped)
{
	struct table_view view = { .width = 60 };

	cr_expect_str_eq(shown(&view),
			 "name      size   summary                when\n"
			 "a-device  9 ms   all went well and no" DOTS "  2026-01-01T00:00:00Z\n"
			 "b         10 ms  short                  2026-01-02T00:00:00Z\n");
	view.width = 40;
	cr_expect_str_eq(shown(&view), "name      size   summary\n"
				       "a-device  9 ms   all went well and noth" DOTS "\n"
				       "b         10 ms  short\n"
				       "(1 more column: --wide)\n");
}

Test(table, columns_are_chosen_and_rows_sorted)
{
	struct table_view view = { .columns = "when,Name", .sort = "-name" };

	cr_expect_str_eq(shown(&view), "when                  name\n"
				       "2026-01-02T00:00:00Z  b\n"
				       "2026-01-01T00:00:00Z  a-device\n");
	view = (struct table_view){ .columns = "size", .sort = "size" };
	cr_expect_str_eq(shown(&view), "size\n9 ms\n10 ms\n");
	view.sort = "when";
	view.columns = "name,none";
	cr_expect_str_eq(shown(&view), "columns of this table: name, size, summary, when\n");
	view = (struct table_view){ .sort = "none" };
	cr_expect_str_eq(shown(&view), "columns of this table: name, size, summary, when\n");
	view = (struct table_view){ .columns = "," };
	cr_expect_str_eq(shown(&view), "columns of this table: name, size, summary, when\n");
}

Test(table, widths_are_those_of_a_terminal)
{
	static const char *const names[] = { WIDE, MARKED MARKED MARKED, RIGHT_TO_LEFT, "plain" };
	struct table_view view = { .width = 9 };
	struct table table;

	for (int narrow = 0; narrow < 2; narrow++) {
		text_fini(&text);
		text.view = narrow ? &view : NULL;
		table_init(&table, "~n|x");
		for (unsigned i = 0; i < 4; i++) {
			table_cell(&table, "%s", names[i]);
			table_cell(&table, "|");
		}
		table_finish(&table, &text);
		/* Every bar stands in the same column. */
		for (const char *line = strchr(text_str(&text), '\n') + 1; *line;
		     line = strchr(line, '\n') + 1) {
			size_t len = strcspn(line, "\n");

			cr_expect_eq(utf8_width(line, len), narrow ? 11 : 11, "%s", line);
			cr_expect_eq(line[len - 1], '|');
			cr_expect(utf8_valid(line, len));
		}
	}
}

Test(table, a_cut_never_parts_a_character)
{
	struct table table;

	for (unsigned width = 8; width < 30; width++) {
		struct table_view view = { .width = width };

		text_fini(&text);
		text.view = &view;
		table_init(&table, "~n");
		table_cell(&table, "%s", WIDE WIDE MARKED MARKED RIGHT_TO_LEFT WIDE);
		table_finish(&table, &text);
		cr_expect(utf8_valid(text_str(&text), text.len));
		cr_expect_leq(widest(text_str(&text)), width);
	}
}
