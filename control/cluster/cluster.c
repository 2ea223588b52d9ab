#include "control/cluster/cluster.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/cluster/cluster_private.h"

enum { LAST_REPORTS_MS = 1000 };

static const char *const state_names[] = {
	[CLUSTER_ALONE] = "alone",         [CLUSTER_DETACHED] = "detached",
	[CLUSTER_AWAY] = "database away",  [CLUSTER_SYNCING] = "fetching all",
	[CLUSTER_FOLLOWING] = "following",
};

const char *
cluster_state_name(enum cluster_state state)
{
	return state_names[state];
}

/* ---- life ---- */

static void
init_locks(struct cluster *cluster)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&cluster->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&cluster->work, &attributes);
	pthread_cond_init(&cluster->told, &attributes);
	pthread_cond_init(&cluster->follow, &attributes);
	pthread_cond_init(&cluster->report, &attributes);
	pthread_cond_init(&cluster->claim, &attributes);
	pthread_mutex_init(&cluster->reporting.lock, NULL);
	pthread_condattr_destroy(&attributes);
}

/* The database shows what each connection is for. */
static struct database *
connection(const struct cluster_options *options, const char *purpose)
{
	char name[CLUSTER_NAME_MAX + 48];

	snprintf(name, sizeof name, "cradle %s %u %s", options->name, options->member, purpose);
	return database_new(options->database, name);
}

/* All that needs what is configured. 0, or -errno and a sentence. */
static int
configure(struct cluster *cluster, const struct cluster_options *options,
	  char error[CLUSTER_ERROR_MAX])
{
	int code = cluster_secret_load(options->secret_file, &cluster->secret, error,
				       CLUSTER_ERROR_MAX);

	if (code < 0)
		return code;
	snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
	cluster->name = strdup(options->name);
	cluster->member_name = strdup(options->member_name);
	cluster->member = options->member;
	cluster->poll_ms = options->poll_ms;
	snprintf(cluster->forward, sizeof cluster->forward, "%s",
		 options->forward ? options->forward : "");
	cluster->horizon_s = options->horizon_s;
	if (options->keyring) {
		cluster->keyring = *options->keyring;
		cluster->sealer = sealer_new(options->keyring);
		cluster->follow_sealer = sealer_new(options->keyring);
	}
	cluster->job_database = connection(options, "edits");
	cluster->follow_database = connection(options, "changes");
	cluster->report_database = connection(options, "reports");
	cluster->claim_database = connection(options, "claims");
	if (!cluster->name || !cluster->member_name || !cluster->job_database ||
	    !cluster->report_database || !cluster->follow_database || !cluster->claim_database ||
	    cluster_claim_init(&cluster->claiming) < 0)
		return -ENOMEM;
	return options->keyring && (!cluster->sealer || !cluster->follow_sealer) ? -ENOMEM : 0;
}

struct cluster *
cluster_new(const struct cluster_options *options, const char *joined, uint64_t revision,
	    char error[CLUSTER_ERROR_MAX])
{
	struct cluster *cluster = calloc(1, sizeof *cluster);

	if (!cluster) {
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
		return NULL;
	}
	init_locks(cluster);
	cluster->instance = cluster_random();
	cluster->began_ms = clock_now_ms();
	cluster->joined = cluster->following = joined;
	cluster->fetch_from = cluster->revision = cluster->head = revision;
	/* A store whose pages were not all there yet says revision 0. */
	cluster->resync = revision == 0;
	cluster_set_state(cluster, joined ? CLUSTER_AWAY : CLUSTER_ALONE, "");
	if (joined)
		snprintf(cluster->joined_name, sizeof cluster->joined_name, "%s", joined);
	if (!options->name) {
		cluster_set_state(cluster, CLUSTER_DETACHED, "");
		return cluster;
	}
	if (joined && strcmp(joined, options->name) != 0)
		snprintf(error, CLUSTER_ERROR_MAX,
			 "cluster.name is \"%s\", but the store is a replica of the cluster "
			 "\"%s\": `cradlectl cluster "
			 "leave` first, with the former settings",
			 options->name, joined);
	else if (configure(cluster, options, error) == 0)
		return cluster;
	cluster_free(cluster);
	return NULL;
}

int
cluster_start(struct cluster *cluster)
{
	int code;

	if (!cluster->name)
		return 0;
	code = pthread_create(&cluster->job_thread, NULL, cluster_job_thread, cluster);
	cluster->job_started = code == 0;
	if (code == 0) {
		code = pthread_create(&cluster->follow_thread, NULL, cluster_follow_thread,
				      cluster);
		cluster->follow_started = code == 0;
	}
	if (code == 0) {
		code = pthread_create(&cluster->report_thread, NULL, cluster_report_thread,
				      cluster);
		cluster->report_started = code == 0;
	}
	if (code == 0) {
		code = pthread_create(&cluster->claim_thread, NULL, cluster_claim_thread, cluster);
		cluster->claim_started = code == 0;
	}
	return -code;
}

static void
batch_free(struct cluster_batch *batch)
{
	if (!batch)
		return;
	records_clear(&batch->rows);
	records_clear(&batch->reports);
	free(batch);
}

/* Under the lock, or without threads. */
static void
drop_batches(struct cluster *cluster)
{
	struct batch_queue *queue = &cluster->batches;

	for (; queue->count; queue->count--) {
		batch_free(queue->items[queue->first]);
		queue->first = (queue->first + 1) % FOLLOW_BATCHES_MAX;
	}
}

static void
join_within(pthread_t thread, unsigned ms, struct database *database)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return;
	database_interrupt(database);
	pthread_join(thread, NULL);
}

static void
end_threads(struct cluster *cluster)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->ending = true;
	pthread_cond_broadcast(&cluster->work);
	pthread_cond_broadcast(&cluster->follow);
	pthread_cond_broadcast(&cluster->told);
	pthread_cond_broadcast(&cluster->report);
	pthread_cond_broadcast(&cluster->claim);
	pthread_mutex_unlock(&cluster->lock);
	/* The last reports have LAST_REPORTS_MS to get there. */
	if (cluster->report_started)
		join_within(cluster->report_thread, LAST_REPORTS_MS, cluster->report_database);
	if (cluster->job_database)
		database_interrupt(cluster->job_database);
	if (cluster->follow_database)
		database_interrupt(cluster->follow_database);
	if (cluster->claim_database)
		database_interrupt(cluster->claim_database);
	if (cluster->claim_started)
		pthread_join(cluster->claim_thread, NULL);
	if (cluster->job_started)
		pthread_join(cluster->job_thread, NULL);
	if (cluster->follow_started)
		pthread_join(cluster->follow_thread, NULL);
}

void
cluster_free(struct cluster *cluster)
{
	if (!cluster)
		return;
	end_threads(cluster);
	drop_batches(cluster);
	if (cluster->job && cluster->job != cluster->sent)
		cluster->job->free(
			cluster->job); /* nobody waits for it, and its thread did not begin it */
	if (cluster->sent)
		cluster->sent->free(cluster->sent);
	database_free(cluster->job_database);
	database_free(cluster->follow_database);
	database_free(cluster->report_database);
	database_free(cluster->claim_database);
	cluster_claim_fini(&cluster->claiming);
	records_clear(&cluster->reporting.queue);
	records_clear(&cluster->reporting.slice);
	free(cluster->reporting.there.ids);
	pthread_mutex_destroy(&cluster->reporting.lock);
	pthread_cond_destroy(&cluster->report);
	pthread_cond_destroy(&cluster->claim);
	sealer_free(cluster->sealer);
	sealer_free(cluster->follow_sealer);
	cluster_secret_wipe(&cluster->secret);
	keyring_wipe(&cluster->keyring);
	pthread_cond_destroy(&cluster->work);
	pthread_cond_destroy(&cluster->told);
	pthread_cond_destroy(&cluster->follow);
	pthread_mutex_destroy(&cluster->lock);
	free(cluster->own);
	free(cluster->name);
	free(cluster->member_name);
	free(cluster);
}

bool
cluster_is_joined(const struct cluster *cluster)
{
	return cluster && cluster->joined;
}

bool
cluster_is_detached(const struct cluster *cluster)
{
	return cluster && !cluster->name;
}

uint32_t
cluster_member_number(const struct cluster *cluster)
{
	return cluster->member;
}

void
cluster_cookie_secret(const struct cluster *cluster, uint8_t secret[32])
{
	cluster_secret_derive(&cluster->secret, "cradle cluster cookies", cluster->joined_name,
			      strlen(cluster->joined_name), secret);
}

const char *
cluster_name(const struct cluster *cluster)
{
	return cluster->joined ? cluster->joined_name : cluster->name;
}

/* ---- batches ---- */

struct cluster_batch *
cluster_take(struct cluster *cluster)
{
	struct cluster_batch *batch;

	pthread_mutex_lock(&cluster->lock);
	batch = cluster->batches.count ? cluster->batches.items[cluster->batches.first] : NULL;
	pthread_mutex_unlock(&cluster->lock);
	return batch;
}

void
cluster_rest(struct cluster *cluster)
{
	pthread_mutex_lock(&cluster->lock);
	if (!cluster->batches.count)
		cluster_wait(cluster, &cluster->told, 1);
	pthread_mutex_unlock(&cluster->lock);
}

void
cluster_batch_done(struct cluster *cluster, bool whole)
{
	struct batch_queue *queue = &cluster->batches;
	struct cluster_batch *batch;

	pthread_mutex_lock(&cluster->lock);
	assert(queue->count);
	batch = queue->items[queue->first];
	queue->first = (queue->first + 1) % FOLLOW_BATCHES_MAX;
	queue->count--;
	cluster->applied_rows += batch->rows.count;
	/* All that there is may be of an older copy of the database. */
	if (whole && (batch->revision > cluster->revision || (batch->resync && batch->last)))
		cluster->revision = batch->revision;
	cluster_forget_own(cluster);
	if (batch->resync && batch->last)
		cluster->resyncs++;
	if (batch->end)
		cluster_set_state(cluster, CLUSTER_FOLLOWING, "");
	pthread_cond_broadcast(&cluster->told);
	pthread_mutex_unlock(&cluster->lock);
	batch_free(batch);
}

/* The follower begins anew, behind what is applied or with everything. Under the lock. */
static void
begin_anew(struct cluster *cluster, bool resync)
{
	drop_batches(cluster);
	cluster->epoch++;
	cluster->resync |= resync;
	cluster->heard.known = false;
	cluster->fetch_from = cluster->revision;
	pthread_cond_broadcast(&cluster->follow);
	pthread_cond_broadcast(&cluster->told);
}

void
cluster_refetch(struct cluster *cluster, const char *why)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->fetched_anew++;
	begin_anew(cluster, cluster->state == CLUSTER_SYNCING);
	cluster_set_state(cluster, cluster->state, why);
	pthread_mutex_unlock(&cluster->lock);
}

void
cluster_begin(struct cluster *cluster)
{
	cluster->joined = true;
	snprintf(cluster->joined_name, sizeof cluster->joined_name, "%s", cluster->name);
	pthread_mutex_lock(&cluster->lock);
	cluster->following = true;
	cluster->revision = cluster->head = 0;
	cluster_set_state(cluster, CLUSTER_SYNCING, "");
	begin_anew(cluster, true);
	pthread_mutex_unlock(&cluster->lock);
}

void
cluster_end(struct cluster *cluster)
{
	cluster->joined = false;
	pthread_mutex_lock(&cluster->lock);
	cluster->following = false;
	cluster_set_state(cluster, CLUSTER_ALONE, "");
	begin_anew(cluster, false);
	cluster->n_members = 0;
	pthread_mutex_unlock(&cluster->lock);
}

/* ---- status ---- */

/* What the database said last, brought up to now. Locked by the caller. */
static void
bring_up(const struct cluster *cluster, struct cluster_member *member, uint64_t now_us)
{
	if (member->number != cluster->member) {
		member->silent_ms += (now_us - cluster->members_us) / 1000;
		return;
	}
	member->silent_ms = 0;
	member->revision = cluster->revision;
	member->policy = cluster->policy;
	memcpy(member->digest, cluster->digest, sizeof member->digest);
	memcpy(member->note, cluster->note, sizeof member->note);
}

void
cluster_info(struct cluster *cluster, struct cluster_info *info)
{
	uint64_t now_us = clock_now_us();

	pthread_mutex_lock(&cluster->lock);
	if (cluster->head <= cluster->revision)
		cluster->behind_since_us = 0;
	else if (!cluster->behind_since_us)
		cluster->behind_since_us = now_us;
	*info = (struct cluster_info){
		.state = cluster->state,
		.since_ms = cluster->since_ms,
		.head = cluster->head,
		.revision = cluster->revision,
		.lag_ms = cluster->behind_since_us ? (now_us - cluster->behind_since_us) / 1000 : 0,
		.applied = cluster->applied_rows,
		.resyncs = cluster->resyncs,
		.fetched_anew = cluster->fetched_anew,
		.effects_lost = cluster->effects_lost,
		.policy_head = cluster->policy_head,
		.n_members = cluster->n_members,
	};
	snprintf(info->error, sizeof info->error, "%s", cluster->trouble);
	memcpy(info->members, cluster->members, cluster->n_members * sizeof *info->members);
	for (unsigned i = 0; i < info->n_members; i++)
		bring_up(cluster, &info->members[i], now_us);
	pthread_mutex_unlock(&cluster->lock);
	pthread_mutex_lock(&cluster->reporting.lock);
	info->reports_waiting = cluster->reporting.queue.count + cluster->reporting.waiting_slice -
				cluster->reporting.claims;
	info->reports_sent = cluster->reporting.sent;
	info->reports_lost = cluster->reporting.lost;
	if (!*info->error)
		snprintf(info->error, sizeof info->error, "%s", cluster->reporting.error);
	pthread_mutex_unlock(&cluster->reporting.lock);
}

void
cluster_tell(struct cluster *cluster, uint64_t policy, const char *digest, const char *note)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->policy = policy;
	snprintf(cluster->digest, sizeof cluster->digest, "%s", digest);
	snprintf(cluster->note, sizeof cluster->note, "%s", note);
	pthread_mutex_unlock(&cluster->lock);
}
