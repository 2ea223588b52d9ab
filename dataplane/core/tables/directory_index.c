#include "dataplane/core/tables/directory_index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLOTS = 7,
	OVERFLOW_SHIFT = 8 * SLOTS,
	OVERFLOW_MAX = 255,
	LOAD_HALVES = 11, /* 5.5 names a bucket */
	LINE = 64,
	HUGE_PAGE = 2 << 20,
	GROW_STEP =
		16, /* buckets of the former table that one change moves: some 90 names, 10 us */
	REHASH_AHEAD =
		16, /* entries fetched at once while a table is filled: enough to hide a miss each */
};

struct bucket {
	_Atomic uint64_t meta; /* seven tags, then the overflow count in the top byte */
	_Atomic(struct device_entry *) slots[SLOTS];
};

struct directory_table {
	size_t mask;  /* buckets - 1 */
	size_t bytes; /* of this block */
	uint8_t pad[LINE - 2 * sizeof(size_t)];
	struct bucket buckets[];
};

_Static_assert(sizeof(struct bucket) == LINE, "a bucket is a cache line");
_Static_assert(offsetof(struct directory_table, buckets) == LINE, "buckets are aligned");

/* ---- a table ---- */

/* Not cleared: see table_clear(). */
static struct directory_table *
table_new(size_t names)
{
	struct directory_table *table;
	size_t buckets = 2, bytes;

	while (buckets * LOAD_HALVES / 2 < names)
		buckets *= 2;
	bytes = sizeof *table + buckets * sizeof(struct bucket);
	/* Large tables are read at random: with small pages each look-up would miss the TLB, too.
	 * The advice may fail. */
	if (bytes >= HUGE_PAGE) {
		bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
		table = aligned_alloc(HUGE_PAGE, bytes);
		if (table)
			(void)madvise(table, bytes, MADV_HUGEPAGE);
	} else {
		table = aligned_alloc(LINE, bytes);
	}
	if (!table)
		return NULL;
	table->mask = buckets - 1;
	table->bytes = bytes;
	return table;
}

/*
 * Clears the buckets from byte `from` of the table on, a huge page of them at most, and returns where it stopped: at the
 * table's end all is clear. The kernel hands a page out when it is first written, and of 134 MB that takes 50 ms.
 */
static size_t
table_clear(struct directory_table *table, size_t from)
{
	size_t end = from / HUGE_PAGE * HUGE_PAGE + HUGE_PAGE;

	if (end > table->bytes)
		end = table->bytes;
	if (from < sizeof *table)
		from = sizeof *table;
	memset((uint8_t *)table + from, 0, end - from);
	return end;
}

static uint64_t
tag_of(uint64_t hash)
{
	uint64_t tag = hash >> 56;

	return tag ? tag : 1;
}

static struct bucket *
bucket_at(struct directory_table *table, size_t position)
{
	return &table->buckets[position & table->mask];
}

static size_t
step_of(uint64_t hash)
{
	return 2 * tag_of(hash) + 1;
}

/* The top bit of each of the seven bytes that equal `tag` (exact: no carry crosses a byte). */
static uint64_t
matches(uint64_t meta, uint64_t tag)
{
	const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
	uint64_t differs = meta ^ tag * UINT64_C(0x0101010101010101);

	return ~(((differs & low7) + low7) | differs | low7) & ~(UINT64_C(0xff) << OVERFLOW_SHIFT);
}

/* The slot that the lowest bit of matches() means. */
static unsigned
slot_of(uint64_t match)
{
	return (unsigned)__builtin_ctzll(match) / 8;
}

static unsigned
overflow_of(uint64_t meta)
{
	return (unsigned)(meta >> OVERFLOW_SHIFT);
}

/* ---- the writer ---- */

/* Only the writer stores, so it may read what it wrote without order. */
static uint64_t
meta_of(const struct bucket *bucket)
{
	return atomic_load_explicit(&bucket->meta, memory_order_relaxed);
}

/* Release: whoever sees a tag sees the pointer stored before it. */
static void
set_meta(struct bucket *bucket, uint64_t meta)
{
	atomic_store_explicit(&bucket->meta, meta, memory_order_release);
}

/* Release: whoever sees the pointer sees the whole entry behind it. */
static void
set_slot(struct bucket *bucket, unsigned slot, struct device_entry *entry)
{
	atomic_store_explicit(&bucket->slots[slot], entry, memory_order_release);
}

static void
add_overflow(struct bucket *bucket)
{
	uint64_t meta = meta_of(bucket);

	if (overflow_of(meta) < OVERFLOW_MAX)
		set_meta(bucket, meta + (UINT64_C(1) << OVERFLOW_SHIFT));
}

/* A count that reached its end is not known any more, so it stays. */
static void
drop_overflow(struct bucket *bucket)
{
	uint64_t meta = meta_of(bucket);

	if (overflow_of(meta) < OVERFLOW_MAX)
		set_meta(bucket, meta - (UINT64_C(1) << OVERFLOW_SHIFT));
}

/* Finds an entry that is there: its position along the way of `hash`, and its slot. */
static size_t
position_of(struct directory_table *table, uint64_t hash, const struct device_entry *entry,
	    unsigned *slot)
{
	size_t position = hash;

	for (;; position += step_of(hash)) {
		struct bucket *bucket = bucket_at(table, position);
		uint64_t match = matches(meta_of(bucket), tag_of(hash));

		for (; match; match &= match - 1) {
			*slot = slot_of(match);
			if (atomic_load_explicit(&bucket->slots[*slot], memory_order_relaxed) ==
			    entry)
				return position;
		}
		assert(overflow_of(meta_of(bucket)));
	}
}

/* Returns the bucket that took the entry. */
static size_t
table_insert(struct directory_table *table, uint64_t hash, struct device_entry *entry)
{
	size_t position = hash;
	uint64_t empty;

	/* Ends: the load limit leaves a free slot in some bucket, and the odd step reaches it. */
	while (!(empty = matches(meta_of(bucket_at(table, position)), 0))) {
		add_overflow(bucket_at(table, position));
		position += step_of(hash);
	}
	set_slot(bucket_at(table, position), slot_of(empty), entry);
	set_meta(bucket_at(table, position),
		 meta_of(bucket_at(table, position)) | tag_of(hash) << 8 * slot_of(empty));
	return position & table->mask;
}

/* The same for `old`, which is there: returns its bucket. */
static size_t
table_replace(struct directory_table *table, uint64_t hash, const struct device_entry *old,
	      struct device_entry *entry)
{
	unsigned slot;
	size_t position = position_of(table, hash, old, &slot);

	set_slot(bucket_at(table, position), slot, entry);
	return position & table->mask;
}

static size_t
table_remove(struct directory_table *table, uint64_t hash, const struct device_entry *old)
{
	unsigned slot;
	size_t position = position_of(table, hash, old, &slot);
	struct bucket *bucket = bucket_at(table, position);

	set_meta(bucket, meta_of(bucket) & ~(UINT64_C(0xff) << 8 * slot));
	set_slot(bucket, slot, NULL);
	for (size_t passed = hash; passed != position; passed += step_of(hash))
		drop_overflow(bucket_at(table, passed));
	return position & table->mask;
}

static struct directory_table *
writers_table(struct directory_index *index)
{
	return atomic_load_explicit(&index->table, memory_order_relaxed);
}

int
directory_index_init(struct directory_index *index, bool by_identity, size_t expected)
{
	struct directory_table *table = table_new(expected);

	*index = (struct directory_index){ .by_identity = by_identity };
	atomic_init(&index->table, table);
	if (!table)
		return -ENOMEM;
	for (size_t cleared = 0; cleared < table->bytes;)
		cleared = table_clear(table, cleared);
	return 0;
}

void
directory_index_fini(struct directory_index *index)
{
	free(writers_table(index));
	free(index->growth.table);
}

/* Whether a name in this bucket of the table that readers use is in the next table, too. */
static bool
has_moved(const struct directory_index *index, size_t bucket)
{
	return index->growth.table && bucket < index->growth.moved;
}

void
directory_index_insert(struct directory_index *index, uint64_t hash, struct device_entry *entry)
{
	if (has_moved(index, table_insert(writers_table(index), hash, entry)))
		(void)table_insert(index->growth.table, hash, entry);
	index->count++;
}

void
directory_index_replace(struct directory_index *index, uint64_t hash, struct device_entry *old,
			struct device_entry *entry)
{
	if (has_moved(index, table_replace(writers_table(index), hash, old, entry)))
		(void)table_replace(index->growth.table, hash, old, entry);
}

void
directory_index_remove(struct directory_index *index, uint64_t hash, struct device_entry *old)
{
	if (has_moved(index, table_remove(writers_table(index), hash, old)))
		(void)table_remove(index->growth.table, hash, old);
	index->count--;
}

/* Entries are aligned to 16 bytes only, so every second one has its name in the next line, or part
 * of it. */
static void
fetch_entry(const struct device_entry *entry)
{
	__builtin_prefetch(entry);
	__builtin_prefetch((const uint8_t *)entry + LINE / 2 + sizeof *entry);
}

/* ---- growth ---- */

struct rehash {
	struct directory_table *table; /* to be filled */
	const struct directory_index *index;
	const struct siphash_key *key;
	struct device_entry *ahead[REHASH_AHEAD];
	unsigned n;
};

static const uint8_t *
name_of(const struct directory_index *index, const struct device_entry *entry, size_t *len)
{
	if (index->by_identity)
		return device_entry_identity(entry, len);
	*len = entry->endpoint_len;
	return device_entry_endpoint(entry);
}

/* The hashes are not stored, so every entry is fetched: sixteen at a time. */
static void
rehash_flush(struct rehash *rehash)
{
	uint64_t hashes[REHASH_AHEAD];

	for (unsigned i = 0; i < rehash->n; i++) {
		size_t len;
		const uint8_t *name = name_of(rehash->index, rehash->ahead[i], &len);

		hashes[i] = siphash13(rehash->key, name, len);
		__builtin_prefetch(bucket_at(rehash->table, hashes[i]), 1);
	}
	for (unsigned i = 0; i < rehash->n; i++)
		table_insert(rehash->table, hashes[i], rehash->ahead[i]);
	rehash->n = 0;
}

static void
rehash_bucket(struct rehash *rehash, struct bucket *bucket)
{
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct device_entry *entry =
			atomic_load_explicit(&bucket->slots[slot], memory_order_relaxed);

		if (!entry)
			continue;
		fetch_entry(entry);
		rehash->ahead[rehash->n++] = entry;
		if (rehash->n == REHASH_AHEAD)
			rehash_flush(rehash);
	}
}

/* Moves some buckets' names into the next table; they stay in the former one, where readers look. */
static void
move_some(struct directory_index *index, const struct siphash_key *key)
{
	struct directory_growth *growth = &index->growth;
	struct directory_table *table = writers_table(index);
	struct rehash rehash = { .table = growth->table, .index = index, .key = key };

	for (unsigned i = 0; i < GROW_STEP && growth->moved <= table->mask; i++)
		rehash_bucket(&rehash, bucket_at(table, growth->moved++));
	rehash_flush(&rehash);
}

/* One step of growth. Returns the former table once readers were sent to the next one, else NULL. */
static struct directory_table *
grow(struct directory_index *index, const struct siphash_key *key)
{
	struct directory_growth *growth = &index->growth;
	struct directory_table *former = writers_table(index);

	if (growth->cleared < growth->table->bytes) {
		growth->cleared = table_clear(growth->table, growth->cleared);
		if (growth->cleared < growth->table->bytes)
			return NULL;
	}
	move_some(index, key);
	if (growth->moved <= former->mask)
		return NULL;
	/* Release: whoever sees the table sees what it was filled with. */
	atomic_store_explicit(&index->table, growth->table, memory_order_release);
	*growth = (struct directory_growth){ NULL, 0, 0 };
	return former;
}

int
directory_index_reserve(struct directory_index *index, const struct siphash_key *key,
			void **retired)
{
	struct directory_table *table = writers_table(index);

	*retired = NULL;
	if (!index->growth.table) {
		if (index->count < (table->mask + 1) * LOAD_HALVES / 2)
			return 0;
		index->growth.table = table_new((table->mask + 1) * LOAD_HALVES); /* twice as many buckets */
		if (!index->growth.table)
			return -ENOMEM;
	}
	*retired = grow(index, key);
	return 0;
}

/* ---- readers ---- */

static struct directory_table *
readers_table(const struct directory_index *index)
{
	return atomic_load_explicit(&index->table, memory_order_acquire);
}

void
directory_index_prefetch(const struct directory_index *index, uint64_t hash)
{
	__builtin_prefetch(bucket_at(readers_table(index), hash));
}

struct device_entry *
directory_index_guess(const struct directory_index *index, uint64_t hash)
{
	struct bucket *bucket = bucket_at(readers_table(index), hash);
	uint64_t meta = atomic_load_explicit(&bucket->meta, memory_order_acquire);
	uint64_t match = matches(meta, tag_of(hash));
	struct device_entry *entry;

	if (!match)
		return NULL;
	/* Acquire: pairs with set_slot(), as the caller may read the entry. */
	entry = atomic_load_explicit(&bucket->slots[slot_of(match)], memory_order_acquire);
	if (entry)
		fetch_entry(entry);
	return entry;
}

/* What a look-up wants: a name, or where that is NULL an id. */
struct sought {
	const void *name;
	size_t len;
	uint32_t id;
};

static bool
is_sought(const struct directory_index *index, const struct device_entry *entry,
	  const struct sought *sought)
{
	size_t own_len;
	const uint8_t *own;

	if (!sought->name)
		return entry->id == sought->id;
	own = name_of(index, entry, &own_len);
	/* Names are no secrets. */
	return own_len == sought->len && memcmp(own, sought->name, own_len) == 0;
}

/* The entry sought in one bucket, or NULL. */
static struct device_entry *
find_in_bucket(const struct directory_index *index, struct bucket *bucket, uint64_t match,
	       const struct sought *sought)
{
	for (; match; match &= match - 1) {
		/* Acquire: pairs with set_slot(). NULL: it was removed since the tag was read. */
		struct device_entry *entry =
			atomic_load_explicit(&bucket->slots[slot_of(match)], memory_order_acquire);

		if (entry && is_sought(index, entry, sought))
			return entry;
	}
	return NULL;
}

static struct device_entry *
look_up(const struct directory_index *index, uint64_t hash, const struct sought *sought)
{
	struct directory_table *table = readers_table(index);
	size_t position = hash;

	/* Bounded by the number of buckets, should every overflow count have stuck. */
	for (size_t i = 0; i <= table->mask; i++, position += step_of(hash)) {
		struct bucket *bucket = bucket_at(table, position);
		/* Acquire: pairs with set_meta(). */
		uint64_t meta = atomic_load_explicit(&bucket->meta, memory_order_acquire);
		struct device_entry *entry =
			find_in_bucket(index, bucket, matches(meta, tag_of(hash)), sought);

		if (entry || !overflow_of(meta))
			return entry;
	}
	return NULL;
}

struct device_entry *
directory_index_find(const struct directory_index *index, uint64_t hash, const void *name,
		     size_t len)
{
	/* A name of no bytes may be NULL, which here means none. */
	const struct sought sought = { .name = name ? name : "", .len = len };

	return look_up(index, hash, &sought);
}

struct device_entry *
directory_index_find_id(const struct directory_index *index, uint64_t hash, uint32_t id)
{
	const struct sought sought = { .id = id };

	return look_up(index, hash, &sought);
}

void
directory_index_each(const struct directory_index *index,
		     bool (*each)(void *ctx, struct device_entry *entry), void *ctx)
{
	struct directory_table *table = readers_table(index);

	for (size_t i = 0; i <= table->mask; i++)
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			struct device_entry *entry = atomic_load_explicit(
				&table->buckets[i].slots[slot], memory_order_acquire);

			if (entry && !each(ctx, entry))
				return;
		}
}

size_t
directory_index_bytes(const struct directory_index *index)
{
	return readers_table(index)->bytes + (index->growth.table ? index->growth.table->bytes : 0);
}
