/*
 * hash_index.h - numbers of entries by a hash: open addressing, at most three quarters full.
 *
 * The entries stay the caller's, and so does comparing them: a look-up gives the numbers of the
 * entries that have the hash, one after the other, and the caller compares. The hash lies beside
 * the number, so that others are passed over without a look at their entries, and growing needs no
 * entry at all. 8 bytes a slot, 11 to 21 an entry. A table whose whole entry is as small as that
 * is better off with the entries themselves in its slots (reports.c, import_names.c).
 *
 *	for (n = hash_index_first(&index, hash, &at); n != HASH_INDEX_NONE;
 *	     n = hash_index_next(&index, hash, &at))
 *		if (is_it(&entries[n]))
 *			...
 *
 * The lower bits of a hash choose its slot: they must depend on all of the key. All zero is an
 * index with nothing in it. Owner: whoever has the struct. One thread. Allocates in
 * hash_index_reserve() alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HASH_INDEX_NONE = UINT32_MAX };

struct hash_index_slot {
	uint32_t hash;
	uint32_t after; /* the number + 1; 0: free */
};

struct hash_index {
	struct hash_index_slot *slots;
	uint32_t count, mask; /* mask: slots - 1 */
};

/* Room for so many more. 0 or -ENOMEM: then the index is as it was. */
int hash_index_reserve(struct hash_index *index, size_t more) __attribute__((warn_unused_result));
void hash_index_fini(struct hash_index *index);

/* Bytes for an index in memory of the caller's (an arena); 0: it would be too large. */
size_t hash_index_bytes(size_t entries);
/* An empty index in them, for that many entries: it is neither grown nor freed. */
void hash_index_place(struct hash_index *index, void *bytes, size_t entries);

/* There must be room. A number may have been added before: then it is found twice. */
void hash_index_add(struct hash_index *index, uint32_t hash, uint32_t number);
/* It must be there. Ends every look-up that is under way. */
void hash_index_remove(struct hash_index *index, uint32_t hash, uint32_t number);

/* From slot *at on; HASH_INDEX_NONE: there is none. */
static inline uint32_t
hash_index_from(const struct hash_index *index, uint32_t hash, uint32_t *at)
{
	const struct hash_index_slot *slots = index->slots;

	while (slots[*at].after && slots[*at].hash != hash)
		*at = (*at + 1) & index->mask;
	return slots[*at].after - 1;
}

/* The first entry that has the hash, or HASH_INDEX_NONE; *at is for hash_index_next(). */
static inline uint32_t
hash_index_first(const struct hash_index *index, uint32_t hash, uint32_t *at)
{
	*at = hash & index->mask;
	return index->slots ? hash_index_from(index, hash, at) : HASH_INDEX_NONE;
}

/* The one after the last that was found; not after HASH_INDEX_NONE. */
static inline uint32_t
hash_index_next(const struct hash_index *index, uint32_t hash, uint32_t *at)
{
	*at = (*at + 1) & index->mask;
	return hash_index_from(index, hash, at);
}
