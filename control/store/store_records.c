#include "control/store/store_records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK_SIZE = 64 << 10, /* some 500 records */
	RECORD_ALIGN = 8,
};

struct record_chunk {
	struct record_chunk *next;
	uint32_t used, size, count;
	_Alignas(RECORD_ALIGN) uint8_t bytes[];
};

static struct record_chunk *
add_chunk(struct records *records, size_t size)
{
	size_t room = CHUNK_SIZE - sizeof(struct record_chunk);
	struct record_chunk *chunk;

	room = size > room ? size : room;
	chunk = malloc(sizeof *chunk + room);
	if (!chunk)
		return NULL;
	*chunk = (struct record_chunk){ .size = (uint32_t)room };
	if (records->last)
		records->last->next = chunk;
	else
		records->first = chunk;
	records->last = chunk;
	records->chunks++;
	return chunk;
}

void *
records_add(struct records *records, size_t size)
{
	struct record_chunk *chunk = records->last;
	struct record *record;

	size = (size + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(records, size);
	if (!chunk)
		return NULL;
	record = (struct record *)(chunk->bytes + chunk->used);
	assert(size <= chunk->size - chunk->used);
	record->size = (uint32_t)size;
	chunk->used += (uint32_t)size;
	chunk->count++;
	records->count++;
	return record;
}

bool
records_reserve(struct records *records, size_t size)
{
	const struct record_chunk *chunk = records->last;

	return !size || (chunk && chunk->size - chunk->used >= size) || add_chunk(records, size);
}

struct records_at
records_end(const struct records *records)
{
	const struct record_chunk *last = records->last;

	return (struct records_at){ records->last, last ? last->used : 0 };
}

void *
records_next(const struct records *records, struct records_at *at)
{
	struct record *record;

	if (!at->chunk)
		at->chunk = records->first;
	while (at->chunk && at->offset == at->chunk->used) {
		at->chunk = at->chunk->next;
		at->offset = 0;
		if (!at->chunk)
			return NULL;
	}
	if (!at->chunk)
		return NULL;
	record = (struct record *)(at->chunk->bytes + at->offset);
	assert(record->size && at->offset + record->size <= at->chunk->used);
	at->offset += record->size;
	return record;
}

void
records_move(struct records *to, struct records *from, size_t want)
{
	while (from->first && to->count < want) {
		struct record_chunk *chunk = from->first;

		from->first = chunk->next;
		if (!from->first)
			from->last = NULL;
		assert(from->chunks && from->count >= chunk->count);
		from->count -= chunk->count;
		from->chunks--;
		chunk->next = NULL;
		if (to->last)
			to->last->next = chunk;
		else
			to->first = chunk;
		to->last = chunk;
		to->count += chunk->count;
		to->chunks++;
	}
}

void
records_clear(struct records *records)
{
	while (records->first) {
		struct record_chunk *chunk = records->first;

		records->first = chunk->next;
		explicit_bzero(chunk->bytes, chunk->used);
		free(chunk);
	}
	*records = (struct records){ 0 };
}
