/* Changes of group tasks: task add, edit, copy, pause, resume, remove. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/commands/command_settings.h"
#include "control/commands/commands.h"
#include "control/commands/policy_edit.h"
#include "control/commands/task_place.h"

static const struct setting_option options[] = {
	{ "--name", "name", SETTING_TEXT },
	{ "--file", "file", SETTING_TEXT },
	{ "--active", "active", SETTING_SWITCH },
	{ "--subgroups", "subgroups", SETTING_SWITCH },
	{ "--priority", "priority", SETTING_NUMBER },
	{ "--repetition", "repetition", SETTING_TEXT },
	{ "--automatic-restart", "automatic_restart", SETTING_SWITCH },
	{ "--condition", "condition", SETTING_TEXT },
	{ "--min-interval", "min_interval", SETTING_SECONDS },
	{ "--schedule", "schedule", SETTING_TEXT },
	{ "--bloodline", "bloodline", SETTING_TEXT },
	{ "--log-level", "log_level", SETTING_TEXT },
	{ "--discard-details", "discard_details", SETTING_SWITCH },
	{ "--comment", "comment", SETTING_TEXT },
};
enum {
	OPTIONS = sizeof options / sizeof options[0],
	XML_MAX = 4 * TASK_TEXT_MAX + 4, /* bytes, as UTF-8 */
	STAMP_MAX = 32,
	NUMBER_MAX = 16,
};

/* Writes down the numbers that the file leaves open, so that they stay when a task goes. */
static bool
pin_numbers(struct policy_edit *edit, int element)
{
	bool good = true;

	for (int i = 0; good && i < task_place_count(edit, element); i++) {
		struct edit_place place = { element, i };
		char number[NUMBER_MAX];
		struct conf_pair pair = { "number", number };

		if (task_place_said(edit, place))
			continue;
		snprintf(number, sizeof number, "%d", task_place_number(edit, place));
		good = policy_edit_set(edit, place, &pair, 1);
	}
	return good;
}

/* A number of its own, and when. */
static void
put_birth(struct command_settings *settings, const struct policy_edit *edit, int element)
{
	char number[NUMBER_MAX], created[STAMP_MAX];
	time_t now = (time_t)(clock_now_ms() / 1000);
	struct tm tm;

	snprintf(number, sizeof number, "%d", task_place_highest(edit, element) + 1);
	strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	command_settings_plain(settings, "number", number);
	command_settings_text(settings, "created", created);
}

/* --- the file --- */

/* What the file is called in tasks/; NULL, and the call refused. */
static const char *
name_file(struct call *call)
{
	const char *name = call_option(call, "--as");
	const char *slash = strrchr(call->arguments[0], '/');

	if (!name)
		name = slash ? slash + 1 : call->arguments[0];
	if (policy_file_name_is_good(name) && strcmp(name, "-") != 0)
		return name;
	call_refuse(call, CTL_USAGE, "\"%.80s\" is no name for a file in tasks/: say --as NAME",
		    name);
	return NULL;
}

/* False, and the call refused, when another text has the name already. */
static bool
add_file(struct policy_edit *edit, const char *name, char *text, size_t len)
{
	char in_folder[POLICY_EDIT_NAME];
	const struct edited_file *file = &edit->files[edit->n_files];

	snprintf(in_folder, sizeof in_folder, "tasks/%s", name);
	if (!policy_edit_file(edit, in_folder, text, len))
		return false;
	if (!file->old || call_option(edit->call, "--replace") ||
	    (file->old_len == len && memcmp(file->old, text, len) == 0))
		return true;
	call_refuse(
		edit->call, CTL_REFUSED,
		"%s is there and says something else: say --replace to change it for every task "
		"that runs it, or --as NAME",
		in_folder);
	return false;
}

/* --- commands --- */

/* A new last task of the group; the result tells its id. */
static void
add_task(struct policy_edit *edit, struct command_settings *settings, const char *group)
{
	int element = policy_edit_find_group(edit, group);
	char id[POLICY_EDIT_NAME];

	if (element < 0)
		return;
	snprintf(id, sizeof id, "g:%s:%d", group, task_place_highest(edit, element) + 1);
	put_birth(settings, edit, element);
	if (!policy_edit_append(edit, element, settings->pairs, settings->count))
		return;
	policy_edit_commit(edit, "task %s added", id);
	if (edit->call->exit == CTL_DONE)
		json_object_set_new(edit->call->result, "id", json_string(id));
}

void
command_task_add(struct call *call)
{
	const char *group = call_option(call, "--group"), *name = name_file(call);
	struct command_settings settings;
	struct policy_edit edit;
	size_t len;
	char *text;

	if (!name)
		return;
	if (!group) {
		call_refuse(call, CTL_USAGE, "say which group's task it shall be: --group NAME");
		return;
	}
	if (call_option(call, "--file")) {
		call_refuse(call, CTL_USAGE, "the file is the one that is sent: name it by --as");
		return;
	}
	command_settings_init(&settings);
	command_settings_text(&settings, "file", name);
	text = command_settings_take(&settings, call, options, OPTIONS)
		       ? call_read_file(call, XML_MAX, &len)
		       : NULL;
	if (text && !policy_edit_begin(&edit, call, "groups")) {
		explicit_bzero(text, len);
		free(text);
	} else if (text) {
		if (add_file(&edit, name, text, len))
			add_task(&edit, &settings, group);
		policy_edit_end(&edit);
	}
	command_settings_fini(&settings);
}

/* The file of the task gets the text that was sent. False, and the call refused, where it cannot. */
static bool
change_file(struct policy_edit *edit, struct edit_place place)
{
	const char *file = task_place_file(edit, place);
	char in_folder[POLICY_EDIT_NAME];
	size_t len;
	char *text;

	if (!call_option(edit->call, "--xml"))
		return true;
	if (!file) {
		call_refuse(edit->call, CTL_REFUSED, "the task says no file");
		return false;
	}
	snprintf(in_folder, sizeof in_folder, "tasks/%s", file);
	text = call_read_file(edit->call, XML_MAX, &len);
	return text && policy_edit_file(edit, in_folder, text, len);
}

static void
edit_task(struct call *call, const struct command_settings *settings, const char *done)
{
	struct policy_edit edit;
	struct edit_place place;

	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	if (task_place_find(&edit, call->arguments[0], &place) &&
	    (!settings->count ||
	     policy_edit_set(&edit, place, settings->pairs, settings->count)) &&
	    change_file(&edit, place))
		policy_edit_commit(&edit, "task %s %s", call->arguments[0], done);
	policy_edit_end(&edit);
}

void
command_task_edit(struct call *call)
{
	struct command_settings settings;

	command_settings_init(&settings);
	if (command_settings_take(&settings, call, options, OPTIONS)) {
		if (settings.count || call_option(call, "--xml"))
			edit_task(call, &settings, "changed");
		else
			call_refuse(call, CTL_USAGE,
				    "say what to change: `help task edit` lists it");
	}
	command_settings_fini(&settings);
}

static void
set_active(struct call *call, bool active)
{
	struct command_settings settings;

	command_settings_init(&settings);
	command_settings_plain(&settings, "active", active ? "true" : "false");
	edit_task(call, &settings, active ? "resumed" : "paused");
	command_settings_fini(&settings);
}

void
command_task_pause(struct call *call)
{
	set_active(call, false);
}

void
command_task_resume(struct call *call)
{
	set_active(call, true);
}

/* A member as it is, in another task; `name` outlives the text that it stands in. */
static void
copy_member(const config_setting_t *member, const char *name, struct command_settings *settings)
{
	char number[24];

	switch (config_setting_type(member)) {
	case CONFIG_TYPE_STRING:
		command_settings_text(settings, name, config_setting_get_string(member));
		break;
	case CONFIG_TYPE_BOOL:
		command_settings_plain(settings, name,
				       config_setting_get_bool(member) ? "true" : "false");
		break;
	case CONFIG_TYPE_INT:
		snprintf(number, sizeof number, "%d", config_setting_get_int(member));
		command_settings_plain(settings, name, number);
		break;
	default:
		break; /* no task has another one: the file would not be served */
	}
}

/* All but its number, and its name where the copy gets another. */
static void
copy_members(const config_setting_t *task, const char *name, struct command_settings *settings)
{
	for (unsigned i = 0; i < OPTIONS && config_setting_is_group(task); i++) {
		const config_setting_t *member = config_setting_get_member(task, options[i].name);

		if (member && !(name && strcmp(options[i].name, "name") == 0))
			copy_member(member, options[i].name, settings);
	}
	if (name)
		command_settings_text(settings, "name", name);
}

void
command_task_copy(struct call *call)
{
	const char *group = call_option(call, "--group");
	struct command_settings settings;
	struct policy_edit edit;
	struct edit_place place;

	if (!group) {
		call_refuse(call, CTL_USAGE, "say which group's task it shall be: --group NAME");
		return;
	}
	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	command_settings_init(&settings);
	if (task_place_find(&edit, call->arguments[0], &place)) {
		copy_members(task_place_setting(&edit, place), call_option(call, "--name"), &settings);
		add_task(&edit, &settings, group);
	}
	command_settings_fini(&settings);
	policy_edit_end(&edit);
}

/* How many tasks of all groups run a file. */
static unsigned
count_users(const struct policy_edit *edit, const char *file)
{
	unsigned users = 0;

	for (int i = 0; policy_edit_setting(edit, i); i++)
		for (int k = 0; k < task_place_count(edit, i); k++) {
			const char *other = task_place_file(edit, (struct edit_place){ i, k });

			users += other && strcmp(other, file) == 0;
		}
	return users;
}

/* The file goes, too, where that is asked for. */
static bool
remove_file(struct policy_edit *edit, struct edit_place place)
{
	const char *file = task_place_file(edit, place);
	char in_folder[POLICY_EDIT_NAME];

	if (!call_option(edit->call, "--with-file") || !file)
		return true;
	if (count_users(edit, file) > 1) {
		call_refuse(edit->call, CTL_REFUSED, "other tasks run tasks/%s, too: it must stay",
			    file);
		return false;
	}
	snprintf(in_folder, sizeof in_folder, "tasks/%s", file);
	return policy_edit_file(edit, in_folder, NULL, 0);
}

void
command_task_remove(struct call *call)
{
	struct policy_edit edit;
	struct edit_place place;

	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	if (task_place_find(&edit, call->arguments[0], &place) && remove_file(&edit, place) &&
	    pin_numbers(&edit, place.element) && policy_edit_remove(&edit, place))
		policy_edit_commit(&edit, "task %s removed", call->arguments[0]);
	policy_edit_end(&edit);
}
