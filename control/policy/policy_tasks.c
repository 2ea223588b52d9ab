/* The tasks of a group and their settings, as groups.conf writes them. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/policy_help.h"
#include "control/policy/policy_reading.h"
#include "control/policy/policy_rollout.h"
#include "tasks/hash.h"
#include "tasks/model/write.h"

const char *const task_repetition_names[TASK_REPETITIONS] = {
	[REPETITION_REPEAT] = "repeat",
	[REPETITION_ONCE] = "once",
	[REPETITION_REPEAT_WITHOUT_REPORT] = "repeat_without_report",
};
const char *const task_log_level_names[TASK_LOG_LEVELS] = {
	[TASK_LOG_TRACE] = "trace",     [TASK_LOG_DEBUG] = "debug", [TASK_LOG_INFO] = "info",
	[TASK_LOG_WARNING] = "warning", [TASK_LOG_ERROR] = "error",
};

static const struct words repetitions = { task_repetition_names, TASK_REPETITIONS,
					  "repeat, once, repeat_without_report" };
static const struct words log_levels = { task_log_level_names, TASK_LOG_LEVELS,
					 "trace, debug, info, warning, error" };

static const struct conf_member task_members[] = {
	{ "name", "of the task, once a group" },
	{ "file", "of tasks/ that it runs" },
	{ "number",
	  "N of its id \"g:GROUP:N\", which stays when others go; given by whoever adds it" },
	{ "active", "false: paused; true without it" },
	{ "priority", "lower runs first; 10 without it" },
	{ "subgroups", "true: also for devices of the groups below" },
	{ "repetition",
	  "\"repeat\" (without it), \"once\" until it ended well, or \"repeat_without_report\"" },
	{ "condition", "a template that says true or false for the device at hand: it runs only "
		       "where it is true" },
	{ "schedule", "hours of the week in which it may run, such as \"Mon-Fri 02:00-05:00, Sat "
		      "00:00-24:00\"; local time, unless \"UTC\" stands at its end" },
	{ "automatic_restart", "false: it repeats only when it is rerun; true without it" },
	{ "bloodline", "of tasks of one bloodline a device runs one: that of the group of highest "
		       "priority, then of the deepest" },
	{ "min_interval", "seconds between two runs on a device that went well" },
	{ "rollout", "{ former; percent or group; ... }: only part of its devices run `file`, the others "
		     "the former one; written by `task rollout`" },
	{ "log_level", "least severity of what its <log> tells that reports keep: \"trace\", "
		       "\"debug\", \"info\" (without it), \"warning\", \"error\"" },
	{ "comment", "for people" },
	{ "discard_details", "true: its reports carry no log and no steps" },
	{ "created", "when it was added, shown only" },
};

const struct policy_section policy_section_tasks = {
	"TASKS OF A GROUP", "tasks = ( { ... }, { ... } ) in a group: what its devices run.",
	task_members, COUNT(task_members)
};

static struct policy_file *
load_file(struct reading *reading, const char *name)
{
	struct policy_file *file = arena_alloc(reading->arena, sizeof *file);
	char path[POLICY_PATH_MAX], in_folder[512];
	char *text;
	size_t len;

	if (!file)
		return NULL;
	*file = (struct policy_file){ .name = policy_keep(reading, name),
				      .next = reading->policy->files };
	reading->policy->files = file;
	snprintf(in_folder, sizeof in_folder, "tasks/%s", name);
	text = policy_read_file(reading, in_folder, path, &len);
	if (!text)
		return file;
	file->hash = hash64_bytes(HASH64_EMPTY, text, len);
	file->task = task_load(path, text, len, reading->objects, reading->diags);
	explicit_bzero(text, len);
	free(text);
	return file;
}

/* A file is loaded and its errors are told once, however many tasks name it. */
static const struct policy_file *
find_or_load_file(struct reading *reading, const char *name, const struct place *place)
{
	if (!policy_file_name_is_good(name)) {
		diag_error(reading->diags, place, "\"%s\" must be the name of a file in tasks/",
			   name);
		return NULL;
	}
	for (struct policy_file *file = reading->policy->files; file; file = file->next)
		if (strcmp(file->name, name) == 0)
			return file;
	return load_file(reading, name);
}

static const char *
read_text(struct reading *reading, const config_setting_t *member, const char *name,
	  const char *preset)
{
	const char *text = conf_string(reading->conf, member, name, preset, reading->diags);

	if (text && strlen(text) > POLICY_TEXT_MAX) {
		struct place place =
			conf_place(reading->conf, config_setting_get_member(member, name));

		diag_error(reading->diags, &place, "longer than %d bytes", POLICY_TEXT_MAX);
		return NULL;
	}
	return policy_keep(reading, text);
}

/* What is known ahead of a condition that can be neither true nor false. */
static void
check_condition(struct reading *reading, const struct policy_condition *condition)
{
	unsigned kinds = template_kinds(condition->template);
	struct value value = { VALUE_STRING, .text = { NULL, 0 } };
	const char *literal;
	bool ignored;

	if (template_is_literal(condition->template, &literal, &value.text.len)) {
		value.text.at = literal;
		if (value_boolean(&value, &ignored))
			diag_error(reading->diags, &condition->place,
				   "\"%.40s\" is neither true nor false: a condition is a template "
				   "such as ${device.isInGroup('root.a')}",
				   condition->text);
	} else if (!(kinds & (1u << VALUE_BOOLEAN | 1u << VALUE_STRING))) {
		diag_error(reading->diags, &condition->place,
			   "this never gives true or false: compare it with something");
	}
}

static const struct policy_condition *
read_condition(struct reading *reading, const config_setting_t *member)
{
	const config_setting_t *setting = config_setting_get_member(member, "condition");
	const char *text = read_text(reading, member, "condition", NULL);
	struct policy_condition *condition;

	if (!text || !*text)
		return NULL;
	condition = arena_alloc(reading->arena, sizeof *condition);
	if (!condition)
		return NULL;
	condition->text = text;
	condition->place = conf_place(reading->conf, setting);
	condition->place.file = policy_keep(reading, reading->conf->name);
	condition->place.tag = "condition";
	condition->template = template_parse(reading->arena, text, strlen(text), &condition->place,
					     reading->diags);
	if (!condition->template)
		return NULL;
	condition->depends = template_depends(condition->template);
	condition->patterns = template_has_pattern(condition->template);
	check_condition(reading, condition);
	return condition;
}

static void
read_schedule(struct reading *reading, const config_setting_t *member, struct policy_task *task)
{
	const char *text = read_text(reading, member, "schedule", NULL);
	char error[SCHEDULE_ERROR_MAX];
	struct place place;

	if (!text || !*text)
		return;
	task->schedule_text = text;
	task->schedule = schedule_parse(reading->arena, text, error);
	if (task->schedule)
		return;
	place = conf_place(reading->conf, config_setting_get_member(member, "schedule"));
	diag_error(reading->diags, &place, "%s", error);
}

static const char *
read_bloodline(struct reading *reading, const config_setting_t *member)
{
	const char *text = read_text(reading, member, "bloodline", NULL);

	return text && *text ? text : NULL;
}

/* All but what names it. */
/* Both settings look back at what a device's last report says. */
static void
check_history(struct reading *reading, const config_setting_t *member,
	      const struct policy_task *task)
{
	struct place place = conf_place(reading->conf, member);

	place.tag = "tasks";
	if (task->repetition != REPETITION_REPEAT_WITHOUT_REPORT)
		return;
	if (task->min_interval_s)
		diag_error(reading->diags, &place,
			   "min_interval needs reports: without them nothing tells the last run");
	if (!task->automatic_restart)
		diag_error(reading->diags, &place,
			   "automatic_restart = false needs reports: without them nothing tells "
			   "that it has run");
}

static void
read_settings(struct reading *reading, const config_setting_t *member, struct policy_task *task)
{
	const struct conf_range priorities = { 0, POLICY_PRIORITY_MAX, 10 };
	const struct conf_range intervals = { 0, POLICY_INTERVAL_MAX_S, 0 };
	const struct conf_range numbers = { 1, POLICY_TASK_NUMBER_MAX, 0 };
	const struct conf_text *conf = reading->conf;
	struct diag_list *diags = reading->diags;

	task->number = (unsigned)conf_number(conf, member, "number", numbers, diags);
	task->comment = read_text(reading, member, "comment", "");
	task->created = read_text(reading, member, "created", "");
	task->active = conf_bool(conf, member, "active", true, diags);
	task->subgroups = conf_bool(conf, member, "subgroups", false, diags);
	task->priority = (int)conf_number(conf, member, "priority", priorities, diags);
	task->repetition = (enum task_repetition)policy_word(reading, member, "repetition",
							     &repetitions, REPETITION_REPEAT);
	task->automatic_restart = conf_bool(conf, member, "automatic_restart", true, diags);
	task->min_interval_s =
		(uint32_t)conf_number(conf, member, "min_interval", intervals, diags);
	task->condition = read_condition(reading, member);
	read_schedule(reading, member, task);
	task->bloodline = read_bloodline(reading, member);
	task->log_level = (enum task_log_level)policy_word(reading, member, "log_level",
							   &log_levels, TASK_LOG_INFO);
	task->discard_details = conf_bool(conf, member, "discard_details", false, diags);
	check_history(reading, member, task);
}

static void
check_unique(struct reading *reading, const struct policy_group *group,
	     const struct policy_task *task, const struct place *place)
{
	for (unsigned i = 0; i < group->n_tasks; i++) {
		const struct policy_task *other = &group->tasks[i];

		if (strcmp(other->name, task->name) == 0)
			diag_error(reading->diags, place, "group %s has two tasks named \"%s\"",
				   group->name, task->name);
		if (task->number && other->number == task->number)
			diag_error(reading->diags, place, "group %s has two tasks of number %u",
				   group->name, task->number);
	}
}

static void
read_task(struct reading *reading, struct policy_group *group, const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	struct policy_task *task = &group->tasks[group->n_tasks];

	place.tag = "tasks";
	if (!config_setting_is_group(member)) {
		diag_error(reading->diags, &place, "a task must be a group { }");
		return;
	}
	conf_check_members(reading->conf, member, task_members, COUNT(task_members),
			   reading->diags);
	*task = (struct policy_task){ .group = group,
				      .line = place.line,
				      .order = reading->policy->n_tasks++ };
	task->file = read_text(reading, member, "file", NULL);
	read_settings(reading, member, task);
	if (!task->file) {
		if (!config_setting_get_member(member, "file"))
			diag_error(reading->diags, &place, "\"file\" is missing here");
		return;
	}
	task->name = read_text(reading, member, "name", task->file);
	if (!task->name)
		return;
	check_unique(reading, group, task, &place);
	task->source = find_or_load_file(reading, task->file, &place);
	policy_read_rollout(reading, member, task, find_or_load_file);
	group->n_tasks++;
}

static bool
number_is_taken(const struct policy_group *group, unsigned number)
{
	for (unsigned i = 0; i < group->n_tasks; i++)
		if (group->tasks[i].number == number)
			return true;
	return false;
}

/* Numbers for those that the file gives none: the next free ones, in the order of the file. */
static void
number_tasks(struct reading *reading, struct policy_group *group)
{
	unsigned next = 1;
	char id[512];

	for (unsigned i = 0; i < group->n_tasks; i++) {
		struct policy_task *task = &group->tasks[i];

		while (!task->number && number_is_taken(group, next))
			next++;
		if (!task->number)
			task->number = next;
		snprintf(id, sizeof id, "g:%s:%u", group->name, task->number);
		task->id = policy_keep(reading, id);
	}
}

void
policy_read_tasks(struct reading *reading, struct policy_group *group,
		  const config_setting_t *member)
{
	const config_setting_t *list = conf_list(reading->conf, member, "tasks", reading->diags);
	int n = list ? config_setting_length(list) : 0;

	if (n == 0)
		return;
	group->tasks = arena_alloc(reading->arena, (size_t)n * sizeof *group->tasks);
	if (!group->tasks)
		return;
	for (int i = 0; i < n; i++)
		read_task(reading, group, config_setting_get_elem(list, (unsigned)i));
	assert(group->n_tasks <= (unsigned)n);
	number_tasks(reading, group);
}
