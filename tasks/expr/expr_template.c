/*
 * expr_template.c - literal text with ${ } parts.
 */
#include <assert.h>
#include <string.h>

#include "tasks/expr/expr_internal.h"

enum {
	TEMPLATE_MAX = 1 << 20, /* bytes of text; a whole task is shorter */
	SCRATCH_MAX = 1 << 20,  /* bytes that folding one constant may take */
};

struct part {
	struct text text; /* when node is NULL */
	const struct node *node;
	struct part *next;
};

struct template
{
	const char *source; /* its text; nodes count their places from here */
	const struct part *parts;
	size_t n_parts;
	enum expr_depends depends;
	bool patterns;
	const struct expr_name *variables, *settings;
	const struct expr_table_use *tables;
};

/* ---- parsing ---- */

/* After a syntax error: to the closing brace, without further reports. */
static void
skip_expression(struct parser *p)
{
	bool quiet = p->quiet;

	p->quiet = true;
	while (p->token.kind != TOKEN_CLOSE && p->token.kind != TOKEN_END)
		lexer_next(p);
	p->quiet = quiet;
}

/* "${" stands at `start`, p->at behind it. NULL after an error; then p->at is behind the part, too. */
static const struct node *
parse_part(struct parser *p, uint32_t start)
{
	const struct expr_name *variables = p->variables;
	const struct node *node = NULL;

	p->taken_end = (uint32_t)p->at;
	lexer_next(p);
	if (p->token.kind == TOKEN_CLOSE)
		parser_error(p, start, "'${}' holds no expression; the empty text is ${''}");
	else if (p->token.kind == TOKEN_END)
		parser_error(p, start, "this '${' has no closing brace");
	else
		node = parse_expression(p);
	if (node && p->token.kind == TOKEN_END)
		parser_error(p, start, "this '${' has no closing brace");
	else if (node && p->token.kind != TOKEN_CLOSE && p->token.kind != TOKEN_BROKEN)
		parser_error(p, p->token.start, "expected an operator or '}', not %s",
			     token_describe(&p->token));
	skip_expression(p);
	if (node && !p->failed && node->depends == EXPR_CONSTANT && variables == p->variables)
		build_check_constant(p, node);
	return node;
}

static struct part *
add_part(struct parser *p, struct part ***tail)
{
	struct part *part = arena_alloc(p->arena, sizeof *part);

	if (!part)
		return parser_out_of_memory(p);
	*part = (struct part){ 0 };
	**tail = part;
	*tail = &part->next;
	return part;
}

/* The place of the next "${" from `at` on, or the end. */
static size_t
find_expression(const struct parser *p, size_t at)
{
	while (at < p->len) {
		const char *dollar = memchr(p->text + at, '$', p->len - at);

		if (!dollar)
			break;
		at = (size_t)(dollar - p->text);
		if (at + 1 < p->len && p->text[at + 1] == '{')
			return at;
		at++;
	}
	return p->len;
}

/* One literal or one ${ } part. */
static void
parse_next(struct parser *p, struct template *template, struct part ***tail)
{
	size_t start = p->at, end = find_expression(p, start);
	struct part *part = add_part(p, tail);

	if (!part) {
		p->at = p->len;
		return;
	}
	template->n_parts++;
	if (end > start) {
		part->text = (struct text){ p->text + start, end - start };
		p->at = end;
		return;
	}
	p->at = start + 2;
	part->node = parse_part(p, (uint32_t)start);
	if (part->node && part->node->depends > template->depends)
		template->depends = part->node->depends;
}

/* Null in mixed text always fails, so a constant one is an error now. */
static void
check_mixed(struct parser *p, const struct template *template)
{
	if (template->n_parts < 2 || p->failed)
		return;
	for (const struct part *part = template->parts; part; part = part->next) {
		if (part->node && part->node->kinds == KIND(NULL))
			parser_error(p, part->node->start,
				     "null can't be part of a text; the empty text is ''");
		else if (part->node && !(part->node->kinds & (KINDS_PRINTED | KIND(NULL))))
			parser_error(p, part->node->start,
				     "bytes can't be part of a text; use .hex or .base64");
	}
}

/* `p` is set up but for the copy of the text. */
static struct template *
parse(struct parser *p, const char *text, size_t len)
{
	struct template *template = arena_alloc(p->arena, sizeof *template);
	struct part *first = NULL, **tail = &first;

	if (len > TEMPLATE_MAX) {
		parser_error(p, 0, "this text is longer than %d bytes", TEMPLATE_MAX);
		return NULL;
	}
	p->text = arena_copy(p->arena, text, len);
	if (!template || !p->text)
		return parser_out_of_memory(p);
	p->len = len;
	p->work = EXPR_FOLD_WORK;
	*template = (struct template){ .source = p->text, .depends = EXPR_CONSTANT };
	arena_init(&p->scratch, SCRATCH_MAX);
	while (p->at < p->len)
		parse_next(p, template, &tail);
	template->parts = first;
	template->variables = p->variables;
	template->settings = p->settings;
	template->tables = p->tables;
	template->patterns = p->patterns;
	check_mixed(p, template);
	arena_fini(&p->scratch);
	return p->failed ? NULL : template;
}

struct template *
template_parse(struct arena *arena, const char *text, size_t len, const struct place *place,
	       struct diag_list *diags)
{
	struct parser p = { .arena = arena, .place = place, .diags = diags };

	return parse(&p, text, len);
}

struct template *
template_parse_certificate(struct arena *arena, const char *text, size_t len,
			   const struct place *place, struct diag_list *diags)
{
	struct parser p = { .arena = arena, .place = place, .diags = diags, .certificate = true };

	return parse(&p, text, len);
}

/* ---- what is known of it ---- */

enum expr_depends
template_depends(const struct template *template)
{
	return template->depends;
}

bool
template_has_pattern(const struct template *template)
{
	return template->patterns;
}

bool
template_is_literal(const struct template *template, const char **text, size_t *len)
{
	const struct part *only = template->parts;

	if (template->n_parts > 1 || (only && only->node))
		return false;
	*text = only ? only->text.at : "";
	*len = only ? only->text.len : 0;
	return true;
}

static bool
next_name(const struct expr_name *first, const void **cursor, const char **name, size_t *len)
{
	const struct expr_name *next = *cursor ? ((const struct expr_name *)*cursor)->next : first;

	if (!next)
		return false;
	*cursor = next;
	*name = next->name.at;
	*len = next->name.len;
	return true;
}

bool
template_next_var(const struct template *template, const void **cursor, const char **name,
		  size_t *len)
{
	return next_name(template->variables, cursor, name, len);
}

bool
template_next_setting(const struct template *template, const void **cursor, const char **name,
		      size_t *len)
{
	return next_name(template->settings, cursor, name, len);
}

const struct expr_table_use *
template_next_table(const struct template *template, const struct expr_table_use *after)
{
	return after ? after->next : template->tables;
}

unsigned
template_kinds(const struct template *template)
{
	if (!template->n_parts)
		return KIND(NULL);
	if (template->n_parts == 1 && template->parts->node)
		return template->parts->node->kinds;
	return KIND(STRING);
}

/* ---- evaluation ---- */

static bool
evaluate_mixed(struct run *run, const struct template *template, struct value *out)
{
	struct text *texts = expr_alloc(run, template->n_parts * sizeof *texts);
	struct value value;
	size_t used = 0;

	if (!texts)
		return false;
	for (const struct part *part = template->parts; part; part = part->next, used++) {
		if (!part->node)
			texts[used] = part->text;
		else if (!expr_evaluate(run, part->node, &value) ||
			 !expr_text_of(run, part->node, &value, &texts[used]))
			return false;
	}
	assert(used == template->n_parts);
	return expr_join(run, texts, used, out);
}

static bool
evaluate(struct run *run, const struct template *template, struct value *out)
{
	const struct part *first = template->parts;

	*out = (struct value){ .kind = VALUE_NULL };
	if (!first)
		return true;
	if (template->n_parts > 1)
		return evaluate_mixed(run, template, out);
	if (first->node)
		return expr_evaluate(run, first->node, out);
	return expr_give_text(out, first->text.at, first->text.len);
}

int
template_eval(const struct template *template, struct expr_eval *eval, struct value *out)
{
	size_t work = eval->work && *eval->work < EXPR_WORK_MAX ? *eval->work : EXPR_WORK_MAX;
	struct run run = { .eval = eval, .source = template->source, .work = work };
	bool fine;

	eval->error[0] = '\0';
	fine = evaluate(&run, template, out);
	assert(run.work <= work);
	if (eval->work)
		*eval->work -= work - run.work;
	return fine ? 0 : -1;
}
