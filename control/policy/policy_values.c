/* Setting values as groups.conf and devices.conf write them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf_text.h"
#include "control/inventory/setting_values.h"
#include "control/policy/policy.h"
#include "control/policy/policy_help.h"
#include "control/policy/policy_reading.h"

enum {
	VALUES_MAX = 1000, /* of one group or device */
	VALUE_NAME_MAX = 255,
	VALUE_TEXT_MAX = 65535, /* no batch carries more in one value (BATCH_PAYLOAD_MAX) */
};

static const struct policy_value *
find(const struct policy_values *values, const char *name)
{
	for (unsigned i = 0; i < values->count; i++)
		if (strcmp(values->items[i].name, name) == 0)
			return &values->items[i];
	return NULL;
}

/* `locked` is the last: devices do without. */
static const struct conf_member value_members[] = {
	{ "value", "the text" },
	{ "secret", "true: masked wherever it is shown" },
	{ "name", "of the value, where `values` is a list rather than a group: for names that the "
		  "file's syntax cannot write" },
	{ "locked", "true: it wins over the values of the groups below; of a group alone" },
};

const struct policy_section policy_section_values = {
	"SETTING VALUES", "values = { NAME = { ... }; }: a value is its text, or a group of these.",
	value_members, COUNT(value_members)
};

/*
 * One value: text alone, or { value; secret; locked; name } - a name only where the values are a
 * list.
 */
static void
read_value(const struct conf_text *conf, const config_setting_t *member, bool lockable,
	   struct policy_value *value, struct diag_list *diags)
{
	struct place place = conf_place(conf, member);

	if (config_setting_type(member) == CONFIG_TYPE_STRING) {
		value->text = config_setting_get_string(member);
	} else if (config_setting_is_group(member)) {
		conf_check_members(conf, member, value_members, COUNT(value_members) - !lockable,
				   diags);
		value->name = conf_string(conf, member, "name", value->name, diags);
		value->text = conf_string(conf, member, "value", NULL, diags);
		value->secret = conf_bool(conf, member, "secret", false, diags);
		value->locked = lockable && conf_bool(conf, member, "locked", false, diags);
		if (!value->text && !config_setting_get_member(member, "value"))
			diag_error(diags, &place, "\"value\" is missing here");
	} else {
		diag_error(diags, &place,
			   "a setting value must be text in quotes or "
			   "{ value = \"...\"; secret = true; }, not %s",
			   conf_type_name(member));
	}
}

static void
add_value(const struct conf_text *conf, const config_setting_t *member, struct policy_value value,
	  struct arena *arena, struct policy_values *values, struct diag_list *diags)
{
	struct place place = conf_place(conf, member);

	if (!value.name || !*value.name || strlen(value.name) > VALUE_NAME_MAX) {
		diag_error(diags, &place, "a setting value needs a name of 1 to %d bytes",
			   VALUE_NAME_MAX);
		return;
	}
	if (strlen(value.text) > VALUE_TEXT_MAX) {
		diag_error(diags, &place, "longer than %d bytes", VALUE_TEXT_MAX);
		return;
	}
	if (find(values, value.name)) {
		diag_error(diags, &place, "the value \"%s\" is set twice here", value.name);
		return;
	}
	value.name = arena_copy(arena, value.name, strlen(value.name));
	value.text = arena_copy(arena, value.text, strlen(value.text));
	if (!value.name || !value.text) {
		diag_error(diags, &place, "out of memory");
		return;
	}
	value.secret = value.secret || policy_name_is_secret(value.name);
	values->items[values->count++] = value;
}

void
policy_values_read(const struct conf_text *conf, const config_setting_t *owner, bool lockable,
		   struct arena *arena, struct policy_values *values, struct diag_list *diags)
{
	const config_setting_t *all = config_setting_get_member(owner, "values");
	struct place place;
	int n;

	*values = (struct policy_values){ 0 };
	if (!all)
		return;
	place = conf_place(conf, all);
	if (!config_setting_is_group(all) && !config_setting_is_list(all)) {
		diag_error(diags, &place,
			   "must be a group { NAME = \"...\"; } or a list ( { name; value; } ), "
			   "not %s",
			   conf_type_name(all));
		return;
	}
	n = config_setting_length(all);
	if (n == 0)
		return;
	if (n > VALUES_MAX) {
		diag_error(diags, &place, "more than %d values", VALUES_MAX);
		return;
	}
	values->items = arena_alloc(arena, (size_t)n * sizeof *values->items);
	if (!values->items) {
		diag_error(diags, &place, "out of memory");
		return;
	}
	for (int i = 0; i < n; i++) {
		const config_setting_t *member = config_setting_get_elem(all, (unsigned)i);
		struct policy_value value = { .name = config_setting_name(member) };

		read_value(conf, member, lockable, &value, diags);
		if (value.text)
			add_value(conf, member, value, arena, values, diags);
	}
	assert(values->count <= (unsigned)n);
}
