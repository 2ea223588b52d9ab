/* Devices that bootstrap now. */
#include <stdio.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/commands/page.h"
#include "control/commands/show.h"

static json_t *
session_json(const struct live_session *live, const char *endpoint, const char *peer,
	     double seconds)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:f}", "endpoint", endpoint, "peer", peer,
			 "worker", (int)live->worker, "generation",
			 live->plan ? (int)live->plan->generation->number : 0, "format",
			 (int)live->format, "seconds", seconds);
}

static double
seconds_of(const struct live_session *live)
{
	uint64_t now_ms = clock_now_ms();

	return now_ms > live->started_ms ? (double)(now_ms - live->started_ms) / 1000 : 0;
}

static void
put_session(const struct service *service, const struct live_session *live, struct table *table,
	    json_t *list)
{
	char endpoint[ENDPOINT_NAME_MAX + 1], peer[ADDRESS_TEXT_MAX];
	double seconds = seconds_of(live);

	device_endpoint(inventory_at(&service->inventory, live->device), endpoint);
	address_format_peer(&live->peer, peer);
	table_cell(table, "%s", endpoint);
	table_cell(table, "%s", peer);
	table_cell(table, "%u", live->worker);
	table_cell(table, "%u", live->plan ? live->plan->generation->number : 0);
	table_cell(table, "%u", live->format);
	table_cell(table, "%.1f", seconds);
	json_array_append_new(list, session_json(live, endpoint, peer, seconds));
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
	table_init(&table, "device|peer:1|worker:4|generation:3|format:2|seconds");
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

void
command_session_show(struct call *call)
{
	const struct device *device = call_device(call);
	const struct live_session *live;
	char peer[ADDRESS_TEXT_MAX];

	if (!device)
		return;
	live = device->live;
	if (!live) {
		call_refuse(call, CTL_REFUSED, "device %s does not bootstrap now",
			    call->arguments[0]);
		return;
	}
	address_format_peer(&live->peer, peer);
	call->result = session_json(live, call->arguments[0], peer, seconds_of(live));
	text_show(&call->text,
		  "%s from %s\n  worker %u, slot %u, run %u\n  format %u\n  %.1f seconds\n",
		  call->arguments[0], peer, live->worker, live->session.slot, live->session.serial,
		  live->format, seconds_of(live));
	if (live->plan)
		put_plan(call, live->plan);
}
