#include "control/config/conf_edit.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf_edit_internal.h"

enum { SPLICES_MAX = 4 };

/* One place that changes: `old` bytes at `at` become others. */
struct splice {
	size_t at, old;
	const char *text;
};

static char *
duplicate(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

static void
forget(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

int
conf_edit_init(struct conf_edit *edit, const char *text, size_t len)
{
	int result;

	*edit = (struct conf_edit){ .len = len };
	arena_init(&edit->arena, 0);
	if (memchr(text, '\0', len))
		return -EINVAL;
	edit->text = duplicate(text, len);
	result = edit->text ? conf_scan(edit) : -ENOMEM;
	if (result < 0)
		conf_edit_fini(edit);
	return result;
}

void
conf_edit_fini(struct conf_edit *edit)
{
	forget(edit->text, edit->len);
	arena_fini(&edit->arena);
	*edit = (struct conf_edit){ 0 };
}

/* Makes the changes, given from front to back, and looks where things stand now. */
static int
change(struct conf_edit *edit, const struct splice *splices, unsigned n)
{
	char *old = edit->text;
	size_t old_len = edit->len, at = 0;
	struct text text;
	int result;

	text_init(&text);
	for (unsigned i = 0; i < n; i++) {
		assert(splices[i].at >= at && splices[i].at + splices[i].old <= old_len);
		text_put(&text, old + at, splices[i].at - at);
		text_put(&text, splices[i].text, strlen(splices[i].text));
		at = splices[i].at + splices[i].old;
	}
	text_put(&text, old + at, old_len - at);
	if (text.failed) {
		text_fini(&text);
		return -ENOMEM;
	}
	edit->text = text.at;
	edit->len = text.len;
	result = conf_scan(edit);
	if (result < 0) {
		edit->text = old;
		edit->len = old_len;
		forget(text.at, text.len);
		return conf_scan(edit) < 0 ? -ENOMEM : result;
	}
	forget(old, old_len);
	return 0;
}

/* --- where --- */

const struct conf_node *
conf_edit_member(const struct conf_edit *edit, const struct conf_node *group, const char *name)
{
	if (!group || group->kind != CONF_GROUP)
		return NULL;
	for (const struct conf_node *node = group->children; node; node = node->next)
		if (node->name_len == strlen(name) &&
		    memcmp(edit->text + node->start, name, node->name_len) == 0)
			return node;
	return NULL;
}

const struct conf_node *
conf_edit_element(const struct conf_node *list, unsigned index)
{
	const struct conf_node *node = list && list->kind == CONF_LIST ? list->children : NULL;

	while (node && index--)
		node = node->next;
	return node;
}

static size_t
line_start(const struct conf_edit *edit, size_t at)
{
	while (at && edit->text[at - 1] != '\n')
		at--;
	return at;
}

/* The blanks that a line begins with. */
static size_t
indent_length(const struct conf_edit *edit, size_t line)
{
	return strspn(edit->text + line, " \t");
}

static bool
begins_its_line(const struct conf_edit *edit, const struct conf_node *node)
{
	size_t line = line_start(edit, node->start);

	return line + indent_length(edit, line) == node->start;
}

/*
 * The end of the line that `at` is in, when nothing but blanks and remarks follows there; `at`
 * itself when something does.
 */
static size_t
line_end_after(const struct conf_edit *edit, size_t at)
{
	const char *from = edit->text + at, *end = from + strspn(from, " \t\r");

	while (end[0] == '/' && end[1] == '*') {
		const char *close = strstr(end + 2, "*/");

		if (!close || memchr(end, '\n', (size_t)(close - end)))
			return at;
		end = close + 2 + strspn(close + 2, " \t\r");
	}
	if (*end == '#' || (end[0] == '/' && end[1] == '/'))
		end += strcspn(end, "\n");
	if (*end && *end != '\n')
		return at;
	if (end > from && end[-1] == '\r')
		end--;
	return (size_t)(end - edit->text);
}

static bool
is_terminated(const struct conf_node *node)
{
	return node->stop > node->end;
}

/* --- members --- */

static void
put_pair(struct text *text, const struct conf_pair *pair)
{
	text_printf(text, "%s = %s;", pair->name, pair->value);
}

static int
finish(struct conf_edit *edit, struct text *text, struct splice *splices, unsigned n)
{
	int result = -ENOMEM;

	assert(n); /* the last one takes the text */
	if (!text->failed) {
		splices[n - 1].text = text_str(text);
		result = change(edit, splices, n);
	}
	if (text->at)
		explicit_bzero(text->at, text->len);
	text_fini(text);
	return result;
}

/* Behind the last member: on a line of its own where that one has its own. */
static int
add_after(struct conf_edit *edit, const struct conf_node *last, const struct conf_pair *pair)
{
	struct splice splices[2] = { { last->end, 0, ";" } };
	bool own_line = begins_its_line(edit, last);
	size_t line = line_start(edit, last->start);
	struct text text;
	unsigned n = is_terminated(last) ? 0 : 1;

	text_init(&text);
	if (own_line) {
		text_put(&text, "\n", 1);
		text_put(&text, edit->text + line, last->start - line);
	} else {
		text_put(&text, " ", 1);
	}
	put_pair(&text, pair);
	splices[n++] =
		(struct splice){ .at = own_line ? line_end_after(edit, last->stop) : last->stop };
	return finish(edit, &text, splices, n);
}

static int
add_first(struct conf_edit *edit, const struct conf_node *group, const struct conf_pair *pair)
{
	bool root = group == edit->root;
	struct splice splice = { .at = root ? edit->len : group->begin + 1 };
	struct text text;

	text_init(&text);
	if (!root)
		text_put(&text, " ", 1);
	else if (edit->len && edit->text[edit->len - 1] != '\n')
		text_put(&text, "\n", 1);
	put_pair(&text, pair);
	if (root)
		text_put(&text, "\n", 1);
	else if (edit->text[splice.at] == '}')
		text_put(&text, " ", 1);
	return finish(edit, &text, &splice, 1);
}

int
conf_edit_set(struct conf_edit *edit, const struct conf_node *group, struct conf_pair pair)
{
	const struct conf_node *member = conf_edit_member(edit, group, pair.name);
	struct splice splice;

	if (!group || group->kind != CONF_GROUP || !conf_name_is_good(pair.name))
		return -EINVAL;
	if (!member)
		return group->last ? add_after(edit, group->last, &pair)
				   : add_first(edit, group, &pair);
	splice = (struct splice){ member->begin, member->end - member->begin, pair.value };
	return change(edit, &splice, 1);
}

/* What goes with a setting: its line, if it has one to itself, else the blanks beside it. */
static struct splice
cut(const struct conf_edit *edit, const struct conf_node *node)
{
	size_t from = node->start, to = node->stop;

	if (!begins_its_line(edit, node)) {
		while (from && strchr(" \t", edit->text[from - 1]))
			from--;
		return (struct splice){ from, to - from, "" };
	}
	to = line_end_after(edit, node->stop);
	if (to == node->stop && edit->text[to] && !strchr("\r\n", edit->text[to])) {
		/* Others follow on the line, and take its place. */
		to += strspn(edit->text + to, " \t");
		return (struct splice){ from, to - from, "" };
	}
	from = line_start(edit, from);
	to += strspn(edit->text + to, "\r");
	if (edit->text[to] == '\n')
		to++;
	return (struct splice){ from, to - from, "" };
}

int
conf_edit_unset(struct conf_edit *edit, const struct conf_node *group, const char *name)
{
	const struct conf_node *member = conf_edit_member(edit, group, name);
	struct splice splice;

	if (!member)
		return 0;
	splice = cut(edit, member);
	return change(edit, &splice, 1);
}

/* --- elements --- */

/* How the next element is laid out. */
struct layout {
	bool one_line, own_line;
	char indent[128];
	const char *step;
};

/* As the last sibling that has a line of its own; else one step deeper than the list. */
static struct layout
find_layout(const struct conf_edit *edit, const struct conf_node *list)
{
	const struct conf_node *model = NULL, *last = list->last;
	struct layout layout = { .own_line = true };
	size_t line, len;

	for (const struct conf_node *node = list->children; node; node = node->next)
		if (begins_its_line(edit, node))
			model = node;
	layout.one_line = last && !memchr(edit->text + last->begin, '\n', last->end - last->begin);
	layout.own_line = model || !last || !layout.one_line;
	line = line_start(edit, model ? model->start : list->start);
	len = indent_length(edit, line);
	layout.step = memchr(edit->text + line, '\t', len) ? "\t" : "    ";
	snprintf(layout.indent, sizeof layout.indent, "%.*s%s", (int)len, edit->text + line,
		 model ? "" : layout.step);
	return layout;
}

static void
put_element(struct text *text, const struct layout *layout, const struct conf_pair *pairs,
	    unsigned n_pairs)
{
	if (layout->own_line)
		text_printf(text, "\n%s", layout->indent);
	else
		text_put(text, " ", 1);
	text_put(text, "{", 1);
	for (unsigned i = 0; i < n_pairs; i++) {
		if (!pairs[i].value)
			continue;
		if (layout->one_line)
			text_put(text, " ", 1);
		else
			text_printf(text, "\n%s%s", layout->indent, layout->step);
		put_pair(text, &pairs[i]);
	}
	if (layout->one_line)
		text_put(text, " }", 2);
	else
		text_printf(text, "\n%s}", layout->indent);
}

/* Into a list without elements: its closing bracket gets a line of its own. */
static int
append_first(struct conf_edit *edit, const struct conf_node *list, struct text *text)
{
	size_t closing = list->end - 1, from = closing, line = line_start(edit, list->start);

	assert(!list->last && edit->text[closing] == ')');
	while (from > list->begin + 1 && strchr(" \t\r\n", edit->text[from - 1]))
		from--;
	text_put(text, "\n", 1);
	text_put(text, edit->text + line, indent_length(edit, line));
	return finish(edit, text, &(struct splice){ .at = from, .old = closing - from }, 1);
}

int
conf_edit_append(struct conf_edit *edit, const struct conf_node *list,
		 const struct conf_pair *pairs, unsigned n_pairs)
{
	const struct conf_node *last = list ? list->last : NULL;
	struct splice splices[2] = { { last ? last->end : 0, 0, "," } };
	struct layout layout;
	struct text text;
	unsigned n = last && !is_terminated(last) ? 1 : 0;

	if (!list || list->kind != CONF_LIST || edit->text[list->begin] != '(')
		return -EINVAL;
	layout = find_layout(edit, list);
	text_init(&text);
	put_element(&text, &layout, pairs, n_pairs);
	if (!last)
		return append_first(edit, list, &text);
	splices[n++] = (struct splice){ .at = layout.own_line ? line_end_after(edit, last->stop)
							      : last->stop };
	return finish(edit, &text, splices, n);
}

int
conf_edit_append_value(struct conf_edit *edit, const struct conf_node *list, const char *value)
{
	const struct conf_node *last = list ? list->last : NULL;
	struct splice splice;
	struct text text;
	int result;

	if (!list || list->kind != CONF_LIST)
		return -EINVAL;
	text_init(&text);
	/* "[ a ]" becomes "[ a, b ]", and "[ ]" "[ b ]". */
	text_printf(&text, "%s%s", !last ? " " : is_terminated(last) ? " " : ", ", value);
	splice = (struct splice){ .at = !last                 ? list->begin + 1
					: is_terminated(last) ? last->stop
							      : last->end,
				  .text = text_str(&text) };
	result = text.failed ? -ENOMEM : change(edit, &splice, 1);
	text_fini(&text);
	return result;
}

int
conf_edit_remove(struct conf_edit *edit, const struct conf_node *list, unsigned index)
{
	const struct conf_node *node = conf_edit_element(list, index), *before;
	struct splice splices[2];
	unsigned n = 0;

	if (!node)
		return -EINVAL;
	before = index ? conf_edit_element(list, index - 1) : NULL;
	/* The new last one needs no comma. */
	if (before && !node->next && is_terminated(before))
		splices[n++] = (struct splice){ before->stop - 1, 1, "" };
	splices[n++] = cut(edit, node);
	return change(edit, splices, n);
}

/* A member as an element: everything that is no name, value or terminator stays. */
static void
put_as_element(const struct conf_edit *edit, const struct conf_node *node, struct text *text)
{
	bool group = node->kind == CONF_GROUP;

	assert(node->name_len); /* a member, no element */
	text_printf(text, "{ name = \"%.*s\";%s", (int)node->name_len, edit->text + node->start,
		    group ? "" : " value = ");
	text_put(text, edit->text + node->begin + group, node->end - node->begin - group);
	text_printf(text, "%s%s", group ? "" : "; }", node->next ? "," : "");
	/* Blanks and remarks up to the terminator. */
	if (is_terminated(node))
		text_put(text, edit->text + node->end, node->stop - node->end - 1);
}

int
conf_edit_make_list(struct conf_edit *edit, const struct conf_node *group)
{
	struct splice splice;
	struct text text;
	size_t at;

	if (!group || group->kind != CONF_GROUP || group == edit->root)
		return -EINVAL;
	text_init(&text);
	text_put(&text, "(", 1);
	at = group->begin + 1;
	for (const struct conf_node *node = group->children; node; node = node->next) {
		text_put(&text, edit->text + at, node->start - at);
		put_as_element(edit, node, &text);
		at = node->stop;
	}
	text_put(&text, edit->text + at, group->end - 1 - at);
	text_put(&text, ")", 1);
	splice = (struct splice){ .at = group->begin, .old = group->end - group->begin };
	return finish(edit, &text, &splice, 1);
}

/* --- values --- */

void
conf_quote(struct text *out, const char *text)
{
	text_put(out, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			text_printf(out, "\\%c", *text);
		else if (*text == '\n')
			text_put(out, "\\n", 2);
		else if (*text == '\t')
			text_put(out, "\\t", 2);
		else if ((unsigned char)*text < ' ' || *text == 0x7f)
			text_printf(out, "\\x%02x", (unsigned char)*text);
		else
			text_put(out, text, 1);
	}
	text_put(out, "\"", 1);
}
