/*
 * expr_eval.c - the value of a node. It recurses as deep as the tree, EXPR_DEPTH_MAX at most.
 */
#include "tasks/expr/expr_internal.h"

#include <assert.h>
#include <string.h>

#include "tasks/show.h"

/* ---- surroundings ---- */

bool
expr_secret_add(const struct expr_secret **list, struct arena *arena, const char *at, size_t len)
{
	const struct expr_secret *known = *list;
	struct expr_secret *secret;

	while (known && (known->len != len || memcmp(known->at, at, len) != 0))
		known = known->next;
	if (known || !len)
		return true;
	secret = arena_alloc(arena, sizeof *secret);
	if (!secret)
		return false;
	*secret = (struct expr_secret){ at, len, *list };
	*list = secret;
	return true;
}

/* Remembers a value that nobody may see. */
static bool
keep_secret(struct run *run, const struct value *value)
{
	struct expr_eval *eval = run->eval;

	if (!eval->secrets || !expr_is(value, KIND(STRING) | KIND(BYTES)) ||
	    expr_secret_add(eval->secrets, eval->arena, value->text.at, value->text.len))
		return true;
	run->failure = EXPR_LIMIT;
	show_into(eval->error, sizeof eval->error, "out of memory for this device's values");
	return false;
}

/* Null as text of no bytes is what an environment may give; string functions want an address. */
static bool
give_outside(struct run *run, struct value *out, struct value value)
{
	bool secret = value.secret;

	run->eval->generated |= value.generated;
	if (expr_is(&value, KIND(STRING) | KIND(BYTES)) && !value.text.at)
		value.text.at = "";
	value.secret = value.generated = false;
	*out = value;
	return !secret || keep_secret(run, out);
}

static const struct expr_var *
find_var(const struct expr_var *var, struct text name)
{
	while (var && (var->name_len != name.len || memcmp(var->name, name.at, name.len) != 0))
		var = var->next;
	return var;
}

static bool
evaluate_variable(struct run *run, const struct node *node, struct value *out)
{
	const struct expr_var *var = find_var(run->eval->vars, node->name);

	if (var)
		return give_outside(run, out, var->value);
	return expr_fail(run, EXPR_MISSING, node,
			 "is not defined: nothing before it gives it a value");
}

static bool
read_setting(struct run *run, struct text name, struct value *out)
{
	const struct expr_var *var = find_var(run->eval->settings, name);
	const struct expr_env *env = run->eval->env;

	*out = (struct value){ .kind = VALUE_NULL };
	if (var && !give_outside(run, out, var->value))
		return false;
	if (!var && env->setting &&
	    !give_outside(run, out, env->setting(env->ctx, name.at, name.len)))
		return false;
	var = out->kind == VALUE_NULL ? find_var(run->eval->defaults, name) : NULL;
	return !var || give_outside(run, out, var->value);
}

static bool
evaluate_setting_by(struct run *run, const struct node *node, struct value *out)
{
	struct value name;

	return expr_evaluate_as(run, node->args[0], KIND(STRING), &name) &&
	       read_setting(run, (struct text){ name.text.at, name.text.len }, out);
}

static bool
evaluate_attribute(struct run *run, const struct node *node, struct value *out)
{
	const struct expr_env *env = run->eval->env;

	*out = (struct value){ .kind = VALUE_NULL };
	return !env->attribute ||
	       give_outside(run, out,
			    env->attribute(env->ctx, node->root, node->name.at, node->name.len));
}

static bool
evaluate_in_group(struct run *run, const struct node *node, struct value *out)
{
	const struct expr_env *env = run->eval->env;
	struct value group;

	if (!expr_evaluate_as(run, node->args[0], KIND(STRING), &group))
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

	if (!expr_evaluate_as(run, node->args[0], KIND(STRING), &column) ||
	    !expr_evaluate_as(run, node->args[1], KIND(STRING) | KIND(INTEGER), &key) ||
	    !expr_text_of(run, node->args[1], &key, &text))
		return false;
	*out = (struct value){ .kind = VALUE_NULL };
	if (!env->resource)
		return true;
	return give_outside(run, out,
			    env->resource(env->ctx, node->resource.alias.at,
					  node->resource.alias.len, column.text.at, column.text.len,
					  text.at, text.len, node->resource.wanted.at,
					  node->resource.wanted.len));
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

	if (!expr_evaluate_as(run, node->args[0], KIND(INTEGER), &length))
		return false;
	if (length.integer < 1 || length.integer > RANDOM_MAX)
		return expr_fail(run, EXPR_ARGUMENT, node, "makes 1 to %d characters", RANDOM_MAX);
	at = expr_text_new(run, (size_t)length.integer);
	if (!at)
		return false;
	if (!env->random || !fill_random(env, at, (size_t)length.integer))
		return expr_fail(run, EXPR_LIMIT, node, "finds no random numbers here");
	assert(length.integer <= RANDOM_MAX);
	run->eval->generated = true;
	expr_give_text(out, at, (size_t)length.integer);
	return node->kind == NODE_RANDOM || keep_secret(run, out);
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

	if (!expr_evaluate_as(run, node->args[0], KIND(LIST) | KIND(STRING), &args[0]) ||
	    !expr_evaluate_as(run, node->args[1], KIND(INTEGER), &args[1]))
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

	assert(node->n_args && node->n_args <= EXPR_ARGS_MAX);
	if (!expr_evaluate(run, node->args[0], &args[0]))
		return false;
	method = method_for(node->method, args[0].kind);
	if (!method)
		return expr_want(run, node->args[0], &args[0], node->method->receiver);
	for (unsigned i = 1; i < node->n_args; i++) {
		if (!expr_evaluate_as(run, node->args[i], method->args[i - 1], &args[i]))
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
	case NODE_SECRET_RANDOM:
		return evaluate_random(run, node, out);
	case NODE_METHOD:
		return evaluate_method(run, node, out);
	case NODE_INDEX:
		return evaluate_index(run, node, out);
	case NODE_IF:
		return expr_evaluate_if(run, node, out);
	case NODE_FALLBACK:
		return expr_evaluate_fallback(run, node, out);
	case NODE_NOT:
		return expr_evaluate_not(run, node, out);
	case NODE_NEGATE:
		return expr_evaluate_negate(run, node, out);
	case NODE_BINARY:
		return expr_evaluate_binary(run, node, out);
	case NODE_BROKEN:
		break;
	}
	return expr_fail(run, EXPR_LIMIT, node, "was refused when it was loaded");
}

bool
expr_evaluate_as(struct run *run, const struct node *node, unsigned wanted, struct value *out)
{
	return expr_evaluate(run, node, out) && expr_want(run, node, out, wanted);
}
