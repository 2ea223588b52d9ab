#include "control/profile.h"

#include <string.h>

static const struct policy_value *
find_in(const struct policy_values *values, const char *name, size_t len)
{
	for (unsigned i = 0; i < values->count; i++)
		if (strlen(values->items[i].name) == len &&
		    memcmp(values->items[i].name, name, len) == 0)
			return &values->items[i];
	return NULL;
}

/* What one group and its ancestors say: the deepest, unless something above is locked. */
static bool
find_in_chain(const struct policy_group *group, const char *name, size_t len,
	      struct profile_value *found)
{
	found->value = NULL;
	for (; group; group = group->parent) {
		const struct policy_value *value = find_in(&group->values, name, len);

		if (value && (value->locked || !found->value))
			*found = (struct profile_value){ value, group };
	}
	return found->value != NULL;
}

static bool
beats(const struct profile_value *a, const struct profile_value *b)
{
	if (!b->value)
		return true;
	if (a->group->depth != b->group->depth)
		return a->group->depth > b->group->depth;
	if (a->group->priority != b->group->priority)
		return a->group->priority > b->group->priority;
	return strcmp(a->group->name, b->group->name) < 0;
}

bool
profile_find(const struct device *device, const char *name, size_t len, struct profile_value *found)
{
	struct profile_value candidate;

	*found = (struct profile_value){ .value = find_in(&device->values, name, len) };
	if (found->value)
		return true;
	for (unsigned i = 0; i < device->n_groups; i++)
		if (find_in_chain(device->groups[i], name, len, &candidate) &&
		    beats(&candidate, found))
			*found = candidate;
	return found->value != NULL;
}

/*
 * True when `value` is what the device gets under this name: so every name is told once, at its
 * origin.
 */
static bool
is_origin(const struct device *device, const struct policy_value *value,
	  struct profile_value *found)
{
	return profile_find(device, value->name, strlen(value->name), found) &&
	       found->value == value;
}

/* Whether the group was walked already from an earlier one: groups share ancestors. */
static bool
is_walked(const struct device *device, unsigned before, const struct policy_group *group)
{
	for (unsigned i = 0; i < before; i++)
		if (policy_group_in(device->groups[i], group))
			return true;
	return false;
}

static bool
each_of(const struct device *device, const struct policy_values *values,
	bool (*each)(void *ctx, const struct profile_value *value), void *ctx)
{
	struct profile_value found;

	for (unsigned i = 0; i < values->count; i++)
		if (is_origin(device, &values->items[i], &found) && !each(ctx, &found))
			return false;
	return true;
}

void
profile_each(const struct device *device,
	     bool (*each)(void *ctx, const struct profile_value *value), void *ctx)
{
	if (!each_of(device, &device->values, each, ctx))
		return;
	for (unsigned i = 0; i < device->n_groups; i++)
		for (const struct policy_group *group = device->groups[i]; group;
		     group = group->parent)
			if (!is_walked(device, i, group) &&
			    !each_of(device, &group->values, each, ctx))
				return;
}
