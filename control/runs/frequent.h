/*
 * frequent.h - which values are the most frequent of very many, in bounded memory.
 *
 * The counters of Misra and Gries: what comes more often than 1 in FREQUENT_SLOTS is among them for certain, and
 * where there are at most FREQUENT_SLOTS different values the counts are exact; else they are at most too small
 * by 1 in FREQUENT_SLOTS of all. Values are known by 64 bits of hash. Owner: whoever has the struct. Allocates in
 * frequent_init() alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { FREQUENT_SLOTS = 16384 };

struct frequent_item {
	uint64_t hash;
	uint32_t count; /* 0: free */
	uint32_t tag;   /* the caller's, of the first of them */
};

struct frequent {
	struct frequent_item *items; /* open addressing, half full at most */
	uint32_t used;
};

/* 0 or -ENOMEM. */
int frequent_init(struct frequent *frequent) __attribute__((warn_unused_result));
void frequent_fini(struct frequent *frequent);
void frequent_put(struct frequent *frequent, uint64_t hash, uint32_t tag);
/* The `n` most frequent ones, the first the most; fewer where there are fewer. Returns how many. */
size_t frequent_top(const struct frequent *frequent, struct frequent_item *out, size_t n);
