/* The cluster: made, joined, left, looked at. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/commands/call_version.h"
#include "control/commands/cluster_pull.h"
#include "control/commands/commands.h"
#include "control/log.h"
#include "control/runs/device_change.h"
#include "control/runs/policy_share.h"
#include "control/slice.h"

enum {
	COMMIT_WAIT_MS = 60000,
	UPLOAD_AT_ONCE = 10000, /* devices in a transaction */
	UPLOAD_PUMP = 500,
	CATCH_UP_MS = 10 * 60000,
};

/* Refuses where there is nothing to join with. */
static bool
is_configured(struct call *call)
{
	if (call->service->cluster && !cluster_is_detached(call->service->cluster))
		return true;
	call_refuse(call, CTL_REFUSED,
		    "no cluster is configured: set `cluster` in %s (`help settings` tells how) and "
		    "start again",
		    call->service->config->file);
	return false;
}

static bool
is_alone(struct call *call)
{
	if (!is_configured(call))
		return false;
	if (!cluster_is_joined(call->service->cluster))
		return true;
	call_refuse(call, CTL_REFUSED, "this appliance is member %u of the cluster %s already",
		    cluster_member_number(call->service->cluster),
		    cluster_name(call->service->cluster));
	return false;
}

/* The store remembers of which cluster it is; NULL: of none. False after refusing. */
static bool
keep_membership(struct call *call, const char *cluster)
{
	struct store_change *change = store_change_begin(call->service->store);
	char error[STORE_ERROR_MAX] = "another change is being written: try again";
	int code = -EBUSY;

	if (change) {
		store_change_follow(change, cluster, 0);
		code = store_change_commit(change, COMMIT_WAIT_MS, &call->service->pump, error);
	}
	if (code < 0)
		call_refuse(call, CTL_REFUSED, "%s", error);
	return code == 0;
}

/* Waits until all devices are here. False: it goes on without who asked. */
static bool
catch_up(struct call *call)
{
	uint64_t end_us = clock_now_us() + CATCH_UP_MS * 1000ull;
	struct cluster_info info;

	call_may_cancel(call);
	do {
		replica_turn(call->service, clock_now_ms());
		cluster_info(call->service->cluster, &info);
		if (info.state == CLUSTER_FOLLOWING)
			return true;
		call_tell(call, "fetching devices: %llu taken over",
			  (unsigned long long)info.applied);
		pump_run(&call->service->pump);
		cluster_rest(call->service->cluster);
	} while (!call_cancelled(call) && clock_now_us() < end_us);
	return false;
}

static void
begin_following(struct call *call)
{
	struct service *service = call->service;
	struct cluster_info info;
	bool done;

	if (!keep_membership(call, cluster_name(service->cluster)))
		return;
	cluster_begin(service->cluster);
	policy_share_look(service);
	done = catch_up(call);
	cluster_info(service->cluster, &info);
	log_event(SEVERITY_NOTICE, LOG_EVENT_cluster_state, NULL, "member %u of the cluster %s",
		  cluster_member_number(service->cluster), cluster_name(service->cluster));
	text_show(&call->text, "member %u of the cluster %s, %u device%s%s\n",
		  cluster_member_number(service->cluster), cluster_name(service->cluster),
		  service->inventory.count, PLURAL(service->inventory.count),
		  done ? "" : "; the rest is being fetched: `cluster status` tells how far it is");
	if (*info.error && !done)
		text_show(&call->text, "%s\n", info.error);
	/* What the policy's way in has told already stays beside it. */
	if (!call->result)
		call->result = json_object();
	json_object_update_new(call->result,
			       json_pack("{s:s, s:i, s:i, s:b}", "cluster",
					 cluster_name(service->cluster), "member",
					 (int)cluster_member_number(service->cluster), "devices",
					 (int)service->inventory.count, "complete", done));
}

/* ---- init ---- */

/* Some devices, from *id on, as one transaction. False after refusing. */
static bool
upload_some(struct call *call, uint32_t *id)
{
	struct service *service = call->service;
	char error[CLUSTER_ERROR_MAX];
	struct cluster_edit *edit;
	struct device_names names;
	struct device_spec spec;
	struct device *device;
	struct slice slice = { 0 };
	int code = cluster_edit_begin(service->cluster, CLUSTER_UPLOAD, &edit, error);

	for (unsigned n = 0;
	     code == 0 && n < UPLOAD_AT_ONCE && (device = inventory_next(&service->inventory, id));
	     n++, ++*id) {
		device_to_spec(&service->inventory, device, &names, &spec);
		spec.created_ms = (uint64_t)device->created_s * 1000;
		cluster_edit_put(edit, &spec);
		explicit_bzero(spec.key, sizeof spec.key);
		if (slice_is_over(&slice, UPLOAD_PUMP))
			slice_pump(&slice, &service->pump);
	}
	if (code == 0)
		code = cluster_edit_commit(edit, COMMIT_WAIT_MS, &service->pump, error);
	if (code < 0)
		call_refuse(call, CTL_REFUSED,
			    "%s; `cluster init --from-store` goes on where this one ended", error);
	return code == 0;
}

static bool
upload_all(struct call *call)
{
	const struct inventory *inventory = &call->service->inventory;
	uint32_t id = 0;

	call_may_cancel(call);
	while (inventory_next(inventory, &id)) {
		if (call_cancelled(call)) {
			call_refuse(call, CTL_REFUSED,
				    "cancelled: `cluster init --from-store` goes on where this one "
				    "ended");
			return false;
		}
		call_tell(call, "sending devices: %llu %%",
			  (unsigned long long)id * 100 /
				  (inventory->next_id ? inventory->next_id : 1));
		if (!upload_some(call, &id))
			return false;
	}
	return true;
}

void
command_cluster_init(struct call *call)
{
	struct cluster_joining joining = { .fresh = true };
	struct service *service = call->service;
	bool from_store = call_option(call, "--from-store");
	char error[CLUSTER_ERROR_MAX];
	struct call_note note;

	if (!is_alone(call))
		return;
	if (service->inventory.count && !from_store) {
		call_refuse(call, CTL_REFUSED,
			    "this appliance has %u device%s: --from-store makes them the cluster's",
			    service->inventory.count, PLURAL(service->inventory.count));
		return;
	}
	if (cluster_join(service->cluster, &joining, &service->pump, error) < 0) {
		call_refuse(call, CTL_REFUSED, "no cluster was made: %s", error);
		return;
	}
	if (!upload_all(call))
		return;
	if (policy_share_push_first(service, call_note(call, &note), error) < 0) {
		call_refuse(call, CTL_REFUSED, "%s; then run it again", error);
		return;
	}
	if (cluster_uploaded(service->cluster, &service->pump, error) < 0) {
		call_refuse(call, CTL_REFUSED, "%s; run it again", error);
		return;
	}
	begin_following(call);
}

/* ---- join, leave ---- */

/* A member of a newer release: the tables become what it knows. */
static void
bring_tables(struct call *call)
{
	struct service *service = call->service;
	struct cluster_joining joining = { .tables_only = true };
	char error[CLUSTER_ERROR_MAX];

	if (cluster_join(service->cluster, &joining, &service->pump, error) < 0)
		call_refuse(call, CTL_REFUSED, "%s", error);
	else if (!joining.migrated)
		(void)is_alone(call);
	else
		text_show(&call->text,
			  "the tables of the cluster %s are what this release needs: update the "
			  "other members, too\n",
			  cluster_name(service->cluster));
}

/* Before the first device: none gets what this appliance would have given. */
static bool
take_policy(struct call *call)
{
	const struct cluster_pull wish = { .joining = true };
	struct service *service = call->service;
	char ignored[CLUSTER_ERROR_MAX];

	if (cluster_pull(call, &wish))
		return true;
	text_show(&call->error, "not joined: its policy is no good here\n");
	(void)cluster_leave(service->cluster, &service->pump, ignored);
	return false;
}

void
command_cluster_join(struct call *call)
{
	struct service *service = call->service;
	struct cluster_joining joining = { .fresh = false };
	char error[CLUSTER_ERROR_MAX];

	if (!is_configured(call))
		return;
	if (cluster_is_joined(service->cluster)) {
		bring_tables(call);
		return;
	}
	if (service->inventory.count && !call_option(call, "--replace")) {
		call_refuse(call, CTL_REFUSED,
			    "this appliance has %u device%s of its own: --replace takes those of "
			    "the cluster in their "
			    "place (`store backup` keeps what is here)",
			    service->inventory.count, PLURAL(service->inventory.count));
		return;
	}
	if (cluster_join(service->cluster, &joining, &service->pump, error) < 0) {
		call_refuse(call, CTL_REFUSED, "not joined: %s", error);
		return;
	}
	if (take_policy(call))
		begin_following(call);
}

static bool
is_member(struct call *call)
{
	if (cluster_is_joined(call->service->cluster))
		return true;
	call_refuse(call, CTL_REFUSED, "this appliance is in no cluster");
	return false;
}

static void
stand_alone(struct call *call)
{
	struct service *service = call->service;

	if (!keep_membership(call, NULL))
		return;
	log_event(SEVERITY_NOTICE, LOG_EVENT_cluster_state, NULL,
		  "stands alone, no member of the cluster %s any more",
		  cluster_name(service->cluster));
	text_show(&call->text,
		  "no member of the cluster %s any more; its %u device%s are this appliance's own "
		  "now\n",
		  cluster_name(service->cluster), service->inventory.count,
		  PLURAL(service->inventory.count));
	call->result = json_pack("{s:i}", "devices", (int)service->inventory.count);
	policy_share_end(service);
	cluster_end(service->cluster);
	replica_turn(service, clock_now_ms()); /* cookies of the cluster are none any more */
}

void
command_cluster_leave(struct call *call)
{
	struct service *service = call->service;
	struct cluster_info info;
	char error[CLUSTER_ERROR_MAX];

	if (!is_member(call) || !is_configured(call))
		return;
	cluster_info(service->cluster, &info);
	if (info.state != CLUSTER_FOLLOWING || replica_send_all(service, COMMIT_WAIT_MS / 10))
		call_refuse(call, CTL_REFUSED,
			    "not all of the cluster is here, or of here in the cluster (%s%s%s): "
			    "wait until it is; "
			    "`cluster promote-local` stands alone with what is here",
			    cluster_state_name(info.state), *info.error ? ": " : "", info.error);
	else if (cluster_leave(service->cluster, &service->pump, error) < 0)
		call_refuse(call, CTL_REFUSED,
			    "%s; `cluster promote-local` does without the database", error);
	else
		stand_alone(call);
}

void
command_cluster_promote_local(struct call *call)
{
	if (is_member(call))
		stand_alone(call);
}

/* ---- status ---- */

static uint64_t
policy_behind(const struct cluster_member *member, const struct cluster_info *info)
{
	return info->policy_head > member->policy ? info->policy_head - member->policy : 0;
}

static json_t *
member_json(const struct cluster_member *member, const struct cluster_info *info)
{
	return json_pack(
		"{s:i, s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:s, s:s, s:s}", "member",
		(int)member->number, "name", member->name, "revision", (json_int_t)member->revision,
		"behind",
		(json_int_t)(info->head > member->revision ? info->head - member->revision : 0),
		"silent_ms", (json_int_t)member->silent_ms, "there",
		member->silent_ms < CLUSTER_MEMBER_SILENT_MS, "policy", (json_int_t)member->policy,
		"policy_behind", (json_int_t)policy_behind(member, info), "digest", member->digest,
		"note", member->note, "forward", member->forward);
}

static void
put_members(const struct cluster_info *info, uint32_t own, struct text *text, json_t *list)
{
	struct table table;

	if (!info->n_members)
		return;
	table_init(&table, "member|name|there|revision:2|behind:1|policy|digest:3|~what is wrong");
	for (unsigned i = 0; i < info->n_members; i++) {
		const struct cluster_member *member = &info->members[i];

		table_cell(&table, "%u", member->number);
		table_cell(&table, "%s", member->name);
		/* Of the others the database alone tells. */
		if (member->number == own ||
		    (info->state != CLUSTER_AWAY && member->silent_ms < CLUSTER_MEMBER_SILENT_MS))
			table_cell(&table, "yes");
		else if (info->state != CLUSTER_FOLLOWING)
			table_cell(&table, "not known");
		else
			table_cell(&table, "silent for %llu s",
				   (unsigned long long)member->silent_ms / 1000);
		table_cell(&table, "%llu", (unsigned long long)member->revision);
		table_cell(&table, "%llu",
			   (unsigned long long)(info->head > member->revision
							? info->head - member->revision
							: 0));
		table_cell(&table, "%llu", (unsigned long long)member->policy);
		table_cell(&table, "%.12s", *member->digest ? member->digest : "-");
		table_cell(&table, "%s", member->note);
		json_array_append_new(list, member_json(member, info));
	}
	text_show(text, "\n");
	table_finish(&table, text);
}

static void
put_policy(const struct service *service, const struct cluster_info *info, struct text *text)
{
	const struct policy_share *share = &service->share;

	if (!cluster_is_joined(service->cluster))
		return;
	if (share->version)
		text_show(text, "  policy: version %llu of %llu\n",
			  (unsigned long long)share->version,
			  (unsigned long long)info->policy_head);
	if (*share->trouble)
		text_show(text, "  policy: %s\n", share->trouble);
}

void
command_cluster_status(struct call *call)
{
	struct service *service = call->service;
	json_t *members = json_array();
	struct cluster_info info;
	size_t unsent = service->replica.waiting.count + service->replica.n_sending;

	if (!service->cluster) {
		text_show(&call->text, "this appliance stands alone: no `cluster` is configured\n");
		call->result = json_pack("{s:s, s:o}", "state", "none", "members", members);
		return;
	}
	cluster_info(service->cluster, &info);
	text_show(&call->text, "cluster %s: ", cluster_name(service->cluster));
	if (info.state == CLUSTER_ALONE)
		text_show(&call->text,
			  "not joined: `cluster init` makes it, `cluster join` joins it\n");
	else
		text_show(&call->text, "%s; revision %llu of %llu, %llu ms behind\n",
			  cluster_state_name(info.state), (unsigned long long)info.revision,
			  (unsigned long long)info.head, (unsigned long long)info.lag_ms);
	if (*info.error)
		text_show(&call->text, "  %s\n", info.error);
	if (unsent)
		text_show(&call->text, "  changes of %zu device%s wait to be sent\n", unsent,
			  PLURAL(unsent));
	if (info.reports_waiting || info.reports_lost)
		text_show(&call->text, "  reports: %llu to be sent, %llu lost\n",
			  (unsigned long long)info.reports_waiting,
			  (unsigned long long)info.reports_lost);
	put_policy(service, &info, &call->text);
	put_members(&info, cluster_member_number(service->cluster), &call->text, members);
	call->result = json_pack(
		"{s:I, s:I, s:I, s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}",
		"reports_sent", (json_int_t)info.reports_sent, "reports_waiting",
		(json_int_t)info.reports_waiting, "reports_lost", (json_int_t)info.reports_lost,
		"state", cluster_state_name(info.state), "cluster", cluster_name(service->cluster),
		"member", (int)cluster_member_number(service->cluster), "error", info.error,
		"since_ms", (json_int_t)info.since_ms, "revision", (json_int_t)info.revision,
		"head", (json_int_t)info.head, "lag_ms", (json_int_t)info.lag_ms, "applied",
		(json_int_t)info.applied, "resyncs", (json_int_t)info.resyncs, "fetched_anew",
		(json_int_t)info.fetched_anew, "unsent", (json_int_t)unsent, "given_way",
		(json_int_t)(service->replica.given_way + info.effects_lost), "superseded",
		(json_int_t)service->replica.superseded, "reports_recovered",
		(json_int_t)service->replica.unsent.found, "once_claimed",
		(json_int_t)service->replica.waits.granted, "once_unclaimed",
		(json_int_t)service->replica.waits.given_up, "policy",
		(json_int_t)service->share.version, "policy_head", (json_int_t)info.policy_head,
		"policy_digest", service->share.digest, "policy_trouble", service->share.trouble,
		"members", members);
}
