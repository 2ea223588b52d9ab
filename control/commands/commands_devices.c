/* The inventory as it is: list, one device, its values with their origin, what would be sent. */
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/page.h"
#include "control/commands/show.h"
#include "control/policy/profile.h"

/* ---- list ---- */

/* What a device must be to be listed. */
struct filter {
	const struct policy_group *group;
	const char *match; /* glob of the endpoint name */
	const char *state;
	bool nosec; /* served over NoSec whatever key it has */
};

static const char *
state_of(const struct device *device)
{
	if (device->live)
		return "bootstrapping";
	if (device->returns >= DEVICE_RETURNS_MANY)
		return "returning";
	if (device->entry->flags & DEVICE_PER_SESSION)
		return "ready, made per session";
	return atomic_load_explicit(&device->entry->batch, memory_order_relaxed)
		       ? "ready"
		       : "nothing to send";
}

/* Whether a state may be called so: by the words that it begins with. */
static bool
is_state(const char *wanted)
{
	static const char *const states[] = { "ready", "nothing to send", "bootstrapping",
					      "returning" };

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (*wanted && strncmp(states[i], wanted, strlen(wanted)) == 0)
			return true;
	return false;
}

static bool
passes(struct call *call, const struct device *device, const struct filter *filter)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];
	const struct task_set *set;

	if (filter->match && fnmatch(filter->match, device_endpoint(device, endpoint), 0) != 0)
		return false;
	if (filter->state && strncmp(state_of(device), filter->state, strlen(filter->state)) != 0)
		return false;
	if (filter->nosec && !(device->entry->flags & DEVICE_NOSEC))
		return false;
	if (!filter->group)
		return true;
	set = generation_task_set(call->service->generation, &call->service->inventory,
				  device->groups);
	return set && task_set_in(set, filter->group);
}

static void
put_device(const struct service *service, const struct device *device, struct table *table,
	   json_t *list)
{
	const struct inventory *inventory = &service->inventory;
	char endpoint[ENDPOINT_NAME_MAX + 1], identity[ENDPOINT_NAME_MAX + 1];
	char when[SHOW_TIME_MAX];
	size_t identity_len = device_identity(device, identity);

	device_endpoint(device, endpoint);
	table_cell(table, "%s", endpoint);
	table_cell(table, "%s", device->entry->key_len ? "psk" : "none");
	table_cell(table, "%s", device_groups(inventory, device));
	table_cell(table, "%s", state_of(device));
	table_cell(table, "%s", show_time(device->last_bootstrap_ms, when));
	if (!list)
		return;
	json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:o, s:s, s:s, s:I}", "endpoint",
					      show_json(endpoint, strlen(endpoint)), "identity",
					      show_json(identity, identity_len), "has_key",
					      device->entry->key_len != 0, "groups",
					      show_groups_json(inventory, device), "domain",
					      names_text(&inventory->domains, device->domain),
					      "state", state_of(device), "last_bootstrap_ms",
					      (json_int_t)device->last_bootstrap_ms));
}

void
command_device_list(struct call *call)
{
	const char *wanted = call_option(call, "--group");
	struct filter filter = { .match = call_option(call, "--match"),
				 .state = call_option(call, "--state"),
				 .nosec = call_option(call, "--nosec") };
	const struct inventory *inventory = &call->service->inventory;
	const struct device *device;
	struct table table;
	struct page page;
	uint64_t id;
	json_t *list;

	if (wanted)
		filter.group = call_group(call, wanted);
	if (filter.state && !is_state(filter.state))
		call_refuse(call, CTL_USAGE,
			    "a state is ready, nothing, bootstrapping or returning, not \"%.60s\"",
			    filter.state);
	if (call->exit != CTL_DONE || !page_begin(&page, call, 100))
		return;
	list = json_array();
	page_table(&page, &table, "endpoint|security:3|~groups:2|state|last bootstrap:1");
	for (id = page.from; id < inventory->next_id && !page_full(&page); id++) {
		device = inventory_at(inventory, (uint32_t)id);
		if (device && passes(call, device, &filter) && page_shows(&page, id))
			put_device(call->service, device, &table, page_rows(&page, list));
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "devices", list);
	page_finish(&page, id < inventory->next_id, id);
}

/* ---- one device ---- */

/* What is shown of a device's values. */
struct showing {
	struct table table;
	json_t *list;
};

static bool
show_value(void *ctx, const struct profile_value *found)
{
	struct showing *showing = ctx;
	const char *origin = found->group ? found->group->name : "device";
	struct text shown;

	text_init(&shown);
	if (found->secret)
		text_printf(&shown, SHOW_MASK);
	else
		text_put(&shown, found->text, found->text_len);
	table_cell(&showing->table, "  %.*s", (int)found->name_len, found->name);
	table_cell(&showing->table, "%s", text_str(&shown));
	table_cell(&showing->table, "%s%s", origin, found->locked ? " (locked)" : "");
	json_array_append_new(showing->list,
			      json_pack("{s:o, s:o, s:s, s:b, s:b}", "name",
					show_json(found->name, found->name_len), "value",
					show_json(text_str(&shown), shown.len), "origin", origin,
					"secret", found->secret, "locked", found->locked));
	text_fini(&shown);
	return true;
}

static void
put_values(struct call *call, const struct device *device)
{
	struct profile profile = {
		.values = device->values,
		.set = generation_task_set(call->service->generation, &call->service->inventory,
					   device->groups),
	};
	struct showing showing = { .list = json_array() };

	table_init(&showing.table, "  value|~is|origin:1");
	if (profile.set)
		profile_each(&profile, show_value, &showing);
	table_finish(&showing.table, &call->text);
	json_object_set_new(call->result, "values", showing.list);
}

/* What its next run would make of the task. */
static const char *
outlook(const struct plan_task *task)
{
	if (task->state == PLAN_LEFT_OUT)
		return "left out";
	return task->state == PLAN_SENT ? "ready" : task_status_name(task->status);
}

static void
put_task(const struct service *service, const struct device *device, const struct plan_task *task,
	 struct showing *showing)
{
	const struct report *last =
		reports_find(&service->reports, task->task->report, device_id(device));
	const char *status = last ? task_status_name(last->status) : "none";
	const char *told = last ? reports_summary(&service->reports, last) : "";
	/* Why it would not run counts more than how it ran. */
	const char *summary = task->state != PLAN_SENT && task->summary ? task->summary : told;

	table_cell(&showing->table, "  %s", task->task->id);
	table_cell(&showing->table, "%s", task->task->name);
	table_cell(&showing->table, "%u", task->n_steps);
	table_cell(&showing->table, "%s", outlook(task));
	table_cell(&showing->table, "%s", status);
	table_cell(&showing->table, "%s", summary);
	json_array_append_new(showing->list,
			      json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "id", task->task->id,
					"name", task->task->name, "steps", (int)task->n_steps,
					"next", outlook(task), "status", status, "summary",
					show_json(summary, strlen(summary))));
}

static void
put_tasks(struct call *call, const struct device *device)
{
	struct showing showing = { .list = json_array() };

	table_init(&showing.table, "  task|~name:2|steps:4|next:3|last report|~summary:1");
	for (unsigned i = 0; device->plan && i < device->plan->n_tasks; i++)
		put_task(call->service, device, &device->plan->tasks[i], &showing);
	table_finish(&showing.table, &call->text);
	json_object_set_new(call->result, "tasks", showing.list);
}

static void
put_security(struct call *call, const struct device *device)
{
	char identity[ENDPOINT_NAME_MAX + 1], hex[2 * ENDPOINT_NAME_MAX + 1] = "";
	unsigned key_len = device->entry->key_len;
	size_t len = device_identity(device, identity);

	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (uint8_t)identity[i]);
	text_show(&call->text, "  identity  ");
	text_put_untrusted(&call->text, identity, len);
	text_show(&call->text, " (hex %s)\n", hex);
	if (key_len)
		text_show(&call->text, "  key       set, %u bytes, given as %s\n", key_len,
			  device->key_is_hex ? "hex" : "text");
	else
		text_show(&call->text, "  key       none\n");
	text_show(&call->text, "  nosec     %s\n",
		  device->entry->flags & DEVICE_NOSEC
			  ? "on: served over NoSec, to anyone who names it"
			  : "off");
	json_object_set_new(call->result, "nosec",
			    json_boolean(device->entry->flags & DEVICE_NOSEC));
	json_object_set_new(call->result, "identity", show_json(identity, len));
	json_object_set_new(call->result, "identity_hex", json_string(hex));
	json_object_set_new(call->result, "key_bytes", json_integer(key_len));
	json_object_set_new(call->result, "key_is_hex", json_boolean(device->key_is_hex));
}

static void
put_places(struct call *call, const struct device *device)
{
	const struct inventory *inventory = &call->service->inventory;
	char created[SHOW_TIME_MAX], last[SHOW_TIME_MAX];

	text_show(&call->text, "  groups    %s\n", device_groups(inventory, device));
	if (device->domain)
		text_show(&call->text, "  domain    %s\n",
			  names_text(&inventory->domains, device->domain));
	text_show(&call->text, "  format    %u\n  created   %s\n  last      %s%s\n", device->format,
		  show_time((uint64_t)device->created_s * 1000, created),
		  show_time(device->last_bootstrap_ms, last), device->live ? ", in progress" : "");
	if (device->returns >= DEVICE_RETURNS_MANY)
		text_show(&call->text,
			  "  returns   its last %u runs went well, each within a minute of the one "
			  "before: it does not seem to take what it is given\n",
			  device->returns);
	json_object_set_new(call->result, "returns", json_integer(device->returns));
	json_object_set_new(call->result, "returning",
			    json_boolean(device->returns >= DEVICE_RETURNS_MANY));
}

void
command_device_show(struct call *call)
{
	const struct device *device = call_device(call);
	const struct inventory *inventory = &call->service->inventory;
	char endpoint[ENDPOINT_NAME_MAX + 1];

	if (!device)
		return;
	device_endpoint(device, endpoint);
	call->result = json_pack("{s:o, s:I, s:o, s:s, s:i, s:b, s:I, s:I}", "endpoint",
				 show_json(endpoint, strlen(endpoint)), "id",
				 (json_int_t)device_id(device), "groups",
				 show_groups_json(inventory, device), "domain",
				 names_text(&inventory->domains, device->domain), "format",
				 (int)device->format, "bootstrapping", device->live != NULL,
				 "created_ms", (json_int_t)device->created_s * 1000,
				 "last_bootstrap_ms", (json_int_t)device->last_bootstrap_ms);
	text_show(&call->text, "%s\n", endpoint);
	put_security(call, device);
	put_places(call, device);
	show_rejected(call, device);
	put_values(call, device);
	put_tasks(call, device);
}

void
command_device_profile(struct call *call)
{
	const struct device *device = call_device(call);
	char endpoint[ENDPOINT_NAME_MAX + 1];

	if (!device)
		return;
	call->result = json_pack("{s:s}", "endpoint", device_endpoint(device, endpoint));
	put_values(call, device);
}
