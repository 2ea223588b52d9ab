/*
 * policy_base.h - which version of the cluster's policy the files of a folder are: a file ".cradle-cluster" beside them.
 *
 *	cradle cluster policy 1
 *	17 9f3c... north                  version, digest, cluster
 *	SHA-256 groups.conf               each file as that version has it
 *
 * It changes together with the files (file_set.h), so that after any end of the process it says what they are, or what they
 * were before; who copies the folder takes it along. Owner: the caller. Control thread; reads the disk. Allocates.
 */
#pragma once

#include "control/runs/policy_set.h"
#include "control/text.h"

#define POLICY_BASE_FILE ".cradle-cluster"

enum { POLICY_BASE_CLUSTER_MAX = 64, POLICY_DIGEST_MAX = 65 };

struct policy_base {
	uint64_t version; /* 0: the files are no version of this cluster's */
	char digest[POLICY_DIGEST_MAX];
	struct policy_set files; /* sorted, without texts */
};

/*
 * Of this cluster; NULL: of whichever. What is not there, of another cluster or not understood is version 0. 0, or
 * -errno of a file that cannot be read.
 */
int policy_base_read(const char *folder, const char *cluster, struct policy_base *base)
	__attribute__((warn_unused_result));
/*
 * The same of a file's bytes, with a NUL behind them; they are changed. 0, -EINVAL (not understood, another cluster's) or
 * -ENOMEM.
 */
int policy_base_parse(char *text, size_t len, const char *cluster, struct policy_base *base)
	__attribute__((warn_unused_result));
void policy_base_fini(struct policy_base *base);
/* What the file is to say. text->failed: out of memory. */
void policy_base_put(struct text *text, const char *cluster, const struct policy_base *base,
		     const struct policy_set *files);
/* 0 or -errno. */
int policy_base_write(const char *folder, const char *cluster, const struct policy_base *base,
		      const struct policy_set *files) __attribute__((warn_unused_result));
/* The files are nobody's version any more. */
void policy_base_remove(const char *folder);
