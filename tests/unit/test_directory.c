/* The directory: conflicts first, then life, growth, a model, and readers beside a writer. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

/* To reach the tables: some tests make all names collide. */
#include "dataplane/core/tables/directory.c"
#include "dataplane/core/tables/directory_index.c"

static const uint8_t seed[16] = { 1, 2, 3, 4 };
static const uint8_t key[16] = { 0x4b };

static struct device_entry *
entry_new(uint32_t id, const char *endpoint, const char *identity)
{
	struct device_entry *entry = device_entry_new(id, endpoint, strlen(endpoint), identity,
						      strlen(identity), key, sizeof key);

	cr_assert_not_null(entry);
	return entry;
}

static void
free_retired(struct directory_retired *retired)
{
	free(retired->blocks[0]);
	free(retired->blocks[1]);
}

/* Puts an entry that must go in; what it replaced, or NULL. */
static struct device_entry *
put(struct directory *directory, struct device_entry *entry)
{
	struct directory_retired retired;
	struct device_entry *old;

	cr_assert_eq(directory_put(directory, entry, &old, &retired), 0);
	free_retired(&retired);
	return old;
}

static struct device_entry *
find(const struct directory *directory, const char *endpoint)
{
	return directory_find(directory, endpoint, strlen(endpoint));
}

static struct device_entry *
find_identity(const struct directory *directory, const char *identity)
{
	return directory_find_identity(directory, identity, strlen(identity));
}

/* ---- entries ---- */

Test(directory, entries_of_impossible_lengths_are_refused)
{
	static const uint8_t bytes[300];

	cr_assert_null(device_entry_new(1, bytes, 0, NULL, 0, NULL, 0));
	cr_assert_null(device_entry_new(1, bytes, 256, NULL, 0, NULL, 0));
	cr_assert_null(device_entry_new(1, bytes, 1, bytes, 129, NULL, 0));
	cr_assert_null(device_entry_new(1, bytes, 1, NULL, 0, bytes, 65));
	device_entry_free(NULL);
}

Test(directory, an_entry_holds_what_it_was_given)
{
	uint8_t name[255], identity[128], secret[64];
	struct device_entry *entry;
	size_t len;

	memset(name, 'n', sizeof name);
	memset(identity, 'i', sizeof identity);
	memset(secret, 's', sizeof secret);
	entry = device_entry_new(7, name, 255, identity, 128, secret, 64);
	cr_assert_eq(entry->id, 7);
	cr_assert_null(atomic_load(&entry->batch));
	cr_assert_arr_eq(device_entry_endpoint(entry), name, 255);
	cr_assert_arr_eq(device_entry_identity(entry, &len), identity, 128);
	cr_assert_eq(len, 128);
	cr_assert_arr_eq(device_entry_key(entry), secret, 64);
	device_entry_free(entry);
}

Test(directory, an_identity_equal_to_the_name_is_stored_once)
{
	struct device_entry *entry = entry_new(1, "dev-0001", "dev-0001");
	size_t len;

	cr_assert_eq(entry->identity_len, 0);
	cr_assert_arr_eq(device_entry_identity(entry, &len), "dev-0001", 8);
	cr_assert_eq(len, 8);
	cr_assert_arr_eq(device_entry_key(entry), key, sizeof key);
	device_entry_free(entry);
}

/* ---- conflicts and life ---- */

Test(directory, an_empty_directory_knows_nobody)
{
	struct directory *directory = directory_new(0, seed);

	cr_assert_null(find(directory, "dev"));
	cr_assert_null(find(directory, ""));
	cr_assert_null(find_identity(directory, "dev"));
	cr_assert_null(directory_remove(directory, "dev", 3));
	cr_assert_eq(directory_count(directory), 0);
	directory_free(directory);
	directory_free(NULL);
}

Test(directory, an_identity_belongs_to_one_device)
{
	struct directory *directory = directory_new(4, seed);
	struct device_entry *a = entry_new(1, "a", "shared"), *b = entry_new(2, "b", "shared"),
			    *old;
	struct device_entry *c = entry_new(3, "shared", ""); /* identity: its own name */
	struct directory_retired retired;

	cr_assert_null(put(directory, a));
	old = b;
	cr_assert_eq(directory_put(directory, b, &old, &retired), -EEXIST);
	cr_assert_null(old);
	cr_assert_null(find(directory, "b"));
	cr_assert_eq(directory_put(directory, c, &old, &retired), -EEXIST);
	cr_assert_eq(find_identity(directory, "shared"), a);
	cr_assert_eq(directory_remove(directory, "a", 1), a);
	cr_assert_null(put(directory, c));
	cr_assert_eq(find_identity(directory, "shared"), c);
	cr_assert_null(find(directory, "a"));
	device_entry_free(a);
	device_entry_free(b);
	device_entry_free(c);
	directory_free(directory);
}

Test(directory, a_device_is_found_by_the_hash_of_its_identity_and_its_id)
{
	struct directory *directory = directory_new(4, seed);
	struct device_entry *entry = entry_new(7, "ep", "identity");
	uint64_t hash = directory_hash(directory, "identity", 8);

	cr_assert_null(directory_find_owner(directory, hash, 7));
	cr_assert_null(directory_guess(directory, hash, true));
	cr_assert_null(put(directory, entry));
	cr_assert_eq(directory_find_owner(directory, hash, 7), entry);
	cr_assert_eq(directory_guess(directory, hash, true), entry);
	cr_assert_eq(directory_guess(directory, directory_hash(directory, "ep", 2), false), entry);
	cr_assert_null(directory_find_owner(directory, hash, 8));
	cr_assert_eq(directory_remove(directory, "ep", 2), entry);
	cr_assert_null(directory_find_owner(directory, hash, 7));
	device_entry_free(entry);
	directory_free(directory);
}

Test(directory, a_device_without_key_and_identity_has_no_identity)
{
	struct directory *directory = directory_new(4, seed);
	struct device_entry *open = device_entry_new(1, "dev", 3, NULL, 0, NULL, 0);
	struct device_entry *other = entry_new(2, "other", "dev");

	cr_assert_null(put(directory, open));
	cr_assert_null(find_identity(directory, "dev"));
	cr_assert_null(put(directory, other));
	cr_assert_eq(find_identity(directory, "dev"), other);
	cr_assert_eq(find(directory, "dev"), open);
	device_entry_free(open);
	device_entry_free(other);
	directory_free(directory);
}

Test(directory, replacing_keeps_the_name_and_moves_the_identity)
{
	struct directory *directory = directory_new(4, seed);
	struct device_entry *first = entry_new(1, "dev", "one"), *same = entry_new(1, "dev", "one");
	struct device_entry *moved = entry_new(1, "dev", "two");
	struct device_entry *bare = device_entry_new(1, "dev", 3, NULL, 0, NULL, 0);

	cr_assert_null(put(directory, first));
	cr_assert_eq(put(directory, same), first);
	cr_assert_eq(find(directory, "dev"), same);
	cr_assert_eq(find_identity(directory, "one"), same);
	cr_assert_eq(put(directory, moved), same);
	cr_assert_null(find_identity(directory, "one"));
	cr_assert_eq(find_identity(directory, "two"), moved);
	cr_assert_eq(put(directory, bare), moved);
	cr_assert_null(find_identity(directory, "two"));
	cr_assert_eq(directory_count(directory), 1);
	cr_assert_eq(directory_remove(directory, "dev", 3), bare);
	cr_assert_eq(directory_count(directory), 0);
	device_entry_free(first);
	device_entry_free(same);
	device_entry_free(moved);
	device_entry_free(bare);
	directory_free(directory);
}

Test(directory, two_devices_may_swap_identities_by_way_of_a_third)
{
	struct directory *directory = directory_new(4, seed);
	struct device_entry *entries[] = { entry_new(1, "a", "x"), entry_new(2, "b", "y"),
					   entry_new(1, "a", "z"), entry_new(2, "b", "x"),
					   entry_new(1, "a", "y") };

	for (unsigned i = 0; i < 5; i++)
		put(directory, entries[i]);
	cr_assert_eq(find_identity(directory, "x"), entries[3]);
	cr_assert_eq(find_identity(directory, "y"), entries[4]);
	cr_assert_null(find_identity(directory, "z"));
	for (unsigned i = 0; i < 5; i++)
		device_entry_free(entries[i]);
	directory_free(directory);
}

/* ---- the table ---- */

Test(directory, tags_match_exactly)
{
	cr_assert_eq(matches(0, 0), UINT64_C(0x0080808080808080));
	cr_assert_eq(matches(UINT64_C(0xff00010203040506), 0), UINT64_C(0x0080000000000000));
	cr_assert_eq(matches(UINT64_C(0x0001010101010101), 1), UINT64_C(0x0080808080808080));
	cr_assert_eq(matches(UINT64_C(0x8000000001000081), 1), UINT64_C(0x0000000080000000),
		     "no carry into 0x00");
	cr_assert_eq(matches(UINT64_C(0x01ff7f80fe810001), 0x81), UINT64_C(0x0000000000800000));
	cr_assert_eq(tag_of(0), 1, "0 means empty");
}

enum { COLLIDING = 700 };

Test(directory, names_that_all_collide_are_found_and_overflow_counts_stick)
{
	struct directory_index index;
	struct device_entry *entries[COLLIDING];

	cr_assert_eq(directory_index_init(&index, false, 2 * COLLIDING), 0);
	for (uint32_t i = 0; i < COLLIDING; i++) {
		char name[16];

		snprintf(name, sizeof name, "%u", i);
		entries[i] = entry_new(i, name, "");
		directory_index_insert(&index, 42, entries[i]); /* one hash for all */
	}
	cr_assert_eq(overflow_of(meta_of(bucket_at(writers_table(&index), 42))), OVERFLOW_MAX);
	for (uint32_t i = 0; i < COLLIDING; i += 2)
		directory_index_remove(&index, 42, entries[i]);
	for (uint32_t i = 0; i < COLLIDING; i++)
		cr_assert_eq(directory_index_find(&index, 42, entries[i]->bytes,
						  entries[i]->endpoint_len),
			     i % 2 ? entries[i] : NULL);
	cr_assert_eq(index.count, COLLIDING / 2);
	for (uint32_t i = 0; i < COLLIDING; i++)
		device_entry_free(entries[i]);
	directory_index_fini(&index);
}

Test(directory, removal_leaves_no_overflow_behind)
{
	struct directory_index index;
	struct device_entry *entries[30];

	cr_assert_eq(directory_index_init(&index, false, 60), 0);
	for (uint32_t i = 0; i < 30; i++) {
		char name[16];

		snprintf(name, sizeof name, "%u", i);
		entries[i] = entry_new(i, name, "");
		directory_index_insert(&index, i % 3, entries[i]);
	}
	for (uint32_t i = 0; i < 30; i++)
		directory_index_remove(&index, (i * 7 % 30) % 3, entries[i * 7 % 30]);
	for (size_t b = 0; b <= writers_table(&index)->mask; b++)
		cr_assert_eq(meta_of(bucket_at(writers_table(&index), b)), 0);
	for (uint32_t i = 0; i < 30; i++)
		device_entry_free(entries[i]);
	directory_index_fini(&index);
}

struct seen {
	unsigned count, limit;
};

static bool
count_entry(void *ctx, struct device_entry *entry)
{
	struct seen *seen = ctx;

	cr_assert_not_null(entry);
	return ++seen->count < seen->limit;
}

Test(directory, grows_without_losing_anybody_and_stays_small)
{
	enum { DEVICES = 20000 };
	struct directory *directory = directory_new(0, seed);
	struct device_entry **entries = calloc(DEVICES, sizeof entries[0]);
	struct seen seen = { 0, UINT32_MAX };

	for (uint32_t i = 0; i < DEVICES; i++) {
		char name[32], identity[32];

		snprintf(name, sizeof name, "urn:imei:%015u", i);
		snprintf(identity, sizeof identity, "id-%u", i);
		entries[i] = entry_new(i, name, i % 2 ? identity : "");
		cr_assert_null(put(directory, entries[i]));
		if (i > 1000)
			cr_assert_leq(directory_bytes(directory), (size_t)72 * i,
				      "25 bytes a device and index, and while it grows 12 more");
	}
	for (uint32_t i = 0; i < DEVICES; i++) {
		size_t len;
		const uint8_t *identity = device_entry_identity(entries[i], &len);

		cr_assert_eq(directory_find(directory, entries[i]->bytes, entries[i]->endpoint_len),
			     entries[i]);
		cr_assert_eq(directory_find_identity(directory, identity, len), entries[i]);
	}
	directory_each(directory, count_entry, &seen);
	cr_assert_eq(seen.count, DEVICES);
	seen = (struct seen){ 0, 5 };
	directory_each(directory, count_entry, &seen);
	cr_assert_eq(seen.count, 5);
	for (uint32_t i = 0; i < DEVICES; i++)
		device_entry_free(entries[i]);
	free(entries);
	directory_free(directory);
}

static bool
free_each(void *ctx, struct device_entry *entry)
{
	device_entry_free(entry);
	return true;
}

/* What one step of growth may do: clear a huge page, or move some buckets. */
static void
assert_small_step(const struct directory_growth *before, const struct directory_growth *after)
{
	if (!before->table || !after->table)
		return;
	cr_assert_leq(after->cleared - before->cleared, (size_t)HUGE_PAGE);
	cr_assert_leq(after->moved - before->moved, (size_t)GROW_STEP);
}

static uint64_t
index_hash(const struct device_entry *entry)
{
	const struct siphash_key hash_key = siphash_key(seed);

	return siphash13(&hash_key, entry->bytes, entry->endpoint_len);
}

static void
assert_all_found(const struct directory_index *index, struct device_entry *const *entries,
		 uint32_t n)
{
	struct seen seen = { 0, UINT32_MAX };
	uint32_t there = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!entries[i])
			continue;
		there++;
		cr_assert_eq(directory_index_find(index, index_hash(entries[i]), entries[i]->bytes,
						  entries[i]->endpoint_len),
			     entries[i]);
	}
	directory_index_each(index, count_entry, &seen);
	cr_assert_eq(seen.count, there);
	cr_assert_eq(index->count, there);
}

Test(directory, growth_takes_a_small_step_with_each_device_whatever_else_changes)
{
	enum { DEVICES = 150000, CHECK = 9973 };
	const struct siphash_key hash_key = siphash_key(seed);
	struct directory_index index;
	struct device_entry **entries = calloc(DEVICES, sizeof entries[0]);
	unsigned swaps = 0, steps = 0;

	cr_assert_eq(directory_index_init(&index, false, 0), 0);
	for (uint32_t i = 0; i < DEVICES; i++) {
		const struct directory_growth before = index.growth;
		struct device_entry *other, *twin;
		void *retired;
		char name[16];

		snprintf(name, sizeof name, "%u", i);
		entries[i] = entry_new(i, name, "");
		cr_assert_eq(directory_index_reserve(&index, &hash_key, &retired), 0);
		assert_small_step(&before, &index.growth);
		steps += index.growth.table != NULL;
		swaps += retired != NULL;
		free(retired);
		directory_index_insert(&index, index_hash(entries[i]), entries[i]);

		/* Of those that came earlier one leaves, and one is exchanged: in buckets that have moved and in others. */
		if (i % 5 == 4 && (other = entries[i * 7919ull % i])) {
			entries[i * 7919ull % i] = NULL;
			directory_index_remove(&index, index_hash(other), other);
			device_entry_free(other);
		}
		if (i % 3 == 2 && (other = entries[i * 104729ull % i])) {
			twin = device_entry_new(other->id, other->bytes, other->endpoint_len, NULL,
						0, "k", 1);
			directory_index_replace(&index, index_hash(other), other, twin);
			entries[i * 104729ull % i] = twin;
			device_entry_free(other);
		}
		if (i % CHECK == 0 || retired)
			assert_all_found(&index, entries, i + 1);
	}
	cr_assert_gt(swaps, 8);
	cr_assert_gt(steps, 1000, "most of these steps were no more than a part");
	assert_all_found(&index, entries, DEVICES);
	for (uint32_t i = 0; i < DEVICES; i++)
		device_entry_free(entries[i]);
	free(entries);
	directory_index_fini(&index);
}

/* Of a table beyond a huge page, where it is the clearing that takes time. */
Test(directory, two_tables_are_not_cleared_with_the_same_device)
{
	enum { DEVICES = 190000 };
	struct directory *directory = directory_new(0, seed);
	unsigned cleared[2] = { 0 };

	for (uint32_t i = 0; i < DEVICES; i++) {
		const size_t before[2] = { directory->by_endpoint.growth.cleared,
					   directory->by_identity.growth.cleared };
		bool endpoints, identities;
		char name[16];

		snprintf(name, sizeof name, "%u", i);
		cr_assert_null(put(directory, entry_new(i, name, "")));
		endpoints = directory->by_endpoint.growth.cleared > before[0];
		identities = directory->by_identity.growth.cleared > before[1];
		cr_assert_not(endpoints && identities, "%u", i);
		cleared[0] += endpoints;
		cleared[1] += identities;
	}
	cr_expect_gt(cleared[0], 10);
	cr_expect_gt(cleared[1], 10);
	directory_each(directory, free_each, NULL);
	directory_free(directory);
}

Test(directory, an_index_that_ends_while_it_grows_leaves_nothing)
{
	const struct siphash_key hash_key = siphash_key(seed);
	struct directory_index index;
	struct device_entry *entries[2000];
	uint32_t n = 0;
	void *retired;

	cr_assert_eq(directory_index_init(&index, false, 0), 0);
	for (; n < 2000 && index.growth.moved == 0; n++) {
		char name[16];

		snprintf(name, sizeof name, "%u", n);
		entries[n] = entry_new(n, name, "");
		cr_assert_eq(directory_index_reserve(&index, &hash_key, &retired), 0);
		free(retired);
		directory_index_insert(&index, index_hash(entries[n]), entries[n]);
	}
	cr_assert_not_null(index.growth.table);
	directory_index_fini(&index);
	while (n)
		device_entry_free(entries[--n]);
}

Test(directory, a_directory_told_what_to_expect_does_not_grow)
{
	enum { DEVICES = 3000 };
	struct directory *directory = directory_new(DEVICES, seed);
	struct device_entry *entries[DEVICES];
	size_t bytes = directory_bytes(directory);

	for (uint32_t i = 0; i < DEVICES; i++) {
		char name[16];

		snprintf(name, sizeof name, "%u", i);
		entries[i] = entry_new(i, name, "");
		cr_assert_null(put(directory, entries[i]));
	}
	cr_assert_eq(directory_bytes(directory), bytes);
	for (uint32_t i = 0; i < DEVICES; i++)
		device_entry_free(entries[i]);
	directory_free(directory);
}

/* ---- a model ---- */

enum { NAMES = 300, IDENTITIES = 200, ROUNDS = 60000 };

struct model {
	struct device_entry *by_name[NAMES];
	unsigned count;
};

static const struct device_entry *
model_holder(const struct model *model, const char *identity)
{
	for (unsigned i = 0; i < NAMES; i++) {
		size_t len;
		const uint8_t *own;

		if (!model->by_name[i])
			continue;
		own = device_entry_identity(model->by_name[i], &len);
		if (len == strlen(identity) && memcmp(own, identity, len) == 0)
			return model->by_name[i];
	}
	return NULL;
}

static void
model_put(struct directory *directory, struct model *model, unsigned n, unsigned identity)
{
	char name[16], id[16] = "";
	struct directory_retired retired;
	struct device_entry *entry, *old;
	const struct device_entry *holder;

	snprintf(name, sizeof name, "n%u", n);
	if (identity) /* 0: the name itself */
		snprintf(id, sizeof id, "%c%u", identity % 5 ? 'i' : 'n', identity);
	entry = entry_new(n, name, id);
	holder = model_holder(model, id[0] ? id : name);
	if (holder && holder != model->by_name[n]) {
		cr_assert_eq(directory_put(directory, entry, &old, &retired), -EEXIST);
		device_entry_free(entry);
		return;
	}
	cr_assert_eq(directory_put(directory, entry, &old, &retired), 0);
	free_retired(&retired);
	cr_assert_eq(old, model->by_name[n]);
	model->count += !old;
	model->by_name[n] = entry;
	device_entry_free(old);
}

static void
model_remove(struct directory *directory, struct model *model, unsigned n)
{
	char name[16];
	struct device_entry *removed;

	snprintf(name, sizeof name, "n%u", n);
	removed = directory_remove(directory, name, strlen(name));
	cr_assert_eq(removed, model->by_name[n]);
	model->count -= removed != NULL;
	model->by_name[n] = NULL;
	device_entry_free(removed);
}

static void
model_compare(const struct directory *directory, const struct model *model)
{
	cr_assert_eq(directory_count(directory), model->count);
	for (unsigned i = 0; i < NAMES; i++) {
		char name[16], identity[16];

		snprintf(name, sizeof name, "n%u", i);
		snprintf(identity, sizeof identity, "i%u", i);
		cr_assert_eq(find(directory, name), model->by_name[i]);
		cr_assert_eq(find_identity(directory, name), model_holder(model, name));
		cr_assert_eq(find_identity(directory, identity), model_holder(model, identity));
	}
}

Test(directory, agrees_with_a_model_under_random_operations)
{
	struct directory *directory = directory_new(0, seed);
	struct model model = { 0 };
	uint64_t state = 5;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n, what;

		state = state * 6364136223846793005u + 1442695040888963407u;
		n = (unsigned)(state >> 33) % NAMES;
		what = (unsigned)(state >> 50) % 8;
		if (what < 4)
			model_put(directory, &model, n,
				  what < 2 ? 0 : (unsigned)(state >> 20) % IDENTITIES);
		else
			model_remove(directory, &model, n);
		if (round % 1000 == 0)
			model_compare(directory, &model);
	}
	for (unsigned n = 0; n < NAMES; n++)
		model_remove(directory, &model, n);
	model_compare(directory, &model);
	directory_free(directory);
}

/* ---- readers beside a writer ---- */

enum { STAYING = 500, COMING = 6000, READERS = 2 };

/* What the writer took out waits here: nothing is freed while readers run. */
struct bin {
	struct device_entry *entries[2 * COMING];
	void *blocks[64]; /* two a doubling, from two buckets on */
	unsigned n_entries, n_blocks;
};

struct world {
	struct directory *directory;
	struct bin bin;
	_Atomic bool done;
	_Atomic uint64_t looked, missed, wrong;
};

static struct device_entry *
staying(uint32_t i)
{
	char name[32], identity[32];

	snprintf(name, sizeof name, "stay-%u", i);
	snprintf(identity, sizeof identity, "key-%u", i);
	return entry_new(i, name, identity);
}

/* Devices that are never removed must be found at every moment, by name and by identity, through
 * all growth. */
static void *
read_on(void *ctx)
{
	struct world *world = ctx;

	for (uint32_t i = 0; !atomic_load(&world->done); i = (i + 1) % STAYING) {
		char name[32], identity[32];
		struct device_entry *by_name, *by_identity;

		snprintf(name, sizeof name, "stay-%u", i);
		snprintf(identity, sizeof identity, "key-%u", i);
		by_name = find(world->directory, name);
		by_identity = find_identity(world->directory, identity);
		atomic_fetch_add(&world->missed, !by_name + !by_identity);
		atomic_fetch_add(&world->wrong, by_name && by_name->id != i);
		atomic_fetch_add(&world->wrong, by_identity && by_identity->id != i);
		atomic_fetch_add(&world->looked, 2);
	}
	return NULL;
}

static void
put_and_keep(struct world *world, struct device_entry *entry)
{
	struct bin *bin = &world->bin;
	struct directory_retired retired;
	struct device_entry *old;

	if (directory_put(world->directory, entry, &old, &retired) != 0)
		atomic_fetch_add(&world->wrong, 1);
	for (unsigned i = 0; i < 2; i++)
		if (retired.blocks[i])
			bin->blocks[bin->n_blocks++] = retired.blocks[i];
	if (old)
		bin->entries[bin->n_entries++] = old;
}

static void
remove_and_keep(struct world *world, unsigned n)
{
	struct bin *bin = &world->bin;
	char name[32];

	snprintf(name, sizeof name, "come-%u", n);
	bin->entries[bin->n_entries] = directory_remove(world->directory, name, strlen(name));
	bin->n_entries += bin->entries[bin->n_entries] != NULL;
}

static void
write_all(struct world *world)
{
	for (unsigned i = 0; i < COMING; i++) {
		char name[32];

		snprintf(name, sizeof name, "come-%u", i);
		put_and_keep(world, entry_new(i, name, ""));
		put_and_keep(world, staying(i % STAYING)); /* replaced while it is looked for */
		if (i % 3 == 0)
			remove_and_keep(world, i / 2);
	}
}

static bool
collect(void *ctx, struct device_entry *entry)
{
	struct device_entry ***next = ctx;

	*(*next)++ = entry;
	return true;
}

static void
free_world(struct world *world)
{
	size_t n = directory_count(world->directory);
	struct device_entry **rest = calloc(n, sizeof rest[0]), **next = rest;

	directory_each(world->directory, collect, &next);
	cr_assert_eq((size_t)(next - rest), n);
	for (size_t i = 0; i < n; i++)
		device_entry_free(rest[i]);
	for (unsigned i = 0; i < world->bin.n_entries; i++)
		device_entry_free(world->bin.entries[i]);
	for (unsigned i = 0; i < world->bin.n_blocks; i++)
		free(world->bin.blocks[i]);
	free(rest);
	directory_free(world->directory);
	free(world);
}

Test(directory, readers_never_miss_a_device_that_stays)
{
	struct world *world = calloc(1, sizeof *world);
	pthread_t readers[READERS];

	world->directory = directory_new(0, seed);
	for (uint32_t i = 0; i < STAYING; i++)
		put_and_keep(world, staying(i));
	for (unsigned i = 0; i < READERS; i++)
		cr_assert_eq(pthread_create(&readers[i], NULL, read_on, world), 0);
	while (atomic_load(&world->looked) < 1000)
		; /* both sides run, before the writer begins */
	write_all(world);
	atomic_store(&world->done, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	cr_assert_eq(atomic_load(&world->missed), 0);
	cr_assert_eq(atomic_load(&world->wrong), 0);
	free_world(world);
}
