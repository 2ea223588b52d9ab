/* Colour: words of a status that stand by themselves, and nothing else; off where nobody looks. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tools/cradlectl_colour.h"

static char *
coloured(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);

	cr_assert_not_null(to);
	colour_put(to, text);
	fclose(to);
	return out;
}

Test(colour, words)
{
	static const struct {
		const char *text, *out;
	} cases[] = {
		{ "", "" },
		{ "\n\n", "\n\n" },
		{ "task  Success  12\n", "task  \033[32mSuccess\033[0m  12\n" },
		{ "Error", "\033[31mError\033[0m" },
		{ "a  Error \n", "a  \033[31mError\033[0m \n" },
		{ "  not now  x", "  \033[33mnot now\033[0m  x" },
		/* Words in a sentence, or parts of others, are not a status. */
		{ "it ended with Error", "it ended with Error" },
		{ "a  Errors  Success-1\n", "a  Errors  Success-1\n" },
		{ "warning: the store", "\033[33mwarning:\033[0m the store" },
		{ "no warning: here", "no warning: here" },
		{ "a\nerror: b", "a\n\033[31merror:\033[0m b" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *out = coloured(cases[i].text);

		cr_expect_str_eq(out, cases[i].out, "%s", cases[i].text);
		free(out);
	}
}

Test(colour, wishes)
{
	enum colour_wish wish;

	cr_expect_not(colour_wish_of("", &wish));
	cr_expect_not(colour_wish_of("Always", &wish));
	cr_expect(colour_wish_of("always", &wish) && wish == COLOUR_ALWAYS);
	cr_expect(colour_wish_of("auto", &wish) && wish == COLOUR_AUTO);
}

Test(colour, no_terminal_gets_none_unless_told)
{
	FILE *file = tmpfile();

	setenv("NO_COLOR", "1", 1);
	cr_expect_not(colour_wanted(COLOUR_AUTO, file));
	cr_expect(colour_wanted(COLOUR_ALWAYS, file), "said aloud, it counts more than NO_COLOR");
	unsetenv("NO_COLOR");
	cr_expect_not(colour_wanted(COLOUR_AUTO, file));
	cr_expect_not(colour_wanted(COLOUR_NEVER, file));
	fclose(file);
}
