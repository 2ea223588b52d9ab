/* The thread that follows: asks for the newest revision, fetches what changed, and tells that this member is there. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/cluster/cluster_private.h"
#include "control/cluster/cluster_schema.h"

/* The thread's own. */
struct follower {
	struct cluster *cluster;
	struct database *database;
	uint64_t epoch;   /* of what is fetched */
	uint64_t fetched; /* all up to this revision was handed over */
	bool resync, checked;
	uint64_t beat_us, pruned_us;
	struct cluster_batch *batch; /* being filled; NULL: none yet */
	uint64_t row_revision;       /* of the last row */
	char error[CLUSTER_ERROR_MAX];
	bool first_page;
	int failed; /* of a row */
	/* Of a page: the name behind which the next one begins. */
	char last[256];
	size_t last_len, n_rows;
};

/* ---- batches ---- */

static void
batch_drop(struct follower *follower)
{
	if (follower->batch)
		records_clear(&follower->batch->rows);
	free(follower->batch);
	follower->batch = NULL;
}

static struct cluster_batch *
batch_of(struct follower *follower)
{
	if (!follower->batch)
		follower->batch = calloc(1, sizeof *follower->batch);
	return follower->batch;
}

/* Waits for room. False: it is out of date, or the program ends; then it is dropped. */
static bool
hand_over(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;
	struct batch_queue *queue = &cluster->batches;
	bool wanted;

	pthread_mutex_lock(&cluster->lock);
	while (!cluster->ending && cluster->epoch == follower->epoch &&
	       queue->count == FOLLOW_BATCHES_MAX)
		pthread_cond_wait(&cluster->told, &cluster->lock);
	wanted = !cluster->ending && cluster->epoch == follower->epoch;
	if (wanted) {
		queue->items[(queue->first + queue->count++) % FOLLOW_BATCHES_MAX] =
			follower->batch;
		follower->batch = NULL;
	}
	pthread_mutex_unlock(&cluster->lock);
	batch_drop(follower);
	return wanted;
}

static int
take_row(struct follower *follower, const PGresult *row, uint64_t txn)
{
	struct cluster_batch *batch = batch_of(follower);

	if (!batch) {
		snprintf(follower->error, sizeof follower->error, "out of memory");
		return -ENOMEM;
	}
	follower->n_rows++;
	return cluster_rows_take(&batch->rows, follower->cluster->follow_sealer, row, txn,
				 follower->error);
}

/* ---- changes ---- */

static const char changes_sql[] =
	"SELECT " CLUSTER_DEVICE_COLUMNS
	", c.rev, c.txn FROM cradle_change c JOIN cradle_device d ON d.txn = c.txn"
	" WHERE c.rev > $1 AND c.rev <= $2 ORDER BY c.rev, d.endpoint";

static bool
take_change(void *ctx, const PGresult *row)
{
	struct follower *follower = ctx;

	follower->row_revision = database_number(row, 0, CLUSTER_COLUMNS);
	follower->failed = take_row(follower, row, database_number(row, 0, CLUSTER_COLUMNS + 1));
	if (follower->failed)
		return false;
	if (follower->batch->rows.count < CLUSTER_BATCH_ROWS)
		return true;
	/* More of the same revision may follow. */
	follower->batch->revision = follower->row_revision - 1;
	if (hand_over(follower))
		return true;
	follower->failed = -ECANCELED;
	return false;
}

static int
end_of_stream(struct follower *follower, uint64_t head, bool resync)
{
	struct cluster_batch *batch = batch_of(follower);

	if (!batch)
		return -ENOMEM;
	batch->revision = head;
	batch->end = true;
	batch->resync = batch->last = resync;
	batch->first = resync && follower->first_page;
	follower->fetched = head;
	return hand_over(follower) ? 0 : -ECANCELED;
}

static int
fetch_changes(struct follower *follower, uint64_t head)
{
	struct database_parameters parameters = { 0 };
	int code;

	database_add_number(&parameters, follower->fetched);
	database_add_number(&parameters, head);
	follower->failed = 0;
	code = database_each(follower->database, changes_sql, &parameters, take_change, follower,
			     follower->error);
	if (follower->failed)
		code = follower->failed;
	return code < 0 ? code : end_of_stream(follower, head, false);
}

/* ---- all of it ---- */

static const char page_sql[] = "SELECT " CLUSTER_DEVICE_COLUMNS " FROM cradle_device"
			       " WHERE dead = 0 AND endpoint > $1 ORDER BY endpoint LIMIT $2";

static bool
take_page_row(void *ctx, const PGresult *row)
{
	struct follower *follower = ctx;

	follower->failed = take_row(follower, row, 0);
	if (follower->failed)
		return false;
	follower->last_len = (size_t)PQgetlength(row, 0, 0);
	assert(follower->last_len <= sizeof follower->last); /* cluster_rows_take() */
	memcpy(follower->last, PQgetvalue(row, 0, 0), follower->last_len);
	return true;
}

static int
fetch_page(struct follower *follower)
{
	struct database_parameters parameters = { 0 };
	int code;

	database_add_bytes(&parameters, follower->last, follower->last_len);
	database_add_number(&parameters, CLUSTER_BATCH_ROWS);
	follower->n_rows = 0;
	follower->failed = 0;
	code = database_each(follower->database, page_sql, &parameters, take_page_row, follower,
			     follower->error);
	return follower->failed ? follower->failed : code;
}

/* What changes meanwhile has a revision above `head`, and is fetched after it. */
static int
fetch_all(struct follower *follower, uint64_t head)
{
	int code;

	follower->last_len = 0;
	follower->first_page = true;
	while ((code = fetch_page(follower)) == 0 && follower->n_rows == CLUSTER_BATCH_ROWS) {
		follower->batch->resync = true;
		follower->batch->first = follower->first_page;
		follower->first_page = false;
		if (!hand_over(follower))
			return -ECANCELED;
	}
	if (code == 0)
		code = end_of_stream(follower, head, true);
	if (code == 0)
		follower->resync = false;
	return code;
}

/* ---- signs of life ---- */

static int
beat(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;
	struct database_parameters parameters = { 0 };
	char digest[sizeof cluster->digest], note[sizeof cluster->note];
	PGresult *result;
	bool gone;
	int code;

	database_add_number(&parameters, cluster->member);
	pthread_mutex_lock(&cluster->lock);
	database_add_number(&parameters, cluster->revision);
	memcpy(digest, cluster->digest, sizeof digest);
	memcpy(note, cluster->note, sizeof note);
	pthread_mutex_unlock(&cluster->lock);
	database_add_number(&parameters, cluster->instance);
	database_add_text(&parameters, digest);
	database_add_text(&parameters, note);
	database_add_text(&parameters, cluster->member_name);
	code = database_query(
		follower->database,
		"UPDATE cradle_member SET rev = $2, instance = $3, digest = $4, note = $5,"
		" name = $6, seen_at = now() WHERE number = $1 RETURNING number",
		&parameters, &result, follower->error);
	if (code < 0)
		return code;
	gone = !PQntuples(result);
	PQclear(result);
	if (!gone)
		return 0;
	snprintf(follower->error, sizeof follower->error,
		 "the database knows no member %u any more: `cradlectl cluster leave`, then `join`",
		 cluster->member);
	return DATABASE_REFUSED;
}

static void
copy_text(char *to, size_t max, const PGresult *result, int row, int column)
{
	snprintf(to, max, "%.*s", PQgetlength(result, row, column),
		 PQgetvalue(result, row, column));
}

static int
look_around(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;
	PGresult *result;
	int code, n;

	code = database_query(follower->database,
			      "SELECT number, name, rev, digest, note,"
			      " CAST(EXTRACT(EPOCH FROM now() - seen_at) * 1000 AS BIGINT)"
			      " FROM cradle_member ORDER BY number",
			      NULL, &result, follower->error);
	if (code < 0)
		return code;
	n = PQntuples(result) < CLUSTER_MEMBERS_MAX ? PQntuples(result) : CLUSTER_MEMBERS_MAX;
	pthread_mutex_lock(&cluster->lock);
	cluster->n_members = (unsigned)n;
	for (int i = 0; i < n; i++) {
		struct cluster_member *member = &cluster->members[i];
		int64_t silent = (int64_t)database_number(result, i, 5);

		member->number = (uint32_t)database_number(result, i, 0);
		member->revision = database_number(result, i, 2);
		member->silent_ms = silent > 0 ? (uint64_t)silent : 0;
		copy_text(member->name, sizeof member->name, result, i, 1);
		copy_text(member->digest, sizeof member->digest, result, i, 3);
		copy_text(member->note, sizeof member->note, result, i, 4);
	}
	pthread_mutex_unlock(&cluster->lock);
	PQclear(result);
	return 0;
}

/*
 * What is older than the horizon is forgotten: changes by their numbers, and devices that are dead. Who is further behind
 * fetches all. The counter's row is changed last, as by edits.
 */
static int
prune(struct follower *follower)
{
	static const char *const sql[] = {
		"DELETE FROM cradle_device WHERE dead = 1 AND txn IN"
		" (SELECT txn FROM cradle_change WHERE rev <= $1)",
		"DELETE FROM cradle_change WHERE rev <= $1",
		"UPDATE cradle_rev SET horizon = $1 WHERE one = 1 AND horizon < $1",
	};
	struct database_parameters parameters = { 0 }, age = { 0 };
	PGresult *result;
	uint64_t horizon;
	int code;

	database_add_number(&age, follower->cluster->horizon_s);
	code = database_query(follower->database,
			      "SELECT max(rev) FROM cradle_change"
			      " WHERE made_at < now() - $1 * INTERVAL '1 second'",
			      &age, &result, follower->error);
	if (code < 0)
		return code;
	horizon = database_number(result, 0, 0);
	PQclear(result);
	if (!horizon)
		return 0;
	database_add_number(&parameters, horizon);
	code = database_execute(follower->database, "BEGIN", follower->error);
	for (unsigned i = 0; code == 0 && i < sizeof sql / sizeof sql[0]; i++)
		code = database_query(follower->database, sql[i], &parameters, NULL,
				      follower->error);
	if (code == 0)
		code = database_execute(follower->database, "COMMIT", follower->error);
	database_rollback(follower->database);
	return code == DATABASE_AGAIN ? 0 : code; /* another member does the same */
}

static int
show_life(struct follower *follower)
{
	uint64_t now_us = clock_now_us();
	int code;

	if (follower->beat_us && now_us - follower->beat_us < FOLLOW_BEAT_MS * 1000ull)
		return 0;
	follower->beat_us = now_us;
	code = beat(follower);
	if (code == 0)
		code = look_around(follower);
	if (code < 0 ||
	    (follower->pruned_us && now_us - follower->pruned_us < FOLLOW_PRUNE_MS * 1000ull))
		return code;
	follower->pruned_us = now_us;
	return prune(follower);
}

/* ---- turns ---- */

/* Takes up what the control thread wants. */
static void
take_epoch(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;

	pthread_mutex_lock(&cluster->lock);
	if (follower->epoch != cluster->epoch) {
		follower->epoch = cluster->epoch;
		follower->fetched = cluster->fetch_from;
		follower->resync = cluster->resync;
		follower->beat_us = 0;
		cluster->resync = false;
		batch_drop(follower);
	}
	pthread_mutex_unlock(&cluster->lock);
}

static int
read_head(struct follower *follower, uint64_t *head, uint64_t *horizon)
{
	PGresult *result;
	int code = database_query(follower->database,
				  "SELECT rev, horizon FROM cradle_rev WHERE one = 1", NULL,
				  &result, follower->error);

	if (code < 0)
		return code;
	*head = database_number(result, 0, 0);
	*horizon = database_number(result, 0, 1);
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

	if (code == 0 && !follower->checked)
		code = cluster_schema_check(follower->database, follower->error);
	follower->checked = code == 0;
	if (code == 0)
		code = read_head(follower, &head, &horizon);
	if (code < 0)
		return code;
	/* Behind the horizon, or beyond what the database has: it is an older copy. */
	if (follower->fetched < horizon || follower->fetched > head)
		follower->resync = true;
	tell_head(follower, head);
	if (follower->resync)
		code = fetch_all(follower, head);
	else if (head > follower->fetched)
		code = fetch_changes(follower, head);
	if (code == 0)
		code = show_life(follower);
	return code;
}

static void
in_trouble(struct follower *follower, int code)
{
	struct cluster *cluster = follower->cluster;

	batch_drop(follower);
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
}

void *
cluster_follow_thread(void *arg)
{
	struct cluster *cluster = arg;
	struct follower follower = { .cluster = cluster, .database = cluster->follow_database };
	int code;

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
	batch_drop(&follower);
	return NULL;
}
