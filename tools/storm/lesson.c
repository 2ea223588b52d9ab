#include "tools/storm/lesson.h"

#include <string.h>

static void
put(struct lesson *lesson, const char *text, size_t len)
{
	if (len > LESSON_TEXT_MAX - lesson->text_len) {
		lesson->failed = true;
		return;
	}
	memcpy(lesson->text + lesson->text_len, text, len);
	lesson->text_len += len;
}

static void
put_hex(struct lesson *lesson, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	const char text[2] = { digits[byte >> 4], digits[byte & 15] };

	put(lesson, text, sizeof text);
}

/* A line for the payload, the name's bytes as {ep}. */
static void
put_payload(struct lesson *lesson, const char *endpoint, size_t endpoint_len)
{
	size_t at = 0;

	while (at < lesson->payload_len) {
		const uint8_t *bytes = lesson->payload + at;

		if (endpoint_len && endpoint_len <= lesson->payload_len - at &&
		    memcmp(bytes, endpoint, endpoint_len) == 0) {
			put(lesson, "{ep}", 4);
			at += endpoint_len;
		} else {
			put_hex(lesson, *bytes);
			at++;
		}
	}
	put(lesson, "\n", 1);
}

void
lesson_write(struct lesson *lesson, const char *path, size_t path_len, const char *endpoint,
	     size_t endpoint_len, const struct expect_part *part)
{
	if (part->offset == 0)
		lesson->payload_len = 0;
	if (part->offset != lesson->payload_len ||
	    part->len > LESSON_PAYLOAD_MAX - lesson->payload_len) {
		lesson->failed = true;
		return;
	}
	if (part->len)
		memcpy(lesson->payload + lesson->payload_len, part->bytes, part->len);
	lesson->payload_len += part->len;
	if (!part->last)
		return;
	put(lesson, path, path_len);
	put(lesson, "=", 1);
	put_payload(lesson, endpoint, endpoint_len);
}

void
lesson_delete(struct lesson *lesson, const char *path, size_t path_len)
{
	put(lesson, "-", 1);
	put(lesson, path, path_len);
	put(lesson, "\n", 1);
}
