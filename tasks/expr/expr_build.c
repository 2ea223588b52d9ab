/*
 * expr_build.c - nodes of the tree, checked as they are made.
 *
 * What can be known of kinds without a device is checked here, so that most mistakes are found when a task is
 * loaded. A node whose arguments are literals is evaluated at once and becomes a literal itself.
 */
#include "tasks/expr/expr_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tasks/expr/pattern.h"

struct node *
build_node(struct parser *p, enum node_kind kind, uint32_t start, unsigned n_args)
{
	struct node *node = arena_alloc(p->arena, sizeof *node + n_args * sizeof *node->args);

	assert(n_args <= EXPR_ARGS_MAX && start <= p->taken_end);
	if (!node)
		return parser_out_of_memory(p);
	memset(node, 0, sizeof *node);
	node->kind = (uint8_t)kind;
	node->n_args = (uint8_t)n_args;
	node->start = start;
	node->end = p->taken_end;
	node->kinds = KINDS_ANY;
	return node;
}

const struct node *
build_broken(struct parser *p, uint32_t start)
{
	struct node *node = build_node(p, NODE_BROKEN, start, 0);

	p->failed = true;
	return node ? build_finish(p, node) : NULL;
}

const struct node *
build_literal(struct parser *p, uint32_t start, struct value value)
{
	struct node *node = build_node(p, NODE_LITERAL, start, 0);

	if (!node)
		return NULL;
	node->literal = value;
	node->kinds = (uint8_t)(1u << value.kind);
	return build_finish(p, node);
}

bool
build_name(struct parser *p, const struct expr_name **names, struct text name)
{
	struct expr_name *added = arena_alloc(p->arena, sizeof *added);

	if (!added)
		return parser_out_of_memory(p);
	*added = (struct expr_name){ .name = name, .next = *names };
	*names = added;
	return true;
}

const struct node *
build_variable(struct parser *p, uint32_t start, struct text name)
{
	struct node *node = build_node(p, NODE_VARIABLE, start, 0);

	if (!node || !build_name(p, &p->variables, name))
		return NULL;
	node->name = name;
	node->kinds = KIND(STRING);
	return build_finish(p, node);
}

const struct node *
build_parenthesized(struct parser *p, uint32_t start, const struct node *inner)
{
	/* Nobody else has seen it yet. */
	struct node *node = (struct node *)(uintptr_t)inner;

	node->start = start;
	node->end = p->taken_end;
	return node;
}

/* ---- folding ---- */

/* Borrowed text of a folded value goes from the scratch arena to the template's. */
static bool
keep_value(struct parser *p, struct value *value)
{
	struct value *items;

	if (expr_is(value, KIND(STRING) | KIND(BYTES))) {
		if (value->text.len > EXPR_FOLDED_MAX)
			return false;
		value->text.at = arena_copy(p->arena, value->text.at, value->text.len);
		return value->text.at;
	}
	if (value->kind != VALUE_LIST)
		return true;
	if (value->list.count > EXPR_FOLDED_MAX / sizeof *items)
		return false;
	items = arena_alloc(p->arena, (value->list.count + 1) * sizeof *items);
	if (!items)
		return false;
	for (size_t i = 0; i < value->list.count; i++) {
		items[i] = value->list.items[i];
		/* The list of a list does not exist: methods make lists of strings. */
		if (!keep_value(p, &items[i]))
			return false;
	}
	value->list.items = items;
	return true;
}

/*
 * Evaluates without surroundings. False when it fails, *run says why, or when there is no work left for it: then
 * the evaluation for a device decides.
 */
static bool
evaluate_constant(struct parser *p, const struct node *node, struct run *run,
		  struct expr_eval *eval, struct value *value)
{
	static const struct expr_env nothing;
	bool fine;

	*eval = (struct expr_eval){ .env = &nothing, .arena = &p->scratch };
	*run = (struct run){ .eval = eval, .source = p->text, .work = EXPR_WORK_MAX };
	if (p->work < EXPR_WORK_MAX) {
		run->failure = EXPR_LIMIT;
		return false;
	}
	assert(node->depends == EXPR_CONSTANT);
	fine = expr_evaluate(run, node, value);
	p->work -= EXPR_WORK_MAX - run->work;
	return fine;
}

static bool
is_foldable(const struct node *node)
{
	if (node->kind < NODE_METHOD)
		return false;
	for (unsigned i = 0; i < node->n_args; i++) {
		if (node->args[i]->kind != NODE_LITERAL)
			return false;
	}
	return true;
}

/* False after an error: a pattern that would take too long for every device. */
static bool
fold(struct parser *p, struct node *node)
{
	struct expr_eval eval;
	struct value value;
	struct run run;
	bool costly;

	if (evaluate_constant(p, node, &run, &eval, &value) && keep_value(p, &value)) {
		node->kind = NODE_LITERAL;
		node->literal = value;
		node->kinds = (uint8_t)(1u << value.kind);
		node->n_args = 0;
		node->depth = 1;
	}
	costly = run.failure == EXPR_COSTLY;
	if (costly)
		parser_error(p, node->start, "%s", eval.error);
	arena_reset(&p->scratch);
	return !costly;
}

void
build_check_constant(struct parser *p, const struct node *node)
{
	struct expr_eval eval;
	struct value value;
	struct run run;

	if (node->kind == NODE_LITERAL)
		return;
	if (!evaluate_constant(p, node, &run, &eval, &value) && run.failure != EXPR_LIMIT)
		parser_error(p, run.failed ? run.failed->start : node->start, "%s", eval.error);
	arena_reset(&p->scratch);
}

const struct node *
build_finish(struct parser *p, struct node *node)
{
	bool broken = false;

	node->depth = 1;
	for (unsigned i = 0; i < node->n_args; i++) {
		const struct node *arg = node->args[i];

		broken |= arg->kind == NODE_BROKEN;
		if (arg->depth >= node->depth)
			node->depth = (uint8_t)(arg->depth + 1);
		if (arg->depends > node->depends)
			node->depends = arg->depends;
	}
	if (node->depth > EXPR_DEPTH_MAX) {
		parser_error(p, node->start, "this expression is nested deeper than %d",
			     EXPR_DEPTH_MAX);
		return NULL;
	}
	if (broken || (is_foldable(node) && !fold(p, node))) {
		node->kind = NODE_BROKEN;
		node->kinds = KINDS_ANY;
	}
	return node;
}

/* ---- checks of kinds ---- */

bool
build_check(struct parser *p, const struct node *operand, unsigned wanted, const char *who)
{
	unsigned kinds = operand->kinds & ~KIND(NULL);
	char is[96], needs[96];

	/* Null alone is left to the evaluation: `?` may recover it. */
	if (!kinds || kinds & wanted)
		return true;
	parser_error(p, operand->start, "%s needs %s, and this is %s", who,
		     kinds_describe(wanted, needs), kinds_describe(kinds, is));
	return false;
}

/* The kinds that an operand yields when it is not null. */
static unsigned
kinds_of(const struct node *node)
{
	return node->kinds & ~KIND(NULL);
}

/* ---- operators ---- */

const struct node *
build_unary(struct parser *p, enum node_kind kind, uint32_t start, const struct node *operand)
{
	struct node *node = build_node(p, kind, start, 1);
	bool fits;

	if (!node)
		return NULL;
	node->args[0] = operand;
	if (kind == NODE_NOT) {
		fits = build_check(p, operand, KIND(BOOLEAN), "'!'");
		node->kinds = KIND(BOOLEAN);
	} else {
		fits = build_check(p, operand, KINDS_NUMBER, "'-'");
		node->kinds = (uint8_t)(operand->kinds & KINDS_NUMBER);
	}
	return fits ? build_finish(p, node) : build_broken(p, start);
}

/* Numbers give an integer where both are integers. */
static uint8_t
kinds_of_number(unsigned left, unsigned right)
{
	unsigned kinds = 0;

	if (left & right & KIND(INTEGER))
		kinds |= KIND(INTEGER);
	if ((left | right) & KIND(DOUBLE))
		kinds |= KIND(DOUBLE);
	return (uint8_t)kinds;
}

static bool
check_add(struct parser *p, const struct node *left, const struct node *right, uint8_t *kinds)
{
	unsigned l = kinds_of(left), r = kinds_of(right);
	bool numbers = l & KINDS_NUMBER && r & KINDS_NUMBER;
	bool texts =
		(l & KIND(STRING) && r & KINDS_PRINTED) || (r & KIND(STRING) && l & KINDS_PRINTED);
	char ldesc[96], rdesc[96];

	*kinds = numbers ? kinds_of_number(l, r) : 0;
	if (texts)
		*kinds |= KIND(STRING);
	if (!l || !r)
		*kinds = KINDS_ANY; /* null fails at evaluation */
	if (*kinds)
		return true;
	parser_error(p, right->start, "'+' adds numbers or joins text, and these are %s and %s",
		     kinds_describe(l, ldesc), kinds_describe(r, rdesc));
	return false;
}

/* Values of different kinds are never equal: a comparison that can't be true is a mistake. */
static bool
check_equality(struct parser *p, const struct node *left, const struct node *right)
{
	unsigned l = left->kinds, r = right->kinds;
	char ldesc[96], rdesc[96];

	if (l & r || (l & KINDS_NUMBER && r & KINDS_NUMBER) || l == KIND(NULL) || r == KIND(NULL))
		return true;
	parser_error(p, right->start, "%s is never equal to %s; convert one, as with .toInt",
		     kinds_describe(kinds_of(left), ldesc), kinds_describe(kinds_of(right), rdesc));
	return false;
}

static bool
check_order(struct parser *p, enum expr_op op, const struct node *left, const struct node *right)
{
	unsigned l = kinds_of(left), r = kinds_of(right);
	char ldesc[96], rdesc[96];

	if (!l || !r || l & r & KIND(STRING) || (l & KINDS_NUMBER && r & KINDS_NUMBER))
		return true;
	parser_error(p, right->start,
		     "'%s' compares two numbers or two strings, and these are %s and %s; convert "
		     "one, as with .toInt",
		     operator_name(op), kinds_describe(l, ldesc), kinds_describe(r, rdesc));
	return false;
}

static bool
check_both(struct parser *p, enum expr_op op, const struct node *const args[2], unsigned wanted)
{
	char who[8];
	bool fits;

	/* What is wrong with one may be why the other does not fit. */
	if (args[0]->kind == NODE_BROKEN || args[1]->kind == NODE_BROKEN)
		return true;
	snprintf(who, sizeof who, "'%s'", operator_name(op));
	fits = build_check(p, args[0], wanted, who);
	return build_check(p, args[1], wanted, who) && fits;
}

static bool
check_binary(struct parser *p, enum expr_op op, const struct node *const args[2], uint8_t *kinds)
{
	*kinds = KIND(BOOLEAN);
	switch (op) {
	case OP_AND:
	case OP_OR:
		return check_both(p, op, args, KIND(BOOLEAN));
	case OP_EQ:
	case OP_NE:
		return check_equality(p, args[0], args[1]);
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return check_order(p, op, args[0], args[1]);
	case OP_ADD:
		return check_add(p, args[0], args[1], kinds);
	default:
		*kinds = kinds_of_number(kinds_of(args[0]), kinds_of(args[1]));
		if (!*kinds)
			*kinds = KINDS_NUMBER;
		return check_both(p, op, args, KINDS_NUMBER);
	}
}

const struct node *
build_binary(struct parser *p, enum expr_op op, const struct node *left, const struct node *right)
{
	struct node *node = build_node(p, NODE_BINARY, left->start, 2);
	uint8_t kinds;

	if (!node)
		return NULL;
	node->op = (uint8_t)op;
	node->args[0] = left;
	node->args[1] = right;
	if (!check_binary(p, op, node->args, &kinds))
		return build_broken(p, left->start);
	node->kinds = kinds;
	return build_finish(p, node);
}

const struct node *
build_fallback(struct parser *p, const struct node *left, const struct node *right)
{
	struct node *node = build_node(p, NODE_FALLBACK, left->start, 2);

	if (!node)
		return NULL;
	node->args[0] = left;
	node->args[1] = right;
	node->kinds = (uint8_t)(kinds_of(left) | right->kinds);
	return build_finish(p, node);
}

const struct node *
build_if(struct parser *p, uint32_t start, const struct node *const parts[3])
{
	struct node *node = build_node(p, NODE_IF, start, 3);

	if (!node)
		return NULL;
	memcpy(node->args, parts, 3 * sizeof *parts);
	node->kinds = parts[1]->kinds | parts[2]->kinds;
	if (!build_check(p, parts[0], KIND(BOOLEAN), "if"))
		return build_broken(p, start);
	return build_finish(p, node);
}

const struct node *
build_index(struct parser *p, const struct node *list, const struct node *index)
{
	struct node *node;
	bool fits;

	if (list->kind == NODE_BROKEN)
		return build_broken(p, list->start);
	node = build_node(p, NODE_INDEX, list->start, 2);
	if (!node)
		return NULL;
	node->args[0] = list;
	node->args[1] = index;
	node->kinds = KIND(STRING); /* lists are of strings */
	fits = build_check(p, list, KIND(LIST) | KIND(STRING), "an index");
	if (!build_check(p, index, KIND(INTEGER), "an index") || !fits)
		return build_broken(p, list->start);
	return build_finish(p, node);
}

/* ---- methods ---- */

static bool
names_equal(const struct method *a, const struct method *b)
{
	return strcmp(a->name, b->name) == 0;
}

/* The nearest name among the methods that this receiver has, or NULL. */
static const char *
nearest_method(const char *word, unsigned receiver)
{
	const char *known[128];
	size_t count = 0;

	for (size_t i = 0; i < n_methods && count < 128; i++) {
		if (methods[i].receiver & receiver)
			known[count++] = methods[i].name;
	}
	return diag_nearest(word, known, count);
}

static void
unknown_method(struct parser *p, const struct token *name, const struct node *receiver)
{
	char word[64], is[96];
	const char *nearest;

	snprintf(word, sizeof word, "%.*s", (int)(name->text.len < 60 ? name->text.len : 60),
		 name->text.at);
	kinds_describe(kinds_of(receiver), is);
	nearest = nearest_method(word, kinds_of(receiver));
	if (nearest)
		parser_error(p, name->start, "%s has no method '%s'; did you mean '%s'?", is, word,
			     nearest);
	else if (receiver->kind == NODE_SETTING)
		parser_error(p, name->start,
			     "%s has no method '%s'; a name with a dot stands in back-ticks: "
			     "sv.`%.*s.%s`",
			     is, word, (int)receiver->name.len, receiver->name.at, word);
	else
		parser_error(p, name->start, "%s has no method '%s'", is, word);
}

/* The overload of `first`'s name that the receiver may be of; NULL after an error. */
static const struct method *
fitting_method(struct parser *p, const struct method *first, const struct token *name,
	       const struct node *receiver)
{
	unsigned kinds = kinds_of(receiver), all = 0;
	const struct method *end = methods + n_methods;
	char is[96], needs[96];

	if (!kinds)
		return first; /* null, which fails at evaluation */
	for (const struct method *m = first; m < end && names_equal(m, first); m++) {
		if (m->receiver & kinds)
			return m;
		all |= m->receiver;
	}
	parser_error(p, name->start, "'%s' is a method of %s, and this is %s", first->name,
		     kinds_describe(all, needs), kinds_describe(kinds, is));
	return NULL;
}

static bool
check_arguments(struct parser *p, const struct method *method, const struct token *name,
		const struct node *const *args, unsigned n_args)
{
	unsigned given = n_args - 1;
	bool fits = true;

	if (given < method->min_args || given > method->max_args) {
		if (method->min_args == method->max_args)
			parser_error(p, name->start, "'%s' takes %u argument%s, not %u",
				     method->name, method->min_args,
				     method->min_args == 1 ? "" : "s", given);
		else
			parser_error(p, name->start, "'%s' takes %u to %u arguments, not %u",
				     method->name, method->min_args, method->max_args, given);
		return false;
	}
	for (unsigned i = 1; i < n_args; i++)
		fits &= build_check(p, args[i], method->args[i - 1], method->name);
	return fits;
}

static bool
takes_pattern(const struct method *method)
{
	method_call *const with_pattern[] = { string_split, string_matches, string_replace_all,
					      string_replace_first };

	for (unsigned i = 0; i < sizeof with_pattern / sizeof *with_pattern; i++)
		if (method->call == with_pattern[i])
			return true;
	return false;
}

/* A pattern that is a literal is compiled at once. False after an error. */
static bool
build_pattern(struct parser *p, struct node *node)
{
	const struct node *pattern = node->n_args > 1 ? node->args[1] : NULL;
	char refusal[PATTERN_REFUSAL_MAX];

	if (!takes_pattern(node->method))
		return true;
	p->patterns = true;
	if (pattern->kind != NODE_LITERAL || pattern->literal.kind != VALUE_STRING)
		return true;
	node->pattern = pattern_compile(p->arena, pattern->literal.text.at,
					pattern->literal.text.len, refusal);
	if (!node->pattern)
		parser_error(p, pattern->start, "%s", refusal);
	return node->pattern;
}

const struct node *
build_method(struct parser *p, const struct token *name, const struct node *const *args,
	     unsigned n_args)
{
	const struct method *method = method_find((struct text){ name->text.at, name->text.len });
	uint32_t start = args[0]->start;
	struct node *node;

	if (args[0]->kind == NODE_BROKEN)
		return build_broken(p, start);
	if (!method) {
		unknown_method(p, name, args[0]);
		return build_broken(p, start);
	}
	method = fitting_method(p, method, name, args[0]);
	if (!method || !check_arguments(p, method, name, args, n_args))
		return build_broken(p, start);
	node = build_node(p, NODE_METHOD, start, n_args);
	if (!node)
		return NULL;
	node->method = method;
	memcpy(node->args, args, n_args * sizeof *args);
	node->kinds = method->result;
	return build_pattern(p, node) ? build_finish(p, node) : build_broken(p, start);
}
