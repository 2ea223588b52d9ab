/* Who asked and is not in the inventory. */
#include <stdio.h>
#include <string.h>

#include "control/commands/show.h"

static void
put_unknown(const struct unknown *unknown, struct table *table, json_t *list)
{
	char first[SHOW_TIME_MAX], last[SHOW_TIME_MAX];
	char hex[2 * sizeof unknown->name + 1] = "";
	struct text name;

	for (unsigned i = 0; i < unknown->name_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", unknown->name[i]);
	text_init(&name);
	text_put_untrusted(&name, unknown->name, unknown->name_len);
	table_cell(table, "%s", text_str(&name));
	table_cell(table, "%s", unknown->address);
	table_cell(table, "%s", show_time(unknown->first_ms, first));
	table_cell(table, "%s", show_time(unknown->last_ms, last));
	table_cell(table, "%llu", (unsigned long long)unknown->count);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "endpoint", text_str(&name),
				"hex", hex, "address", unknown->address, "first_ms",
				(json_int_t)unknown->first_ms, "last_ms",
				(json_int_t)unknown->last_ms, "count", (json_int_t)unknown->count));
	text_fini(&name);
}

void
command_unknown_list(struct call *call)
{
	const struct unknown_devices *unknowns = call->service->unknowns;
	json_t *list = json_array();
	struct table table;

	table_init(&table, "name|address|first:2|last|count:1");
	for (unsigned i = 0; i < unknowns->count; i++)
		put_unknown(&unknowns->items[i], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "unknown", list);
}
