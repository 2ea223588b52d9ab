/*
 * The editor of configuration files: what libconfig reads, the scanner sees alike, or says that it
 * cannot; and a change is what libconfig reads back, with everything else as it was.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/config/conf_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		__builtin_trap();
}

/* libconfig reads the changed text, and the scanner agrees; then the number of its settings. */
static int
settings_now(const struct conf_edit *edit)
{
	struct diag_list diags;
	struct conf_text conf;
	int n;

	diag_list_init(&diags);
	must(conf_text_parse(&conf, "x.conf", edit->text, edit->len, &diags) == 0);
	must(conf_edit_matches(edit, &conf));
	n = config_setting_length(conf_text_root(&conf));
	conf_text_fini(&conf);
	diag_list_fini(&diags);
	return n;
}

static void
edit_it(struct conf_edit *edit)
{
	static const struct conf_pair pair = { "zz", "\"a\\\"}b\"" };
	int before = settings_now(edit);
	bool there = conf_edit_member(edit, edit->root, pair.name);
	const struct conf_node *node;

	must(conf_edit_set(edit, edit->root, pair) == 0);
	must(settings_now(edit) == before + !there);
	must(conf_edit_unset(edit, edit->root, pair.name) == 0);
	must(settings_now(edit) == before - there);
	for (unsigned i = 0; i < edit->root->n_children; i++) {
		node = edit->root->children;
		for (unsigned k = 0; k < i; k++)
			node = node->next;
		if (node->kind == CONF_GROUP)
			must(conf_edit_set(edit, node, pair) == 0);
		else if (node->kind == CONF_LIST && edit->text[node->begin] == '(')
			must(i % 2 ? conf_edit_append(edit, node, &pair, 1) == 0
				   : conf_edit_append_value(edit, node, pair.value) == 0);
		must(settings_now(edit) == before - there);
	}
	for (node = edit->root->children; node && node->kind != CONF_LIST;)
		node = node->next;
	if (node && node->n_children)
		must(conf_edit_remove(edit, node, node->n_children / 2) == 0);
	must(settings_now(edit) == before - there);
}

/* A member called "name" comes twice then, which libconfig refuses: nothing else may go wrong. */
static void
make_lists(struct conf_edit *edit)
{
	struct diag_list diags;
	struct conf_text conf;

	for (unsigned i = 0; i < edit->root->n_children; i++) {
		const struct conf_node *node = edit->root->children;

		for (unsigned k = 0; k < i; k++)
			node = node->next;
		if (node->kind != CONF_GROUP)
			continue;
		must(conf_edit_make_list(edit, node) == 0);
	}
	diag_list_init(&diags);
	if (conf_text_parse(&conf, "x.conf", edit->text, edit->len, &diags) == 0) {
		must(conf_edit_matches(edit, &conf));
		conf_text_fini(&conf);
	}
	diag_list_fini(&diags);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag_list diags;
	struct conf_edit edit;
	struct conf_text conf;
	int scanned = conf_edit_init(&edit, (const char *)data, size);

	diag_list_init(&diags);
	if (conf_text_parse(&conf, "x.conf", (const char *)data, size, &diags) == 0) {
		bool matches = scanned == 0 && conf_edit_matches(&edit, &conf);

		conf_text_fini(&conf);
		if (matches)
			edit_it(&edit);
		if (matches)
			make_lists(&edit);
	}
	if (scanned == 0)
		conf_edit_fini(&edit);
	diag_list_fini(&diags);
	return 0;
}
