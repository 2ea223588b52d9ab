#include "tasks/model/task.h"

#include <stdlib.h>
#include <string.h>

#include "tasks/model/task_tree.h"
#include "tasks/text_file.h"
#include "tasks/utf8.h"

enum {
	TASK_ARENA_MAX = 64 << 20, /* 20,000 of the shortest tags fit */
	/* Bytes: UTF-8 needs up to four a character, and a byte order mark. */
	TASK_FILE_MAX = 4 * TASK_TEXT_MAX + 4,
};

/* What is known while one task is read. */
struct task_reader {
	struct task *task;
	struct diag_list *diags;
	unsigned numbers[TASK_TAGS + 1];
	bool exhausted;
};

/* Where a tag stands: which of the rules for children apply. */
struct surroundings {
	const struct task_node *parent;
	bool in_bootstrap;
};

static void __attribute__((format(printf, 4, 5)))
reader_error(struct task_reader *reader, const struct xml_element *element,
	     const struct xml_attribute *attribute, const char *format, ...)
{
	struct place place = { reader->task->name, element->line, element->column, element->name,
			       NULL };
	va_list args;

	if (attribute) {
		place.line = attribute->line;
		place.column = attribute->column;
		place.attribute = attribute->name;
	}
	va_start(args, format);
	diag_add(reader->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
}

static void
check_place(struct task_reader *reader, const struct xml_element *element, enum task_tag tag,
	    const struct surroundings *around)
{
	const struct task_node *parent = around->parent;

	if (!parent || tag == TAG_UNKNOWN)
		return;
	if (tag_rules[tag].place == PLACE_ROOT)
		reader_error(reader, element, NULL,
			     "is the root of a task: it stands in no other tag");
	else if (tag_rules[tag].place == PLACE_IF && parent->tag != TAG_IF)
		reader_error(reader, element, NULL, "belongs directly into an <if>");
	else if (parent->tag == TAG_UNKNOWN)
		return;
	else if (!tag_rules[parent->tag].container)
		reader_error(reader, element, NULL, "<%s> takes no tags inside", tag_name(parent));
	else if (tag_rules[tag].place == PLACE_OUTSIDE && around->in_bootstrap)
		reader_error(reader, element, NULL,
			     "does not belong into a <lwm2mBootstrap>: close that first");
	else if (tag_rules[tag].place == PLACE_BOOTSTRAP && !around->in_bootstrap)
		reader_error(reader, element, NULL, "belongs into a <lwm2mBootstrap>");
}

static bool
is_blank(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

static const char *
nearest_attribute(enum task_tag tag, const char *name)
{
	const char *names[TASK_ATTRIBUTES];
	size_t n = 0;

	while (n < TASK_ATTRIBUTES && tag_rules[tag].attributes[n].name) {
		names[n] = tag_rules[tag].attributes[n].name;
		n++;
	}
	return diag_nearest(name, names, n);
}

static int
attribute_index(enum task_tag tag, const char *name)
{
	for (int i = 0; i < TASK_ATTRIBUTES && tag_rules[tag].attributes[i].name; i++)
		if (!strcmp(name, tag_rules[tag].attributes[i].name))
			return i;
	return -1;
}

static void
read_attribute(struct task_reader *reader, struct task_node *node,
	       const struct xml_element *element, const struct xml_attribute *from)
{
	int index = attribute_index(node->tag, from->name);
	const char *nearest;

	if (index >= 0) {
		node->attributes[index] = (struct task_attribute){
			.text = arena_copy(&reader->task->arena, from->value, from->len),
			.len = from->len,
			.line = from->line,
			.column = from->column,
			.given = true,
			.xml = from,
		};
		reader->exhausted |= !node->attributes[index].text;
		return;
	}
	nearest = nearest_attribute(node->tag, from->name);
	if (nearest)
		reader_error(reader, element, from,
			     "there is no such attribute: did you mean \"%s\"?", nearest);
	else
		reader_error(reader, element, from, "there is no such attribute: remove it");
}

static void
check_given(struct task_reader *reader, const struct task_node *node,
	    const struct xml_element *element)
{
	for (int i = 0; i < TASK_ATTRIBUTES; i++) {
		const struct attribute_rule *rule = &tag_rules[node->tag].attributes[i];
		const struct task_attribute *attribute = &node->attributes[i];

		if (rule->required && !attribute->given)
			reader_error(reader, element, NULL, "lacks the attribute %s", rule->name);
		else if (attribute->given && !attribute->len && !rule->nullable)
			reader_error(reader, element, attribute->xml,
				     "an empty attribute is null, and %s must have a value%s",
				     rule->name,
				     node->tag == TAG_WRITE ? ": write ${''} for an empty text"
							    : "");
	}
}

static enum task_tag
read_tag(struct task_reader *reader, const struct xml_element *element)
{
	enum task_tag tag = tag_by_name(element->name);
	const char *nearest;

	if (tag != TAG_UNKNOWN)
		return tag;
	nearest = tag_nearest(element->name);
	if (tag_is_foreign(element->name))
		reader_error(reader, element, NULL,
			     "is known, but manages devices after their registration, "
			     "which a bootstrap appliance does not do");
	else if (nearest)
		reader_error(reader, element, NULL, "is an unknown tag: did you mean <%s>?",
			     nearest);
	else
		reader_error(reader, element, NULL, "is an unknown tag");
	return tag;
}

static struct task_node *
read_node(struct task_reader *reader, const struct xml_element *element,
	  const struct surroundings *around)
{
	enum task_tag tag = read_tag(reader, element);
	struct task_node *node = arena_alloc(&reader->task->arena, sizeof *node);

	if (!node) {
		reader->exhausted = true;
		return NULL;
	}
	*node = (struct task_node){ .tag = tag, .line = element->line, .column = element->column };
	node->number = ++reader->numbers[tag];
	check_place(reader, element, tag, around);
	if (tag == TAG_UNKNOWN)
		return node;
	if (tag != TAG_COMMENT && !is_blank(element->text))
		reader_error(reader, element, NULL,
			     "text inside means nothing: put it into a <comment>");
	for (const struct xml_attribute *from = element->attributes; from; from = from->next)
		read_attribute(reader, node, element, from);
	check_given(reader, node, element);
	return node;
}

/* Nesting is bounded by the XML reader. */
static struct task_node *
read_tree(struct task_reader *reader, const struct xml_element *element,
	  const struct surroundings *around)
{
	struct task_node *node = read_node(reader, element, around), **last;
	struct surroundings inside;

	/* What is inside of a foreign tag speaks another language. */
	if (!node || (node->tag == TAG_UNKNOWN && tag_is_foreign(element->name)))
		return node;
	inside = (struct surroundings){ node, around->in_bootstrap || node->tag == TAG_BOOTSTRAP };
	last = &node->children;
	for (const struct xml_element *from = element->children; from; from = from->next) {
		struct task_node *child = read_tree(reader, from, &inside);

		if (!child)
			return node;
		if (child->tag == TAG_ELSE && node->tag == TAG_IF) {
			if (node->otherwise)
				reader_error(reader, from, NULL, "the <if> has an <else> already");
			node->otherwise = child;
			continue;
		}
		*last = child;
		last = &child->next;
	}
	return node;
}

static void
forget_xml(struct task_node *node)
{
	for (; node; node = node->next) {
		for (int i = 0; i < TASK_ATTRIBUTES; i++)
			node->attributes[i].xml = NULL;
		if (node->otherwise)
			forget_xml(node->otherwise);
		forget_xml(node->children);
	}
}

/* Everything but the XML text itself. Adds errors; the task is good when there are none. */
static void
task_read(struct task *task, const struct xml_element *root, struct diag_list *diags)
{
	struct task_reader reader = { .task = task, .diags = diags };
	struct place place = { .file = task->name };
	struct surroundings nothing = { 0 };

	if (strcmp(root->name, "config")) {
		reader_error(&reader, root, NULL, "cannot be the root of a task: that is <config>");
		return;
	}
	task->root = read_tree(&reader, root, &nothing);
	if (reader.exhausted) {
		diag_error(diags, &place, "out of memory");
		return;
	}
	task_check(task, diags);
	task_warn(task, diags);
	task_warn_overwrites(task, diags);
	task_warn_secrets(task, diags);
	forget_xml(task->root);
}

static struct task *
task_new(const char *name, const struct objects *objects)
{
	struct task *task = calloc(1, sizeof *task);

	if (!task)
		return NULL;
	arena_init(&task->arena, TASK_ARENA_MAX);
	task->objects = objects;
	task->name = arena_copy(&task->arena, name, strlen(name));
	if (task->name)
		return task;
	free(task);
	return NULL;
}

void
task_free(struct task *task)
{
	if (!task)
		return;
	arena_fini(&task->arena);
	free(task);
}

/* Attributes from an XML text are UTF-8; others are what somebody put there. */
static bool
check_texts(const char *name, const struct xml_element *element, struct diag_list *diags)
{
	bool fine = true;

	for (; element; element = element->next) {
		for (const struct xml_attribute *a = element->attributes; a; a = a->next) {
			struct place place = { name, a->value_line, 0, element->name, a->name };

			if (utf8_valid(a->value, a->len))
				continue;
			diag_error(diags, &place, "the value is not valid UTF-8");
			fine = false;
		}
		fine &= check_texts(name, element->children, diags);
	}
	return fine;
}

struct task *
task_load_tree(const char *name, const struct xml_element *root, const struct objects *objects,
	       struct diag_list *diags)
{
	struct place place = { .file = name };
	size_t errors = diags->errors;
	struct task *task = NULL;

	if (!check_texts(name, root, diags))
		return NULL;
	task = task_new(name, objects);
	if (!task) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	task_read(task, root, diags);
	if (diags->errors == errors)
		return task;
	task_free(task);
	return NULL;
}

struct task *
task_load(const char *name, const char *text, size_t len, const struct objects *objects,
	  struct diag_list *diags)
{
	struct place place = { .file = name };
	struct task *task = NULL;
	struct xml_element *root;
	struct arena xml;

	if (len > TASK_FILE_MAX || utf8_length(text, len) > TASK_TEXT_MAX) {
		diag_error(diags, &place, "a task has at most %d characters", TASK_TEXT_MAX);
		return NULL;
	}
	arena_init(&xml, TASK_ARENA_MAX);
	root = xml_tree_parse(&xml, name, text, len, diags);
	if (root)
		task = task_load_tree(name, root, objects, diags);
	arena_fini(&xml);
	diag_list_sort(diags);
	return task;
}

struct task *
task_load_file(const char *file, const struct objects *objects, struct diag_list *diags)
{
	struct place place = { .file = file };
	struct task *task;
	size_t len;
	char *text;
	int error = text_file_read(file, TASK_FILE_MAX, &text, &len);

	if (error) {
		diag_error(diags, &place, "cannot read the task: %s", text_file_error(error));
		return NULL;
	}
	task = task_load(file, text, len, objects, diags);
	explicit_bzero(text, len); /* people do write keys into tasks */
	free(text);
	return task;
}

bool
task_depends_on_session(const struct task *task)
{
	return task->session;
}

bool
task_has_pattern(const struct task *task)
{
	return task->patterns;
}
