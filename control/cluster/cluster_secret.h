/*
 * cluster_secret.h - what all members of a cluster know and nobody else: a file, and what is derived of it.
 *
 * HMAC-SHA256 (RFC 2104) over a label and what it is for, so that no use tells of another. Owner: the caller; wipe it. Any
 * thread. Blocks on the disk.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	CLUSTER_SECRET_LEN = 32,
	CLUSTER_SECRET_MIN = 32, /* bytes in the file */
	CLUSTER_PROOF_TEXT_MAX = 65,
};

struct cluster_secret {
	uint8_t key[CLUSTER_SECRET_LEN];
};

/* 0; or -errno and a sentence of up to `max` bytes. The file's owner alone may read it. */
int cluster_secret_load(const char *path, struct cluster_secret *secret, char *error, size_t max);
void cluster_secret_wipe(struct cluster_secret *secret);
/* 32 bytes for this purpose. */
void cluster_secret_derive(const struct cluster_secret *secret, const char *label,
			   const void *bytes, size_t len, uint8_t out[CLUSTER_SECRET_LEN]);
/* What stands in the database, so that a member with another secret is told so: tells nothing of it. In hex. */
void cluster_secret_proof(const struct cluster_secret *secret, const char *cluster,
			  char out[CLUSTER_PROOF_TEXT_MAX]);
