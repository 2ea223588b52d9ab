/* Devices that authorities vouched for, and that were created so. */
#include "control/commands/show.h"
#include "control/runs/created_devices.h"

static json_t *
counts_json(const struct created_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "made", (json_int_t)counts->made, "over_rate",
			 (json_int_t)counts->over_rate, "full", (json_int_t)counts->full, "failed",
			 (json_int_t)counts->failed);
}

void
command_device_created(struct call *call)
{
	const struct created_devices *created = call->service->created;
	const struct created_device *device;
	json_t *list = json_array();
	struct table table;

	table_init(&table, "endpoint|vouched for by|address:1|created");
	for (unsigned i = 0; (device = created_devices_at(created, i)); i++) {
		char made[SHOW_TIME_MAX];

		table_cell(&table, "%s", device->endpoint);
		table_cell(&table, "%s", device->anchor);
		table_cell(&table, "%s", device->address);
		table_cell(&table, "%s", show_time(device->made_ms, made));
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "endpoint",
						      device->endpoint, "anchor", device->anchor,
						      "address", device->address, "created_ms",
						      (json_int_t)device->made_ms));
	}
	table_finish(&table, &call->text);
	call->result =
		json_pack("{s:o, s:o}", "created", list, "counts", counts_json(&created->counts));
}

void
show_created(const struct created_devices *created, struct text *text, json_t *json)
{
	const struct created_counts *counts = &created->counts;
	uint64_t refused = counts->over_rate + counts->full + counts->failed;

	json_object_set_new(json, "created", counts_json(counts));
	if (counts->made || refused)
		text_show(
			text,
			"created: %llu device%s by their certificates; `device created` shows the "
			"last\n",
			(unsigned long long)counts->made, PLURAL(counts->made));
	if (refused)
		text_show(
			text,
			"  %llu time%s none was: %llu beyond an authority's create_per_minute, "
			"%llu while too many waited, %llu failed (see the log); `unknown list` has "
			"them\n",
			(unsigned long long)refused, PLURAL(refused),
			(unsigned long long)counts->over_rate, (unsigned long long)counts->full,
			(unsigned long long)counts->failed);
}
