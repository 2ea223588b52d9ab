/* What can be known of a task before any device comes: keys, types, literal values, constant
 * expressions. */
#include <string.h>

#include "tasks/model/task_check_internal.h"
#include "tasks/model/write.h"

static void
define_by_attribute(struct checker *checker, const struct task_attribute *attribute)
{
	if (attribute->literal)
		task_vars_define(&checker->vars, attribute->value.text.at,
				 attribute->value.text.len);
	else
		checker->vars.any_name = true;
}

/* What a <store> makes, or -1: it is not known yet, which the second walk refuses. */
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

/* First walk: every template, and the names of every variable. */
static void
parse_nodes(struct checker *checker, struct task_node *node)
{
	for (; node; node = node->next) {
		for (int i = 0; i < TASK_ATTRIBUTES; i++)
			if (node->attributes[i].given)
				check_parse_attribute(checker, node, i);
		/* What it makes decides which variables there are. */
		if (node->tag == TAG_STORE)
			check_fold(checker, &node->attributes[STORE_TYPE]);
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

/* A format that can carry more than one value. */
static int
composite_format(const char *name, size_t len)
{
	int format = format_by_name(name, len);

	return format == FORMAT_TEXT || format == FORMAT_OPAQUE || format == FORMAT_CBOR ? -1
											 : format;
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
		check_error(checker, node, STORE_TYPE,
			    "\"%.40s\" is not a valid value: var, devProp or history", type->text);
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
	const char *text = check_constant_text(when, &len);
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
	check_word(checker, node, SERVER_ON_ERROR, on_error_by_name, ON_ERROR_WORDS);
	check_instance_id(checker, node, SERVER_SECURITY);
	check_instance_id(checker, node, SERVER_SERVER);
}

static void
check_defaults(struct checker *checker, const struct task_node *node)
{
	const struct task_attribute *value = &node->attributes[DEFAULTS_VALUE];

	if (value->given && !value->len)
		check_error(
			checker, node, DEFAULTS_VALUE,
			"an empty attribute is null, which is not a default: write ${''} for an "
			"empty text");
}

static bool
may_finish(const struct task_node *node)
{
	for (; node; node = node->next)
		if (node->tag == TAG_FINISH || may_finish(node->children) ||
		    (node->otherwise && may_finish(node->otherwise->children)))
			return true;
	return false;
}

/* A condition that is the same in every turn. */
static void
check_while(struct checker *checker, struct task_node *node)
{
	const struct task_attribute *condition = &node->attributes[IF_EXPR];
	bool holds = false;

	check_boolean(checker, node, IF_EXPR);
	if (!condition->constant || value_boolean(&condition->value, &holds))
		return;
	if (holds && !may_finish(node->children))
		check_warning(checker, node, IF_EXPR,
			      "this condition always holds and no <finish> stands inside: the loop "
			      "ends by its "
			      "limit, as an error");
	else if (!holds)
		check_warning(checker, node, IF_EXPR,
			      "this condition never holds: nothing inside is done");
}

/* Conditions, loops, logs and <finish>. */
static void
check_flow(struct checker *checker, struct task_node *node)
{
	switch (node->tag) {
	case TAG_IF:
		check_boolean(checker, node, IF_EXPR);
		break;
	case TAG_WHILE:
		check_while(checker, node);
		break;
	case TAG_FOREACH:
		if (node->attributes[FOREACH_LIST].template)
			check_kinds(checker, node, FOREACH_LIST, 1u << VALUE_LIST,
				    "foreach needs a list: use .split");
		break;
	case TAG_LOG:
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
		check_word(checker, node, CONFIG_BLOCK_BYTES, block_bytes_by_name,
			   "16, 32, 64, 128, 256, 512, 1024");
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
			check_fold(checker, &node->attributes[i]);
		check_node(checker, node, unconditional);
		checker->in_correction =
			correction || (node->tag == TAG_BOOTSTRAP && node->correction);
		check_nodes(checker, node->children, unconditional && !flow);
		checker->in_correction = correction;
		if (node->otherwise)
			check_nodes(checker, node->otherwise, false);
	}
}

/* The variable that no tag sets, or NULL; said once. */
static const struct known_var *
unset_var(struct checker *checker, const struct template *template)
{
	const void *cursor = NULL;
	const char *name;
	size_t len;

	while (template && template_next_var(template, &cursor, &name, &len)) {
		struct known_var *var = task_vars_find(&checker->vars, name, len);

		if (var && !var->definitions) {
			var->definitions++;
			return var;
		}
	}
	return NULL;
}

/* What reads a variable that is never set: null for every device. A computed name may set any. */
static void
check_unset(struct checker *checker, const struct task_node *node)
{
	const struct known_var *var;

	for (; node && !checker->vars.any_name; node = node->next) {
		for (int i = 0; i < TASK_ATTRIBUTES; i++)
			while ((var = unset_var(checker, node->attributes[i].template)))
				check_warning(checker, node, i, "#%.*s is never set in this task",
					      (int)(var->len < 60 ? var->len : 60), var->name);
		if (node->otherwise)
			check_unset(checker, node->otherwise);
		check_unset(checker, node->children);
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
	check_unset(&checker, task->root);
	task->session |= task->answers || task->effects;
}
