/*
 * settings_read.h - a configuration file read into a struct by its schema: every fault is a diagnostic with its place.
 *
 * Wrong settings keep their defaults, so that a check goes on and tells all faults at once. One thread. Allocates what
 * settings own; setting_clear() frees it.
 */
#pragma once

#include "control/config/conf_text.h"
#include "control/config/setting.h"

/* One reading of a file; filled by the caller. */
struct settings_reading {
	const struct settings_schema *schema;
	const struct conf_text *conf;
	struct diag_list *diags;
	char *folder; /* that relative paths count from: settings_folder() */
};

/* The folder of a file's name, malloc'ed; NULL: out of memory. */
char *settings_folder(const char *file);

/* Defaults, then what the file says, into the struct of the root. */
void settings_read_root(struct settings_reading *reading, void *base);
/* A list that must hold 1 to `max` groups, or NULL after an error. */
const config_setting_t *settings_read_list(struct settings_reading *reading, const char *name,
					   int max);
/* An item of the list of `section`: as the root. */
void settings_read_item(struct settings_reading *reading, unsigned section, void *base,
			const config_setting_t *item);
