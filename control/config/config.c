#include "control/config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"
#include "control/config/config_schema.h"

/* One reading of a file. */
struct reading {
	const struct conf_text *conf;
	struct config *config;
	struct diag_list *diags;
	char *folder;
};

enum { NAMES_MAX = 64 };

static void
read_scalar_error(struct reading *reading, const struct setting *setting, const struct place *place,
		  const config_setting_t *member)
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
read_number(struct reading *reading, const struct setting *setting, void *at,
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
		diag_error(reading->diags, &place, "%g is out of range: %.0f to %.0f", value,
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
read_choice(struct reading *reading, const struct setting *setting, void *at,
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
		diag_error(reading->diags, &place, "\"%s\" is none of %s; did you mean \"%s\"?",
			   word, text_str(&list), nearest);
	else
		diag_error(reading->diags, &place, "\"%s\" is none of %s", word, text_str(&list));
	text_fini(&list);
}

static void
read_text(struct reading *reading, const struct setting *setting, void *base,
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
read_address(struct reading *reading, struct config_addresses *addresses,
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
	addresses->items[addresses->count++] = address;
}

static void
read_addresses(struct reading *reading, const struct setting *setting, void *at,
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
read_value(struct reading *reading, const struct setting *setting, void *base,
	   const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	void *at = (char *)base + setting->offset;
	int type = config_setting_type(member);

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
find_setting(enum setting_section section, const char *name)
{
	for (unsigned i = 0; i < n_settings; i++)
		if (settings[i].section == section && strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

/* The names that may stand where an unknown one was found: one level of a section. */
static size_t
names_of_level(enum setting_section section, const char *prefix, const char *names[NAMES_MAX])
{
	size_t n = 0, len = strlen(prefix);

	for (unsigned i = 0; i < n_settings && n < NAMES_MAX - 2; i++)
		if (settings[i].section == section && strncmp(settings[i].name, prefix, len) == 0)
			names[n++] = settings[i].name + len;
	if (section == SECTION_ROOT && !*prefix) {
		names[n++] = "ports";
		names[n++] = "listeners";
	}
	return n;
}

static void
unknown_setting(struct reading *reading, enum setting_section section, const char *prefix,
		const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);
	const char *names[NAMES_MAX];
	size_t n = names_of_level(section, prefix, names);
	const char *nearest = diag_nearest(config_setting_name(member), names, n);

	if (nearest)
		diag_error(reading->diags, &place, "unknown setting; did you mean \"%s\"?",
			   nearest);
	else
		diag_error(reading->diags, &place,
			   "unknown setting; `cradlectl help settings` lists all");
}

static bool
is_group_name(const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < n_settings; i++)
		if (settings[i].section == SECTION_ROOT &&
		    strncmp(settings[i].name, name, len) == 0 && settings[i].name[len] == '.')
			return true;
	return false;
}

static void read_members(struct reading *reading, enum setting_section section, const char *prefix,
			 void *base, const config_setting_t *group);

static void
read_group(struct reading *reading, const char *prefix, const config_setting_t *member)
{
	struct place place = conf_place(reading->conf, member);

	if (config_setting_is_group(member))
		read_members(reading, SECTION_ROOT, prefix, reading->config, member);
	else
		diag_error(reading->diags, &place, "must be a group { }, not %s",
			   conf_type_name(member));
}

/* All members of a group but the lists, whose items are groups of their own. */
static void
read_members(struct reading *reading, enum setting_section section, const char *prefix, void *base,
	     const config_setting_t *group)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(member);
		const struct setting *setting;
		char full[128], below[128];

		snprintf(full, sizeof full, "%s%.60s", prefix, name);
		snprintf(below, sizeof below, "%.60s.", name);
		setting = find_setting(section, full);
		if (section == SECTION_ROOT && !*prefix &&
		    (strcmp(name, "ports") == 0 || strcmp(name, "listeners") == 0))
			continue;
		if (setting)
			read_value(reading, setting, base, member);
		else if (section == SECTION_ROOT && !*prefix && is_group_name(name))
			read_group(reading, below, member);
		else
			unknown_setting(reading, section, prefix, member);
	}
}

static void
check_required(struct reading *reading, enum setting_section section, const config_setting_t *group)
{
	for (unsigned i = 0; i < n_settings; i++) {
		struct place place = conf_place(reading->conf, group);

		if (settings[i].section != section || !settings[i].required ||
		    config_setting_get_member(group, settings[i].name))
			continue;
		place.tag = section_lists[section];
		diag_error(reading->diags, &place, "\"%s\" is missing here", settings[i].name);
	}
}

static void
set_presets(struct reading *reading, enum setting_section section, void *base)
{
	struct place place = { .file = reading->config->file };

	for (unsigned i = 0; i < n_settings; i++)
		if (settings[i].section == section &&
		    setting_preset(&settings[i], base, reading->folder) < 0)
			diag_error(reading->diags, &place, "out of memory");
}

/* Checks that the list is one of groups; returns it, or NULL. */
static const config_setting_t *
required_list(struct reading *reading, const char *name, int max)
{
	const config_setting_t *root = conf_text_root(reading->conf);
	const config_setting_t *list = config_setting_get_member(root, name);
	struct place place = { .file = reading->config->file, .tag = name };

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

static void
read_item(struct reading *reading, enum setting_section section, void *base,
	  const config_setting_t *item)
{
	struct place place = conf_place(reading->conf, item);

	place.tag = section_lists[section];
	set_presets(reading, section, base);
	if (!config_setting_is_group(item)) {
		diag_error(reading->diags, &place, "an item must be a group { }, not %s",
			   conf_type_name(item));
		return;
	}
	read_members(reading, section, "", base, item);
	check_required(reading, section, item);
}

static void
read_lists(struct reading *reading)
{
	struct config *config = reading->config;
	const config_setting_t *list, *item;

	list = required_list(reading, "ports", DATAPLANE_PORTS_MAX);
	for (int i = 0; list && i < config_setting_length(list); i++) {
		item = config_setting_get_elem(list, (unsigned)i);
		config->ports[i].line = config_setting_source_line(item);
		config->n_ports++;
		read_item(reading, SECTION_PORT, &config->ports[i], item);
	}
	list = required_list(reading, "listeners", CONFIG_LISTENERS_MAX);
	for (int i = 0; list && i < config_setting_length(list); i++) {
		item = config_setting_get_elem(list, (unsigned)i);
		config->listeners[i].line = config_setting_source_line(item);
		config->n_listeners++;
		read_item(reading, SECTION_LISTENER, &config->listeners[i], item);
	}
}

static char *
folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return strdup("");
	return slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
}

static void
read_all(struct reading *reading)
{
	set_presets(reading, SECTION_ROOT, reading->config);
	read_members(reading, SECTION_ROOT, "", reading->config, conf_text_root(reading->conf));
	read_lists(reading);
	config_check(reading->config, reading->conf, reading->diags);
}

static struct config *
read_config(const char *file, const struct conf_text *conf, struct diag_list *diags)
{
	struct reading reading = { .conf = conf, .diags = diags };
	struct place place = { .file = file };

	reading.config = calloc(1, sizeof *reading.config);
	reading.folder = folder_of(file);
	if (reading.config)
		reading.config->file = strdup(file);
	if (!reading.config || !reading.folder || !reading.config->file) {
		diag_error(diags, &place, "out of memory");
		config_free(reading.config);
		reading.config = NULL;
	} else {
		read_all(&reading);
	}
	free(reading.folder);
	return reading.config;
}

struct config *
config_parse(const char *file, const char *text, size_t len, struct diag_list *diags)
{
	struct conf_text conf;
	struct config *config;

	if (conf_text_parse(&conf, file, text, len, diags) < 0)
		return NULL;
	config = read_config(file, &conf, diags);
	conf_text_fini(&conf);
	return config;
}

struct config *
config_load(const char *file, struct diag_list *diags)
{
	size_t len;
	char *text = conf_file_read(file, CONFIG_FILE_MAX, &len, diags);
	struct config *config;

	if (!text)
		return NULL;
	config = config_parse(file, text, len, diags);
	free(text);
	return config;
}

void
config_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < n_settings; i++) {
		if (settings[i].section == SECTION_ROOT)
			setting_clear(&settings[i], config);
		for (unsigned p = 0; settings[i].section == SECTION_PORT && p < config->n_ports;
		     p++)
			setting_clear(&settings[i], &config->ports[p]);
	}
	free(config->file);
	free(config);
}
