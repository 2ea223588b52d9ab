/* The pool of answers: taken, lent, orphaned, given back, wiped. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/tables/answer_pool.h"

enum { COUNT = 3, CAPACITY = 100 };

static struct answer_pool pool;
static uint8_t *memory;

static void
setup(void)
{
	memory = aligned_alloc(64, answer_pool_size(COUNT, CAPACITY));
	memset(memory, 0, answer_pool_size(COUNT, CAPACITY));
	answer_pool_init(&pool, memory, COUNT, CAPACITY);
}

static void
teardown(void)
{
	free(memory);
}

TestSuite(answer_pool, .init = setup, .fini = teardown);

static bool
has(const char *text)
{
	return memmem(memory, answer_pool_size(COUNT, CAPACITY), text, strlen(text)) != NULL;
}

static void
fill(uint32_t handle, const char *text)
{
	struct answer *answer = answer_pool_at(&pool, handle);

	memcpy(answer->bytes, text, strlen(text));
	answer->len = (uint32_t)strlen(text);
}

Test(answer_pool, no_more_than_there_are)
{
	uint32_t handles[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		handles[i] = answer_pool_take(&pool);
		cr_assert_neq(handles[i], 0);
		memset(answer_pool_at(&pool, handles[i])->bytes, (int)i + 1, CAPACITY);
		answer_pool_at(&pool, handles[i])->len = CAPACITY;
	}
	cr_expect_eq(answer_pool_take(&pool), 0);
	for (unsigned i = 0; i < COUNT; i++) /* none overlaps another */
		for (unsigned at = 0; at < CAPACITY; at++)
			cr_assert_eq(answer_pool_at(&pool, handles[i])->bytes[at], i + 1);
	answer_pool_leave(&pool, handles[1], 0, 0);
	cr_expect_eq(answer_pool_take(&pool), handles[1]);
	cr_expect_eq(answer_pool_at(&pool, handles[1])->len, 0, "not empty when taken again");
	cr_expect_eq(answer_pool_take(&pool), 0);
}

Test(answer_pool, an_answer_that_is_left_is_wiped)
{
	uint32_t handle = answer_pool_take(&pool);

	fill(handle, "coaps://secret.example");
	cr_assert(has("secret"));
	answer_pool_leave(&pool, handle, 0, 0);
	cr_expect_not(has("secret"));
}

Test(answer_pool, a_lent_answer_stays_until_it_is_reclaimed)
{
	uint32_t handle = answer_pool_take(&pool);

	fill(handle, "still read");
	answer_pool_at(&pool, handle)->lent = true;
	answer_pool_leave(&pool, handle, 7, 101);
	cr_expect(has("still read"));
	cr_expect_neq(answer_pool_take(&pool), handle);
	answer_pool_reclaim(&pool, 7, 100);
	answer_pool_reclaim(&pool, 8, 101);
	cr_expect(has("still read"), "that was another run's");
	answer_pool_reclaim(&pool, 7, 101);
	cr_expect_not(has("still read"));
	cr_expect_eq(answer_pool_take(&pool), handle);
	answer_pool_reclaim(&pool, 7, 101); /* twice changes nothing */
	cr_expect_neq(answer_pool_take(&pool), handle);
}

Test(answer_pool, orphans_are_reclaimed_in_any_order)
{
	uint32_t handles[COUNT];

	for (uint32_t i = 0; i < COUNT; i++) {
		handles[i] = answer_pool_take(&pool);
		answer_pool_at(&pool, handles[i])->lent = true;
	}
	for (uint32_t i = 0; i < COUNT; i++)
		answer_pool_leave(&pool, handles[i], i, 100 + i);
	cr_expect_eq(answer_pool_take(&pool), 0);
	answer_pool_reclaim(&pool, 1, 101);
	cr_expect_eq(answer_pool_take(&pool), handles[1]);
	answer_pool_reclaim(&pool, 0, 100);
	cr_expect_eq(answer_pool_take(&pool), handles[0]);
	answer_pool_reclaim(&pool, 2, 102);
	cr_expect_eq(answer_pool_take(&pool), handles[2]);
	cr_expect_eq(pool.orphans, 0);
}

Test(answer_pool, the_end_wipes_what_was_ever_taken)
{
	uint32_t handle = answer_pool_take(&pool);

	fill(handle, "lent and kept");
	answer_pool_at(&pool, handle)->lent = true;
	answer_pool_leave(&pool, handle, 1, 1);
	answer_pool_fini(&pool);
	cr_expect_not(has("kept"));
}
