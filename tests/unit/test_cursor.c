/* The cursor never leaves its bytes, and its error sticks. */
#include <criterion/criterion.h>

#include "dataplane/core/cursor.h"

static const uint8_t digits[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
				  0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
				  0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18 };

Test(cursor, reading_beyond_the_end_sticks_and_yields_zero)
{
	struct reader reader = reader_init(digits, 3);

	cr_assert_eq(reader_u16(&reader), 0x0102);
	cr_assert_eq(reader_u16(&reader), 0, "one byte is left, two were asked");
	cr_assert_not(reader_ok(&reader));
	cr_assert_eq(reader_u8(&reader), 0, "the byte that is left is not given any more");
	cr_assert_null(reader_bytes(&reader, 0));
	cr_assert_eq(reader_left(&reader), 0);
	cr_assert_eq(reader_peek_u8(&reader), 0);
	cr_assert_not(reader_done(&reader));
}

Test(cursor, lengths_near_size_max_do_not_wrap)
{
	struct reader reader = reader_init(digits, 4);
	uint8_t buffer[4];
	struct writer writer = writer_init(buffer, sizeof buffer);

	cr_assert_null(reader_bytes(&reader, SIZE_MAX));
	cr_assert_not(reader_ok(&reader));
	cr_assert_null(writer_room(&writer, SIZE_MAX - 1));
	cr_assert_not(writer_ok(&writer));
}

Test(cursor, a_failed_copy_zeroes_its_target)
{
	struct reader reader = reader_init(digits, 2);
	uint8_t out[4] = { 0xff, 0xff, 0xff, 0xff };

	reader_copy(&reader, out, sizeof out);
	cr_assert_arr_eq(out, "\0\0\0\0", 4);
}

Test(cursor, empty_input_is_readable_as_nothing)
{
	struct reader null = reader_init(NULL, 0);

	cr_assert(reader_done(&null));
	cr_assert_eq(reader_u8(&null), 0);
	cr_assert_not(reader_ok(&null));
}

Test(cursor, every_width_reads_big_endian)
{
	struct reader reader = reader_init(digits, sizeof digits);

	cr_assert_eq(reader_u8(&reader), 0x01);
	cr_assert_eq(reader_u16(&reader), 0x0203);
	cr_assert_eq(reader_u24(&reader), 0x040506);
	cr_assert_eq(reader_u32(&reader), 0x0708090a);
	cr_assert_eq(reader_u48(&reader), 0x0b0c0d0e0f10);
	cr_assert_eq(reader_u64(&reader), 0x1112131415161718);
	cr_assert(reader_done(&reader));
}

Test(cursor, sub_readers_are_bounded_and_inherit_failure)
{
	static const uint8_t vectors[] = { 2, 0xaa, 0xbb, 0, 1, 0xcc, 0, 0, 5, 0xdd };
	struct reader reader = reader_init(vectors, sizeof vectors);
	struct reader one = reader_vector_u8(&reader), two = reader_vector_u16(&reader), three;

	cr_assert_eq(reader_u16(&one), 0xaabb);
	cr_assert(reader_done(&one));
	cr_assert_eq(reader_u16(&two), 0, "its byte alone, not its neighbours'");
	cr_assert_not(reader_ok(&two));
	cr_assert(reader_ok(&reader), "a sub-reader's failure is its own");
	three = reader_vector_u24(&reader);
	cr_assert_not(reader_ok(&three), "says five, has one");
	cr_assert_not(reader_ok(&reader));
}

Test(cursor, rest_takes_all_and_may_be_empty)
{
	struct reader reader = reader_init(digits, 5), rest;

	reader_skip(&reader, 2);
	cr_assert_eq(reader_peek_u8(&reader), 3);
	rest = reader_rest(&reader);
	cr_assert_eq(reader_left(&rest), 3);
	cr_assert(reader_done(&reader));
	rest = reader_rest(&reader);
	cr_assert(reader_done(&rest));
}

Test(cursor, writing_beyond_the_end_sticks_and_touches_nothing)
{
	uint8_t buffer[4] = { 0, 0, 0xee, 0xee };
	struct writer writer = writer_init(buffer, 3);

	writer_u16(&writer, 0x0102);
	writer_u16(&writer, 0x0304);
	writer_u8(&writer, 5);
	cr_assert_not(writer_ok(&writer));
	cr_assert_eq(writer_finish(&writer), 0);
	cr_assert_eq(buffer[2], 0xee);
	cr_assert_eq(buffer[3], 0xee);
}

Test(cursor, values_wider_than_their_field_fail)
{
	uint8_t buffer[16];
	struct writer writer = writer_init(buffer, sizeof buffer);

	writer_u24(&writer, 1u << 24);
	cr_assert_not(writer_ok(&writer));
	writer = writer_init(buffer, sizeof buffer);
	writer_u48(&writer, 1ull << 48);
	cr_assert_not(writer_ok(&writer));
}

Test(cursor, a_body_too_long_for_its_length_fails)
{
	uint8_t buffer[300];
	struct writer writer = writer_init(buffer, sizeof buffer);
	struct writer_mark mark = writer_reserve_u8(&writer);

	cr_assert_not_null(writer_room(&writer, 256));
	writer_close(&writer, mark);
	cr_assert_not(writer_ok(&writer));
}

Test(cursor, every_width_writes_what_it_reads)
{
	uint8_t buffer[sizeof digits];
	struct writer writer = writer_init(buffer, sizeof buffer);

	writer_u8(&writer, 0x01);
	writer_u16(&writer, 0x0203);
	writer_u24(&writer, 0x040506);
	writer_u32(&writer, 0x0708090a);
	writer_u48(&writer, 0x0b0c0d0e0f10);
	writer_u64(&writer, 0x1112131415161718);
	cr_assert_eq(writer_finish(&writer), sizeof digits);
	cr_assert_arr_eq(buffer, digits, sizeof digits);
	cr_assert_eq(writer_left(&writer), 0);
}

Test(cursor, reservations_nest)
{
	static const uint8_t expected[] = { 0, 0, 7, 0, 5, 1, 0xaa, 0xbb, 0xcc, 0xdd };
	uint8_t buffer[16];
	struct writer writer = writer_init(buffer, sizeof buffer);
	struct writer_mark outer = writer_reserve_u24(&writer),
			   middle = writer_reserve_u16(&writer), inner = writer_reserve_u8(&writer);

	writer_u8(&writer, 0xaa);
	writer_close(&writer, inner);
	writer_bytes(&writer, "\xbb\xcc\xdd", 3);
	writer_close(&writer, middle);
	writer_close(&writer, outer);
	cr_assert_eq(writer_finish(&writer), sizeof expected);
	cr_assert_arr_eq(buffer, expected, sizeof expected);
}
