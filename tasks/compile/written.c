#include "tasks/compile/written.h"

#include <assert.h>

static struct written *
add(const struct written **list, struct arena *arena, size_t room)
{
	struct written *entry = arena_alloc(arena, sizeof *entry + room * sizeof *entry->resources);

	if (!entry)
		return NULL;
	entry->older = *list;
	entry->n_resources = 0;
	*list = entry;
	return entry;
}

bool
written_add(const struct written **list, struct arena *arena, const struct lwm2m_record *records,
	    size_t count, bool correction)
{
	struct written *entry = add(list, arena, count);

	assert(count);
	if (!entry)
		return false;
	entry->kind = WRITTEN_VALUES;
	entry->correction = correction;
	entry->path = records->path;
	for (size_t i = 0; i < count; i++) {
		uint16_t resource = (uint16_t)records[i].path.resource;

		assert(records[i].path.instance == entry->path.instance);
		if (!entry->n_resources || entry->resources[entry->n_resources - 1] != resource)
			entry->resources[entry->n_resources++] = resource;
	}
	return true;
}

bool
written_note(const struct written **list, struct arena *arena, enum written_kind kind,
	     const struct lwm2m_path *path, bool correction)
{
	struct written *entry = add(list, arena, 0);

	if (!entry)
		return false;
	entry->kind = kind;
	entry->correction = correction;
	entry->path = *path;
	return true;
}

static bool
is_within(const struct lwm2m_path *path, const struct lwm2m_path *around)
{
	return (around->object < 0 || around->object == path->object) &&
	       (around->instance < 0 || around->instance == path->instance);
}

/* Both ascend. */
static bool
covers(const struct lwm2m_record *records, size_t count, const struct written *entry)
{
	size_t at = 0;

	for (size_t i = 0; i < entry->n_resources; i++) {
		while (at < count && records[at].path.resource < entry->resources[i])
			at++;
		if (at == count || records[at].path.resource != entry->resources[i])
			return false;
	}
	return true;
}

bool
written_would_remove(const struct written *list, const struct lwm2m_record *records, size_t count,
		     bool correction)
{
	const struct lwm2m_path *path = &records->path;

	for (; list; list = list->older) {
		if ((list->correction && !correction) || !is_within(path, &list->path))
			continue;
		if (list->kind == WRITTEN_DELETED)
			return false;
		if (list->kind == WRITTEN_BEFORE || !covers(records, count, list))
			return true;
	}
	return false;
}
