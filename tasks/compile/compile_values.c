/* compile_values.c - what the attributes of a tag are for one device, and how a task fails. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/model/write.h"
#include "tasks/show.h"

enum flow
run_fail(struct run *run, const struct task_node *node, int index, const char *format, ...)
{
	struct task_result *result = run->result;
	char reason[TASK_SUMMARY_MAX - 64]; /* leaves room for where it is */
	va_list args;

	va_start(args, format);
	show_into_v(reason, sizeof reason, format, args);
	va_end(args);
	/* A server's task stands in no file: what an operator knows of it is the names of its settings. */
	if (run->task != run->root && node->tag == TAG_STORE) {
		show_into(result->summary, sizeof result->summary, "%s: %s: %s", run->task->name,
			  node->attributes[STORE_TARGET].text, reason);
		return FLOW_FAILED;
	}
	show_into(result->summary, sizeof result->summary, "%s%s%s%s%s%s #%u (line %u): %s",
		  run->task != run->root ? run->task->name : "", run->task != run->root ? ": " : "",
		  index >= 0 ? "attribute " : "",
		  index >= 0 ? tag_rules[node->tag].attributes[index].name : "",
		  index >= 0 ? " of " : "", tag_name(node), node->number, node->line, reason);
	return FLOW_FAILED;
}

enum flow
run_value(struct run *run, const struct task_node *node, int index, struct value *value)
{
	const struct task_attribute *attribute = &node->attributes[index];

	assert(index >= 0 && index < TASK_ATTRIBUTES);
	if (attribute->constant) {
		*value = attribute->value;
		return FLOW_NEXT;
	}
	*value = (struct value){ VALUE_NULL };
	if (!attribute->template)
		return FLOW_NEXT;
	run->eval.generated = false;
	if (template_eval(attribute->template, &run->eval, value))
		return run_fail(run, node, index, "%s", run->eval.error);
	value->generated = run->eval.generated;
	return FLOW_NEXT;
}

/* "sv.managementId is not set" for ${sv.managementId}; the expression itself for others. */
static enum flow
fail_null(struct run *run, const struct task_node *node, int index)
{
	const struct task_attribute *attribute = &node->attributes[index];
	const char *text = attribute->text;
	size_t len = attribute->len;
	bool setting;

	if (len >= 3 && text[0] == '$' && text[1] == '{' && text[len - 1] == '}') {
		text += 2;
		len -= 3;
	}
	for (; len && *text == ' '; len--)
		text++;
	while (len && text[len - 1] == ' ')
		len--;
	setting = len > 3 && !memcmp(text, "sv.", 3) && !memchr(text, ' ', len);
	if (len > 100)
		return run_fail(run, node, index, "%.100s... is null", text);
	return run_fail(run, node, index, "%.*s is %s", (int)len, text,
			setting ? "not set" : "null");
}

enum flow
run_needed(struct run *run, const struct task_node *node, int index, struct value *value)
{
	if (run_value(run, node, index, value))
		return FLOW_FAILED;
	return value->kind == VALUE_NULL ? fail_null(run, node, index) : FLOW_NEXT;
}

enum flow
run_word(struct run *run, const struct task_node *node, int index,
	 int (*by_name)(const char *, size_t), int *out)
{
	struct value value;

	*out = -1;
	if (!node->attributes[index].template)
		return FLOW_NEXT;
	if (run_needed(run, node, index, &value))
		return FLOW_FAILED;
	if (value.kind == VALUE_STRING)
		*out = by_name(value.text.at, value.text.len);
	if (*out < 0)
		return run_fail(run, node, index, "the value is not valid for %s",
				tag_rules[node->tag].attributes[index].name);
	return FLOW_NEXT;
}

enum flow
run_key(struct run *run, const struct task_node *node, struct key *key)
{
	enum flow flow = FLOW_NEXT;
	struct diag_list diags;
	struct value value;

	if (run_value(run, node, TARGET_KEY, &value))
		return FLOW_FAILED;
	if (value.kind == VALUE_NULL && node->tag != TAG_DELETE && node->tag != TAG_DISCOVER)
		return fail_null(run, node, TARGET_KEY);
	/* An expression that gives null is a mistake; only an empty attribute means everything. */
	if (value.kind == VALUE_NULL && node->attributes[TARGET_KEY].template)
		return fail_null(run, node, TARGET_KEY);
	if (value.kind != VALUE_NULL && value.kind != VALUE_STRING)
		return run_fail(run, node, TARGET_KEY, "the value is %s, but a key is text",
				value_kind_name(value.kind));
	diag_list_init(&diags);
	/* What is wrong with it would quote the key, and a computed text may be a secret. */
	if (key_parse(run->task->objects, value.kind == VALUE_STRING ? value.text.at : "",
		      value.kind == VALUE_STRING ? value.text.len : 0, NULL, &diags, key))
		flow = run_fail(run, node, TARGET_KEY,
				"the computed key names nothing that the object definitions know");
	diag_list_fini(&diags);
	return flow;
}

enum flow
run_boolean(struct run *run, const struct task_node *node, int index, bool *out)
{
	struct value value;

	if (!node->attributes[index].template)
		return FLOW_NEXT;
	if (run_needed(run, node, index, &value))
		return FLOW_FAILED;
	if (value_boolean(&value, out))
		return run_fail(run, node, index, "the value is %s, neither true nor false",
				value_kind_name(value.kind));
	return FLOW_NEXT;
}

bool
run_set_var(struct run *run, const struct expr_var **vars, const struct value *name,
	    const struct value *value)
{
	const struct expr_var *var = *vars;
	struct expr_var *made;

	while (var && (var->name_len != name->text.len ||
		       memcmp(var->name, name->text.at, name->text.len)))
		var = var->next;
	if (var) {
		((struct expr_var *)(uintptr_t)var)->value = *value;
		return true;
	}
	made = arena_alloc(&run->compiler->arena, sizeof *made);
	if (!made)
		return false;
	*made = (struct expr_var){ name->text.at, name->text.len, *value, *vars };
	*vars = made;
	return true;
}

enum flow
run_text(struct run *run, const struct task_node *node, int index, struct value *text)
{
	struct value value;
	const char *error;

	if (run_needed(run, node, index, &value))
		return FLOW_FAILED;
	if (value_text(&value, &run->compiler->arena, text, &error))
		return run_fail(run, node, index, "%s", error);
	text->generated = value.generated;
	return FLOW_NEXT;
}

enum flow
run_name(struct run *run, const struct task_node *node, int index, struct value *name)
{
	if (run_needed(run, node, index, name))
		return FLOW_FAILED;
	if (name->kind != VALUE_STRING || !name->text.len)
		return run_fail(run, node, index, "a name is a text, and not empty");
	return FLOW_NEXT;
}

enum flow
run_on_error(struct run *run, const struct task_node *node, int index)
{
	int policy;

	if (run_word(run, node, index, on_error_by_name, &policy))
		return FLOW_FAILED;
	if (policy >= 0)
		run->on_error = (enum batch_on_error)policy;
	return FLOW_NEXT;
}

enum flow
run_mask(struct run *run, const struct task_node *node, struct value *text, bool *found)
{
	if (secrets_mask(&run->shared->secrets, &run->compiler->arena, text, found))
		return FLOW_NEXT;
	return run_fail(run, node, -1, "out of memory");
}
