/*
 * answer_pool.h - a fixed pool of buffers for the answers that decide what follows in a run.
 *
 * Few runs need one, and those for some round trips only, so buffers are not part of a session. A
 * buffer is taken when the first payload of an answer comes, lent to the control side with
 * SESSION_NEEDS_BATCH, and given back with STACK_BATCH or at the end of the run. The control side
 * reads it on a thread of its own: a buffer whose run ends while it is lent becomes an orphan, and
 * is free again only when STACK_BATCH says that nobody reads it any more.
 *
 * Handles are index + 1, 0 for none. Answers hold addresses and names of servers: a buffer is wiped
 * when it is given back.
 *
 * Owner: the stack, of the memory too. One thread. Nothing is allocated; memory that was never
 * needed is never touched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_ETAG_MAX = 8 }; /* RFC 7252 5.10 */

struct answer {
	uint32_t next;         /* handle, of the next free one or the next orphan */
	uint32_t slot, serial; /* of an orphan's run */
	uint32_t len;          /* bytes so far */
	uint16_t format;       /* Content-Format of its first block */
	bool lent;             /* the control side may be reading it */
	uint8_t etag_len;
	uint8_t etag[ANSWER_ETAG_MAX]; /* of its first block */
	uint8_t bytes[];
};

struct answer_pool {
	uint8_t *memory;
	size_t stride;
	uint32_t capacity; /* bytes of an answer */
	uint32_t count;
	uint32_t fresh; /* from here on none was ever taken */
	uint32_t free;  /* handle, of the first free one below `fresh` */
	uint32_t orphans;
};

/* Bytes of memory for answer_pool_init(), a multiple of 64; alignment 64. */
size_t answer_pool_size(uint32_t count, uint32_t capacity);
void answer_pool_init(struct answer_pool *pool, void *memory, uint32_t count, uint32_t capacity);
/* Wipes every buffer that was ever taken. */
void answer_pool_fini(struct answer_pool *pool);

/* An empty answer, or 0: every one is taken. */
uint32_t answer_pool_take(struct answer_pool *pool);
/* Trap: only for a handle that is taken. */
struct answer *answer_pool_at(const struct answer_pool *pool, uint32_t handle);
/* The end of a run, or of an answer: free again, or, while lent, an orphan of this run. */
void answer_pool_leave(struct answer_pool *pool, uint32_t handle, uint32_t slot, uint32_t serial);
/* The control side is done with what it was lent for a run that is over: its orphan is free again,
 * if it has one. */
void answer_pool_reclaim(struct answer_pool *pool, uint32_t slot, uint32_t serial);
