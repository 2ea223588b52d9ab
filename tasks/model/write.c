#include "tasks/model/write.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const type_words[] = { "string", "integer", "unsigned", "float",  "boolean",
					  "opaque", "time",    "objlnk",   "corelnk" };

int
write_check_key(const struct key *key, char error[static WRITE_ERROR_MAX])
{
	if (key->path.resource < 0) {
		snprintf(error, WRITE_ERROR_MAX,
			 "the key must name a resource, as in \"LwM2M Server.0.Lifetime\" or "
			 "\"/1/0/1\"");
		return -1;
	}
	if (key->resource && key->resource->type == LWM2M_NONE) {
		snprintf(error, WRITE_ERROR_MAX, "%s is executable: it cannot be written",
			 key->resource->name);
		return -1;
	}
	return 0;
}

static int
unknown_type(const char *given, size_t len, char error[static WRITE_ERROR_MAX])
{
	char word[32];
	const char *nearest;

	snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1),
		 given);
	nearest = diag_nearest(word, type_words, sizeof type_words / sizeof *type_words);
	snprintf(error, WRITE_ERROR_MAX, "unknown type \"%s\"%s%s%s", word,
		 nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return -1;
}

int
write_type(const struct key *key, const char *given, size_t len, enum lwm2m_type *type,
	   char error[static WRITE_ERROR_MAX])
{
	int named;

	if (!given && !key->resource) {
		snprintf(error, WRITE_ERROR_MAX,
			 "no definition has the type of /%d/%d/%d: give the attribute type",
			 key->path.object, key->path.instance, key->path.resource);
		return -1;
	}
	if (!given) {
		*type = key->resource->type;
		return 0;
	}
	named = lwm2m_type_by_name(given, len);
	if (named < 0)
		return unknown_type(given, len, error);
	*type = (enum lwm2m_type)named;
	if (!key->resource)
		return 0;
	if (!lwm2m_types_agree(*type, key->resource->type)) {
		snprintf(error, WRITE_ERROR_MAX, "the task says %s, but %s is defined as %s",
			 lwm2m_type_name(*type), key->resource->name,
			 lwm2m_type_name(key->resource->type));
		return -1;
	}
	*type = key->resource->type;
	return 0;
}

bool
write_takes_file(enum lwm2m_type type)
{
	return type == LWM2M_OPAQUE || type == LWM2M_STRING || type == LWM2M_CORELNK;
}

/* A multiple resource that is named without an instance takes a list. */
static bool
takes_list(const struct key *key)
{
	return key->path.resource_instance < 0 && (!key->resource || key->resource->multiple);
}

unsigned
write_kinds(const struct key *key, enum lwm2m_type type)
{
	return convert_kinds(type) | (takes_list(key) ? 1u << VALUE_LIST : 0);
}

int
write_values(struct convert *convert, const struct key *key, const struct value *value,
	     struct lwm2m_value **values, unsigned *n_values)
{
	bool list = value->kind == VALUE_LIST && takes_list(key);
	const struct value *items = list ? value->list.items : value;
	size_t count = list ? value->list.count : 1;

	if (!count || count > WRITE_VALUES_MAX) {
		snprintf(convert->error, sizeof convert->error,
			 "the list has %zu items: 1 to %d can be written", count, WRITE_VALUES_MAX);
		return -1;
	}
	*values = arena_alloc(convert->arena, count * sizeof **values);
	if (!*values) {
		snprintf(convert->error, sizeof convert->error, "out of memory");
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (value_convert(convert, &items[i], &(*values)[i]))
			return -1;
	assert(count <= WRITE_VALUES_MAX);
	*n_values = (unsigned)count;
	return 0;
}

static int
number_text(const char *number, int len, struct arena *arena, struct value *text,
	    const char **error)
{
	*text = (struct value){ VALUE_STRING,
				.text = { arena_copy(arena, number, (size_t)len), (size_t)len } };
	*error = "out of memory";
	return text->text.at ? 0 : -1;
}

int
value_text(const struct value *value, struct arena *arena, struct value *text, const char **error)
{
	char number[48];

	switch (value->kind) {
	case VALUE_STRING:
		*text = *value;
		return 0;
	case VALUE_BOOLEAN:
		*text = (struct value){ VALUE_STRING, .text = { value->boolean ? "true" : "false",
								value->boolean ? 4 : 5 } };
		return 0;
	case VALUE_INTEGER:
		return number_text(number,
				   snprintf(number, sizeof number, "%" PRId64, value->integer),
				   arena, text, error);
	case VALUE_DOUBLE:
		return number_text(number, snprintf(number, sizeof number, "%.15g", value->real),
				   arena, text, error);
	case VALUE_NULL:
		*error = "the value is null";
		return -1;
	case VALUE_BYTES:
		*error = "the value is bytes and variables are text: use .hex or .base64";
		return -1;
	case VALUE_LIST:
		break;
	}
	*error = "the value is a list and variables are text";
	return -1;
}

int
value_boolean(const struct value *value, bool *out)
{
	if (value->kind == VALUE_BOOLEAN) {
		*out = value->boolean;
		return 0;
	}
	if (value->kind != VALUE_STRING)
		return -1;
	*out = value->text.len == 4 && !memcmp(value->text.at, "true", 4);
	return *out || (value->text.len == 5 && !memcmp(value->text.at, "false", 5)) ? 0 : -1;
}
