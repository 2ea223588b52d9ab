#include "control/commands/status_cluster.h"

#include "control/cluster/cluster.h"
#include "control/commands/show.h"

/* What an operator has to know of it. */
static const char *const consequences[] = {
	[CLUSTER_ALONE] = "not joined: `cluster init` makes it, `cluster join` joins it",
	[CLUSTER_DETACHED] = "left aside: its setting `cluster` is gone; nothing can be edited",
	[CLUSTER_AWAY] = "database away: devices bootstrap on, edits are refused",
	[CLUSTER_SYNCING] = "fetching all devices",
	[CLUSTER_FOLLOWING] = "following",
};

void
status_put_cluster(struct service *service, struct text *text, json_t *result)
{
	struct cluster_info info;
	char since[SHOW_TIME_MAX];

	if (!service->cluster)
		return;
	cluster_info(service->cluster, &info);
	text_show(text, "cluster %s: member %u, %s", cluster_name(service->cluster),
		  cluster_member_number(service->cluster), consequences[info.state]);
	if (info.state == CLUSTER_AWAY && info.since_ms)
		text_show(text, ", since %s", show_time(info.since_ms, since));
	text_show(text, "\n");
	if (*info.error)
		text_show(text, "  %s\n", info.error);
	if (*service->share.trouble)
		text_show(text, "  policy: %s\n", service->share.trouble);
	json_object_set_new(result, "cluster",
			    json_pack("{s:s, s:s, s:i, s:I, s:s, s:s}", "cluster",
				      cluster_name(service->cluster), "state",
				      cluster_state_name(info.state), "member",
				      (int)cluster_member_number(service->cluster), "since_ms",
				      (json_int_t)info.since_ms, "error", info.error,
				      "policy_trouble", service->share.trouble));
}
