#include "dataplane/core/tables/answer_pool.h"

#include <string.h>

enum { LINE = 64 };

static size_t
stride_of(uint32_t capacity)
{
	return (sizeof(struct answer) + capacity + LINE - 1) / LINE * LINE;
}

size_t
answer_pool_size(uint32_t count, uint32_t capacity)
{
	return count * stride_of(capacity);
}

void
answer_pool_init(struct answer_pool *pool, void *memory, uint32_t count, uint32_t capacity)
{
	*pool = (struct answer_pool){
		.memory = memory,
		.stride = stride_of(capacity),
		.capacity = capacity,
		.count = count,
	};
}

void
answer_pool_fini(struct answer_pool *pool)
{
	explicit_bzero(pool->memory, pool->fresh * pool->stride);
}

struct answer *
answer_pool_at(const struct answer_pool *pool, uint32_t handle)
{
	return (struct answer *)(void *)(pool->memory + (handle - 1) * pool->stride);
}

uint32_t
answer_pool_take(struct answer_pool *pool)
{
	uint32_t handle = pool->free;

	if (handle)
		pool->free = answer_pool_at(pool, handle)->next;
	else if (pool->fresh < pool->count)
		handle = ++pool->fresh;
	return handle;
}

static void
give_back(struct answer_pool *pool, uint32_t handle)
{
	struct answer *answer = answer_pool_at(pool, handle);

	explicit_bzero(answer, sizeof *answer + answer->len);
	answer->next = pool->free;
	pool->free = handle;
}

void
answer_pool_leave(struct answer_pool *pool, uint32_t handle, uint32_t slot, uint32_t serial)
{
	struct answer *answer = answer_pool_at(pool, handle);

	if (!answer->lent) {
		give_back(pool, handle);
		return;
	}
	answer->slot = slot;
	answer->serial = serial;
	answer->next = pool->orphans;
	pool->orphans = handle;
}

/* Orphans are those runs that ended within the moment that the control side takes: a few. */
void
answer_pool_reclaim(struct answer_pool *pool, uint32_t slot, uint32_t serial)
{
	uint32_t *link = &pool->orphans;

	while (*link) {
		uint32_t handle = *link;
		struct answer *answer = answer_pool_at(pool, handle);

		if (answer->slot == slot && answer->serial == serial) {
			*link = answer->next;
			give_back(pool, handle);
			return;
		}
		link = &answer->next;
	}
}
