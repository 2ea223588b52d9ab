/*
 * objects_internal.h - the registry's inside, for objects*.c alone.
 */
#pragma once

#include "tasks/arena.h"
#include "tasks/objects/objects.h"

struct objects {
	struct arena arena;                 /* definitions that came from files */
	const struct object_def **versions; /* by id, then version, oldest first */
	unsigned n_versions, capacity;
};

/* Adds a definition, in place of one with the same id and version. Returns 0 or -ENOMEM. */
int objects_add(struct objects *objects, const struct object_def *object);

/* The definitions that come with the program. */
extern const struct object_def objects_builtin[];
extern const unsigned objects_n_builtin;

/* Of an OMA RangeEnumeration text: "1..65534", "0-255 bytes", "16,32,48". False for prose. */
bool objects_parse_range(const char *text, enum lwm2m_type type, double *min, double *max);
