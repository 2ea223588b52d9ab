/*
 * objects.h - the registry of LwM2M object definitions.
 *
 * Objects 0 to 7, 21, 23 and 24 come built in (facts of the OMA registry); further ones, and other versions, from
 * OMA DDF XML files of a folder. After loading it is immutable and may be read by several threads.
 * Owner: whoever made it. Allocates while loading only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tasks/diag.h"
#include "tasks/value.h"

struct resource_def {
	uint16_t id;
	const char *name; /* white space collapsed and trimmed */
	enum lwm2m_type type;
	bool multiple, mandatory;
	bool has_range;
	double min, max; /* of the value, or of the length for string and opaque */
};

struct object_def {
	uint16_t id;
	const char *name;
	const char *version; /* "1.2" */
	bool multiple, mandatory;
	const struct resource_def *resources; /* by id */
	unsigned n_resources;
};

struct objects;

/* A registry with the built-in objects, or NULL when out of memory. */
struct objects *objects_new(void);
void objects_free(struct objects *objects);

enum { OBJECTS_SKIPPED = 1 };

/* Adds every *.xml of a folder (by name). A file that is no good object definition is an error with
 * its place and is left out; XML of another kind is a warning; the others are loaded. An object that is built in and
 * defined otherwise is a warning. Returns how many were loaded, or -errno when
 * the folder can't be read. */
int objects_load_folder(struct objects *objects, const char *folder, struct diag_list *diags);
/* One of them from memory; `name` is used in diagnostics. Returns 0, OBJECTS_SKIPPED with a warning for another kind of
 * XML, or -EINVAL. */
int objects_load_text(struct objects *objects, const char *name, const char *text, size_t len,
		      struct diag_list *diags);

/* The newest version of an object, or NULL. */
const struct object_def *objects_find(const struct objects *objects, uint16_t id);
const struct resource_def *object_resource(const struct object_def *object, uint16_t id);

/* Iteration over every registered version, by id, then oldest first: every name of every version
 * resolves. */
const struct object_def *objects_version_at(const struct objects *objects, unsigned index);
