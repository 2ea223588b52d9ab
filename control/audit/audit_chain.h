/*
 * audit_chain.h - lines of an audit file, checked one after another.
 *
 * Pure but for memory. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "control/audit/audit.h"

#define AUDIT_NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

/* Where the chain stands. Zeroed: before its first line. */
struct audit_chain {
	uint64_t lines, cut; /* read; those of them that were cut */
	uint64_t seq;        /* of the last good line */
	char hash[AUDIT_HASH_MAX];
};

/*
 * Takes a line, without its newline. 0 and what it says (a new reference); -EBADMSG and a sentence when it does not go on
 * the chain. A line that was cut (no JSON) is passed over once: *json is NULL.
 */
int audit_chain_take(struct audit_chain *chain, const char *line, size_t len, json_t **json,
		     char error[AUDIT_ERROR_MAX]);
/* The hash of a line without its last member. False: out of memory. */
bool audit_hash(const char *bytes, size_t len, char hash[AUDIT_HASH_MAX]);
