/* The settings that run, beside those of the file on disk: setting list. */
#include <fnmatch.h>
#include <string.h>

#include "control/commands/show.h"
#include "control/config/config.h"
#include "control/config/diag_text.h"

/* Where rows go. */
struct listing {
	struct call *call;
	const char *glob; /* NULL: any name */
	bool changed;     /* those alone */
	const struct config_changes *changes;
	struct table table;
	json_t *list;
	unsigned by_reload, by_restart; /* changes, shown or not */
};

static const struct config_change *
find_change(const struct config_changes *changes, const char *name)
{
	for (unsigned i = 0; i < changes->count; i++)
		if (strcmp(changes->items[i].name, name) == 0)
			return &changes->items[i];
	return NULL;
}

static void
put_row(struct listing *listing, const struct config_value *value)
{
	const char *name = value->name, *text = value->text;
	const struct config_change *change = find_change(listing->changes, name);
	const char *when = !change ? "" : change->live ? "reload" : "restart";
	json_t *row;

	if ((listing->glob && fnmatch(listing->glob, name, 0) != 0) ||
	    (listing->changed && !change))
		return;
	table_cell(&listing->table, "%s", name);
	table_cell(&listing->table, "%s", text);
	table_cell(&listing->table, "%s", change ? change->after : "");
	table_cell(&listing->table, "%s", when);
	row = json_pack("{s:s, s:o, s:b, s:s*, s:s*}", "name", name, "value",
			show_json(text, strlen(text)), "live", value->live, "preset", value->preset,
			"help", value->help);
	if (change) {
		json_object_set_new(row, "on_disk",
				    show_json(change->after, strlen(change->after)));
		json_object_set_new(row, "takes", json_string(when));
	}
	json_array_append_new(listing->list, row);
}

static void
put_value(void *ctx, const struct config_value *value)
{
	put_row(ctx, value);
}

static void
put_all(struct listing *listing, const struct config *config)
{
	static const char *const lists[] = { "ports", "listeners" };

	for (unsigned i = 0; i < listing->changes->count; i++)
		*(listing->changes->items[i].live ? &listing->by_reload : &listing->by_restart) +=
			1;
	table_init(&listing->table, "setting|~value|~on disk|takes:1");
	config_each(config, put_value, listing);
	for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++) {
		const struct config_change *change = find_change(listing->changes, lists[i]);

		if (change)
			put_row(listing,
				&(struct config_value){ .name = lists[i], .text = change->before });
	}
	table_finish(&listing->table, &listing->call->text);
}

static void
put_summary(const struct listing *listing, const struct config *config, bool good)
{
	struct text *text = &listing->call->text;

	if (!good)
		text_show(text, "%s cannot be made live: `check` says why\n", config->file);
	else if (listing->changes->count)
		text_show(text, "a reload would change %u of them, a restart %u\n",
			  listing->by_reload, listing->by_reload + listing->by_restart);
	else
		text_show(text, "%s says the same\n", config->file);
}

void
command_setting_list(struct call *call)
{
	const struct config *running = call->service->config;
	struct config_changes changes = { 0 };
	struct listing listing = { .call = call,
				   .glob = call->arguments[0],
				   .changed = call_option(call, "--changed"),
				   .changes = &changes };
	struct diag_list diags;
	struct config *on_disk;

	diag_list_init(&diags);
	on_disk = config_load(running->file, &diags);
	if (on_disk && !diags.errors && config_compare(running, on_disk, &changes) < 0) {
		call_refuse(call, CTL_REFUSED, "out of memory");
	} else {
		listing.list = json_array();
		put_all(&listing, running);
		put_summary(&listing, running, on_disk && !diags.errors);
		call->result =
			json_pack("{s:s, s:b, s:i, s:i, s:o, s:o}", "file", running->file, "good",
				  on_disk && !diags.errors, "by_reload", (int)listing.by_reload,
				  "by_restart", (int)listing.by_restart, "settings", listing.list,
				  "diagnostics", diag_text_json(&diags));
	}
	config_changes_free(&changes);
	config_free(on_disk);
	diag_list_fini(&diags);
}
