/* The files and tables that a task names. */
#include "tasks/model/task_tree.h"

struct visit {
	const struct task *task;
	task_resource_visitor *visit;
	void *ctx;
};

static struct task_resource
at_attribute(const struct visit *visit, const struct task_node *node, int index)
{
	const struct task_attribute *attribute = &node->attributes[index];

	return (struct task_resource){
		.place = { visit->task->name, attribute->line, attribute->column, tag_name(node),
			   tag_rules[node->tag].attributes[index].name },
	};
}

static void
visit_file(const struct visit *visit, const struct task_node *node)
{
	const struct task_attribute *attribute = &node->attributes[UPLOAD_FILE];
	struct task_resource resource = at_attribute(visit, node, UPLOAD_FILE);

	if (!attribute->constant || attribute->value.kind != VALUE_STRING)
		return;
	resource.name = (struct task_text){ attribute->value.text.at, attribute->value.text.len };
	visit->visit(visit->ctx, &resource);
}

static void
visit_tables(const struct visit *visit, const struct task_node *node, int index)
{
	const struct template *template = node->attributes[index].template;
	const struct expr_table_use *use = NULL;

	while (template && (use = template_next_table(template, use))) {
		struct task_resource resource = at_attribute(visit, node, index);

		resource.is_table = true;
		resource.name = (struct task_text){ use->alias, use->alias_len };
		resource.by = (struct task_text){ use->by, use->by_len };
		resource.wanted = (struct task_text){ use->wanted, use->wanted_len };
		visit->visit(visit->ctx, &resource);
	}
}

static void
visit_nodes(const struct visit *visit, const struct task_node *node)
{
	for (; node; node = node->next) {
		for (int i = 0; i < TASK_ATTRIBUTES; i++)
			visit_tables(visit, node, i);
		if (node->tag == TAG_UPLOAD)
			visit_file(visit, node);
		if (node->otherwise)
			visit_nodes(visit, node->otherwise->children);
		visit_nodes(visit, node->children);
	}
}

void
task_each_resource(const struct task *task, task_resource_visitor *visit, void *ctx)
{
	struct visit with = { task, visit, ctx };

	visit_nodes(&with, task->root->children);
}
