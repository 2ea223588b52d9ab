/* What devices must be told, block by block. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/storm/expect.h"

static struct expect *
parse(struct expect *expect, const char *line)
{
	char error[EXPECT_ERROR_MAX];

	cr_assert_eq(expect_parse(expect, line, error), 0, "%s", error);
	return expect;
}

Test(storm_expect, lines_that_are_refused)
{
	static const char *const lines[] = {
		"0/1=00",     "/0/1",
		"/0/1 = 00",  "/0/1=0",
		"/0/1=0g",    "/0/1={nobody}",
		"/0/1=00{ep", "-0",
		"-/0=00",     "/0123456789012345678901234567890123456789=00"
	};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct expect expect = { 0 };
		char error[EXPECT_ERROR_MAX] = "";

		cr_assert_eq(expect_parse(&expect, lines[i], error), -1, "\"%s\"", lines[i]);
		cr_assert(error[0]);
		expect_free(&expect);
	}
}

Test(storm_expect, no_more_lines_than_bits)
{
	struct expect expect = { 0 };
	char error[EXPECT_ERROR_MAX];

	for (int i = 0; i < EXPECT_MAX; i++)
		cr_assert_eq(expect_parse(&expect, "/1=*", error), 0);
	cr_assert_eq(expect_due(&expect), UINT64_MAX);
	cr_assert_eq(expect_parse(&expect, "/1=*", error), -1);
	expect_free(&expect);
}

Test(storm_expect, finds_by_path_and_kind)
{
	struct expect expect = { 0 };

	parse(parse(parse(parse(&expect, "# comment"), ""), "/0/1=00"), "-/0/1");
	cr_assert_eq(expect.n, 2);
	cr_assert_eq(expect_find(&expect, "/0/1", 4, false), 0);
	cr_assert_eq(expect_find(&expect, "/0/1", 4, true), 1);
	cr_assert_eq(expect_find(&expect, "/0", 2, false), -1);
	cr_assert_eq(expect_due(&expect), 3);
	expect_free(&expect);
}

/* Any cut into blocks gives the same verdict. */
static bool
matches_cut(const struct expect_line *line, const char *payload, size_t len, size_t block)
{
	size_t at = 0;

	do {
		size_t n = len - at < block ? len - at : block;
		struct expect_part part = { (const uint8_t *)payload + at, n, at, at + n == len };

		if (!expect_matches(line, "dev-1", 5, &part))
			return false;
		at += n;
	} while (at < len);
	return true;
}

Test(storm_expect, payloads_in_blocks_of_any_size)
{
	static const struct {
		const char *line, *payload;
		bool right;
	} cases[] = {
		{ "/1=*", "anything", true },
		{ "/1=", "", true },
		{ "/1=", "x", false },
		{ "/1=616263", "abc", true },
		{ "/1=616263", "abd", false },
		{ "/1=616263", "ab", false },
		{ "/1=616263", "abcd", false },
		{ "/1={ep}", "dev-1", true },
		{ "/1={ep}", "dev-2", false },
		{ "/1=61{ep}62", "adev-1b", true },
		{ "/1=61{ep}62", "adev-1c", false },
		{ "/1=61{ep}62", "adev-1", false },
		{ "/1={ep}{hex:ep}", "dev-16465762d31", true },
		{ "/1={ep}{hex:ep}", "dev-16465762d32", false },
		{ "/1={hex:ep}7a", "6465762d31z", true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct expect expect = { 0 };

		parse(&expect, cases[i].line);
		for (size_t block = 1; block <= 20; block++)
			cr_assert_eq(matches_cut(&expect.lines[0], cases[i].payload,
						 strlen(cases[i].payload), block),
				     cases[i].right, "%s against %s in blocks of %zu",
				     cases[i].payload, cases[i].line, block);
		expect_free(&expect);
	}
}
