/* The policy as it was: the files of a version written again, and a reload; or nothing changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/call_plan.h"
#include "control/commands/call_version.h"
#include "control/commands/policy_at.h"
#include "control/commands/policy_edit_internal.h"
#include "control/commands/policy_put.h"
#include "control/policy/policy_folder.h"

/* A file that is to say something else, or to go. */
struct reverted_file {
	char *name;
	const struct policy_at_file *wanted; /* NULL: it goes */
	char *old;                           /* NULL: there is none */
	size_t old_len;
};

struct reverting {
	struct call *call;
	struct policy_at at;
	char folder[POLICY_EDIT_PATH]; /* a copy: a reload may replace the setting */
	struct reverted_file *files;
	unsigned n_files, capacity;
	bool failed;
};

/* ---- what differs ---- */

static struct reverted_file *
add(struct reverting *reverting, const char *name)
{
	unsigned capacity = reverting->capacity ? 2 * reverting->capacity : 16;
	struct reverted_file *files = reverting->files;

	if (reverting->n_files == reverting->capacity) {
		files = realloc(files, capacity * sizeof *files);
		if (!files)
			return NULL;
		reverting->files = files;
		reverting->capacity = capacity;
	}
	files[reverting->n_files] = (struct reverted_file){ .name = strdup(name) };
	return files[reverting->n_files].name ? &files[reverting->n_files++] : NULL;
}

static bool
look_at(void *ctx, const struct policy_source *source)
{
	struct reverting *reverting = ctx;
	const struct policy_at_file *wanted = policy_at_find(&reverting->at, source->name);
	struct reverted_file *file;

	if (wanted && wanted->len == source->len &&
	    memcmp(wanted->text, source->text, source->len) == 0)
		return true;
	file = add(reverting, source->name);
	if (file) {
		file->wanted = wanted;
		file->old = malloc(source->len + 1);
		file->old_len = source->len;
	}
	reverting->failed = !file || !file->old;
	if (!reverting->failed)
		memcpy(file->old, source->text, source->len);
	return !reverting->failed;
}

static bool
is_on_disk(const struct reverting *reverting, const char *name)
{
	char path[POLICY_EDIT_PATH + POLICY_EDIT_NAME];
	char *text;
	size_t len;
	struct diag_list diags;
	bool there;

	snprintf(path, sizeof path, "%s/%s", reverting->folder, name);
	diag_list_init(&diags);
	there = policy_edit_read(path, &text, &len, &diags) && text;
	if (there)
		policy_edit_forget(text, len);
	diag_list_fini(&diags);
	return there;
}

static bool
compare(struct reverting *reverting)
{
	struct call *call = reverting->call;
	int result = policy_folder_each(reverting->folder, look_at, reverting);

	for (unsigned i = 0; result == 0 && i < reverting->at.n_files; i++) {
		const struct policy_at_file *wanted = &reverting->at.files[i];
		struct reverted_file *file;

		if (is_on_disk(reverting, wanted->name))
			continue;
		file = add(reverting, wanted->name);
		reverting->failed |= !file;
		if (file)
			file->wanted = wanted;
	}
	if (result == 0 && !reverting->failed)
		return true;
	call_refuse(call, CTL_REFUSED, "%s: %s", reverting->folder,
		    reverting->failed ? "out of memory" : strerror(-result));
	return false;
}

/* ---- made so ---- */

/* As the items of a change. NULL: out of memory. */
static struct file_set_item *
items_of(const struct reverting *reverting)
{
	struct file_set_item *items = calloc(reverting->n_files + 1, sizeof *items);

	for (unsigned i = 0; items && i < reverting->n_files; i++) {
		const struct reverted_file *file = &reverting->files[i];

		items[i] = (struct file_set_item){ .name = file->name,
						   .text = file->wanted ? file->wanted->text : NULL,
						   .len = file->wanted ? file->wanted->len : 0,
						   .old = file->old,
						   .old_len = file->old_len };
	}
	return items;
}

static void
make_so(struct reverting *reverting, struct file_set_item *items)
{
	struct call *call = reverting->call;
	struct call_note note;
	const struct reload_wish wish = { .pump = call_tell_reload,
					  .pump_ctx = call,
					  .note = call_note(call, &note) };
	const struct policy_put put = { call, reverting->folder, items, reverting->n_files };

	if (call_option(call, "--plan")) {
		policy_put_plan(&put);
		return;
	}
	text_show(&call->text, "policy as it was in version %u: %u file%s\n", reverting->at.version,
		  reverting->n_files, PLURAL(reverting->n_files));
	if (!policy_put_check(&put) || !policy_put_run(&put, &wish))
		return;
	call_version_record(call);
	json_object_set_new(call->result, "changed", json_true());
	json_object_set_new(call->result, "reverted_to", json_integer(reverting->at.version));
}

static void
revert(struct reverting *reverting)
{
	struct call *call = reverting->call;
	struct file_set_item *items;

	if (!compare(reverting))
		return;
	if (!reverting->n_files) {
		text_show(&call->text,
			  "the policy says what version %u says: nothing was changed\n",
			  reverting->at.version);
		call->result = json_pack("{s:b, s:I}", "changed", 0, "version",
					 (json_int_t)reverting->at.version);
		return;
	}
	items = items_of(reverting);
	if (items)
		make_so(reverting, items);
	else
		call_refuse(call, CTL_REFUSED, "out of memory");
	free(items);
}

void
command_policy_revert(struct call *call)
{
	struct reverting reverting = { .call = call };

	if (!call_version_check(call) || !policy_at_read(call, call->arguments[0], &reverting.at))
		return;
	snprintf(reverting.folder, sizeof reverting.folder, "%s", call->service->config->policy);
	revert(&reverting);
	for (unsigned i = 0; i < reverting.n_files; i++) {
		policy_edit_forget(reverting.files[i].old, reverting.files[i].old_len);
		free(reverting.files[i].name);
	}
	free(reverting.files);
	policy_at_fini(&reverting.at);
}
