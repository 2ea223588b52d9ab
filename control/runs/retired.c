#include "control/runs/retired.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "control/runs/plan.h"

enum { RETIRED_START = 1024, SEEN_IDLE = 1 };

void
retired_init(struct retired_batches *retired)
{
	*retired = (struct retired_batches){ 0 };
}

static int
grow(struct retired_batches *retired)
{
	size_t capacity = retired->capacity ? retired->capacity * 2 : RETIRED_START;
	uintptr_t *ring = malloc(capacity * sizeof *ring);

	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < retired->count; i++)
		ring[i] = retired->ring[(retired->first + i) & (retired->capacity - 1)];
	free(retired->ring);
	retired->ring = ring;
	retired->first = 0;
	retired->capacity = capacity;
	return 0;
}

static void
append(struct retired_batches *retired, uintptr_t item)
{
	assert(retired->count < retired->capacity);
	retired->ring[(retired->first + retired->count++) & (retired->capacity - 1)] = item;
}

static uintptr_t
take(struct retired_batches *retired)
{
	uintptr_t item = retired->ring[retired->first];

	assert(retired->count);
	retired->first = (retired->first + 1) & (retired->capacity - 1);
	retired->count--;
	return item;
}

int
retired_add(struct retired_batches *retired, struct batch *batch)
{
	if (!batch)
		return 0;
	if (retired->count == retired->capacity && grow(retired) < 0)
		return -ENOMEM;
	assert(((uintptr_t)batch & SEEN_IDLE) == 0);
	append(retired, (uintptr_t)batch);
	return 0;
}

static bool
is_held(const struct batch *batch)
{
	/* Acquire: pairs with the release in batch_release(), so that the last reader is done. */
	return atomic_load_explicit(&batch->holders, memory_order_acquire) != 0;
}

void
retired_sweep(struct retired_batches *retired, struct plans *plans, unsigned budget)
{
	if (budget > retired->count)
		budget = (unsigned)retired->count;
	while (budget--) {
		uintptr_t item = take(retired);
		struct batch *batch = (struct batch *)(item & ~(uintptr_t)SEEN_IDLE);
		bool held = is_held(batch);

		if (!held && (item & SEEN_IDLE))
			plan_free_batch(plans, batch);
		else
			append(retired, (uintptr_t)batch | (held ? 0 : SEEN_IDLE));
	}
}

void
retired_fini(struct retired_batches *retired, struct plans *plans)
{
	while (retired->count)
		plan_free_batch(plans, (struct batch *)(take(retired) & ~(uintptr_t)SEEN_IDLE));
	free(retired->ring);
	retired_init(retired);
}
