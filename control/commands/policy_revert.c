/* The policy as it was: the files of a version written again, and a reload; or nothing changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/call_plan.h"
#include "control/commands/call_version.h"
#include "control/commands/policy_at.h"
#include "control/commands/policy_edit_internal.h"
#include "control/config/diag_text.h"
#include "control/file_replace.h"
#include "control/file_set.h"
#include "control/log.h"
#include "control/policy/policy_folder.h"
#include "control/runs/reload.h"

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
	bool secret_groups, secret_servers;
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

/* ---- checked ---- */

/* As sources of a policy; what goes says nothing. NULL: out of memory. */
static struct policy_source *
sources_of(const struct reverting *reverting)
{
	struct policy_source *sources = calloc(reverting->n_files + 1, sizeof *sources);

	for (unsigned i = 0; sources && i < reverting->n_files; i++) {
		const struct reverted_file *file = &reverting->files[i];

		sources[i] =
			(struct policy_source){ file->name, file->wanted ? file->wanted->text : "",
						file->wanted ? file->wanted->len : 0 };
	}
	return sources;
}

static bool
check(struct reverting *reverting, const struct policy_source *sources)
{
	const struct objects *objects = reverting->call->service->generation->objects;
	struct diag_list diags;
	struct policy *policy;
	struct arena arena;
	bool good;

	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_load_changed(reverting->folder, sources, reverting->n_files, objects,
				     &arena, &diags);
	good = policy && diags.errors == 0;
	if (policy) {
		reverting->secret_groups = policy_holds_secret(policy, "groups");
		reverting->secret_servers = policy_holds_secret(policy, "servers");
	}
	if (!good)
		policy_edit_refuse(reverting->call, &diags);
	policy_free(policy);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return good;
}

/* ---- written, or put back ---- */

static bool
is_private(const struct reverting *reverting, const char *name)
{
	return (reverting->secret_groups && strcmp(name, "groups.conf") == 0) ||
	       (reverting->secret_servers && strcmp(name, "servers.conf") == 0);
}

/* Tasks and tables come before the lists that name them; what goes, goes last. */
static unsigned
turn_of(const struct reverted_file *file)
{
	return !file->wanted ? 2 : strchr(file->name, '/') ? 0 : 1;
}

static size_t
gather_set(const struct reverting *reverting, bool back, struct file_set_item *items)
{
	size_t n = 0;

	for (unsigned turn = 0; turn < 3; turn++)
		for (unsigned i = 0; i < reverting->n_files; i++) {
			const struct reverted_file *file = &reverting->files[i];
			const char *text = file->wanted ? file->wanted->text : NULL;
			size_t len = file->wanted ? file->wanted->len : 0;

			if (turn_of(file) != turn)
				continue;
			items[n++] = (struct file_set_item){ file->name,
							     back ? file->old : text,
							     back ? file->old_len : len,
							     back ? text : file->old,
							     back ? len : file->old_len,
							     is_private(reverting, file->name) };
		}
	return n;
}

/* All of them, or none: 0 or -errno, and which it was. */
static int
change_files(const struct reverting *reverting, bool back, const char **failed)
{
	struct file_set_item *items = calloc(reverting->n_files, sizeof *items);
	int result = -ENOMEM;

	*failed = NULL;
	if (items)
		result = file_set_change(reverting->folder, items,
					 gather_set(reverting, back, items), failed);
	free(items);
	if (!*failed)
		*failed = reverting->folder;
	return result;
}

static void
put_back(struct reverting *reverting)
{
	const char *failed;
	int result = change_files(reverting, true, &failed);

	if (result == 0)
		return;
	text_show(&reverting->call->error, "%s could not be put back: %s\n", failed,
		  strerror(-result));
	log_error("%s could not be put back: %s", failed, strerror(-result));
}

static bool
write_files(struct reverting *reverting)
{
	const char *failed;
	int result = change_files(reverting, false, &failed);

	if (result == 0)
		return true;
	call_refuse(reverting->call, CTL_REFUSED, "%s cannot be written: %s%s\n", failed,
		    strerror(-result), file_remedy(-result));
	return false;
}

static bool
make_live(struct reverting *reverting)
{
	struct call *call = reverting->call;
	struct policy_health before = call->service->policy_health;
	struct text said;
	bool good;

	text_init(&said);
	good = reload_run(call->service, call_tell_reload, call, &said, &call->result) == 0;
	text_put(good ? &call->text : &call->error, text_str(&said), said.len);
	text_fini(&said);
	if (good)
		return true;
	call->exit = CTL_REFUSED;
	call->service->policy_health = before; /* what was refused is not there any more */
	return false;
}

static void
revert(struct reverting *reverting)
{
	struct call *call = reverting->call;
	struct policy_source *sources;

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
	sources = sources_of(reverting);
	if (!sources) {
		call_refuse(call, CTL_REFUSED, "out of memory");
	} else if (call_option(call, "--plan")) {
		call_plan(call, &(struct call_planned){ .changed = sources,
							.n_changed = reverting->n_files });
	} else if (check(reverting, sources)) {
		text_show(&call->text, "policy as it was in version %u: %u file%s\n",
			  reverting->at.version, reverting->n_files, PLURAL(reverting->n_files));
		if (!write_files(reverting)) {
			text_show(&call->error, "nothing was changed\n");
		} else if (make_live(reverting)) {
			call_version_record(call);
			json_object_set_new(call->result, "changed", json_true());
			json_object_set_new(call->result, "reverted_to",
					    json_integer(reverting->at.version));
		} else {
			put_back(reverting);
			text_show(&call->error, "nothing was changed\n");
		}
	}
	free(sources);
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
