#include "control/ctl_proto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CTL_HEADER = 4 };

void
ctl_reader_init(struct ctl_reader *reader)
{
	*reader = (struct ctl_reader){ 0 };
}

void
ctl_reader_fini(struct ctl_reader *reader)
{
	/* A frame may have carried keys. */
	if (reader->buffer)
		explicit_bzero(reader->buffer, reader->capacity);
	free(reader->buffer);
	*reader = (struct ctl_reader){ 0 };
}

static uint32_t
get_length(const uint8_t header[CTL_HEADER])
{
	return (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 |
	       header[3];
}

static int
reserve(struct ctl_reader *reader, size_t wanted)
{
	size_t capacity = reader->capacity ? reader->capacity : 4096;
	uint8_t *buffer;

	if (wanted <= reader->capacity)
		return 0;
	while (capacity < wanted)
		capacity *= 2;
	/* Not realloc(): what it leaves behind would not be wiped. */
	buffer = malloc(capacity);
	if (!buffer)
		return -ENOMEM;
	if (reader->buffer) {
		memcpy(buffer, reader->buffer, reader->len);
		explicit_bzero(reader->buffer, reader->capacity);
		free(reader->buffer);
	}
	reader->buffer = buffer;
	reader->capacity = capacity;
	return 0;
}

/* Whether the frame that the buffer begins with announces more than is allowed. */
static int
is_too_large(const struct ctl_reader *reader)
{
	return reader->len >= CTL_HEADER && get_length(reader->buffer) > CTL_FRAME_MAX;
}

int
ctl_reader_feed(struct ctl_reader *reader, const void *bytes, size_t len)
{
	if (reserve(reader, reader->len + len))
		return -ENOMEM;
	if (len)
		memcpy(reader->buffer + reader->len, bytes, len);
	reader->len += len;
	return is_too_large(reader) ? -EMSGSIZE : 0;
}

static json_t *
decode(const uint8_t *text, size_t len)
{
	json_t *object = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(object) ||
	    json_integer_value(json_object_get(object, "v")) != CTL_VERSION) {
		json_decref(object);
		return NULL;
	}
	return object;
}

int
ctl_reader_next(struct ctl_reader *reader, json_t **frame)
{
	size_t whole;

	if (reader->len < CTL_HEADER)
		return 0;
	if (is_too_large(reader))
		return -EBADMSG;
	whole = CTL_HEADER + get_length(reader->buffer);
	if (reader->len < whole)
		return 0;
	*frame = decode(reader->buffer + CTL_HEADER, whole - CTL_HEADER);
	if (!*frame)
		return -EBADMSG;
	memmove(reader->buffer, reader->buffer + whole, reader->len - whole);
	explicit_bzero(reader->buffer + reader->len - whole, whole);
	reader->len -= whole;
	return 1;
}

uint8_t *
ctl_frame_encode(const json_t *object, size_t *len)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;
	uint8_t *frame = NULL;

	if (text && size <= CTL_FRAME_MAX)
		frame = malloc(CTL_HEADER + size);
	if (frame) {
		frame[0] = (uint8_t)(size >> 24);
		frame[1] = (uint8_t)(size >> 16);
		frame[2] = (uint8_t)(size >> 8);
		frame[3] = (uint8_t)size;
		memcpy(frame + CTL_HEADER, text, size);
		*len = CTL_HEADER + size;
	}
	if (text)
		explicit_bzero(text, size);
	free(text);
	return frame;
}
