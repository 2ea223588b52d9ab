/* Groups: group list, show, add, edit, remove, value set, value unset. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/command_settings.h"
#include "control/commands/commands.h"
#include "control/commands/page.h"
#include "control/commands/policy_edit.h"
#include "control/runs/group_devices.h"

static const struct setting_option options[] = {
	{ "--description", "description", SETTING_TEXT },
	{ "--priority", "priority", SETTING_NUMBER },
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static const char mask[] = "********";

/* --- shown --- */

static unsigned
subgroups(const struct policy *policy, const struct policy_group *group)
{
	unsigned count = 0;

	for (unsigned i = 0; i < policy->n_groups; i++)
		count += &policy->groups[i] != group && policy_group_in(&policy->groups[i], group);
	return count;
}

static json_t *
group_json(const struct policy_group *group)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", group->name, "description",
			 group->description, "priority", group->priority, "values",
			 (int)group->values.count, "tasks", (int)group->n_tasks);
}

void
command_group_list(struct call *call)
{
	const struct policy *policy = call->service->generation->policy;
	json_t *list;
	struct table table;
	struct page page;
	unsigned i = 0;

	if (!page_begin_names(&page, call, PAGE_ALL))
		return;
	while (i < policy->n_groups && strcmp(policy->by_name[i]->name, page.from_name) < 0)
		i++;
	list = json_array();
	page_table(&page, &table, "name|priority:3|values:2|tasks:1|~description:4");
	for (; i < policy->n_groups && !page_full(&page); i++) {
		const struct policy_group *group = policy->by_name[i];

		if (!page_shows_name(&page, group->name))
			continue;
		table_cell(&table, "%s", group->name);
		table_cell(&table, "%d", group->priority);
		table_cell(&table, "%u", group->values.count);
		table_cell(&table, "%u", group->n_tasks);
		table_cell(&table, "%s", group->description);
		json_array_append_new(list, group_json(group));
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "groups", list);
	page_finish_name(&page, i < policy->n_groups ? policy->by_name[i]->name : NULL);
}

static json_t *
put_values(const struct policy_group *group, struct text *text)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, "value|~is|marks:1");
	for (unsigned i = 0; i < group->values.count; i++) {
		const struct policy_value *value = &group->values.items[i];
		const char *shown = value->secret ? mask : value->text;

		table_cell(&table, "%s", value->name);
		table_cell(&table, "%s", shown);
		table_cell(&table, "%s%s%s", value->secret ? "secret" : "",
			   value->secret && value->locked ? ", " : "",
			   value->locked ? "locked" : "");
		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b}", "name", value->name,
						      "value", shown, "secret", value->secret,
						      "locked", value->locked));
	}
	table_finish(&table, text);
	return list;
}

static json_t *
put_tasks(const struct policy_group *group, struct text *text)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, "task|~name|active|subgroups:2|priority:3|~file:1");
	for (unsigned i = 0; i < group->n_tasks; i++) {
		const struct policy_task *task = &group->tasks[i];

		table_cell(&table, "%s", task->id);
		table_cell(&table, "%s", task->name);
		table_cell(&table, "%s", task->active ? "yes" : "no");
		table_cell(&table, "%s", task->subgroups ? "yes" : "no");
		table_cell(&table, "%d", task->priority);
		table_cell(&table, "%s", task->file);
		json_array_append_new(list, json_string(task->id));
	}
	table_finish(&table, text);
	return list;
}

void
command_group_show(struct call *call)
{
	const struct policy *policy = call->service->generation->policy;
	const char *name = call->arguments[0];
	const struct policy_group *group = policy_group(policy, name, strlen(name));
	size_t devices;

	if (!group) {
		call_refuse_group(call, name);
		return;
	}
	devices = group_device_count(call->service, group);
	text_show(&call->text, "%s: %s\npriority %d, %u subgroup%s, %zu device%s of its own\n\n",
		  group->name, *group->description ? group->description : "(no description)",
		  group->priority, subgroups(policy, group), PLURAL(subgroups(policy, group)),
		  devices, PLURAL(devices));
	call->result = group_json(group);
	json_object_set_new(call->result, "values", put_values(group, &call->text));
	text_put(&call->text, "\n", 1);
	json_object_set_new(call->result, "tasks", put_tasks(group, &call->text));
	json_object_set_new(call->result, "subgroups", json_integer(subgroups(policy, group)));
	json_object_set_new(call->result, "devices", json_integer((json_int_t)devices));
}

/* --- changed --- */

void
command_group_add(struct call *call)
{
	const char *name = call->arguments[0];
	struct command_settings settings;
	struct policy_edit edit;

	command_settings_init(&settings);
	command_settings_text(&settings, "name", name);
	if (command_settings_take(&settings, call, options, OPTIONS) &&
	    policy_edit_begin(&edit, call, "groups")) {
		if (policy_edit_find(&edit, "name", name) >= 0)
			call_refuse(call, CTL_REFUSED, "there is a group \"%s\" already", name);
		else if (policy_edit_append(&edit, -1, settings.pairs, settings.count))
			policy_edit_commit(&edit, "group %s added", name);
		policy_edit_end(&edit);
	}
	command_settings_fini(&settings);
}

void
command_group_edit(struct call *call)
{
	const char *name = call->arguments[0];
	struct command_settings settings;
	struct policy_edit edit;
	int element;

	command_settings_init(&settings);
	if (!command_settings_take(&settings, call, options, OPTIONS))
		goto out;
	if (!settings.count) {
		call_refuse(call, CTL_USAGE, "say what to change: --description, --priority");
		goto out;
	}
	if (!policy_edit_begin(&edit, call, "groups"))
		goto out;
	element = policy_edit_find_group(&edit, name);
	if (element >= 0 && policy_edit_set(&edit, (struct edit_place){ element, -1 },
					    settings.pairs, settings.count))
		policy_edit_commit(&edit, "group %s changed", name);
	policy_edit_end(&edit);
out:
	command_settings_fini(&settings);
}

/* What goes with a group. */
struct belongings {
	unsigned subgroups, tasks;
	size_t devices;
};

static struct belongings
count_belongings(const struct service *service, const struct policy_group *group)
{
	const struct policy *policy = service->generation->policy;
	struct belongings belongings = { .subgroups = subgroups(policy, group) };

	for (unsigned i = 0; i < policy->n_groups; i++) {
		if (!policy_group_in(&policy->groups[i], group))
			continue;
		belongings.tasks += policy->groups[i].n_tasks;
		belongings.devices += group_device_count(service, &policy->groups[i]);
	}
	return belongings;
}

/* False, told, when it has what would go with it and nobody said that it shall. */
static bool
may_remove(struct call *call, const char *name)
{
	const struct policy *policy = call->service->generation->policy;
	const struct policy_group *group = policy_group(policy, name, strlen(name));
	struct belongings has = { 0 };

	if (strcmp(name, "root") == 0) {
		call_refuse(call, CTL_REFUSED, "root is the group of every device: it stays");
		return false;
	}
	if (group)
		has = count_belongings(call->service, group);
	if (call_option(call, "--recursive") || !(has.subgroups || has.tasks || has.devices))
		return true;
	call_refuse(call, CTL_REFUSED,
		    "group %s has %u subgroup%s, %u task%s and %zu device%s with all below it: "
		    "move them, or say --recursive",
		    name, has.subgroups, PLURAL(has.subgroups), has.tasks, PLURAL(has.tasks),
		    has.devices, PLURAL(has.devices));
	return false;
}

/* The element of this name, or of one below. */
static int
find_below(const struct policy_edit *edit, const char *name)
{
	const config_setting_t *element;
	size_t len = strlen(name);
	const char *said;

	for (int i = 0; (element = policy_edit_setting(edit, i)); i++)
		if (config_setting_is_group(element) &&
		    config_setting_lookup_string(element, "name", &said) &&
		    strncmp(said, name, len) == 0 && (!said[len] || said[len] == '.'))
			return i;
	return -1;
}

void
command_group_remove(struct call *call)
{
	const char *name = call->arguments[0];
	struct policy_edit edit;
	int element;
	bool good = true;

	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	if (policy_edit_find(&edit, "name", name) < 0 && strcmp(name, "root") != 0) {
		call_refuse_group(call, name);
	} else if (may_remove(call, name)) {
		while (good && (element = find_below(&edit, name)) >= 0)
			good = policy_edit_remove(&edit, (struct edit_place){ element, -1 });
		if (good)
			policy_edit_commit(&edit, "group %s removed", name);
	}
	policy_edit_end(&edit);
}

void
command_group_value_set(struct call *call)
{
	const char *group = call->arguments[0], *name = call->arguments[1];
	struct command_settings settings;
	struct policy_edit edit;
	int element;

	assert(group && name && call->arguments[2]);
	command_settings_init(&settings);
	command_settings_text(&settings, "value", call->arguments[2]);
	if (call_option(call, "--secret"))
		command_settings_plain(&settings, "secret", "true");
	if (call_option(call, "--locked"))
		command_settings_plain(&settings, "locked", "true");
	if (policy_edit_begin(&edit, call, "groups")) {
		element = policy_edit_find_group(&edit, group);
		if (element >= 0 &&
		    policy_edit_value(&edit, element, name, settings.pairs, settings.count))
			policy_edit_commit(&edit, "value %s of group %s set", name, group);
		policy_edit_end(&edit);
	}
	command_settings_fini(&settings);
}

/* Whether the file gives the group such a value, in either form. */
static bool
has_value(const struct policy_edit *edit, int element, const char *name)
{
	const config_setting_t *values =
		config_setting_get_member(policy_edit_setting(edit, element), "values");
	const char *said;

	for (int i = 0; values && i < config_setting_length(values); i++) {
		const config_setting_t *value = config_setting_get_elem(values, (unsigned)i);

		said = config_setting_name(value);
		if (!said && (!config_setting_is_group(value) ||
			      !config_setting_lookup_string(value, "name", &said)))
			continue;
		if (strcmp(said, name) == 0)
			return true;
	}
	return false;
}

void
command_group_value_unset(struct call *call)
{
	const char *group = call->arguments[0], *name = call->arguments[1];
	struct policy_edit edit;
	int element;

	assert(group && name);
	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	element = policy_edit_find_group(&edit, group);
	if (element >= 0 && !has_value(&edit, element, name))
		call_refuse(call, CTL_REFUSED, "group %s sets no value \"%s\"", group, name);
	else if (element >= 0 && policy_edit_value(&edit, element, name, NULL, 0))
		policy_edit_commit(&edit, "value %s of group %s taken out", name, group);
	policy_edit_end(&edit);
}
