#include "tasks/objects/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/objects/objects_internal.h"

struct objects *
objects_new(void)
{
	struct objects *objects = calloc(1, sizeof *objects);

	if (!objects)
		return NULL;
	arena_init(&objects->arena, 0);
	for (unsigned i = 0; i < objects_n_builtin; i++) {
		if (objects_add(objects, &objects_builtin[i])) {
			objects_free(objects);
			return NULL;
		}
	}
	return objects;
}

void
objects_free(struct objects *objects)
{
	if (!objects)
		return;
	arena_fini(&objects->arena);
	free(objects->versions);
	free(objects);
}

/* Versions are "MAJOR.MINOR": by number, so that 1.10 comes after 1.9. */
static int
compare_versions(const char *a, const char *b)
{
	char *rest_a, *rest_b;
	long major_a = strtol(a, &rest_a, 10), major_b = strtol(b, &rest_b, 10);
	long minor_a = *rest_a == '.' ? strtol(rest_a + 1, NULL, 10) : 0;
	long minor_b = *rest_b == '.' ? strtol(rest_b + 1, NULL, 10) : 0;

	if (major_a != major_b)
		return major_a < major_b ? -1 : 1;
	return minor_a < minor_b ? -1 : minor_a > minor_b;
}

static int
compare_objects(const struct object_def *a, const struct object_def *b)
{
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return compare_versions(a->version, b->version);
}

int
objects_add(struct objects *objects, const struct object_def *object)
{
	unsigned at = objects->n_versions;

	while (at && compare_objects(object, objects->versions[at - 1]) < 0)
		at--;
	if (at && !compare_objects(object, objects->versions[at - 1])) {
		objects->versions[at - 1] = object;
		return 0;
	}
	if (objects->n_versions == objects->capacity) {
		unsigned capacity = objects->capacity ? 2 * objects->capacity : 32;
		void *grown = reallocarray(objects->versions, capacity, sizeof *objects->versions);

		if (!grown)
			return -ENOMEM;
		objects->versions = grown;
		objects->capacity = capacity;
	}
	memmove(objects->versions + at + 1, objects->versions + at,
		(objects->n_versions - at) * sizeof *objects->versions);
	objects->versions[at] = object;
	objects->n_versions++;
	return 0;
}

/* The index behind the last version of every object up to `id`. */
static unsigned
objects_upper_bound(const struct objects *objects, uint16_t id)
{
	unsigned low = 0, high = objects->n_versions;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (objects->versions[middle]->id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct object_def *
objects_find(const struct objects *objects, uint16_t id)
{
	unsigned end = objects_upper_bound(objects, id);

	if (!end || objects->versions[end - 1]->id != id)
		return NULL;
	return objects->versions[end - 1];
}

const struct resource_def *
object_resource(const struct object_def *object, uint16_t id)
{
	unsigned low = 0, high = object->n_resources;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (object->resources[middle].id == id)
			return &object->resources[middle];
		if (object->resources[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct object_def *
objects_version_at(const struct objects *objects, unsigned index)
{
	return index < objects->n_versions ? objects->versions[index] : NULL;
}
