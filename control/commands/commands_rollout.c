/* A new version of a task for a part of its devices: task rollout start, show, advance, halt, abort, finish. */
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/command_settings.h"
#include "control/commands/commands.h"
#include "control/commands/policy_edit.h"
#include "control/commands/show.h"
#include "control/commands/task_place.h"
#include "control/config/conf_edit.h"
#include "control/policy/policy_rollout.h"
#include "control/runs/rollouts.h"

enum {
	XML_MAX = 4 * TASK_TEXT_MAX + 4,
	NAME_MAX_BYTES = 256,
	PERCENT_MAX = 16,
	VERSIONS_MAX = 10000
};

/* What `rollout` of a task says in groups.conf. */
struct wanted {
	const char *former, *group, *advance, *halted;
	uint32_t ppm;
	long errors, returns, within, after;
};

/* ---- the setting ---- */

static void
put_text(struct text *text, const char *name, const char *value)
{
	if (!value)
		return;
	text_printf(text, " %s = ", name);
	conf_quote(text, value);
	text_printf(text, ";");
}

static void
put_wanted(const struct wanted *wanted, struct text *text)
{
	text_printf(text, "{");
	put_text(text, "former", wanted->former);
	if (wanted->group)
		put_text(text, "group", wanted->group);
	else
		text_printf(text, " percent = %u.%04u;", wanted->ppm / 10000, wanted->ppm % 10000);
	put_text(text, "advance", wanted->advance);
	text_printf(text,
		    " since = %llu; halt_errors = %ld; halt_returns = %ld; halt_within = %ld; "
		    "halt_after = %ld;",
		    (unsigned long long)(clock_now_ms() / 1000), wanted->errors, wanted->returns,
		    wanted->within, wanted->after);
	put_text(text, "halted", wanted->halted);
	text_printf(text, " }");
}

static struct wanted
wanted_of(const struct policy_rollout *rollout)
{
	return (struct wanted){ .former = rollout->former->name,
				.group = rollout->group,
				.advance = rollout->advance,
				.halted = rollout->halted,
				.ppm = rollout->ppm,
				.errors = rollout->halt_errors,
				.returns = rollout->halt_returns,
				.within = rollout->halt_within_s,
				.after = rollout->halt_after };
}

/* The rollout's setting in the edit; `wanted` NULL: it is over. `file`: what the task runs; NULL: as it is. */
static bool
set_rollout(struct policy_edit *edit, struct edit_place place, const struct wanted *wanted,
	    const char *file)
{
	struct conf_pair pairs[2] = { { "rollout", NULL } };
	struct text rollout, quoted;
	bool good;

	text_init(&rollout);
	text_init(&quoted);
	if (wanted) {
		put_wanted(wanted, &rollout);
		pairs[0].value = text_str(&rollout);
	}
	if (file) {
		conf_quote(&quoted, file);
		pairs[1] = (struct conf_pair){ "file", text_str(&quoted) };
	}
	good = policy_edit_set(edit, place, pairs, file ? 2 : 1);
	text_fini(&rollout);
	text_fini(&quoted);
	return good;
}

/* The task of the first argument, which is in a rollout; NULL after refusing. */
static const struct policy_task *
task_in_rollout(struct call *call)
{
	const struct policy_task *task = call_task(call);

	if (task && !task->rollout) {
		call_refuse(call, CTL_REFUSED,
			    "task %s is in no rollout: `task rollout start` begins one", task->id);
		return NULL;
	}
	return task;
}

/* One edit of the task's rollout, made live. */
static void
change(struct call *call, const struct policy_task *task, const struct wanted *wanted,
       const char *file, const char *done)
{
	struct policy_edit edit;
	struct edit_place place;
	char id[ROLLOUT_TASK_ID_MAX];

	snprintf(id, sizeof id, "%s", task->id); /* the generation may go with the reload */
	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	edit.urgent = file || (wanted && wanted->halted); /* back to the former version */
	if (task_place_find(&edit, id, &place) && set_rollout(&edit, place, wanted, file))
		policy_edit_commit(&edit, "rollout of task %s %s", id, done);
	policy_edit_end(&edit);
}

/* ---- start ---- */

static bool
take_part(struct call *call, const struct policy_task *task, struct wanted *wanted)
{
	const char *percent = call_option(call, "--percent"), *count = call_option(call, "--count");
	int32_t ppm = percent ? rollout_parse_percent(percent, strlen(percent)) : 1;
	long devices = call_number(call, "--count", 1, UINT32_MAX);

	wanted->group = call_option(call, "--group");
	if ((percent != NULL) + (count != NULL) + (wanted->group != NULL) != 1)
		call_refuse(
			call, CTL_USAGE,
			"say which devices get it first: --percent N, --count N or --group NAME");
	else if (ppm < 0)
		call_refuse(call, CTL_USAGE, "--percent is above 0 and up to 100, not \"%.40s\"",
			    percent);
	else if (count && devices == 0)
		call_refuse(call, CTL_USAGE, "--count is at least 1");
	else if (wanted->group && !call_group(call, wanted->group))
		return false;
	if (call->exit != CTL_DONE)
		return false;
	wanted->ppm = (uint32_t)ppm;
	if (count) { /* by the hash, so about so many; at least one part of a million */
		generation_count_devices(call->service->generation, &call->service->inventory);
		wanted->ppm = task->devices > (unsigned long)devices
				      ? (uint32_t)((uint64_t)devices * ROLLOUT_PPM / task->devices)
				      : ROLLOUT_PPM;
		wanted->ppm += wanted->ppm == 0;
	}
	return true;
}

static bool
take_halt(struct call *call, struct wanted *wanted)
{
	struct rollout_step steps[ROLLOUT_STEPS_MAX];

	wanted->advance = call_option(call, "--advance");
	wanted->errors = call_number(call, "--halt-errors", ROLLOUT_HALT_ERRORS, 100);
	wanted->returns = call_number(call, "--halt-returns", ROLLOUT_HALT_RETURNS, 100);
	wanted->after = call_number(call, "--halt-after", ROLLOUT_HALT_AFTER, 1000000);
	if (call->exit != CTL_DONE)
		return false;
	wanted->within =
		call_seconds(call, "--halt-within", ROLLOUT_HALT_WITHIN_S, 366 * 24 * 3600);
	if (call->exit == CTL_DONE && !wanted->after)
		call_refuse(call, CTL_USAGE, "--halt-after is at least 1");
	else if (call->exit == CTL_DONE && wanted->advance &&
		 rollout_parse_steps(wanted->advance, steps) <= 0)
		call_refuse(
			call, CTL_USAGE,
			"--advance is times and rising percents, such as \"1h 10, 6h 50, 1d 100\"");
	return call->exit == CTL_DONE;
}

/* "account.r2.xml" of "account.xml" or "account.r1.xml": the first name that no file of the policy has. */
static bool
name_version(const struct policy *policy, const char *file, char name[NAME_MAX_BYTES])
{
	size_t stem = strlen(file);
	const char *dot;

	if (stem > 4 && strcmp(file + stem - 4, ".xml") == 0)
		stem -= 4;
	dot = memrchr(file, '.', stem);
	if (dot && dot[1] == 'r' && dot + 2 < file + stem &&
	    strspn(dot + 2, "0123456789") >= (size_t)(file + stem - dot - 2))
		stem = (size_t)(dot - file);
	for (unsigned i = 2; i < VERSIONS_MAX; i++) {
		const struct policy_file *other = policy->files;

		if ((size_t)snprintf(name, NAME_MAX_BYTES, "%.*s.r%u.xml", (int)stem, file, i) >=
		    NAME_MAX_BYTES)
			return false;
		while (other && strcmp(other->name, name) != 0)
			other = other->next;
		if (!other)
			return true;
	}
	return false;
}

/* The text that came becomes a file of its own, beside the former one. */
static bool
add_version(struct policy_edit *edit, const char *name)
{
	char in_folder[POLICY_EDIT_NAME];
	size_t len;
	char *text = call_read_file(edit->call, XML_MAX, &len);

	snprintf(in_folder, sizeof in_folder, "tasks/%s", name);
	return text && policy_edit_file(edit, in_folder, text, len);
}

void
command_rollout_start(struct call *call)
{
	const struct policy_task *task = call_task(call);
	struct wanted wanted = { 0 };
	char name[NAME_MAX_BYTES], id[ROLLOUT_TASK_ID_MAX], former[NAME_MAX_BYTES];
	struct policy_edit edit;
	struct edit_place place;

	if (!task)
		return;
	if (!call_option(call, "--xml")) {
		call_refuse(call, CTL_USAGE, "say what the new version is: --xml FILE");
		return;
	}
	if (task->rollout) {
		call_refuse(call, CTL_REFUSED,
			    "task %s is in a rollout: finish or abort that one first", task->id);
		return;
	}
	if (!take_part(call, task, &wanted) || !take_halt(call, &wanted))
		return;
	if (!name_version(call->service->generation->policy, task->file, name)) {
		call_refuse(call, CTL_REFUSED, "there is no name left for a version of %s",
			    task->file);
		return;
	}
	snprintf(id, sizeof id, "%s", task->id);
	snprintf(former, sizeof former, "%s", task->file);
	wanted.former = former;
	if (!policy_edit_begin(&edit, call, "groups"))
		return;
	if (task_place_find(&edit, id, &place) && add_version(&edit, name) &&
	    set_rollout(&edit, place, &wanted, name))
		policy_edit_commit(&edit, "rollout of task %s started: tasks/%s", id, name);
	policy_edit_end(&edit);
}

/* ---- advance, halt, abort, finish ---- */

void
command_rollout_advance(struct call *call)
{
	const struct policy_task *task = task_in_rollout(call);
	const char *percent = call_option(call, "--percent");
	const struct rollout_step *step = task ? rollout_next_step(task->rollout) : NULL;
	int32_t ppm = percent ? rollout_parse_percent(percent, strlen(percent))
		      : step  ? (int32_t)step->ppm
			      : 0;
	struct wanted wanted;
	char done[64];

	if (!task)
		return;
	if (ppm <= 0) {
		call_refuse(
			call, CTL_USAGE,
			percent ? "--percent is above 0 and up to 100"
				: "its schedule has no step left: say --percent N, or finish it");
		return;
	}
	wanted = wanted_of(task->rollout);
	wanted.ppm = (uint32_t)ppm;
	wanted.group = wanted.halted = NULL;
	snprintf(done, sizeof done, "advanced to %u.%04u %%", wanted.ppm / 10000,
		 wanted.ppm % 10000);
	change(call, task, &wanted, NULL, done);
}

void
command_rollout_halt(struct call *call)
{
	const struct policy_task *task = task_in_rollout(call);
	const char *why = call_option(call, "--message");
	struct wanted wanted;

	if (!task)
		return;
	wanted = wanted_of(task->rollout);
	wanted.halted = why && *why ? why : "by hand";
	change(call, task, &wanted, NULL, "halted: all devices get the former version");
}

void
command_rollout_abort(struct call *call)
{
	const struct policy_task *task = task_in_rollout(call);
	char former[NAME_MAX_BYTES];

	if (!task)
		return;
	snprintf(former, sizeof former, "%s", task->rollout->former->name);
	change(call, task, NULL, former, "aborted: all devices get the former version");
}

void
command_rollout_finish(struct call *call)
{
	const struct policy_task *task = task_in_rollout(call);

	if (task)
		change(call, task, NULL, NULL, "finished: all devices get the new version");
}

/* ---- show ---- */

static void
put_counts(struct table *table, json_t *result, const char *name, const char *file,
	   const struct rollout_counts *counts)
{
	table_cell(table, "%s", name);
	table_cell(table, "%s", file);
	table_cell(table, "%llu", (unsigned long long)counts->runs);
	table_cell(table, "%llu", (unsigned long long)counts->errors);
	table_cell(table, "%llu", (unsigned long long)counts->returns);
	json_object_set_new(result, name,
			    json_pack("{s:s, s:I, s:I, s:I}", "file", file, "runs",
				      (json_int_t)counts->runs, "errors",
				      (json_int_t)counts->errors, "returns",
				      (json_int_t)counts->returns));
}

static json_t *
rollout_json(const struct policy_task *task)
{
	const struct policy_rollout *rollout = task->rollout;
	const char *halted = rollout->halted ? rollout->halted : "";

	return json_pack("{s:s, s:s, s:f, s:s, s:s, s:s, s:s, s:I}", "task", task->id, "name",
			 task->name, "percent", rollout->group ? 0.0 : rollout->ppm / 10000.0,
			 "group", rollout->group ? rollout->group : "", "advance",
			 rollout->advance ? rollout->advance : "", "halted", halted, "cause",
			 *halted ? rollout_cause(halted) : "", "since",
			 (json_int_t)rollout->since_s);
}

static void
put_part(const struct policy_rollout *rollout, struct text *text)
{
	const struct rollout_step *next = rollout_next_step(rollout);
	char time[SHOW_TIME_MAX];

	if (rollout->halted)
		text_show(text, "halted, nobody gets the new version: %s\n", rollout->halted);
	else if (rollout->group)
		text_show(text, "devices of group %s get the new version\n", rollout->group);
	else
		text_show(text, "%u.%04u %% of the devices get the new version\n",
			  rollout->ppm / 10000, rollout->ppm % 10000);
	if (next && !rollout->halted)
		text_show(text,
			  "next: %u.%04u %%, not before %s, after %u runs of the new version\n",
			  next->ppm / 10000, next->ppm % 10000,
			  show_time(1000 * (rollout->since_s + next->after_s), time),
			  rollout->halt_after);
}

void
command_rollout_show(struct call *call)
{
	const struct policy_task *task = task_in_rollout(call);
	const struct rollout *rollout;
	struct table table;

	if (!task)
		return;
	rollout = rollouts_of(&call->service->rollouts, task);
	call->result = rollout_json(task);
	put_part(task->rollout, &call->text);
	if (!rollout)
		return;
	table_init(&table, "version|file|runs|errors|came back");
	put_counts(&table, call->result, "new", task->file, &rollout->new);
	put_counts(&table, call->result, "former", task->rollout->former->name, &rollout->former);
	table_finish(&table, &call->text);
	text_show(&call->text,
		  "halts by itself from %u runs on, with %u %% more errors, or %u %% more devices "
		  "that "
		  "come back within %u s\n",
		  task->rollout->halt_after, task->rollout->halt_errors,
		  task->rollout->halt_returns, task->rollout->halt_within_s);
}

/* ---- in status, beside a task and its reports ---- */

void
show_rollout(struct call *call, const struct policy_task *task)
{
	if (!task->rollout)
		return;
	text_show(&call->text, "rollout of task %s: ", task->id);
	put_part(task->rollout, &call->text);
}

void
show_rollouts(struct call *call)
{
	const struct policy *policy = call->service->generation->policy;
	json_t *list = json_array();

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++) {
			const struct policy_task *task = &policy->groups[i].tasks[k];

			show_rollout(call, task);
			if (task->rollout)
				json_array_append_new(list, rollout_json(task));
		}
	json_object_set_new(call->result, "rollouts", list);
}

void
show_halted(struct call *call, const char *wanted)
{
	const struct policy *policy = call->service->generation->policy;
	json_t *list = json_array();

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++) {
			const struct policy_task *task = &policy->groups[i].tasks[k];

			if (!task->rollout || !task->rollout->halted ||
			    (wanted && strcmp(wanted, task->id) != 0 &&
			     strcmp(wanted, task->name) != 0))
				continue;
			show_rollout(call, task);
			json_array_append_new(list, rollout_json(task));
		}
	if (json_array_size(list))
		json_object_set(call->result, "halted", list);
	json_decref(list);
}
