/* Groups by their names. */
#include <stdlib.h>
#include <string.h>

#include "control/policy/policy.h"

static const struct policy_group *
find_group(const struct policy *policy, const char *name, size_t len)
{
	unsigned low = 0, high = policy->n_groups;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct policy_group *group = policy->by_name[middle];
		int order = strncmp(group->name, name, len);

		if (order == 0 && group->name[len] == '\0')
			return group;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct policy_group *
policy_group(const struct policy *policy, const char *name, size_t len)
{
	return memchr(name, '\0', len) ? NULL : find_group(policy, name, len);
}

const char *
policy_nearest_group(const struct policy *policy, const char *name)
{
	const char **names = calloc(policy->n_groups, sizeof *names);
	const char *nearest;

	if (!names)
		return NULL;
	for (unsigned i = 0; i < policy->n_groups; i++)
		names[i] = policy->groups[i].name;
	nearest = diag_nearest(name, names, policy->n_groups);
	free(names);
	return nearest;
}

bool
policy_group_in(const struct policy_group *group, const struct policy_group *ancestor)
{
	for (; group; group = group->parent)
		if (group == ancestor)
			return true;
	return false;
}
