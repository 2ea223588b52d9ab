#include "tools/web/command_schema.h"

#include <ctype.h>
#include <string.h>

#include <command_schema_text.h>

static const char *
text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool
read_option(struct schema_option *option, const json_t *json)
{
	option->name = text_of(json, "name");
	option->argument = text_of(json, "argument");
	option->help = text_of(json, "help");
	option->secret = json_is_true(json_object_get(json, "secret"));
	option->file = json_is_true(json_object_get(json, "file"));
	option->is_switch = option->argument && strcmp(option->argument, "on|off") == 0;
	if (!option->name || !option->help || strncmp(option->name, "--", 2) != 0)
		return false;
	option->name += 2;
	return true;
}

/* "[GLOB]", "ENDPOINT NAME TEXT" */
static bool
read_arguments(struct schema_command *command, const char *text)
{
	while (*text) {
		size_t len;

		text += strspn(text, " [");
		len = strcspn(text, " ]|");
		if (!len || len >= sizeof command->arguments[0] ||
		    command->n_arguments == SCHEMA_ARGUMENTS_MAX)
			return false;
		for (size_t i = 0; i < len; i++)
			command->arguments[command->n_arguments][i] = (char)tolower(text[i]);
		command->n_arguments++;
		text += len + strcspn(text + len, " ");
	}
	return true;
}

/* "--key-file" beside "--key" is for shells: the text itself can be sent. */
static bool
is_for_shells(const struct schema_option *option)
{
	size_t len = strlen(option->name);

	return option->file && len > 5 && strcmp(option->name + len - 5, "-file") == 0;
}

static bool
read_command(struct schema_command *command, const json_t *json)
{
	const json_t *options = json_object_get(json, "options");
	const char *file = text_of(json, "file"), *arguments = text_of(json, "arguments");

	command->words = text_of(json, "words");
	command->help = text_of(json, "help");
	command->min = (unsigned)json_integer_value(json_object_get(json, "min"));
	command->changes = json_is_true(json_object_get(json, "changes"));
	command->reads_file = file && strcmp(file, "read") == 0;
	command->writes_file = file && strcmp(file, "write") == 0;
	command->n_options = (unsigned)json_array_size(options);
	if (!command->words || !command->help || !arguments ||
	    command->n_options > SCHEMA_OPTIONS_MAX || !read_arguments(command, arguments))
		return false;
	command->n_options = 0;
	for (size_t i = 0; i < json_array_size(options); i++) {
		struct schema_option *option = &command->options[command->n_options];

		if (!read_option(option, json_array_get(options, i)))
			return false;
		if (!is_for_shells(option))
			command->n_options++;
	}
	return true;
}

bool
command_schema_load(struct command_schema *schema)
{
	const json_t *commands;

	*schema = (struct command_schema){ 0 };
	schema->json = json_loadb(command_schema_text, sizeof command_schema_text - 1, 0, NULL);
	commands = json_object_get(schema->json, "commands");
	if (!json_array_size(commands) || json_array_size(commands) > SCHEMA_COMMANDS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(commands); i++)
		if (!read_command(&schema->items[schema->count++], json_array_get(commands, i)))
			return false;
	return true;
}

void
command_schema_fini(struct command_schema *schema)
{
	json_decref(schema->json);
	*schema = (struct command_schema){ 0 };
}

const struct schema_command *
command_schema_find(const struct command_schema *schema, const char *words)
{
	for (unsigned i = 0; i < schema->count; i++)
		if (strcmp(schema->items[i].words, words) == 0)
			return &schema->items[i];
	return NULL;
}

int
schema_argument_index(const struct schema_command *command, const char *name)
{
	for (unsigned i = 0; i < command->n_arguments; i++)
		if (strcmp(command->arguments[i], name) == 0)
			return (int)i;
	return -1;
}
