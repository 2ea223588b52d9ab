#include "control/cluster/cluster_follow.h"

#include <string.h>

#include "control/clock.h"

enum { CLOCK_OFF_S = 10 /* what is told: a third of what cookies bear */ };

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

		follower_copy_text(forward, sizeof forward, result, i, 6);
		cluster->routes_changed |=
			member->number != number || strcmp(member->forward, forward) != 0;
		memcpy(member->forward, forward, sizeof forward);
		member->number = number;
		member->revision = database_number(result, i, 2);
		member->silent_ms = silent > 0 ? (uint64_t)silent : 0;
		member->policy = database_number(result, i, 7);
		follower_copy_text(member->name, sizeof member->name, result, i, 1);
		follower_copy_text(member->digest, sizeof member->digest, result, i, 3);
		follower_copy_text(member->note, sizeof member->note, result, i, 4);
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

int
follower_show_life(struct follower *follower)
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
