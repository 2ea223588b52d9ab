/*
 * written.h - what the steps of a run so far have done to each object instance, so that a later write does not undo it.
 *
 * A PUT of an instance replaces it (OMA Core TS 6.1.7.4: what the payload lacks is gone), so a lone write behind the
 * account that it belongs to must go to its resource. Entries are immutable and live in the arena of the run; a task
 * that fails takes its own back by the head of the list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/arena.h"
#include "tasks/value.h"

enum written_kind {
	WRITTEN_VALUES,  /* these resources of an instance */
	WRITTEN_BEFORE,  /* the instance was read: it has resources that are not known here */
	WRITTEN_DELETED, /* a path was deleted */
};

struct written {
	enum written_kind kind;
	bool correction; /* sent only when Finish is refused */
	struct lwm2m_path path;
	const struct written *older;
	size_t n_resources;
	uint16_t resources[]; /* ascending */
};

/* Adds the values of one instance, records of it alone. False: no memory. */
bool written_add(const struct written **list, struct arena *arena,
		 const struct lwm2m_record *records, size_t count, bool correction);
/* Adds a read instance or a deleted path. False: no memory. */
bool written_note(const struct written **list, struct arena *arena, enum written_kind kind,
		  const struct lwm2m_path *path, bool correction);

/* Whether a PUT of the instance with these records, of it alone, would remove something that is there. */
bool written_would_remove(const struct written *list, const struct lwm2m_record *records,
			  size_t count, bool correction);
