/* A task's tags, for a person who wants to know what it does. */
#include "tasks/model/task_tree.h"

/* What a write puts in its value may be a key: of a resource that holds keys, or of one that only a device decides. */
static bool
writes_key(const struct task_node *node)
{
	return node->tag == TAG_WRITE &&
	       (!node->write.key_known || key_path_is_secret(&node->write.key.path));
}

static void
describe_tag(const struct task_node *node, unsigned depth, task_tag_visitor *visit, void *ctx)
{
	struct task_tag_line line = { .depth = depth, .name = tag_name(node), .line = node->line };

	for (int i = 0; i < TASK_ATTRIBUTES; i++) {
		const struct task_attribute *attribute = &node->attributes[i];

		if (!attribute->given)
			continue;
		line.attributes[line.n_attributes].name = tag_rules[node->tag].attributes[i].name;
		line.attributes[line.n_attributes].text = attribute->text;
		line.attributes[line.n_attributes].secret = i == WRITE_VALUE && writes_key(node);
		line.n_attributes++;
	}
	visit(ctx, &line);
}

static void
describe(const struct task_node *node, unsigned depth, task_tag_visitor *visit, void *ctx)
{
	for (; node; node = node->next) {
		describe_tag(node, depth, visit, ctx);
		describe(node->children, depth + 1, visit, ctx);
		if (!node->otherwise)
			continue;
		describe_tag(node->otherwise, depth, visit, ctx);
		describe(node->otherwise->children, depth + 1, visit, ctx);
	}
}

void
task_describe(const struct task *task, task_tag_visitor *visit, void *ctx)
{
	describe(task->root->children, 0, visit, ctx);
}
