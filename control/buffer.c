#include "control/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST = 256 };

void
buffer_fini(struct buffer *buffer)
{
	if (buffer->bytes)
		explicit_bzero(buffer->bytes, buffer->capacity);
	free(buffer->bytes);
	*buffer = (struct buffer){ 0 };
}

/* Doubled until it holds `len` bytes, and until moving what is left to its front is worth it. */
static size_t
next_capacity(const struct buffer *buffer, size_t len)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST;

	/* With less than half of it free a byte could be moved at every call. */
	if (buffer_left(buffer) > capacity / 2)
		capacity *= 2;
	while (capacity < len)
		capacity *= 2;
	return capacity;
}

int
buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t left = buffer_left(buffer), capacity;
	uint8_t *bytes = buffer->bytes;

	assert(buffer->taken <= buffer->len && buffer->len <= buffer->capacity);
	if (buffer->capacity - buffer->len >= more)
		return 0;
	if (more > SIZE_MAX / 4 || left > SIZE_MAX / 4)
		return -ENOMEM;
	capacity = next_capacity(buffer, left + more);
	if (capacity > buffer->capacity)
		bytes = malloc(capacity);
	if (!bytes)
		return -ENOMEM;
	if (left)
		memmove(bytes, buffer_front(buffer), left);
	if (bytes == buffer->bytes) {
		explicit_bzero(bytes + left, buffer->len - left);
	} else if (buffer->bytes) {
		explicit_bzero(buffer->bytes, buffer->capacity);
		free(buffer->bytes);
	}
	*buffer = (struct buffer){ .bytes = bytes, .len = left, .capacity = capacity };
	return 0;
}

int
buffer_put(struct buffer *buffer, const void *bytes, size_t len)
{
	if (buffer_reserve(buffer, len))
		return -ENOMEM;
	assert(len <= buffer->capacity - buffer->len);
	if (len)
		memcpy(buffer->bytes + buffer->len, bytes, len);
	buffer->len += len;
	return 0;
}

void
buffer_take(struct buffer *buffer, size_t len)
{
	assert(len <= buffer_left(buffer));
	if (len)
		explicit_bzero(buffer_front(buffer), len);
	buffer->taken += len;
}
