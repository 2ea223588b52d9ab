/* What can be known of a task before any device comes: keys, types, literal values, constant
 * expressions. */
#include <stdio.h>
#include <string.h>

#include "tasks/task_tree.h"
#include "tasks/task_vars.h"
#include "tasks/write.h"

struct checker {
	struct task *task;
	struct diag_list *diags;
	struct task_vars vars;
	const struct expr_var *constants; /* values of the constant ones */
	bool in_correction;
};

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

static void __attribute__((format(printf, 4, 5)))
check_error(struct checker *checker, const struct task_node *node, int index, const char *format,
	    ...)
{
	va_list args;

	va_start(args, format);
	check_say(checker, DIAG_ERROR, node, index, format, args);
	va_end(args);
}

static void __attribute__((format(printf, 4, 5)))
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

static void
parse_attribute(struct checker *checker, struct task_node *node, int index)
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
}

static void
define_by_attribute(struct checker *checker, const struct task_attribute *attribute)
{
	if (attribute->literal)
		task_vars_define(&checker->vars, attribute->value.text.at,
				 attribute->value.text.len);
	else
		checker->vars.any_name = true;
}

/* What a <store> makes, or -1: it cannot be told, which the second walk refuses. */
static int
known_store_type(const struct task_node *node)
{
	const struct task_attribute *type = &node->attributes[STORE_TYPE];

	if (!type->len)
		return STORE_VAR;
	if (!type->constant || type->value.kind != VALUE_STRING)
		return -1;
	return store_type_by_name(type->value.text.at, type->value.text.len);
}

static enum store_type
store_type(const struct task_node *node)
{
	int known = known_store_type(node);

	return known < 0 ? STORE_VAR : (enum store_type)known;
}

/* Constant expressions are evaluated among surroundings that tell when they are asked. */
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

/* What is the same for every device is evaluated now. What fails is left to the run: it may
 * never be reached. */
static void
fold(struct checker *checker, struct task_attribute *attribute)
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

/* First walk: every template, and the names of every variable. */
static void
parse_nodes(struct checker *checker, struct task_node *node)
{
	for (; node; node = node->next) {
		for (int i = 0; i < TASK_ATTRIBUTES; i++)
			if (node->attributes[i].given)
				parse_attribute(checker, node, i);
		/* What it makes decides which variables there are. */
		if (node->tag == TAG_STORE)
			fold(checker, &node->attributes[STORE_TYPE]);
		if (node->tag == TAG_STORE && store_type(node) == STORE_VAR)
			define_by_attribute(checker, &node->attributes[STORE_TARGET]);
		if ((node->tag == TAG_DISCOVER || node->tag == TAG_READ) &&
		    node->attributes[TARGET_OUTPUT].given)
			define_by_attribute(checker, &node->attributes[TARGET_OUTPUT]);
		if (node->tag == TAG_FOREACH && node->attributes[FOREACH_ITERATOR].given)
			define_by_attribute(checker, &node->attributes[FOREACH_ITERATOR]);
		else if (node->tag == TAG_FOREACH)
			task_vars_define(&checker->vars, "i", 1);
		if (node->otherwise)
			parse_nodes(checker, node->otherwise);
		parse_nodes(checker, node->children);
	}
}

/* Text that stands for itself in the source or is a constant string; NULL when it is computed
 * per device. */
static const char *
constant_text(const struct task_attribute *attribute, size_t *len)
{
	if (!attribute->constant || attribute->value.kind != VALUE_STRING)
		return NULL;
	*len = attribute->value.text.len;
	return attribute->value.text.at;
}

/* False (told) when no value that the template can yield is of a wanted kind. */
static bool
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

static void
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

/* A word out of a known set. */
static void
check_word(struct checker *checker, const struct task_node *node, int index,
	   int (*by_name)(const char *, size_t), const char *words)
{
	const struct task_attribute *attribute = &node->attributes[index];
	const char *text;
	size_t len;

	if (!attribute->template ||
	    !check_kinds(checker, node, index, 1u << VALUE_STRING, "a word is needed"))
		return;
	text = constant_text(attribute, &len);
	if (text && by_name(text, len) < 0)
		check_error(checker, node, index, "\"%.*s\" is none of %s",
			    (int)(len > 40 ? 40 : len), text, words);
}

#define FORMAT_WORDS "tlv, senml-json, senml-cbor, lwm2m-cbor, text, opaque, cbor"

/* A format that can carry more than one value. */
static int
composite_format(const char *name, size_t len)
{
	int format = format_by_name(name, len);

	return format == FORMAT_TEXT || format == FORMAT_OPAQUE || format == FORMAT_CBOR ? -1
											 : format;
}

static bool
parse_key(struct checker *checker, const struct task_node *node, struct key *key)
{
	const struct task_attribute *attribute = &node->attributes[TARGET_KEY];
	struct place place = { checker->task->name, attribute->line, attribute->column,
			       tag_name(node), "key" };
	size_t len = 0;
	const char *text = constant_text(attribute, &len);

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
	const char *text = constant_text(type, &len);

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
	text = constant_text(format, &len);
	if (text)
		write->format = format_by_name(text, len);
	write->fixed &= !format->template || text;
}

/* The type of the resource decides how the bytes go out: as they are, or as text. */
static void
check_upload(struct checker *checker, struct task_node *node)
{
	const struct task_write *write = &node->write;

	checker->task->files = true;
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
	const char *name = constant_text(output, &len);
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
			    "<%s> takes an object or an instance, no resource", tag_name(node));
	else if (node->tag == TAG_DISCOVER && path->instance >= 0)
		check_error(checker, node, TARGET_KEY,
			    "<discover> takes an object, or an empty key for all of them");
	else if (node->tag == TAG_READ && path->object != 1 && path->object != 2)
		check_warning(checker, node, TARGET_KEY,
			      "clients let a bootstrap server read objects 1 and 2 alone (OMA TS "
			      "Core 6.1.7.4)");
}

static void
check_store_type(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *type = &node->attributes[STORE_TYPE];

	node->store = store_type(node);
	checker->task->effects |= node->store != STORE_VAR;
	if (type->template && !type->constant)
		check_error(checker, node, STORE_TYPE,
			    "what is stored must be known when the task is loaded: var, devProp or "
			    "history, or an expression that is the same for every device");
	else if (type->template && known_store_type(node) < 0)
		check_error(checker, node, STORE_TYPE, "\"%.40s\" is none of var, devProp, history",
			    type->text);
	check_boolean(checker, node, STORE_SECRET);
	if (node->attributes[STORE_SECRET].given && node->store != STORE_PROPERTY)
		check_error(checker, node, STORE_SECRET,
			    "secret masks a setting value: it goes with type devProp alone");
}

static void
check_store(struct checker *checker, struct task_node *node, bool unconditional)
{
	const struct task_attribute *value = &node->attributes[STORE_VALUE];
	const char *error;
	struct known_var *var;
	struct expr_var *constant;

	check_store_type(checker, node);
	if (value->given && !value->len)
		check_error(
			checker, node, STORE_VALUE,
			"an empty attribute is null, and what is stored is text: write ${''} for "
			"an empty text");
	if (node->store != STORE_VAR || !node->attributes[STORE_TARGET].literal ||
	    !value->constant || !unconditional)
		return;
	var = task_vars_find(&checker->vars, node->attributes[STORE_TARGET].value.text.at,
			     node->attributes[STORE_TARGET].value.text.len);
	constant = arena_alloc(&checker->task->arena, sizeof *constant);
	if (!var || var->definitions > 1 || !constant)
		return;
	*constant = (struct expr_var){ .name = var->name,
				       .name_len = var->len,
				       .next = checker->constants };
	if (value_text(&value->value, &checker->task->arena, &constant->value, &error)) {
		check_error(checker, node, STORE_VALUE, "%s", error);
		return;
	}
	checker->constants = constant;
	var->constant = true;
}

#define ON_ERROR_WORDS "abort, continue, finish"

/* What it sends comes behind the Finish of the run, so it is known when the task is loaded. */
static void
check_correction(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *when = &node->attributes[BOOTSTRAP_WHEN];
	const struct task_attribute *finish = &node->attributes[BOOTSTRAP_FINISH];
	size_t len = 0;
	const char *text = constant_text(when, &len);
	bool on = true;

	check_word(checker, node, BOOTSTRAP_WHEN, when_by_name, "always, finishRefused");
	if (when->template && !text)
		check_error(checker, node, BOOTSTRAP_WHEN,
			    "write always or finishRefused, no expression");
	node->correction = text && when_by_name(text, len) == 1;
	if (node->correction && finish->template &&
	    (!finish->constant || (!value_boolean(&finish->value, &on) && !on)))
		check_error(checker, node, BOOTSTRAP_FINISH,
			    "a correction ends with a Finish of its own: remove the attribute");
}

static void
check_bootstrap(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *session = &node->attributes[BOOTSTRAP_SESSION];
	bool on = true;

	check_boolean(checker, node, BOOTSTRAP_FINISH);
	check_boolean(checker, node, BOOTSTRAP_SESSION);
	if (session->constant && !value_boolean(&session->value, &on) && !on)
		check_warning(checker, node, BOOTSTRAP_SESSION,
			      "finishSession has no effect: a session ends with the last Finish "
			      "that a task asks for");
	check_word(checker, node, BOOTSTRAP_GRANULARITY, granularity_by_name,
		   "instance, resource, object");
	check_word(checker, node, BOOTSTRAP_FORMAT, composite_format,
		   "tlv, senml-json, senml-cbor, lwm2m-cbor");
	check_word(checker, node, BOOTSTRAP_ON_ERROR, on_error_by_name, ON_ERROR_WORDS);
	check_correction(checker, node);
}

static void
check_instance_id(struct checker *checker, const struct task_node *node, int index)
{
	static const struct resource_def id = { .name = "an instance id",
						.has_range = true,
						.max = 65534 };
	const struct task_attribute *attribute = &node->attributes[index];
	struct convert convert = { LWM2M_INTEGER, &id, &checker->task->arena, true, "" };
	struct lwm2m_value ignored;

	/* Digits will do, whatever they come from: variables are text. */
	if (attribute->constant && value_convert(&convert, &attribute->value, &ignored))
		check_error(checker, node, index, "%s", convert.error);
}

static void
check_configuration(struct checker *checker, struct task_node *node)
{
	if (node->attributes[SERVER_ID].given == node->attributes[SERVER_NAME].given)
		check_error(checker, node, -1,
			    "give the server by serverId or by serverName, one of both");
	checker->task->servers = true;
	check_word(checker, node, SERVER_ON_ERROR, on_error_by_name, ON_ERROR_WORDS);
	check_instance_id(checker, node, SERVER_SECURITY);
	check_instance_id(checker, node, SERVER_SERVER);
}

static void
check_defaults(struct checker *checker, const struct task_node *node)
{
	const struct task_attribute *value = &node->attributes[DEFAULTS_VALUE];

	if (value->given && !value->len)
		check_error(checker, node, DEFAULTS_VALUE,
			    "an empty attribute is null, which is no default: write ${''} for an "
			    "empty text");
}

/* What a lwm2mBootstrap holds. */
static void
check_operation(struct checker *checker, struct task_node *node)
{
	if (node->tag == TAG_WRITE)
		check_write(checker, node);
	else if (node->tag == TAG_UPLOAD)
		check_upload(checker, node);
	else
		check_target(checker, node);
}

/* What decides what is done, and tells of it. */
static void
check_flow(struct checker *checker, struct task_node *node)
{
	switch (node->tag) {
	case TAG_IF:
	case TAG_WHILE:
		check_boolean(checker, node, IF_EXPR);
		break;
	case TAG_FOREACH:
		if (node->attributes[FOREACH_LIST].template)
			check_kinds(checker, node, FOREACH_LIST, 1u << VALUE_LIST,
				    "foreach needs a list: use .split");
		break;
	case TAG_LOG:
		checker->task->logs = true;
		check_word(checker, node, LOG_LEVEL, log_level_by_name,
			   "TRACE, DEBUG, INFO, WARNING, ERROR");
		break;
	case TAG_FINISH:
		check_word(checker, node, FINISH_STATUS, finish_status_by_name,
			   "NOT_STARTED, IN_PROGRESS, SUCCESS, WARNING, ERROR");
		break;
	case TAG_CONFIG:
		check_word(checker, node, CONFIG_FORMAT, composite_format,
			   "tlv, senml-json, senml-cbor, lwm2m-cbor");
		break;
	default:
		break;
	}
}

static void
check_node(struct checker *checker, struct task_node *node, bool unconditional)
{
	switch (node->tag) {
	case TAG_STORE:
		check_store(checker, node, unconditional);
		break;
	case TAG_BOOTSTRAP:
		check_bootstrap(checker, node);
		break;
	case TAG_WRITE:
	case TAG_UPLOAD:
	case TAG_DELETE:
	case TAG_DISCOVER:
	case TAG_READ:
		check_operation(checker, node);
		break;
	case TAG_CLEANSE:
		check_word(checker, node, CLEANSE_ON_ERROR, on_error_by_name, ON_ERROR_WORDS);
		break;
	case TAG_CONFIGURATION:
		check_configuration(checker, node);
		break;
	case TAG_JOIN:
	case TAG_LEAVE:
	case TAG_REMOVE_PROPERTY:
		checker->task->effects = true;
		check_kinds(checker, node, 0, 1u << VALUE_STRING, "names are text");
		break;
	case TAG_DEFAULTS:
		check_defaults(checker, node);
		break;
	default:
		check_flow(checker, node);
	}
}

/* Second walk, in document order: constants first, then what each tag needs. */
static void
check_nodes(struct checker *checker, struct task_node *node, bool unconditional)
{
	for (; node; node = node->next) {
		bool correction = checker->in_correction;
		bool flow =
			node->tag == TAG_IF || node->tag == TAG_FOREACH || node->tag == TAG_WHILE;

		for (int i = 0; i < TASK_ATTRIBUTES; i++)
			fold(checker, &node->attributes[i]);
		check_node(checker, node, unconditional);
		checker->in_correction =
			correction || (node->tag == TAG_BOOTSTRAP && node->correction);
		check_nodes(checker, node->children, unconditional && !flow);
		checker->in_correction = correction;
		if (node->otherwise)
			check_nodes(checker, node->otherwise, false);
	}
}

void
task_check(struct task *task, struct diag_list *diags)
{
	struct checker checker = { .task = task, .diags = diags };

	checker.vars.arena = &task->arena;

	/* Bound from outside when the task is a server's definition. */
	task_vars_define(&checker.vars, VAR_SECURITY_INSTANCE, strlen(VAR_SECURITY_INSTANCE));
	task_vars_define(&checker.vars, VAR_SERVER_INSTANCE, strlen(VAR_SERVER_INSTANCE));
	parse_nodes(&checker, task->root);
	check_nodes(&checker, task->root, true);
	task->session |= task->answers || task->effects;
}
