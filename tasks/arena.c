#include "tasks/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BLOCK = 16384,
	ARENA_ALIGN = _Alignof(max_align_t),
};

struct arena_block {
	struct arena_block *older;
	size_t capacity;
	max_align_t bytes[];
};

void
arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

static struct arena_block *
arena_grow(struct arena *arena, size_t size)
{
	size_t capacity = size > ARENA_BLOCK ? size : ARENA_BLOCK;
	struct arena_block *block;

	if (arena->limit && capacity > arena->limit - arena->total)
		capacity = size;
	if (arena->limit && capacity > arena->limit - arena->total)
		return NULL;
	block = malloc(sizeof *block + capacity);
	if (!block)
		return NULL;
	block->older = arena->blocks;
	block->capacity = capacity;
	arena->blocks = block;
	arena->used = 0;
	arena->capacity = capacity;
	arena->total += capacity;
	assert(!arena->limit || arena->total <= arena->limit);
	return block;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	void *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (!size)
		size = ARENA_ALIGN;
	if (size > arena->capacity - arena->used && !arena_grow(arena, size))
		return NULL;
	at = (char *)arena->blocks->bytes + arena->used;
	arena->used += size;
	assert(arena->used <= arena->capacity);
	return at;
}

char *
arena_copy(struct arena *arena, const void *bytes, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

void
arena_reset(struct arena *arena)
{
	while (arena->blocks && arena->blocks->older) {
		struct arena_block *newest = arena->blocks;

		arena->blocks = newest->older;
		arena->total -= newest->capacity;
		explicit_bzero(newest->bytes, newest->capacity);
		free(newest);
		/* The blocks below were full when the newer one came. */
		arena->used = arena->capacity = arena->blocks->capacity;
	}
	if (arena->blocks)
		explicit_bzero(arena->blocks->bytes, arena->used);
	arena->used = 0;
	assert(arena->total == (arena->blocks ? arena->blocks->capacity : 0));
}

void
arena_fini(struct arena *arena)
{
	arena_reset(arena);
	free(arena->blocks);
	*arena = (struct arena){ .limit = arena->limit };
}
