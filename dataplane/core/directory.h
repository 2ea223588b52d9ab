/*
 * directory.h - the devices as workers see them: by endpoint name and by DTLS identity.
 *
 * Readers: any worker, without locks, between two quiescent points. Writer: one thread at a time (control).
 * Nothing a reader may hold is freed here: what a change took out is returned, and the caller frees it after a grace
 * period (dataplane_retire() of the facade). Adding, replacing and removing a device costs O(1), amortised over
 * growth of the tables.
 * Allocation: directory_* functions marked (writer) may allocate; look-ups never do.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/batch.h"

enum {
	ENDPOINT_NAME_MAX = 255,
	DTLS_IDENTITY_MAX = 128, /* OMA TS Transport 5.2.8: up to 128 bytes must be supported */
	DTLS_KEY_MAX = 64,
};

/*
 * One device. Immutable but for `batch`, which the writer replaces atomically.
 *
 *	+-------+----+-------------------+--------------+---------+
 *	| batch | id | three lengths     | endpoint     | identity| key
 *	+-------+----+-------------------+--------------+---------+
 */
struct device_entry {
	_Atomic(const struct batch *) batch; /* NULL: nothing to send; the control side knows why */
	uint32_t id;                         /* the control side's number of this device */
	uint8_t endpoint_len;
	uint8_t identity_len; /* 0: same bytes as the endpoint name */
	uint8_t key_len;      /* 0: no pre-shared key, no DTLS */
	uint8_t flags;        /* DEVICE_* */
	uint8_t bytes[];      /* endpoint name, identity, key */
};

enum {
	DEVICE_PER_SESSION = 1, /* its batch is made per session on the control side */
};

static inline const uint8_t *
device_entry_endpoint(const struct device_entry *entry)
{
	return entry->bytes;
}

static inline const uint8_t *
device_entry_identity(const struct device_entry *entry, size_t *len)
{
	*len = entry->identity_len ? entry->identity_len : entry->endpoint_len;
	return entry->identity_len ? entry->bytes + entry->endpoint_len : entry->bytes;
}

static inline const uint8_t *
device_entry_key(const struct device_entry *entry)
{
	return entry->bytes + entry->endpoint_len + entry->identity_len;
}

/* (writer) Heap; wiped when freed. NULL when a length is out of range or memory is exhausted. */
struct device_entry *device_entry_new(uint32_t id, const void *endpoint, size_t endpoint_len,
				      const void *identity, size_t identity_len, const void *key,
				      size_t key_len);
void device_entry_free(struct device_entry *entry); /* not its batch */

struct directory;

/* (writer) An empty directory with room for `expected` devices; `seed` keys the hash. NULL: out of memory. */
struct directory *directory_new(size_t expected, const uint8_t seed[16]);
/* (writer) Frees the tables, not the entries. No reader may be left. */
void directory_free(struct directory *directory);

/*
 * (writer) Adds or replaces the entry of this endpoint name. *old is the entry it replaced, or NULL, to be retired
 * by the caller. 0; -EEXIST when the identity belongs to another endpoint (nothing changed); -ENOMEM.
 * *retired is a table block that growth replaced, or NULL: free() it after a grace period.
 */
int directory_put(struct directory *directory, struct device_entry *entry, struct device_entry **old,
		  void **retired) __attribute__((warn_unused_result));
/* (writer) Takes an entry out; returns it for retirement, or NULL when there is none. */
struct device_entry *directory_remove(struct directory *directory, const void *endpoint, size_t len);

size_t directory_count(const struct directory *directory);
size_t directory_bytes(const struct directory *directory); /* tables, entries not counted */

/* (reader) The hash is computed once and may be prefetched with some distance to the look-up. */
uint64_t directory_hash(const struct directory *directory, const void *name, size_t len);
void directory_prefetch(const struct directory *directory, uint64_t hash);
struct device_entry *directory_find(const struct directory *directory, const void *endpoint, size_t len);
struct device_entry *directory_find_identity(const struct directory *directory, const void *identity,
					     size_t len);
/* (reader or writer) Calls `each` for every entry, in no order, until it returns false. */
void directory_each(const struct directory *directory,
		    bool (*each)(void *ctx, struct device_entry *entry), void *ctx);
