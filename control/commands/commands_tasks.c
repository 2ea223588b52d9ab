/* The tasks of groups: task list, show, source. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/page.h"
#include "control/commands/show.h"
#include "control/commands/task_secret.h"
#include "control/config/conf_text.h"
#include "control/config/diag_text.h"

static const char *const status_keys[REPORT_STATUSES] = {
	[TASK_NOT_STARTED] = "not_started",
	[TASK_IN_PROGRESS] = "in_progress",
	[TASK_SUCCESS] = "success",
	[TASK_WARNING] = "warning",
	[TASK_ERROR] = "error",
	[TASK_REGISTERED] = "registered",
};

/* All tasks are written in XML; the column is the original's. */
static const char task_type[] = "XML";

static json_t *
reports_json(const struct service *service, const struct policy_task *task)
{
	const uint64_t *counts = service->reports.tasks[task->report].counts;
	json_t *statuses = json_object();

	for (unsigned i = 0; i < REPORT_STATUSES; i++)
		json_object_set_new(statuses, status_keys[i], json_integer((json_int_t)counts[i]));
	return statuses;
}

/* How each version of its text did, the oldest first. */
static json_t *
versions_json(const struct service *service, const struct policy_task *task)
{
	const struct task_versions *versions =
		version_counts_of(&service->version_counts, task->report);
	json_t *list = json_array();

	for (unsigned i = 0; versions && i < versions->n; i++) {
		const struct version_count *version = &versions->items[i];

		json_array_append_new(list,
				      json_pack("{s:I, s:s, s:I, s:I, s:I}", "since_version",
						(json_int_t)version->since, "file", version->file,
						"runs", (json_int_t)version->counts.runs, "errors",
						(json_int_t)version->counts.errors, "came_back",
						(json_int_t)version->counts.returns));
	}
	return list;
}

static void
put_versions(const struct service *service, const struct policy_task *task, struct text *text)
{
	const struct task_versions *versions =
		version_counts_of(&service->version_counts, task->report);
	struct table table;

	if (!versions)
		return;
	table_init(&table, "since policy version|file|runs|errors|came back");
	for (unsigned i = 0; i < versions->n; i++) {
		const struct version_count *version = &versions->items[i];

		table_cell(&table, "%u", version->since);
		table_cell(&table, "%s", version->file);
		table_cell(&table, "%llu", (unsigned long long)version->counts.runs);
		table_cell(&table, "%llu", (unsigned long long)version->counts.errors);
		table_cell(&table, "%llu", (unsigned long long)version->counts.returns);
	}
	table_finish(&table, text);
}

static json_t *
task_json(const struct service *service, const struct policy_task *task)
{
	json_t *json = json_pack("{s:s, s:s, s:b, s:b, s:i, s:s, s:s, s:i, s:o}", "group",
				 task->group->name, "id", task->id, "active", task->active,
				 "subgroups", task->subgroups, "priority", task->priority, "name",
				 task->name, "file", task->file, "devices", (int)task->devices,
				 "reports", reports_json(service, task));
	json_t *settings = json_pack(
		"{s:s, s:s, s:b, s:s?, s:I, s:s?, s:s?, s:s, s:b, s:s, s:s, s:b}", "type",
		task_type, "repetition", task_repetition_names[task->repetition],
		"automatic_restart", task->automatic_restart, "condition",
		task->condition ? task->condition->text : NULL, "min_interval",
		(json_int_t)task->min_interval_s, "schedule", task->schedule_text, "bloodline",
		task->bloodline, "log_level", task_log_level_names[task->log_level],
		"discard_details", task->discard_details, "created", task->created, "comment",
		task->comment, "per_session", task->source->session);

	json_object_set_new(json, "came_back",
			    json_integer((json_int_t)service->reports.tasks[task->report].returns));
	json_object_set_new(json, "versions", versions_json(service, task));
	json_object_update_missing(json, settings);
	json_decref(settings);
	return json;
}

static void
put_task(const struct service *service, const struct policy_task *task, struct table *table,
	 json_t *list)
{
	const uint64_t *counts = service->reports.tasks[task->report].counts;

	/* The id names the group, and each task's type is XML: both are left to --json. */
	table_cell(table, "%s", task->id);
	table_cell(table, "%s", task->name);
	table_cell(table, "%s", task->active ? "yes" : "no");
	table_cell(table, "%s", task_repetition_names[task->repetition]);
	table_cell(table, "%d", task->priority);
	table_cell(table, "%u", task->devices);
	for (unsigned i = TASK_IN_PROGRESS; i < REPORT_STATUSES; i++)
		table_cell(table, "%llu", (unsigned long long)counts[i]);
	table_cell(table, "%s", task->created);
	table_cell(table, "%s", task->comment);
	json_array_append_new(list, task_json(service, task));
}

/* By their groups' names, then by number. */
static int
by_id(const void *a, const void *b)
{
	const struct policy_task *const *left = a, *const *right = b;
	int groups = strcmp((*left)->group->name, (*right)->group->name);

	return groups ? groups
		      : ((*left)->number > (*right)->number) - ((*left)->number < (*right)->number);
}

/* Whether the task comes before the place "GROUP:NUMBER". */
static bool
is_before(const struct policy_task *task, const char *place)
{
	size_t len = strcspn(place, ":");
	int groups = strncmp(task->group->name, place, len);

	if (!groups && task->group->name[len])
		groups = 1;
	return groups ? groups < 0
		      : place[len] && task->number < strtoul(place + len + 1, NULL, 10);
}

/* Those of a group, or of all, from the slice's beginning on. NULL: out of memory, and refused. */
static const struct policy_task **
tasks_from(const struct page *page, const struct policy_group *wanted, unsigned *n)
{
	const struct policy *policy = page->call->service->generation->policy;
	const struct policy_task **found = calloc(policy->n_tasks + 1, sizeof *found);

	*n = 0;
	if (!found) {
		call_refuse(page->call, CTL_REFUSED, "out of memory");
		return NULL;
	}
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			if ((!wanted || wanted == &policy->groups[i]) &&
			    !is_before(&policy->groups[i].tasks[k], page->from_name))
				found[(*n)++] = &policy->groups[i].tasks[k];
	qsort(found, *n, sizeof *found, by_id);
	return found;
}

/* Where a list of tasks goes on. */
static const char *
place_of(const struct policy_task *task)
{
	return task->id + strlen("g:");
}

void
command_task_list(struct call *call)
{
	const char *wanted = call_option(call, "--group");
	const struct policy_group *group = wanted ? call_group(call, wanted) : NULL;
	const struct policy_task **found;
	unsigned n, i;
	struct table table;
	struct page page;
	json_t *list;

	if (call->exit != CTL_DONE || !page_begin_names(&page, call, PAGE_ALL))
		return;
	found = tasks_from(&page, group, &n);
	if (!found)
		return;
	if (page_is_first(&page))
		generation_count_devices(call->service->generation, &call->service->inventory);
	list = json_array();
	page_table(&page, &table,
		   "task|~name|active|repetition:5|priority:6|devices|in progress:4|success:2|"
		   "warning:3|error:1|registered:9|created:8|~comment:7");
	for (i = 0; i < n && !page_full(&page); i++)
		if (page_shows_name(&page, place_of(found[i])))
			put_task(call->service, found[i], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "tasks", list);
	page_finish_name(&page, i < n ? place_of(found[i]) : NULL);
	free(found);
}

/* --- one task --- */

static void
put_row(struct table *table, const char *name, const char *value)
{
	table_cell(table, "%s", name);
	table_cell(table, "%s", value);
}

static void
put_settings(const struct policy_task *task, struct text *text)
{
	struct table table;

	table_init(&table, "setting|~value");
	put_row(&table, "name", task->name);
	put_row(&table, "file", task->file);
	put_row(&table, "active", task->active ? "yes" : "no");
	put_row(&table, "subgroups", task->subgroups ? "yes" : "no");
	table_cell(&table, "priority");
	table_cell(&table, "%d", task->priority);
	put_row(&table, "repetition", task_repetition_names[task->repetition]);
	put_row(&table, "automatic restart", task->automatic_restart ? "yes" : "no");
	put_row(&table, "condition", task->condition ? task->condition->text : "always");
	table_cell(&table, "minimum interval");
	table_cell(&table, "%u s", task->min_interval_s);
	put_row(&table, "schedule", task->schedule ? task->schedule_text : "always");
	put_row(&table, "bloodline", task->bloodline ? task->bloodline : "none");
	put_row(&table, "log level", task_log_level_names[task->log_level]);
	put_row(&table, "discard details", task->discard_details ? "yes" : "no");
	put_row(&table, "created", task->created);
	put_row(&table, "comment", task->comment);
	table_finish(&table, text);
}

/* Where the steps go. */
struct description {
	struct text *text;
	json_t *list;
};

static void
put_step(void *ctx, const struct task_tag_line *line)
{
	struct description *description = ctx;
	json_t *attributes = json_object();

	text_show(description->text, "%4u  %*s%s", line->line, (int)line->depth * 2, "",
		  line->name);
	for (unsigned i = 0; i < line->n_attributes; i++) {
		struct text shown;

		task_secret_mask(line, i, &shown);
		text_show(description->text, " %s=\"%s\"", line->attributes[i].name,
			  text_str(&shown));
		json_object_set_new(attributes, line->attributes[i].name,
				    show_json(text_str(&shown), shown.len));
		text_fini(&shown);
	}
	text_put(description->text, "\n", 1);
	json_array_append_new(description->list,
			      json_pack("{s:s, s:i, s:i, s:o}", "tag", line->name, "depth",
					(int)line->depth, "line", (int)line->line, "attributes",
					attributes));
}

void
command_task_show(struct call *call)
{
	const struct policy_task *task =
		policy_task_find(call->service->generation->policy, call->arguments[0]);
	const uint64_t *counts;
	struct description description = { .text = &call->text };

	if (!task) {
		call_refuse_task(call, call->arguments[0]);
		return;
	}
	generation_count_devices(call->service->generation, &call->service->inventory);
	counts = call->service->reports.tasks[task->report].counts;
	text_show(&call->text, "%s of group %s: %u device%s", task->id, task->group->name,
		  task->devices, PLURAL(task->devices));
	for (unsigned i = TASK_IN_PROGRESS; i < REPORT_STATUSES; i++)
		text_show(&call->text, ", %llu %s", (unsigned long long)counts[i],
			  task_status_name((enum task_status)i));
	text_show(&call->text, "\n");
	if (call->service->reports.tasks[task->report].returns)
		text_show(&call->text,
			  "%llu times a device came back within a minute though it had gone well\n",
			  (unsigned long long)call->service->reports.tasks[task->report].returns);
	show_rollout(call, task);
	put_versions(call->service, task, &call->text);
	text_show(&call->text, "\n");
	put_settings(task, &call->text);
	text_show(&call->text, "\ntasks/%s%s\n", task->file,
		  task->source->session ? ", compiled anew for every session" : "");
	description.list = json_array();
	task_describe(task->source->task, put_step, &description);
	call->result = task_json(call->service, task);
	json_object_set_new(call->result, "steps", description.list);
}

/* --- its text --- */

enum { XML_MAX = 4 * TASK_TEXT_MAX + 4, PATH_BYTES = 4096 };

/* False after refusing: the text holds a secret, or is no good task, so that nobody can tell. */
static bool
may_be_shown(struct call *call, const char *path, const char *text, size_t len)
{
	uint32_t line;

	if (!call->request || !call->request->console)
		return true;
	if (!task_secret_find(path, text, len, call->service->generation->objects, &line)) {
		call_refuse(call, CTL_REFUSED,
			    "%s is no good task, so what is secret in it cannot be told: mend it on the "
			    "appliance",
			    path);
		return false;
	}
	if (line)
		call_refuse(call, CTL_REFUSED,
			    "%s:%u: a secret stands there in the clear, so the file is not shown here: "
			    "make it a secret setting value, or edit the file on the appliance",
			    path, (unsigned)line);
	return !line;
}

static void
show_source(struct call *call, const char *file)
{
	struct diag_list diags;
	char path[PATH_BYTES];
	size_t len;
	char *text;

	diag_list_init(&diags);
	snprintf(path, sizeof path, "%s/tasks/%s", call->service->config->policy, file);
	text = conf_file_read(path, XML_MAX, &len, &diags);
	if (!text) {
		diag_text_put(&diags, &call->error);
		call->exit = CTL_REFUSED;
	} else if (may_be_shown(call, path, text, len)) {
		text_put(&call->text, text, len);
		call->result = json_pack("{s:s, s:o}", "file", file, "xml", show_json(text, len));
	}
	if (text)
		explicit_bzero(text, len);
	free(text);
	diag_list_fini(&diags);
}

void
command_task_source(struct call *call)
{
	const struct policy_task *task =
		policy_task_find(call->service->generation->policy, call->arguments[0]);

	if (task)
		show_source(call, task->file);
	else
		call_refuse_task(call, call->arguments[0]);
}
