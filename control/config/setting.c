#include "control/config/setting.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"

static const void *
field(const struct setting *setting, const void *base)
{
	return (const char *)base + setting->offset;
}

static void *
field_of(const struct setting *setting, void *base)
{
	return (char *)base + setting->offset;
}

static int
addresses_format(const struct config_addresses *addresses, char *out, size_t size)
{
	char one[ADDRESS_TEXT_MAX];
	int len = 0;

	if (size)
		out[0] = '\0';
	for (unsigned i = 0; i < addresses->count; i++) {
		size_t at = (size_t)len < size ? (size_t)len : size;

		address_format_prefix(&addresses->items[i], one);
		len += snprintf(out + at, size - at, "%s%s", i ? ", " : "", one);
	}
	return len;
}

int
setting_format(const struct setting *setting, const void *base, char *out, size_t size)
{
	const void *at = field(setting, base);
	uint32_t number = 0;

	if (setting->type == SETTING_ADDRESSES)
		return addresses_format(at, out, size);
	if (setting->type == SETTING_BOOL)
		return snprintf(out, size, "%s", *(const bool *)at ? "true" : "false");
	if (setting->type == SETTING_INTEGER)
		return snprintf(out, size, "%d", *(const int32_t *)at);
	if (setting->type == SETTING_TEXT || setting->type == SETTING_PATH)
		return snprintf(out, size, "\"%s\"", *(char *const *)at ? *(char *const *)at : "");
	memcpy(&number, at, sizeof number);
	if (setting->type == SETTING_CHOICE)
		return snprintf(out, size, "\"%s\"", setting->choices[number]);
	if (setting->type == SETTING_PERCENT)
		return snprintf(out, size, "%g", number / 100.0);
	return snprintf(out, size, "%u", number);
}

char *
setting_path(const char *folder, const char *path)
{
	char *joined;

	if (path[0] == '/' || !*folder)
		return strdup(path);
	return asprintf(&joined, "%s/%s", folder, path) < 0 ? NULL : joined;
}

int
setting_choice(const struct setting *setting, const char *word)
{
	for (int i = 0; setting->choices[i]; i++)
		if (strcmp(setting->choices[i], word) == 0)
			return i;
	return -1;
}

int
setting_preset(const struct setting *setting, void *base, const char *folder)
{
	void *at = field_of(setting, base);
	const char *preset = setting->preset;

	if (!preset)
		return 0;
	switch (setting->type) {
	case SETTING_BOOL:
		*(bool *)at = strcmp(preset, "true") == 0;
		return 0;
	case SETTING_NUMBER:
		*(uint32_t *)at = (uint32_t)strtoul(preset, NULL, 10);
		return 0;
	case SETTING_INTEGER:
		*(int32_t *)at = (int32_t)strtol(preset, NULL, 10);
		return 0;
	case SETTING_PERCENT:
		*(uint32_t *)at = (uint32_t)(strtod(preset, NULL) * 100 + 0.5);
		return 0;
	case SETTING_CHOICE:
		*(uint32_t *)at = (uint32_t)setting_choice(setting, preset);
		return 0;
	case SETTING_TEXT:
		folder = "";
		/* fall through */
	case SETTING_PATH:
		*(char **)at = setting_path(folder, preset);
		return *(char **)at ? 0 : -ENOMEM;
	case SETTING_ADDRESSES:
		break;
	}
	return 0;
}

void
setting_clear(const struct setting *setting, void *base)
{
	if (setting->type == SETTING_TEXT || setting->type == SETTING_PATH) {
		char **at = field_of(setting, base);

		free(*at);
		*at = NULL;
	}
}

int
setting_copy(const struct setting *setting, void *to, const void *from)
{
	static const size_t sizes[] = {
		[SETTING_BOOL] = sizeof(bool),
		[SETTING_NUMBER] = sizeof(uint32_t),
		[SETTING_INTEGER] = sizeof(int32_t),
		[SETTING_PERCENT] = sizeof(uint32_t),
		[SETTING_CHOICE] = sizeof(uint32_t),
		[SETTING_TEXT] = sizeof(char *),
		[SETTING_PATH] = sizeof(char *),
		[SETTING_ADDRESSES] = sizeof(struct config_addresses),
	};
	const void *source = field(setting, from);
	char *copy = NULL;

	if (setting->type == SETTING_TEXT || setting->type == SETTING_PATH) {
		if (*(char *const *)source) {
			copy = strdup(*(char *const *)source);
			if (!copy)
				return -ENOMEM;
		}
		setting_clear(setting, to);
		*(char **)field_of(setting, to) = copy;
		return 0;
	}
	memcpy(field_of(setting, to), source, sizes[setting->type]);
	return 0;
}

static const char *const type_names[] = {
	[SETTING_BOOL] = "true or false", [SETTING_NUMBER] = "number",
	[SETTING_INTEGER] = "number",     [SETTING_PERCENT] = "decimal",
	[SETTING_CHOICE] = "one of",      [SETTING_TEXT] = "text",
	[SETTING_PATH] = "path",          [SETTING_ADDRESSES] = "list of addresses",
};

static void
help_name(const struct settings_schema *schema, const struct setting *setting, char out[128])
{
	const char *list = schema->lists[setting->section];

	assert(setting->section < schema->n_lists);
	snprintf(out, 128, "%s%s%s", list ? list : "", list ? "[]." : "", setting->name);
}

static void
help_setting(const struct settings_schema *schema, const struct setting *setting, struct text *text)
{
	char name[128];

	help_name(schema, setting, name);
	text_printf(text, "%s\n    %s\n    %s", name, setting->help, type_names[setting->type]);
	for (unsigned i = 0; setting->choices && setting->choices[i]; i++)
		text_printf(text, " \"%s\"", setting->choices[i]);
	if (setting->max > 0)
		text_printf(text, " %.0f to %.0f", setting->min, setting->max);
	if (setting->required)
		text_printf(text, ", required");
	else
		text_printf(text, ", default %s", setting->preset ? setting->preset : "none");
	text_printf(text, ", %s\n", setting->live ? "live: applied by reload" : "needs a restart");
}

void
settings_help(const struct settings_schema *schema, struct text *text)
{
	for (unsigned i = 0; i < schema->n; i++)
		if (!schema->settings[i].obsolete)
			help_setting(schema, &schema->settings[i], text);
}

bool
settings_help_one(const struct settings_schema *schema, const char *name, struct text *text)
{
	for (unsigned i = 0; i < schema->n; i++) {
		const struct setting *setting = &schema->settings[i];
		char full[128];

		help_name(schema, setting, full);
		if (setting->obsolete)
			continue;
		if (strcmp(name, full) == 0 || strcmp(name, setting->name) == 0) {
			help_setting(schema, setting, text);
			return true;
		}
	}
	return false;
}
