#include "control/runs/policy_share.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/clock.h"
#include "control/cluster/cluster_policy.h"
#include "control/cluster/database.h"
#include "control/log.h"
#include "control/runs/policy_versions.h"
#include "control/runs/service.h"
#include "tasks/hash.h"

enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 600000, UNSENT_RETRY_MS = 5000, NAMES_MAX = 200 };

/* ---- what the files here are ---- */

static void
tell(struct service *service)
{
	const struct policy_share *share = &service->share;

	cluster_tell(service->cluster, share->version, share->digest, share->trouble);
}

struct naming {
	char *names;
	size_t max, used, n, left_out;
};

static void
add_name(void *ctx, const struct policy_set_file *before, const struct policy_set_file *after)
{
	struct naming *naming = ctx;
	const char *name = before ? before->name : after->name;
	size_t left = naming->max - naming->used;
	int len = snprintf(naming->names + naming->used, left, "%s%s", naming->n ? ", " : "", name);

	naming->n++;
	if (naming->left_out || (size_t)len + sizeof " and 1000000 more" > left) {
		naming->names[naming->used] = '\0';
		naming->left_out++;
	} else {
		naming->used += (size_t)len;
	}
}

size_t
policy_share_changed(const struct policy_base *base, const struct policy_set *files, char *names,
		     size_t max)
{
	struct naming naming = { .names = names, .max = max };
	size_t n = policy_set_compare(&base->files, files, add_name, &naming);

	if (!n)
		*names = '\0';
	if (naming.left_out)
		snprintf(names + naming.used, max - naming.used, "%s%zu%s",
			 naming.used ? " and " : "", naming.left_out,
			 naming.used ? " more" : " files");
	return n;
}

void
policy_share_fini(struct policy_share *share)
{
	json_decref(share->unsent);
	*share = (struct policy_share){ 0 };
}

void
policy_share_take(struct service *service, json_t *unsent)
{
	policy_share_fini(&service->share);
	service->share.alone = true;
	service->share.unsent = json_incref(unsent);
}

json_t *
policy_share_pass(const struct service *service)
{
	const struct policy_share *share = &service->share;

	if (!share->alone)
		return NULL;
	return share->unsent ? json_incref(share->unsent) : json_array();
}

void
policy_share_look(struct service *service)
{
	struct policy_share *share = &service->share;
	const char *folder = service->config->policy;
	const struct policy *policy = service->generation ? service->generation->policy : NULL;
	struct policy_set files = { 0 };
	struct policy_base base;
	char names[NAMES_MAX];
	json_t *unsent;

	if (!cluster_is_joined(service->cluster))
		return;
	unsent = policy_share_pass(service);
	policy_share_fini(share);
	if (unsent)
		policy_share_take(service, unsent);
	json_decref(unsent);
	if (policy_base_read(folder, cluster_name(service->cluster), &base) == 0 && base.version &&
	    policy_set_read(&files, folder, policy, &base.files) == 0) {
		share->version = base.version;
		memcpy(share->digest, base.digest, sizeof share->digest);
		if (policy_share_changed(&base, &files, names, sizeof names))
			snprintf(share->trouble, sizeof share->trouble,
				 "files were changed by hand and run here alone: %s; `cluster "
				 "policy "
				 "push` or `pull --discard`",
				 names);
	} else {
		snprintf(share->trouble, sizeof share->trouble,
			 "its policy is no version of the cluster's");
	}
	policy_set_fini(&files);
	policy_base_fini(&base);
	tell(service);
}

void
policy_share_live(struct service *service, uint64_t version, const char *digest)
{
	struct policy_share *share = &service->share;

	policy_share_fini(share);
	share->version = version;
	snprintf(share->digest, sizeof share->digest, "%s", digest);
	tell(service);
}

void
policy_share_end(struct service *service)
{
	policy_share_fini(&service->share);
	policy_base_remove(service->config->policy);
}

/* ---- down ---- */

void
policy_share_remember(struct service *service, int argc, const char *const *argv)
{
	struct policy_share *share = &service->share;
	json_t *words = json_array();

	if (!share->alone) {
		json_decref(words);
		return;
	}
	for (int i = 0; i < argc; i++)
		json_array_append_new(words, json_string(argv[i]));
	if (!share->unsent)
		share->unsent = json_array();
	json_array_append_new(share->unsent, words);
}

static bool
may_follow(const struct service *service)
{
	return service->store && cluster_is_joined(service->cluster) &&
	       !cluster_is_detached(service->cluster);
}

bool
policy_share_is_unsent(struct service *service, uint64_t now_ms, bool *behind)
{
	struct policy_share *share = &service->share;
	char digest[CLUSTER_DIGEST_MAX];
	uint64_t version;

	if (!share->alone || now_ms < share->retry_ms || !may_follow(service) ||
	    !cluster_policy_newest(service->cluster, &version, digest))
		return false;
	*behind = version != share->version || strcmp(digest, share->digest) != 0;
	share->retry_ms = now_ms + UNSENT_RETRY_MS;
	return true;
}

bool
policy_share_is_due(struct service *service, uint64_t now_ms)
{
	const struct policy_share *share = &service->share;
	char digest[CLUSTER_DIGEST_MAX];
	uint64_t version;

	if (!may_follow(service) || !cluster_policy_newest(service->cluster, &version, digest))
		return false;
	if (version == share->version && strcmp(digest, share->digest) == 0)
		return false;
	/* Once more at once for another version, else after a while. */
	return version != share->tried || strcmp(digest, share->tried_digest) != 0 ||
	       now_ms >= share->retry_ms;
}

void
policy_share_refused(struct service *service, uint64_t now_ms, const char *why)
{
	struct policy_share *share = &service->share;
	char digest[CLUSTER_DIGEST_MAX];
	uint64_t version;
	bool again;

	if (!cluster_policy_newest(service->cluster, &version, digest))
		return;
	again = version == share->tried && strcmp(digest, share->tried_digest) == 0;
	share->wait_ms = !again                              ? RETRY_MIN_MS
			 : share->wait_ms < RETRY_MAX_MS / 2 ? 2 * share->wait_ms
							     : RETRY_MAX_MS;
	share->retry_ms = now_ms + share->wait_ms;
	share->tried = version;
	memcpy(share->tried_digest, digest, sizeof share->tried_digest);
	snprintf(share->trouble, sizeof share->trouble, "refuses version %llu of the policy: %.*s",
		 (unsigned long long)version, (int)strcspn(why, "\n"), why);
	if (!again)
		log_event(SEVERITY_ERROR, LOG_EVENT_cluster_policy, NULL,
			  "version %llu of the cluster's policy is refused here, version %llu runs "
			  "on: "
			  "%s",
			  (unsigned long long)version, (unsigned long long)share->version, why);
	tell(service);
}

/* ---- up ---- */

static uint64_t
fail(struct diag_list *diags, const char *folder, const char *why)
{
	const struct place place = { .file = folder };

	diag_error(diags, &place, "%s", why);
	return 0;
}

bool
policy_share_is_loaded(const struct policy *policy, const struct policy_set *files)
{
	for (const struct policy_read *read = policy->read; read; read = read->next) {
		const struct policy_set_file *file = policy_set_find(files, read->name);

		if (!policy_set_shares(read->name))
			continue;
		if (!file || file->len != read->len ||
		    hash64_bytes(HASH64_EMPTY, file->text, file->len) != read->hash)
			return false;
	}
	return true;
}

struct putting {
	struct cluster_push *push;
	char *error;
	int failed;
};

static void
put_difference(void *ctx, const struct policy_set_file *before, const struct policy_set_file *after)
{
	struct putting *putting = ctx;

	if (!putting->failed)
		putting->failed = cluster_push_put(
			putting->push, after ? after->name : before->name,
			after ? after->text : NULL, after ? after->len : 0, putting->error);
}

/* What is pushed on top of what. */
struct step {
	const struct policy_base *base;
	const struct policy_set *files;
	const struct policy_note *note;
	bool any;
};

static struct cluster_push *
new_push(struct service *service, const struct step *step, char digest[CLUSTER_DIGEST_MAX])
{
	const struct policy_note *note = step->note;
	struct cluster_policy_head head = { 0 };
	uint8_t sha256[DIGEST_MAX];

	if (!policy_set_digest(step->files, sha256))
		return NULL;
	cluster_policy_digest(service->cluster, sha256, digest);
	snprintf(head.digest, sizeof head.digest, "%s", digest);
	snprintf(head.who, sizeof head.who, "%s", note ? note->who : "");
	snprintf(head.what, sizeof head.what, "%s", note ? note->what : "");
	snprintf(head.why, sizeof head.why, "%s", note ? note->why : "");
	return cluster_push_new(service->cluster, &head);
}

/* 0 and the version; or -errno and a sentence. */
static int
push(struct service *service, const struct step *step, struct policy_base *pushed,
     char error[CLUSTER_ERROR_MAX])
{
	const struct cluster_push_place place = { step->base->version, step->any };
	struct putting putting = { .push = new_push(service, step, pushed->digest),
				   .error = error };

	if (!putting.push) {
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	policy_set_compare(&step->base->files, step->files, put_difference, &putting);
	if (putting.failed) {
		cluster_push_free(putting.push);
		return putting.failed;
	}
	return cluster_push_commit(putting.push, &place, &service->pump, &pushed->version, error);
}

/* The files are what is in the database: where that cannot be kept, it is found out when the version comes down. */
static void
note_pushed(struct service *service, const char *folder, const struct policy_base *pushed,
	    const struct policy_set *files)
{
	int result = policy_base_write(folder, cluster_name(service->cluster), pushed, files);

	if (result < 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_cluster_policy, NULL,
			  "%s/" POLICY_BASE_FILE " cannot be written: %s", folder,
			  strerror(-result));
	policy_share_live(service, pushed->version, pushed->digest);
	log_event(SEVERITY_NOTICE, LOG_EVENT_cluster_policy, NULL,
		  "version %llu of the cluster's policy was made here",
		  (unsigned long long)pushed->version);
}

/* 0; or -errno and a sentence. */
static int
may_push(struct service *service, const struct policy_pushing *pushing,
	 const struct policy_base *base, const struct policy_set *files,
	 char error[CLUSTER_ERROR_MAX])
{
	int code = cluster_may_edit(service->cluster, error);

	if (code < 0)
		return code;
	if (!base->version && !pushing->first) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "these files are based on no version of the cluster's policy: `cradlectl "
			 "cluster policy diff` shows what differs, `cluster policy pull --discard` "
			 "takes the cluster's; `cluster policy push` makes them its first");
		return -ESTALE;
	}
	if (policy_share_is_loaded(pushing->policy, files))
		return 0;
	snprintf(error, CLUSTER_ERROR_MAX,
		 "its files were changed by somebody else meanwhile: look at them, and try again");
	return -ESTALE;
}

static bool
is_away(int code)
{
	return code == -EAGAIN || code == DATABASE_AWAY || code == -ETIMEDOUT;
}

/* A rollout that harms devices is not to go on because the database cannot be told. */
static int
go_on_alone(struct service *service, const char *why)
{
	service->share.alone = true;
	snprintf(service->share.trouble, sizeof service->share.trouble,
		 "what was stopped is live on this member alone until the database is back: %.200s",
		 why);
	tell(service);
	return 0;
}

uint64_t
policy_share_push(struct service *service, const struct policy_pushing *pushing,
		  struct diag_list *diags)
{
	struct policy_base base, pushed = { 0 };
	struct policy_set files = { 0 };
	const struct step step = { &base, &files, pushing->note, false };
	char error[CLUSTER_ERROR_MAX];
	int code;

	if (!cluster_is_joined(service->cluster))
		return 0;
	code = policy_base_read(pushing->folder, cluster_name(service->cluster), &base);
	if (code == 0)
		code = policy_set_read(&files, pushing->folder, pushing->policy, NULL);
	if (code < 0) {
		snprintf(error, sizeof error, "its files cannot be read: %s", strerror(-code));
	} else if (base.version && !policy_set_compare(&base.files, &files, NULL, NULL)) {
		if (*service->share.trouble)
			policy_share_live(service, base.version, base.digest); /* it is again */
	} else {
		code = may_push(service, pushing, &base, &files, error);
		if (code == 0)
			code = push(service, &step, &pushed, error);
		if (code == 0)
			note_pushed(service, pushing->folder, &pushed, &files);
		else if (pushing->urgent && is_away(code))
			code = go_on_alone(service, error);
	}
	policy_set_fini(&files);
	policy_base_fini(&base);
	return code < 0 ? fail(diags, pushing->folder, error) : pushed.version;
}

int
policy_share_push_first(struct service *service, const struct policy_note *note,
			char error[CLUSTER_ERROR_MAX])
{
	const char *folder = service->config->policy;
	const struct policy *policy = service->generation->policy;
	struct policy_base none = { 0 }, pushed = { 0 };
	struct policy_set files = { 0 };
	const struct step step = { &none, &files, note, true };
	int code = policy_set_read(&files, folder, policy, NULL);

	if (code < 0) {
		snprintf(error, CLUSTER_ERROR_MAX, "%s cannot be read: %s", folder,
			 strerror(-code));
	} else if (!policy_share_is_loaded(policy, &files)) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the files in %s are not what runs: `cradlectl reload` first", folder);
		code = -ESTALE;
	} else {
		code = push(service, &step, &pushed, error);
	}
	if (code == 0)
		note_pushed(service, folder, &pushed, &files);
	policy_set_fini(&files);
	return code;
}
