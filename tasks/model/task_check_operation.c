/* What a lwm2mBootstrap holds: the keys of its tags, and what goes out to them. */
#include <stdio.h>

#include "tasks/model/task_check_internal.h"
#include "tasks/model/write.h"

#define FORMAT_WORDS "tlv, senml-json, senml-cbor, lwm2m-cbor, text, opaque, cbor"

static bool
parse_key(struct checker *checker, const struct task_node *node, struct key *key)
{
	const struct task_attribute *attribute = &node->attributes[TARGET_KEY];
	struct place place = { checker->task->name, attribute->line, attribute->column,
			       tag_name(node), "key" };
	size_t len = 0;
	const char *text = check_constant_text(attribute, &len);

	if (!attribute->given || !attribute->len)
		text = "";
	else if (!attribute->template ||
		 !check_kinds(checker, node, TARGET_KEY, 1u << VALUE_STRING, "a key is text"))
		return false;
	return text && !key_parse(checker->task->objects, text, len, &place, checker->diags, key);
}

static void
check_write_value(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *attribute = &node->attributes[WRITE_VALUE];
	struct task_write *write = &node->write;
	struct convert convert = { write->type, write->key.resource, &checker->task->arena,
				   attribute->literal, "" };
	char need[160];

	if (!attribute->template || !write->key_known || !write->type_known)
		return;
	if (attribute->constant) {
		write->fixed = !write_values(&convert, &write->key, &attribute->value,
					     &write->values, &write->n_values);
		if (!write->fixed)
			check_error(checker, node, WRITE_VALUE, "%s", convert.error);
		return;
	}
	snprintf(need, sizeof need, "%.80s is %s%s",
		 write->key.resource ? write->key.resource->name : "the resource",
		 lwm2m_type_name(write->type),
		 convert_kinds(write->type) == 1u << VALUE_INTEGER ? ": use .toInt" : "");
	check_kinds(checker, node, WRITE_VALUE, write_kinds(&write->key, write->type), need);
}

static void
check_write_key(struct checker *checker, struct task_node *node)
{
	struct task_write *write = &node->write;
	char error[WRITE_ERROR_MAX];

	write->format = -1;
	write->key_known = parse_key(checker, node, &write->key);
	if (write->key_known && write_check_key(&write->key, error)) {
		check_error(checker, node, WRITE_KEY, "%s", error);
		write->key_known = false;
	}
}

static void
check_write(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *type = &node->attributes[WRITE_TYPE];
	const struct task_attribute *format = &node->attributes[WRITE_FORMAT];
	struct task_write *write = &node->write;
	char error[WRITE_ERROR_MAX];
	size_t len = 0;
	const char *text = check_constant_text(type, &len);

	check_write_key(checker, node);
	/* A type that does not exist is wrong whatever the key is. */
	if (text || (write->key_known && !type->len)) {
		write->type_known = !write_type(write->key_known ? &write->key : &(struct key){ 0 },
						text, len, &write->type, error);
		if (!write->type_known)
			check_error(checker, node, type->given ? WRITE_TYPE : WRITE_KEY, "%s",
				    error);
	}
	check_write_value(checker, node);
	check_word(checker, node, WRITE_FORMAT, format_by_name, FORMAT_WORDS);
	text = check_constant_text(format, &len);
	if (text)
		write->format = format_by_name(text, len);
	write->fixed &= !format->template || text;
}

/* The type of the resource decides how the bytes go out: as they are, or as text. */
static void
check_upload(struct checker *checker, struct task_node *node)
{
	const struct task_write *write = &node->write;

	check_write_key(checker, node);
	if (write->key_known && write->key.resource && !write_takes_file(write->key.resource->type))
		check_error(checker, node, UPLOAD_KEY,
			    "%s is %s: a file's content goes into opaque and string resources",
			    write->key.resource->name, lwm2m_type_name(write->key.resource->type));
	check_kinds(checker, node, UPLOAD_FILE, 1u << VALUE_STRING, "a file is named by text");
}

/* An output that nothing reads needs no waiting for. A computed name may be any. */
static void
check_output(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *output = &node->attributes[TARGET_OUTPUT];
	size_t len = 0;
	const char *name = check_constant_text(output, &len);
	const struct known_var *var;

	if (!output->template || !check_kinds(checker, node, TARGET_OUTPUT, 1u << VALUE_STRING,
					      "a variable is named by text"))
		return;
	var = name ? task_vars_find(&checker->vars, name, len) : NULL;
	node->target.answers = !var || var->used;
	checker->task->answers |= node->target.answers;
	if (!node->target.answers)
		check_warning(checker, node, TARGET_OUTPUT,
			      "nothing uses #%.40s: the answer is not waited for", output->text);
	else if (checker->in_correction)
		check_error(
			checker, node, TARGET_OUTPUT,
			"a correction is made before its Finish is refused: it cannot use answers");
}

static void
check_target(struct checker *checker, struct task_node *node)
{
	const struct lwm2m_path *path = &node->target.key.path;

	if (node->tag != TAG_DELETE)
		check_output(checker, node);
	node->target.known = parse_key(checker, node, &node->target.key);
	if (!node->target.known)
		return;
	if (node->tag == TAG_READ && (path->resource >= 0 || path->object < 0))
		check_error(
			checker, node, TARGET_KEY,
			"<read> takes an object or an instance, no resource: a bootstrap server "
			"may read /1, /1/N, /2 and /2/N (OMA TS Core 6.1.7.4); take one value "
			"out of the answer with #output.value('/1/0/1')");
	else if (path->resource >= 0)
		check_error(checker, node, TARGET_KEY,
			    "takes an object or an instance, no resource");
	else if (node->tag == TAG_DISCOVER && path->instance >= 0)
		check_error(checker, node, TARGET_KEY,
			    "<discover> takes an object, or an empty key for all of them");
	else if (node->tag == TAG_READ && path->object != 1 && path->object != 2)
		check_warning(checker, node, TARGET_KEY,
			      "clients let a bootstrap server read objects 1 and 2 alone (OMA TS "
			      "Core 6.1.7.4)");
}

void
check_operation(struct checker *checker, struct task_node *node)
{
	if (node->tag == TAG_WRITE)
		check_write(checker, node);
	else if (node->tag == TAG_UPLOAD)
		check_upload(checker, node);
	else
		check_target(checker, node);
}
