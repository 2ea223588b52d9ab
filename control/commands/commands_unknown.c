/* Who asked and is not in the inventory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/page.h"
#include "control/commands/show.h"

/* What it came over, and the identity that it showed; "" where there was none. */
static const char *
security_of(const struct service *service, const struct unknown *unknown, struct text *identity)
{
	static const char *const names[UNKNOWN_OVERS] = {
		[UNKNOWN_OVER_UNTOLD] = "-",    [UNKNOWN_OVER_NOSEC] = "nosec",
		[UNKNOWN_OVER_PSK] = "psk",     [UNKNOWN_OVER_RAW_KEY] = "rpk",
		[UNKNOWN_OVER_DEVICE] = "dtls", [UNKNOWN_OVER_CERTIFICATE] = "certificate",
	};
	const struct device *device = inventory_at(&service->inventory, unknown->device);
	char owner[ENDPOINT_NAME_MAX + 1];

	if (unknown->over == UNKNOWN_OVER_PSK || unknown->over == UNKNOWN_OVER_RAW_KEY)
		text_put_untrusted(identity, unknown->name, unknown->name_len);
	else if (unknown->over == UNKNOWN_OVER_DEVICE && device)
		text_put_untrusted(identity, owner, device_identity(device, owner));
	else if (unknown->over == UNKNOWN_OVER_DEVICE)
		text_show(identity, "(of a removed device)");
	return names[unknown->over];
}

static void
put_unknown(const struct service *service, const struct unknown *unknown, struct table *table,
	    json_t *list)
{
	char first[SHOW_TIME_MAX], last[SHOW_TIME_MAX];
	char hex[2 * sizeof unknown->name + 1] = "";
	struct text name, identity;
	const char *security;

	for (unsigned i = 0; i < unknown->name_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", unknown->name[i]);
	text_init(&name);
	text_init(&identity);
	text_put_untrusted(&name, unknown->name, unknown->name_len);
	security = security_of(service, unknown, &identity);
	table_cell(table, "%s", text_str(&name));
	table_cell(table, "%s", security);
	table_cell(table, "%s", text_str(&identity));
	table_cell(table, "%s", unknown->address);
	table_cell(table, "%s", show_time(unknown->first_ms, first));
	table_cell(table, "%s", show_time(unknown->last_ms, last));
	table_cell(table, "%llu", (unsigned long long)unknown->count);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "endpoint",
				text_str(&name), "hex", hex, "security", security, "identity",
				text_str(&identity), "address", unknown->address, "first_ms",
				(json_int_t)unknown->first_ms, "last_ms",
				(json_int_t)unknown->last_ms, "count", (json_int_t)unknown->count));
	text_fini(&name);
	text_fini(&identity);
}

static int
by_serial(const void *a, const void *b)
{
	const struct unknown *const *left = a, *const *right = b;

	return ((*left)->serial > (*right)->serial) - ((*left)->serial < (*right)->serial);
}

/* Those from a serial on, in its order: where they stand changes as others come and go. */
static unsigned
unknown_from(const struct unknown_devices *unknowns, uint64_t serial,
	     const struct unknown *found[UNKNOWN_DEVICES_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < unknowns->count; i++)
		if (unknowns->items[i].serial >= serial)
			found[n++] = &unknowns->items[i];
	qsort(found, n, sizeof *found, by_serial);
	return n;
}

void
command_unknown_list(struct call *call)
{
	const struct unknown *found[UNKNOWN_DEVICES_MAX];
	unsigned n, i;
	struct table table;
	struct page page;
	json_t *list;

	if (!page_begin(&page, call, PAGE_ALL))
		return;
	n = unknown_from(call->service->unknowns, page.from, found);
	list = json_array();
	page_table(&page, &table, "name|security|identity:1|address|first:3|last|count:2");
	for (i = 0; i < n && !page_full(&page); i++)
		if (page_shows(&page, found[i]->serial))
			put_unknown(call->service, found[i], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "unknown", list);
	page_finish(&page, i < n, i < n ? found[i]->serial : 0);
}
