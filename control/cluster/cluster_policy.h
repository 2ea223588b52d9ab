/*
 * cluster_policy.h - the policy that members share: versions of its files in the database.
 *
 * A version holds the files that differ from the one before; what a file says at some version is its newest row up to that
 * one. A member pushes a version on top of the newest, or is told who was quicker; a version is known by its number and by a
 * digest of all its files under the cluster's secret, so that nobody without the secret can put one there, or learn from it.
 * Contents are sealed under the key-encryption key where there is one, each for its name.
 *
 * What a policy is, and whether it is good, is not known here: names and bytes are carried. Control thread; waits for the
 * database with the pump running. Allocates; wipes what it held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/cluster/cluster_rows.h"
#include "control/pump.h"

enum {
	CLUSTER_POLICY_WORD_MAX = 512, /* who, what, why: cut at this */
	CLUSTER_POLICY_NAME_MAX = 300,
	CLUSTER_POLICY_MAX = 256 << 20, /* bytes of all files of a push */
	CLUSTER_POLICIES_KEPT =
		1000, /* versions that `cluster policy log` could show, and rows of files behind them */
	CLUSTER_DIGEST_MAX = 65,
};

struct cluster;

/* A version, without its files. */
struct cluster_policy_head {
	uint64_t version; /* 0: there is none */
	char digest[CLUSTER_DIGEST_MAX];
	uint32_t member;
	uint64_t at_ms;
	char member_name[64];
	char who[CLUSTER_POLICY_WORD_MAX], what[CLUSTER_POLICY_WORD_MAX],
		why[CLUSTER_POLICY_WORD_MAX];
};

/* The digest of a version whose files have this SHA-256, under the cluster's secret. */
void cluster_policy_digest(const struct cluster *cluster, const uint8_t sha256[32],
			   char digest[CLUSTER_DIGEST_MAX]);

/* The newest that the follower saw: its number and digest. False: none, or devices that were there before it are not here yet. */
bool cluster_policy_newest(struct cluster *cluster, uint64_t *version,
			   char digest[CLUSTER_DIGEST_MAX]);

/* ---- down ---- */

struct cluster_policy_file {
	char *name;
	uint8_t *bytes; /* NULL: as in version `have` */
	size_t len;
};

struct cluster_policy {
	struct cluster_policy_head head;
	struct cluster_policy_file *files; /* all that there are, by name */
	size_t n, capacity;
};

/*
 * The newest version; of files that are as in version `have`, the names alone (0: all have bytes). 0; or -errno and a
 * sentence: -EAGAIN where the database was not there or busy. Nothing is to be freed then.
 */
int cluster_policy_fetch(struct cluster *cluster, uint64_t have, const struct pump *pump,
			 struct cluster_policy *policy, char error[CLUSTER_ERROR_MAX]);
void cluster_policy_fini(struct cluster_policy *policy);

/* ---- up ---- */

struct cluster_push;

/* `head`: who, what, why and digest of the new one. NULL: out of memory. */
struct cluster_push *cluster_push_new(struct cluster *cluster,
				      const struct cluster_policy_head *head);
void cluster_push_free(struct cluster_push *push); /* NULL: nothing */
/* A file that is new or says something else; `bytes` NULL: it is gone. 0, or -errno and a sentence. */
int cluster_push_put(struct cluster_push *push, const char *name, const void *bytes, size_t len,
		     char error[CLUSTER_ERROR_MAX]);
/*
 * On top of version `base`; `any`: whatever there is. The push is over then. 0 and the version that it is now, which may be
 * another member's of the same content; or -errno and a sentence: nothing of it is there, but for -ETIMEDOUT.
 */
struct cluster_push_place {
	uint64_t base;
	bool any;
};
int cluster_push_commit(struct cluster_push *push, const struct cluster_push_place *place,
			const struct pump *pump, uint64_t *version, char error[CLUSTER_ERROR_MAX]);
