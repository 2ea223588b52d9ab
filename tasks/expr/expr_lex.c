#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/expr/expr_internal.h"

static const struct {
	const char *name;
	enum expr_op op;
} operators[] = {
	/* Longer ones first. */
	{ "||", OP_OR },
	{ "&&", OP_AND },
	{ "==", OP_EQ },
	{ "!=", OP_NE },
	{ "<=", OP_LE },
	{ ">=", OP_GE },
	{ "<", OP_LT },
	{ ">", OP_GT },
	{ "+", OP_ADD },
	{ "-", OP_SUBTRACT },
	{ "*", OP_MULTIPLY },
	{ "/", OP_DIVIDE },
	{ "%", OP_REMAINDER },
	{ "!", OP_NOT },
	/* In an attribute < and & need escapes, so each has a word. */
	{ "or", OP_OR },
	{ "and", OP_AND },
	{ "eq", OP_EQ },
	{ "ne", OP_NE },
	{ "lt", OP_LT },
	{ "lte", OP_LE },
	{ "gt", OP_GT },
	{ "gte", OP_GE },
	{ "not", OP_NOT },
};

enum { FIRST_WORD = 14, OPERATORS = sizeof operators / sizeof *operators };

const char *
operator_name(enum expr_op op)
{
	for (unsigned i = 0; i < OPERATORS; i++) {
		if (operators[i].op == op)
			return operators[i].name;
	}
	return "?";
}

static const struct {
	char c;
	enum token_kind kind;
} punctuation[] = {
	{ '}', TOKEN_CLOSE },        { '(', TOKEN_OPEN_PAREN },    { ')', TOKEN_CLOSE_PAREN },
	{ '[', TOKEN_OPEN_BRACKET }, { ']', TOKEN_CLOSE_BRACKET }, { '.', TOKEN_DOT },
	{ ',', TOKEN_COMMA },        { '?', TOKEN_QUESTION },
};

const char *
token_describe(const struct token *token)
{
	switch (token->kind) {
	case TOKEN_END:
		return "the end of the text";
	case TOKEN_CLOSE:
		return "'}'";
	case TOKEN_INTEGER:
	case TOKEN_DECIMAL:
		return "a number";
	case TOKEN_STRING:
		return "a string";
	case TOKEN_NAME:
	case TOKEN_QUOTED_NAME:
		return "a name";
	case TOKEN_VARIABLE:
		return "a variable";
	case TOKEN_OPERATOR:
		return "an operator";
	default:
		break;
	}
	for (unsigned i = 0; i < sizeof punctuation / sizeof *punctuation; i++) {
		static const char *const shown[] = { "'}'", "'('", "')'", "'['",
						     "']'", "'.'", "','", "'?'" };

		if (punctuation[i].kind == token->kind)
			return shown[i];
	}
	return "an error";
}

/* No <ctype.h>: it depends on the locale. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_name_part(char c)
{
	return is_name_start(c) || is_digit(c);
}

static char
peek(const struct parser *p, size_t ahead)
{
	return ahead < p->len - p->at ? p->text[p->at + ahead] : '\0';
}

static void
broken(struct parser *p, size_t offset, const char *why)
{
	p->token.kind = TOKEN_BROKEN;
	parser_error(p, (uint32_t)offset, "%s", why);
}

static void
lex_name(struct parser *p)
{
	struct token *token = &p->token;
	size_t len = 1;

	while (is_name_part(peek(p, len)))
		len++;
	token->kind = TOKEN_NAME;
	token->text.at = p->text + p->at;
	token->text.len = len;
	p->at += len;
}

static void
lex_quoted_name(struct parser *p)
{
	const char *start = p->text + p->at + 1;
	const char *end = memchr(start, '`', p->len - p->at - 1);

	if (!end) {
		broken(p, p->at, "this back-tick has no partner");
		p->at = p->len;
		return;
	}
	if (end == start)
		broken(p, p->at, "a name in back-ticks has at least one character");
	else
		p->token.kind = TOKEN_QUOTED_NAME;
	p->token.text.at = start;
	p->token.text.len = (size_t)(end - start);
	p->at = (size_t)(end + 1 - p->text);
}

static void
lex_variable(struct parser *p)
{
	p->at++;
	if (is_name_start(peek(p, 0))) {
		lex_name(p);
	} else if (peek(p, 0) == '`') {
		lex_quoted_name(p);
	} else {
		broken(p, p->at - 1,
		       "'#' is followed by the name of a variable: #name or #`odd name`");
		return;
	}
	if (p->token.kind != TOKEN_BROKEN)
		p->token.kind = TOKEN_VARIABLE;
}

/* How many characters a decimal has; 0 when it is an integer. */
static size_t
decimal_len(const struct parser *p, size_t digits)
{
	size_t len = digits, exponent;

	if (peek(p, len) == '.' && is_digit(peek(p, len + 1))) {
		len++;
		while (is_digit(peek(p, len)))
			len++;
	}
	if (peek(p, len) == 'e' || peek(p, len) == 'E') {
		exponent = len + 1;
		if (peek(p, exponent) == '+' || peek(p, exponent) == '-')
			exponent++;
		if (is_digit(peek(p, exponent))) {
			for (len = exponent; is_digit(peek(p, len));)
				len++;
		}
	}
	return len == digits ? 0 : len;
}

static void
lex_decimal(struct parser *p, size_t len)
{
	char number[64];

	if (len >= sizeof number) {
		broken(p, p->at, "this number has too many digits");
		return;
	}
	memcpy(number, p->text + p->at, len);
	number[len] = '\0';
	p->token.kind = TOKEN_DECIMAL;
	p->token.real = strtod(number, NULL);
}

static void
lex_integer(struct parser *p, size_t len)
{
	int64_t value = 0;

	p->token.kind = TOKEN_INTEGER;
	for (size_t i = 0; i < len; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, p->text[p->at + i] - '0', &value)) {
			broken(p, p->at, "this integer is beyond 9223372036854775807");
			return;
		}
	}
	p->token.integer = value;
}

static void
lex_number(struct parser *p)
{
	size_t len = 0, decimal;

	while (is_digit(peek(p, len)))
		len++;
	decimal = decimal_len(p, len);
	if (decimal)
		len = decimal;
	if (is_name_part(peek(p, len)))
		broken(p, p->at, "a name can't begin with a digit; put it in back-ticks");
	else if (decimal)
		lex_decimal(p, len);
	else
		lex_integer(p, len);
	p->at += len;
}

/* ---- string literals ---- */

static int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at p->at + ahead, or -1. */
static long
hex_unit(const struct parser *p, size_t ahead)
{
	long unit = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = hex_digit(peek(p, ahead + i));

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* \uXXXX at p->at, surrogates in pairs. Its source is never shorter than its UTF-8. Returns bytes put, or 0. */
static size_t
lex_unicode_escape(struct parser *p, char *out)
{
	long unit = hex_unit(p, 2), low;

	if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return 0;
	p->at += 6;
	if (unit < 0xd800 || unit > 0xdbff)
		return utf8_put(out, (unsigned long)unit);
	low = peek(p, 0) == '\\' && peek(p, 1) == 'u' ? hex_unit(p, 2) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	p->at += 6;
	return utf8_put(out, 0x10000 + ((unsigned long)(unit - 0xd800) << 10) +
				     (unsigned long)(low - 0xdc00));
}

/* A backslash at p->at. Returns the bytes put, or 0 after an error. */
static size_t
lex_escape(struct parser *p, char *out)
{
	static const char letters[] = "\\'\"`$nrtbf", meanings[] = "\\'\"`$\n\r\t\b\f";
	size_t start = p->at, n;
	const char *letter;
	char c = peek(p, 1);

	if (c == 'u') {
		n = lex_unicode_escape(p, out);
		if (!n) {
			broken(p, start, "\\u is followed by four hex digits of a character");
			p->at = start + 2;
		}
		return n;
	}
	if (start + 1 == p->len) {
		p->at++; /* the string has no end: that is the error */
		return 0;
	}
	letter = c ? strchr(letters, c) : NULL;
	p->at += 2;
	if (!letter) {
		broken(p, start,
		       "unknown escape; known are \\\\ \\' \\\" \\` \\$ \\n \\r \\t \\b \\f "
		       "\\uXXXX");
		return 0;
	}
	*out = meanings[letter - letters];
	return 1;
}

/* Bytes of source up to the closing quote or the end: room enough for what the literal means. */
static size_t
literal_room(const struct parser *p, char quote)
{
	size_t len = 1;

	while (p->at + len < p->len && peek(p, len) != quote)
		len += peek(p, len) == '\\' ? 2 : 1;
	return len;
}

static void
lex_string(struct parser *p)
{
	char quote = peek(p, 0);
	size_t start = p->at, len = 0;
	char *out = arena_alloc(p->arena, literal_room(p, quote));

	if (!out) {
		p->token.kind = TOKEN_BROKEN;
		parser_out_of_memory(p);
		p->at = p->len;
		return;
	}
	p->token.kind = TOKEN_STRING;
	p->at++;
	while (p->at < p->len && p->text[p->at] != quote) {
		if (p->text[p->at] == '\\')
			len += lex_escape(p, out + len);
		else
			out[len++] = p->text[p->at++];
	}
	if (p->at == p->len)
		broken(p, start, "this string has no closing quote");
	else
		p->at++;
	p->token.text.at = out;
	p->token.text.len = len;
}

/* ---- the rest ---- */

static bool
lex_operator(struct parser *p)
{
	for (unsigned i = 0; i < FIRST_WORD; i++) {
		size_t len = strlen(operators[i].name);

		if (len > p->len - p->at || memcmp(p->text + p->at, operators[i].name, len) != 0)
			continue;
		p->token.kind = TOKEN_OPERATOR;
		p->token.op = operators[i].op;
		p->at += len;
		return true;
	}
	return false;
}

static bool
lex_punctuation(struct parser *p)
{
	for (unsigned i = 0; i < sizeof punctuation / sizeof *punctuation; i++) {
		if (punctuation[i].c == p->text[p->at]) {
			p->token.kind = punctuation[i].kind;
			p->at++;
			return true;
		}
	}
	return false;
}

static void
lex_unknown(struct parser *p)
{
	char c = p->text[p->at];
	char why[64];

	if (c == '=')
		broken(p, p->at, "'=' compares as '=='; expressions assign nothing");
	else if (c == '&')
		broken(p, p->at, "'&' alone is not an operator; write && or and");
	else if (c == '|')
		broken(p, p->at, "'|' alone is not an operator; write || or or");
	else if (c == '{')
		broken(p, p->at, "'{' has no meaning inside an expression");
	else if (c > ' ' && c < 0x7f) {
		snprintf(why, sizeof why, "'%c' has no meaning here", c);
		broken(p, p->at, why);
	} else
		broken(p, p->at, "a character beyond ASCII stands in strings and back-ticks only");
	p->at++;
}

static void
lex_at(struct parser *p)
{
	char c = p->text[p->at];

	if (is_name_start(c))
		lex_name(p);
	else if (is_digit(c))
		lex_number(p);
	else if (c == '\'' || c == '"')
		lex_string(p);
	else if (c == '`')
		lex_quoted_name(p);
	else if (c == '#')
		lex_variable(p);
	else if (!lex_operator(p) && !lex_punctuation(p))
		lex_unknown(p);
}

void
lexer_next(struct parser *p)
{
	while (p->at < p->len && strchr(" \t\r\n", p->text[p->at]) && p->text[p->at])
		p->at++;
	p->token = (struct token){ .kind = TOKEN_END, .start = (uint32_t)p->at };
	if (p->at < p->len)
		lex_at(p);
	assert(p->at <= p->len);
	p->token.end = (uint32_t)p->at;
}

bool
token_word_operator(const struct token *token, enum expr_op *op)
{
	if (token->kind != TOKEN_NAME)
		return false;
	for (unsigned i = FIRST_WORD; i < OPERATORS; i++) {
		if (strlen(operators[i].name) == token->text.len &&
		    memcmp(operators[i].name, token->text.at, token->text.len) == 0) {
			*op = operators[i].op;
			return true;
		}
	}
	return false;
}
