/*
 * import_names.h - the names an import has seen, to find the second use of one.
 *
 * Keeps a keyed hash and a line of each, 12 bytes, not the names: ten million fit in 200 MB. Open
 * addressing, at most three quarters full, doubling; not hash_index.h, as the 64-bit hash is all
 * there is of an entry, and an index beside it would double what it takes. Owner: the
 * import. One thread. Allocates.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct import_name {
	uint32_t hash[2]; /* all zero: free */
	uint32_t line;
};

struct import_names {
	struct import_name *slots;
	size_t used, mask;
	uint64_t seed;
};

/* 0 or -ENOMEM. */
int import_names_init(struct import_names *names, uint64_t seed);
/* A copy of another one, which knows the same names. 0 or -ENOMEM: then it is as after fini. */
int import_names_copy(struct import_names *names, const struct import_names *other);
void import_names_fini(struct import_names *names);

/* 0: new, and kept; 1: it was there before, first in line *first; -ENOMEM. */
int import_names_add(struct import_names *names, const char *name, size_t len, uint32_t line,
		     uint32_t *first);
