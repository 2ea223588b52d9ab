/* Devices that bootstrap now. */
#include <stdio.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/commands/page.h"
#include "control/commands/show.h"

static double
seconds_of(const struct live_session *live)
{
	uint64_t now_ms = clock_now_ms();

	return now_ms > live->started_ms ? (double)(now_ms - live->started_ms) / 1000 : 0;
}

/* A session as it is shown, and how far it is; without a dataplane, or at its end, only that it is there. */
struct shown_session {
	const struct live_session *live;
	const char *endpoint, *phase;
	char peer[ADDRESS_TEXT_MAX], step[24];
	double seconds;
	bool has_progress;
	struct session_progress progress;
};

/* By enum run_phase; what comes before a run, and all of it, is none of these. */
static const char *const phase_names[RUN_PHASES] = {
	[RUN_PHASE_REQUEST] = "request",
	[RUN_PHASE_WRITES] = "writes",
	[RUN_PHASE_FINISH] = "finish",
};

static void
look(const struct service *service, const struct live_session *live, const char *endpoint,
     struct shown_session *shown)
{
	const struct session_progress *progress = &shown->progress;

	*shown = (struct shown_session){ .live = live,
					 .endpoint = endpoint,
					 .phase = "-",
					 .step = "-",
					 .seconds = seconds_of(live) };
	address_format_peer(&live->peer, shown->peer);
	shown->has_progress = service->dp && dataplane_progress(service->dp, live->worker,
								live->session, &shown->progress);
	if (!shown->has_progress)
		return;
	if (progress->phase < RUN_PHASES && phase_names[progress->phase])
		shown->phase = phase_names[progress->phase];
	if (live->plan && progress->phase != RUN_PHASE_REQUEST)
		snprintf(shown->step, sizeof shown->step, "%u of %u", progress->step + 1u,
			 live->plan->n_steps);
}

static json_t *
session_json(const struct shown_session *shown)
{
	const struct live_session *live = shown->live;
	const struct session_progress *progress = &shown->progress;
	json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:f}", "endpoint", shown->endpoint,
				 "peer", shown->peer, "worker", (int)live->worker, "generation",
				 live->plan ? (int)live->plan->generation->number : 0, "format",
				 (int)live->format, "seconds", shown->seconds);

	if (!shown->has_progress)
		return json;
	json_object_update_new(json,
			       json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:I}", "phase",
					 shown->phase, "step", progress->step + 1, "steps",
					 live->plan ? (int)live->plan->n_steps : 0, "received",
					 (int)progress->received, "sent", (int)progress->sent,
					 "retransmitted", (int)progress->retransmitted, "silent_ms",
					 (json_int_t)progress->silent_ms));
	return json;
}

static void
put_session(const struct service *service, const struct live_session *live, struct table *table,
	    json_t *list)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct shown_session shown;

	device_endpoint(inventory_at(&service->inventory, live->device), endpoint);
	look(service, live, endpoint, &shown);
	table_cell(table, "%s", endpoint);
	table_cell(table, "%s", shown.step);
	table_cell(table, "%s", shown.phase);
	if (shown.has_progress)
		table_cell(table, "%.1f", shown.progress.silent_ms / 1000.0);
	else
		table_cell(table, "-");
	table_cell(table, "%.1f", shown.seconds);
	table_cell(table, "%s", shown.peer);
	table_cell(table, "%u", live->format);
	table_cell(table, "%u", live->plan ? live->plan->generation->number : 0);
	table_cell(table, "%u", live->worker);
	json_array_append_new(list, session_json(&shown));
}

void
command_session_list(struct call *call)
{
	const struct live_sessions *all = &call->service->live;
	struct table table;
	struct page page;
	uint64_t place;
	json_t *list;

	if (!page_begin(&page, call, 100))
		return;
	list = json_array();
	page_table(&page, &table,
		   "device|step|phase|silent:1|seconds|peer:2|format:3|generation:4|worker:5");
	for (place = page.from; place < all->used && !page_full(&page); place++)
		if (all->places[place] && page_shows(&page, place))
			put_session(call->service, all->places[place], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "sessions", list);
	page_finish(&page, place < all->used, place);
}

static void
put_plan(struct call *call, const struct plan *plan)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, "  step|task");
	for (unsigned i = 0; i < plan->n_steps; i++) {
		unsigned task = plan_task_of_step(plan, i);
		const char *name = task < plan->n_tasks ? plan->tasks[task].task->name : "";

		table_cell(&table, "  %s", plan->steps[i]);
		table_cell(&table, "%s", name);
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "step", plan->steps[i], "task", name));
	}
	table_finish(&table, &call->text);
	json_object_set_new(call->result, "steps", list);
}

static void
put_progress(const struct shown_session *shown, struct text *text)
{
	const struct session_progress *progress = &shown->progress;

	if (!shown->has_progress)
		return;
	text_show(text, "  step %s, %s\n", shown->step, shown->phase);
	text_show(text,
		  "  messages: %u received, the last %.1f seconds ago; %u sent, %u of them again\n",
		  progress->received, progress->silent_ms / 1000.0, progress->sent,
		  progress->retransmitted);
}

void
command_session_show(struct call *call)
{
	const struct device *device = call_device(call);
	const struct live_session *live;
	struct shown_session shown;

	if (!device)
		return;
	live = device->live;
	if (!live) {
		call_refuse(call, CTL_REFUSED, "device %s does not bootstrap now",
			    call->arguments[0]);
		return;
	}
	look(call->service, live, call->arguments[0], &shown);
	call->result = session_json(&shown);
	text_show(&call->text,
		  "%s from %s\n  worker %u, slot %u, run %u\n  format %u\n  %.1f seconds\n",
		  shown.endpoint, shown.peer, live->worker, live->session.slot,
		  live->session.serial, live->format, shown.seconds);
	put_progress(&shown, &call->text);
	if (live->plan)
		put_plan(call, live->plan);
}
