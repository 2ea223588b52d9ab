/*
 * Warns of messages that hold a secret: a setting whose name says so, what goes into a resource for keys, and what a
 * variable holds of them. In what a run says they are masked (compile/secrets.h), so such a message says little.
 */
#include <string.h>

#include "tasks/model/task_tree.h"
#include "tasks/secret_name.h"

enum {
	NAMES_MAX = 64,
	TURNS = 4
}; /* variables of variables; what is behind that is not warned of */

/* Names of settings or of variables; borrowed. */
struct names {
	struct {
		const char *at;
		size_t len;
	} name[NAMES_MAX];
	unsigned n;
};

struct search {
	const struct task *task;
	struct diag_list *diags;
	struct names settings, vars;
	bool grown; /* in this turn */
};

/* Of settings or of variables. */
typedef bool next_name(const struct template *template, const void **cursor, const char **name,
		       size_t *len);

static bool
has(const struct names *names, const char *name, size_t len)
{
	for (unsigned i = 0; i < names->n; i++)
		if (names->name[i].len == len && !memcmp(names->name[i].at, name, len))
			return true;
	return false;
}

static void
add(struct search *search, struct names *names, const char *name, size_t len)
{
	if (names->n == NAMES_MAX || has(names, name, len))
		return;
	names->name[names->n].at = name;
	names->name[names->n++].len = len;
	search->grown = true;
}

/* The secret that a template reads, or NULL; its root, "sv." or "#", in front. */
static const char *
secret_of(const struct search *search, const struct template *template, const char **root,
	  size_t *len)
{
	const void *cursor = NULL;
	const char *name;

	*root = "sv.";
	while (template && template_next_setting(template, &cursor, &name, len))
		if (secret_name(name, *len) || has(&search->settings, name, *len))
			return name;
	*root = "#";
	for (cursor = NULL; template && template_next_var(template, &cursor, &name, len);)
		if (has(&search->vars, name, *len))
			return name;
	return NULL;
}

static unsigned
count(const struct template *template, next_name *next)
{
	const void *cursor = NULL;
	const char *name;
	unsigned n = 0;
	size_t len;

	while (next(template, &cursor, &name, &len))
		n++;
	return n;
}

/* A value that is secret: what it is made of is, too, where that is one thing. */
static void
mark(struct search *search, const struct task_attribute *value)
{
	const struct template *template = value->template;
	const void *cursor = NULL;
	const char *name;
	size_t len;

	if (!template ||
	    count(template, template_next_setting) + count(template, template_next_var) != 1)
		return;
	if (template_next_setting(template, &cursor, &name, &len))
		add(search, &search->settings, name, len);
	cursor = NULL;
	if (template_next_var(template, &cursor, &name, &len))
		add(search, &search->vars, name, len);
}

static void
learn_store(struct search *search, const struct task_node *node)
{
	const struct task_attribute *target = &node->attributes[STORE_TARGET];
	const struct task_attribute *value = &node->attributes[STORE_VALUE];
	bool is_var = node->tag == TAG_DEFAULTS || node->store == STORE_VAR;
	const char *root;
	size_t len;

	if (is_var && target->literal && has(&search->vars, target->text, target->len))
		mark(search, value);
	if (is_var && target->literal && secret_of(search, value->template, &root, &len))
		add(search, &search->vars, target->text, target->len);
}

static void
learn(struct search *search, const struct task_node *node)
{
	for (; node; node = node->next) {
		if (node->tag == TAG_WRITE && node->write.key_known &&
		    key_path_is_secret(&node->write.key.path))
			mark(search, &node->attributes[WRITE_VALUE]);
		else if (node->tag == TAG_STORE || node->tag == TAG_DEFAULTS)
			learn_store(search, node);
		if (node->otherwise)
			learn(search, node->otherwise->children);
		learn(search, node->children);
	}
}

/* The attribute that people will see, or -1. */
static int
shown_attribute(const struct task_node *node)
{
	switch (node->tag) {
	case TAG_LOG:
		return LOG_MESSAGE;
	case TAG_FINISH:
		return FINISH_MESSAGE;
	case TAG_JOIN:
	case TAG_LEAVE:
		return GROUP_NAME;
	case TAG_STORE:
		return node->store == STORE_HISTORY ? STORE_VALUE : -1;
	default:
		return -1;
	}
}

static void
warn(struct search *search, const struct task_node *node)
{
	int index = shown_attribute(node);
	const struct task_attribute *attribute = index < 0 ? NULL : &node->attributes[index];
	const char *root, *name;
	struct place place;
	size_t len;

	if (!attribute)
		return;
	name = secret_of(search, attribute->template, &root, &len);
	if (!name)
		return;
	place = (struct place){ search->task->name, attribute->line, attribute->column,
				tag_name(node), tag_rules[node->tag].attributes[index].name };
	diag_warning(search->diags, &place,
		     "%s%.*s is a secret: it is masked in logs and reports; leave it out", root,
		     (int)(len < 60 ? len : 60), name);
}

static void
warn_all(struct search *search, const struct task_node *node)
{
	for (; node; node = node->next) {
		warn(search, node);
		if (node->otherwise)
			warn_all(search, node->otherwise->children);
		warn_all(search, node->children);
	}
}

void
task_warn_secrets(const struct task *task, struct diag_list *diags)
{
	struct search search = { .task = task, .diags = diags, .grown = true };

	for (int turn = 0; turn < TURNS && search.grown; turn++) {
		search.grown = false;
		learn(&search, task->root->children);
	}
	warn_all(&search, task->root->children);
}
