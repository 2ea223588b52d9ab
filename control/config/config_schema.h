/*
 * config_schema.h - every setting of cradle.conf, declared once. Private to config.
 */
#pragma once

#include "control/config/setting.h"

/* Which struct the offset counts from. */
enum setting_section {
	SECTION_ROOT,     /* struct config; a dot in the name is a group */
	SECTION_PORT,     /* struct config_port, an item of the list `ports` */
	SECTION_LISTENER, /* struct config_listener, an item of the list `listeners` */
};

extern const struct settings_schema config_schema;

struct config;
struct conf_text;
struct diag_list;

/* Adds an error for every contradiction between settings. */
void config_check(const struct config *config, const struct conf_text *conf,
		  struct diag_list *diags);
