/*
 * expr_internal.h - what the files of the expression language share: tokens, the tree, one evaluation.
 *
 *	expr_parser.c    where a parser is, and what it reports
 *	expr_lex.c       text to tokens
 *	expr_parse.c     tokens to calls of expr_build_*(): the grammar
 *	expr_roots.c     sv. device. lwm2m. task. res. string.
 *	expr_build.c     nodes: what can never fit is an error here, what is constant is folded
 *	expr_eval.c      a node to a value
 *	expr_operators.c operators, if, fallback
 *	expr_kinds.c     sets of kinds in words
 *	expr_run.c       failures, limits, the text of values
 *	expr_methods.c   the table of methods, and those of numbers, bytes and lists
 *	expr_strings.c, expr_codecs.c, expr_regex.c, expr_answers.c  methods of strings
 *	expr_template.c  literal text with ${ } parts: expr.h
 */
#pragma once

#include "tasks/expr/expr.h"
#include "tasks/utf8.h"

enum {
	EXPR_DEPTH_MAX = 64,   /* of the grammar's recursion and of the tree */
	EXPR_ARGS_MAX = 3,     /* a receiver and two arguments */
	EXPR_TEXT_MAX = 65535, /* bytes of any one value: more fits no write (BATCH_PAYLOAD_MAX) */
	EXPR_WORK_MAX = 4 << 20, /* bytes that one evaluation may read and make: bounds its time */
	EXPR_FOLD_WORK =
		4 * EXPR_WORK_MAX, /* the same for all constants of a template, when it is parsed */
	EXPR_FOLDED_MAX = 4096,    /* a larger constant is made at evaluation rather than kept */
	EXPR_LIST_MAX = 4096,      /* items of a list */
};

/* A set of value kinds. */
#define KIND(kind) (1u << VALUE_##kind)
enum {
	KINDS_NUMBER = KIND(INTEGER) | KIND(DOUBLE),
	KINDS_SCALAR = KIND(STRING) | KIND(BOOLEAN) | KINDS_NUMBER,
	KINDS_PRINTED = KINDS_SCALAR | KIND(LIST), /* have a text form */
	KINDS_VALUE = KINDS_PRINTED | KIND(BYTES),
	KINDS_ANY = KINDS_VALUE | KIND(NULL),
};

/* ---- tokens ---- */

enum token_kind {
	TOKEN_END,    /* of the template's text, before the closing brace */
	TOKEN_CLOSE,  /* } */
	TOKEN_BROKEN, /* already reported */
	TOKEN_INTEGER,
	TOKEN_DECIMAL,
	TOKEN_STRING,
	TOKEN_NAME,
	TOKEN_QUOTED_NAME, /* in back-ticks */
	TOKEN_VARIABLE,    /* #name; the text is the name */
	TOKEN_OPEN_PAREN,
	TOKEN_CLOSE_PAREN,
	TOKEN_OPEN_BRACKET,
	TOKEN_CLOSE_BRACKET,
	TOKEN_DOT,
	TOKEN_COMMA,
	TOKEN_QUESTION,
	TOKEN_OPERATOR, /* of two operands, and NOT */
};

enum expr_op {
	OP_OR,
	OP_AND,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_ADD,
	OP_SUBTRACT,
	OP_MULTIPLY,
	OP_DIVIDE,
	OP_REMAINDER,
	OP_NOT,
};

const char *operator_name(enum expr_op op);

struct token {
	enum token_kind kind;
	enum expr_op op;
	uint32_t start, end; /* in the template's text */
	union {
		struct {
			const char *at;
			size_t len;
		} text;
		int64_t integer;
		double real;
	};
};

/* ---- the tree ---- */

enum node_kind {
	NODE_BROKEN, /* stands where an error was reported, fits everywhere; never evaluated */
	NODE_LITERAL,
	NODE_VARIABLE,
	NODE_SETTING,    /* sv.name */
	NODE_SETTING_BY, /* sv.get(args[0]) */
	NODE_ATTRIBUTE,
	NODE_IN_GROUP, /* args[0] */
	NODE_RESOURCE, /* by args[0], key args[1] */
	NODE_RANDOM,   /* args[0] characters */
	NODE_SECRET_RANDOM,
	NODE_METHOD,   /* args[0] is the receiver */
	NODE_INDEX,    /* args[0] [ args[1] ] */
	NODE_IF,       /* args: condition, then, else */
	NODE_FALLBACK, /* args[0] ? args[1] */
	NODE_NOT,
	NODE_NEGATE,
	NODE_BINARY, /* op; AND and OR too */
};

struct text {
	const char *at;
	size_t len;
};

struct method;
struct pattern;

struct node {
	uint8_t kind; /* enum node_kind */
	uint8_t op;   /* enum expr_op */
	uint8_t n_args;
	uint8_t depth;       /* of the tree below, itself counted */
	uint8_t kinds;       /* that it can yield */
	uint8_t depends;     /* enum expr_depends */
	uint32_t start, end; /* its source, for messages */
	union {
		struct value literal;
		struct {
			struct text name;
			const char *root; /* of an attribute */
		};
		struct {
			struct text alias, wanted;
		} resource;
		struct {
			const struct method *method;   /* the first of that name that may fit */
			const struct pattern *pattern; /* when it is constant */
		};
	};
	const struct node *args[];
};

/* ---- parsing ---- */

struct expr_name {
	struct text name;
	const struct expr_name *next;
};

struct parser {
	struct arena *arena;
	const char *text; /* a copy in the arena: nodes point into it */
	size_t len, at;
	const struct place *place;
	struct diag_list *diags;
	struct token token; /* the next one, not yet taken */
	uint32_t taken_end; /* where the last taken token ended */
	unsigned depth;
	bool failed;                       /* an error was reported */
	bool quiet;                        /* looking for the end after a syntax error */
	bool certificate;                  /* `cert` is all that can be read */
	bool patterns;                     /* a method that takes one was built */
	const struct expr_name *variables; /* that were read */
	const struct expr_name *settings;  /* the same, by name */
	const struct expr_table_use *tables;
	struct arena scratch; /* for folding */
	size_t work;          /* left for it, of EXPR_FOLD_WORK */
};

/* Takes the next token of the expression at p->at. */
void lexer_next(struct parser *p);
/* Whether a name stands for an operator: lt, and, ... A member's name never does. */
bool token_word_operator(const struct token *token, enum expr_op *op);
/* The token as a message shows it: "'abc'", "the end of the text". */
const char *token_describe(const struct token *token);

void parser_error(struct parser *p, uint32_t offset, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Reports that memory is exhausted; always NULL. */
void *parser_out_of_memory(struct parser *p);

/* The expression up to the closing brace or a syntax error, which is reported and gives NULL. */
const struct node *parse_expression(struct parser *p);
/* "(" was taken: the arguments and ")". Returns their number or -1; more than `max` are an error. */
int parse_arguments(struct parser *p, const struct node **args, int max);
/* Takes a token of this kind; its absence is a syntax error that says what stands there. */
bool parser_expect(struct parser *p, enum token_kind kind, const char *what);
/* After a root or a dot: takes ".name"; the name, quoted or not. */
bool parser_expect_member(struct parser *p, const char *of, struct text *name);
/* A root's whole chain; its name was taken. NULL after a syntax error. */
const struct node *parse_root(struct parser *p, const struct token *name);

/* Each makes a node for source from `start` to the last taken token, or NULL when memory is exhausted. */
struct node *build_node(struct parser *p, enum node_kind kind, uint32_t start, unsigned n_args);
const struct node *build_broken(struct parser *p, uint32_t start);
const struct node *build_literal(struct parser *p, uint32_t start, struct value value);
/* Adds a name to those that a template reads; false: no memory, which was reported. */
bool build_name(struct parser *p, const struct expr_name **names, struct text name);
const struct node *build_variable(struct parser *p, uint32_t start, struct text name);
/* Counts the parentheses around a node to its source. */
const struct node *build_parenthesized(struct parser *p, uint32_t start, const struct node *inner);
const struct node *build_unary(struct parser *p, enum node_kind kind, uint32_t start,
			       const struct node *operand);
const struct node *build_binary(struct parser *p, enum expr_op op, const struct node *left,
				const struct node *right);
const struct node *build_fallback(struct parser *p, const struct node *left,
				  const struct node *right);
const struct node *build_if(struct parser *p, uint32_t start, const struct node *const parts[3]);
const struct node *build_index(struct parser *p, const struct node *list, const struct node *index);
/* args[0] is the receiver. */
const struct node *build_method(struct parser *p, const struct token *name,
				const struct node *const *args, unsigned n_args);
/* Sets what a node takes from its arguments, checks the depth, folds it when it is constant. */
const struct node *build_finish(struct parser *p, struct node *node);
/* Reports an operand none of whose kinds is wanted. Null always passes: it is an error at evaluation. */
bool build_check(struct parser *p, const struct node *operand, unsigned wanted, const char *who);
/* A whole ${ } part that reads nothing: an error when it always fails. */
void build_check_constant(struct parser *p, const struct node *node);

/* "a string", "an integer or a double"; of kinds without null. */
const char *kinds_describe(unsigned kinds, char out[96]);

/* ---- evaluation ---- */

/* Why an evaluation stopped. Those up to EXPR_RECOVERABLE are taken by the `?` operator. */
enum expr_failure {
	EXPR_FINE,
	EXPR_NULL_ACCESS,
	EXPR_MISSING, /* element or variable */
	EXPR_INDEX,
	EXPR_NUMBER_FORMAT,
	EXPR_ARGUMENT,
	EXPR_PARSE,
	EXPR_RECOVERABLE = EXPR_PARSE,
	EXPR_TYPE,
	EXPR_ARITHMETIC,
	EXPR_LIMIT,
	EXPR_COSTLY, /* a pattern with too many ways to match */
};

struct run {
	struct expr_eval *eval;
	const char *source;      /* the template's text */
	const struct node *node; /* whose method runs: messages name it */
	const struct node *failed;
	enum expr_failure failure;
	unsigned recovering; /* `?` operators that would take a failure: no message is made */
	size_t work;         /* bytes left of EXPR_WORK_MAX */
};

bool expr_evaluate(struct run *run, const struct node *node, struct value *out);
/* The same, and false unless the value is of a wanted kind. */
bool expr_evaluate_as(struct run *run, const struct node *node, unsigned wanted, struct value *out);
bool expr_want(struct run *run, const struct node *node, const struct value *value,
	       unsigned wanted);
/* expr_operators.c */
bool expr_evaluate_binary(struct run *run, const struct node *node, struct value *out);
bool expr_evaluate_negate(struct run *run, const struct node *node, struct value *out);
bool expr_evaluate_not(struct run *run, const struct node *node, struct value *out);
bool expr_evaluate_if(struct run *run, const struct node *node, struct value *out);
bool expr_evaluate_fallback(struct run *run, const struct node *node, struct value *out);
/* Always false. The message is a sentence without its subject: "is no integer"; no values. */
bool expr_fail(struct run *run, enum expr_failure failure, const struct node *node,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for the method that runs. */
#define METHOD_FAIL(run, failure, ...) expr_fail(run, failure, (run)->node, __VA_ARGS__)

/* Counts `bytes` of work; false when an evaluation has done too much. */
bool expr_work(struct run *run, size_t bytes);
/* Room for a text of `len` bytes, counted as work, or NULL after a failure. */
char *expr_text_new(struct run *run, size_t len);
void *expr_alloc(struct run *run, size_t size);

/* The text form of a value that has one; not null. */
bool expr_text_of(struct run *run, const struct node *node, const struct value *value,
		  struct text *out);
/* Parts joined to one text. */
bool expr_join(struct run *run, const struct text *parts, size_t count, struct value *out);

static inline bool
expr_is(const struct value *value, unsigned kinds)
{
	return kinds >> value->kind & 1;
}

static inline bool
expr_give_text(struct value *out, const char *at, size_t len)
{
	*out = (struct value){ .kind = VALUE_STRING, .text = { at, len } };
	return true;
}

static inline bool
expr_give_bytes(struct value *out, const void *at, size_t len)
{
	*out = (struct value){ .kind = VALUE_BYTES, .text = { at, len } };
	return true;
}

static inline bool
expr_give_boolean(struct value *out, bool boolean)
{
	*out = (struct value){ .kind = VALUE_BOOLEAN, .boolean = boolean };
	return true;
}

static inline bool
expr_give_integer(struct value *out, int64_t integer)
{
	*out = (struct value){ .kind = VALUE_INTEGER, .integer = integer };
	return true;
}

static inline bool
expr_give_double(struct value *out, double real)
{
	*out = (struct value){ .kind = VALUE_DOUBLE, .real = real };
	return true;
}

/* ---- methods ---- */

/* args[0] is the receiver; kinds and number were checked. */
typedef bool method_call(struct run *run, const struct value *args, unsigned n_args,
			 struct value *out);

struct method {
	const char *name;
	uint8_t receiver;           /* kinds */
	uint8_t min_args, max_args; /* receiver not counted */
	uint8_t args[EXPR_ARGS_MAX - 1];
	uint8_t result; /* kinds */
	method_call *call;
};

/* Sorted by name; one name may stand several times, for receivers that share no kind. */
extern const struct method methods[];
extern const size_t n_methods;
/* The first of a name, or NULL. */
const struct method *method_find(struct text name);
/* The one of these overloads that takes this kind, or NULL. */
const struct method *method_for(const struct method *first, enum value_kind receiver);

/* expr_strings.c */
method_call string_concat, string_contains, string_starts_with, string_ends_with;
method_call string_ensure_start, string_ensure_end, string_strip_prefix, string_strip_suffix;
method_call string_substring, string_take, string_take_right, string_drop, string_drop_right;
method_call string_replace, string_split_by, string_split_by_trim, string_trim;
method_call string_to_lower, string_to_upper, string_capitalize, string_reverse, string_length;
method_call string_is_empty, string_non_empty, string_index_of, string_last_index_of;
method_call string_char_at, string_left_pad, string_right_pad, string_equals_ignore_case;

/* expr_codecs.c */
method_call string_encode_hex, string_decode_hex, string_decode_hex_string;
method_call string_encode_base64, string_decode_base64, string_decode_base64_string;
method_call string_encode_utf8, bytes_decode_utf8;
method_call string_md5_hex, string_hmac_md5, string_sha256_hex, string_hmac_sha256;
method_call string_parse_hex, string_to_int, string_to_long, string_to_double, string_to_boolean;

/* expr_answers.c */
method_call answer_bootstrap_account, answer_free_instance, answer_instance_of_server;
method_call answer_instances, answer_link_attribute, answer_value;

/* expr_regex.c */
method_call string_split, string_matches, string_replace_all, string_replace_first;
