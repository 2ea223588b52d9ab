/*
 * policy_at.h - what the policy's files said at a version, in memory: for commands that show, compare or take it back.
 *
 * Owner: the caller. Control thread. Allocates; wipes what it held.
 */
#pragma once

#include <stddef.h>

#include "control/commands/call.h"

struct policy_at_file {
	char *name, *text; /* text: with a NUL behind it */
	size_t len;
};

struct policy_at {
	uint32_t version;
	uint64_t at_ms;
	char *who, *what, *why;
	struct policy_at_file *files; /* by name */
	unsigned n_files;
};

/* The version that a word names ("12", "latest"; NULL: the newest). False after refusing. */
bool policy_at_read(struct call *call, const char *word, struct policy_at *at);
void policy_at_fini(struct policy_at *at);
/* NULL: there was none. */
const struct policy_at_file *policy_at_find(const struct policy_at *at, const char *name);

/* What differs, file by file, into the call's text, and as a list (a new reference). */
json_t *policy_at_put_changes(struct call *call, const struct policy_at *before,
			      const struct policy_at *after);

/*
 * The file as it may be shown, into `text`: lists of settings as JSON, their secrets masked; tasks as they are, but for the
 * console where a secret stands in them in the clear. False: its content is not shown, and `text` says why.
 */
bool policy_at_show(struct call *call, const struct policy_at_file *file, struct text *text);
