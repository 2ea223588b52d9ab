/* Numbers by hash: what was added is found until it is removed, whatever else is in its way. */
#include <stdbool.h>
#include <stdlib.h>

#include <criterion/criterion.h>

static bool no_memory;

static void *
test_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : calloc(n, size);
}

#define calloc test_calloc
#include "control/hash_index.c"
#undef calloc

static bool
has(const struct hash_index *index, uint32_t hash, uint32_t number)
{
	uint32_t at, found = hash_index_first(index, hash, &at);

	while (found != HASH_INDEX_NONE && found != number)
		found = hash_index_next(index, hash, &at);
	return found == number;
}

static unsigned
count_of(const struct hash_index *index, uint32_t hash)
{
	unsigned count = 0;
	uint32_t at;

	for (uint32_t found = hash_index_first(index, hash, &at); found != HASH_INDEX_NONE;
	     found = hash_index_next(index, hash, &at))
		count++;
	return count;
}

static void
add(struct hash_index *index, uint32_t hash, uint32_t number)
{
	cr_assert_eq(hash_index_reserve(index, 1), 0);
	hash_index_add(index, hash, number);
}

Test(hash_index, nothing_is_found_in_an_empty_one)
{
	struct hash_index index = { 0 };

	cr_expect_eq(count_of(&index, 0), 0);
	cr_expect_eq(count_of(&index, UINT32_MAX), 0);
	cr_assert_eq(hash_index_reserve(&index, 1), 0);
	cr_expect_eq(count_of(&index, 0), 0);
	hash_index_fini(&index);
	cr_expect_eq(count_of(&index, 0), 0);
}

Test(hash_index, growth_without_memory_loses_nothing)
{
	struct hash_index index = { 0 };
	uint32_t room = (uint32_t)room_in(SLOTS_MIN);

	no_memory = true;
	cr_assert_eq(hash_index_reserve(&index, 1), -ENOMEM);
	cr_assert_null(index.slots);
	no_memory = false;
	for (uint32_t i = 0; i < room; i++)
		add(&index, i * 7, i);
	no_memory = true;
	cr_assert_eq(hash_index_reserve(&index, 0), 0);
	cr_assert_eq(hash_index_reserve(&index, 1), -ENOMEM);
	for (uint32_t i = 0; i < room; i++)
		cr_assert(has(&index, i * 7, i));
	no_memory = false;
	add(&index, room * 7, room);
	for (uint32_t i = 0; i <= room; i++)
		cr_assert(has(&index, i * 7, i));
	hash_index_fini(&index);
}

Test(hash_index, more_than_there_are_slots_for_is_refused)
{
	struct hash_index index = { 0 };

	add(&index, 1, 0);
	cr_expect_eq(hash_index_reserve(&index, SIZE_MAX), -ENOMEM);
	cr_expect_eq(hash_index_reserve(&index, room_in(SLOTS_MAX)), -ENOMEM);
	cr_expect_eq(hash_index_bytes(room_in(SLOTS_MAX) + 1), 0);
	cr_expect_eq(hash_index_bytes(SIZE_MAX), 0);
	cr_expect(has(&index, 1, 0));
	hash_index_fini(&index);
}

Test(hash_index, removal_in_the_middle_of_a_run_hides_nothing)
{
	/* Homes of a run that wraps round the end of 16 slots; hashes differ above the mask. */
	static const uint32_t hashes[] = { 14, 30, 15, 46, 0, 31, 1, 62 };
	enum { N = sizeof hashes / sizeof hashes[0] };

	for (uint32_t gone = 0; gone < N; gone++) {
		struct hash_index index = { 0 };

		for (uint32_t i = 0; i < N; i++)
			add(&index, hashes[i], i);
		cr_assert_eq(index.mask, 15);
		hash_index_remove(&index, hashes[gone], gone);
		for (uint32_t i = 0; i < N; i++)
			cr_expect_eq(has(&index, hashes[i], i), i != gone, "%u without %u", i,
				     gone);
		add(&index, hashes[gone], gone);
		cr_expect(has(&index, hashes[gone], gone));
		cr_expect_eq(index.count, N);
		hash_index_fini(&index);
	}
}

Test(hash_index, a_full_one_ends_every_look_up)
{
	struct hash_index_slot slots[SLOTS_MIN * 2];
	uint32_t room = (uint32_t)room_in(SLOTS_MIN * 2);
	struct hash_index index;

	cr_assert_eq(hash_index_bytes(room), sizeof slots);
	hash_index_place(&index, slots, room);
	for (uint32_t i = 0; i < room; i++)
		hash_index_add(&index, i, i);
	for (uint32_t hash = 0; hash < room * 4; hash++)
		cr_expect_eq(count_of(&index, hash), hash < room);
}

Test(hash_index, entries_with_one_hash_are_all_found)
{
	struct hash_index index = { 0 };

	for (uint32_t i = 0; i < 1000; i++)
		add(&index, 0xfffffff0, i);
	cr_expect_eq(count_of(&index, 0xfffffff0), 1000);
	cr_expect_eq(count_of(&index, 0xfffffff1), 0);
	for (uint32_t i = 0; i < 1000; i += 2)
		hash_index_remove(&index, 0xfffffff0, i);
	for (uint32_t i = 0; i < 1000; i++)
		cr_expect_eq(has(&index, 0xfffffff0, i), i % 2 == 1);
	hash_index_fini(&index);
}

/* Against a plain array, with a few hashes that share homes. */
Test(hash_index, agrees_with_an_array)
{
	enum { NUMBERS = 500 };
	bool there[NUMBERS] = { false };
	struct hash_index index = { 0 };
	uint32_t seed = 1, kept = 0;

	for (unsigned step = 0; step < 20000; step++) {
		uint32_t number = (seed = seed * 1664525 + 1013904223) >> 16 & 511;
		uint32_t hash = number % 97 * 0x01000193;

		if (number >= NUMBERS)
			continue;
		cr_assert_eq(has(&index, hash, number), there[number]);
		if (there[number])
			hash_index_remove(&index, hash, number);
		else
			add(&index, hash, number);
		there[number] = !there[number];
		kept += there[number] ? 1 : -1u;
		cr_assert_eq(index.count, kept);
	}
	hash_index_fini(&index);
}
