#include "control/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "control/config/config_schema.h"
#include "control/config/settings_read.h"

static void
read_lists(struct settings_reading *reading, struct config *config)
{
	const config_setting_t *list, *item;

	list = settings_read_list(reading, "ports", DATAPLANE_PORTS_MAX);
	for (int i = 0; list && i < config_setting_length(list); i++) {
		item = config_setting_get_elem(list, (unsigned)i);
		config->ports[i].line = config_setting_source_line(item);
		config->n_ports++;
		settings_read_item(reading, SECTION_PORT, &config->ports[i], item);
	}
	list = settings_read_list(reading, "listeners", CONFIG_LISTENERS_MAX);
	for (int i = 0; list && i < config_setting_length(list); i++) {
		item = config_setting_get_elem(list, (unsigned)i);
		config->listeners[i].line = config_setting_source_line(item);
		config->n_listeners++;
		settings_read_item(reading, SECTION_LISTENER, &config->listeners[i], item);
	}
}

static void
read_all(struct settings_reading *reading, struct config *config)
{
	settings_read_root(reading, config);
	read_lists(reading, config);
	config_check(config, reading->conf, reading->diags);
}

static struct config *
read_config(const char *file, const struct conf_text *conf, struct diag_list *diags)
{
	struct settings_reading reading = { .schema = &config_schema,
					    .conf = conf,
					    .diags = diags,
					    .folder = settings_folder(file) };
	struct config *config = calloc(1, sizeof *config);
	struct place place = { .file = file };

	if (config)
		config->file = strdup(file);
	if (!config || !reading.folder || !config->file) {
		diag_error(diags, &place, "out of memory");
		config_free(config);
		config = NULL;
	} else {
		read_all(&reading, config);
	}
	free(reading.folder);
	return config;
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
	for (unsigned i = 0; i < config_schema.n; i++) {
		const struct setting *setting = &config_schema.settings[i];

		if (setting->section == SECTION_ROOT)
			setting_clear(setting, config);
		for (unsigned p = 0; setting->section == SECTION_PORT && p < config->n_ports; p++)
			setting_clear(setting, &config->ports[p]);
	}
	free(config->file);
	free(config);
}
