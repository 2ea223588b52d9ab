/* Devices: the inventory, one device, unknown ones, reports. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/address.h"
#include "control/commands.h"
#include "control/profile.h"

enum { TIME_TEXT_MAX = 32 };

#define MASK "********"

/* "2026-01-31 12:00:00", UTC; "-" for never */
static const char *
time_text(uint64_t ms, char out[TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	if (!ms || !strftime(out, TIME_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, TIME_TEXT_MAX, "-");
	return out;
}

static json_t *
groups_json(const struct device *device)
{
	json_t *groups = json_array();

	for (unsigned i = 0; i < device->n_groups; i++)
		json_array_append_new(groups, json_string(device->groups[i]->name));
	return groups;
}

static void
put_groups(const struct device *device, struct text *text)
{
	for (unsigned i = 0; i < device->n_groups; i++)
		text_printf(text, "%s%s", i ? ", " : "", device->groups[i]->name);
}

static bool
is_in(const struct device *device, const struct policy_group *group)
{
	for (unsigned i = 0; i < device->n_groups; i++)
		if (policy_group_in(device->groups[i], group))
			return true;
	return false;
}

static void
put_device(const struct daemon *daemon, const struct device *device, struct table *table,
	   json_t *list)
{
	const struct roster_slot *slot = roster_slot(&daemon->roster, device->id);
	char when[TIME_TEXT_MAX];
	struct text groups;

	text_init(&groups);
	put_groups(device, &groups);
	table_cell(table, "%s", device->endpoint);
	table_cell(table, "%s", device->key_len ? "psk" : "none");
	table_cell(table, "%s", text_str(&groups));
	table_cell(table, "%s", device->run->batch ? "ready" : "nothing to send");
	table_cell(table, "%s", time_text(slot->last_bootstrap_ms, when));
	text_fini(&groups);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:b, s:o, s:b, s:I}", "endpoint", device->endpoint,
				"identity", device->identity, "has_key", device->key_len != 0,
				"groups", groups_json(device), "ready", device->run->batch != NULL,
				"last_bootstrap_ms", (json_int_t)slot->last_bootstrap_ms));
}

void
command_device_list(struct call *call)
{
	const struct generation *generation = call->daemon->generation;
	const char *wanted = call_option(call, "--group");
	const struct policy_group *group =
		wanted ? policy_group(generation->policy, wanted, strlen(wanted)) : NULL;
	long limit = call_number(call, "--limit", 100, 10000000);
	long offset = call_number(call, "--offset", 0, 1000000000);
	long matched = 0;
	json_t *list = json_array();
	struct table table;

	if (wanted && !group)
		call_refuse(call, CTL_REFUSED, "there is no group \"%s\"", wanted);
	table_init(&table, "endpoint|security|groups|state|last bootstrap");
	for (size_t i = 0; call->exit == CTL_DONE && i < generation->inventory->count; i++) {
		const struct device *device = &generation->inventory->devices[i];

		if (group && !is_in(device, group))
			continue;
		if (matched++ >= offset && matched <= offset + limit)
			put_device(call->daemon, device, &table, list);
	}
	table_finish(&table, &call->text);
	if (matched > offset + limit)
		text_printf(&call->text, "... %ld more: --offset %ld\n", matched - offset - limit,
			    offset + limit);
	call->result = json_pack("{s:o, s:I}", "devices", list, "count", (json_int_t)matched);
}

/* What is shown of a device's values. */
struct showing {
	struct table table;
	json_t *list;
};

static bool
show_value(void *ctx, const struct profile_value *found)
{
	struct showing *showing = ctx;
	const char *shown = found->value->secret ? MASK : found->value->text;
	const char *origin = found->group ? found->group->name : "device";

	table_cell(&showing->table, "  %s", found->value->name);
	table_cell(&showing->table, "%s", shown);
	table_cell(&showing->table, "%s%s", origin, found->value->locked ? " (locked)" : "");
	json_array_append_new(showing->list,
			      json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", found->value->name,
					"value", shown, "origin", origin, "secret",
					found->value->secret, "locked", found->value->locked));
	return true;
}

static void
put_values(const struct device *device, struct text *text, json_t *result)
{
	struct showing showing = { .list = json_array() };

	table_init(&showing.table, "  value||origin");
	profile_each(device, show_value, &showing);
	table_finish(&showing.table, text);
	json_object_set_new(result, "values", showing.list);
}

static void
put_tasks(const struct daemon *daemon, const struct device *device, struct text *text,
	  json_t *result)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, "  task|name|steps|last report|summary");
	for (unsigned i = 0; i < device->run->n_tasks; i++) {
		const struct run_task *task = &device->run->tasks[i];
		const struct report *last =
			reports_find(&daemon->reports, task->task->report, device->id);
		const char *status = task_status_name(last ? last->status : task->status);
		const char *summary = last ? last->summary : task->summary ? task->summary : "";

		table_cell(&table, "  %s", task->task->id);
		table_cell(&table, "%s", task->task->name);
		table_cell(&table, "%u", task->n_steps);
		table_cell(&table, "%s", status);
		table_cell(&table, "%s", summary);
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:s}", "id",
						      task->task->id, "name", task->task->name,
						      "steps", (int)task->n_steps, "status", status,
						      "summary", summary));
	}
	table_finish(&table, text);
	json_object_set_new(result, "tasks", list);
}

static const struct device *
find_device(struct call *call)
{
	const struct inventory *inventory = call->daemon->generation->inventory;
	const struct roster_slot *slot = roster_find(&call->daemon->roster, call->arguments[0]);
	const char *candidates[1000];
	const char *nearest;
	size_t n = 0;

	if (slot && slot->device)
		return slot->device;
	for (; n < inventory->count && n < 1000; n++)
		candidates[n] = inventory->devices[n].endpoint;
	nearest = diag_nearest(call->arguments[0], candidates, n);
	call_refuse(call, CTL_REFUSED, "there is no device \"%s\"%s%s%s", call->arguments[0],
		    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		    nearest ? "\"?" : "");
	return NULL;
}

static void
put_security(const struct device *device, struct text *text, json_t *result)
{
	char hex[2 * DTLS_IDENTITY_MAX + 2 * ENDPOINT_NAME_MAX + 1];

	for (unsigned i = 0; i < device->identity_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (uint8_t)device->identity[i]);
	text_printf(text, "  identity  %s (hex %s)\n", device->identity, hex);
	if (device->key_len)
		text_printf(text, "  key       set, %u bytes\n", device->key_len);
	else
		text_printf(text, "  key       none: NoSec listeners only\n");
	json_object_set_new(result, "identity", json_string(device->identity));
	json_object_set_new(result, "identity_hex", json_string(hex));
	json_object_set_new(result, "key_bytes", json_integer(device->key_len));
}

void
command_device_show(struct call *call)
{
	const struct device *device = find_device(call);
	const struct roster_slot *slot;
	char when[TIME_TEXT_MAX];

	if (!device)
		return;
	slot = roster_slot(&call->daemon->roster, device->id);
	call->result = json_pack("{s:s, s:I, s:o, s:i, s:b, s:I}", "endpoint", device->endpoint,
				 "id", (json_int_t)device->id, "groups", groups_json(device),
				 "format", (int)slot->format, "bootstrapping", slot->live,
				 "last_bootstrap_ms", (json_int_t)slot->last_bootstrap_ms);
	text_printf(&call->text, "%s\n", device->endpoint);
	put_security(device, &call->text, call->result);
	text_printf(&call->text, "  groups    ");
	put_groups(device, &call->text);
	text_printf(&call->text, "\n  format    %u\n  last      %s%s\n", slot->format,
		    time_text(slot->last_bootstrap_ms, when), slot->live ? ", in progress" : "");
	put_values(device, &call->text, call->result);
	put_tasks(call->daemon, device, &call->text, call->result);
}

static void
put_unknown(const struct unknown *unknown, struct table *table, json_t *list)
{
	char peer[ADDRESS_TEXT_MAX], first[TIME_TEXT_MAX], last[TIME_TEXT_MAX];
	struct text name;

	text_init(&name);
	text_put_untrusted(&name, unknown->name, unknown->name_len);
	address_format_peer(&unknown->peer, peer);
	table_cell(table, "%s", text_str(&name));
	table_cell(table, "%s", peer);
	table_cell(table, "%s", time_text(unknown->first_ms, first));
	table_cell(table, "%s", time_text(unknown->last_ms, last));
	table_cell(table, "%llu", (unsigned long long)unknown->count);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:I, s:I, s:I}", "endpoint", text_str(&name), "address",
				peer, "first_ms", (json_int_t)unknown->first_ms, "last_ms",
				(json_int_t)unknown->last_ms, "count", (json_int_t)unknown->count));
	text_fini(&name);
}

void
command_unknown_list(struct call *call)
{
	const struct unknowns *unknowns = call->daemon->unknowns;
	json_t *list = json_array();
	struct table table;

	table_init(&table, "name|address|first|last|count");
	for (unsigned i = 0; i < unknowns->count; i++)
		put_unknown(&unknowns->items[i], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "unknown", list);
}

static void
put_report(const struct daemon *daemon, const struct report *report, struct table *table,
	   json_t *list)
{
	const struct report_task *task = &daemon->reports.tasks[report->task];
	const char *endpoint = roster_slot(&daemon->roster, report->device)->endpoint;
	const char *status = task_status_name(report->status);
	char started[TIME_TEXT_MAX];
	uint64_t took_ms = report->finished_ms > report->started_ms
				   ? report->finished_ms - report->started_ms
				   : 0;

	table_cell(table, "%s", time_text(report->started_ms, started));
	table_cell(table, "%s", endpoint);
	table_cell(table, "%s", task->id);
	table_cell(table, "%s", task->name);
	table_cell(table, "%s", status);
	table_cell(table, "%llu ms", (unsigned long long)took_ms);
	table_cell(table, "%s", report->summary);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i}", "device",
				endpoint, "task", task->id, "name", task->name, "group",
				task->group, "status", status, "summary", report->summary,
				"started_ms", (json_int_t)report->started_ms, "finished_ms",
				(json_int_t)report->finished_ms, "duration_ms", (json_int_t)took_ms,
				"generation", (int)report->generation));
}

static bool
task_matches(const struct daemon *daemon, const struct report *report, const char *wanted)
{
	const struct report_task *task = &daemon->reports.tasks[report->task];

	return !wanted || strcmp(wanted, task->id) == 0 || strcmp(wanted, task->name) == 0;
}

/* The last report of each task of one device, the one begun last at the end. */
static void
put_reports_of(struct call *call, const char *endpoint, struct table *table, json_t *list)
{
	const struct daemon *daemon = call->daemon;
	const struct roster_slot *slot = roster_find(&daemon->roster, endpoint);
	uint64_t after = 0;

	if (!slot) {
		call_refuse(call, CTL_REFUSED, "there is no device \"%s\"", endpoint);
		return;
	}
	/* Few tasks a device: the next oldest is looked for each time. */
	for (;;) {
		uint64_t next = UINT64_MAX;

		for (uint32_t i = 0; i < daemon->reports.n_tasks; i++) {
			const struct report *report = reports_find(&daemon->reports, i, slot->id);

			if (!report || !task_matches(daemon, report, call_option(call, "--task")))
				continue;
			if (report->started_ms + 1 == after)
				put_report(daemon, report, table, list);
			else if (report->started_ms + 1 > after && report->started_ms + 1 < next)
				next = report->started_ms + 1;
		}
		if (next == UINT64_MAX)
			return;
		after = next;
	}
}

static void
put_newest(struct call *call, long limit, struct table *table, json_t *list)
{
	const struct reports *reports = &call->daemon->reports;
	const char *task = call_option(call, "--task");
	size_t from = reports->ring_count;

	while (from > 0 && limit > 0)
		limit -= task_matches(call->daemon, reports_at(reports, --from), task);
	for (; from < reports->ring_count; from++)
		if (task_matches(call->daemon, reports_at(reports, from), task))
			put_report(call->daemon, reports_at(reports, from), table, list);
}

void
command_report_list(struct call *call)
{
	const char *device = call_option(call, "--device");
	long limit = call_number(call, "--limit", 50, REPORTS_RING);
	json_t *list = json_array();
	struct table table;

	table_init(&table, "started|device|task|name|status|took|summary");
	if (device)
		put_reports_of(call, device, &table, list);
	else if (limit > 0)
		put_newest(call, limit, &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "reports", list);
}
