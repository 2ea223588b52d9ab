/*
 * expr_parse.c - the grammar of expressions, by recursive descent:
 *
 *	expression = binary
 *	binary     = fallback { operator fallback }     by precedence, all to the left
 *	fallback   = unary { "?" unary }                above every other operator of two operands
 *	unary      = ( "-" | "!" | "not" ) unary | postfix
 *	postfix    = primary { "." name [ arguments ] | "[" expression "]" | "(" expression ")" }
 *	primary    = literal | variable | root ... | "(" expression ")"
 *	           | "if" "(" expression ")" expression "else" expression
 *
 * A syntax error ends the ${ } part it stands in; a name, number of arguments or kind that does not fit is
 * reported and parsing goes on, so that one run finds them all.
 */
#include "tasks/expr/expr_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- tokens ---- */

static void
take(struct parser *p)
{
	p->taken_end = p->token.end;
	lexer_next(p);
}

/* Takes a token of this kind and returns true, or leaves it. */
static bool
accept(struct parser *p, enum token_kind kind)
{
	if (p->token.kind != kind)
		return false;
	take(p);
	return true;
}

/* A syntax error at the next token. What the lexer found broken was reported by it. */
static const struct node *
syntax_error(struct parser *p, const char *expected)
{
	if (p->token.kind != TOKEN_BROKEN)
		parser_error(p, p->token.start, "expected %s, not %s", expected,
			     token_describe(&p->token));
	p->failed = true;
	return NULL;
}

bool
parser_expect(struct parser *p, enum token_kind kind, const char *what)
{
	if (accept(p, kind))
		return true;
	syntax_error(p, what);
	return false;
}

bool
parser_expect_member(struct parser *p, const char *of, struct text *name)
{
	char expected[64];

	if (p->token.kind != TOKEN_DOT) {
		snprintf(expected, sizeof expected, "a name behind '%s': %s.NAME", of, of);
		syntax_error(p, expected);
		return false;
	}
	take(p);
	if (p->token.kind != TOKEN_NAME && p->token.kind != TOKEN_QUOTED_NAME) {
		syntax_error(p, "a name (an odd one stands in back-ticks)");
		return false;
	}
	*name = (struct text){ p->token.text.at, p->token.text.len };
	take(p);
	return true;
}

static bool
token_is_word(const struct token *token, const char *word)
{
	return token->kind == TOKEN_NAME && token->text.len == strlen(word) &&
	       memcmp(token->text.at, word, token->text.len) == 0;
}

/* ---- primaries ---- */

static const struct node *
parse_literal(struct parser *p, struct value value)
{
	uint32_t start = p->token.start;

	take(p);
	return build_literal(p, start, value);
}

static const struct node *
parse_parenthesized(struct parser *p)
{
	uint32_t start = p->token.start;
	const struct node *inner;

	take(p);
	inner = parse_expression(p);
	if (!inner || !parser_expect(p, TOKEN_CLOSE_PAREN, "an operator or ')'"))
		return NULL;
	return build_parenthesized(p, start, inner);
}

static const struct node *
parse_if(struct parser *p)
{
	uint32_t start = p->token.start;
	const struct node *parts[3];

	take(p);
	if (!parser_expect(p, TOKEN_OPEN_PAREN, "'(' behind if"))
		return NULL;
	parts[0] = parse_expression(p);
	if (!parts[0] || !parser_expect(p, TOKEN_CLOSE_PAREN, "an operator or ')'"))
		return NULL;
	parts[1] = parse_expression(p);
	if (!parts[1])
		return NULL;
	if (!token_is_word(&p->token, "else")) {
		syntax_error(p, "an operator or else: an if has a value in both cases");
		return NULL;
	}
	take(p);
	parts[2] = parse_expression(p);
	return parts[2] ? build_if(p, start, parts) : NULL;
}

static const struct node *
parse_name(struct parser *p)
{
	struct token name = p->token;

	if (token_is_word(&name, "true") || token_is_word(&name, "false"))
		return parse_literal(p, (struct value){ .kind = VALUE_BOOLEAN,
							.boolean = *name.text.at == 't' });
	if (token_is_word(&name, "null"))
		return parse_literal(p, (struct value){ .kind = VALUE_NULL });
	if (token_is_word(&name, "if"))
		return parse_if(p);
	take(p);
	return parse_root(p, &name);
}

static const struct node *
parse_variable(struct parser *p)
{
	struct token token = p->token;

	take(p);
	if (p->certificate) {
		parser_error(p, token.start,
			     "there are no variables here, only cert.cn and the like");
		return build_broken(p, token.start);
	}
	return build_variable(p, token.start, (struct text){ token.text.at, token.text.len });
}

static const struct node *
parse_primary(struct parser *p)
{
	struct value value;

	switch (p->token.kind) {
	case TOKEN_INTEGER:
		expr_give_integer(&value, p->token.integer);
		return parse_literal(p, value);
	case TOKEN_DECIMAL:
		expr_give_double(&value, p->token.real);
		return parse_literal(p, value);
	case TOKEN_STRING:
		expr_give_text(&value, p->token.text.at, p->token.text.len);
		return parse_literal(p, value);
	case TOKEN_VARIABLE:
		return parse_variable(p);
	case TOKEN_NAME:
		return parse_name(p);
	case TOKEN_OPEN_PAREN:
		return parse_parenthesized(p);
	default:
		return syntax_error(p, "a value");
	}
}

/* ---- what follows a primary ---- */

int
parse_arguments(struct parser *p, const struct node **args, int max)
{
	int n = 0;

	if (accept(p, TOKEN_CLOSE_PAREN))
		return 0;
	do {
		const struct node *arg = parse_expression(p);

		if (!arg)
			return -1;
		if (n < max)
			args[n] = arg;
		n++;
	} while (accept(p, TOKEN_COMMA));
	return parser_expect(p, TOKEN_CLOSE_PAREN, "',', an operator or ')'") ? n : -1;
}

static const struct node *
parse_method(struct parser *p, const struct node *receiver)
{
	const struct node *args[EXPR_ARGS_MAX] = { receiver };
	struct token name;
	int n = 0;

	take(p);
	name = p->token;
	if (name.kind != TOKEN_NAME)
		return syntax_error(p, "the name of a method");
	take(p);
	if (accept(p, TOKEN_OPEN_PAREN))
		n = parse_arguments(p, args + 1, EXPR_ARGS_MAX - 1);
	return n < 0 ? NULL : build_method(p, &name, args, (unsigned)n + 1);
}

/* list[1], or list(1) as in the language that this one descends from. */
static const struct node *
parse_index(struct parser *p, const struct node *list)
{
	enum token_kind close = TOKEN_CLOSE_BRACKET;
	const struct node *index;

	if (p->token.kind == TOKEN_OPEN_PAREN)
		close = TOKEN_CLOSE_PAREN;
	take(p);
	index = parse_expression(p);
	if (!index || !parser_expect(p, close, close == TOKEN_CLOSE_PAREN ? "')'" : "']'"))
		return NULL;
	return build_index(p, list, index);
}

static const struct node *
parse_postfix(struct parser *p)
{
	const struct node *node = parse_primary(p);

	while (node) {
		if (p->token.kind == TOKEN_DOT)
			node = parse_method(p, node);
		else if (p->token.kind == TOKEN_OPEN_BRACKET || p->token.kind == TOKEN_OPEN_PAREN)
			node = parse_index(p, node);
		else
			break;
	}
	return node;
}

/* ---- operators ---- */

static bool
enter(struct parser *p)
{
	if (p->depth < EXPR_DEPTH_MAX) {
		p->depth++;
		return true;
	}
	parser_error(p, p->token.start, "this expression is nested deeper than %d", EXPR_DEPTH_MAX);
	return false;
}

static bool
next_operator(const struct parser *p, enum expr_op *op)
{
	if (p->token.kind == TOKEN_OPERATOR) {
		*op = p->token.op;
		return true;
	}
	return token_word_operator(&p->token, op);
}

static const struct node *
parse_unary(struct parser *p)
{
	uint32_t start = p->token.start;
	const struct node *operand;
	enum expr_op op;

	if (!next_operator(p, &op))
		return parse_postfix(p);
	if (op != OP_NOT && op != OP_SUBTRACT)
		return syntax_error(p, "a value");
	if (!enter(p))
		return NULL;
	take(p);
	operand = parse_unary(p);
	p->depth--;
	if (!operand)
		return NULL;
	return build_unary(p, op == OP_NOT ? NODE_NOT : NODE_NEGATE, start, operand);
}

static const struct node *
parse_fallback(struct parser *p)
{
	const struct node *left = parse_unary(p), *right;

	while (left && accept(p, TOKEN_QUESTION)) {
		right = parse_unary(p);
		left = right ? build_fallback(p, left, right) : NULL;
	}
	return left;
}

/* 0 is no operator of two operands. */
static int
precedence(enum expr_op op)
{
	switch (op) {
	case OP_OR:
		return 1;
	case OP_AND:
		return 2;
	case OP_EQ:
	case OP_NE:
		return 3;
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return 4;
	case OP_ADD:
	case OP_SUBTRACT:
		return 5;
	case OP_MULTIPLY:
	case OP_DIVIDE:
	case OP_REMAINDER:
		return 6;
	case OP_NOT:
		break;
	}
	return 0;
}

/* Operators of `least` precedence and above. It recurses once a level of precedence at most. */
static const struct node *
parse_binary(struct parser *p, int least)
{
	const struct node *left = parse_fallback(p), *right;
	enum expr_op op;

	while (left && next_operator(p, &op) && precedence(op) >= least) {
		take(p);
		right = parse_binary(p, precedence(op) + 1);
		left = right ? build_binary(p, op, left, right) : NULL;
	}
	return left;
}

const struct node *
parse_expression(struct parser *p)
{
	const struct node *node;

	if (!enter(p))
		return NULL;
	node = parse_binary(p, 1);
	p->depth--;
	return node;
}
