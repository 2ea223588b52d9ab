/* What is shown of what devices, tasks and files say: all of it can be seen, and nothing else happens. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/show.h"
#include "tasks/utf8.h"

static void
shows(const char *bytes, size_t len, const char *wanted)
{
	char out[256], text[64];

	memcpy(text, bytes, len);
	show_into(out, sizeof out, "%.*s", (int)len, text);
	cr_expect_str_eq(out, wanted);
}

Test(show, control_characters_are_escaped)
{
	shows("a\x1b[2Jb", 6, "a\\x1b[2Jb");
	shows("two\nlines\r\t", 11, "two\\x0alines\\x0d\\x09");
	shows("del\x7f", 4, "del\\x7f");
	shows("c1 \xc2\x9b"
	      "31m",
	      8, "c1 \\xc2\\x9b31m"); /* CSI in one character (ECMA-48 5.4) */
	shows("\xe2\x80\xaexe.txt", 9, "\\xe2\\x80\\xaexe.txt"); /* right-to-left override */
	shows("\xef\xbb\xbfx", 4, "\\xef\\xbb\\xbfx");
}

Test(show, utf8_is_shown_as_it_is)
{
	shows("z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x98\x80 \xc2\xa0", 22,
	      "z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x98\x80 \xc2\xa0");
	shows("a\\b", 3, "a\\b");
}

Test(show, bytes_that_are_no_text_are_escaped)
{
	shows("\xff\xfe", 2, "\\xff\\xfe");
	shows("x\xc3", 2, "x\\xc3");
	shows("\xc0\xaf", 2, "\\xc0\\xaf");          /* overlong */
	shows("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* a surrogate */
}

Test(show, every_conversion_is_what_printf_makes_of_it)
{
	char ours[256], theirs[256];

#define SAME(...)                                                                                  \
	do {                                                                                       \
		show_into(ours, sizeof ours, __VA_ARGS__);                                         \
		snprintf(theirs, sizeof theirs, __VA_ARGS__);                                      \
		cr_expect_str_eq(ours, theirs);                                                    \
	} while (0)
	SAME("%d %5d|%-5d|%05d|%+d", -3, 4, 5, 6, 7);
	SAME("%u %x %#x %08X %o", 1u, 0xabcu, 0xabcu, 0xdefu, 8u);
	SAME("%ld %lu %lld %llu %zu", -1L, 2UL, -3LL, 4ULL, (size_t)5);
	SAME("%" PRIu64 " %" PRId64 " %" PRIx64, UINT64_MAX, INT64_MIN, UINT64_MAX);
	SAME("%hhu %hu %jd %td", 255, 65535, (intmax_t)-9, (ptrdiff_t)10);
	SAME("%f %.2f %e %g %6.1f|", 1.5, 2.25, 1e30, 0.1, 3.75);
	SAME("%c%c%%", 'a', 'b');
	SAME("%s|%10s|%-10s|%.2s|%.*s|%*s|%-*s|", "a", "b", "c", "defg", 3, "hijkl", 5, "m", -5,
	     "n");
	SAME("%s", "");
	SAME("%*d", -6, 3);
}

Test(show, a_precision_cuts_whole_characters)
{
	char out[64];

	show_into(out, sizeof out, "\"%.3s\"", "\xc3\xa9\xc3\xa9\xc3\xa9");
	cr_expect_str_eq(out, "\"\xc3\xa9\"");
	show_into(out, sizeof out, "\"%.4s\"", "\xc3\xa9\xc3\xa9\xc3\xa9");
	cr_expect_str_eq(out, "\"\xc3\xa9\xc3\xa9\"");
}

Test(show, a_width_counts_columns)
{
	char out[64];

	show_into(out, sizeof out, "%-4s|%4s|%-6s|", "\xc3\xa9", "\xe6\x9d\xb1", "\n");
	cr_expect_str_eq(out, "\xc3\xa9   |  \xe6\x9d\xb1|\\x0a  |");
}

Test(show, a_text_that_is_too_long_ends_in_a_whole_character)
{
	for (size_t size = 1; size < 40; size++) {
		char out[40];

		show_into(
			out, size, "%s",
			"\xc3\xa9\xe6\x9d\xb1\xf0\x9f\x98\x80\xc3\xa9\xe6\x9d\xb1\xf0\x9f\x98\x80");
		cr_expect(utf8_valid(out, strlen(out)), "size %zu", size);
		cr_expect_lt(strlen(out), size);
	}
}

Test(show, line_breaks_of_the_format_stay)
{
	char out[64];

	show_into(out, sizeof out, "a: %s\nb: %s\n", "1\n2", "3");
	cr_expect_str_eq(out, "a: 1\\x0a2\nb: 3\n");
}

struct bytes {
	char at[1024];
	size_t len;
};

static void
put(void *ctx, const char *bytes, size_t len)
{
	struct bytes *out = ctx;

	memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

Test(show, what_is_shown_with_escaped_backslashes_gives_the_bytes_back)
{
	char all[256];
	struct bytes out = { .len = 0 };
	const struct show_sink sink = { put, &out };

	for (unsigned i = 0; i < 256; i++)
		all[i] = (char)(255 - i);
	show_bytes(&sink, all, sizeof all, true);
	cr_assert(show_is_plain(out.at, out.len));
	cr_assert_eq(show_undo(out.at, out.len), sizeof all);
	cr_assert_eq(memcmp(out.at, all, sizeof all), 0);
}

Test(show, what_is_no_escape_stays)
{
	char text[] = "\\x4\\xg1\\41\\x41\\";

	cr_assert_eq(show_undo(text, strlen(text)), strlen("\\x4\\xg1\\41A\\"));
	cr_assert_eq(memcmp(text, "\\x4\\xg1\\41A\\", 12), 0);
}
