/* The policy that members share: taken over, compared. How it goes up is part of every reload (policy_share.h). */
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster.h"
#include "control/commands/cluster_pull.h"
#include "control/commands/commands.h"
#include "control/commands/policy_at.h"
#include "control/runs/policy_share.h"

/* A member, whose cluster is configured. False after refusing. */
static bool
may_ask(struct call *call)
{
	struct cluster *cluster = call->service->cluster;

	if (!cluster_is_joined(cluster))
		call_refuse(call, CTL_REFUSED, "this appliance is in no cluster");
	else if (cluster_is_detached(cluster))
		call_refuse(
			call, CTL_REFUSED,
			"the cluster \"%s\" is not configured: set `cluster` again, or `cluster "
			"promote-local` makes this appliance stand alone",
			cluster_name(cluster));
	return call->exit == CTL_DONE;
}

void
command_cluster_policy_pull(struct call *call)
{
	const struct cluster_pull wish = { .discard = call_option(call, "--discard") };

	if (may_ask(call))
		cluster_pull(call, &wish);
}

/* ---- diff ---- */

/* Both borrow their files. */
static bool
compare(struct call *call, const struct cluster_policy *newest, const struct policy_set *files)
{
	struct policy_at before = { .n_files = (unsigned)newest->n };
	struct policy_at after = { .n_files = (unsigned)files->n };
	json_t *list = NULL;

	before.files = calloc(newest->n + 1, sizeof *before.files);
	after.files = calloc(files->n + 1, sizeof *after.files);
	for (size_t i = 0; before.files && i < newest->n; i++)
		before.files[i] = (struct policy_at_file){ newest->files[i].name,
							   (char *)newest->files[i].bytes,
							   newest->files[i].len };
	for (size_t i = 0; after.files && i < files->n; i++)
		after.files[i] =
			(struct policy_at_file){ files->files[i].name, files->files[i].text,
						 files->files[i].len };
	if (before.files && after.files)
		list = policy_at_put_changes(call, &before, &after);
	free(before.files);
	free(after.files);
	if (!list)
		return false;
	if (!json_array_size(list))
		text_show(&call->text,
			  "the files here say what version %llu of the cluster's says\n",
			  (unsigned long long)newest->head.version);
	call->result =
		json_pack("{s:I, s:I, s:o}", "cluster_policy", (json_int_t)newest->head.version,
			  "here", (json_int_t)call->service->share.version, "files", list);
	return true;
}

/* Those of keys/ that the policy here was made of, or the cluster's names. */
static int
read_files(struct call *call, const struct cluster_policy *newest, struct policy_set *files)
{
	struct policy_set names = { 0 };
	int code = 0;

	for (size_t i = 0; code == 0 && i < newest->n; i++)
		code = policy_set_add(&names, newest->files[i].name, NULL, 0,
				      (uint8_t[DIGEST_MAX]){ 0 });
	if (code == 0)
		code = policy_set_read(files, call->service->config->policy,
				       call->service->generation->policy, &names);
	policy_set_fini(&names);
	return code;
}

void
command_cluster_policy_diff(struct call *call)
{
	struct service *service = call->service;
	struct policy_set files = { 0 };
	struct cluster_policy newest;
	char error[CLUSTER_ERROR_MAX];
	int code;

	if (!may_ask(call))
		return;
	if (cluster_policy_fetch(service->cluster, 0, &service->pump, &newest, error) < 0) {
		call_refuse(call, CTL_REFUSED, "%s", error);
		return;
	}
	code = read_files(call, &newest, &files);
	if (code < 0)
		call_refuse(call, CTL_REFUSED, "%s cannot be read: %s", service->config->policy,
			    strerror(-code));
	else if (!compare(call, &newest, &files))
		call_refuse(call, CTL_REFUSED, "out of memory");
	policy_set_fini(&files);
	cluster_policy_fini(&newest);
}
