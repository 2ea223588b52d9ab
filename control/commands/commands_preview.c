/* What a device would be sent, decoded, without sending it; and what it is sent, while it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/show.h"
#include "control/runs/trace.h"
#include "tasks/content/decode.h"
#include "tasks/content/describe.h"

enum {
	STEP_TEXT_MAX = 1 << 16,
	TRACE_MAX_MS = 600000, /* a trace that nobody ends */
};

/* ---- preview ---- */

static void
put_plan(struct call *call, const struct plan *plan)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, "task|name|state|steps|summary");
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		const struct plan_task *task = &plan->tasks[i];
		const char *state = task->state == PLAN_SENT       ? "would be sent"
				    : task->state == PLAN_LEFT_OUT ? "left out"
								   : task_status_name(task->status);

		table_cell(&table, "%s", task->task->id);
		table_cell(&table, "%s", task->task->name);
		table_cell(&table, "%s", state);
		table_cell(&table, "%u", task->n_steps);
		table_cell(&table, "%s", task->summary ? task->summary : "");
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:i, s:s}", "id", task->task->id,
						"name", task->task->name, "state", state, "steps",
						(int)task->n_steps, "summary",
						task->summary ? task->summary : ""));
	}
	table_finish(&table, &call->text);
	json_object_set_new(call->result, "tasks", list);
}

static void
put_steps(struct call *call, const struct batch *batch)
{
	json_t *list = json_array();
	char *text = malloc(STEP_TEXT_MAX);

	for (unsigned i = 0; text && batch && i < batch->n_steps; i++) {
		batch_step_describe(batch->steps[i], call->daemon->generation->objects, text,
				    STEP_TEXT_MAX);
		text_printf(&call->text, "%u. %s", i + 1, text);
		json_array_append_new(list, json_string(text));
	}
	if (batch && batch->continues)
		text_printf(&call->text, "... what follows depends on the answer to step %u\n",
			    batch->n_steps);
	free(text);
	json_object_set_new(call->result, "steps", list);
}

void
command_task_preview(struct call *call)
{
	const struct device *device = call_device(call);
	struct run_memory memory;
	struct run_request request = { .device = device, .preview = true, .memory = &memory };
	struct device_run run;
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
	run_memory_init(&memory);
	if (device_run_make(call->daemon, &request, &run) < 0) {
		call_refuse(call, CTL_REFUSED, "out of memory");
	} else {
		call->result =
			json_pack("{s:s, s:i, s:b}", "endpoint", call->arguments[0], "format",
				  (int)format, "continues", run.batch && run.batch->continues);
		put_plan(call, run.plan);
		put_steps(call, run.batch);
		device_run_free(call->daemon, &run);
	}
	run_memory_fini(&memory);
}

/* ---- trace ---- */

static struct traced *
find_traced(struct daemon *daemon, uint32_t device)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (daemon->traced[i].trace && daemon->traced[i].device == device)
			return &daemon->traced[i];
	return NULL;
}

static void
end_trace(struct daemon *daemon, struct traced *traced)
{
	traces_stop(daemon->traces, traced->trace);
	*traced = (struct traced){ 0 };
}

void
traces_look_after(struct daemon *daemon, uint64_t now_ms)
{
	if (!daemon->traces)
		return;
	traces_poll(daemon->traces);
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (daemon->traced[i].trace && now_ms - daemon->traced[i].asked_ms > TRACE_MAX_MS)
			end_trace(daemon, &daemon->traced[i]);
}

void
command_trace_start(struct call *call)
{
	const struct device *device = call_device(call);
	struct daemon *daemon = call->daemon;
	struct traced *free_place = NULL;
	int error = 0;

	if (!device)
		return;
	if (find_traced(daemon, device_id(device))) {
		text_printf(&call->text, "device %s is traced already\n", call->arguments[0]);
		return;
	}
	for (unsigned i = 0; i < TRACED_MAX && !free_place; i++)
		free_place = daemon->traced[i].trace ? NULL : &daemon->traced[i];
	if (!daemon->traces)
		daemon->traces = traces_new(daemon->dp);
	if (free_place && daemon->traces)
		free_place->trace = traces_start(daemon->traces, device_id(device), &error);
	if (!free_place || !free_place->trace) {
		call_refuse(call, CTL_REFUSED, "%s",
			    !free_place
				    ? "as many devices are traced as can be: `trace stop` ends one"
				    : strerror(error ? -error : ENOMEM));
		return;
	}
	free_place->device = device_id(device);
	free_place->asked_ms = daemon_now_ms();
	text_printf(&call->text, "device %s is traced: `trace show` shows its dialogue\n",
		    call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
}

/* A payload as a preview shows it, keys masked: "{ /0/2/0 LwM2M Server URI = coaps://... }". */
static void
format_payload(void *ctx, const struct trace_payload *payload, struct text *out)
{
	const struct daemon *daemon = ctx;
	struct decode_input input = { .format = (enum content_format)payload->format,
				      .target = { -1, -1, -1, -1 },
				      .bytes = payload->bytes,
				      .len = payload->len,
				      .objects = daemon->generation->objects };
	int32_t *const ids[] = { &input.target.object, &input.target.instance,
				 &input.target.resource };
	const char *at = payload->path;
	char text[2048];

	for (unsigned i = 0; i < 3 && at && *at == '/'; i++, at = strchr(at + 1, '/'))
		*ids[i] = (int32_t)strtol(at + 1, NULL, 10);
	if (payload->len < payload->whole || payload->format < 0 ||
	    payload_describe(&input, text, sizeof text) == 0) {
		text_printf(out, "payload %zu bytes", payload->whole);
		return;
	}
	text_printf(out, "payload %zu bytes:", payload->whole);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		text_printf(out, " %s;", line + strspn(line, " "));
	}
}

void
command_trace_show(struct call *call)
{
	const struct device *device = call_device(call);
	struct daemon *daemon = call->daemon;
	struct traced *traced;

	if (!device)
		return;
	traced = find_traced(daemon, device_id(device));
	if (!traced) {
		call_refuse(call, CTL_REFUSED, "device %s is not traced: `trace start` begins",
			    call->arguments[0]);
		return;
	}
	traced->asked_ms = daemon_now_ms();
	traces_poll(daemon->traces);
	if (call->request && call->request->json) {
		call->result = json_pack("{s:s, s:o}", "endpoint", call->arguments[0], "messages",
					 trace_json(traced->trace, format_payload, daemon));
		return;
	}
	if (trace_format(traced->trace, format_payload, daemon, &call->text) == 0)
		text_printf(&call->text, "nothing since it was last shown\n");
}

void
command_trace_stop(struct call *call)
{
	const struct device *device = call_device(call);
	struct traced *traced;

	if (!device)
		return;
	traced = find_traced(call->daemon, device_id(device));
	if (!traced) {
		call_refuse(call, CTL_REFUSED, "device %s is not traced", call->arguments[0]);
		return;
	}
	end_trace(call->daemon, traced);
	text_printf(&call->text, "device %s is no longer traced\n", call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
}
