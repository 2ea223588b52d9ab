#include "tasks/model/task_builder.h"

#include <assert.h>
#include <string.h>

#include "tasks/model/task_tree.h"

void
task_builder_init(struct task_builder *builder, struct arena *arena)
{
	*builder = (struct task_builder){ .arena = arena };
}

/* Behind the last child of the tag that is open, or as the root. */
static void
link_element(struct task_builder *builder, struct xml_element *element)
{
	struct xml_element **at = &builder->root;

	if (builder->depth)
		at = &builder->open[builder->depth - 1]->children;
	while (*at)
		at = &(*at)->next;
	*at = element;
}

void
task_builder_open(struct task_builder *builder, const char *name, uint32_t line)
{
	struct xml_element *element = arena_alloc(builder->arena, sizeof *element);

	assert(!builder->root || builder->depth); /* one root */
	if (!element || builder->depth == XML_DEPTH_MAX)
		builder->failed = true;
	if (builder->failed)
		return;
	*element = (struct xml_element){ .name = name, .line = line, .text = "" };
	link_element(builder, element);
	builder->open[builder->depth++] = element;
}

void
task_builder_attribute(struct task_builder *builder, const char *name, const char *value)
{
	struct xml_attribute *attribute = arena_alloc(builder->arena, sizeof *attribute), **at;
	struct xml_element *element;

	builder->failed |= !attribute;
	if (builder->failed)
		return;
	assert(builder->depth);
	element = builder->open[builder->depth - 1];
	*attribute = (struct xml_attribute){
		.name = name,
		.value = value,
		.len = strlen(value),
		.line = element->line,
		.value_line = element->line,
	};
	for (at = &element->attributes; *at;)
		at = &(*at)->next;
	*at = attribute;
}

void
task_builder_close(struct task_builder *builder)
{
	if (builder->failed)
		return;
	assert(builder->depth);
	builder->depth--;
}

struct task *
task_builder_load(const struct task_builder *builder, const char *name,
		  const struct objects *objects, struct diag_list *diags)
{
	struct place place = { .file = name };

	if (!builder->failed) {
		assert(builder->root && !builder->depth);
		return task_load_tree(name, builder->root, objects, diags);
	}
	diag_error(diags, &place, "out of memory");
	return NULL;
}
