#include "control/commands/cluster_pull.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster.h"
#include "control/commands/call_version.h"
#include "control/commands/policy_edit.h"
#include "control/commands/policy_put.h"
#include "control/log.h"
#include "control/policy/policy_folder.h"
#include "control/runs/policy_share.h"
#include "tasks/text_file.h"

enum { NAMES_MAX = 300, MANIFEST_MAX = 1 << 24, NOTE_MAX = CLUSTER_POLICY_WORD_MAX + 160 };

struct pulling {
	struct call *call;
	const struct cluster_pull *wish;
	char folder[POLICY_EDIT_PATH];
	struct cluster_policy newest;
	struct policy_base base;   /* what the files here were */
	struct policy_set files;   /* what they are */
	struct policy_set wanted;  /* what they are to be */
	struct policy_set by_hand; /* what they are, and neither were nor are to be */
	struct file_set_item *items;
	size_t n_items, capacity;
	char **names; /* of items that are ours to free */
	size_t n_names;
	struct text manifest;
	char *manifest_old;
	size_t manifest_old_len;
	bool failed;
};

static bool
refuse(struct pulling *pulling, const char *why)
{
	call_refuse(pulling->call, CTL_REFUSED, "%s", why);
	return false;
}

static bool
no_memory(struct pulling *pulling)
{
	return refuse(pulling, "out of memory; nothing was changed");
}

/* ---- what is wanted ---- */

/* 0; 1: it is as in the version before, which is not here any more; or -errno. */
static int
want_file(struct pulling *pulling, const struct cluster_policy_file *file)
{
	const struct policy_set_file *was, *is;

	if (!policy_set_shares(file->name))
		return -EBADMSG;
	if (file->bytes)
		return policy_set_add(&pulling->wanted, file->name, (const char *)file->bytes,
				      file->len, NULL);
	was = policy_set_find(&pulling->base.files, file->name);
	is = policy_set_find(&pulling->files, file->name);
	if (!policy_set_same(was, is))
		return 1;
	return policy_set_add(&pulling->wanted, is->name, is->text, is->len, is->digest);
}

/* Nobody without the cluster's secret can have made it so. */
static int
check_digest(struct pulling *pulling)
{
	char digest[CLUSTER_DIGEST_MAX];
	uint8_t sha256[DIGEST_MAX];

	if (!policy_set_digest(&pulling->wanted, sha256))
		return -ENOMEM;
	cluster_policy_digest(pulling->call->service->cluster, sha256, digest);
	return strcmp(digest, pulling->newest.head.digest) == 0 ? 0 : 1;
}

/* The newest version; `have`: of files that are as in that one, those here are taken. 0, 1 (as above), or -errno, told. */
static int
fetch(struct pulling *pulling, uint64_t have)
{
	struct service *service = pulling->call->service;
	char error[CLUSTER_ERROR_MAX];
	int code = cluster_policy_fetch(service->cluster, have, &service->pump, &pulling->newest,
					error);

	if (code < 0) {
		refuse(pulling, error);
		return code;
	}
	for (size_t i = 0; code == 0 && i < pulling->newest.n; i++)
		code = want_file(pulling, &pulling->newest.files[i]);
	policy_set_sort(&pulling->wanted);
	if (code == 0)
		code = check_digest(pulling);
	if (code < 0 || (code > 0 && !have))
		call_refuse(
			pulling->call, CTL_REFUSED,
			"version %llu of the cluster's policy is damaged in the database, or was "
			"put there by somebody who does not know the cluster's secret; nothing "
			"was changed",
			(unsigned long long)pulling->newest.head.version);
	return code > 0 && !have ? -EBADMSG : code;
}

/* Reads what is here, and fetches. False after refusing. */
static bool
gather(struct pulling *pulling)
{
	struct service *service = pulling->call->service;
	uint64_t have;
	int code =
		policy_base_read(pulling->folder, cluster_name(service->cluster), &pulling->base);

	if (code == 0)
		code = policy_set_read(&pulling->files, pulling->folder,
				       service->generation->policy, &pulling->base.files);
	if (code < 0) {
		call_refuse(pulling->call, CTL_REFUSED, "%s cannot be read: %s", pulling->folder,
			    strerror(-code));
		return false;
	}
	have = pulling->base.version;
	code = fetch(pulling, have);
	if (code > 0) {
		policy_set_fini(&pulling->wanted);
		cluster_policy_fini(&pulling->newest);
		code = fetch(pulling, 0);
	}
	if (code < 0)
		return false;
	code = policy_set_read_keys(&pulling->files, pulling->folder, &pulling->wanted);
	policy_set_sort(&pulling->files);
	return code == 0 || no_memory(pulling);
}

/* ---- what was changed by hand ---- */

static void
note_by_hand(void *ctx, const struct policy_set_file *before, const struct policy_set_file *after)
{
	struct pulling *pulling = ctx;
	const struct policy_set_file *file = after ? after : before;
	const struct policy_set_file *wanted = policy_set_find(&pulling->wanted, file->name);

	/* As it is to be already. */
	if (after ? policy_set_same(wanted, after) : !wanted)
		return;
	/* A key that the cluster's policy does not name is no business of the cluster's. */
	if (!before && !wanted && policy_folder_has_key(file->name))
		return;
	if (policy_set_add(&pulling->by_hand, file->name, NULL, 0, file->digest) < 0)
		pulling->failed = true;
}

static bool
may_overwrite(struct pulling *pulling)
{
	const struct policy_base none = { 0 };
	char names[NAMES_MAX];

	policy_set_compare(&pulling->base.files, &pulling->files, note_by_hand, pulling);
	if (pulling->failed)
		return no_memory(pulling);
	if (!pulling->by_hand.n || pulling->wish->discard || pulling->wish->joining)
		return true;
	policy_share_changed(&none, &pulling->by_hand, names, sizeof names);
	/* A push goes on top of the newest version alone. */
	call_refuse(
		pulling->call, CTL_REFUSED,
		"files here were changed by hand: %s; `cluster policy diff` shows how%s; `cluster "
		"policy pull --discard` takes the cluster's, and keeps what is here as a version "
		"that `policy show` shows and `policy revert` brings back; nothing was changed",
		names,
		pulling->base.version == pulling->newest.head.version
			? ", `cluster policy push` makes them the cluster's"
			: "");
	return false;
}

/* What makes way stays known. */
static void
keep_former(struct pulling *pulling)
{
	struct call *call = pulling->call;
	struct call_note note;
	char error[STORE_ERROR_MAX];

	if (!pulling->by_hand.n)
		return;
	/* Who changed the files is not known: who asked for the pull is. */
	(void)call_note(call, &note);
	note.note.what = "before cluster policy pull";
	note.note.why = "";
	if (policy_versions_record(call->service, &note.note, error) < 0)
		text_show(&call->text, "warning: what was here is kept in no version: %s\n", error);
	else
		text_show(
			&call->text,
			"what was here is version %u of `policy log`: `policy revert %u` brings it "
			"back, for all members\n",
			call->service->versions.last, call->service->versions.last);
}

/* ---- what changes ---- */

static void
add_item(struct pulling *pulling, const struct file_set_item *item)
{
	size_t capacity = pulling->capacity ? 2 * pulling->capacity : 16;
	struct file_set_item *items = pulling->items;

	if (pulling->n_items == pulling->capacity) {
		items = realloc(items, capacity * sizeof *items);
		if (!items) {
			pulling->failed = true;
			return;
		}
		pulling->items = items;
		pulling->capacity = capacity;
	}
	items[pulling->n_items++] = *item;
}

/* A key of ours makes way for the cluster's: it stays beside it, hidden. */
static void
keep_key(struct pulling *pulling, const struct policy_set_file *before)
{
	const char *slash = strchr(before->name, '/');
	char **names = realloc(pulling->names, (pulling->n_names + 1) * sizeof *names);
	char *name = NULL;

	if (names)
		pulling->names = names;
	if (!names ||
	    asprintf(&name, "%.*s.%s.before-%llu", (int)(slash + 1 - before->name), before->name,
		     slash + 1, (unsigned long long)pulling->newest.head.version) < 0) {
		pulling->failed = true;
		return;
	}
	names[pulling->n_names++] = name;
	add_item(pulling,
		 &(struct file_set_item){ .name = name, .text = before->text, .len = before->len });
	text_show(&pulling->call->text, "%s was another one here: it is %s now\n", before->name,
		  name);
}

static void
add_difference(void *ctx, const struct policy_set_file *before, const struct policy_set_file *after)
{
	struct pulling *pulling = ctx;
	const char *name = before ? before->name : after->name;
	bool is_key = policy_folder_has_key(name);

	if (is_key && !after && !policy_set_find(&pulling->base.files, name))
		return;
	if (is_key && before && policy_set_find(&pulling->by_hand, name))
		keep_key(pulling, before);
	add_item(pulling, &(struct file_set_item){ .name = name,
						   .text = after ? after->text : NULL,
						   .len = after ? after->len : 0,
						   .old = before ? before->text : NULL,
						   .old_len = before ? before->len : 0 });
}

/* What the files are, from then on. */
static void
add_manifest(struct pulling *pulling)
{
	struct policy_base base = { .version = pulling->newest.head.version };
	char path[POLICY_EDIT_PATH + sizeof POLICY_BASE_FILE + 1];

	snprintf(base.digest, sizeof base.digest, "%s", pulling->newest.head.digest);
	policy_base_put(&pulling->manifest, cluster_name(pulling->call->service->cluster), &base,
			&pulling->wanted);
	snprintf(path, sizeof path, "%s/" POLICY_BASE_FILE, pulling->folder);
	if (text_file_read(path, MANIFEST_MAX, &pulling->manifest_old, &pulling->manifest_old_len) <
	    0)
		pulling->manifest_old = NULL;
	pulling->failed |= pulling->manifest.failed;
	add_item(pulling, &(struct file_set_item){ .name = POLICY_BASE_FILE,
						   .text = text_str(&pulling->manifest),
						   .len = pulling->manifest.len,
						   .old = pulling->manifest_old,
						   .old_len = pulling->manifest_old_len });
}

/* ---- made live ---- */

static void
tell_live(struct pulling *pulling)
{
	const struct cluster_policy_head *head = &pulling->newest.head;
	struct call *call = pulling->call;

	policy_share_live(call->service, head->version, head->digest);
	text_show(&call->text, "version %llu of the cluster's policy, by member %u (%s, %s)\n",
		  (unsigned long long)head->version, head->member, head->member_name, head->who);
	if (!call->result)
		call->result = json_object();
	json_object_set_new(call->result, "cluster_policy",
			    json_integer((json_int_t)head->version));
	log_event(SEVERITY_NOTICE, LOG_EVENT_cluster_policy, NULL,
		  "version %llu of the cluster's policy is live here: by member %u (%s, %s)",
		  (unsigned long long)head->version, head->member, head->member_name, head->who);
}

static void
record(struct pulling *pulling)
{
	const struct cluster_policy_head *head = &pulling->newest.head;
	char who[NOTE_MAX], why[POLICY_WHY_MAX];
	const struct policy_note note = { .who = who, .what = head->what, .why = why };

	snprintf(who, sizeof who, "member %u (%s), %s", head->member, head->member_name, head->who);
	snprintf(why, sizeof why, "%s", head->why);
	call_version_record_as(pulling->call, &note);
}

static bool
make_live(struct pulling *pulling)
{
	struct call *call = pulling->call;
	const struct reload_wish wish = { .pump = call_tell_reload,
					  .pump_ctx = call,
					  .from_cluster = true,
					  .devices_follow = pulling->wish->joining };
	const struct policy_put put = { call, pulling->folder, pulling->items, pulling->n_items };

	if (!policy_put_check(&put))
		return false;
	keep_former(pulling);
	if (!policy_put_run(&put, &wish))
		return false;
	tell_live(pulling);
	record(pulling);
	return true;
}

/* They say it already: it is noted, or was. */
static bool
adopt(struct pulling *pulling)
{
	struct policy_base base = { .version = pulling->newest.head.version };
	int result = 0;

	snprintf(base.digest, sizeof base.digest, "%s", pulling->newest.head.digest);
	if (base.version != pulling->base.version || strcmp(base.digest, pulling->base.digest) != 0)
		result = policy_base_write(pulling->folder,
					   cluster_name(pulling->call->service->cluster), &base,
					   &pulling->wanted);
	if (result < 0) {
		call_refuse(pulling->call, CTL_REFUSED,
			    "%s/" POLICY_BASE_FILE " cannot be written: %s", pulling->folder,
			    strerror(-result));
		return false;
	}
	text_show(&pulling->call->text, "the files here say it already: nothing was changed\n");
	tell_live(pulling);
	return true;
}

static bool
pull(struct pulling *pulling)
{
	const struct policy *live = pulling->call->service->generation->policy;

	if (!gather(pulling) || !may_overwrite(pulling))
		return false;
	policy_set_compare(&pulling->files, &pulling->wanted, add_difference, pulling);
	if (!pulling->n_items && !pulling->failed && policy_share_is_loaded(live, &pulling->files))
		return adopt(pulling);
	add_manifest(pulling);
	return pulling->failed ? no_memory(pulling) : make_live(pulling);
}

bool
cluster_pull(struct call *call, const struct cluster_pull *wish)
{
	struct pulling pulling = { .call = call, .wish = wish };
	bool good;

	snprintf(pulling.folder, sizeof pulling.folder, "%s", call->service->config->policy);
	text_init(&pulling.manifest);
	good = pull(&pulling);
	cluster_policy_fini(&pulling.newest);
	policy_base_fini(&pulling.base);
	policy_set_fini(&pulling.files);
	policy_set_fini(&pulling.wanted);
	policy_set_fini(&pulling.by_hand);
	for (size_t i = 0; i < pulling.n_names; i++)
		free(pulling.names[i]);
	free(pulling.names);
	free(pulling.items);
	free(pulling.manifest_old);
	text_fini(&pulling.manifest);
	return good;
}
