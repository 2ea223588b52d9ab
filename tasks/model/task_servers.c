/* The LwM2M servers that a task names. */
#include "tasks/model/task_tree.h"

static bool
each_server(const struct task *task, const struct task_node *node, task_server_visitor *visit,
	    void *ctx)
{
	for (; node; node = node->next) {
		int index = node->attributes[SERVER_NAME].given ? SERVER_NAME : SERVER_ID;
		const struct task_attribute *attribute = &node->attributes[index];
		struct task_server server = {
			.by_name = index == SERVER_NAME,
			.place = { task->name, attribute->line, attribute->column, tag_name(node),
				   tag_rules[TAG_CONFIGURATION].attributes[index].name },
		};

		if (node->tag == TAG_CONFIGURATION) {
			if (attribute->constant && attribute->value.kind == VALUE_STRING) {
				server.name = attribute->value.text.at;
				server.len = attribute->value.text.len;
			}
			if (!visit(ctx, &server))
				return false;
		}
		if (node->otherwise && !each_server(task, node->otherwise->children, visit, ctx))
			return false;
		if (!each_server(task, node->children, visit, ctx))
			return false;
	}
	return true;
}

void
task_each_server(const struct task *task, task_server_visitor *visit, void *ctx)
{
	each_server(task, task->root->children, visit, ctx);
}
