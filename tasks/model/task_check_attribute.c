/* What one attribute holds: its template, its value where that is the same for every device, and
 * whether it can be what its tag needs. */
#include <stdio.h>

#include "tasks/model/task_check_internal.h"
#include "tasks/model/write.h"

static void
check_say(struct checker *checker, enum diag_level level, const struct task_node *node, int index,
	  const char *format, va_list args)
{
	struct place place = { checker->task->name, node->line, node->column, tag_name(node),
			       NULL };

	if (index >= 0) {
		place.attribute = tag_rules[node->tag].attributes[index].name;
		place.line = node->attributes[index].line;
		place.column = node->attributes[index].column;
	}
	diag_add(checker->diags, level, &place, format, args);
}

void
check_error(struct checker *checker, const struct task_node *node, int index, const char *format,
	    ...)
{
	va_list args;

	va_start(args, format);
	check_say(checker, DIAG_ERROR, node, index, format, args);
	va_end(args);
}

void
check_warning(struct checker *checker, const struct task_node *node, int index, const char *format,
	      ...)
{
	va_list args;

	va_start(args, format);
	check_say(checker, DIAG_WARNING, node, index, format, args);
	va_end(args);
}

/* Columns of template diagnostics count bytes of the decoded value: to where they stand in the
 * file. */
static void
relocate(struct checker *checker, const struct task_attribute *attribute, size_t from)
{
	for (size_t i = from; i < checker->diags->count; i++) {
		struct place *place = &checker->diags->items[i].place;

		if (place->line == attribute->xml->value_line &&
		    place->column >= attribute->xml->value_column)
			xml_locate(attribute->xml, place->column - attribute->xml->value_column,
				   &place->line, &place->column);
	}
}

void
check_parse_attribute(struct checker *checker, struct task_node *node, int index)
{
	struct task_attribute *attribute = &node->attributes[index];
	size_t before = checker->diags->count;
	struct place place = {
		.file = checker->task->name,
		.tag = tag_name(node),
		.attribute = tag_rules[node->tag].attributes[index].name,
	};

	if (!attribute->len)
		return;
	place.line = attribute->xml->value_line;
	place.column = attribute->xml->value_column;
	attribute->template = template_parse(&checker->task->arena, attribute->text, attribute->len,
					     &place, checker->diags);
	relocate(checker, attribute, before);
	if (!attribute->template)
		return;
	task_vars_use(&checker->vars, attribute->template);
	attribute->value.kind = VALUE_STRING;
	attribute->literal = template_is_literal(attribute->template, &attribute->value.text.at,
						 &attribute->value.text.len);
	attribute->constant = attribute->literal;
	checker->task->session |= template_depends(attribute->template) == EXPR_SESSION;
	checker->task->patterns |= template_has_pattern(attribute->template);
}

/* Constant expressions are evaluated in surroundings that note when they are asked. */
static struct value
ask_setting(void *ctx, const char *name, size_t len)
{
	*(bool *)ctx = true;
	return (struct value){ VALUE_NULL };
}

static struct value
ask_attribute(void *ctx, const char *root, const char *name, size_t len)
{
	*(bool *)ctx = true;
	return (struct value){ VALUE_NULL };
}

static bool
ask_group(void *ctx, const char *group, size_t len)
{
	*(bool *)ctx = true;
	return false;
}

static struct value
ask_resource(void *ctx, const char *alias, size_t alias_len, const char *column, size_t column_len,
	     const char *key, size_t key_len, const char *wanted, size_t wanted_len)
{
	*(bool *)ctx = true;
	return (struct value){ VALUE_NULL };
}

static int
ask_random(void *ctx, uint8_t *bytes, size_t len)
{
	*(bool *)ctx = true;
	return -1;
}

void
check_fold(struct checker *checker, struct task_attribute *attribute)
{
	bool asked = false;
	struct expr_env env = { &asked,    ask_setting,  ask_attribute,
				ask_group, ask_resource, ask_random };
	struct expr_eval eval = { .env = &env,
				  .arena = &checker->task->arena,
				  .vars = checker->constants };
	struct value value;

	if (!attribute->template || attribute->literal ||
	    template_depends(attribute->template) != EXPR_CONSTANT ||
	    task_vars_uses_open(&checker->vars, attribute->template))
		return;
	if (template_eval(attribute->template, &eval, &value) || asked || value.kind == VALUE_NULL)
		return;
	attribute->value = value;
	attribute->constant = true;
}

const char *
check_constant_text(const struct task_attribute *attribute, size_t *len)
{
	if (!attribute->constant || attribute->value.kind != VALUE_STRING)
		return NULL;
	*len = attribute->value.text.len;
	return attribute->value.text.at;
}

bool
check_kinds(struct checker *checker, const struct task_node *node, int index, unsigned wanted,
	    const char *need)
{
	const struct task_attribute *attribute = &node->attributes[index];
	unsigned kinds;

	if (!attribute->template)
		return false;
	kinds = attribute->constant ? 1u << attribute->value.kind
				    : template_kinds(attribute->template);
	if (kinds & wanted)
		return true;
	for (int kind = VALUE_STRING; kind <= VALUE_LIST; kind++) {
		if (kinds & 1u << kind) {
			check_error(checker, node, index, "the value is %s, but %s",
				    value_kind_name(kind), need);
			return false;
		}
	}
	check_error(checker, node, index, "the value is always null, but %s", need);
	return false;
}

void
check_boolean(struct checker *checker, const struct task_node *node, int index)
{
	const struct task_attribute *attribute = &node->attributes[index];
	const char *name = tag_rules[node->tag].attributes[index].name;
	char need[80];
	bool ignored;

	snprintf(need, sizeof need, "%s is true or false", name);
	if (!attribute->template ||
	    !check_kinds(checker, node, index, 1u << VALUE_BOOLEAN | 1u << VALUE_STRING, need))
		return;
	if (attribute->constant && value_boolean(&attribute->value, &ignored))
		check_error(checker, node, index, "\"%.40s\" is neither true nor false",
			    attribute->text);
}

void
check_word(struct checker *checker, const struct task_node *node, int index,
	   int (*by_name)(const char *, size_t), const char *words)
{
	const struct task_attribute *attribute = &node->attributes[index];
	const char *text;
	size_t len;

	if (!attribute->template ||
	    !check_kinds(checker, node, index, 1u << VALUE_STRING, "a word is needed"))
		return;
	text = check_constant_text(attribute, &len);
	if (text && by_name(text, len) < 0)
		check_error(checker, node, index, "\"%.*s\" is not a valid value: %s",
			    (int)(len > 40 ? 40 : len), text, words);
}
