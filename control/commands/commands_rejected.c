/* Devices of the inventory that asked and did not get in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/page.h"
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

/* An item of the list, and whose it is. */
struct found {
	const struct rejected_device *item;
	const struct device *device;
};

static int
by_serial(const void *a, const void *b)
{
	const struct found *left = a, *right = b;

	return (left->item->serial > right->item->serial) -
	       (left->item->serial < right->item->serial);
}

/* Those from a serial on, in its order: where they stand changes as others come and go. */
static unsigned
rejected_from(const struct service *service, uint64_t serial,
	      struct found found[REJECTED_DEVICES_MAX])
{
	const struct rejected_devices *all = service->rejected;
	unsigned n = 0;

	for (unsigned i = 0; i < all->count; i++) {
		found[n].item = &all->items[i];
		found[n].device = inventory_at(&service->inventory, all->devices[i]);
		n += found[n].device && found[n].item->serial >= serial;
	}
	qsort(found, n, sizeof *found, by_serial);
	return n;
}

void
command_device_rejected(struct call *call)
{
	struct found found[REJECTED_DEVICES_MAX];
	char endpoint[ENDPOINT_NAME_MAX + 1];
	unsigned n, i;
	struct table table;
	struct page page;
	json_t *list;

	if (!page_begin(&page, call, PAGE_ALL))
		return;
	n = rejected_from(call->service, page.from, found);
	list = json_array();
	table_init(&table, "endpoint|~why|address:1|first:3|last:2|count:4");
	for (i = 0; i < n && !page_full(&page); i++)
		if (page_shows(&page, found[i].item->serial))
			put_item(found[i].item, device_endpoint(found[i].device, endpoint), &table,
				 list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:O, s:o}", "rejected", list, "turned_away", list);
	page_finish(&page, i < n, i < n ? found[i].item->serial : 0);
}
