/*
 * expr_operators.c - operators, if and the fallback.
 */
#include "tasks/expr/expr_internal.h"

#include <math.h>
#include <string.h>

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
		if (!expr_want(run, node->args[i], &args[i], KINDS_PRINTED))
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

	if (!expr_want(run, node->args[0], a, KINDS_NUMBER | KIND(STRING)) ||
	    !expr_want(run, node->args[1], b,
		       a->kind == VALUE_STRING ? KIND(STRING) : KINDS_NUMBER))
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
	if (!expr_evaluate_as(run, node->args[0], KIND(BOOLEAN), out))
		return false;
	if (out->boolean == (node->op == OP_OR))
		return true;
	return expr_evaluate_as(run, node->args[1], KIND(BOOLEAN), out);
}

bool
expr_evaluate_binary(struct run *run, const struct node *node, struct value *out)
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
	return expr_want(run, node->args[0], &args[0], KINDS_NUMBER) &&
	       expr_want(run, node->args[1], &args[1], KINDS_NUMBER) &&
	       arithmetic(run, node, args, out);
}

bool
expr_evaluate_negate(struct run *run, const struct node *node, struct value *out)
{
	struct value operand;

	if (!expr_evaluate_as(run, node->args[0], KINDS_NUMBER, &operand))
		return false;
	if (operand.kind == VALUE_DOUBLE)
		return expr_give_double(out, -operand.real);
	if (operand.integer == INT64_MIN)
		return expr_fail(run, EXPR_ARITHMETIC, node, "is beyond 64 bits");
	return expr_give_integer(out, -operand.integer);
}

bool
expr_evaluate_not(struct run *run, const struct node *node, struct value *out)
{
	return expr_evaluate_as(run, node->args[0], KIND(BOOLEAN), out) &&
	       expr_give_boolean(out, !out->boolean);
}

bool
expr_evaluate_if(struct run *run, const struct node *node, struct value *out)
{
	struct value condition;

	if (!expr_evaluate_as(run, node->args[0], KIND(BOOLEAN), &condition))
		return false;
	return expr_evaluate(run, node->args[condition.boolean ? 1 : 2], out);
}

bool
expr_evaluate_fallback(struct run *run, const struct node *node, struct value *out)
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
