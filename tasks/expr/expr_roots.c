/*
 * expr_roots.c - what an expression can read of its surroundings: a root and the chain behind it.
 */
#include "tasks/expr/expr_internal.h"

#include <stdio.h>
#include <string.h>

struct attribute {
	const char *root, *name;
	uint8_t kinds;
	uint8_t depends; /* enum expr_depends */
};

/* expr.h lists them for those who provide them. */
static const struct attribute attributes[] = {
	{ "device", "id", KIND(STRING) | KIND(INTEGER), EXPR_DEVICE },
	{ "device", "endpointName", KIND(STRING), EXPR_DEVICE },
	{ "device", "identity", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "device", "domain", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "device", "groups", KIND(LIST), EXPR_DEVICE },
	{ "device", "directGroups", KIND(LIST), EXPR_DEVICE },
	{ "device", "creationTime", KIND(INTEGER) | KIND(NULL), EXPR_DEVICE },
	{ "device", "lastBootstrapTime", KIND(INTEGER) | KIND(NULL), EXPR_DEVICE },
	{ "lwm2m", "bootstrapEvent", KINDS_ANY, EXPR_SESSION },
	{ "lwm2m", "version", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "lwm2m", "preferredContentFormat", KIND(INTEGER) | KIND(NULL), EXPR_DEVICE },
	{ "task", "id", KIND(STRING) | KIND(INTEGER) | KIND(NULL), EXPR_DEVICE },
	{ "task", "name", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "task", "group", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "task", "priority", KIND(INTEGER) | KIND(NULL), EXPR_DEVICE },
	{ "cert", "cn", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert", "serialNumber", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert", "serial", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert", "fingerprint", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert", "spki", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert.san", "uri", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert.san", "uris", KIND(LIST), EXPR_DEVICE },
	{ "cert.san", "dns", KIND(STRING) | KIND(NULL), EXPR_DEVICE },
	{ "cert.san", "dnsNames", KIND(LIST), EXPR_DEVICE },
};

enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static bool
text_is(struct text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

/* Reports an unknown name and the nearest of `known`, or all of them when none is near. */
static void
unknown_name(struct parser *p, uint32_t offset, const char *what, struct text name,
	     const char *const known[])
{
	char word[64], list[256] = "";
	size_t count = 0, used = 0;
	const char *nearest;

	snprintf(word, sizeof word, "%.*s", (int)(name.len < 60 ? name.len : 60), name.at);
	for (; known[count]; count++) {
		int n = snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "",
				 known[count]);

		if (n > 0 && (size_t)n < sizeof list - used)
			used += (size_t)n;
	}
	nearest = diag_nearest(word, known, count);
	if (nearest)
		parser_error(p, offset, "unknown %s '%s'; did you mean '%s'?", what, word, nearest);
	else
		parser_error(p, offset, "unknown %s '%s'; known are %s", what, word, list);
}

/* The argument of a call with exactly one: "(" is the next token. NULL after an error that was reported. */
static const struct node *
parse_one_argument(struct parser *p, const char *of, unsigned wanted)
{
	uint32_t start = p->token.start;
	const struct node *arg;
	int n;

	if (!parser_expect(p, TOKEN_OPEN_PAREN, "'('"))
		return NULL;
	n = parse_arguments(p, &arg, 1);
	if (n < 0)
		return NULL;
	if (n != 1) {
		parser_error(p, start, "%s takes one argument, not %d", of, n);
		return build_broken(p, start);
	}
	build_check(p, arg, wanted, of);
	return arg;
}

/* A node of one argument that reads the device. */
static const struct node *
build_call(struct parser *p, enum node_kind kind, uint32_t start, const struct node *arg)
{
	struct node *node = arg ? build_node(p, kind, start, 1) : NULL;

	if (!node)
		return NULL;
	node->args[0] = arg;
	node->kinds = KIND(STRING) | KIND(NULL);
	node->depends = EXPR_DEVICE;
	if (kind == NODE_IN_GROUP)
		node->kinds = KIND(BOOLEAN) | KIND(NULL);
	if (kind == NODE_RANDOM || kind == NODE_SECRET_RANDOM) {
		node->kinds = KIND(STRING);
		node->depends = EXPR_SESSION;
	}
	return build_finish(p, node);
}

/* sv.get('x') */
static const struct node *
parse_setting_by(struct parser *p, uint32_t start)
{
	const struct node *name = parse_one_argument(p, "sv.get", KIND(STRING));

	if (name && name->kind == NODE_LITERAL && name->literal.kind == VALUE_STRING &&
	    !build_name(p, &p->settings,
			(struct text){ name->literal.text.at, name->literal.text.len }))
		return NULL;
	return build_call(p, NODE_SETTING_BY, start, name);
}

/* sv.NAME, sv.`odd name`, sv.get('x') */
static const struct node *
parse_settings(struct parser *p, uint32_t start)
{
	struct text name;
	struct node *node;

	if (!parser_expect_member(p, "sv", &name))
		return NULL;
	if (text_is(name, "get") && p->token.kind == TOKEN_OPEN_PAREN)
		return parse_setting_by(p, start);
	node = build_node(p, NODE_SETTING, start, 0);
	if (!node || !build_name(p, &p->settings, name))
		return NULL;
	node->name = name;
	node->kinds = KIND(STRING) | KIND(NULL);
	node->depends = EXPR_DEVICE;
	return build_finish(p, node);
}

static const struct node *
build_attribute(struct parser *p, uint32_t start, const struct attribute *attribute,
		struct text name)
{
	struct node *node = build_node(p, NODE_ATTRIBUTE, start, 0);

	if (!node)
		return NULL;
	node->root = attribute->root;
	node->name = name;
	node->kinds = attribute->kinds;
	node->depends = attribute->depends;
	return build_finish(p, node);
}

static const struct node *
parse_attribute(struct parser *p, uint32_t start, const char *root)
{
	static const struct attribute property = { "property", NULL, KIND(STRING) | KIND(NULL),
						   EXPR_DEVICE };
	const char *known[ATTRIBUTES + 3];
	uint32_t offset = p->token.end;
	unsigned count = 0;
	struct text name;

	if (!parser_expect_member(p, root, &name))
		return NULL;
	if (strcmp(root, "device") == 0) {
		if (text_is(name, "isInGroup"))
			return build_call(p, NODE_IN_GROUP, start,
					  parse_one_argument(p, "device.isInGroup", KIND(STRING)));
		if (text_is(name, "property"))
			return parser_expect_member(p, "device.property", &name)
				       ? build_attribute(p, start, &property, name)
				       : NULL;
		known[count++] = "isInGroup";
		known[count++] = "property";
	}
	if (strcmp(root, "cert") == 0) {
		if (text_is(name, "san"))
			return parse_attribute(p, start, "cert.san");
		known[count++] = "san";
	}
	for (unsigned i = 0; i < ATTRIBUTES; i++) {
		if (strcmp(attributes[i].root, root) != 0)
			continue;
		if (text_is(name, attributes[i].name))
			return build_attribute(p, start, &attributes[i], name);
		known[count++] = attributes[i].name;
	}
	known[count] = NULL;
	unknown_name(p, offset, "attribute", name, known);
	return build_broken(p, start);
}

/* ".by" or ".get" of a resource; the argument behind it. */
static const struct node *
parse_resource_call(struct parser *p, const char *call, unsigned wanted)
{
	uint32_t offset = p->token.start;
	struct text name;

	if (!parser_expect_member(p, "res.ALIAS", &name))
		return NULL;
	if (!text_is(name, call)) {
		parser_error(p, offset,
			     "a resource is read as res.ALIAS.by('column').get(key).column; "
			     "'.%s(' is expected here",
			     call);
		return NULL;
	}
	return parse_one_argument(p, call, wanted);
}

/* Adds a look-up to those of the template; false: no memory, which was reported. */
static bool
add_table_use(struct parser *p, const struct node *node)
{
	struct expr_table_use *use = arena_alloc(p->arena, sizeof *use);
	const struct node *by = node->args[0];

	if (!use)
		return parser_out_of_memory(p);
	*use = (struct expr_table_use){
		.alias = node->resource.alias.at,
		.alias_len = node->resource.alias.len,
		.wanted = node->resource.wanted.at,
		.wanted_len = node->resource.wanted.len,
		.next = p->tables,
	};
	if (by->kind == NODE_LITERAL && by->literal.kind == VALUE_STRING) {
		use->by = by->literal.text.at;
		use->by_len = by->literal.text.len;
	}
	p->tables = use;
	return true;
}

/* res.ALIAS.by('col').get(key).col2 */
static const struct node *
parse_resource(struct parser *p, uint32_t start)
{
	struct text alias, wanted;
	const struct node *column, *key;
	struct node *node;

	if (!parser_expect_member(p, "res", &alias))
		return NULL;
	column = parse_resource_call(p, "by", KIND(STRING));
	key = column ? parse_resource_call(p, "get", KIND(STRING) | KIND(INTEGER)) : NULL;
	if (!key || !parser_expect_member(p, "res.ALIAS.by('column').get(key)", &wanted))
		return NULL;
	node = build_node(p, NODE_RESOURCE, start, 2);
	if (!node)
		return NULL;
	node->resource.alias = alias;
	node->resource.wanted = wanted;
	node->args[0] = column;
	node->args[1] = key;
	node->kinds = KIND(STRING) | KIND(NULL);
	node->depends = EXPR_DEVICE;
	return add_table_use(p, node) ? build_finish(p, node) : NULL;
}

/* string.random(n) and string.secureRandom(n): both are cryptographically strong here, the second is a secret. */
static const struct node *
parse_random(struct parser *p, uint32_t start)
{
	static const char *const known[] = { "random", "secureRandom", NULL };
	uint32_t offset = p->token.end;
	struct text name;

	if (!parser_expect_member(p, "string", &name))
		return NULL;
	if (text_is(name, known[0]))
		return build_call(p, NODE_RANDOM, start,
				  parse_one_argument(p, "string.random", KIND(INTEGER)));
	if (text_is(name, known[1]))
		return build_call(p, NODE_SECRET_RANDOM, start,
				  parse_one_argument(p, "string.secureRandom", KIND(INTEGER)));
	unknown_name(p, offset, "function of string", name, known);
	return build_broken(p, start);
}

static bool
is_word_part(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-';
}

/*
 * sv.my-key is sv.my minus key: the whole name, when an unknown name stands behind "sv.NAME-" or "#NAME-" without a
 * blank. False: it does not.
 */
static bool
hyphenated(const struct parser *p, const struct token *name, struct text *whole, bool *setting)
{
	size_t start = name->start, end = name->end;

	if (!start || p->text[start - 1] != '-')
		return false;
	while (start && is_word_part(p->text[start - 1]))
		start--;
	while (end < p->len && is_word_part(p->text[end]))
		end++;
	*setting = start >= 3 && memcmp(p->text + start - 3, "sv.", 3) == 0;
	*whole = (struct text){ p->text + start, end - start };
	return *setting || (start && p->text[start - 1] == '#');
}

static void
unknown_root(struct parser *p, const struct token *name, const char *const known[])
{
	struct text whole;
	bool setting;

	if (!hyphenated(p, name, &whole, &setting))
		unknown_name(p, name->start, "name", (struct text){ name->text.at, name->text.len },
			     known);
	else if (setting)
		parser_error(
			p, name->start,
			"'-' subtracts here; a setting with such a name is read by sv.get('%.*s')",
			(int)(whole.len < 60 ? whole.len : 60), whole.at);
	else
		parser_error(p, name->start,
			     "'-' subtracts here; a variable with such a name is written #`%.*s`",
			     (int)(whole.len < 60 ? whole.len : 60), whole.at);
}

/* Of a template that is made out of a certificate. */
static const struct node *
parse_certificate_root(struct parser *p, const struct token *name)
{
	static const char *const known[] = { "cert", "true", "false", "null", "if", NULL };

	if (text_is((struct text){ name->text.at, name->text.len }, "cert"))
		return parse_attribute(p, name->start, "cert");
	unknown_name(p, name->start, "name", (struct text){ name->text.at, name->text.len }, known);
	return build_broken(p, name->start);
}

const struct node *
parse_root(struct parser *p, const struct token *name)
{
	static const char *const known[] = { "sv",   "device", "lwm2m", "task", "res", "string",
					     "true", "false",  "null",  "if",   NULL };
	struct text text = { name->text.at, name->text.len };

	if (p->certificate)
		return parse_certificate_root(p, name);
	if (text_is(text, "sv"))
		return parse_settings(p, name->start);
	if (text_is(text, "device"))
		return parse_attribute(p, name->start, "device");
	if (text_is(text, "lwm2m"))
		return parse_attribute(p, name->start, "lwm2m");
	if (text_is(text, "task"))
		return parse_attribute(p, name->start, "task");
	if (text_is(text, "res"))
		return parse_resource(p, name->start);
	if (text_is(text, "string"))
		return parse_random(p, name->start);
	unknown_root(p, name, known);
	return build_broken(p, name->start);
}
