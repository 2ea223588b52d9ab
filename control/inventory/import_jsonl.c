/*
 * JSON lines: an object a line. One of the shape that exports have is read in place, any other by the library.
 */
#include "control/inventory/import_row.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "control/inventory/flat_json.h"

static const char *
type_name(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number: put it in quotes";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a truth value: put it in quotes";
	default:
		return "null: leave it out";
	}
}

static struct import_cell
cell_of(const json_t *text)
{
	/* Not written to: cells of CSV share the type, and are text in a buffer of ours. */
	return (struct import_cell){ (char *)(uintptr_t)json_string_value(text),
				     json_string_length(text) };
}

static void
read_groups(struct import *import, struct import_row *row, const json_t *groups)
{
	const json_t *group;
	size_t i;

	if (!json_is_array(groups)) {
		import_error(import, row, "groups", "must be an array of names, not %s",
			     type_name(groups));
		return;
	}
	json_array_foreach(groups, i, group)
	{
		if (json_is_string(group))
			import_row_group(import, row, json_string_value(group),
					 json_string_length(group));
		else
			import_error(import, row, "groups", "holds %s, not the name of a group",
				     type_name(group));
	}
}

/* {"value":"x","secret":true} */
static void
read_long_value(struct import *import, struct import_row *row, const char *name, json_t *value)
{
	const json_t *text = json_object_get(value, "value");
	const json_t *secret = json_object_get(value, "secret");
	const char *member;
	json_t *ignored;

	if (json_object_get(value, IMPORT_LEFT_OUT)) {
		import_error(import, row, name,
			     "this device was exported without its secrets; export it with them");
		return;
	}
	json_object_foreach(value, member, ignored) if (strcmp(member, "value") != 0 &&
							strcmp(member, "secret") != 0)
		import_error(import, row, name,
			     "a value has no members but \"value\" and \"secret\"");
	if (!json_is_string(text))
		import_error(import, row, name, "needs \"value\", a text");
	else if (secret && !json_is_boolean(secret))
		import_error(import, row, name, "\"secret\" must be true or false");
	else
		import_row_value(import, row, name, name, cell_of(text), json_is_true(secret));
}

static void
read_values(struct import *import, struct import_row *row, json_t *values)
{
	const char *name;
	json_t *value;

	if (!json_is_object(values)) {
		import_error(import, row, "values", "must be an object of texts, not %s",
			     type_name(values));
		return;
	}
	json_object_foreach(values, name, value)
	{
		if (json_is_string(value))
			import_row_value(import, row, name, name, cell_of(value), false);
		else if (json_is_object(value))
			read_long_value(import, row, name, value);
		else
			import_error(import, row, name, "must be a text, not %s", type_name(value));
	}
}

static void
unknown_member(struct import *import, struct import_row *row, const char *name)
{
	const char *nearest = diag_nearest(name, flat_members, FLAT_MEMBERS);
	struct text text;

	if (strcmp(name, "key_" IMPORT_LEFT_OUT) == 0) {
		import_error(import, row, "key",
			     "this device was exported without its secrets; export it with them");
		return;
	}
	text_init(&text);
	text_put_untrusted(&text, name, strnlen(name, 60));
	import_error(import, row, NULL, "unknown member \"%s\"%s%s%s", text_str(&text),
		     nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		     nearest ? "\"?" : "; setting values belong into \"values\"");
	text_fini(&text);
}

/* Of a member that is a text. */
static struct import_cell *
cell_at(struct import_row *row, enum flat_member member)
{
	struct import_cell *const places[] = { &row->endpoint, &row->identity, &row->identity_hex,
					       &row->key,      &row->key_hex,  &row->domain };

	assert(member <= FLAT_DOMAIN);
	return places[member];
}

static void
read_member(struct import *import, struct import_row *row, const char *name, json_t *value)
{
	unsigned i = 0;

	while (i < FLAT_MEMBERS && strcmp(flat_members[i], name) != 0)
		i++;
	if (i == FLAT_MEMBERS)
		unknown_member(import, row, name);
	else if (i == FLAT_GROUPS)
		read_groups(import, row, value);
	else if (i == FLAT_VALUES)
		read_values(import, row, value);
	else if (i == FLAT_NOSEC && json_is_boolean(value))
		row->nosec_ready = json_is_true(value);
	else if (i == FLAT_NOSEC)
		import_error(import, row, name, "must be true or false");
	else if (json_is_string(value))
		*cell_at(row, (enum flat_member)i) = cell_of(value);
	else
		import_error(import, row, name, "must be a text, not %s", type_name(value));
}

/* The parser's words without what it read, which may be a key. */
static int
complaint_len(const char *text)
{
	const char *near = strstr(text, " near ");

	return near ? (int)(near - text) : (int)strlen(text);
}

static void
read_item(struct import *import, struct import_row *row, const struct flat_item *item)
{
	const struct import_cell text = { item->text.at, item->text.len };

	if (item->member == FLAT_GROUPS)
		import_row_group(import, row, text.text, text.len);
	else if (item->member == FLAT_VALUES)
		import_row_value(import, row, item->name.at, item->name.at, text, item->truth);
	else if (item->member == FLAT_NOSEC)
		row->nosec_ready = item->truth;
	else
		*cell_at(row, item->member) = text;
}

static void
read_flat(struct import *import, const struct flat_row *flat)
{
	struct import_row row = { .line = import->line };

	for (unsigned i = 0; i < flat->n; i++)
		read_item(import, &row, &flat->items[i]);
	import_row_finish(import, &row);
}

static void
read_by_library(struct import *import, const char *text, size_t len)
{
	struct import_row row = { .line = import->line };
	json_t *object, *value;
	json_error_t error;
	const char *name;

	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(object)) {
		if (object || *text == '[')
			import_bad_row(import, row.line, NULL,
				       "must be one object, a line of its own: {\"endpoint\": "
				       "...}; an array becomes lines by `jq -c '.[]'`");
		else
			import_bad_row(import, row.line, NULL, "column %d: %.*s", error.column,
				       complaint_len(error.text), error.text);
		json_decref(object);
		return;
	}
	json_object_foreach(object, name, value) read_member(import, &row, name, value);
	import_row_finish(import, &row);
	json_decref(object);
}

static void
read_line(struct import *import, char *text, size_t len)
{
	struct flat_row flat;

	if (flat_json_take(text, len, &flat))
		read_flat(import, &flat);
	else
		read_by_library(import, text, len);
}

/* The length of the next line without its break; false at the end, or beyond what a line may have. */
static bool
find_line(struct import *import, size_t *len)
{
	size_t from = 0;

	for (;;) {
		const char *line = import_at(import);
		const char *end = memchr(line + from, '\n', import_left(import) - from);

		from = import_left(import);
		if (end || !import_fill(import)) {
			*len = end ? (size_t)(end - line) : import_left(import);
			return !import->failed && (end || *len);
		}
	}
}

static bool
is_blank(const char *text, size_t len)
{
	while (len && strchr(" \t\r", text[len - 1]) && text[len - 1])
		len--;
	return len == 0;
}

void
import_jsonl(struct import *import)
{
	bool skipping = false; /* the rest of a line that was too long */
	size_t len;

	while (find_line(import, &len)) {
		char *line = import_at(import);
		bool ended = len < import_left(import);

		if (!skipping && len > IMPORT_ROW_MAX)
			import_bad_row(import, import->line, NULL, "is longer than %d bytes",
				       IMPORT_ROW_MAX);
		else if (!skipping && !is_blank(line, len))
			read_line(import, line, len);
		skipping = !ended;
		import_take(import, len + ended, ended);
	}
}
