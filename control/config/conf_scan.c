/* Where settings stand in a text: libconfig's grammar, without what values mean. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf_edit_internal.h"
#include "control/config/conf_precheck.h"

struct scanner {
	struct conf_edit *edit;
	const char *at;
	unsigned depth;
	int error;
};

static struct conf_node *scan_value(struct scanner *scanner);

/* Behind blanks and comments. */
static const char *
skip_blanks(const char *at)
{
	for (;;) {
		at += strspn(at, " \t\r\n\v\f");
		if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
			at += strcspn(at, "\n");
		} else if (at[0] == '/' && at[1] == '*') {
			const char *end = strstr(at + 2, "*/");

			/* One that is never closed is no remark: what is added would be in it. */
			if (!end)
				return at;
			at = end + 2;
		} else {
			return at;
		}
	}
}

static size_t
offset(const struct scanner *scanner)
{
	return (size_t)(scanner->at - scanner->edit->text);
}

static void *
fail(struct scanner *scanner, int error)
{
	if (!scanner->error)
		scanner->error = error;
	return NULL;
}

static struct conf_node *
new_node(struct scanner *scanner, enum conf_kind kind)
{
	struct conf_node *node = arena_alloc(&scanner->edit->arena, sizeof *node);

	if (!node)
		return fail(scanner, -ENOMEM);
	*node = (struct conf_node){ .kind = kind };
	node->start = node->begin = offset(scanner);
	return node;
}

static void
add_child(struct conf_node *parent, struct conf_node *child)
{
	assert(!child->next);
	if (parent->last)
		parent->last->next = child;
	else
		parent->children = child;
	parent->last = child;
	parent->n_children++;
}

static void
skip_terminator(struct scanner *scanner, struct conf_node *node, const char *terminators)
{
	const char *next = skip_blanks(scanner->at);

	if (*next && strchr(terminators, *next))
		scanner->at = next + 1;
	node->stop = offset(scanner);
}

static size_t
name_length(const char *at)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*";
	static const char others[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*-_0123456789";

	return *at && strchr(letters, *at) ? strspn(at, others) : 0;
}

bool
conf_name_is_good(const char *name)
{
	return *name && name_length(name) == strlen(name);
}

static struct conf_node *
scan_member(struct scanner *scanner)
{
	size_t start = offset(scanner), name_len = name_length(scanner->at);
	struct conf_node *node;

	scanner->at = skip_blanks(scanner->at + name_len);
	if (!name_len || (*scanner->at != '=' && *scanner->at != ':'))
		return fail(scanner, -EINVAL);
	scanner->at = skip_blanks(scanner->at + 1);
	node = scan_value(scanner);
	if (!node)
		return NULL;
	node->start = start;
	node->name_len = name_len;
	skip_terminator(scanner, node, ";,");
	return node;
}

/* The children of a node, up to its closing bracket, which is not taken; '\0': the text's end. */
static bool
scan_children(struct scanner *scanner, struct conf_node *node, char closing)
{
	for (;;) {
		struct conf_node *child;

		scanner->at = skip_blanks(scanner->at);
		if (*scanner->at == closing)
			return true;
		if (node->kind == CONF_GROUP) {
			child = scan_member(scanner);
		} else {
			child = scan_value(scanner);
			if (child)
				skip_terminator(scanner, child, ",");
		}
		if (!child)
			return false;
		add_child(node, child);
	}
}

static struct conf_node *
scan_aggregate(struct scanner *scanner, enum conf_kind kind, char closing)
{
	struct conf_node *node = new_node(scanner, kind);

	if (node && ++scanner->depth > CONF_DEPTH_MAX)
		return fail(scanner, -EINVAL);
	scanner->at++;
	if (!node || !scan_children(scanner, node, closing))
		return NULL;
	scanner->at++;
	assert(scanner->depth);
	scanner->depth--;
	node->end = node->stop = offset(scanner);
	return node;
}

/* Behind the strings that stand here, one after the other; NULL when one is never closed. */
static const char *
skip_strings(const char *at)
{
	const char *end = at;

	while (*at == '"') {
		for (at++; *at && *at != '"'; at++)
			if (*at == '\\' && at[1])
				at++;
		if (!*at)
			return NULL;
		end = at + 1;
		at = skip_blanks(end);
	}
	return end;
}

static struct conf_node *
scan_scalar(struct scanner *scanner)
{
	struct conf_node *node = new_node(scanner, CONF_SCALAR);
	const char *end = *scanner->at == '"'
				  ? skip_strings(scanner->at)
				  : scanner->at + strcspn(scanner->at, " \t\r\n\v\f;,=:#/\"(){}[]");

	if (!node || !end || end == scanner->at)
		return fail(scanner, -EINVAL);
	scanner->at = end;
	node->end = node->stop = offset(scanner);
	return node;
}

static struct conf_node *
scan_value(struct scanner *scanner)
{
	switch (*scanner->at) {
	case '{':
		return scan_aggregate(scanner, CONF_GROUP, '}');
	case '(':
		return scan_aggregate(scanner, CONF_LIST, ')');
	case '[':
		return scan_aggregate(scanner, CONF_LIST, ']');
	default:
		return scan_scalar(scanner);
	}
}

int
conf_scan(struct conf_edit *edit)
{
	struct scanner scanner = { .edit = edit,
				   .at = edit->text + conf_bom(edit->text, edit->len) };

	arena_reset(&edit->arena);
	edit->root = new_node(&scanner, CONF_GROUP);
	if (!edit->root || !scan_children(&scanner, edit->root, '\0'))
		return scanner.error;
	edit->root->end = edit->root->stop = edit->len;
	return 0;
}

static bool
same(const struct conf_edit *edit, const struct conf_node *node, const config_setting_t *setting)
{
	const struct conf_node *child = node->children;
	const char *name = config_setting_name(setting);
	bool group = config_setting_is_group(setting);

	if (node != edit->root &&
	    (node->name_len != (name ? strlen(name) : 0) ||
	     (name && memcmp(edit->text + node->start, name, node->name_len) != 0)))
		return false;
	if (!config_setting_is_aggregate(setting))
		return node->kind == CONF_SCALAR;
	if (node->kind != (group ? CONF_GROUP : CONF_LIST) ||
	    node->n_children != (unsigned)config_setting_length(setting))
		return false;
	for (unsigned i = 0; child; i++, child = child->next)
		if (!same(edit, child, config_setting_get_elem(setting, i)))
			return false;
	return true;
}

bool
conf_edit_matches(const struct conf_edit *edit, const struct conf_text *conf)
{
	return same(edit, edit->root, conf_text_root(conf));
}
