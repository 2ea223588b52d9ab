#include "control/store/store_recent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RECENT_MIN = 1024 };

static uint32_t
hash_of(uint32_t device, uint32_t task)
{
	uint64_t hash = device * 0x9e3779b97f4a7c15u ^ task * 0xc2b2ae3d27d4eb4fu;

	return (uint32_t)(hash >> 32); /* a product's upper bits depend on all of its factor */
}

/* HASH_INDEX_NONE: there is none. */
static uint32_t
find(const struct recent *recent, uint32_t device, uint32_t task, uint32_t hash)
{
	uint32_t at, found = hash_index_first(&recent->index, hash, &at);

	while (found != HASH_INDEX_NONE &&
	       (recent->entries[found].device != device || recent->entries[found].task != task))
		found = hash_index_next(&recent->index, hash, &at);
	return found;
}

int
recent_reserve(struct recent *recent, size_t more)
{
	size_t capacity = recent->capacity ? recent->capacity : RECENT_MIN;
	struct recent_entry *entries;

	if (recent->count + more <= recent->capacity)
		return 0;
	while (capacity < recent->count + more)
		capacity *= 2;
	entries = realloc(recent->entries, capacity * sizeof *entries);
	if (!entries)
		return -ENOMEM;
	recent->entries = entries;
	if (hash_index_reserve(&recent->index, capacity - recent->count) < 0)
		return -ENOMEM;
	recent->capacity = capacity;
	return 0;
}

void
recent_set(struct recent *recent, const struct recent_entry *entry)
{
	uint32_t hash = hash_of(entry->device, entry->task);
	uint32_t found = find(recent, entry->device, entry->task, hash);

	if (found == HASH_INDEX_NONE) {
		found = (uint32_t)recent->count++;
		hash_index_add(&recent->index, hash, found);
	}
	assert(recent->count <= recent->capacity && entry->seq > recent->last_seq);
	recent->entries[found] = *entry;
	recent->last_seq = entry->seq;
}

int64_t
recent_find(const struct recent *recent, uint32_t device, uint32_t task)
{
	uint32_t found = find(recent, device, task, hash_of(device, task));

	return found == HASH_INDEX_NONE ? 0 : recent->entries[found].seq;
}

static int
by_device(const void *a, const void *b)
{
	const struct recent_entry *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->task < y->task ? -1 : x->task > y->task;
}

void
recent_sort(struct recent *recent)
{
	hash_index_fini(&recent->index);
	if (recent->count)
		qsort(recent->entries, recent->count, sizeof *recent->entries, by_device);
}

void
recent_fini(struct recent *recent)
{
	free(recent->entries);
	hash_index_fini(&recent->index);
	*recent = (struct recent){ 0 };
}

int
id_set_add(struct id_set *set, uint32_t id)
{
	size_t at = id / 8;

	if (at >= set->bytes) {
		size_t bytes = at + at / 2 + 64;
		uint8_t *bits = realloc(set->bits, bytes);

		if (!bits)
			return -ENOMEM;
		memset(bits + set->bytes, 0, bytes - set->bytes);
		set->bits = bits;
		set->bytes = bytes;
	}
	set->bits[at] |= (uint8_t)(1 << id % 8);
	return 0;
}

bool
id_set_has(const struct id_set *set, uint32_t id)
{
	return id / 8 < set->bytes && (set->bits[id / 8] >> id % 8 & 1);
}

void
id_set_fini(struct id_set *set)
{
	free(set->bits);
	*set = (struct id_set){ 0 };
}
