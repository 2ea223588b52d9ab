/* Files of records: what is damaged, cut or foreign first; then what is written comes back. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/core/record.h"

enum { KIND = 7, OTHER = 9 };

struct thing {
	uint32_t number;
	uint8_t bytes[5];
	bool flag;
	uint64_t time;
	uint16_t left_out;
};

static const struct record_field fields[] = {
	RECORD_FIELD(1, RECORD_PLAIN, struct thing, number),
	RECORD_FIELD(2, RECORD_PLAIN, struct thing, bytes),
	RECORD_FIELD(3, RECORD_BOOL, struct thing, flag),
	RECORD_FIELD(4, RECORD_TIME, struct thing, time),
};

static const struct thing whole = {
	.number = 0xdeadbeef, .bytes = "abcd", .flag = true, .time = 1000
};

static uint8_t file[4096];
static size_t len;

/* Two records: one of all fields, one of another kind. */
static void
write_file(void)
{
	struct record_writer writer;

	memset(file, 0xa5, sizeof file);
	record_file_begin(&writer, file, sizeof file);
	record_begin(&writer, KIND);
	record_put_fields(&writer, fields, 4, &whole);
	record_put_number(&writer, 5, 12345);
	record_put_text(&writer, 6, "text");
	record_end(&writer);
	record_begin(&writer, OTHER);
	record_end(&writer);
	len = record_file_end(&writer);
	cr_assert_gt(len, 0);
}

TestSuite(record, .init = write_file);

Test(record, a_file_that_is_cut_anywhere_is_refused)
{
	struct record_reader reader;

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, file, cut);
		cr_expect_neq(record_file_open(&reader, exact, cut), RECORD_FILE_GOOD, "%zu bytes",
			      cut);
		free(exact);
	}
}

Test(record, a_bit_that_is_wrong_anywhere_is_found)
{
	struct record_reader reader;

	for (size_t at = 0; at < len * 8; at++) {
		file[at / 8] ^= (uint8_t)(1 << at % 8);
		cr_expect_neq(record_file_open(&reader, file, len), RECORD_FILE_GOOD, "bit %zu",
			      at);
		file[at / 8] ^= (uint8_t)(1 << at % 8);
	}
	cr_expect_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
}

Test(record, another_format_is_refused_as_a_whole)
{
	struct record_reader reader;

	file[8]++;
	cr_expect_eq(record_file_open(&reader, file, len), RECORD_FILE_FORMAT);
	file[8]--;
	file[0] = 'c';
	cr_expect_eq(record_file_open(&reader, file, len), RECORD_FILE_FOREIGN);
}

Test(record, what_finds_no_room_is_no_file)
{
	struct record_writer writer;

	for (size_t size = 0; size < len; size++) {
		uint8_t *exact = malloc(size ? size : 1);

		record_file_begin(&writer, exact, size);
		record_begin(&writer, KIND);
		record_put_fields(&writer, fields, 4, &whole);
		record_put_number(&writer, 5, 12345);
		record_put_text(&writer, 6, "text");
		record_end(&writer);
		record_begin(&writer, OTHER);
		record_end(&writer);
		cr_expect_eq(record_file_end(&writer), 0, "%zu bytes", size);
		free(exact);
	}
}

Test(record, fields_longer_than_their_members_are_malformed)
{
	struct record_writer writer;
	struct record_reader reader;
	struct thing thing = { 0 };
	char text[4];

	record_file_begin(&writer, file, sizeof file);
	record_begin(&writer, KIND);
	record_put_bytes(&writer, 2, "abcdef", 6);
	record_put_bytes(&writer, 5, "123456789", 9);
	record_put_bytes(&writer, 6, "a\0b", 3);
	record_end(&writer);
	len = record_file_end(&writer);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
		cr_assert(record_next(&reader));
		if (i == 0)
			record_fields(&reader, fields, 4, &thing);
		else if (i == 1)
			cr_expect_eq(record_number(&reader, 5), 0);
		else if (i == 2)
			record_text(&reader, 6, text, sizeof text);
		cr_expect_eq(reader.malformed, i < 3);
		cr_expect_eq(record_next(&reader), false);
	}
}

Test(record, what_is_written_comes_back)
{
	struct record_reader reader;
	struct thing thing = { .left_out = 3 };
	char text[8];

	cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
	reader.shift_us = 500;
	cr_assert(record_next(&reader));
	cr_expect_eq(reader.kind, KIND);
	record_fields(&reader, fields, 4, &thing);
	record_text(&reader, 6, text, sizeof text);
	cr_expect_eq(thing.number, whole.number);
	cr_expect_arr_eq(thing.bytes, whole.bytes, sizeof thing.bytes);
	cr_expect(thing.flag);
	cr_expect_eq(thing.time, 1500);
	cr_expect_eq(thing.left_out, 3);
	cr_expect_eq(record_number(&reader, 5), 12345);
	cr_expect_str_eq(text, "text");
	cr_expect_eq(record_number(&reader, 50), 0);
	cr_assert(record_next(&reader));
	cr_expect_eq(reader.kind, OTHER);
	cr_expect_eq(record_number(&reader, 5), 0);
	cr_expect_not(record_next(&reader));
	cr_expect_not(reader.malformed);
}

/* A field that came later; and a member that was narrower once. */
Test(record, fields_that_are_not_known_are_skipped)
{
	struct record_writer writer;
	struct record_reader reader;
	struct thing thing = { 0 };
	uint16_t shorter = 77;

	record_file_begin(&writer, file, sizeof file);
	record_begin(&writer, KIND);
	record_put_number(&writer, 90, 1);
	record_put_bytes(&writer, 1, &shorter, sizeof shorter);
	record_end(&writer);
	len = record_file_end(&writer);
	cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
	cr_assert(record_next(&reader));
	record_fields(&reader, fields, 4, &thing);
	cr_expect_eq(thing.number, 77);
	cr_expect_not(reader.malformed);
}
