#include "control/store/store_recent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RECENT_MIN = 1024 };

static size_t
hash_of(uint32_t device, uint32_t task)
{
	uint64_t hash = device * 0x9e3779b97f4a7c15u ^ task * 0xc2b2ae3d27d4eb4fu;

	return (size_t)(hash >> 32); /* a product's upper bits depend on all of its factor */
}

/* The slot of the index that holds it, or the free one where it belongs. */
static uint32_t *
slot_of(const struct recent *recent, uint32_t device, uint32_t task)
{
	size_t mask = recent->capacity * 2 - 1;
	size_t at = hash_of(device, task) & mask;

	for (;; at = (at + 1) & mask) {
		const struct recent_entry *entry;

		if (!recent->index[at])
			break;
		entry = &recent->entries[recent->index[at] - 1];
		if (entry->device == device && entry->task == task)
			break;
	}
	return &recent->index[at];
}

int
recent_reserve(struct recent *recent, size_t more)
{
	size_t capacity = recent->capacity ? recent->capacity : RECENT_MIN;
	struct recent_entry *entries;
	uint32_t *index;

	if (recent->count + more <= recent->capacity)
		return 0;
	while (capacity < recent->count + more)
		capacity *= 2;
	index = calloc(capacity * 2, sizeof *index);
	entries = realloc(recent->entries, capacity * sizeof *entries);
	if (entries)
		recent->entries = entries;
	if (!index || !entries) {
		free(index);
		return -ENOMEM;
	}
	free(recent->index);
	recent->index = index;
	recent->capacity = capacity;
	for (size_t i = 0; i < recent->count; i++)
		*slot_of(recent, entries[i].device, entries[i].task) = (uint32_t)i + 1;
	return 0;
}

void
recent_set(struct recent *recent, const struct recent_entry *entry)
{
	uint32_t *slot = slot_of(recent, entry->device, entry->task);

	if (!*slot)
		*slot = (uint32_t)++recent->count;
	assert(recent->count <= recent->capacity && entry->seq > recent->last_seq);
	recent->entries[*slot - 1] = *entry;
	recent->last_seq = entry->seq;
}

int64_t
recent_find(const struct recent *recent, uint32_t device, uint32_t task)
{
	const uint32_t *slot;

	if (!recent->count)
		return 0;
	slot = slot_of(recent, device, task);
	return *slot ? recent->entries[*slot - 1].seq : 0;
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
	free(recent->index);
	recent->index = NULL;
	if (recent->count)
		qsort(recent->entries, recent->count, sizeof *recent->entries, by_device);
}

void
recent_fini(struct recent *recent)
{
	free(recent->entries);
	free(recent->index);
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
