/* The thread that follows: asks for the newest revision, fetches what changed, and tells that this member is there. */
#include "control/cluster/cluster_follow.h"

#include <errno.h>
#include <string.h>

#include "control/cluster/cluster_schema.h"
#include "control/guard/thread_guard.h"

/* ---- turns ---- */

/* Reports go on behind those that were handed over. Under the lock. */
static void
take_heard(struct follower *follower)
{
	const struct heard *heard = &follower->cluster->heard;

	follower->reports_known = heard->known;
	if (!heard->known)
		return;
	follower->n_known = heard->n;
	memcpy(follower->known, heard->of, heard->n * sizeof *heard->of);
}

static void
keep_heard(struct follower *follower)
{
	struct heard *heard = &follower->cluster->heard;

	pthread_mutex_lock(&follower->cluster->lock);
	if (follower->epoch == follower->cluster->epoch && !follower->cluster->following_rests) {
		heard->known = follower->reports_known;
		heard->n = follower->n_known;
		memcpy(heard->of, follower->known, heard->n * sizeof *heard->of);
	}
	pthread_mutex_unlock(&follower->cluster->lock);
}

static bool
is_to_rest(struct cluster *cluster)
{
	bool rests;

	pthread_mutex_lock(&cluster->lock);
	rests = cluster->following_rests;
	pthread_mutex_unlock(&cluster->lock);
	return rests;
}

/* Takes up what the control thread wants. */
static void
take_epoch(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;

	pthread_mutex_lock(&cluster->lock);
	if (follower->epoch != cluster->epoch) {
		follower->epoch = cluster->epoch;
		if (follower->fetched != cluster->fetch_from)
			follower->fetched_txn = 0;
		follower->fetched = cluster->fetch_from;
		follower->resync = cluster->resync;
		follower->beat_us = 0;
		take_heard(follower);
		cluster->resync = false;
		follower_drop_batch(follower);
	}
	pthread_mutex_unlock(&cluster->lock);
}

/* The policy's newest version is seen with the devices' newest revision: those that it needs are fetched first. */
static void
note_policy(struct cluster *cluster, const PGresult *head)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->policy_head = database_number(head, 0, 2);
	follower_copy_text(cluster->policy_digest, sizeof cluster->policy_digest, head, 0, 3);
	pthread_mutex_unlock(&cluster->lock);
}

static int
read_head(struct follower *follower, uint64_t *head, uint64_t *horizon)
{
	PGresult *result;
	int code = database_query(
		follower->database,
		"SELECT r.rev, r.horizon, r.policy, p.digest, c.txn FROM cradle_rev r"
		" LEFT JOIN cradle_policy p ON p.version = r.policy"
		" LEFT JOIN cradle_change c ON c.rev = r.rev WHERE r.one = 1",
		NULL, &result, follower->error);

	if (code < 0)
		return code;
	*head = database_number(result, 0, 0);
	*horizon = database_number(result, 0, 1);
	follower->head_txn = database_number(result, 0, 4);
	note_policy(follower->cluster, result);
	PQclear(result);
	return 0;
}

/*
 * After another connection, maybe to another host: whether the revision that is here is the same change there. A standby
 * that was behind when it took over may have come as far since, by other changes.
 */
static int
check_history(struct follower *follower)
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code;

	if (!follower->fetched_txn)
		return 0;
	database_add_number(&parameters, follower->fetched);
	code = database_query(follower->database, "SELECT txn FROM cradle_change WHERE rev = $1",
			      &parameters, &result, follower->error);
	if (code < 0)
		return code;
	/* No row: it is older than the horizon, or newer than all there; both show by their numbers. */
	if (PQntuples(result) && database_number(result, 0, 0) != follower->fetched_txn)
		follower->resync = true;
	PQclear(result);
	return 0;
}

static void
tell_head(struct follower *follower, uint64_t head)
{
	struct cluster *cluster = follower->cluster;

	pthread_mutex_lock(&cluster->lock);
	cluster->head = head;
	if (follower->resync)
		cluster_set_state(cluster, CLUSTER_SYNCING, cluster->trouble);
	else if (cluster->state == CLUSTER_AWAY && follower->fetched >= head &&
		 cluster->revision >= head)
		cluster_set_state(cluster, CLUSTER_FOLLOWING, "");
	pthread_mutex_unlock(&cluster->lock);
}

static int
turn(struct follower *follower)
{
	uint64_t head = 0, horizon = 0;
	int code = database_connect(follower->database, follower->error);

	if (code == 0 && !follower->checked) {
		code = cluster_schema_check(follower->database, follower->error);
		code = code == 0 ? check_history(follower) : code;
	}
	follower->checked = code == 0;
	/* Others see that it is there; another process is about to follow. */
	if (code == 0 && is_to_rest(follower->cluster))
		return follower_show_life(follower);
	if (code == 0)
		code = read_head(follower, &head, &horizon);
	if (code < 0)
		return code;
	/* Behind the horizon, or beyond what the database has: it is an older copy. */
	if (follower->fetched < horizon || follower->fetched > head)
		follower->resync = true;
	tell_head(follower, head);
	if (follower->resync)
		code = follower_fetch_all(follower, head);
	else if (head > follower->fetched)
		code = follower_fetch_changes(follower, head);
	if (code == 0)
		code = follower_show_life(follower);
	return code == 0 ? follower_fetch_reports(follower) : code;
}

static void
in_trouble(struct follower *follower, int code)
{
	struct cluster *cluster = follower->cluster;

	follower_drop_batch(follower);
	database_rollback(follower->database);
	if (code == -ECANCELED)
		return;
	follower->checked = false;
	pthread_mutex_lock(&cluster->lock);
	if (follower->epoch == cluster->epoch && cluster->following)
		cluster_set_state(cluster, CLUSTER_AWAY, follower->error);
	pthread_mutex_unlock(&cluster->lock);
}

static void
one_turn(struct follower *follower, int *code)
{
	take_epoch(follower);
	*code = turn(follower);
	if (*code < 0)
		in_trouble(follower, *code);
	else
		keep_heard(follower);
}

void *
cluster_follow_thread(void *arg)
{
	struct cluster *cluster = arg;
	struct follower follower = { .cluster = cluster, .database = cluster->follow_database };
	int code;

	thread_guard_enter(THREAD_NETWORK);
	pthread_mutex_lock(&cluster->lock);
	follower.epoch = cluster->epoch - 1; /* nothing is taken up yet */
	while (!cluster->ending) {
		if (!cluster->following) {
			pthread_cond_wait(&cluster->follow, &cluster->lock);
			continue;
		}
		pthread_mutex_unlock(&cluster->lock);
		one_turn(&follower, &code);
		pthread_mutex_lock(&cluster->lock);
		if (!cluster->ending && cluster->following && code != -ECANCELED &&
		    cluster->epoch == follower.epoch)
			cluster_wait(cluster, &cluster->follow,
				     code < 0 ? FOLLOW_RETRY_MS : cluster->poll_ms);
	}
	pthread_mutex_unlock(&cluster->lock);
	follower_drop_batch(&follower);
	return NULL;
}
