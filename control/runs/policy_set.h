/*
 * policy_set.h - the files of a policy that members of a cluster share, by name: what they say, or a digest of it.
 *
 * Those are the files that policy_folder.h looks at, and those of keys/ and certs/ that the policy names; but not what
 * begins with "member-" there: that is each member's own. Owner: the caller. Control thread; reads the disk. Allocates; wipes
 * what it held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/policy/policy.h"
#include "tasks/digest.h"

struct policy_set_file {
	char *name; /* in the folder: "tasks/a.xml" */
	char *text; /* with a NUL behind it; NULL: not known */
	size_t len;
	uint8_t digest[DIGEST_MAX]; /* SHA-256 */
};

struct policy_set {
	struct policy_set_file *files; /* by name, once sorted */
	size_t n, capacity;
};

/* Whether members share a file of this name. */
bool policy_set_shares(const char *name);

/* Copies a file. `text` NULL: its digest is known alone. 0 or -ENOMEM. */
int policy_set_add(struct policy_set *set, const char *name, const char *text, size_t len,
		   const uint8_t digest[DIGEST_MAX]) __attribute__((warn_unused_result));
/*
 * What is on disk: all but keys/ and certs/, and of these what `policy` (may be NULL) was made of and what `named` (may be
 * NULL) names. Sorted. 0 or -errno.
 */
int policy_set_read(struct policy_set *set, const char *folder, const struct policy *policy,
		    const struct policy_set *named) __attribute__((warn_unused_result));
/* A file of keys/ or certs/ that is not in the set yet, where there is one. The set is to be sorted again. 0 or -errno. */
int policy_set_read_keys(struct policy_set *set, const char *folder, const struct policy_set *named)
	__attribute__((warn_unused_result));
void policy_set_sort(struct policy_set *set);
void policy_set_fini(struct policy_set *set);

/* In a sorted set; NULL: there is none. */
struct policy_set_file *policy_set_find(const struct policy_set *set, const char *name);
bool policy_set_same(const struct policy_set_file *a, const struct policy_set_file *b);

/* What differs between two sorted sets: a file of either that the other has not, or not so. */
typedef void policy_set_differs(void *ctx, const struct policy_set_file *before,
				const struct policy_set_file *after);
/* How many; `each` may be NULL. */
size_t policy_set_compare(const struct policy_set *before, const struct policy_set *after,
			  policy_set_differs *each, void *ctx);
/* SHA-256 of all names and digests, of a sorted set. False: out of memory. */
bool policy_set_digest(const struct policy_set *set, uint8_t digest[DIGEST_MAX]);
