/*
 * store_manifest.h - what a copy of the store consists of, as its manifest.json says.
 *
 * Any thread. Blocks on the disk. Allocates.
 */
#pragma once

#include <stdint.h>

#include "control/store/store.h"

enum { MANIFEST_FILES = 2, MANIFEST_DIGEST_MAX = 65 };

struct manifest_file {
	const char *name; /* in the folder */
	uint64_t bytes;
	char sha256[MANIFEST_DIGEST_MAX]; /* in hex */
};

struct manifest {
	struct manifest_file files[MANIFEST_FILES]; /* inventory, reports */
	char made[32];
};

/* The two names set, all else empty. */
void manifest_init(struct manifest *manifest);
/* SHA-256 and size of what can be read from `fd`, from its start. 0 or -errno. */
int manifest_digest(int fd, struct manifest_file *file);
/* 0 or -errno; then there is none. Synced, and so is the folder. */
int manifest_write(const struct manifest *manifest, int folder);
/* From the content of such a file. 0; else -errno and a sentence about `folder_name`. */
int manifest_parse(struct manifest *manifest, const char *text, size_t len, const char *folder_name,
		   char error[STORE_ERROR_MAX]);
int manifest_read(struct manifest *manifest, int folder, const char *folder_name,
		  char error[STORE_ERROR_MAX]);
