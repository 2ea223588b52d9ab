/*
 * key.h - "LwM2M Security.2.LwM2M Server URI" or "/0/2/0" to a path (TASKS.md section 2).
 */
#pragma once

#include <stddef.h>

#include "tasks/diag.h"
#include "tasks/objects/objects.h"
#include "tasks/value.h"

struct key {
	struct lwm2m_path path;
	const struct object_def *object;     /* NULL for "/" and for raw paths of unknown objects */
	const struct resource_def *resource; /* NULL when the path ends above or is not defined */
};

/*
 * Resolves a key. Names match case-insensitively, white space collapsed, over every registered
 * version; numbers stand for any part; an empty key or "/" is all objects. An unknown name adds an
 * error with the nearest known one, an ambiguous one lists its candidates. Returns 0 or -EINVAL.
 */
int key_parse(const struct objects *objects, const char *text, size_t len,
	      const struct place *place, struct diag_list *diags, struct key *key);

/* "/0/2/0"; returns snprintf's count. */
int key_path_format(const struct lwm2m_path *path, char *out, size_t size);

/* True for a resource that holds key material (OMA TS Core appendix E, OSCORE and MQTT object definitions). */
bool key_path_is_secret(const struct lwm2m_path *path);
