/*
 * decode_fuzz.h - what the targets of the content formats share.
 *
 * Input: level (0 everything to 4 resource instance, plus 8 times a format for fuzz_formats), object, instance,
 * resource; then the payload.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/content/decode.h"

enum { FUZZ_HEADER = 4, FUZZ_OUT = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct lwm2m_path
fuzz_target(const uint8_t *data)
{
	unsigned level = data[0] & 7;

	return (struct lwm2m_path){ level > 0 ? data[1] : -1, level > 1 ? data[2] : -1,
				    level > 2 ? data[3] : -1, level > 3 ? data[3] : -1 };
}

static inline bool
fuzz_same_value(const struct lwm2m_value *a, const struct lwm2m_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
	case LWM2M_OPAQUE:
		return a->bytes.len == b->bytes.len &&
		       (!a->bytes.len || !memcmp(a->bytes.at, b->bytes.at, a->bytes.len));
	case LWM2M_BOOLEAN:
		return a->boolean == b->boolean;
	case LWM2M_FLOAT:
		return a->real == b->real || (a->real != a->real && b->real != b->real);
	case LWM2M_OBJLNK:
		return a->link.object == b->link.object && a->link.instance == b->link.instance;
	default:
		return a->number == b->number;
	}
}

/* A format tells the type of a resource that no definition knows, each in its own way. */
static inline bool
fuzz_all_known(const struct objects *objects, const struct lwm2m_records *records)
{
	for (size_t i = 0; i < records->count; i++) {
		const struct lwm2m_path *path = &records->at[i].path;
		const struct object_def *object = objects_find(objects, (uint16_t)path->object);

		if (!object || !object_resource(object, (uint16_t)path->resource))
			return false;
	}
	return true;
}

/* Encodes the records, when the format can carry them, and reads them back: the same values. */
static inline void
fuzz_round_trip(const struct decode_input *from, const struct lwm2m_records *records,
		enum content_format format, struct arena *arena)
{
	static uint8_t room[FUZZ_OUT];
	struct decode_input input = *from;
	struct lwm2m_records back;
	struct bytes_out out;

	bytes_out_init(&out, room, sizeof room);
	if (!records->count || !fuzz_all_known(from->objects, records) ||
	    content_encode(format, &from->target, records->at, records->count, &out))
		return;
	input.format = format;
	input.bytes = room;
	input.len = out.len;
	assert(!content_decode(&input, arena, &back));
	assert(back.count == records->count);
	for (size_t i = 0; i < back.count; i++) {
		assert(!memcmp(&back.at[i].path, &records->at[i].path, sizeof back.at[i].path));
		assert(fuzz_same_value(&back.at[i].value, &records->at[i].value));
	}
}

/* One format: what is read can be written and read again. */
static inline int
fuzz_decode(enum content_format format, const uint8_t *data, size_t size)
{
	struct objects *objects = objects_new();
	struct decode_input input = { .format = format, .objects = objects };
	struct lwm2m_records records;
	struct arena arena;

	arena_init(&arena, 8 << 20);
	if (size >= FUZZ_HEADER) {
		input.target = fuzz_target(data);
		input.bytes = data + FUZZ_HEADER;
		input.len = size - FUZZ_HEADER;
		if (!content_decode(&input, &arena, &records)) {
			assert(!records.count ||
			       lwm2m_records_valid(&input.target, records.at, records.count));
			fuzz_round_trip(&input, &records, format, &arena);
		}
	}
	arena_fini(&arena);
	objects_free(objects);
	return 0;
}
