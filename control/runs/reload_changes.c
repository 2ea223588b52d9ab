#include "control/runs/reload_changes.h"

#include <string.h>

static const struct policy_task *
find_task(const struct policy *policy, const struct policy_task *like)
{
	const struct policy_group *group =
		policy_group(policy, like->group->name, strlen(like->group->name));

	for (unsigned i = 0; group && i < group->n_tasks; i++)
		if (strcmp(group->tasks[i].name, like->name) == 0)
			return &group->tasks[i];
	return NULL;
}

static bool
task_equal(const struct policy_task *a, const struct policy_task *b)
{
	return a->source->hash == b->source->hash && strcmp(a->file, b->file) == 0 &&
	       a->active == b->active && a->subgroups == b->subgroups && a->priority == b->priority;
}

/* The tasks of `policy` that `other` lacks; or, with `changed`, has otherwise. */
static json_t *
task_difference(const struct policy *policy, const struct policy *other, bool changed)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++) {
			const struct policy_task *task = &policy->groups[i].tasks[k];
			const struct policy_task *there = find_task(other, task);

			if (changed ? there && !task_equal(task, there) : !there)
				json_array_append_new(
					list,
					json_sprintf("%s: %s", task->group->name, task->name));
		}
	return list;
}

/* Nothing where there is none: most reloads change one thing. */
static void
put_names(struct text *text, const char *what, const json_t *names)
{
	if (!json_array_size(names))
		return;
	text_show(text, "tasks %s: %zu", what, json_array_size(names));
	for (size_t i = 0; i < json_array_size(names); i++)
		text_show(text, "%s%s", i ? ", " : " (",
			  json_string_value(json_array_get(names, i)));
	text_show(text, ")\n");
}

void
reload_put_tasks(const struct generation *old, const struct generation *new, struct text *text,
		 json_t *result)
{
	json_t *added = task_difference(new->policy, old->policy, false);
	json_t *changed = task_difference(new->policy, old->policy, true);
	json_t *removed = task_difference(old->policy, new->policy, false);

	put_names(text, "added", added);
	put_names(text, "changed", changed);
	put_names(text, "removed", removed);
	json_object_set_new(result, "tasks_added", added);
	json_object_set_new(result, "tasks_changed", changed);
	json_object_set_new(result, "tasks_removed", removed);
}

void
reload_put_settings(const struct config_changes *changes, bool live, struct text *text,
		    json_t *result)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < changes->count; i++) {
		const struct config_change *change = &changes->items[i];

		if (change->live != live)
			continue;
		text_show(text, "%s %s: %s -> %s\n",
			  live ? "setting applied:" : "needs a restart:", change->name,
			  change->before, change->after);
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "name", change->name, "before",
						change->before, "after", change->after));
	}
	json_object_set_new(result, live ? "settings_applied" : "settings_need_restart", list);
}
