/*
 * expr_eval.c - the value of a node. It recurses as deep as the tree, EXPR_DEPTH_MAX at most.
 */
#include "tasks/expr_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tasks/number.h"

/* ---- failures ---- */

/* The source of a node, one line, cut where it gets long. */
static const char *
node_source(const struct run *run, const struct node *node, char out[72])
{
	size_t len = node->end - node->start, n = len < 64 ? len : 60;
	const char *source = run->source + node->start;

	while (n < len && n && (source[n] & 0xc0) == 0x80)
		n--; /* not through a character */
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)source[i] < ' ' || source[i] == 0x7f ? ' ' : source[i];
	memcpy(out + n, n < len ? "..." : "", n < len ? 4 : 1);
	return out;
}

bool
expr_fail(struct run *run, enum expr_failure failure, const struct node *node, const char *format,
	  ...)
{
	char *error = run->eval->error;
	size_t size = sizeof run->eval->error, used;
	char source[72];
	va_list args;

	run->failure = failure;
	run->failed = node;
	if (run->recovering && failure <= EXPR_RECOVERABLE)
		return false;
	used = (size_t)snprintf(error, size, "%s ", node_source(run, node, source));
	va_start(args, format);
	vsnprintf(error + used, size - used, format, args);
	va_end(args);
	return false;
}

bool
expr_fail_null(struct run *run, const struct node *node)
{
	switch (node->kind) {
	case NODE_SETTING:
	case NODE_SETTING_BY:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "is not set");
	case NODE_ATTRIBUTE:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "is not known of this device");
	case NODE_RESOURCE:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "finds no such row and column");
	default:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "is null, and a value is needed");
	}
}

bool
expr_work(struct run *run, size_t bytes)
{
	if (bytes <= run->work) {
		run->work -= bytes;
		return true;
	}
	run->work = 0;
	run->failure = EXPR_LIMIT;
	snprintf(run->eval->error, sizeof run->eval->error,
		 "this expression handles more than %d bytes of text", EXPR_WORK_MAX);
	return false;
}

void *
expr_alloc(struct run *run, size_t size)
{
	void *at = expr_work(run, size) ? arena_alloc(run->eval->arena, size) : NULL;

	if (!at && run->failure != EXPR_LIMIT) {
		run->failure = EXPR_LIMIT;
		snprintf(run->eval->error, sizeof run->eval->error,
			 "out of memory for this device's values");
	}
	return at;
}

char *
expr_text_new(struct run *run, size_t len)
{
	if (len <= EXPR_TEXT_MAX)
		return expr_alloc(run, len);
	run->failure = EXPR_LIMIT;
	snprintf(run->eval->error, sizeof run->eval->error,
		 "this expression makes a text beyond %d bytes", EXPR_TEXT_MAX);
	return NULL;
}

/* False unless the value is of a wanted kind. */
static bool
want(struct run *run, const struct node *node, const struct value *value, unsigned wanted)
{
	char needs[96];

	if (expr_is(value, wanted))
		return true;
	if (value->kind == VALUE_NULL)
		return expr_fail_null(run, node);
	return expr_fail(run, EXPR_TYPE, node, "is of kind %s, and %s is needed",
			 value_kind_name(value->kind), kinds_describe(wanted, needs));
}

static bool
evaluate_as(struct run *run, const struct node *node, unsigned wanted, struct value *out)
{
	return expr_evaluate(run, node, out) && want(run, node, out, wanted);
}

/* ---- text ---- */

static bool
text_of_list(struct run *run, const struct node *node, const struct value *list, struct text *out)
{
	size_t count = list->list.count;
	struct text *parts = expr_alloc(run, (2 * count + 1) * sizeof *parts);
	struct value joined;

	if (!parts)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct value *item = &list->list.items[i];

		if (!want(run, node, item, KINDS_SCALAR) ||
		    !expr_text_of(run, node, item, &parts[2 * i]))
			return false;
		parts[2 * i + 1] = (struct text){ ",", 1 };
	}
	if (!expr_join(run, parts, count ? 2 * count - 1 : 0, &joined))
		return false;
	*out = (struct text){ joined.text.at, joined.text.len };
	return true;
}

static bool
text_of_number(struct run *run, const struct value *value, struct text *out)
{
	char digits[NUMBER_TEXT_MAX + 2];
	size_t len;
	char *at;

	if (value->kind == VALUE_INTEGER) {
		len = number_format_integer(value->integer, digits);
	} else {
		len = number_format_real(value->real, digits);
		/* A double shows that it is one, "5.0": what reads it back sees the same kind. */
		if (strspn(digits, "-0123456789") == len) {
			memcpy(digits + len, ".0", 3);
			len += 2;
		}
	}
	at = expr_text_new(run, len);
	if (!at)
		return false;
	memcpy(at, digits, len);
	*out = (struct text){ at, len };
	return true;
}

bool
expr_text_of(struct run *run, const struct node *node, const struct value *value, struct text *out)
{
	switch (value->kind) {
	case VALUE_STRING:
		*out = (struct text){ value->text.at, value->text.len };
		return true;
	case VALUE_BOOLEAN:
		*out = value->boolean ? (struct text){ "true", 4 } : (struct text){ "false", 5 };
		return true;
	case VALUE_INTEGER:
	case VALUE_DOUBLE:
		return text_of_number(run, value, out);
	case VALUE_LIST:
		return text_of_list(run, node, value, out);
	case VALUE_NULL:
		return expr_fail_null(run, node);
	case VALUE_BYTES:
		break;
	}
	return expr_fail(run, EXPR_TYPE, node, "is bytes, which are no text; use .hex or .base64");
}

bool
expr_join(struct run *run, const struct text *parts, size_t count, struct value *out)
{
	size_t len = 0, used = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	at = expr_text_new(run, len);
	if (!at)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len)
			memcpy(at + used, parts[i].at, parts[i].len);
		used += parts[i].len;
	}
	return expr_give_text(out, at, len);
}

/* ---- surroundings ---- */

/* Null as text of no bytes is what an environment may give; string functions want an address. */
static bool
give_outside(struct value *out, struct value value)
{
	if (expr_is(&value, KIND(STRING) | KIND(BYTES)) && !value.text.at)
		value.text.at = "";
	*out = value;
	return true;
}

static bool
evaluate_variable(struct run *run, const struct node *node, struct value *out)
{
	for (const struct expr_var *var = run->eval->vars; var; var = var->next) {
		if (var->name_len == node->name.len &&
		    memcmp(var->name, node->name.at, node->name.len) == 0)
			return give_outside(out, var->value);
	}
	return expr_fail(run, EXPR_MISSING, node, "is not defined: no store before it names it");
}

static bool
read_setting(struct run *run, struct text name, struct value *out)
{
	const struct expr_env *env = run->eval->env;

	*out = (struct value){ .kind = VALUE_NULL };
	return !env->setting || give_outside(out, env->setting(env->ctx, name.at, name.len));
}

static bool
evaluate_setting_by(struct run *run, const struct node *node, struct value *out)
{
	struct value name;

	return evaluate_as(run, node->args[0], KIND(STRING), &name) &&
	       read_setting(run, (struct text){ name.text.at, name.text.len }, out);
}

static bool
evaluate_attribute(struct run *run, const struct node *node, struct value *out)
{
	const struct expr_env *env = run->eval->env;

	*out = (struct value){ .kind = VALUE_NULL };
	return !env->attribute || give_outside(out, env->attribute(env->ctx, node->root,
								   node->name.at, node->name.len));
}

static bool
evaluate_in_group(struct run *run, const struct node *node, struct value *out)
{
	const struct expr_env *env = run->eval->env;
	struct value group;

	if (!evaluate_as(run, node->args[0], KIND(STRING), &group))
		return false;
	*out = (struct value){ .kind = VALUE_NULL };
	if (env->in_group)
		expr_give_boolean(out, env->in_group(env->ctx, group.text.at, group.text.len));
	return true;
}

static bool
evaluate_resource(struct run *run, const struct node *node, struct value *out)
{
	const struct expr_env *env = run->eval->env;
	struct value column, key;
	struct text text;

	if (!evaluate_as(run, node->args[0], KIND(STRING), &column) ||
	    !evaluate_as(run, node->args[1], KIND(STRING) | KIND(INTEGER), &key) ||
	    !expr_text_of(run, node->args[1], &key, &text))
		return false;
	*out = (struct value){ .kind = VALUE_NULL };
	if (!env->resource)
		return true;
	return give_outside(
		out, env->resource(env->ctx, node->resource.alias.at, node->resource.alias.len,
				   column.text.at, column.text.len, text.at, text.len,
				   node->resource.wanted.at, node->resource.wanted.len));
}

/* Letters and digits. 248 is the largest multiple of 62 in a byte: what is above would favour the first ones. */
static bool
fill_random(const struct expr_env *env, char *at, size_t len)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t bytes[64];
	size_t used = 0;
	bool fine = true;

	while (used < len && fine) {
		fine = env->random(env->ctx, bytes, sizeof bytes) == 0;
		for (size_t i = 0; fine && i < sizeof bytes && used < len; i++) {
			if (bytes[i] < 248)
				at[used++] = digits[bytes[i] % 62];
		}
	}
	explicit_bzero(bytes, sizeof bytes);
	return fine;
}

static bool
evaluate_random(struct run *run, const struct node *node, struct value *out)
{
	enum { RANDOM_MAX = 1024 };
	const struct expr_env *env = run->eval->env;
	struct value length;
	char *at;

	if (!evaluate_as(run, node->args[0], KIND(INTEGER), &length))
		return false;
	if (length.integer < 1 || length.integer > RANDOM_MAX)
		return expr_fail(run, EXPR_ARGUMENT, node, "makes 1 to %d characters", RANDOM_MAX);
	at = expr_text_new(run, (size_t)length.integer);
	if (!at)
		return false;
	if (!env->random || !fill_random(env, at, (size_t)length.integer))
		return expr_fail(run, EXPR_LIMIT, node, "finds no random numbers here");
	return expr_give_text(out, at, (size_t)length.integer);
}

/* ---- operators ---- */

static bool
arithmetic_integer(struct run *run, const struct node *node, int64_t a, int64_t b,
		   struct value *out)
{
	int64_t result = 0;
	bool overflow = false;

	switch ((enum expr_op)node->op) {
	case OP_ADD:
		overflow = __builtin_add_overflow(a, b, &result);
		break;
	case OP_SUBTRACT:
		overflow = __builtin_sub_overflow(a, b, &result);
		break;
	case OP_MULTIPLY:
		overflow = __builtin_mul_overflow(a, b, &result);
		break;
	default:
		if (!b)
			return expr_fail(run, EXPR_ARITHMETIC, node, "divides by zero");
		overflow = a == INT64_MIN && b == -1;
		if (!overflow)
			result = node->op == OP_DIVIDE ? a / b : a % b;
	}
	if (overflow)
		return expr_fail(run, EXPR_ARITHMETIC, node, "is beyond 64 bits");
	return expr_give_integer(out, result);
}

static double
as_double(const struct value *value)
{
	return value->kind == VALUE_DOUBLE ? value->real : (double)value->integer;
}

static bool
arithmetic(struct run *run, const struct node *node, const struct value args[2], struct value *out)
{
	double a, b;

	if (args[0].kind == VALUE_INTEGER && args[1].kind == VALUE_INTEGER)
		return arithmetic_integer(run, node, args[0].integer, args[1].integer, out);
	a = as_double(&args[0]);
	b = as_double(&args[1]);
	switch ((enum expr_op)node->op) {
	case OP_ADD:
		return expr_give_double(out, a + b);
	case OP_SUBTRACT:
		return expr_give_double(out, a - b);
	case OP_MULTIPLY:
		return expr_give_double(out, a * b);
	case OP_DIVIDE:
		return expr_give_double(out, a / b);
	default:
		return expr_give_double(out, fmod(a, b));
	}
}

static bool
evaluate_add(struct run *run, const struct node *node, const struct value args[2],
	     struct value *out)
{
	struct text parts[2];

	if (expr_is(&args[0], KINDS_NUMBER) && expr_is(&args[1], KINDS_NUMBER))
		return arithmetic(run, node, args, out);
	for (unsigned i = 0; i < 2; i++) {
		if (!want(run, node->args[i], &args[i], KINDS_PRINTED))
			return false;
	}
	if (args[0].kind != VALUE_STRING && args[1].kind != VALUE_STRING)
		return expr_fail(run, EXPR_TYPE, node, "adds neither numbers nor text");
	return expr_text_of(run, node->args[0], &args[0], &parts[0]) &&
	       expr_text_of(run, node->args[1], &args[1], &parts[1]) &&
	       expr_join(run, parts, 2, out);
}

static int
compare_text(const struct value *a, const struct value *b)
{
	size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
	int order = len ? memcmp(a->text.at, b->text.at, len) : 0;

	return order ? order : (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

static bool
values_equal(const struct value *a, const struct value *b)
{
	if (expr_is(a, KINDS_NUMBER) && expr_is(b, KINDS_NUMBER)) {
		if (a->kind == VALUE_INTEGER && b->kind == VALUE_INTEGER)
			return a->integer == b->integer;
		return as_double(a) == as_double(b);
	}
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VALUE_STRING:
	case VALUE_BYTES:
		return compare_text(a, b) == 0;
	case VALUE_BOOLEAN:
		return a->boolean == b->boolean;
	case VALUE_LIST:
		if (a->list.count != b->list.count)
			return false;
		for (size_t i = 0; i < a->list.count; i++) {
			if (!values_equal(&a->list.items[i], &b->list.items[i]))
				return false;
		}
		return true;
	default:
		return true; /* null is null */
	}
}

static bool
order_holds(enum expr_op op, int order)
{
	switch (op) {
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool
double_order_holds(enum expr_op op, double a, double b)
{
	if (isnan(a) || isnan(b))
		return false;
	return order_holds(op, (a > b) - (a < b));
}

static bool
evaluate_order(struct run *run, const struct node *node, const struct value args[2],
	       struct value *out)
{
	enum expr_op op = (enum expr_op)node->op;
	const struct value *a = &args[0], *b = &args[1];

	if (!want(run, node->args[0], a, KINDS_NUMBER | KIND(STRING)) ||
	    !want(run, node->args[1], b, a->kind == VALUE_STRING ? KIND(STRING) : KINDS_NUMBER))
		return false;
	if (a->kind == VALUE_STRING)
		return expr_give_boolean(out, order_holds(op, compare_text(a, b)));
	if (a->kind == VALUE_INTEGER && b->kind == VALUE_INTEGER)
		return expr_give_boolean(out, order_holds(op, (a->integer > b->integer) -
								      (a->integer < b->integer)));
	return expr_give_boolean(out, double_order_holds(op, as_double(a), as_double(b)));
}

/* && and || evaluate their right side only when it decides. */
static bool
evaluate_logic(struct run *run, const struct node *node, struct value *out)
{
	if (!evaluate_as(run, node->args[0], KIND(BOOLEAN), out))
		return false;
	if (out->boolean == (node->op == OP_OR))
		return true;
	return evaluate_as(run, node->args[1], KIND(BOOLEAN), out);
}

static bool
evaluate_binary(struct run *run, const struct node *node, struct value *out)
{
	enum expr_op op = (enum expr_op)node->op;
	struct value args[2];

	if (op == OP_AND || op == OP_OR)
		return evaluate_logic(run, node, out);
	if (!expr_evaluate(run, node->args[0], &args[0]) ||
	    !expr_evaluate(run, node->args[1], &args[1]))
		return false;
	if (op == OP_EQ || op == OP_NE)
		return expr_give_boolean(out, values_equal(&args[0], &args[1]) == (op == OP_EQ));
	if (op >= OP_LT && op <= OP_GE)
		return evaluate_order(run, node, args, out);
	if (op == OP_ADD)
		return evaluate_add(run, node, args, out);
	return want(run, node->args[0], &args[0], KINDS_NUMBER) &&
	       want(run, node->args[1], &args[1], KINDS_NUMBER) && arithmetic(run, node, args, out);
}

static bool
evaluate_negate(struct run *run, const struct node *node, struct value *out)
{
	struct value operand;

	if (!evaluate_as(run, node->args[0], KINDS_NUMBER, &operand))
		return false;
	if (operand.kind == VALUE_DOUBLE)
		return expr_give_double(out, -operand.real);
	if (operand.integer == INT64_MIN)
		return expr_fail(run, EXPR_ARITHMETIC, node, "is beyond 64 bits");
	return expr_give_integer(out, -operand.integer);
}

static bool
evaluate_not(struct run *run, const struct node *node, struct value *out)
{
	return evaluate_as(run, node->args[0], KIND(BOOLEAN), out) &&
	       expr_give_boolean(out, !out->boolean);
}

static bool
evaluate_if(struct run *run, const struct node *node, struct value *out)
{
	struct value condition;

	if (!evaluate_as(run, node->args[0], KIND(BOOLEAN), &condition))
		return false;
	return expr_evaluate(run, node->args[condition.boolean ? 1 : 2], out);
}

static bool
evaluate_fallback(struct run *run, const struct node *node, struct value *out)
{
	bool fine;

	run->recovering++;
	fine = expr_evaluate(run, node->args[0], out);
	run->recovering--;
	if (fine && out->kind != VALUE_NULL)
		return true;
	if (!fine && run->failure > EXPR_RECOVERABLE)
		return false;
	run->failure = EXPR_FINE;
	return expr_evaluate(run, node->args[1], out);
}

/* ---- methods and indexes ---- */

static bool
index_string(struct run *run, const struct node *node, const struct value args[2],
	     struct value *out)
{
	run->node = node;
	return expr_work(run, args[0].text.len) && string_char_at(run, args, 2, out);
}

static bool
evaluate_index(struct run *run, const struct node *node, struct value *out)
{
	struct value args[2];

	if (!evaluate_as(run, node->args[0], KIND(LIST) | KIND(STRING), &args[0]) ||
	    !evaluate_as(run, node->args[1], KIND(INTEGER), &args[1]))
		return false;
	if (args[0].kind == VALUE_STRING)
		return index_string(run, node, args, out);
	if (args[1].integer < 0 || (uint64_t)args[1].integer >= args[0].list.count)
		return expr_fail(run, EXPR_INDEX, node,
				 "is outside the list, which has %zu elements", args[0].list.count);
	*out = args[0].list.items[args[1].integer];
	return true;
}

static bool
evaluate_method(struct run *run, const struct node *node, struct value *out)
{
	struct value args[EXPR_ARGS_MAX];
	const struct method *method;

	if (!expr_evaluate(run, node->args[0], &args[0]))
		return false;
	method = method_for(node->method, args[0].kind);
	if (!method)
		return want(run, node->args[0], &args[0], node->method->receiver);
	for (unsigned i = 1; i < node->n_args; i++) {
		if (!evaluate_as(run, node->args[i], method->args[i - 1], &args[i]))
			return false;
	}
	/* A method reads its arguments once; lists and numbers are short. */
	for (unsigned i = 0; i < node->n_args; i++) {
		if (expr_is(&args[i], KIND(STRING) | KIND(BYTES)) &&
		    !expr_work(run, args[i].text.len))
			return false;
	}
	run->node = node;
	return method->call(run, args, node->n_args, out);
}

bool
expr_evaluate(struct run *run, const struct node *node, struct value *out)
{
	switch ((enum node_kind)node->kind) {
	case NODE_LITERAL:
		*out = node->literal;
		return true;
	case NODE_VARIABLE:
		return evaluate_variable(run, node, out);
	case NODE_SETTING:
		return read_setting(run, node->name, out);
	case NODE_SETTING_BY:
		return evaluate_setting_by(run, node, out);
	case NODE_ATTRIBUTE:
		return evaluate_attribute(run, node, out);
	case NODE_IN_GROUP:
		return evaluate_in_group(run, node, out);
	case NODE_RESOURCE:
		return evaluate_resource(run, node, out);
	case NODE_RANDOM:
		return evaluate_random(run, node, out);
	case NODE_METHOD:
		return evaluate_method(run, node, out);
	case NODE_INDEX:
		return evaluate_index(run, node, out);
	case NODE_IF:
		return evaluate_if(run, node, out);
	case NODE_FALLBACK:
		return evaluate_fallback(run, node, out);
	case NODE_NOT:
		return evaluate_not(run, node, out);
	case NODE_NEGATE:
		return evaluate_negate(run, node, out);
	case NODE_BINARY:
		return evaluate_binary(run, node, out);
	case NODE_BROKEN:
		break;
	}
	return expr_fail(run, EXPR_LIMIT, node, "was refused when it was loaded");
}
