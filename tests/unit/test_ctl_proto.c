/* Frames of the control socket: halves, garbage, sizes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/socket/ctl_proto.h"

static const char good[] = "{\"v\":1,\"argv\":[\"status\"]}";

static size_t
frame(uint8_t *out, const char *json)
{
	size_t len = strlen(json);

	memcpy(out, (uint8_t[]){ 0, 0, (uint8_t)(len >> 8), (uint8_t)len }, 4);
	memcpy(out + 4, json, len);
	return len + 4;
}

Test(ctl_proto, refuses_what_is_no_object_of_our_version)
{
	static const char *const bad[] = { "",
					   "{",
					   "[]",
					   "null",
					   "1",
					   "{}",
					   "{\"v\":2}",
					   "{\"v\":\"1\"}",
					   "{\"v\":1}x",
					   "{\"v\":1,\"v\":1}",
					   "{\"v\":1,\"x\":\"\xff\"}" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ctl_reader reader;
		uint8_t bytes[128];
		json_t *json = NULL;

		ctl_reader_init(&reader);
		cr_assert_eq(ctl_reader_feed(&reader, bytes, frame(bytes, bad[i])), 0);
		cr_assert_eq(ctl_reader_next(&reader, &json), -EBADMSG, "%s", bad[i]);
		ctl_reader_fini(&reader);
	}
}

Test(ctl_proto, refuses_a_frame_above_the_limit_before_it_arrives)
{
	struct ctl_reader reader;

	ctl_reader_init(&reader);
	cr_assert_eq(ctl_reader_feed(&reader, (uint8_t[]){ 1, 0, 0, 0 }, 4), 0);
	ctl_reader_fini(&reader);
	ctl_reader_init(&reader);
	cr_assert_eq(ctl_reader_feed(&reader, (uint8_t[]){ 1, 0, 0, 1 }, 4), -EMSGSIZE);
	ctl_reader_fini(&reader);
}

Test(ctl_proto, takes_frames_byte_by_byte_and_several_at_once)
{
	struct ctl_reader reader;
	uint8_t bytes[256];
	size_t len = frame(bytes, good);
	json_t *json;

	ctl_reader_init(&reader);
	for (size_t i = 0; i < len; i++) {
		cr_assert_eq(ctl_reader_next(&reader, &json), 0);
		cr_assert_eq(ctl_reader_feed(&reader, bytes + i, 1), 0);
	}
	cr_assert_eq(ctl_reader_next(&reader, &json), 1);
	json_decref(json);
	len += frame(bytes + len, good);
	cr_assert_eq(ctl_reader_feed(&reader, bytes, len), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ctl_reader_next(&reader, &json), 1);
		cr_assert_str_eq(
			json_string_value(json_array_get(json_object_get(json, "argv"), 0)),
			"status");
		json_decref(json);
	}
	cr_assert_eq(ctl_reader_next(&reader, &json), 0);
	ctl_reader_fini(&reader);
}

Test(ctl_proto, what_it_encodes_it_reads)
{
	json_t *object = json_pack("{s:i, s:s}", "v", 1, "text", "caf\xc3\xa9 \n");
	struct ctl_reader reader;
	json_t *json;
	size_t len;
	uint8_t *bytes = ctl_frame_encode(object, &len);

	cr_assert(bytes);
	ctl_reader_init(&reader);
	cr_assert_eq(ctl_reader_feed(&reader, bytes, len), 0);
	cr_assert_eq(ctl_reader_next(&reader, &json), 1);
	cr_assert(json_equal(object, json));
	json_decref(json);
	json_decref(object);
	free(bytes);
	ctl_reader_fini(&reader);
}
