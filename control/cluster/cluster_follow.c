/* The thread that follows: asks for the newest revision, fetches what changed, and tells that this member is there. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/cluster/cluster_private.h"
#include "control/cluster/cluster_schema.h"
#include "control/guard/thread_guard.h"

enum {
	REPORTS_EVERY_MS = 200,
	CLOCK_OFF_S = 10, /* what is told: a third of what cookies bear */
};

/* The thread's own. */
struct follower {
	struct cluster *cluster;
	struct database *database;
	uint64_t epoch;       /* of what is fetched */
	uint64_t fetched;     /* all up to this revision was handed over */
	uint64_t fetched_txn; /* its transaction; 0: not known */
	uint64_t head_txn;    /* of the newest */
	bool resync, checked;
	uint64_t beat_us, pruned_us;
	int64_t ahead_ms;            /* our wall clock of the database's */
	struct cluster_batch *batch; /* being filled; NULL: none yet */
	uint64_t row_revision;       /* of the last row */
	char error[CLUSTER_ERROR_MAX];
	bool first_page;
	int failed; /* of a row */
	/* Of a page: the name behind which the next one begins. */
	char last[256];
	size_t last_len, n_rows;
	/* Of reports. */
	struct known_member known[CLUSTER_MEMBERS_MAX];
	unsigned n_known;
	bool reports_known; /* the last ones were fetched */
	uint64_t reports_us, news_seq;
	char last_pair[3][CLUSTER_REPORT_TEXT_MAX + 1]; /* behind which the next page begins */
};

/* ---- batches ---- */

static void
batch_drop(struct follower *follower)
{
	if (follower->batch) {
		records_clear(&follower->batch->rows);
		records_clear(&follower->batch->reports);
	}
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
	follower->fetched_txn = follower->head_txn;
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

/* ---- reports of other members ---- */

#define REPORT_COLUMNS                                                                             \
	"endpoint, task_group, task_name, summary, status, started_ms, finished_ms, at_ms, member"

static const char last_sql[] =
	"SELECT " REPORT_COLUMNS " FROM cradle_last_report"
	" WHERE member <> $1 AND (endpoint, task_group, task_name) > ($2, $3, $4)"
	" ORDER BY endpoint, task_group, task_name LIMIT $5";

static const char news_sql[] = "SELECT " REPORT_COLUMNS ", seq FROM cradle_report"
			       " WHERE member = $1 AND seq > $2 ORDER BY seq LIMIT $3";

enum { REPORT_COLUMN_COUNT = 9 };

/* Names come as bytes without an end. */
static bool
copy_bytes(char *to, size_t max, const PGresult *row, int column)
{
	size_t len = (size_t)PQgetlength(row, 0, column);

	if (len >= max || memchr(PQgetvalue(row, 0, column), 0, len))
		return false;
	memcpy(to, PQgetvalue(row, 0, column), len);
	to[len] = '\0';
	return true;
}

/* A report that is none of ours is left out: somebody else wrote it. */
static int
take_report(struct follower *follower, const PGresult *row)
{
	char texts[4][CLUSTER_REPORT_TEXT_MAX + 1];
	struct cluster_batch *batch = batch_of(follower);
	struct cluster_report report = {
		.endpoint = texts[0],
		.group = texts[1],
		.task = texts[2],
		.summary = texts[3],
		.status = (uint8_t)database_number(row, 0, 4),
		.started_ms = database_number(row, 0, 5),
		.finished_ms = database_number(row, 0, 6),
		.at_ms = database_number(row, 0, 7),
		.member = (uint32_t)database_number(row, 0, 8),
	};

	follower->n_rows++;
	for (int i = 0; i < 4; i++)
		if (!copy_bytes(texts[i], sizeof texts[i], row, i))
			return 0;
	for (int i = 0; i < 3; i++)
		memcpy(follower->last_pair[i], texts[i], sizeof texts[i]);
	if (batch && cluster_report_add(&batch->reports, &report))
		return 0;
	snprintf(follower->error, sizeof follower->error, "out of memory");
	return -ENOMEM;
}

static bool
take_last_report(void *ctx, const PGresult *row)
{
	struct follower *follower = ctx;

	follower->failed = take_report(follower, row);
	return follower->failed == 0;
}

static int
fetch_last_page(struct follower *follower)
{
	struct database_parameters parameters = { 0 };
	int code;

	database_add_number(&parameters, follower->cluster->member);
	for (unsigned i = 0; i < 3; i++)
		database_add_bytes(&parameters, follower->last_pair[i],
				   strlen(follower->last_pair[i]));
	database_add_number(&parameters, CLUSTER_BATCH_ROWS);
	follower->n_rows = 0;
	follower->failed = 0;
	code = database_each(follower->database, last_sql, &parameters, take_last_report, follower,
			     follower->error);
	return follower->failed ? follower->failed : code;
}

/* The last report of each task and device; what comes meanwhile has a number above those that are known. */
static int
fetch_last_reports(struct follower *follower)
{
	int code;

	memset(follower->last_pair, 0, sizeof follower->last_pair);
	for (unsigned i = 0; i < follower->n_known; i++)
		follower->known[i].have = follower->known[i].there;
	do {
		code = fetch_last_page(follower);
		if (code < 0)
			return code;
		if (!follower->batch)
			break;
		follower->batch->reports_old = true;
		if (!hand_over(follower))
			return -ECANCELED;
	} while (follower->n_rows == CLUSTER_BATCH_ROWS);
	follower->reports_known = true;
	return 0;
}

static bool
take_news(void *ctx, const PGresult *row)
{
	struct follower *follower = ctx;
	uint64_t seq = database_number(row, 0, REPORT_COLUMN_COUNT);

	/* What is between was forgotten: all last reports are read again. */
	if (seq != follower->news_seq + 1)
		follower->reports_known = false;
	follower->news_seq = seq;
	follower->failed = take_report(follower, row);
	return follower->failed == 0;
}

static int
fetch_news(struct follower *follower, struct known_member *known)
{
	struct database_parameters parameters = { 0 };
	int code;

	database_add_number(&parameters, known->number);
	database_add_number(&parameters, known->have);
	database_add_number(&parameters, CLUSTER_BATCH_ROWS);
	follower->news_seq = known->have;
	follower->n_rows = 0;
	follower->failed = 0;
	code = database_each(follower->database, news_sql, &parameters, take_news, follower,
			     follower->error);
	if (follower->failed)
		code = follower->failed;
	if (code < 0)
		return code;
	if (!follower->n_rows)
		follower->reports_known = false;
	known->have = follower->n_rows ? follower->news_seq : known->there;
	return !follower->batch || hand_over(follower) ? 0 : -ECANCELED;
}

static struct known_member *
known_member(struct follower *follower, uint32_t number)
{
	for (unsigned i = 0; i < follower->n_known; i++)
		if (follower->known[i].number == number)
			return &follower->known[i];
	if (follower->n_known == CLUSTER_MEMBERS_MAX)
		return NULL;
	follower->known[follower->n_known] = (struct known_member){ .number = number };
	return &follower->known[follower->n_known++];
}

/* Which numbers other members' reports have. */
static int
look_for_reports(struct follower *follower)
{
	PGresult *result;
	int code =
		database_query(follower->database, "SELECT number, report_seq FROM cradle_member",
			       NULL, &result, follower->error);

	for (int i = 0; code == 0 && i < PQntuples(result); i++) {
		uint32_t number = (uint32_t)database_number(result, i, 0);
		struct known_member *known =
			number == follower->cluster->member ? NULL : known_member(follower, number);

		if (!known)
			continue;
		known->there = database_number(result, i, 1);
		/* It left and came again: it counts from the beginning. */
		if (known->there < known->have)
			known->have = 0;
	}
	if (code == 0)
		PQclear(result);
	return code;
}

/* Devices first: reports are of devices that are here. */
static int
fetch_reports(struct follower *follower)
{
	uint64_t now_us = clock_now_us();
	int code;

	if (follower->reports_us && now_us - follower->reports_us < REPORTS_EVERY_MS * 1000ull)
		return 0;
	follower->reports_us = now_us;
	code = look_for_reports(follower);
	if (code == 0 && !follower->reports_known)
		return fetch_last_reports(follower);
	for (unsigned i = 0; code == 0 && follower->reports_known && i < follower->n_known; i++)
		while (code == 0 && follower->reports_known &&
		       follower->known[i].have < follower->known[i].there)
			code = fetch_news(follower, &follower->known[i]);
	return code;
}

/* ---- signs of life ---- */

/* How far our wall clock is ahead at least: theirs was read between then and now. */
static int64_t
clock_ahead(uint64_t sent_ms, uint64_t theirs_ms)
{
	uint64_t now_ms = clock_now_ms();

	if (theirs_ms < sent_ms)
		return (int64_t)(sent_ms - theirs_ms);
	return theirs_ms > now_ms ? -(int64_t)(theirs_ms - now_ms) : 0;
}

/* What the others are told: what is wrong here, at least that the clock is. */
static void
put_note(const struct follower *follower, char *note, size_t size)
{
	int64_t s = (follower->ahead_ms + (follower->ahead_ms < 0 ? -500 : 500)) / 1000;

	if (!*note && (s >= CLOCK_OFF_S || s <= -CLOCK_OFF_S))
		snprintf(note, size, "its clock is %lld s %s the database's: cookies need 30 s",
			 (long long)(s < 0 ? -s : s), s < 0 ? "behind" : "ahead of");
}

static int
beat(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;
	struct database_parameters parameters = { 0 };
	char digest[sizeof cluster->digest], note[sizeof cluster->note];
	uint64_t sent_ms = clock_now_ms();
	uint64_t policy;
	PGresult *result;
	bool gone;
	int code;

	database_add_number(&parameters, cluster->member);
	pthread_mutex_lock(&cluster->lock);
	database_add_number(&parameters, cluster->revision);
	memcpy(digest, cluster->digest, sizeof digest);
	memcpy(note, cluster->note, sizeof note);
	policy = cluster->policy;
	pthread_mutex_unlock(&cluster->lock);
	put_note(follower, note, sizeof note);
	database_add_number(&parameters, cluster->instance);
	database_add_text(&parameters, digest);
	database_add_text(&parameters, note);
	database_add_text(&parameters, cluster->member_name);
	database_add_text(&parameters, cluster->forward);
	database_add_number(&parameters, policy);
	code = database_query(
		follower->database,
		"UPDATE cradle_member SET rev = $2, instance = $3, digest = $4, note = $5,"
		" name = $6, forward = $7, policy = $8, seen_at = now() WHERE number = $1"
		" RETURNING CAST(EXTRACT(EPOCH FROM seen_at) * 1000 AS BIGINT)",
		&parameters, &result, follower->error);
	if (code < 0)
		return code;
	gone = !PQntuples(result);
	if (!gone)
		follower->ahead_ms = clock_ahead(sent_ms, database_number(result, 0, 0));
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

	code = database_query(
		follower->database,
		"SELECT number, name, rev, digest, note,"
		" CAST(EXTRACT(EPOCH FROM now() - seen_at) * 1000 AS BIGINT), forward,"
		" policy"
		" FROM cradle_member ORDER BY number",
		NULL, &result, follower->error);
	if (code < 0)
		return code;
	n = PQntuples(result) < CLUSTER_MEMBERS_MAX ? PQntuples(result) : CLUSTER_MEMBERS_MAX;
	pthread_mutex_lock(&cluster->lock);
	cluster->routes_changed |= cluster->n_members != (unsigned)n;
	cluster->n_members = (unsigned)n;
	cluster->members_us = clock_now_us();
	for (int i = 0; i < n; i++) {
		struct cluster_member *member = &cluster->members[i];
		int64_t silent = (int64_t)database_number(result, i, 5);
		uint32_t number = (uint32_t)database_number(result, i, 0);
		char forward[sizeof member->forward];

		copy_text(forward, sizeof forward, result, i, 6);
		cluster->routes_changed |=
			member->number != number || strcmp(member->forward, forward) != 0;
		memcpy(member->forward, forward, sizeof forward);
		member->number = number;
		member->revision = database_number(result, i, 2);
		member->silent_ms = silent > 0 ? (uint64_t)silent : 0;
		member->policy = database_number(result, i, 7);
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
	static const char old_claims_sql[] =
		"DELETE FROM cradle_claim WHERE made_at < now() - $1 * INTERVAL '1 second'";
	struct database_parameters parameters = { 0 }, age = { 0 }, claims = { 0 };
	PGresult *result;
	uint64_t horizon;
	int code;

	database_add_number(&claims, CLUSTER_CLAIM_OLD_S);
	code = database_query(follower->database, old_claims_sql, &claims, NULL, follower->error);
	if (code < 0)
		return code;
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
		batch_drop(follower);
	}
	pthread_mutex_unlock(&cluster->lock);
}

/* The policy's newest version is seen with the devices' newest revision: those that it needs are fetched first. */
static void
note_policy(struct cluster *cluster, const PGresult *head)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->policy_head = database_number(head, 0, 2);
	copy_text(cluster->policy_digest, sizeof cluster->policy_digest, head, 0, 3);
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
		return show_life(follower);
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
	return code == 0 ? fetch_reports(follower) : code;
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
	batch_drop(&follower);
	return NULL;
}
