#include "control/commands/task_place.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_MAX = 16 };

static const config_setting_t *
tasks_of(const struct policy_edit *edit, int element)
{
	const config_setting_t *group = policy_edit_setting(edit, element);

	return group ? config_setting_get_member(group, "tasks") : NULL;
}

int
task_place_count(const struct policy_edit *edit, int element)
{
	const config_setting_t *tasks = tasks_of(edit, element);

	return tasks ? config_setting_length(tasks) : 0;
}

const config_setting_t *
task_place_setting(const struct policy_edit *edit, struct edit_place place)
{
	return config_setting_get_elem(tasks_of(edit, place.element), (unsigned)place.task);
}

const char *
task_place_file(const struct policy_edit *edit, struct edit_place place)
{
	const config_setting_t *task = task_place_setting(edit, place);
	const char *file = NULL;

	if (config_setting_is_group(task))
		config_setting_lookup_string(task, "file", &file);
	return file;
}

/* The number that the file gives; 0: none. */
int
task_place_said(const struct policy_edit *edit, struct edit_place place)
{
	const config_setting_t *task = task_place_setting(edit, place);
	int number = 0;

	if (config_setting_is_group(task))
		config_setting_lookup_int(task, "number", &number);
	return number;
}

static bool
is_said(const struct policy_edit *edit, int element, int number)
{
	for (int i = 0; i < task_place_count(edit, element); i++)
		if (task_place_said(edit, (struct edit_place){ element, i }) == number)
			return true;
	return false;
}

/* The number of a task, said or not: as policy_read_tasks() gives them. */
int
task_place_number(const struct policy_edit *edit, struct edit_place place)
{
	int number = task_place_said(edit, place), next = 1;

	assert(place.task >= 0 && place.task < task_place_count(edit, place.element));
	if (number)
		return number;
	for (int i = 0;; i++) {
		struct edit_place other = { place.element, i };

		if (task_place_said(edit, other))
			continue;
		while (is_said(edit, place.element, next))
			next++;
		if (i == place.task)
			return next;
		next++;
	}
}

int
task_place_highest(const struct policy_edit *edit, int element)
{
	int highest = 0;

	for (int i = 0; i < task_place_count(edit, element); i++) {
		int number = task_place_number(edit, (struct edit_place){ element, i });

		if (number > highest)
			highest = number;
	}
	return highest;
}

/* False, and the call refused, where there is no task of this id. */
bool
task_place_find(struct policy_edit *edit, const char *id, struct edit_place *place)
{
	const char *colon = strrchr(id, ':');
	char group[300] = "";

	if (strncmp(id, "g:", 2) == 0 && colon > id + 2)
		snprintf(group, sizeof group, "%.*s", (int)(colon - id - 2), id + 2);
	place->element = policy_edit_find(edit, "name", group);
	for (int i = 0; place->element >= 0 && i < task_place_count(edit, place->element); i++) {
		char number[NUMBER_MAX];

		place->task = i;
		snprintf(number, sizeof number, "%d", task_place_number(edit, *place));
		if (strcmp(number, colon + 1) == 0)
			return true;
	}
	call_refuse_task(edit->call, id);
	return false;
}
