/* Files and what is made of them: check, reload, tasks. */
#include <stdio.h>
#include <string.h>

#include "control/commands.h"
#include "control/reload.h"

/* Refused: what was to be said goes to standard error, so that `--json` and scripts find it. */
static void
finish_checked(struct call *call, int status)
{
	if (status == 0)
		return;
	call->exit = CTL_REFUSED;
	text_put(&call->error, text_str(&call->text), call->text.len);
	text_fini(&call->text);
}

void
command_check(struct call *call)
{
	const char *file = call->arguments[0] ? call->arguments[0] : call->daemon->config->file;

	finish_checked(call, reload_check(file, &call->text, &call->result));
}

void
command_reload(struct call *call)
{
	finish_checked(call, reload_run(call->daemon, &call->text, &call->result));
}

void
command_task_check(struct call *call)
{
	const struct objects *objects = call->daemon->generation->objects;
	struct diag_list diags;
	struct task *task;

	diag_list_init(&diags);
	task = task_load_file(call->arguments[0], objects, &diags);
	reload_put_diags(&diags, &call->text);
	if (task)
		text_printf(&call->text, "%s: good\n", call->arguments[0]);
	call->result = json_pack("{s:b, s:o}", "good", task != NULL, "diagnostics",
				 reload_json_diags(&diags));
	finish_checked(call, task ? 0 : -1);
	if (task)
		task_free(task);
	diag_list_fini(&diags);
}

static const char *const status_keys[REPORT_STATUSES] = {
	[TASK_NOT_STARTED] = "not_started",
	[TASK_IN_PROGRESS] = "in_progress",
	[TASK_SUCCESS] = "success",
	[TASK_WARNING] = "warning",
	[TASK_ERROR] = "error",
};

static json_t *
task_json(const struct policy_task *task, const uint64_t counts[REPORT_STATUSES])
{
	json_t *statuses = json_object();

	for (unsigned i = 0; i < REPORT_STATUSES; i++)
		json_object_set_new(statuses, status_keys[i], json_integer((json_int_t)counts[i]));
	return json_pack("{s:s, s:s, s:b, s:b, s:i, s:s, s:s, s:i, s:o}", "group",
			 task->group->name, "id", task->id, "active", task->active, "subgroups",
			 task->subgroups, "priority", task->priority, "name", task->name, "file",
			 task->file, "devices", (int)task->devices, "reports", statuses);
}

static void
put_task(const struct daemon *daemon, const struct policy_task *task, struct table *table,
	 json_t *list)
{
	const uint64_t *counts = daemon->reports.tasks[task->report].counts;

	table_cell(table, "%s", task->group->name);
	table_cell(table, "%s", task->id);
	table_cell(table, "%s", task->active ? "yes" : "no");
	table_cell(table, "%d", task->priority);
	table_cell(table, "%s", task->name);
	table_cell(table, "%u", task->devices);
	for (unsigned i = TASK_IN_PROGRESS; i < REPORT_STATUSES; i++)
		table_cell(table, "%llu", (unsigned long long)counts[i]);
	json_array_append_new(list, task_json(task, counts));
}

void
command_task_list(struct call *call)
{
	const struct policy *policy = call->daemon->generation->policy;
	const char *wanted = call_option(call, "--group");
	json_t *list = json_array();
	struct table table;

	if (wanted && !policy_group(policy, wanted, strlen(wanted))) {
		const char *nearest = policy_nearest_group(policy, wanted);

		call_refuse(call, CTL_REFUSED, "there is no group \"%s\"%s%s%s", wanted,
			    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			    nearest ? "\"?" : "");
		json_decref(list);
		return;
	}
	generation_count_devices(call->daemon->generation, &call->daemon->inventory);
	table_init(&table,
		   "group|id|active|priority|name|devices|in progress|success|warning|error");
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			if (!wanted || strcmp(wanted, policy->groups[i].name) == 0)
				put_task(call->daemon, &policy->groups[i].tasks[k], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "tasks", list);
}
