#include "control/hash_index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLOTS_MIN = 16,
	SLOTS_MAX = 1u << 30, /* 8 GB, for 800 million entries */
};

/* A free slot must be left for a look-up to end at. */
static size_t
room_in(size_t slots)
{
	return slots / 4 * 3;
}

/* 0: it would be too large. */
static size_t
slots_for(size_t entries)
{
	size_t slots = SLOTS_MIN;

	if (entries > room_in(SLOTS_MAX))
		return 0;
	while (room_in(slots) < entries)
		slots *= 2;
	return slots;
}

static struct hash_index_slot *
free_slot(const struct hash_index *index, uint32_t hash)
{
	uint32_t at = hash & index->mask;

	while (index->slots[at].after)
		at = (at + 1) & index->mask;
	return &index->slots[at];
}

int
hash_index_reserve(struct hash_index *index, size_t more)
{
	size_t old = index->slots ? (size_t)index->mask + 1 : 0, slots;
	struct hash_index larger = *index;

	assert(index->count <= room_in(old));
	if (more <= room_in(old) - index->count)
		return 0;
	slots = more <= room_in(SLOTS_MAX) ? slots_for(index->count + more) : 0;
	larger.slots = slots ? calloc(slots, sizeof *larger.slots) : NULL;
	if (!larger.slots)
		return -ENOMEM;
	larger.mask = (uint32_t)(slots - 1);
	for (size_t i = 0; i < old; i++)
		if (index->slots[i].after)
			*free_slot(&larger, index->slots[i].hash) = index->slots[i];
	free(index->slots);
	*index = larger;
	return 0;
}

void
hash_index_fini(struct hash_index *index)
{
	free(index->slots);
	*index = (struct hash_index){ 0 };
}

size_t
hash_index_bytes(size_t entries)
{
	return slots_for(entries) * sizeof(struct hash_index_slot);
}

void
hash_index_place(struct hash_index *index, void *bytes, size_t entries)
{
	assert(slots_for(entries));
	memset(bytes, 0, hash_index_bytes(entries));
	*index = (struct hash_index){ bytes, 0, (uint32_t)(slots_for(entries) - 1) };
}

void
hash_index_add(struct hash_index *index, uint32_t hash, uint32_t number)
{
	assert(index->slots && index->count < room_in((size_t)index->mask + 1));
	assert(number != HASH_INDEX_NONE);
	*free_slot(index, hash) = (struct hash_index_slot){ hash, number + 1 };
	index->count++;
}

/* Closes the gap, so that no look-up ends too early. */
static void
take_out(struct hash_index *index, uint32_t hole)
{
	struct hash_index_slot *slots = index->slots;
	uint32_t mask = index->mask;

	assert(index->count && slots[hole].after);
	for (uint32_t at = (hole + 1) & mask; slots[at].after; at = (at + 1) & mask) {
		/* It may move up unless its home lies behind the hole. */
		if (((at - slots[at].hash) & mask) < ((at - hole) & mask))
			continue;
		slots[hole] = slots[at];
		hole = at;
	}
	slots[hole].after = 0;
	index->count--;
}

void
hash_index_remove(struct hash_index *index, uint32_t hash, uint32_t number)
{
	uint32_t at, found = hash_index_first(index, hash, &at);

	while (found != number) {
		assert(found != HASH_INDEX_NONE);
		found = hash_index_next(index, hash, &at);
	}
	take_out(index, at);
}
