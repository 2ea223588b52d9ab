/* What a device is told, written down: what cannot be, then what an expectation reads again. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/storm/lesson.h"

static struct lesson lesson;

static void
tell(const char *path, const void *bytes, size_t len, size_t offset, bool last)
{
	const struct expect_part part = {
		.bytes = bytes, .len = len, .offset = offset, .last = last
	};

	lesson_write(&lesson, path, strlen(path), "dev-1", 5, &part);
}

static void
expect_text(const char *text)
{
	cr_assert_not(lesson.failed);
	cr_assert_eq(lesson.text_len, strlen(text));
	cr_assert_arr_eq(lesson.text, text, lesson.text_len);
}

Test(storm_lesson, a_missing_block_fails_it)
{
	tell("/0/1", "ab", 2, 0, false);
	tell("/0/1", "ef", 2, 4, true);
	cr_assert(lesson.failed);
}

Test(storm_lesson, more_than_fits_fails_it)
{
	static uint8_t much[LESSON_PAYLOAD_MAX + 1];

	tell("/0/1", much, sizeof much, 0, true);
	cr_assert(lesson.failed);
	lesson.failed = false;
	for (int i = 0; i < 20 && !lesson.failed; i++)
		tell("/0/1", much, LESSON_PAYLOAD_MAX, 0, true);
	cr_assert(lesson.failed);
	cr_assert_leq(lesson.text_len, LESSON_TEXT_MAX);
}

Test(storm_lesson, names_stand_for_themselves_and_blocks_are_joined)
{
	lesson_delete(&lesson, "/0", 2);
	tell("/0/1", "\x01-de", 4, 0, false); /* the name crosses blocks */
	tell("/0/1", "v-1dev-1\xff", 9, 4, true);
	tell("/1/0", NULL, 0, 0, true);
	expect_text("-/0\n/0/1=012d{ep}{ep}ff\n/1/0=\n");
}

/* The file is one that devices are held against. */
Test(storm_lesson, an_expectation_reads_it)
{
	struct expect expect = { 0 };
	char error[EXPECT_ERROR_MAX];
	const struct expect_part part = { .bytes = (const uint8_t *)"\xc8other",
					  .len = 6,
					  .last = true };

	tell("/0/1",
	     "\xc8"
	     "dev-1",
	     6, 0, true);
	lesson.text[lesson.text_len - 1] = '\0';
	cr_assert_eq(expect_parse(&expect, lesson.text, error), 0, "%s", error);
	cr_assert(expect_matches(&expect.lines[0], "other", 5, &part));
	expect_free(&expect);
}
