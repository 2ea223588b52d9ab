#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/commands/policy_edit_internal.h"
#include "control/config/diag_text.h"
#include "control/file_replace.h"
#include "control/runs/reload.h"

void
policy_edit_path(const struct policy_edit *edit, const char *name, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s", edit->folder, name);
}

void
policy_edit_list_file(const struct policy_edit *edit, char name[32])
{
	snprintf(name, 32, "%s.conf", edit->file);
}

void
policy_edit_forget(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

/* Every diagnostic, and that nothing has changed. */
void
policy_edit_refuse(struct call *call, struct diag_list *diags)
{
	call->exit = CTL_REFUSED;
	diag_text_put(diags, &call->error);
	text_show(&call->error, "nothing was changed\n");
	json_decref(call->result);
	call->result = json_pack("{s:b, s:o}", "changed", 0, "diagnostics", diag_text_json(diags));
}

/* A file's content; *text NULL where there is none. False after adding an error. */
bool
policy_edit_read(const char *path, char **text, size_t *len, struct diag_list *diags)
{
	*text = NULL;
	*len = 0;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return true;
	*text = conf_file_read(path, POLICY_FILE_MAX, len, diags);
	return *text != NULL;
}

/* --- the text --- */

/* Reads edit->text as libconfig does; both must see the same. */
static bool
parse(struct policy_edit *edit, struct diag_list *diags)
{
	char name[32], path[PATH_BYTES];
	struct place place = { .file = path };

	policy_edit_list_file(edit, name);
	policy_edit_path(edit, name, path);
	if (conf_text_parse(&edit->conf, path, edit->text.text, edit->text.len, diags) < 0)
		return false;
	if (conf_edit_matches(&edit->text, &edit->conf))
		return true;
	diag_error(diags, &place,
		   "this file's layout is not understood well enough to change it "
		   "by command: edit it by hand, and reload");
	conf_text_fini(&edit->conf);
	return false;
}

/*
 * After every change of edit->text, with what it returned: reads the new text.
 */
static bool
changed(struct policy_edit *edit, int result)
{
	struct diag_list diags;
	bool good;

	if (result < 0) {
		call_refuse(edit->call, CTL_REFUSED, "%s.conf cannot be changed so: %s", edit->file,
			    strerror(-result));
		return false;
	}
	conf_text_fini(&edit->conf);
	diag_list_init(&diags);
	good = parse(edit, &diags);
	if (!good) {
		policy_edit_refuse(edit->call, &diags);
		conf_edit_fini(&edit->text);
	}
	diag_list_fini(&diags);
	return good;
}

static const struct conf_node *
list_node(const struct policy_edit *edit)
{
	return conf_edit_member(&edit->text, edit->text.root, edit->list);
}

static const struct conf_node *
element_node(const struct policy_edit *edit, int element)
{
	return element < 0 ? NULL : conf_edit_element(list_node(edit), (unsigned)element);
}

static const struct conf_node *
tasks_node(const struct policy_edit *edit, int element)
{
	return conf_edit_member(&edit->text, element_node(edit, element), "tasks");
}

static const struct conf_node *
node_at(const struct policy_edit *edit, struct edit_place place)
{
	return place.task < 0
		       ? element_node(edit, place.element)
		       : conf_edit_element(tasks_node(edit, place.element), (unsigned)place.task);
}

/* --- beginning --- */

/*
 * A list begins without a file, but what runs came from one: an edit of nothing in its place would
 * be the end of all the rest.
 */
static bool
is_lost(const struct policy_edit *edit)
{
	const struct policy *policy = edit->call->service->generation->policy;

	if (access(edit->folder, F_OK) < 0)
		return true;
	if (strcmp(edit->file, "trust") == 0)
		return policy->trust != NULL;
	return strcmp(edit->file, "groups") == 0 ? policy->n_groups > 1 || policy->n_tasks
						 : policy->n_servers > 0;
}

/* What an empty list looks like: groups { } go into ( ), texts into [ ]. */
static const char *
empty_list(const struct policy_edit *edit)
{
	return strcmp(edit->list, "crls") == 0 || strcmp(edit->list, "deny") == 0 ? "[ ]" : "(\n)";
}

static bool
open_text(struct policy_edit *edit, struct diag_list *diags)
{
	char name[32], path[PATH_BYTES], empty[32];
	struct place place = { .file = path };
	int result;

	policy_edit_list_file(edit, name);
	policy_edit_path(edit, name, path);
	if (!policy_edit_read(path, &edit->old, &edit->old_len, diags))
		return false;
	if (!edit->old && is_lost(edit)) {
		diag_error(diags, &place, "cannot be read: %s%s", strerror(ENOENT),
			   file_remedy(ENOENT));
		return false;
	}
	snprintf(empty, sizeof empty, "%s = %s;\n", edit->list, empty_list(edit));
	if (edit->old) {
		struct conf_text conf;

		/* libconfig first: it says what is wrong, and where. */
		if (conf_text_parse(&conf, path, edit->old, edit->old_len, diags) < 0)
			return false;
		conf_text_fini(&conf);
		result = conf_edit_init(&edit->text, edit->old, edit->old_len);
	} else {
		result = conf_edit_init(&edit->text, empty, strlen(empty));
	}
	if (result < 0) {
		diag_error(diags, &place, "cannot be edited: %s", strerror(-result));
		return false;
	}
	if (parse(edit, diags))
		return true;
	conf_edit_fini(&edit->text);
	return false;
}

bool
policy_edit_begin(struct policy_edit *edit, struct call *call, const char *list)
{
	return policy_edit_begin_in(edit, call, list, list);
}

bool
policy_edit_begin_in(struct policy_edit *edit, struct call *call, const char *file,
		     const char *list)
{
	struct diag_list diags;
	bool good;

	*edit = (struct policy_edit){ .call = call, .file = file, .list = list };
	snprintf(edit->folder, sizeof edit->folder, "%s", call->service->config->policy);
	diag_list_init(&diags);
	good = open_text(edit, &diags);
	if (!good) {
		policy_health_fail_diags(&call->service->policy_health, clock_now_ms(), &diags);
		policy_edit_refuse(call, &diags);
		policy_edit_forget(edit->old, edit->old_len);
	}
	diag_list_fini(&diags);
	if (!good || list_node(edit))
		return good;
	if (changed(edit, conf_edit_set(&edit->text, edit->text.root,
					(struct conf_pair){ list, empty_list(edit) })))
		return true;
	policy_edit_end(edit);
	return false;
}

void
policy_edit_end(struct policy_edit *edit)
{
	policy_edit_forget(edit->old, edit->old_len);
	for (unsigned i = 0; i < edit->n_files; i++) {
		policy_edit_forget(edit->files[i].text, edit->files[i].len);
		policy_edit_forget(edit->files[i].old, edit->files[i].old_len);
		free(edit->files[i].link);
	}
	if (edit->text.text) {
		conf_text_fini(&edit->conf);
		conf_edit_fini(&edit->text);
	}
}

/* --- changing --- */

const config_setting_t *
policy_edit_setting(const struct policy_edit *edit, int index)
{
	const config_setting_t *list =
		config_setting_get_member(conf_text_root(&edit->conf), edit->list);

	return list && index >= 0 ? config_setting_get_elem(list, (unsigned)index) : NULL;
}

int
policy_edit_find(const struct policy_edit *edit, const char *key, const char *value)
{
	const config_setting_t *element;

	for (int i = 0; (element = policy_edit_setting(edit, i)); i++) {
		const config_setting_t *member = config_setting_is_group(element)
							 ? config_setting_get_member(element, key)
							 : NULL;

		if (member && config_setting_type(member) == CONFIG_TYPE_STRING &&
		    strcmp(config_setting_get_string(member), value) == 0)
			return i;
	}
	return -1;
}

int
policy_edit_find_text(const struct policy_edit *edit, const char *text)
{
	const config_setting_t *element;

	for (int i = 0; (element = policy_edit_setting(edit, i)); i++)
		if (config_setting_type(element) == CONFIG_TYPE_STRING &&
		    strcmp(config_setting_get_string(element), text) == 0)
			return i;
	return -1;
}

bool
policy_edit_append_text(struct policy_edit *edit, const char *text)
{
	struct text quoted;
	bool good;

	text_init(&quoted);
	conf_quote(&quoted, text);
	good = changed(edit,
		       conf_edit_append_value(&edit->text, list_node(edit), text_str(&quoted)));
	text_fini(&quoted);
	return good;
}

bool
policy_edit_set(struct policy_edit *edit, struct edit_place place, const struct conf_pair *pairs,
		unsigned n_pairs)
{
	assert(place.element >= 0);
	for (unsigned i = 0; i < n_pairs; i++) {
		const struct conf_node *node = node_at(edit, place);
		int result = pairs[i].value ? conf_edit_set(&edit->text, node, pairs[i])
					    : conf_edit_unset(&edit->text, node, pairs[i].name);

		if (!changed(edit, result))
			return false;
	}
	return true;
}

bool
policy_edit_append(struct policy_edit *edit, int element, const struct conf_pair *pairs,
		   unsigned n_pairs)
{
	if (element >= 0 && !tasks_node(edit, element) &&
	    !changed(edit, conf_edit_set(&edit->text, element_node(edit, element),
					 (struct conf_pair){ "tasks", "( )" })))
		return false;
	return changed(edit,
		       conf_edit_append(&edit->text,
					element < 0 ? list_node(edit) : tasks_node(edit, element),
					pairs, n_pairs));
}

bool
policy_edit_remove(struct policy_edit *edit, struct edit_place place)
{
	assert(place.element >= 0);
	return changed(edit, place.task < 0 ? conf_edit_remove(&edit->text, list_node(edit),
							       (unsigned)place.element)
					    : conf_edit_remove(&edit->text,
							       tasks_node(edit, place.element),
							       (unsigned)place.task));
}

int
policy_edit_find_group(struct policy_edit *edit, const char *name)
{
	int element = policy_edit_find(edit, "name", name);
	struct conf_pair root = { "name", "\"root\"" };

	if (element < 0 && strcmp(name, "root") == 0 && policy_edit_append(edit, -1, &root, 1))
		element = policy_edit_find(edit, "name", name); /* it exists unsaid */
	if (element < 0 && edit->call->exit == CTL_DONE)
		call_refuse_group(edit->call, name);
	return element;
}

static const struct conf_node *
values_node(const struct policy_edit *edit, int element)
{
	return conf_edit_member(&edit->text, element_node(edit, element), "values");
}

/* `values` as a list: the index of the one of this name, or -1. */
static int
find_in_list(const struct policy_edit *edit, int element, const char *name)
{
	const config_setting_t *values =
		config_setting_get_member(policy_edit_setting(edit, element), "values");
	const char *said;

	for (int i = 0; i < config_setting_length(values); i++) {
		const config_setting_t *value = config_setting_get_elem(values, (unsigned)i);

		if (config_setting_is_group(value) &&
		    config_setting_lookup_string(value, "name", &said) && strcmp(said, name) == 0)
			return i;
	}
	return -1;
}

static bool
change_in_list(struct policy_edit *edit, int element, const char *name,
	       const struct conf_pair *pairs, unsigned n_pairs)
{
	static const char *const marks[] = { "secret", "locked" };
	struct conf_pair all[4] = { { "name", NULL } };
	int index = find_in_list(edit, element, name);
	struct text quoted;
	bool good = true;

	assert(n_pairs < sizeof all / sizeof all[0]);
	if (!n_pairs)
		return changed(edit, conf_edit_remove(&edit->text, values_node(edit, element),
						      (unsigned)index));
	if (index < 0) {
		text_init(&quoted);
		conf_quote(&quoted, name);
		all[0].value = text_str(&quoted);
		memcpy(all + 1, pairs, n_pairs * sizeof *pairs);
		good = changed(edit, conf_edit_append(&edit->text, values_node(edit, element), all,
						      n_pairs + 1));
		text_fini(&quoted);
		return good;
	}
	/* Marks that are not given are off. */
	for (unsigned i = 0; good && i < 2; i++)
		good = changed(edit, conf_edit_unset(&edit->text,
						     conf_edit_element(values_node(edit, element),
								       (unsigned)index),
						     marks[i]));
	for (unsigned i = 0; good && i < n_pairs; i++)
		good = changed(edit, conf_edit_set(&edit->text,
						   conf_edit_element(values_node(edit, element),
								     (unsigned)index),
						   pairs[i]));
	return good;
}

/* `values` as a group: NAME = "text", or NAME = { value; marks } where there are marks. */
static bool
change_in_group(struct policy_edit *edit, int element, const char *name,
		const struct conf_pair *pairs, unsigned n_pairs)
{
	const struct conf_node *values = values_node(edit, element);
	struct text text;
	bool good;

	if (!n_pairs)
		return changed(edit, conf_edit_unset(&edit->text, values, name));
	text_init(&text);
	text_printf(&text, "%s", n_pairs > 1 ? "{" : pairs[0].value);
	for (unsigned i = 0; n_pairs > 1 && i < n_pairs; i++)
		text_printf(&text, " %s = %s;", pairs[i].name, pairs[i].value);
	text_printf(&text, "%s", n_pairs > 1 ? " }" : "");
	good = changed(edit, conf_edit_set(&edit->text, values,
					   (struct conf_pair){ name, text_str(&text) }));
	policy_edit_forget(text.at, text.len);
	return good;
}

bool
policy_edit_value(struct policy_edit *edit, int element, const char *name,
		  const struct conf_pair *pairs, unsigned n_pairs)
{
	bool odd = !conf_name_is_good(name);

	assert(element >= 0);
	if (!values_node(edit, element) &&
	    !changed(edit, conf_edit_set(&edit->text, element_node(edit, element),
					 (struct conf_pair){ "values", odd ? "( )" : "{ }" })))
		return false;
	if (odd && values_node(edit, element)->kind == CONF_GROUP &&
	    !changed(edit, conf_edit_make_list(&edit->text, values_node(edit, element))))
		return false;
	return values_node(edit, element)->kind == CONF_LIST
		       ? change_in_list(edit, element, name, pairs, n_pairs)
		       : change_in_group(edit, element, name, pairs, n_pairs);
}

bool
policy_edit_file(struct policy_edit *edit, const char *name, char *text, size_t len)
{
	struct edited_file *file = &edit->files[edit->n_files];
	struct diag_list diags;
	char path[PATH_BYTES];
	bool good;

	if (edit->n_files == POLICY_EDIT_FILES) {
		policy_edit_forget(text, len);
		return false;
	}
	*file = (struct edited_file){ .text = text, .len = len };
	edit->n_files++;
	snprintf(file->name, sizeof file->name, "%s", name);
	policy_edit_path(edit, name, path);
	diag_list_init(&diags);
	file->link = text ? NULL : file_link(path);
	good = policy_edit_read(path, &file->old, &file->old_len, &diags);
	if (!good)
		policy_edit_refuse(edit->call, &diags);
	diag_list_fini(&diags);
	return good;
}
