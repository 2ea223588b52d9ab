#include "control/policy/profile.h"

#include <assert.h>
#include <string.h>

static struct profile_value
of_device(const struct setting_value *value)
{
	return (struct profile_value){
		.name = value->name,
		.name_len = value->name_len,
		.text = value->text,
		.text_len = value->text_len,
		.secret = value->secret,
	};
}

static struct profile_value
of_group(const struct policy_value *value, const struct policy_group *group)
{
	return (struct profile_value){
		.name = value->name,
		.name_len = strlen(value->name),
		.text = value->text,
		.text_len = strlen(value->text),
		.secret = value->secret,
		.locked = value->locked,
		.group = group,
	};
}

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
	const struct policy_value *best = NULL;

	for (; group; group = group->parent) {
		const struct policy_value *value = find_in(&group->values, name, len);

		if (!value || (best && !value->locked))
			continue;
		best = value;
		*found = of_group(value, group);
	}
	return best != NULL;
}

static bool
beats(const struct policy_group *a, const struct policy_group *b)
{
	if (a->depth != b->depth)
		return a->depth > b->depth;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return strcmp(a->name, b->name) < 0;
}

bool
profile_find(const struct profile *profile, const char *name, size_t len,
	     struct profile_value *found)
{
	struct setting_value own;
	struct profile_value candidate;
	bool any = false;

	if (setting_values_find(profile->values, name, len, &own)) {
		*found = of_device(&own);
		return true;
	}
	for (unsigned i = 0; i < profile->set->n_groups; i++) {
		if (!find_in_chain(profile->set->groups[i], name, len, &candidate))
			continue;
		if (!any || beats(candidate.group, found->group))
			*found = candidate;
		any = true;
	}
	return any;
}

/* Whether the group was walked already from an earlier one: groups share ancestors. */
static bool
is_walked(const struct task_set *set, unsigned before, const struct policy_group *group)
{
	assert(before < set->n_groups);
	for (unsigned i = 0; i < before; i++)
		if (policy_group_in(set->groups[i], group))
			return true;
	return false;
}

/* Every name is told once, at its origin. */
static bool
each_of_group(const struct profile *profile, const struct policy_group *group,
	      bool (*each)(void *ctx, const struct profile_value *value), void *ctx)
{
	struct profile_value found;

	for (unsigned i = 0; i < group->values.count; i++) {
		const char *name = group->values.items[i].name;

		if (profile_find(profile, name, strlen(name), &found) && found.group == group &&
		    !each(ctx, &found))
			return false;
	}
	return true;
}

void
profile_each(const struct profile *profile,
	     bool (*each)(void *ctx, const struct profile_value *value), void *ctx)
{
	struct setting_value own = { 0 };

	while (setting_values_next(profile->values, &own)) {
		struct profile_value value = of_device(&own);

		if (!each(ctx, &value))
			return;
	}
	for (unsigned i = 0; i < profile->set->n_groups; i++)
		for (const struct policy_group *group = profile->set->groups[i]; group;
		     group = group->parent)
			if (!is_walked(profile->set, i, group) &&
			    !each_of_group(profile, group, each, ctx))
				return;
}
