/* The end of an edit: check, write, reload, or put back. */
#include <assert.h>
#include <string.h>

#include "control/audit/audit_chain.h"
#include "control/clock.h"
#include "control/commands/call_audit.h"
#include "control/commands/call_plan.h"
#include "control/commands/call_version.h"
#include "control/commands/conf_json.h"
#include "control/commands/policy_edit_internal.h"
#include "control/file_replace.h"
#include "control/file_set.h"
#include "control/log.h"
#include "control/runs/reload.h"

static uint32_t
count_lines(const char *text, size_t len)
{
	uint32_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

/*
 * What is checked is the text as it would be, and nobody sees its lines: one that is on disk, too,
 * is told by its number there; of one that is not the setting's name says enough.
 */
static void
tell_lines_on_disk(const struct policy_edit *edit, const char *path, struct diag_list *diags)
{
	const char *old = edit->old ? edit->old : "", *new = edit->text.text;
	size_t least = edit->old_len < edit->text.len ? edit->old_len : edit->text.len;
	uint32_t now = count_lines(new, edit->text.len), before = count_lines(old, edit->old_len);
	size_t head = 0, tail = 0;
	uint32_t head_lines, tail_lines;

	while (head < least && old[head] == new[head])
		head++;
	while (tail < least - head &&
	       old[edit->old_len - 1 - tail] == new[edit->text.len - 1 - tail])
		tail++;
	/* Whole lines of both. */
	head_lines = count_lines(new, head) - 1;
	tail_lines = count_lines(new + edit->text.len - tail, tail) - 1;
	assert(head_lines + tail_lines < now && head_lines + tail_lines < before);
	for (size_t i = 0; i < diags->count; i++) {
		struct place *place = &diags->items[i].place;

		if (!place->line || !place->file || strcmp(place->file, path) != 0 ||
		    place->line <= head_lines)
			continue;
		if (place->line > now - tail_lines)
			place->line -= now - before;
		else
			place->line = place->column = 0;
	}
}

/* The files of the folder as they would be. */
struct edited_files {
	char name[LIST_FILE_BYTES]; /* of the list */
	struct policy_source items[POLICY_EDIT_FILES + 1];
	unsigned n;
};

static void
gather_files(const struct policy_edit *edit, struct edited_files *files)
{
	assert(edit->n_files <= POLICY_EDIT_FILES);
	policy_edit_list_file(edit, files->name);
	files->items[0] =
		(struct policy_source){ files->name, edit->text.text, edit->text.len };
	files->n = 1;
	for (unsigned i = 0; i < edit->n_files; i++)
		if (edit->files[i].text)
			files->items[files->n++] =
				(struct policy_source){ edit->files[i].name, edit->files[i].text,
							edit->files[i].len };
}

/* The checks of a reload that concern the folder. */
static bool
check(struct policy_edit *edit)
{
	const struct objects *objects = edit->call->service->generation->objects;
	struct edited_files files;
	struct policy *policy;
	struct diag_list diags;
	struct arena arena;
	char path[PATH_BYTES];
	bool good;

	gather_files(edit, &files);
	policy_edit_path(edit, files.name, path);
	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_load_changed(edit->folder, files.items, files.n, objects, &arena, &diags);
	good = policy && diags.errors == 0;
	edit->holds_secret = policy && policy_holds_secret(policy, edit->file);
	tell_lines_on_disk(edit, path, &diags);
	if (!good)
		policy_edit_refuse(edit->call, &diags);
	policy_free(policy);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return good;
}

/* Somebody edits by hand while the command runs: theirs must not be lost. */
static bool
is_still(const char *path, const char *text, size_t text_len)
{
	struct diag_list diags;
	size_t len;
	char *now;
	bool same;

	diag_list_init(&diags);
	same = policy_edit_read(path, &now, &len, &diags) && !now == !text &&
	       (!now || (len == text_len && memcmp(now, text, len) == 0));
	policy_edit_forget(now, now ? len : 0);
	diag_list_fini(&diags);
	return same;
}

/* False, and the call refused, where a file is not what it was when the edit began. */
static bool
is_as_read(const struct policy_edit *edit)
{
	char name[LIST_FILE_BYTES], path[PATH_BYTES];
	bool same;

	policy_edit_list_file(edit, name);
	policy_edit_path(edit, name, path);
	same = is_still(path, edit->old, edit->old_len);
	for (unsigned i = 0; same && i < edit->n_files; i++) {
		policy_edit_path(edit, edit->files[i].name, path);
		same = is_still(path, edit->files[i].old, edit->files[i].old_len);
	}
	if (!same)
		call_refuse(edit->call, CTL_REFUSED,
			    "%s was changed by somebody else meanwhile: look at it, and try again",
			    path);
	return same;
}

/*
 * The files as one set: what a task's XML says comes before the list that names it. `back`: from what was written to what
 * was there before; then a file that somebody changed since stays, and is told. How many.
 */
static size_t
gather_set(const struct policy_edit *edit, bool back, const char *list,
	   struct file_set_item items[POLICY_EDIT_FILES + 1])
{
	size_t n = 0;

	for (unsigned i = 0; i <= edit->n_files; i++) {
		const struct edited_file *file = &edit->files[i];
		const struct file_set_item item =
			i < edit->n_files
				? (struct file_set_item){ .name = file->name,
							  .text = file->text,
							  .len = file->len,
							  .old = file->old,
							  .old_len = file->old_len,
							  .link = file->link }
				: (struct file_set_item){
					  list,
					  edit->text.text,
					  edit->text.len,
					  edit->old,
					  edit->old_len,
					  edit->holds_secret ? FILE_READ_BY_GROUP : FILE_READ_AS_BEFORE,
					  NULL
				  };
		char path[PATH_BYTES];

		policy_edit_path(edit, item.name, path);
		if (!back)
			items[n++] = item;
		else if (is_still(path, item.text, item.len))
			items[n++] = (struct file_set_item){ item.name, item.old, item.old_len,
							     item.text, item.len, item.readers,
							     item.link };
		else
			text_show(&edit->call->error,
				  "%s was changed by somebody else meanwhile, and stays so\n",
				  path);
	}
	return n;
}

static void
undo(const struct policy_edit *edit)
{
	struct file_set_item items[POLICY_EDIT_FILES + 1];
	char list[LIST_FILE_BYTES], path[PATH_BYTES];
	const char *failed;
	int result;

	policy_edit_list_file(edit, list);
	result = file_set_change(edit->folder, items, gather_set(edit, true, list, items), &failed);
	if (result == 0)
		return;
	policy_edit_path(edit, failed ? failed : list, path);
	text_show(&edit->call->error, "%s could not be put back: %s\n", path, strerror(-result));
	log_error("%s could not be put back: %s", path, strerror(-result));
}

static void
cannot_write(struct call *call, const char *path, int result)
{
	call_refuse(call, CTL_REFUSED, "%s cannot be written: %s%s", path, strerror(-result),
		    file_remedy(-result));
	policy_health_fail(&call->service->policy_health, clock_now_ms(), text_str(&call->error));
	text_show(&call->error, "; nothing was changed\n");
}

static bool
write_files(struct policy_edit *edit)
{
	struct file_set_item items[POLICY_EDIT_FILES + 1];
	char list[LIST_FILE_BYTES], path[PATH_BYTES];
	const char *failed;
	int result;

	if (!is_as_read(edit))
		return false;
	policy_edit_list_file(edit, list);
	result =
		file_set_change(edit->folder, items, gather_set(edit, false, list, items), &failed);
	if (result == 0)
		return true;
	policy_edit_path(edit, failed ? failed : list, path);
	cannot_write(edit->call, path, result);
	return false;
}

/* Whether a file is one of those that the command edits. */
static bool
is_edited(const struct policy_edit *edit, const char *file)
{
	char name[LIST_FILE_BYTES], path[PATH_BYTES];

	policy_edit_list_file(edit, name);
	policy_edit_path(edit, name, path);
	for (unsigned i = 0; file && i < edit->n_files && strcmp(file, path) != 0; i++)
		policy_edit_path(edit, edit->files[i].name, path);
	return file && strcmp(file, path) == 0;
}

/*
 * What a reload says, but of the warnings it begins with those of the edited files alone: others
 * would be told again with every command.
 */
static void
put_reload(const struct policy_edit *edit, const struct text *said)
{
	const json_t *diags = json_object_get(edit->call->result, "diagnostics");
	struct text *text = &edit->call->text;
	const char *at = text_str(said);
	unsigned others = 0;

	for (size_t i = 0; i < json_array_size(diags); i++) {
		const json_t *diag = json_array_get(diags, i);
		size_t len = strcspn(at, "\n");

		if (is_edited(edit, json_string_value(json_object_get(diag, "file"))))
			text_show(text, "%.*s\n", (int)len, at);
		else
			others++;
		at += len + (at[len] != '\0');
	}
	if (others)
		text_show(text, "%u warning%s of other files: `check` shows %s\n", others,
			  others == 1 ? "" : "s", others == 1 ? "it" : "them");
	text_put(text, at, strlen(at));
}

static bool
make_live(struct policy_edit *edit)
{
	struct call *call = edit->call;
	struct policy_health before = call->service->policy_health;
	struct call_note note;
	const struct reload_wish wish = { .pump = call_tell_reload,
					  .pump_ctx = call,
					  .note = call_note(call, &note),
					  .urgent = edit->urgent };
	struct text said;
	bool good;

	text_init(&said);
	json_decref(call->result);
	call->result = NULL;
	good = reload_run(call->service, &wish, &said, &call->result) == 0;
	if (!good) {
		call->exit = CTL_REFUSED;
		text_put(&call->error, text_str(&said), said.len);
		undo(edit);
		call->service->policy_health = before; /* what was refused is not there any more */
		text_show(&call->error, "nothing was changed\n");
	} else {
		put_reload(edit, &said);
	}
	if (call->result)
		json_object_set_new(call->result, "changed", json_boolean(good));
	if (call->result && good)
		json_object_set(call->result, "done", edit->done);
	text_fini(&said);
	return good;
}

/* {"servers": [what is not as it was], "files": {"tasks/a.xml": SHA-256}}; NULL: nothing. */
static json_t *
told(const struct policy_edit *edit, json_t *elements, bool after)
{
	json_t *json = json_object(), *files = json_object();
	char hash[AUDIT_HASH_MAX];

	if (elements)
		json_object_set_new(json, edit->list, elements);
	for (unsigned i = 0; i < edit->n_files; i++) {
		const struct edited_file *file = &edit->files[i];
		const char *text = after ? file->text : file->old;

		if (text && audit_hash(text, after ? file->len : file->old_len, hash))
			json_object_set_new(files, file->name, json_string(hash));
	}
	if (json_object_size(files))
		json_object_set(json, "files", files);
	json_decref(files);
	if (json_object_size(json))
		return json;
	json_decref(json);
	return NULL;
}

/* For the audit, when all is live. */
static void
tell_change(const struct policy_edit *edit)
{
	const config_setting_t *list = NULL;
	struct conf_text before;
	struct diag_list diags;
	json_t *was, *is;
	bool read;

	diag_list_init(&diags);
	read = edit->old && conf_text_parse(&before, edit->list, edit->old, edit->old_len, &diags) == 0;
	if (read)
		list = config_setting_get_member(conf_text_root(&before), edit->list);
	conf_json_diff(list, config_setting_get_member(conf_text_root(&edit->conf), edit->list), &was,
		       &is);
	call_audit_tell(edit->call, told(edit, was, false), told(edit, is, true));
	if (read)
		conf_text_fini(&before);
	diag_list_fini(&diags);
}

/* What it would come to; the edit ends without having been. */
static void
plan(struct policy_edit *edit)
{
	struct edited_files files;

	gather_files(edit, &files);
	call_plan(edit->call,
		  &(struct call_planned){ .changed = files.items, .n_changed = files.n });
}

void
policy_edit_commit(struct policy_edit *edit, const char *format, ...)
{
	struct call *call = edit->call;
	va_list args;

	if (!call_version_check(call) || !check(edit))
		return;
	if (call_option(call, "--plan")) {
		plan(edit);
		return;
	}
	if (!write_files(edit))
		return;
	va_start(args, format);
	text_vshow(&call->text, format, args);
	va_end(args);
	edit->done = json_string(text_str(&call->text));
	text_put(&call->text, "\n", 1);
	if (make_live(edit)) {
		call_version_record(call);
		tell_change(edit);
		if (edit->urgent)
			policy_share_remember(call->service, call->request->argc,
					      call->request->argv);
	} else {
		text_fini(&call->text);
	}
	json_decref(edit->done);
}
