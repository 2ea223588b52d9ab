#include "dataplane/core/tables/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/tables/directory_index.h"

struct directory {
	struct siphash_key key;
	struct directory_index by_endpoint, by_identity;
	_Atomic size_t count; /* relaxed: a number to be shown */
	_Atomic size_t certificates; /* entries that are known by one; relaxed, as a reader may see
				      * an entry that comes a moment later anyway */
};

/* ---- entries ---- */

struct device_entry *
device_entry_new(uint32_t id, const void *endpoint, size_t endpoint_len, const void *identity,
		 size_t identity_len, const void *key, size_t key_len)
{
	struct device_entry *entry;
	size_t size;

	if (!endpoint_len || endpoint_len > ENDPOINT_NAME_MAX || identity_len > DTLS_IDENTITY_MAX ||
	    key_len > DTLS_KEY_MAX)
		return NULL;
	if (identity_len && identity_len == endpoint_len &&
	    memcmp(identity, endpoint, endpoint_len) == 0)
		identity_len = 0;
	size = sizeof *entry + endpoint_len + identity_len + key_len;
	entry = malloc(size); /* lint: allow malloc - the writer's side, at a device's change */
	if (!entry)
		return NULL;
	memset(entry, 0, sizeof *entry);
	entry->id = id;
	entry->endpoint_len = (uint8_t)endpoint_len;
	entry->identity_len = (uint8_t)identity_len;
	entry->key_len = (uint8_t)key_len;
	memcpy(entry->bytes, endpoint, endpoint_len);
	if (identity_len)
		memcpy(entry->bytes + endpoint_len, identity, identity_len);
	if (key_len)
		memcpy(entry->bytes + endpoint_len + identity_len, key, key_len);
	return entry;
}

void
device_entry_free(struct device_entry *entry)
{
	if (!entry)
		return;
	explicit_bzero(entry,
		       sizeof *entry + entry->endpoint_len + entry->identity_len + entry->key_len);
	free(entry);
}

/* Certificates or no security at all: such a device is known by its name only. */
static bool
has_identity(const struct device_entry *entry)
{
	return entry->key_len || entry->identity_len;
}

/* ---- life ---- */

struct directory *
directory_new(size_t expected, const uint8_t seed[16])
{
	struct directory *directory;

	directory = calloc(1, sizeof *directory); /* lint: allow calloc - the writer's side */
	if (!directory)
		return NULL;
	directory->key = siphash_key(seed);
	if (directory_index_init(&directory->by_endpoint, false, expected) != 0)
		goto free_directory;
	if (directory_index_init(&directory->by_identity, true, expected) != 0)
		goto fini_by_endpoint;
	return directory;

fini_by_endpoint:
	directory_index_fini(&directory->by_endpoint);
free_directory:
	free(directory);
	return NULL;
}

void
directory_free(struct directory *directory)
{
	if (!directory)
		return;
	directory_index_fini(&directory->by_endpoint);
	directory_index_fini(&directory->by_identity);
	explicit_bzero(&directory->key, sizeof directory->key);
	free(directory);
}

/* ---- look-ups ---- */

uint64_t
directory_hash(const struct directory *directory, const void *name, size_t len)
{
	return siphash13(&directory->key, name, len);
}

void
directory_prefetch(const struct directory *directory, uint64_t hash)
{
	directory_index_prefetch(&directory->by_endpoint, hash);
}

void
directory_prefetch_entry(const struct directory *directory, uint64_t hash)
{
	(void)directory_index_guess(&directory->by_endpoint, hash);
}

struct device_entry *
directory_guess(const struct directory *directory, uint64_t hash, bool by_identity)
{
	return directory_index_guess(
		by_identity ? &directory->by_identity : &directory->by_endpoint, hash);
}

void
directory_prefetch_identity(const struct directory *directory, uint64_t hash)
{
	directory_index_prefetch(&directory->by_identity, hash);
}

struct device_entry *
directory_find_hashed(const struct directory *directory, uint64_t hash, const void *endpoint,
		      size_t len)
{
	return directory_index_find(&directory->by_endpoint, hash, endpoint, len);
}

struct device_entry *
directory_find_identity_hashed(const struct directory *directory, uint64_t hash,
			       const void *identity, size_t len)
{
	return directory_index_find(&directory->by_identity, hash, identity, len);
}

struct device_entry *
directory_find_owner(const struct directory *directory, uint64_t hash, uint32_t id)
{
	struct device_entry *entry = directory_index_find_id(&directory->by_identity, hash, id);

	return entry ? entry : directory_index_find_id(&directory->by_endpoint, hash, id);
}

const uint8_t *
directory_owner_name(const struct directory *directory, uint64_t hash, uint32_t id, size_t *len)
{
	const struct device_entry *entry = directory_find_owner(directory, hash, id);
	const uint8_t *name;

	if (!entry)
		return NULL;
	name = device_entry_identity(entry, len);
	if (directory_hash(directory, name, *len) == hash)
		return name;
	*len = entry->endpoint_len;
	return device_entry_endpoint(entry);
}

struct device_entry *
directory_find(const struct directory *directory, const void *endpoint, size_t len)
{
	return directory_find_hashed(directory, directory_hash(directory, endpoint, len), endpoint,
				     len);
}

struct device_entry *
directory_find_identity(const struct directory *directory, const void *identity, size_t len)
{
	return directory_find_identity_hashed(directory, directory_hash(directory, identity, len),
					      identity, len);
}

/* ---- changes ---- */

static uint64_t
endpoint_hash(const struct directory *directory, const struct device_entry *entry)
{
	return directory_hash(directory, device_entry_endpoint(entry), entry->endpoint_len);
}

static uint64_t
identity_hash(const struct directory *directory, const struct device_entry *entry)
{
	size_t len;
	const uint8_t *identity = device_entry_identity(entry, &len);

	return directory_hash(directory, identity, len);
}

/* The entry that has this entry's identity, whoever it is; NULL when it has none or nobody has
 * it. */
static struct device_entry *
holder_of_identity(const struct directory *directory, const struct device_entry *entry)
{
	size_t len;
	const uint8_t *identity = device_entry_identity(entry, &len);

	return has_identity(entry) ? directory_find_identity(directory, identity, len) : NULL;
}

static bool
has_certificate(const struct device_entry *entry)
{
	size_t len;
	const uint8_t *identity = device_entry_identity(entry, &len);

	return len == IDENTITY_HASH_LEN &&
	       memcmp(identity, IDENTITY_CERTIFICATE, IDENTITY_HASH_PREFIX) == 0;
}

/* Before an entry can be found, and after it cannot any more. */
static void
count_certificate(struct directory *directory, const struct device_entry *entry, bool more)
{
	if (!entry || !has_certificate(entry))
		return;
	if (more)
		atomic_fetch_add_explicit(&directory->certificates, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&directory->certificates, 1, memory_order_relaxed);
}

/*
 * A reader may see the new entry by one index and the old one by the other, until this returns;
 * both are whole. A new identity comes before the old one goes, so that a device that keeps its
 * name is never unknown.
 */
static void
put_identity(struct directory *directory, struct device_entry *entry, struct device_entry *old,
	     const struct device_entry *holder)
{
	struct directory_index *index = &directory->by_identity;

	if (old && holder == old) {
		directory_index_replace(index, identity_hash(directory, entry), old, entry);
		return;
	}
	if (has_identity(entry))
		directory_index_insert(index, identity_hash(directory, entry), entry);
	if (old && has_identity(old))
		directory_index_remove(index, identity_hash(directory, old), old);
}

static int
reserve(struct directory *directory, struct directory_retired *retired)
{
	size_t cleared = directory->by_endpoint.growth.cleared;
	int result = directory_index_reserve(&directory->by_endpoint, &directory->key,
					     &retired->blocks[0]);

	/*
	 * Memory that is written for the first time is 0.2 ms of the kernel for a huge page, and 5 ms where a machine below
	 * it has to find it: of one table at a time. The other has room for far more names than that takes.
	 */
	if (result != 0 || directory->by_endpoint.growth.cleared > cleared)
		return result;
	return directory_index_reserve(&directory->by_identity, &directory->key,
				       &retired->blocks[1]);
}

int
directory_put(struct directory *directory, struct device_entry *entry, struct device_entry **old,
	      struct directory_retired *retired)
{
	uint64_t hash = endpoint_hash(directory, entry);
	struct device_entry *present = directory_find_hashed(
		directory, hash, device_entry_endpoint(entry), entry->endpoint_len);
	struct device_entry *holder = holder_of_identity(directory, entry);
	int result;

	*old = NULL;
	*retired = (struct directory_retired){ { NULL, NULL } };
	if (holder && holder != present)
		return -EEXIST;
	result = reserve(directory, retired);
	if (result != 0)
		return result;
	count_certificate(directory, entry, true);
	put_identity(directory, entry, present, holder);
	count_certificate(directory, present, false);
	if (present) {
		directory_index_replace(&directory->by_endpoint, hash, present, entry);
	} else {
		directory_index_insert(&directory->by_endpoint, hash, entry);
		atomic_fetch_add_explicit(&directory->count, 1, memory_order_relaxed);
	}
	*old = present;
	return 0;
}

struct device_entry *
directory_remove(struct directory *directory, const void *endpoint, size_t len)
{
	uint64_t hash = directory_hash(directory, endpoint, len);
	struct device_entry *entry = directory_find_hashed(directory, hash, endpoint, len);

	if (!entry)
		return NULL;
	if (has_identity(entry))
		directory_index_remove(&directory->by_identity, identity_hash(directory, entry),
				       entry);
	directory_index_remove(&directory->by_endpoint, hash, entry);
	count_certificate(directory, entry, false);
	atomic_fetch_sub_explicit(&directory->count, 1, memory_order_relaxed);
	return entry;
}

/* ---- the whole ---- */

size_t
directory_count(const struct directory *directory)
{
	return atomic_load_explicit(&directory->count, memory_order_relaxed);
}

bool
directory_has_certificates(const struct directory *directory)
{
	return atomic_load_explicit(&directory->certificates, memory_order_relaxed) != 0;
}

size_t
directory_bytes(const struct directory *directory)
{
	return sizeof *directory + directory_index_bytes(&directory->by_endpoint) +
	       directory_index_bytes(&directory->by_identity);
}

void
directory_each(const struct directory *directory,
	       bool (*each)(void *ctx, struct device_entry *entry), void *ctx)
{
	directory_index_each(&directory->by_endpoint, each, ctx);
}
