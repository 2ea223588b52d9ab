/*
 * command_schema.h - the appliance's commands, as its own table declares them (`cradled --command-table schema`, built in).
 *
 * So that words, options and their help are written once, in the table of the appliance. Read at start. One thread.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

enum { SCHEMA_COMMANDS_MAX = 128, SCHEMA_OPTIONS_MAX = 20, SCHEMA_ARGUMENTS_MAX = 4 };

struct schema_option {
	const char *name;     /* without its dashes */
	const char *argument; /* NULL: a flag */
	const char *help;
	/* `file`: the field is the file's text; those for shells alone are left out. A switch is "on|off". */
	bool secret, file, is_switch;
};

struct schema_command {
	const char *words, *help;
	char arguments[SCHEMA_ARGUMENTS_MAX][32]; /* in lower case */
	unsigned n_arguments, min;
	bool changes, reads_file, writes_file; /* the file stands in the first argument */
	struct schema_option options[SCHEMA_OPTIONS_MAX];
	unsigned n_options;
};

struct command_schema {
	json_t *json;
	struct schema_command items[SCHEMA_COMMANDS_MAX];
	unsigned count;
};

/* False: what is built in is no such table. */
bool command_schema_load(struct command_schema *schema);
void command_schema_fini(struct command_schema *schema);
/* NULL: there is none. */
const struct schema_command *command_schema_find(const struct command_schema *schema, const char *words);
/* -1: none of this name. */
int schema_argument_index(const struct schema_command *command, const char *name);
