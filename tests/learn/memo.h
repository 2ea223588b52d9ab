/*
 * memo.h - what took long to compute, by a hash of all that it was computed from.
 *
 * A learner asks the same beginnings thousands of times; with this each elliptic curve is computed once. Allocates;
 * a full memo forgets nothing and takes nothing more. Header only.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "dataplane/core/crypto/crypto.h"

enum { MEMO_SLOTS = 2048, MEMO_FULL = MEMO_SLOTS / 4 * 3, MEMO_KEY = 32 };

struct memo {
	size_t size; /* of a value */
	unsigned n;
	uint8_t keys[MEMO_SLOTS][MEMO_KEY];
	void *values[MEMO_SLOTS]; /* NULL: free */
};

static inline unsigned
memo_slot(const struct memo *memo, const uint8_t key[MEMO_KEY])
{
	unsigned at = (key[0] | key[1] << 8) % MEMO_SLOTS;

	while (memo->values[at] && memcmp(memo->keys[at], key, MEMO_KEY) != 0)
		at = (at + 1) % MEMO_SLOTS;
	return at;
}

/* NULL: not known. */
static inline const void *
memo_find(const struct memo *memo, const uint8_t key[MEMO_KEY])
{
	return memo->values[memo_slot(memo, key)];
}

static inline void
memo_put(struct memo *memo, const uint8_t key[MEMO_KEY], const void *value)
{
	unsigned at = memo_slot(memo, key);

	if (memo->values[at] || memo->n == MEMO_FULL)
		return;
	memo->values[at] = malloc(memo->size);
	if (!memo->values[at])
		abort();
	memcpy(memo->values[at], value, memo->size);
	memcpy(memo->keys[at], key, MEMO_KEY);
	memo->n++;
}

static inline void
memo_clear(struct memo *memo)
{
	for (unsigned i = 0; i < MEMO_SLOTS; i++) {
		free(memo->values[i]);
		memo->values[i] = NULL;
	}
	memo->n = 0;
}
