/*
 * directory.h - the devices as workers see them: by endpoint name and by DTLS identity.
 *
 * Readers: any worker, without locks, between two quiescent points. Writer: one thread at a time
 * (control). Nothing a reader may hold is freed here: what a change took out is returned, and the
 * caller frees it after a grace period (dataplane_retire() of the facade). Adding, replacing and
 * removing a device costs O(1); the tables grow in steps, one with each device that is put.
 * Allocation: directory_* functions marked (writer) may allocate; look-ups never do.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
	DEVICE_NOSEC = 2,       /* served over NoSec, whatever it could come with */
};

/*
 * The identity of a device that comes with a raw public key or with a certificate of its own: one
 * of these and the SHA-256 of the key's SubjectPublicKeyInfo, or of the certificate, in lower-case
 * hexadecimal. As text, so that it is shown, imported, exported and kept as any identity.
 */
#define IDENTITY_RAW_KEY     "spki-sha256:"
#define IDENTITY_CERTIFICATE "cert-sha256:"
enum {
	IDENTITY_HASH_PREFIX = sizeof IDENTITY_RAW_KEY - 1, /* of both */
	IDENTITY_HASH_LEN = IDENTITY_HASH_PREFIX + 2 * 32,
};

static inline bool
identity_is_hash(const void *identity, size_t len)
{
	return len == IDENTITY_HASH_LEN &&
	       (memcmp(identity, IDENTITY_RAW_KEY, IDENTITY_HASH_PREFIX) == 0 ||
		memcmp(identity, IDENTITY_CERTIFICATE, IDENTITY_HASH_PREFIX) == 0);
}

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

/* Whether the inventory has a raw public key or a certificate of the device: it comes with that alone. */
static inline bool
device_entry_is_pinned(const struct device_entry *entry)
{
	size_t len;
	const uint8_t *identity = device_entry_identity(entry, &len);

	return identity_is_hash(identity, len);
}

/*
 * Over NoSec anyone may name a device. One that can prove itself over DTLS gets its secrets there alone: it has a
 * pre-shared key, a raw public key or a certificate in the inventory, or, where authorities are trusted, no key, as
 * the others that come with certificates. A listener may be set to serve it all the same.
 */
static inline bool
device_entry_needs_dtls(const struct device_entry *entry, bool takes_certificates)
{
	return !(entry->flags & DEVICE_NOSEC) &&
	       (entry->key_len || device_entry_is_pinned(entry) || takes_certificates);
}

/*
 * (writer) Heap; wiped when freed. NULL when a length is out of range (an endpoint name has 1 to
 * 255 bytes) or memory is exhausted. An identity that equals the endpoint name is stored as "same
 * bytes".
 */
struct device_entry *device_entry_new(uint32_t id, const void *endpoint, size_t endpoint_len,
				      const void *identity, size_t identity_len, const void *key,
				      size_t key_len);
void device_entry_free(struct device_entry *entry); /* not its batch */

struct directory;

/*
 * (writer) An empty directory with room for `expected` devices before anything must grow; `seed`
 * keys the hash and is secret (siphash.h). NULL: out of memory.
 */
struct directory *directory_new(size_t expected, const uint8_t seed[16]);
/* (writer) Frees the tables, not the entries. No reader may be left. */
void directory_free(struct directory *directory);

/* Table blocks that growth replaced, NULL where none was: free() each after a grace period. */
struct directory_retired {
	void *blocks[2]; /* of the index by endpoint name, of the one by identity */
};

/*
 * (writer) Adds the entry, or replaces that of the same endpoint name. *old is the entry it
 * replaced, or NULL, to be retired by the caller. 0; -EEXIST when the identity belongs to another
 * endpoint; -ENOMEM: then no entry has changed and *old is NULL. *retired is set in every case.
 * A device has an identity when it has a key or an identity of its own; one with neither is found
 * by name alone.
 */
int directory_put(struct directory *directory, struct device_entry *entry,
		  struct device_entry **old, struct directory_retired *retired)
	__attribute__((warn_unused_result));
/* (writer) Takes an entry out; returns it for retirement, or NULL when there is none. */
struct device_entry *directory_remove(struct directory *directory, const void *endpoint,
				      size_t len);

size_t directory_count(const struct directory *directory);
/* Whether any entry is known by its certificate: where none is, nobody need hash those that come. */
bool directory_has_certificates(const struct directory *directory);
size_t directory_bytes(const struct directory *directory); /* tables, entries not counted */

/*
 * (reader) The hash of an endpoint name or identity, computed once, makes look-ups in steps with
 * other work between them: prefetch the bucket; prefetch the entry that the bucket points to; find.
 */
uint64_t directory_hash(const struct directory *directory, const void *name, size_t len);
void directory_prefetch(const struct directory *directory, uint64_t hash);
void directory_prefetch_entry(const struct directory *directory, uint64_t hash);
struct device_entry *directory_find_hashed(const struct directory *directory, uint64_t hash,
					   const void *endpoint, size_t len);
void directory_prefetch_identity(const struct directory *directory, uint64_t hash);
/*
 * (reader) Fetches the entry that the hash most likely leads to and returns it; NULL: there is
 * none. A guess, to fetch what lies behind it: its name was not compared.
 */
struct device_entry *directory_guess(const struct directory *directory, uint64_t hash,
				     bool by_identity);
struct device_entry *directory_find_identity_hashed(const struct directory *directory,
						    uint64_t hash, const void *identity,
						    size_t len);

/*
 * (reader) The device `id` by the hash of its identity, for whoever keeps these 12 bytes instead of
 * an identity of up to 128; a device that came with a certificate of its name has the hash of its
 * endpoint name. NULL: it is gone, or the hash was another directory's (its seed differs).
 */
struct device_entry *directory_find_owner(const struct directory *directory, uint64_t hash,
					  uint32_t id);

/* (reader) The name that this is the hash of: the identity of that device, or its endpoint name; a hash means nothing in
 * another process. NULL: it is gone. */
const uint8_t *directory_owner_name(const struct directory *directory, uint64_t hash, uint32_t id,
				    size_t *len);

/* (reader) The same in one step. NULL: there is none. */
struct device_entry *directory_find(const struct directory *directory, const void *endpoint,
				    size_t len);
struct device_entry *directory_find_identity(const struct directory *directory,
					     const void *identity, size_t len);

/* (reader or writer) Calls `each` for every entry, in no order, until it returns false. */
void directory_each(const struct directory *directory,
		    bool (*each)(void *ctx, struct device_entry *entry), void *ctx);
