/*
 * conf_text.h - libconfig text, read safely, and its places.
 *
 * cradle.conf, groups.conf and devices.conf all come in here. What libconfig's own parser would
 * do with a file that is not ours to trust is bounded first: no NUL bytes, no @include (it opens
 * other files, and a mistake in one is reported without its place), bounded nesting. Owner: the
 * caller. One thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libconfig.h>

#include "tasks/diag.h"

enum { CONF_DEPTH_MAX = 16 };

struct conf_text {
	config_t config;
	char *name; /* as in diagnostics */
};

/* 0, or -EINVAL after adding at least one error; on failure there is nothing to free. */
int conf_text_parse(struct conf_text *conf, const char *name, const char *text, size_t len,
		    struct diag_list *diags) __attribute__((warn_unused_result));
/* The same from a file of at most `max` bytes; an unreadable one is a diagnostic, too. */
int conf_text_load(struct conf_text *conf, const char *file, size_t max, struct diag_list *diags)
	__attribute__((warn_unused_result));
/* Wipes all strings (some are keys) and frees. */
void conf_text_fini(struct conf_text *conf);

static inline const config_setting_t *
conf_text_root(const struct conf_text *conf)
{
	return config_root_setting(&conf->config);
}

/*
 * A whole regular file in memory, NUL-terminated; NULL after adding an error. Never waits: a pipe,
 * device, socket or folder is refused. Wipe what may hold keys before free().
 */
char *conf_file_read(const char *file, size_t max, size_t *len, struct diag_list *diags);

/* Where a setting stands; the setting's own name is the place's tag. */
struct place conf_place(const struct conf_text *conf, const config_setting_t *setting);

enum { CONF_MEMBERS_MAX = 32 };

/* A member that a group of settings may have, and what it means: help and manual pages are made of it. */
struct conf_member {
	const char *name, *help;
};

/* An error for every member of `group` that is not in `known`, with the nearest name. */
void conf_check_members(const struct conf_text *conf, const config_setting_t *group,
			const struct conf_member *known, size_t n_known, struct diag_list *diags);

/*
 * What a member is read into, with its errors told: the value, or `preset` where it is missing or
 * wrong.
 */
const char *conf_string(const struct conf_text *conf, const config_setting_t *group,
			const char *name, const char *preset, struct diag_list *diags);
bool conf_bool(const struct conf_text *conf, const config_setting_t *group, const char *name,
	       bool preset, struct diag_list *diags);
struct conf_range {
	int64_t min, max, preset;
};
int64_t conf_number(const struct conf_text *conf, const config_setting_t *group, const char *name,
		    struct conf_range range, struct diag_list *diags);
/* A member that is a list or array; NULL where it is missing or something else. */
const config_setting_t *conf_list(const struct conf_text *conf, const config_setting_t *group,
				  const char *name, struct diag_list *diags);

/* "text", "number", ...: a setting's type for a person. */
const char *conf_type_name(const config_setting_t *setting);
