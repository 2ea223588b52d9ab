/*
 * lesson.h - writes down what one device is told, as an expectation file for the others (expect.h).
 *
 * The device's endpoint name becomes {ep} wherever a payload holds its bytes; what else differs from
 * device to device is for a person to replace. Blocks of a write are put together.
 *
 * Owner: the caller; one device, one thread. Allocates nothing: what does not fit makes it fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/storm/expect.h"

enum {
	LESSON_PAYLOAD_MAX = 65535,
	LESSON_TEXT_MAX = 1 << 20,
};

struct lesson {
	bool failed; /* too much was told, or a block is missing */
	size_t payload_len, text_len;
	uint8_t payload[LESSON_PAYLOAD_MAX];
	char text[LESSON_TEXT_MAX];
};

/* A write or a part of it, to "/path", by a device of this name. All zero before the first. */
void lesson_write(struct lesson *lesson, const char *path, size_t path_len, const char *endpoint,
		  size_t endpoint_len, const struct expect_part *part);
void lesson_delete(struct lesson *lesson, const char *path, size_t path_len);
