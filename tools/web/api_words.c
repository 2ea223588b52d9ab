#include "tools/web/api_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/diag.h"

/* --- paths --- */

/* The segment of a pattern; its length, 0: there are fewer. */
static size_t
pattern_segment(const char *pattern, unsigned segment, const char **at)
{
	for (; *pattern == '/'; segment--) {
		size_t len = strcspn(pattern + 1, "/");

		if (!segment) {
			*at = pattern + 1;
			return len;
		}
		pattern += 1 + len;
	}
	return 0;
}

bool
api_segment_name(const char *pattern, unsigned segment, char out[32])
{
	const char *at;
	size_t len = pattern_segment(pattern, segment, &at);

	if (len < 3 || *at != '{' || len - 2 >= 32)
		return false;
	snprintf(out, 32, "%.*s", (int)len - 2, at + 1);
	return true;
}

bool
api_path_matches(const char *pattern, const struct url_path *path)
{
	const char *at;
	size_t len;

	for (unsigned i = 0; i < path->count; i++) {
		len = pattern_segment(pattern, i, &at);
		if (!len)
			return false;
		if (*at != '{' &&
		    (strlen(path->segments[i]) != len || memcmp(path->segments[i], at, len) != 0))
			return false;
	}
	return pattern_segment(pattern, path->count, &at) == 0;
}

/* --- words --- */

struct making {
	struct api_words *words;
	const struct api_source *source;
	const char *arguments[SCHEMA_ARGUMENTS_MAX]; /* NULL: missing */
	char numbers[SCHEMA_ARGUMENTS_MAX][32];
	char *detail;
};

/* "NAME" is ... */
static unsigned
refuse(struct making *making, const char *name, const char *what)
{
	snprintf(making->detail, API_DETAIL_MAX, "the field \"%.60s\" %s", name, what);
	return 400;
}

static bool
add_word(struct api_words *words, const char *prefix, const char *text)
{
	size_t size = strlen(prefix) + strlen(text) + 1;
	char *word = words->count < API_WORDS_MAX ? malloc(size) : NULL;

	if (!word)
		return false;
	snprintf(word, size, "%s%s", prefix, text);
	words->items[words->count++] = word;
	return true;
}

static bool
add_command(struct api_words *words, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		char word[64];

		snprintf(word, sizeof word, "%.*s", (int)len, text);
		if (!add_word(words, "", word))
			return false;
		text += len + (text[len] != '\0');
	}
	return true;
}

/* A field's value as text: numbers and booleans, too. NULL: neither. */
static const char *
value_text(const json_t *value, bool is_switch, char number[32])
{
	if (json_is_string(value))
		return json_string_length(value) == strlen(json_string_value(value))
			       ? json_string_value(value)
			       : NULL;
	if (json_is_integer(value))
		snprintf(number, 32, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(number, 32, "%s",
			 is_switch ? (json_is_true(value) ? "on" : "off")
				   : (json_is_true(value) ? "true" : "false"));
	else
		return NULL;
	return number;
}

static const struct schema_option *
find_option(const struct schema_command *command, const char *name)
{
	for (unsigned i = 0; i < command->n_options; i++)
		if (strcmp(command->options[i].name, name) == 0)
			return &command->options[i];
	return NULL;
}

static unsigned
unknown_field(struct making *making, const char *name)
{
	const struct schema_command *command = making->source->command;
	const char *candidates[SCHEMA_OPTIONS_MAX + SCHEMA_ARGUMENTS_MAX], *nearest;
	size_t n = 0;

	for (unsigned i = 0; i < command->n_options; i++)
		candidates[n++] = command->options[i].name;
	for (unsigned i = 0; i < command->n_arguments; i++)
		candidates[n++] = command->arguments[i];
	nearest = diag_nearest(name, candidates, n);
	snprintf(making->detail, API_DETAIL_MAX, "there is no field \"%.60s\" here%s%s%s", name,
		 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return 400;
}

/* The text of a file, which the command gets as one. */
static unsigned
take_file(struct making *making, const char *name, const json_t *value)
{
	if (!json_is_string(value))
		return refuse(making, name, "is the file's text");
	if (making->words->file)
		return refuse(making, name, "is one file too many");
	making->words->file = json_string_value(value);
	making->words->file_len = json_string_length(value);
	return 0;
}

static unsigned
take_option(struct making *making, const struct schema_option *option, const json_t *value)
{
	char prefix[64], number[32];
	const char *text;

	if (option->secret && making->source->role < ROLE_SECURITY) {
		snprintf(making->detail, API_DETAIL_MAX,
			 "\"%.60s\" is a secret: only the role security sets it", option->name);
		return 403;
	}
	if (option->file) {
		unsigned error = take_file(making, option->name, value);

		snprintf(prefix, sizeof prefix, "--%s", option->name);
		if (!error && (!add_word(making->words, prefix, "") || !add_word(making->words, "", "sent")))
			error = 503;
		return error;
	}
	if (!option->argument) {
		bool said = json_is_true(value) || (json_is_string(value) &&
						    strcmp(json_string_value(value), "true") == 0);

		if (!said && !json_is_false(value) &&
		    (!json_is_string(value) || strcmp(json_string_value(value), "false") != 0))
			return refuse(making, option->name, "is true or false");
		snprintf(prefix, sizeof prefix, "--%s", option->name);
		return !said || add_word(making->words, prefix, "") ? 0 : 503;
	}
	text = value_text(value, option->is_switch, number);
	if (!text)
		return refuse(making, option->name, "is text, a number or a truth value");
	snprintf(prefix, sizeof prefix, "--%s=", option->name);
	return add_word(making->words, prefix, text) ? 0 : 503;
}

static unsigned
take_field(struct making *making, const char *name, const json_t *value)
{
	const struct schema_command *command = making->source->command;
	int argument = schema_argument_index(command, name);
	const struct schema_option *option;

	if (json_is_null(value))
		return 0;
	if (command->reads_file && strcmp(name, "content") == 0)
		return take_file(making, name, value);
	option = find_option(command, name);
	if (option)
		return take_option(making, option, value);
	if (argument < 0)
		return unknown_field(making, name);
	if (making->arguments[argument])
		return refuse(making, name, "stands in the path already");
	making->arguments[argument] = value_text(value, false, making->numbers[argument]);
	return making->arguments[argument] ? 0 : refuse(making, name, "is text");
}

static void
take_path(struct making *making)
{
	const struct api_source *source = making->source;
	char name[32];

	for (unsigned i = 0; i < source->path->count; i++) {
		int argument = api_segment_name(source->route->path, i, name)
				       ? schema_argument_index(source->command, name)
				       : -1;

		if (argument >= 0)
			making->arguments[argument] = source->path->segments[i];
	}
}

/* Behind "--", in order; one that is left out ends them. */
static unsigned
add_arguments(struct making *making, unsigned max)
{
	const struct schema_command *command = making->source->command;
	unsigned n = 0;

	if (command->reads_file && !making->arguments[0] && making->words->file)
		making->arguments[0] = making->source->route->file;
	if (!add_word(making->words, "--", ""))
		return 503;
	for (; n < command->n_arguments && n < max && making->arguments[n]; n++)
		if (!add_word(making->words, "", making->arguments[n]))
			return 503;
	if (max == UINT32_MAX && n < command->min)
		return refuse(making, command->reads_file && !n ? "content" : command->arguments[n],
			      "is missing");
	return 0;
}

unsigned
api_words_make(struct api_words *words, const struct api_source *source,
	       char detail[API_DETAIL_MAX])
{
	struct making making = { .words = words, .source = source, .detail = detail };
	const json_t *value;
	const char *name;
	unsigned error;

	*words = (struct api_words){ 0 };
	snprintf(detail, API_DETAIL_MAX, "out of memory, or too many fields");
	take_path(&making);
	error = add_command(words, source->command->words) ? 0 : 503;
	json_object_foreach((json_t *)source->fields, name, value) if (!error) error =
		take_field(&making, name, value);
	if (!error)
		error = add_arguments(&making, UINT32_MAX);
	if (error)
		api_words_fini(words);
	return error;
}

unsigned
api_words_guard(struct api_words *words, const struct api_source *source,
		const struct schema_command *guard, char detail[API_DETAIL_MAX])
{
	struct making making = { .words = words, .source = source, .detail = detail };
	unsigned error;

	*words = (struct api_words){ 0 };
	snprintf(detail, API_DETAIL_MAX, "out of memory");
	take_path(&making);
	error = add_command(words, guard->words) ? add_arguments(&making, guard->min) : 503;
	if (error)
		api_words_fini(words);
	return error;
}

void
api_words_fini(struct api_words *words)
{
	for (int i = 0; i < words->count; i++) {
		explicit_bzero(words->items[i], strlen(words->items[i]));
		free(words->items[i]);
	}
	*words = (struct api_words){ 0 };
}
