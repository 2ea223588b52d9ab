/* Object definitions from OMA DDF XML files (schemas LWM2M.xsd and LWM2M-v1_1.xsd). */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/objects/name.h"
#include "tasks/objects/objects_internal.h"
#include "tasks/text_file.h"
#include "tasks/xml_tree.h"

enum {
	DDF_FILE_MAX = 4 << 20,  /* the largest file of the registry has 300 KB */
	DDF_TREE_MAX = 64 << 20, /* what its tree may take */
	DDF_RESOURCES_MAX = 4096,
};

/* What is known while one file is read. */
struct ddf {
	struct objects *objects;
	const char *name;
	struct diag_list *diags;
};

static void __attribute__((format(printf, 3, 4)))
ddf_error(struct ddf *ddf, const struct xml_element *at, const char *format, ...)
{
	struct place place = { ddf->name, at->line, at->column, at->name, NULL };
	va_list args;

	va_start(args, format);
	diag_add(ddf->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
}

static void __attribute__((format(printf, 3, 4)))
ddf_warn(struct ddf *ddf, const struct xml_element *at, const char *format, ...)
{
	struct place place = { ddf->name, at->line, at->column, at->name, NULL };
	va_list args;

	va_start(args, format);
	diag_add(ddf->diags, DIAG_WARNING, &place, format, args);
	va_end(args);
}

static const struct xml_element *
ddf_child(const struct xml_element *parent, const char *name)
{
	const struct xml_element *child = parent->children;

	while (child && strcmp(child->name, name))
		child = child->next;
	return child;
}

/* The child's text, blanks trimmed and collapsed, in the registry's arena; NULL when out of
 * memory. */
static const char *
ddf_text(struct ddf *ddf, const struct xml_element *parent, const char *name)
{
	const struct xml_element *child = ddf_child(parent, name);
	char *text;

	if (!child)
		return "";
	text = arena_alloc(&ddf->objects->arena, child->text_len + 1);
	if (!text) {
		ddf_error(ddf, child, "out of memory");
		return "";
	}
	name_normalize(child->text, child->text_len, text, child->text_len + 1);
	return text;
}

/* A number of 16 bits: the text of a child, or of an attribute. */
static bool
parse_id(const char *text, uint16_t *id)
{
	char *end;
	unsigned long number;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	*id = (uint16_t)number;
	return !errno && !*end && number <= UINT16_MAX;
}

static bool
parse_type(const char *text, enum lwm2m_type *type)
{
	static const struct {
		const char *name;
		enum lwm2m_type type;
	} types[] = {
		{ "", LWM2M_NONE },
		{ "String", LWM2M_STRING },
		{ "Integer", LWM2M_INTEGER },
		{ "Unsigned Integer", LWM2M_UNSIGNED },
		{ "Unsigned", LWM2M_UNSIGNED },
		{ "Float", LWM2M_FLOAT },
		{ "Boolean", LWM2M_BOOLEAN },
		{ "Opaque", LWM2M_OPAQUE },
		{ "Time", LWM2M_TIME },
		{ "Objlnk", LWM2M_OBJLNK },
		{ "Corelnk", LWM2M_CORELNK },
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!strcasecmp(text, types[i].name)) {
			*type = types[i].type;
			return true;
		}
	}
	return false;
}

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " ");
}

/* What stands between two numbers of a range; NULL when nothing that we know. */
static const char *
skip_separator(const char *at)
{
	static const char *const separators[] = {
		"...", "..", "-", "\xe2\x80\x93", ",", ";", "to "
	};

	at = skip_blanks(at);
	for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
		size_t len = strlen(separators[i]);

		if (!strncasecmp(at, separators[i], len))
			return skip_blanks(at + len);
	}
	return NULL;
}

/* A number that does not swallow the dots of "0..255". */
static const char *
take_number(const char *at, double *number)
{
	char digits[32];
	size_t len = strspn(at, "+-");

	if (len > 1)
		return NULL;
	len += strspn(at + len, "0123456789");
	if (at[len] == '.' && isdigit((unsigned char)at[len + 1]))
		len += 1 + strspn(at + len + 1, "0123456789");
	if (!len || len >= sizeof digits || !isdigit((unsigned char)at[len - 1]))
		return NULL;
	memcpy(digits, at, len);
	digits[len] = '\0';
	*number = strtod(digits, NULL);
	return at + len;
}

bool
objects_parse_range(const char *text, enum lwm2m_type type, double *min, double *max)
{
	bool length = type == LWM2M_STRING || type == LWM2M_OPAQUE;
	const char *at = skip_blanks(text), *next;
	unsigned numbers = 0;
	bool list = false;
	double number;

	while ((next = take_number(at, &number))) {
		*min = !numbers || number < *min ? number : *min;
		*max = !numbers || number > *max ? number : *max;
		numbers++;
		at = next;
		next = skip_separator(at);
		if (!next)
			break;
		list |= strspn(skip_blanks(at), ",;") > 0;
		at = next;
	}
	at = skip_blanks(at);
	if (!numbers || (numbers == 1 && strncasecmp(at, "byte", 4)))
		return false;
	/* Only a unit may follow; a list of numbers for a string is of its values, not its
	 * length. */
	if (!strncasecmp(at, "byte", 4))
		return length;
	return !*at && !(list && length);
}

static bool
ddf_read_item(struct ddf *ddf, const struct xml_element *item, struct resource_def *resource)
{
	const struct xml_attribute *id = xml_find(item, "ID");
	const char *type = ddf_text(ddf, item, "Type");

	*resource = (struct resource_def){ .name = ddf_text(ddf, item, "Name") };
	if (!id || !parse_id(id->value, &resource->id)) {
		ddf_error(ddf, item, "the item has no ID from 0 to 65535");
		return false;
	}
	if (!*resource->name) {
		ddf_error(ddf, item, "item %u has no Name", resource->id);
		return false;
	}
	if (!parse_type(type, &resource->type)) {
		ddf_error(ddf, item, "item %u has the unknown Type \"%.40s\"", resource->id, type);
		return false;
	}
	resource->multiple = !strcasecmp(ddf_text(ddf, item, "MultipleInstances"), "Multiple");
	resource->mandatory = !strcasecmp(ddf_text(ddf, item, "Mandatory"), "Mandatory");
	resource->has_range = objects_parse_range(ddf_text(ddf, item, "RangeEnumeration"),
						  resource->type, &resource->min, &resource->max);
	return true;
}

static int
compare_resources(const void *a, const void *b)
{
	const struct resource_def *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static bool
ddf_read_items(struct ddf *ddf, const struct xml_element *items, struct object_def *object)
{
	struct resource_def *resources;
	unsigned count = 0, n = 0;

	for (const struct xml_element *item = items->children; item; item = item->next)
		count += !strcmp(item->name, "Item");
	if (count > DDF_RESOURCES_MAX) {
		ddf_error(ddf, items, "there are more than %d items", DDF_RESOURCES_MAX);
		return false;
	}
	resources = arena_alloc(&ddf->objects->arena, count * sizeof *resources);
	if (!resources) {
		ddf_error(ddf, items, "out of memory");
		return false;
	}
	for (const struct xml_element *item = items->children; item; item = item->next)
		if (!strcmp(item->name, "Item"))
			n += ddf_read_item(ddf, item, &resources[n]);
	qsort(resources, n, sizeof *resources, compare_resources);
	for (unsigned i = 1; i < n; i++) {
		if (resources[i].id == resources[i - 1].id) {
			ddf_error(ddf, items, "item %u is duplicated", resources[i].id);
			return false;
		}
	}
	object->resources = resources;
	object->n_resources = n;
	return n == count;
}

static bool
is_same(const struct object_def *a, const struct object_def *b)
{
	bool same = a->n_resources == b->n_resources;

	for (unsigned i = 0; same && i < a->n_resources; i++) {
		const struct resource_def *x = &a->resources[i], *y = &b->resources[i];

		same = x->id == y->id && x->type == y->type && x->multiple == y->multiple &&
		       !strcmp(x->name, y->name);
	}
	return same;
}

/* An object that is built in, and otherwise: whoever put the file there should know what it does. */
static void
warn_redefined(struct ddf *ddf, const struct xml_element *from, const struct object_def *object)
{
	const struct object_def *known = NULL, *newest;
	bool newer;

	for (unsigned i = 0; i < objects_n_builtin; i++)
		if (objects_builtin[i].id == object->id)
			known = &objects_builtin[i];
	newest = objects_find(ddf->objects, object->id);
	newer = newest == object;
	if (!known || (newer && is_same(known, object)))
		return;
	ddf_warn(ddf, from,
		 "this defines %s (object %u) as of version %s, which is built in as of %s: %s",
		 known->name, object->id, object->version, known->version,
		 newer ? "tasks use this one from now on"
		       : "the newer one stays in use, this one adds names alone");
}

static int
ddf_read_object(struct ddf *ddf, const struct xml_element *from)
{
	struct object_def *object = arena_alloc(&ddf->objects->arena, sizeof *object);
	const struct xml_element *items = ddf_child(from, "Resources");

	if (!object) {
		ddf_error(ddf, from, "out of memory");
		return -EINVAL;
	}
	*object = (struct object_def){
		.name = ddf_text(ddf, from, "Name"),
		.version = ddf_text(ddf, from, "ObjectVersion"),
		.multiple = !strcasecmp(ddf_text(ddf, from, "MultipleInstances"), "Multiple"),
		.mandatory = !strcasecmp(ddf_text(ddf, from, "Mandatory"), "Mandatory"),
	};
	if (!*object->version)
		object->version = "1.0"; /* the schema's default */
	if (!*object->name || !parse_id(ddf_text(ddf, from, "ObjectID"), &object->id)) {
		ddf_error(ddf, from, "the object has no Name, or no ObjectID from 0 to 65535");
		return -EINVAL;
	}
	if (items && !ddf_read_items(ddf, items, object))
		return -EINVAL;
	if (!objects_add(ddf->objects, object)) {
		warn_redefined(ddf, from, object);
		return 0;
	}
	ddf_error(ddf, from, "out of memory");
	return -EINVAL;
}

static int
ddf_read_root(struct ddf *ddf, const struct xml_element *root)
{
	const struct xml_element *object = NULL;
	int result = 0;

	if (!strcmp(root->name, "LWM2M"))
		object = ddf_child(root, "Object");
	/* The registry has lists of units and the like beside its objects. */
	if (!object && (strcmp(root->name, "LWM2M") || root->children)) {
		ddf_warn(ddf, root, "this is <%s> and not an object definition: skipped",
			 root->name);
		return OBJECTS_SKIPPED;
	}
	if (!object) {
		ddf_error(ddf, root, "not an object definition: no Object in LWM2M");
		return -EINVAL;
	}
	for (; object; object = object->next)
		if (!strcmp(object->name, "Object") && ddf_read_object(ddf, object))
			result = -EINVAL;
	return result;
}

int
objects_load_text(struct objects *objects, const char *name, const char *text, size_t len,
		  struct diag_list *diags)
{
	struct ddf ddf = { objects, name, diags };
	const struct xml_element *root;
	struct arena arena;
	int result;

	arena_init(&arena, DDF_TREE_MAX);
	root = xml_tree_parse(&arena, name, text, len, diags);
	result = root ? ddf_read_root(&ddf, root) : -EINVAL;
	arena_fini(&arena);
	return result;
}

static int
load_file(struct objects *objects, const char *file, struct diag_list *diags)
{
	struct place place = { .file = file };
	size_t len;
	char *text;
	int result = text_file_read(file, DDF_FILE_MAX, &text, &len);

	if (result) {
		diag_error(diags, &place, "cannot read the object definition: %s",
			   text_file_error(result));
		return -EINVAL;
	}
	result = objects_load_text(objects, file, text, len, diags);
	free(text);
	return result;
}

static int
is_definition(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	/* DDF.xml and Common.xml are the registry's index and its list of common resources. */
	return *entry->d_name != '.' && len > 4 && !strcasecmp(entry->d_name + len - 4, ".xml") &&
	       strcmp(entry->d_name, "DDF.xml") && strcmp(entry->d_name, "Common.xml");
}

int
objects_load_folder(struct objects *objects, const char *folder, struct diag_list *diags)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_definition, alphasort), loaded = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char *file;

		if (asprintf(&file, "%s/%s", folder, entries[i]->d_name) >= 0) {
			loaded += !load_file(objects, file, diags);
			free(file);
		}
		free(entries[i]);
	}
	free(entries);
	return loaded;
}
