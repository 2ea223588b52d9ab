/*
 * accounts.h - the Security instances that a run has written so far (OMA TS Core E.1), and which of their keys it made:
 * what the servers of these accounts must be told.
 *
 * Entries are immutable and live in the arena of the run; a task that fails takes its own back by the head of the list.
 */
#pragma once

#include <stdbool.h>

#include "tasks/arena.h"
#include "tasks/value.h"

struct compile_hooks;

struct account_value {
	const struct account_value *older;
	int32_t instance, resource; /* -1: all of them were deleted */
	bool generated;
	struct lwm2m_value value; /* borrowed */
};

/* Whether it is a resource that a credential is in: 3 (a certificate or public key) or 5. */
bool accounts_is_key(const struct lwm2m_path *path);
/* Adds a value of object 0. False: no memory. */
bool accounts_note(const struct account_value **list, struct arena *arena,
		   const struct lwm2m_path *path, const struct lwm2m_value *value, bool generated);
/* Adds what was deleted, if it concerns object 0. False: no memory. */
bool accounts_note_deleted(const struct account_value **list, struct arena *arena,
			   const struct lwm2m_path *path);
/* Tells hooks->credential every account with a key that the run made. Returns how many. */
unsigned accounts_tell(const struct account_value *list, const struct compile_hooks *hooks);
