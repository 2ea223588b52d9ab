/*
 * command_settings.h - options of a command that become members of a configuration file.
 *
 * Owner: the command. Control thread. Allocates; what is freed is wiped.
 */
#pragma once

#include <stdbool.h>

#include "control/commands/commands.h"
#include "control/config/conf_edit.h"

enum setting_kind {
	SETTING_TEXT,
	SETTING_NUMBER,
	SETTING_SECONDS, /* "300", "5m", "2h", "1d" */
	SETTING_SWITCH,
};

struct setting_option {
	const char *option; /* "--min-interval" */
	const char *name;   /* "min_interval" */
	enum setting_kind kind;
};

struct command_settings {
	struct conf_pair pairs[COMMAND_OPTIONS_MAX + 4];
	struct text texts[COMMAND_OPTIONS_MAX + 4];
	unsigned count;
};

void command_settings_init(struct command_settings *settings);
void command_settings_fini(struct command_settings *settings);

/* One more member, of text or as it stands. */
void command_settings_text(struct command_settings *settings, const char *name, const char *text);
void command_settings_plain(struct command_settings *settings, const char *name, const char *value);

/*
 * The options that were given. An empty one takes its member out, so that the default holds again.
 * False, and the call refused, when one is no number or no switch.
 */
bool command_settings_take(struct command_settings *settings, struct call *call,
			   const struct setting_option *options, unsigned n_options);
