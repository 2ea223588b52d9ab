/* UTF-8 texts: well-formed or not (RFC 3629 4), cut to fit, and their columns on a terminal (UAX 11). */
#include <criterion/criterion.h>
#include <string.h>

#include "tasks/utf8.h"

#define E_ACUTE "\xc3\xa9"         /* U+00E9 */
#define EURO    "\xe2\x82\xac"     /* U+20AC */
#define CLEF    "\xf0\x9d\x84\x9e" /* U+1D11E */

Test(utf8, what_is_not_well_formed_ends_the_valid_part)
{
	static const struct {
		const char *text;
		size_t len, valid;
	} rows[] = {
		{ "", 0, 0 },
		{ "abc", 3, 3 },
		{ E_ACUTE EURO CLEF, 9, 9 },
		{ "a\x80", 2, 1 },             /* a continuation without a lead */
		{ "a\xc3", 2, 1 },             /* cut */
		{ "a\xc0\x80", 3, 1 },         /* overlong NUL */
		{ "a\xe0\x80\xaf", 4, 1 },     /* overlong solidus */
		{ "a\xed\xa0\x80", 4, 1 },     /* a surrogate */
		{ "a\xf4\x90\x80\x80", 5, 1 }, /* behind U+10FFFF */
		{ "a\xff", 2, 1 },
		{ E_ACUTE "\xe2\x82z", 5, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_expect_eq(utf8_valid_len(rows[i].text, rows[i].len), rows[i].valid, "row %zu",
			     i);
		cr_expect_eq(utf8_valid(rows[i].text, rows[i].len), rows[i].valid == rows[i].len);
	}
	cr_expect_eq(utf8_sequence("", 0), 0);
	cr_expect_eq(utf8_sequence(CLEF "x", 5), 4);
	cr_expect_eq(utf8_sequence(CLEF, 3), 0);
}

Test(utf8, a_cut_never_leaves_part_of_a_character)
{
	static const char text[] = "a" E_ACUTE EURO CLEF "z";
	static const size_t cut[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

	for (size_t max = 0; max < sizeof(cut) / sizeof(*cut); max++) {
		size_t len = utf8_cut(text, strlen(text), max);

		cr_expect_eq(len, cut[max], "%zu bytes of room: %zu", max, len);
		cr_expect(utf8_valid(text, len));
	}
}

Test(utf8, bytes_that_are_no_text_are_cut_where_the_room_ends)
{
	cr_expect_eq(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
	cr_expect_eq(utf8_cut("a\xff\xff\xff", 4, 2), 2);
	cr_expect_eq(utf8_cut("a\xe2\x82", 3, 2), 2,
		     "what is cut already is no character to keep whole");
	cr_expect_eq(utf8_cut("\x80\x80", 2, 0), 0);
}

Test(utf8, width_is_what_a_terminal_shows)
{
	static const struct {
		const char *text;
		size_t columns;
	} rows[] = {
		{ "", 0 },
		{ "plain", 5 },
		{ E_ACUTE EURO, 2 },
		{ "e\xcc\x81", 1 },                /* a combining acute accent */
		{ "\xe6\xb0\xb4\xe8\xa1\xa8", 4 }, /* two ideographs */
		{ "\xed\x95\x9c", 2 },             /* a Hangul syllable */
		{ "\xef\xbc\xa1", 2 },             /* fullwidth A */
		{ "\xf0\x9f\x98\x80", 2 },         /* an emoji */
		{ "a\xe2\x80\x8d"
		  "b",
		  2 }, /* a zero width joiner */
		{ "\xff\x80", 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(utf8_width(rows[i].text, strlen(rows[i].text)), rows[i].columns,
			     "row %zu: %zu", i, utf8_width(rows[i].text, strlen(rows[i].text)));
}
