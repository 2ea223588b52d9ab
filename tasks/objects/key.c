#include "tasks/objects/key.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/objects/name.h"

enum {
	KEY_MAX = 512,        /* bytes of a normalized key; the registry's longest names have 90 */
	KEY_QUOTE_MAX = 80,   /* of a key, in messages */
	INSTANCE_MAX = 65534, /* 65535 is reserved (OMA TS Core 7.1) */
	AMBIGUOUS_MAX = 4,    /* candidates listed */
};

/* What is known while one key is resolved. */
struct key_parser {
	const struct objects *objects;
	const struct place *place;
	struct diag_list *diags;
	struct key *key;
};

/* Ids that a name stands for; more than one is ambiguous. */
struct candidates {
	uint16_t ids[AMBIGUOUS_MAX];
	unsigned count;
};

static void __attribute__((format(printf, 2, 3)))
key_error(struct key_parser *parser, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(parser->diags, DIAG_ERROR, parser->place, format, args);
	va_end(args);
}

static void
candidates_add(struct candidates *candidates, uint16_t id)
{
	for (unsigned i = 0; i < candidates->count; i++)
		if (candidates->ids[i] == id)
			return;
	if (candidates->count < AMBIGUOUS_MAX)
		candidates->ids[candidates->count++] = id;
}

static void
error_ambiguous(struct key_parser *parser, const char *what, const char *name, size_t len,
		const struct candidates *candidates)
{
	char ids[64] = "";
	size_t at = 0;

	for (unsigned i = 0; i < candidates->count; i++)
		at += (size_t)snprintf(ids + at, sizeof ids - at, "%s%u", i ? ", " : "",
				       candidates->ids[i]);
	key_error(parser, "the %s name \"%.*s\" is ambiguous: write one of the ids %s instead",
		  what, (int)len, name, ids);
}

/* Digits up to a dot, slash or the end: an id up to `max`. Returns what follows, or NULL. */
static const char *
take_id(const char *at, long max, int32_t *id)
{
	char *end;
	long number;

	if (!isdigit((unsigned char)*at))
		return NULL;
	errno = 0;
	number = strtol(at, &end, 10);
	if (errno || number > max || (*end && *end != '.' && *end != '/'))
		return NULL;
	*id = (int32_t)number;
	return end;
}

/* The newest definition that has the resource: an older version may know what the newest
 * dropped. */
static const struct resource_def *
find_resource(const struct objects *objects, uint16_t object, uint16_t id)
{
	const struct resource_def *found = NULL, *resource;
	const struct object_def *def;

	for (unsigned i = 0; (def = objects_version_at(objects, i)); i++) {
		if (def->id != object)
			continue;
		resource = object_resource(def, id);
		if (resource)
			found = resource;
	}
	return found;
}

static int
finish(struct key_parser *parser)
{
	struct key *key = parser->key;

	if (key->path.object >= 0)
		key->object = objects_find(parser->objects, (uint16_t)key->path.object);
	if (key->path.resource >= 0)
		key->resource = find_resource(parser->objects, (uint16_t)key->path.object,
					      (uint16_t)key->path.resource);
	if (key->path.resource_instance >= 0 && key->resource && !key->resource->multiple) {
		key_error(parser, "%s is a single resource and has no instances: remove \".%d\"",
			  key->resource->name, key->path.resource_instance);
		return -EINVAL;
	}
	if (key->path.instance > 0 && key->object && !key->object->multiple) {
		key_error(parser, "%s has one instance alone: its number is 0", key->object->name);
		return -EINVAL;
	}
	return 0;
}

static int
parse_raw(struct key_parser *parser, const char *text)
{
	struct lwm2m_path *path = &parser->key->path;
	int32_t *ids[] = { &path->object, &path->instance, &path->resource,
			   &path->resource_instance };
	const char *at = text;

	for (unsigned i = 0; *at && i < 4; i++) {
		if (*at == '/')
			at = take_id(at + 1, i & 1 ? INSTANCE_MAX : UINT16_MAX, ids[i]);
		if (!at || (*at && *at != '/')) {
			key_error(
				parser,
				"\"%.*s\" is not a path: write up to four numbers up to 65534, as "
				"in /0/2/0",
				KEY_QUOTE_MAX, text);
			return -EINVAL;
		}
	}
	if (*at) {
		key_error(parser, "\"%.*s\" has more than four numbers", KEY_QUOTE_MAX, text);
		return -EINVAL;
	}
	return finish(parser);
}

/* True when an object's name may end here: the end, ".", ".2" or ".2.anything". */
static bool
ends_object_name(const char *at)
{
	size_t digits;

	if (!*at)
		return true;
	if (*at != '.')
		return false;
	digits = strspn(at + 1, "0123456789");
	return !at[1 + digits] || (digits && at[1 + digits] == '.');
}

/* The longest known object name that `text` begins with; its ids. */
static size_t
match_object(const struct objects *objects, const char *text, struct candidates *candidates)
{
	const struct object_def *def;
	size_t longest = 0;

	for (unsigned i = 0; (def = objects_version_at(objects, i)); i++) {
		size_t len = strlen(def->name);

		if (len < longest || strncasecmp(text, def->name, len) ||
		    !ends_object_name(text + len))
			continue;
		if (len > longest)
			candidates->count = 0;
		longest = len;
		candidates_add(candidates, def->id);
	}
	return longest;
}

static size_t
count_objects(const struct objects *objects)
{
	size_t count = 0;

	while (objects_version_at(objects, (unsigned)count))
		count++;
	return count;
}

static const char *
nearest_object(const struct objects *objects, const char *name)
{
	size_t count = count_objects(objects);
	const char **names = calloc(count, sizeof *names), *nearest = NULL;

	for (size_t i = 0; names && i < count; i++)
		names[i] = objects_version_at(objects, (unsigned)i)->name;
	if (names)
		nearest = diag_nearest(name, names, count);
	free(names);
	return nearest;
}

/* Names of all versions of one object. */
static const char *
nearest_resource(const struct objects *objects, uint16_t object, const char *name)
{
	const struct object_def *def;
	const char **names, *nearest = NULL;
	size_t count = 0, n = 0;

	for (unsigned i = 0; (def = objects_version_at(objects, i)); i++)
		count += def->id == object ? def->n_resources : 0;
	names = calloc(count ? count : 1, sizeof *names);
	if (!names)
		return NULL;
	for (unsigned i = 0; (def = objects_version_at(objects, i)); i++)
		for (unsigned j = 0; def->id == object && j < def->n_resources; j++)
			names[n++] = def->resources[j].name;
	nearest = diag_nearest(name, names, n);
	free(names);
	return nearest;
}

/* True when the key is an object's name and something else than its instance number. */
static bool
lacks_instance(const struct objects *objects, const char *text)
{
	const struct object_def *def;

	for (unsigned i = 0; (def = objects_version_at(objects, i)); i++) {
		size_t len = strlen(def->name);

		if (!strncasecmp(text, def->name, len) && text[len] == '.')
			return true;
	}
	return false;
}

/* An unknown object: the name is what stands before the first ".digits." or ".digits" at the
 * end. */
static int
error_unknown_object(struct key_parser *parser, const char *text)
{
	char name[KEY_MAX];
	const char *end = text, *nearest;

	while (*end && (*end != '.' || !ends_object_name(end)))
		end++;
	memcpy(name, text, (size_t)(end - text));
	name[end - text] = '\0';
	nearest = nearest_object(parser->objects, name);
	if (lacks_instance(parser->objects, text))
		key_error(parser, "\"%.*s\" lacks the instance number behind the object's name",
			  KEY_QUOTE_MAX, text);
	else if (nearest)
		key_error(parser, "unknown object \"%.*s\": did you mean \"%s\"?", KEY_QUOTE_MAX,
			  name, nearest);
	else
		key_error(parser,
			  "unknown object \"%.*s\": add its definition to the objects folder",
			  KEY_QUOTE_MAX, name);
	return -EINVAL;
}

static int
error_unknown_resource(struct key_parser *parser, const char *text)
{
	uint16_t object = (uint16_t)parser->key->path.object;
	const struct object_def *def = objects_find(parser->objects, object);
	const char *nearest = nearest_resource(parser->objects, object, text);

	if (nearest)
		key_error(parser, "%s has no resource \"%.*s\": did you mean \"%s\"?",
			  def ? def->name : "the object", KEY_QUOTE_MAX, text, nearest);
	else
		key_error(parser, "%s has no resource \"%.*s\"", def ? def->name : "the object",
			  KEY_QUOTE_MAX, text);
	return -EINVAL;
}

/* Names that documents use and no version of the registry does. */
static int32_t
match_alias(int32_t object, const char *name, size_t len)
{
	static const struct {
		int32_t object, resource;
		const char *name;
	} aliases[] = {
		{ 0, 0, "Server URI" },   /* OMA TS 1.0 prose */
		{ 1, 7, "Binding Mode" }, /* OMA TS Core 6.2.1.2 prose, older task collections */
	};

	for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
		if (aliases[i].object == object && name_equals(aliases[i].name, name, len))
			return aliases[i].resource;
	return -1;
}

static void
find_name(const struct object_def *def, const char *name, size_t len, struct candidates *candidates)
{
	for (unsigned i = 0; i < def->n_resources; i++)
		if (name_equals(def->resources[i].name, name, len))
			candidates_add(candidates, def->resources[i].id);
}

/*
 * 1 found, 0 not, -EINVAL ambiguous: an error was added. The newest version decides; names of others count where
 * it has none: a definition that is loaded beside it makes no name ambiguous.
 */
static int
match_resource(struct key_parser *parser, const char *name, size_t len)
{
	struct lwm2m_path *path = &parser->key->path;
	const struct object_def *newest = objects_find(parser->objects, (uint16_t)path->object),
				*def;
	struct candidates candidates = { 0 };

	if (newest)
		find_name(newest, name, len, &candidates);
	for (unsigned i = 0; !candidates.count && (def = objects_version_at(parser->objects, i));
	     i++)
		if (def->id == path->object && def != newest)
			find_name(def, name, len, &candidates);
	if (candidates.count > 1) {
		error_ambiguous(parser, "resource", name, len, &candidates);
		return -EINVAL;
	}
	path->resource =
		candidates.count ? candidates.ids[0] : match_alias(path->object, name, len);
	return path->resource >= 0;
}

/* A name, or a number. 1 found, 0 not, -EINVAL ambiguous. */
static int
take_resource(struct key_parser *parser, const char *text, size_t len)
{
	int found;

	/* Blanks were collapsed, but those beside the dots are left. */
	for (; len && *text == ' '; len--)
		text++;
	while (len && text[len - 1] == ' ')
		len--;
	found = match_resource(parser, text, len);
	if (found)
		return found;
	if (!len || len > 5 || strspn(text, "0123456789") < len)
		return 0;
	return take_id(text, UINT16_MAX, &parser->key->path.resource) != NULL;
}

/* What follows ".digits.": the whole rest is the name; only when it is none, ".digits" at its
 * end is taken off. */
static int
parse_resource(struct key_parser *parser, const char *text)
{
	size_t len = strlen(text);
	const char *dot;
	int found;

	if (!len)
		return finish(parser);
	found = take_resource(parser, text, len);
	dot = strrchr(text, '.');
	if (!found && dot && !dot[1])
		found = take_resource(parser, text, (size_t)(dot - text));
	else if (!found && dot &&
		 take_id(dot + 1, INSTANCE_MAX, &parser->key->path.resource_instance))
		found = take_resource(parser, text, (size_t)(dot - text));
	if (found < 0)
		return -EINVAL;
	return found ? finish(parser) : error_unknown_resource(parser, text);
}

/* `at` stands behind the object: "", ".", ".2" or ".2.resource". */
static int
parse_instance(struct key_parser *parser, const char *text, const char *at)
{
	if (!*at || !at[1])
		return finish(parser);
	at = take_id(at + 1, INSTANCE_MAX, &parser->key->path.instance);
	if (!at || *at == '/') {
		key_error(parser,
			  "\"%.*s\" needs an instance number from 0 to 65534 behind the object",
			  KEY_QUOTE_MAX, text);
		return -EINVAL;
	}
	return *at ? parse_resource(parser, at + 1) : finish(parser);
}

static int
parse_named(struct key_parser *parser, const char *text)
{
	struct candidates candidates = { 0 };
	size_t len = match_object(parser->objects, text, &candidates);
	const char *at;

	if (candidates.count > 1) {
		error_ambiguous(parser, "object", text, len, &candidates);
		return -EINVAL;
	}
	if (candidates.count) {
		parser->key->path.object = candidates.ids[0];
		return parse_instance(parser, text, text + len);
	}
	at = take_id(text, UINT16_MAX, &parser->key->path.object);
	if (at && *at != '/')
		return parse_instance(parser, text, at);
	return error_unknown_object(parser, text);
}

int
key_parse(const struct objects *objects, const char *text, size_t len, const struct place *place,
	  struct diag_list *diags, struct key *key)
{
	struct key_parser parser = { objects, place, diags, key };
	char normal[KEY_MAX];

	*key = (struct key){ .path = { -1, -1, -1, -1 } };
	if (len >= KEY_MAX || memchr(text, '\0', len)) {
		key_error(&parser, "the key has more than %d bytes", KEY_MAX - 1);
		return -EINVAL;
	}
	name_normalize(text, len, normal, sizeof normal);
	if (!*normal || !strcmp(normal, "/"))
		return 0;
	return *normal == '/' ? parse_raw(&parser, normal) : parse_named(&parser, normal);
}

int
key_path_format(const struct lwm2m_path *path, char *out, size_t size)
{
	if (path->object < 0)
		return snprintf(out, size, "/");
	if (path->instance < 0)
		return snprintf(out, size, "/%d", path->object);
	if (path->resource < 0)
		return snprintf(out, size, "/%d/%d", path->object, path->instance);
	if (path->resource_instance < 0)
		return snprintf(out, size, "/%d/%d/%d", path->object, path->instance,
				path->resource);
	return snprintf(out, size, "/%d/%d/%d/%d", path->object, path->instance, path->resource,
			path->resource_instance);
}

bool
key_path_is_secret(const struct lwm2m_path *path)
{
	static const struct {
		int32_t object, resource;
	} keys[] = {
		{ 0, 5 },  /* Security: Secret Key */
		{ 0, 8 },  /* SMS Binding Secret Key(s) */
		{ 21, 0 }, /* OSCORE: Master Secret */
		{ 21, 5 }, /* Master Salt */
		{ 23, 2 }, /* COSE: Key */
		{ 24, 8 }, /* MQTT Server: Password */
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (path->object == keys[i].object && path->resource == keys[i].resource)
			return true;
	return false;
}
