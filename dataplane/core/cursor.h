/*
 * cursor.h - the one way to read and write packet bytes.
 *
 * A reader walks over borrowed bytes, a writer over a borrowed buffer; both are big-endian and
 * bounded. The first access beyond the end makes the error sticky: from then on reads yield 0 and
 * NULL, writes do nothing, and the position stays. So a parser or encoder runs straight through and
 * asks once, at its end: reader_ok(), reader_done(), writer_finish(). What was read before asking
 * must not be acted upon.
 *
 * Owner: the caller, of cursor and bytes. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CURSOR_MUST_CHECK __attribute__((warn_unused_result))

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

struct writer {
	uint8_t *start, *at, *end;
	bool failed;
};

/* A length field written later: see writer_reserve_u16(). */
struct writer_mark {
	size_t offset; /* of the field, from the writer's start */
	uint8_t width; /* bytes of it */
};

/* ---- reading ---- */

static inline struct reader
reader_init(const void *bytes, size_t len)
{
	const uint8_t *at = (const uint8_t *)bytes;

	return (struct reader){ .at = at, .end = len ? at + len : at };
}

static inline size_t
reader_left(const struct reader *reader)
{
	return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

/* True while nothing was read beyond the end; bytes may be left. */
static inline bool CURSOR_MUST_CHECK
reader_ok(const struct reader *reader)
{
	return !reader->failed;
}

/* True when everything was read, and nothing beyond: the end of a message whose length is exact. */
static inline bool CURSOR_MUST_CHECK
reader_done(const struct reader *reader)
{
	return !reader->failed && reader->at == reader->end;
}

/* For a parser that finds nonsense: the same sticky error as running out of bytes. */
static inline void
reader_fail(struct reader *reader)
{
	reader->failed = true;
}

/* The next `len` bytes, borrowed; NULL when there are fewer (and not NULL for len 0 of a non-NULL
 * buffer). */
static inline const uint8_t *
reader_bytes(struct reader *reader, size_t len)
{
	const uint8_t *at = reader->at;

	if (len > reader_left(reader) || reader->failed) {
		reader->failed = true;
		return NULL;
	}
	if (len)
		reader->at += len;
	return at;
}

/* The same, copied; `out` is zeroed when there are fewer, so that it is never read
 * uninitialised. */
static inline void
reader_copy(struct reader *reader, void *out, size_t len)
{
	const uint8_t *at = reader_bytes(reader, len);

	if (at && len)
		memcpy(out, at, len);
	else if (len)
		memset(out, 0, len);
}

static inline void
reader_skip(struct reader *reader, size_t len)
{
	(void)reader_bytes(reader, len);
}

/* A reader over the next `len` bytes alone; born failed when there are fewer. */
static inline struct reader
reader_sub(struct reader *reader, size_t len)
{
	const uint8_t *at = reader_bytes(reader, len);
	struct reader sub = reader_init(at, at ? len : 0);

	sub.failed = reader->failed;
	return sub;
}

/* A reader over all that is left. */
static inline struct reader
reader_rest(struct reader *reader)
{
	return reader_sub(reader, reader_left(reader));
}

/* The next byte without taking it; 0 at the end, which is no error. */
static inline uint8_t
reader_peek_u8(const struct reader *reader)
{
	return reader_left(reader) ? reader->at[0] : 0;
}

/*
 * Big-endian, 1 to 8 bytes. `width` is a constant at nearly every call, so one case is left: a load
 * and a byte swap.
 */
static inline uint64_t
cursor_load(const uint8_t *at, size_t width)
{
	uint64_t value = 0, u64;
	uint32_t u32;
	uint16_t u16;

	switch (width) {
	case 2:
		memcpy(&u16, at, sizeof u16);
		return be16toh(u16);
	case 4:
		memcpy(&u32, at, sizeof u32);
		return be32toh(u32);
	case 6:
		memcpy(&u16, at, sizeof u16);
		memcpy(&u32, at + sizeof u16, sizeof u32);
		return (uint64_t)be16toh(u16) << 32 | be32toh(u32);
	case 8:
		memcpy(&u64, at, sizeof u64);
		return be64toh(u64);
	default:
		for (size_t i = 0; i < width; i++)
			value = value << 8 | at[i];
		return value;
	}
}

static inline uint64_t
reader_uint(struct reader *reader, size_t width)
{
	const uint8_t *at = reader_bytes(reader, width);

	return at ? cursor_load(at, width) : 0;
}

static inline uint8_t
reader_u8(struct reader *reader)
{
	return (uint8_t)reader_uint(reader, 1);
}

static inline uint16_t
reader_u16(struct reader *reader)
{
	return (uint16_t)reader_uint(reader, 2);
}

static inline uint32_t
reader_u24(struct reader *reader)
{
	return (uint32_t)reader_uint(reader, 3);
}

static inline uint32_t
reader_u32(struct reader *reader)
{
	return (uint32_t)reader_uint(reader, 4);
}

static inline uint64_t
reader_u48(struct reader *reader)
{
	return reader_uint(reader, 6);
}

static inline uint64_t
reader_u64(struct reader *reader)
{
	return reader_uint(reader, 8);
}

/* Vectors with a length in front (RFC 5246 4.3): the length field, then a reader over that many
 * bytes. */
static inline struct reader
reader_vector_u8(struct reader *reader)
{
	size_t len = reader_u8(reader);

	return reader_sub(reader, len);
}

static inline struct reader
reader_vector_u16(struct reader *reader)
{
	size_t len = reader_u16(reader);

	return reader_sub(reader, len);
}

static inline struct reader
reader_vector_u24(struct reader *reader)
{
	size_t len = reader_u24(reader);

	return reader_sub(reader, len);
}

/* ---- writing ---- */

static inline struct writer
writer_init(void *bytes, size_t capacity)
{
	uint8_t *at = (uint8_t *)bytes;

	return (struct writer){ .start = at, .at = at, .end = capacity ? at + capacity : at };
}

static inline size_t
writer_left(const struct writer *writer)
{
	return writer->failed ? 0 : (size_t)(writer->end - writer->at);
}

/* Bytes written so far; stays at the last good position after a failure. */
static inline size_t
writer_len(const struct writer *writer)
{
	return (size_t)(writer->at - writer->start);
}

static inline bool CURSOR_MUST_CHECK
writer_ok(const struct writer *writer)
{
	return !writer->failed;
}

/* Bytes written, or 0 when something did not fit: nothing we send is empty. */
static inline size_t CURSOR_MUST_CHECK
writer_finish(const struct writer *writer)
{
	return writer->failed ? 0 : writer_len(writer);
}

static inline void
writer_fail(struct writer *writer)
{
	writer->failed = true;
}

/* Room for `len` bytes that the caller fills at once; NULL when there is less. */
static inline uint8_t *
writer_room(struct writer *writer, size_t len)
{
	uint8_t *at = writer->at;

	if (len > writer_left(writer) || writer->failed) {
		writer->failed = true;
		return NULL;
	}
	if (len)
		writer->at += len;
	return at;
}

/*
 * A writer of the next `len` bytes alone, which are to be filled; born failed when there is less.
 * Asked at once whether it is sound, it costs one check for all fields of a header.
 */
static inline struct writer
writer_sub(struct writer *writer, size_t len)
{
	uint8_t *at = writer_room(writer, len);
	struct writer sub = writer_init(at, at ? len : 0);

	sub.failed = writer->failed;
	return sub;
}

/* Takes back the last `len` bytes of writer_room(): they were not needed. */
static inline void
writer_give_back(struct writer *writer, size_t len)
{
	if (!writer->failed && len <= writer_len(writer))
		writer->at -= len;
}

static inline void
writer_bytes(struct writer *writer, const void *bytes, size_t len)
{
	uint8_t *at = writer_room(writer, len);

	if (at && len)
		memcpy(at, bytes, len);
}

/*
 * The counterpart of cursor_load(): a byte swap and a store. Byte by byte gcc makes vectors of it
 * by way of the stack, where loads then wait for the stores.
 */
static inline void
cursor_store(uint8_t *at, uint64_t value, size_t width)
{
	uint64_t u64 = htobe64(value);
	uint32_t u32 = htobe32((uint32_t)value);
	uint16_t u16 = htobe16((uint16_t)value);

	switch (width) {
	case 2:
		memcpy(at, &u16, sizeof u16);
		return;
	case 4:
		memcpy(at, &u32, sizeof u32);
		return;
	case 6:
		u16 = htobe16((uint16_t)(value >> 32));
		memcpy(at, &u16, sizeof u16);
		memcpy(at + sizeof u16, &u32, sizeof u32);
		return;
	case 8:
		memcpy(at, &u64, sizeof u64);
		return;
	default:
		for (size_t i = width; i > 0; i--) {
			at[i - 1] = (uint8_t)value;
			value >>= 8;
		}
	}
}

static inline void
writer_uint(struct writer *writer, uint64_t value, size_t width)
{
	uint8_t *at = writer_room(writer, width);

	if (at)
		cursor_store(at, value, width);
}

static inline void
writer_u8(struct writer *writer, uint8_t value)
{
	writer_uint(writer, value, 1);
}

static inline void
writer_u16(struct writer *writer, uint16_t value)
{
	writer_uint(writer, value, 2);
}

/* A value above the field's 24 or 48 bits is a failure, never cut. */
static inline void
writer_u24(struct writer *writer, uint32_t value)
{
	if (value >> 24)
		writer_fail(writer);
	writer_uint(writer, value, 3);
}

static inline void
writer_u32(struct writer *writer, uint32_t value)
{
	writer_uint(writer, value, 4);
}

static inline void
writer_u48(struct writer *writer, uint64_t value)
{
	if (value >> 48)
		writer_fail(writer);
	writer_uint(writer, value, 6);
}

static inline void
writer_u64(struct writer *writer, uint64_t value)
{
	writer_uint(writer, value, 8);
}

/*
 * Length fields whose value is known only after what they count: reserve, write the body, close.
 * writer_close() stores the number of bytes written since; a body too long for the field is a
 * failure. Marks nest; the trap: close the inner one first.
 */
static inline struct writer_mark
writer_reserve(struct writer *writer, uint8_t width)
{
	struct writer_mark mark = { .offset = writer_len(writer), .width = width };

	writer_uint(writer, 0, width);
	return mark;
}

static inline struct writer_mark
writer_reserve_u8(struct writer *writer)
{
	return writer_reserve(writer, 1);
}

static inline struct writer_mark
writer_reserve_u16(struct writer *writer)
{
	return writer_reserve(writer, 2);
}

static inline struct writer_mark
writer_reserve_u24(struct writer *writer)
{
	return writer_reserve(writer, 3);
}

static inline void
writer_close(struct writer *writer, struct writer_mark mark)
{
	size_t len;

	if (writer->failed)
		return;
	len = writer_len(writer) - mark.offset - mark.width;
	if (len >> (8 * mark.width)) {
		writer->failed = true;
		return;
	}
	cursor_store(writer->start + mark.offset, len, mark.width);
}
