/*
 * buffer.h - bytes that come in behind and are taken in front; they grow, and are wiped.
 *
 * Keys pass through what reads files and frames and through what answers: so no byte is left
 * behind in freed memory, which rules realloc() out. Bytes [taken, len) are there:
 *
 *	bytes       taken           len           capacity
 *	|  wiped    |  not taken    |   free      |
 *
 * Owner: whoever has the struct; all zero is an empty buffer. One thread. Allocates.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *bytes;
	size_t taken, len, capacity;
};

/* Wipes and frees; the buffer is empty and may be used again. */
void buffer_fini(struct buffer *buffer);

/*
 * Room for `more` bytes behind `len`, where the caller writes them before it adds to `len`; what is
 * not taken may move to the front. 0 or -ENOMEM, and then nothing has changed.
 */
int buffer_reserve(struct buffer *buffer, size_t more) __attribute__((warn_unused_result));
/* Appends bytes; 0 or -ENOMEM. */
int buffer_put(struct buffer *buffer, const void *bytes, size_t len)
	__attribute__((warn_unused_result));

/* How many bytes are not taken, and where. */
static inline size_t
buffer_left(const struct buffer *buffer)
{
	return buffer->len - buffer->taken;
}

static inline uint8_t *
buffer_front(const struct buffer *buffer)
{
	return buffer->bytes + buffer->taken;
}

/* Takes so many bytes, at most those that are left, and wipes them. */
void buffer_take(struct buffer *buffer, size_t len);
