/*
 * config_schema.h - every setting of cradle.conf, declared once. For the rooms of config alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Which struct the offset counts from. */
enum setting_section {
	SECTION_ROOT,     /* struct config; a dot in the name is a group */
	SECTION_PORT,     /* struct config_port, an item of the list `ports` */
	SECTION_LISTENER, /* struct config_listener, an item of the list `listeners` */
};

struct setting {
	const char *name;
	enum setting_type type;
	enum setting_section section;
	size_t offset;
	double min, max;    /* of numbers, as written */
	const char *preset; /* as written; NULL: none */
	bool required, live;
	const char *const *choices; /* NULL-terminated */
	const char *help;
};

extern const struct setting settings[];
extern const unsigned n_settings;
/* "ports", "listeners": what the section's list is called; NULL for the root. */
extern const char *const section_lists[];

struct config;
struct conf_text;
struct diag_list;

/* Adds an error for every contradiction between settings. */
void config_check(const struct config *config, const struct conf_text *conf,
		  struct diag_list *diags);

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
