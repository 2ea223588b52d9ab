/* Devices of the inventory that asked and did not get in. */
#include <assert.h>
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
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "reason", reason, "remedy",
			 rejected_remedy(item), "address", item->address, "first_ms",
			 (json_int_t)item->first_ms, "last_ms", (json_int_t)item->last_ms, "count",
			 (json_int_t)item->count);
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
	text_show(&call->text, "  rejected  %s; %llu time%s, last %s from %s\n            %s\n",
		  text_str(&reason), (unsigned long long)item->count, item->count == 1 ? "" : "s",
		  show_time(item->last_ms, last), item->address, rejected_remedy(item));
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

static void
put_unserved(const struct unserved_peer *item, struct table *table, json_t *list)
{
	char address[ADDRESS_TEXT_MAX], first[SHOW_TIME_MAX], last[SHOW_TIME_MAX];
	struct text reason;

	text_init(&reason);
	unserved_why(item, &reason);
	address_format_peer(&item->event.peer, address);
	table_cell(table, "-");
	table_cell(table, "%s", text_str(&reason));
	table_cell(table, "%s", address);
	table_cell(table, "%s", show_time(item->first_ms, first));
	table_cell(table, "%s", show_time(item->last_ms, last));
	table_cell(table, "%llu", (unsigned long long)item->count);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:I, s:I, s:I}", "reason", text_str(&reason), "address",
				address, "first_ms", (json_int_t)item->first_ms, "last_ms",
				(json_int_t)item->last_ms, "count", (json_int_t)item->count));
	text_fini(&reason);
}

/* ---- device rejected ---- */

enum { ROWS_MAX = REJECTED_DEVICES_MAX + UNSERVED_MAX };

/* A row of the list: a device, or somebody who is none. */
struct row {
	uint64_t place;
	const struct rejected_device *item; /* NULL: none */
	const struct device *device;
	const struct unserved_peer *unserved;
};

static int
by_place(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	return (left->place > right->place) - (left->place < right->place);
}

/* Those from a place on, in its order, devices first: where items stand changes as others come and go. */
static unsigned
rows_from(const struct service *service, uint64_t from, struct row rows[ROWS_MAX])
{
	static const uint64_t behind_devices = UINT64_C(1) << 62;
	const struct rejected_devices *rejected = service->rejected;
	const struct unserved_peers *unserved = service->unserved;
	unsigned n = 0;

	for (unsigned i = 0; i < rejected->count; i++) {
		const struct rejected_device *item = &rejected->items[i];

		rows[n] = (struct row){ .place = item->serial,
					.item = item,
					.device = inventory_at(&service->inventory,
							       rejected->devices[i]) };
		n += rows[n].device && rows[n].place >= from;
	}
	for (unsigned i = 0; i < unserved->count; i++) {
		rows[n] = (struct row){ .place = behind_devices + unserved->items[i].serial,
					.unserved = &unserved->items[i] };
		n += rows[n].place >= from;
	}
	qsort(rows, n, sizeof *rows, by_place);
	return n;
}

static_assert(CAUSES <= 32, "a bit for each");

/* What to do about the reasons that were listed, each once. */
static void
put_remedies(const struct rejected_devices *all, struct text *text)
{
	uint32_t told = 0;

	for (unsigned i = 0; i < all->count; i++) {
		const struct rejected_device *item = &all->items[i];

		if (told & UINT32_C(1) << item->cause)
			continue;
		told |= UINT32_C(1) << item->cause;
		text_show(text, "%s: %s\n",
			  item->cause == CAUSE_CERTIFICATE ? "certificates" : rejected_why(item),
			  rejected_remedy(item));
	}
}

void
command_device_rejected(struct call *call)
{
	struct row rows[ROWS_MAX];
	char endpoint[ENDPOINT_NAME_MAX + 1];
	json_t *list, *others;
	struct table table;
	struct page page;
	unsigned n, i;

	if (!page_begin(&page, call, PAGE_ALL))
		return;
	n = rows_from(call->service, page.from, rows);
	list = json_array();
	others = json_array();
	page_table(&page, &table, "endpoint|~why|address:1|first:3|last:2|count:4");
	for (i = 0; i < n && !page_full(&page); i++) {
		if (!page_shows(&page, rows[i].place))
			continue;
		if (rows[i].item)
			put_item(rows[i].item, device_endpoint(rows[i].device, endpoint), &table,
				 list);
		else
			put_unserved(rows[i].unserved, &table, others);
	}
	table_finish(&table, &call->text);
	if (i == n)
		put_remedies(call->service->rejected, &call->text);
	call->result = json_pack("{s:O, s:o, s:o}", "rejected", list, "turned_away", list,
				 "unserved", others);
	page_finish(&page, i < n, i < n ? rows[i].place : 0);
}
