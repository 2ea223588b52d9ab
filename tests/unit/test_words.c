/* Words of a line: quotes as a shell reads them, and what is wrong with those that do not close. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tools/cradlectl_words.h"

/* "[one][two]" and how the line ended. */
static const char *
split(const char *line, enum words_end *end, bool *open)
{
	static char out[256];
	struct words words;
	char *to = out;

	*end = words_split(line, strlen(line), &words);
	*to = '\0';
	for (int i = 0; i < words.n; i++)
		to += snprintf(to, sizeof out - (size_t)(to - out), "[%s]", words.argv[i]);
	cr_assert_null(words.argv[words.n]);
	*open = words.open;
	words_free(&words);
	return out;
}

Test(words, unfinished)
{
	static const struct {
		const char *line, *words;
		enum words_end end;
	} cases[] = {
		{ "a 'b", "[a][b]", WORDS_IN_SINGLE },  { "a \"b c", "[a][b c]", WORDS_IN_DOUBLE },
		{ "a b\\", "[a][b]", WORDS_IN_ESCAPE }, { "'", "[]", WORDS_IN_SINGLE },
		{ "\"\\", "[\\]", WORDS_IN_DOUBLE },
	};
	enum words_end end;
	bool open;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_expect_str_eq(split(cases[i].line, &end, &open), cases[i].words, "%s",
				 cases[i].line);
		cr_expect_eq(end, cases[i].end, "%s: %d", cases[i].line, end);
		cr_expect(open);
		cr_expect_not_null(words_error(end));
	}
}

Test(words, zero_byte)
{
	struct words words;
	enum words_end end = words_split("a\0b", 3, &words);

	cr_expect_eq(end, WORDS_NUL);
	cr_expect_not_null(words_error(end));
	words_free(&words);
}

Test(words, whole)
{
	static const struct {
		const char *line, *words;
		bool open;
	} cases[] = {
		{ "", "", false },
		{ " \t ", "", false },
		{ "status", "[status]", true },
		{ " device  show x\n", "[device][show][x]", false },
		{ "a ", "[a]", false },
		{ "'a b'c\"d e\"f\\ g", "[a bcd ef g]", true },
		{ "'' \"\"", "[][]", true },
		{ "a b c d", "[a][b][c][d]", true },
		{ "'a\\b' \"a\\b\\\"\\\\\\$\\`\" \\\\\\'", "[a\\b][a\\b\"\\$`][\\']", true },
		{ "$HOME * ~ a|b;c&d", "[$HOME][*][~][a|b;c&d]", true },
		{ "x\xc3\xa9 y", "[x\xc3\xa9][y]", true },
		{ "a#b '#' \\#", "[a#b][#][#]", true },
	};
	enum words_end end;
	bool open;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_expect_str_eq(split(cases[i].line, &end, &open), cases[i].words, "%s",
				 cases[i].line);
		cr_expect_eq(end, WORDS_WHOLE, "%s", cases[i].line);
		cr_expect_eq(open, cases[i].open, "%s", cases[i].line);
		cr_expect_null(words_error(end));
	}
	cr_expect_str_eq(split("a # b 'c", &end, &open), "[a]");
	cr_expect_eq(end, WORDS_IN_REMARK);
	cr_expect_null(words_error(end));
}

Test(words, last_start)
{
	struct words words;
	const char line[] = "task show 'g:a b";

	words_split(line, strlen(line), &words);
	cr_expect_eq(words.last_start, 10);
	words_free(&words);
}

Test(words, quoted_as_read)
{
	static const struct {
		const char *word, *typed;
	} cases[] = {
		{ "", "''" },       { "urn:imei:1,a/b-c", "urn:imei:1,a/b-c" },
		{ "a b", "a\\ b" }, { "it's \"\\$", "it\\'s\\ \\\"\\\\\\$" },
		{ "#1", "\\#1" },   { "\xe4\xb8\xad", "\xe4\xb8\xad" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *typed = words_quote(cases[i].word);
		struct words words;

		cr_expect_str_eq(typed, cases[i].typed);
		cr_expect_eq(words_split(typed, strlen(typed), &words), WORDS_WHOLE);
		cr_expect(words.n == 1 && strcmp(words.argv[0], cases[i].word) == 0);
		words_free(&words);
		free(typed);
	}
}
