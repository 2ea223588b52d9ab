/*
 * setting.h - one setting of a configuration file, declared as data: type, place in a struct, range, default, help.
 *
 * A file's settings are a table of them, a schema; reading (settings_read.h), defaults, help and the comparison of a
 * reload come from it. Whoever owns the struct owns what its settings allocate. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/config_addresses.h"
#include "control/text.h"

enum setting_type {
	SETTING_BOOL,      /* bool */
	SETTING_NUMBER,    /* uint32_t */
	SETTING_INTEGER,   /* int32_t */
	SETTING_PERCENT,   /* uint32_t of hundredths, written as a decimal */
	SETTING_CHOICE,    /* uint32_t, index into choices */
	SETTING_TEXT,      /* char *, NULL where empty */
	SETTING_PATH,      /* char *, resolved against the file's folder */
	SETTING_ADDRESSES, /* struct config_addresses */
};

struct setting {
	const char *name;
	enum setting_type type;
	unsigned section; /* 0: the root; else an item of lists[section] */
	size_t offset;
	double min, max;    /* of numbers, as written */
	const char *preset; /* as written; NULL: none */
	bool required, live;
	const char *const *choices; /* NULL-terminated */
	bool obsolete; /* without effect, accepted with a warning for one release: `help` says why */
	const char *help;
};

/* All settings of a file. A dot in the name of one of the root is a group; `lists` are lists of groups. */
struct settings_schema {
	const struct setting *settings;
	unsigned n;
	const char *const *lists; /* by section: what the list is called; NULL for the root */
	unsigned n_lists;         /* with the root */
	const char *help_command; /* what shows them all, for messages */
};

/* The value as written in a file, into out. Returns snprintf's count. */
int setting_format(const struct setting *setting, const void *base, char *out, size_t size);
/* Sets the preset. 0 or -ENOMEM. */
int setting_preset(const struct setting *setting, void *base, const char *folder);
/* Frees what the setting owns. */
void setting_clear(const struct setting *setting, void *base);
/* 0 or -ENOMEM: then `to` is as it was. */
int setting_copy(const struct setting *setting, void *to, const void *from);
/* Path joined to folder unless absolute; NULL: out of memory. */
char *setting_path(const char *folder, const char *path);
/* Index into choices, or -1. */
int setting_choice(const struct setting *setting, const char *word);

/* Every setting with its help, and one setting's; false when there is none of this name. */
void settings_help(const struct settings_schema *schema, struct text *text);
bool settings_help_one(const struct settings_schema *schema, const char *name, struct text *text);
