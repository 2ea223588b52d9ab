/*
 * arena.h - a bump allocator for things that are thrown away together.
 *
 * Parsing a task and evaluating expressions make many short-lived pieces; they come from an arena
 * and go with one call. Owner: the caller. One thread at a time. arena_alloc() may call malloc.
 */
#pragma once

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used, capacity;      /* of the newest block */
	size_t limit, total;        /* bytes over all blocks; limit 0 is none */
};

void arena_init(struct arena *arena, size_t limit);

/* `size` bytes aligned for any type, or NULL when memory or the arena's limit is exhausted. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, warn_unused_result));

/* A NUL-terminated copy of `len` bytes, or NULL. */
char *arena_copy(struct arena *arena, const void *bytes, size_t len)
	__attribute__((warn_unused_result));

/* Forgets everything allocated, wipes it (values may be keys) and keeps the first block for reuse. */
void arena_reset(struct arena *arena);

/* Wipes and frees everything. */
void arena_fini(struct arena *arena);
