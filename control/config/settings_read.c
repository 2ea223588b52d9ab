#include "control/config/settings_read.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"

enum { NAMES_MAX = 64 };

static void
read_scalar_error(struct settings_reading *reading, const struct setting *setting,
		  const struct place *place, const config_setting_t *member)
{
	static const char *const wanted[] = {
		[SETTING_BOOL] = "true or false",
		[SETTING_NUMBER] = "a whole number",
		[SETTING_INTEGER] = "a whole number",
		[SETTING_PERCENT] = "a number",
		[SETTING_CHOICE] = "text in quotes",
		[SETTING_TEXT] = "text in quotes",
		[SETTING_PATH] = "text in quotes",
		[SETTING_ADDRESSES] = "a list of addresses in quotes",
	};

	diag_error(reading->diags, place, "must be %s, not %s", wanted[setting->type],
		   conf_type_name(member));
}

/* Any number as a double: exact for every range we have. */
static bool
number_of(const config_setting_t *member, double *value)
{
	switch (config_setting_type(member)) {
	case CONFIG_TYPE_INT:
		*value = config_setting_get_int(member);
		return true;
	case CONFIG_TYPE_INT64:
		*value = (double)config_setting_get_int64(member);
		return true;
	case CONFIG_TYPE_FLOAT:
		*value = config_setting_get_float(member);
		return true;
	default:
		return false;
	}
}

static void
read_number(struct settings_reading *reading, const struct setting *setting, void *at,
	    const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	double value;

	if (!number_of(member, &value) || (setting->type != SETTING_PERCENT &&
					   config_setting_type(member) == CONFIG_TYPE_FLOAT)) {
		read_scalar_error(reading, setting, &place, member);
		return;
	}
	if (!(value >= setting->min && value <= setting->max)) {
		/* All digits of a whole number. */
		diag_error(reading->diags, &place, "%.15g is out of range: %.0f to %.0f", value,
			   setting->min, setting->max);
		return;
	}
	if (setting->type == SETTING_INTEGER)
		*(int32_t *)at = (int32_t)value;
	else
		*(uint32_t *)at =
			(uint32_t)(setting->type == SETTING_PERCENT ? value * 100 + 0.5 : value);
}

static void
read_choice(struct settings_reading *reading, const struct setting *setting, void *at,
	    const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	const char *word = config_setting_get_string(member), *nearest;
	struct text list;
	size_t n = 0;
	int choice;

	choice = setting_choice(setting, word);
	if (choice >= 0) {
		*(uint32_t *)at = (uint32_t)choice;
		return;
	}
	text_init(&list);
	for (; setting->choices[n]; n++)
		text_printf(&list, "%s\"%s\"", n ? ", " : "", setting->choices[n]);
	nearest = diag_nearest(word, setting->choices, n);
	if (nearest)
		diag_error(reading->diags, &place, "\"%s\" is not a valid value: %s; did you mean \"%s\"?",
			   word, text_str(&list), nearest);
	else
		diag_error(reading->diags, &place, "\"%s\" is not a valid value: %s", word, text_str(&list));
	text_fini(&list);
}

static void
read_text(struct settings_reading *reading, const struct setting *setting, void *base,
	  const config_setting_t *member)
{
	char **at = (char **)((char *)base + setting->offset);
	const char *value = config_setting_get_string(member);
	struct place place = conf_place(reading->conf, member);
	char *copy;

	if (!*value && (setting->required || setting->type == SETTING_PATH)) {
		diag_error(reading->diags, &place, "must not be empty");
		return;
	}
	copy = setting_path(setting->type == SETTING_PATH ? reading->folder : "", value);
	if (!copy) {
		diag_error(reading->diags, &place, "out of memory");
		return;
	}
	free(*at);
	*at = copy;
	if (!*value) {
		free(copy);
		*at = NULL;
	}
}

static void
read_address(struct settings_reading *reading, struct config_addresses *addresses,
	     const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	struct dataplane_address address;
	const char *text;

	place.tag = "addresses";
	if (config_setting_type(member) != CONFIG_TYPE_STRING) {
		diag_error(reading->diags, &place, "an address must be text in quotes, not %s",
			   conf_type_name(member));
		return;
	}
	text = config_setting_get_string(member);
	if (address_parse(text, &address) < 0) {
		diag_error(reading->diags, &place,
			   "\"%s\" is no address; write it as \"198.18.0.1/24\" or "
			   "\"2001:2::1/64\"",
			   text);
		return;
	}
	for (unsigned i = 0; i < addresses->count; i++)
		if (memcmp(addresses->items[i].addr, address.addr, sizeof address.addr) == 0) {
			diag_error(reading->diags, &place, "\"%s\" is listed twice", text);
			return;
		}
	if (addresses->count == DATAPLANE_ADDRESSES_MAX) {
		diag_error(reading->diags, &place, "more than %d addresses",
			   DATAPLANE_ADDRESSES_MAX);
		return;
	}
	assert(addresses->count < DATAPLANE_ADDRESSES_MAX);
	addresses->items[addresses->count++] = address;
}

static void
read_addresses(struct settings_reading *reading, const struct setting *setting, void *at,
	       const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);

	if (!config_setting_is_list(member) && !config_setting_is_array(member)) {
		read_scalar_error(reading, setting, &place, member);
		return;
	}
	if (config_setting_length(member) == 0)
		diag_error(reading->diags, &place, "must hold at least one address");
	for (int i = 0; i < config_setting_length(member); i++)
		read_address(reading, at, config_setting_get_elem(member, (unsigned)i));
}

static void
read_value(struct settings_reading *reading, const struct setting *setting, void *base,
	   const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	void *at = (char *)base + setting->offset;
	int type = config_setting_type(member);

	if (setting->obsolete)
		diag_warning(reading->diags, &place, "has no effect any more: %s", setting->help);
	switch (setting->type) {
	case SETTING_ADDRESSES:
		read_addresses(reading, setting, at, member);
		return;
	case SETTING_NUMBER:
	case SETTING_INTEGER:
	case SETTING_PERCENT:
		read_number(reading, setting, at, member);
		return;
	case SETTING_BOOL:
		if (type == CONFIG_TYPE_BOOL) {
			*(bool *)at = config_setting_get_bool(member);
			return;
		}
		break;
	case SETTING_CHOICE:
		if (type == CONFIG_TYPE_STRING) {
			read_choice(reading, setting, at, member);
			return;
		}
		break;
	case SETTING_TEXT:
	case SETTING_PATH:
		if (type == CONFIG_TYPE_STRING) {
			read_text(reading, setting, base, member);
			return;
		}
		break;
	}
	read_scalar_error(reading, setting, &place, member);
}

static const struct setting *
find_setting(const struct settings_schema *schema, unsigned section, const char *name)
{
	for (unsigned i = 0; i < schema->n; i++)
		if (schema->settings[i].section == section &&
		    strcmp(schema->settings[i].name, name) == 0)
			return &schema->settings[i];
	return NULL;
}

/* The names that may stand where an unknown one was found: one level of a section. */
static size_t
names_of_level(const struct settings_schema *schema, unsigned section, const char *prefix,
	       const char *names[NAMES_MAX])
{
	size_t n = 0, len = strlen(prefix);

	for (unsigned i = 0; i < schema->n && n < NAMES_MAX; i++)
		if (schema->settings[i].section == section &&
		    strncmp(schema->settings[i].name, prefix, len) == 0)
			names[n++] = schema->settings[i].name + len;
	for (unsigned i = 1; i < schema->n_lists && !section && !*prefix && n < NAMES_MAX; i++)
		names[n++] = schema->lists[i];
	return n;
}

static void
unknown_setting(struct settings_reading *reading, unsigned section, const char *prefix,
		const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	const char *names[NAMES_MAX];
	size_t n = names_of_level(reading->schema, section, prefix, names);
	const char *nearest = diag_nearest(config_setting_name(member), names, n);

	if (nearest)
		diag_error(reading->diags, &place, "unknown setting; did you mean \"%s\"?",
			   nearest);
	else
		diag_error(reading->diags, &place, "unknown setting; `%s` lists all",
			   reading->schema->help_command);
}

static bool
is_group_name(const struct settings_schema *schema, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < schema->n; i++)
		if (!schema->settings[i].section &&
		    strncmp(schema->settings[i].name, name, len) == 0 &&
		    schema->settings[i].name[len] == '.')
			return true;
	return false;
}

static bool
is_list_name(const struct settings_schema *schema, const char *name)
{
	for (unsigned i = 1; i < schema->n_lists; i++)
		if (strcmp(schema->lists[i], name) == 0)
			return true;
	return false;
}

static void read_members(struct settings_reading *reading, unsigned section, const char *prefix,
			 void *base, const config_setting_t *group);

static void
read_group(struct settings_reading *reading, const char *prefix, void *base,
	   const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);

	if (config_setting_is_group(member))
		read_members(reading, 0, prefix, base, member);
	else
		diag_error(reading->diags, &place, "must be a group { }, not %s",
			   conf_type_name(member));
}

/* All members of a group but the lists, whose items are groups of their own. */
static void
read_members(struct settings_reading *reading, unsigned section, const char *prefix, void *base,
	     const config_setting_t *group)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(member);
		const struct setting *setting;
		char full[128], below[128];

		snprintf(full, sizeof full, "%s%.60s", prefix, name);
		snprintf(below, sizeof below, "%.60s.", name);
		setting = find_setting(reading->schema, section, full);
		if (!section && !*prefix && is_list_name(reading->schema, name))
			continue;
		if (setting)
			read_value(reading, setting, base, member);
		else if (!section && !*prefix && is_group_name(reading->schema, name))
			read_group(reading, below, base, member);
		else
			unknown_setting(reading, section, prefix, member);
	}
}

static void
check_required(struct settings_reading *reading, unsigned section, const config_setting_t *group)
{
	const struct settings_schema *schema = reading->schema;

	for (unsigned i = 0; i < schema->n; i++) {
		struct place place = conf_place(reading->conf, group);

		if (schema->settings[i].section != section || !schema->settings[i].required ||
		    config_setting_get_member(group, schema->settings[i].name))
			continue;
		place.tag = schema->lists[section];
		diag_error(reading->diags, &place, "\"%s\" is missing here",
			   schema->settings[i].name);
	}
}

static void
set_presets(struct settings_reading *reading, unsigned section, void *base)
{
	struct place place = { .file = reading->conf->name };

	for (unsigned i = 0; i < reading->schema->n; i++)
		if (reading->schema->settings[i].section == section &&
		    setting_preset(&reading->schema->settings[i], base, reading->folder) < 0)
			diag_error(reading->diags, &place, "out of memory");
}

const config_setting_t *
settings_read_list(struct settings_reading *reading, const char *name, int max)
{
	const config_setting_t *root = conf_text_root(reading->conf);
	const config_setting_t *list = config_setting_get_member(root, name);
	struct place place = { .file = reading->conf->name, .tag = name };

	if (!list) {
		diag_error(reading->diags, &place, "is missing: a list of at least one");
		return NULL;
	}
	place = conf_place(reading->conf, list);
	if (!config_setting_is_list(list)) {
		diag_error(reading->diags, &place, "must be a list ( { ... }, { ... } ), not %s",
			   conf_type_name(list));
		return NULL;
	}
	if (config_setting_length(list) == 0 || config_setting_length(list) > max) {
		diag_error(reading->diags, &place, "must hold 1 to %d items, not %d", max,
			   config_setting_length(list));
		return NULL;
	}
	return list;
}

void
settings_read_item(struct settings_reading *reading, unsigned section, void *base,
		   const config_setting_t *item)
{
	struct place place = conf_place(reading->conf, item);

	assert(section && section < reading->schema->n_lists);
	place.tag = reading->schema->lists[section];
	set_presets(reading, section, base);
	if (!config_setting_is_group(item)) {
		diag_error(reading->diags, &place, "an item must be a group { }, not %s",
			   conf_type_name(item));
		return;
	}
	read_members(reading, section, "", base, item);
	check_required(reading, section, item);
}

void
settings_read_root(struct settings_reading *reading, void *base)
{
	set_presets(reading, 0, base);
	read_members(reading, 0, "", base, conf_text_root(reading->conf));
}

char *
settings_folder(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return strdup("");
	return slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
}
