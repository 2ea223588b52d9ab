/* What a device would be sent, decoded, without sending it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/show.h"
#include "control/config/diag_text.h"
#include "tasks/content/decode.h"
#include "tasks/content/describe.h"

enum { STEP_TEXT_MAX = 1 << 16, XML_MAX = 4 * TASK_TEXT_MAX + 4 };

/* What becomes of the device's tasks, as rows and as JSON. */
struct preview {
	struct table table;
	json_t *list;
};

static void
put_task(struct preview *preview, const struct policy_task *task, const char *state,
	 unsigned n_steps, const char *summary)
{
	table_cell(&preview->table, "%s", task->id);
	table_cell(&preview->table, "%s", task->name);
	table_cell(&preview->table, "%s", state);
	table_cell(&preview->table, "%u", n_steps);
	table_cell(&preview->table, "%s", summary);
	json_array_append_new(preview->list,
			      json_pack("{s:s, s:s, s:s, s:i, s:o}", "id", task->id, "name",
					task->name, "state", state, "steps", (int)n_steps,
					"summary", show_json(summary, strlen(summary))));
}

/* Tasks that would apply, did an operator not hold them back; of a parent's that are not for groups
 * below, and of a bloodline's others, `why` tells. */
static void
put_paused(void *ctx, const struct held_task *held)
{
	if (held->why == TASK_HELD_PAUSED)
		put_task(ctx, held->task, "paused", 0, "`task resume` lets it run");
}

static void
put_plan(struct call *call, const struct plan *plan, const struct task_set *set)
{
	struct preview preview = { .list = json_array() };

	table_init(&preview.table, "task|~name:2|state|steps:1|~summary");
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		const struct plan_task *task = &plan->tasks[i];
		const char *state = task->state == PLAN_SENT       ? "would be sent"
				    : task->state == PLAN_LEFT_OUT ? "not now"
								   : task_status_name(task->status);

		put_task(&preview, task->task, state, task->n_steps,
			 task->summary ? task->summary : "");
	}
	if (set)
		task_set_each_held(set, put_paused, &preview);
	table_finish(&preview.table, &call->text);
	json_object_set_new(call->result, "tasks", preview.list);
}

static void
put_steps(struct call *call, const struct batch *batch)
{
	json_t *list = json_array();
	char *text = malloc(STEP_TEXT_MAX);

	for (unsigned i = 0; text && batch && i < batch->n_steps; i++) {
		batch_step_describe(batch->steps[i], call->service->generation->objects, text,
				    STEP_TEXT_MAX);
		text_show(&call->text, "%u. ", i + 1);
		text_put(&call->text, text, strlen(text));
		json_array_append_new(list, show_json(text, strlen(text)));
	}
	if (batch && batch->continues)
		text_show(&call->text, "... what follows depends on the answer to step %u\n",
			  batch->n_steps);
	free(text);
	json_object_set_new(call->result, "steps", list);
}

/* What the device would be sent, of its own tasks or of the one that is tried. */
static void
show_run(struct call *call, const struct device *device, struct run_request *request)
{
	struct run_memory memory;
	struct device_run run;

	request->memory = &memory;
	run_memory_init(&memory);
	if (device_run_make(call->service, request, &run) < 0) {
		call_refuse(call, CTL_REFUSED, "out of memory");
	} else {
		call->result = json_pack("{s:s, s:i, s:b}", "endpoint", call->arguments[0], "format",
					 (int)request->format, "continues",
					 run.batch && run.batch->continues);
		put_plan(call, run.plan,
			 request->trial ? NULL
					: generation_task_set(call->service->generation,
							      &call->service->inventory,
							      device->groups));
		if (!run.batch)
			text_printf(&call->text, "nothing would be sent: a request is refused\n");
		put_steps(call, run.batch);
		device_run_free(&call->service->plans, &run);
	}
	run_memory_fini(&memory);
}

/* The text as a task of root that every session runs. */
static void
show_trial(struct call *call, const struct device *device, struct run_request *request,
	   struct task *task)
{
	const struct generation *generation = call->service->generation;
	const struct policy_file file = { .name = "(sent)", .task = task };
	const struct policy_task tried = { .group = policy_group(generation->policy, "root", 4),
					   .id = "(sent)",
					   .name = "(sent)",
					   .active = true,
					   .created = "",
					   .source = &file };
	struct run_trial trial = { &tried,
				   compiler_new(generation->objects, generation->number) };

	request->trial = &trial;
	if (trial.compiler)
		show_run(call, device, request);
	else
		call_refuse(call, CTL_REFUSED, "out of memory");
	compiler_free(trial.compiler);
}

static void
try_text(struct call *call, const struct device *device, struct run_request *request)
{
	struct diag_list diags;
	struct task *task;
	size_t len;
	char *text = call_read_file(call, XML_MAX, &len);

	if (!text)
		return;
	diag_list_init(&diags);
	task = task_load("(sent)", text, len, call->service->generation->objects, &diags);
	if (task) {
		show_trial(call, device, request, task);
		task_free(task);
	} else {
		diag_text_put(&diags, &call->error);
		call->result = json_pack("{s:o}", "diagnostics", diag_text_json(&diags));
		call->exit = CTL_REFUSED;
	}
	diag_list_fini(&diags);
	explicit_bzero(text, len);
	free(text);
}

void
command_task_preview(struct call *call)
{
	const struct device *device = call_device(call);
	struct run_request request = { .device = device, .preview = true };
	long format;

	if (!device)
		return;
	format = call_number(call, "--format", device->format, UINT16_MAX);
	if (call->exit != CTL_DONE)
		return;
	if (format != FORMAT_TLV && format != FORMAT_SENML_JSON && format != FORMAT_SENML_CBOR &&
	    format != FORMAT_LWM2M_CBOR) {
		call_refuse(
			call, CTL_USAGE,
			"--format must be 11542 (TLV), 110 or 112 (SenML), or 11544 (LwM2M CBOR)");
		return;
	}
	request.format = (uint16_t)format;
	request.regardless = call_option(call, "--regardless") != NULL;
	if (call_option(call, "--xml"))
		try_text(call, device, &request);
	else
		show_run(call, device, &request);
}
