/*
 * policy_versions.h - what the policy said, version by version: each change that became live, by command, console or
 * hand, with who made it, when and why.
 *
 * A version is kept in the store when its generation is live, before the command ends. What was changed while nothing was
 * kept (the program was killed between, or the disk full) is part of the next one. Of what files said, only a hash
 * is in memory. Owner: the service. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/store/store.h"

struct service;

enum { POLICY_VERSIONS_KEPT = 1000, POLICY_WHY_MAX = 1000 };

/* A file as the newest version has it. */
struct policy_version_file {
	char *name;
	uint64_t hash;
	size_t len;
	bool seen; /* while the folder is looked through */
};

struct policy_versions {
	bool open;     /* what is kept was read */
	uint32_t last; /* the newest one's number; 0: none */
	struct policy_version_file *files;
	unsigned n_files, capacity;
};

struct policy_note {
	const char *who;  /* "uid 0", "console: ann", "signal" */
	const char *what; /* the command; secrets are masked */
	const char *why;  /* "": nobody said */
};

/* Reads what is kept; the store is started. 0, or -errno and a sentence. */
int policy_versions_open(struct service *service, char error[STORE_ERROR_MAX]);
void policy_versions_fini(struct policy_versions *versions);
/*
 * What the folder says is the newest version from now on, durable. Its number; 0: nothing differs, or there is no store;
 * -errno and a sentence. Runs the service's pump.
 */
int64_t policy_versions_record(struct service *service, const struct policy_note *note,
			       char error[STORE_ERROR_MAX]);
