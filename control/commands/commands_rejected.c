/* Devices of the inventory that asked and did not get in. */
#include <stdio.h>
#include <string.h>

#include "control/commands/show.h"

void
show_rejected_reason(const struct rejected_device *item, struct text *text)
{
	text_show(text, "%s", rejected_why(item));
	if (item->cause != CAUSE_IDENTITY || !item->name_len)
		return;
	text_show(text, ": ");
	text_put_untrusted(text, item->name, item->name_len);
}

json_t *
show_rejected_json(const struct rejected_device *item, const char *reason)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "reason", reason, "address", item->address,
			 "first_ms", (json_int_t)item->first_ms, "last_ms",
			 (json_int_t)item->last_ms, "count", (json_int_t)item->count);
}

void
show_rejected(struct call *call, const struct device *device)
{
	const struct rejected_device *item =
		rejected_devices_find(call->service->rejected, device_id(device));
	char last[SHOW_TIME_MAX];
	struct text reason;
	json_t *json;

	if (!item)
		return;
	text_init(&reason);
	show_rejected_reason(item, &reason);
	text_show(&call->text, "  rejected  %s; %llu time%s, last %s from %s\n", text_str(&reason),
		  (unsigned long long)item->count, item->count == 1 ? "" : "s",
		  show_time(item->last_ms, last), item->address);
	json = show_rejected_json(item, text_str(&reason));
	json_object_set(call->result, "rejected", json);
	json_object_set_new(call->result, "turned_away", json); /* its former name, for a release */
	text_fini(&reason);
}

static void
put_item(const struct rejected_device *item, const char *endpoint, struct table *table,
	 json_t *list)
{
	char first[SHOW_TIME_MAX], last[SHOW_TIME_MAX];
	struct text reason;
	json_t *json;

	text_init(&reason);
	show_rejected_reason(item, &reason);
	table_cell(table, "%s", endpoint);
	table_cell(table, "%s", text_str(&reason));
	table_cell(table, "%s", item->address);
	table_cell(table, "%s", show_time(item->first_ms, first));
	table_cell(table, "%s", show_time(item->last_ms, last));
	table_cell(table, "%llu", (unsigned long long)item->count);
	json = show_rejected_json(item, text_str(&reason));
	json_object_set_new(json, "endpoint", show_json(endpoint, strlen(endpoint)));
	json_array_append_new(list, json);
	text_fini(&reason);
}

void
command_device_rejected(struct call *call)
{
	const struct rejected_devices *all = call->service->rejected;
	char endpoint[ENDPOINT_NAME_MAX + 1];
	json_t *list = json_array();
	struct table table;

	table_init(&table, "endpoint|~why|address:1|first:3|last:2|count:4");
	for (unsigned i = 0; i < all->count; i++) {
		const struct device *device =
			inventory_at(&call->service->inventory, all->devices[i]);

		if (device)
			put_item(&all->items[i], device_endpoint(device, endpoint), &table, list);
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:O, s:o}", "rejected", list, "turned_away", list);
}
