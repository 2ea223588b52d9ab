/*
 * directory_index.h - one index of the directory: name to entry, many readers without locks, one
 * writer.
 *
 * A table is an array of cache lines, a power of two of them:
 *
 *	 0                              7      8            16            ...            64
 *	+---+---+---+---+---+---+---+----------+-------------+---------------------------+
 *	| tag of each of seven slots| overflow | slot 0      | slots 1 to 6              |
 *	+---+---+---+---+---+---+---+----------+-------------+---------------------------+
 *
 * A tag is a byte of the hash, 0 for an empty slot. A name's home bucket is chosen by other bits of
 * its hash; when that is full, the next is 2 * tag + 1 buckets on, which visits all of them as the
 * step is odd. `overflow` counts the names that went past a bucket, so a look-up ends at the first
 * bucket that none went past, and a removal leaves no tombstone; 255 of them stick.
 *
 * Numbers: a table grows when it holds 5.5 a bucket. Then 8 % of the names are not in their home
 * bucket, and finding one reads 1.1 lines of the table on average, 1.4 where there is none; at half
 * of that load, after growing, practically 1.0. A wrong tag costs a look at a wrong entry for 5.5 /
 * 255 = 2 % of look-ups at most. Memory is 64 / 5.5 = 11.6 bytes a name before growing and 23.3
 * after: 10,000,000 names take 134 MB. Cuckoo hashing would fill the lines further, but it moves
 * entries, and a reader without locks could miss one on its way; separate chaining costs a line for
 * every link.
 *
 * Readers see a slot's tag only after its pointer, and compare the name of whatever the pointer
 * leads to, so a tag is but a hint. An entry that stays is always found, as entries never move
 * within a table; one that is put or removed meanwhile is found or not.
 *
 * Growth goes in steps, one with each name that is put: the next table is cleared, 2 MB a step, then filled, 16 buckets a
 * step, while readers stay in the former one, which has room left for more names than the steps take. What changes
 * meanwhile changes in both, as far as it has moved. Then one pointer is swapped; readers that are in the former table go
 * on there, and nobody changes it any more, until the caller frees it after a grace period. So no change takes longer
 * than a fraction of a millisecond; filling 10,000,000 names at once would hold the writer for more than a second.
 * directory_new() with the number to expect never grows.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/tables/directory.h"

struct directory_table;

/* (writer) How far growth has come. */
struct directory_growth {
	struct directory_table *table; /* the next one; NULL: the index does not grow */
	size_t cleared;                /* bytes of it */
	size_t moved; /* buckets of the former table whose names are in the next, too */
};

struct directory_index {
	_Atomic(struct directory_table *) table; /* where readers look */
	size_t count;                            /* the writer's */
	struct directory_growth growth;
	bool by_identity; /* else by endpoint name */
};

/* (writer) 0 or -ENOMEM. */
int directory_index_init(struct directory_index *index, bool by_identity, size_t expected);
void directory_index_fini(struct directory_index *index);

/* (writer) Makes sure that one more name fits, and takes a step of growth. 0 or -ENOMEM; *retired is the block that
 * growth replaced, or NULL. */
int directory_index_reserve(struct directory_index *index, const struct siphash_key *key,
			    void **retired) __attribute__((warn_unused_result));
/* (writer) A name that is not there yet, with room reserved. */
void directory_index_insert(struct directory_index *index, uint64_t hash,
			    struct device_entry *entry);
/* (writer) Puts `entry` in the place of `old`, which is there and has the same name. */
void directory_index_replace(struct directory_index *index, uint64_t hash, struct device_entry *old,
			     struct device_entry *entry);
/* (writer) Takes out `old`, which is there. */
void directory_index_remove(struct directory_index *index, uint64_t hash, struct device_entry *old);

/* (reader) */
void directory_index_prefetch(const struct directory_index *index, uint64_t hash);
/* Fetches the entry that the hash most likely leads to and returns it, unread; NULL: there is none. */
struct device_entry *directory_index_guess(const struct directory_index *index, uint64_t hash);
struct device_entry *directory_index_find(const struct directory_index *index, uint64_t hash,
					  const void *name, size_t len);
/* The same by hash and the entry's id, where the name is not at hand. */
struct device_entry *directory_index_find_id(const struct directory_index *index, uint64_t hash,
					     uint32_t id);
void directory_index_each(const struct directory_index *index,
			  bool (*each)(void *ctx, struct device_entry *entry), void *ctx);
size_t directory_index_bytes(const struct directory_index *index);
