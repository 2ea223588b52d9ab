/*
 * The policy in the database. A push is one transaction:
 *
 *	BEGIN
 *	INSERT cradle_policy (base + 1)           who was quicker has this number: then it is refused
 *	INSERT cradle_policy_file ..              what differs
 *	DELETE ..                                 versions that are too old, and what newer ones say anew
 *	UPDATE cradle_rev .. WHERE policy = base  last: from here to the commit others wait
 *	COMMIT
 */
#include "control/cluster/cluster_policy.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/sha.h>

#include "control/cluster/cluster_private.h"

enum { PUSH_TRIES = 8, WAIT_MS = 60000 };

void
cluster_policy_digest(const struct cluster *cluster, const uint8_t sha256[32],
		      char digest[CLUSTER_DIGEST_MAX])
{
	uint8_t bytes[CLUSTER_SECRET_LEN];

	cluster_secret_derive(&cluster->secret, "cradle cluster policy", sha256, 32, bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(digest + 2 * i, 3, "%02x", bytes[i]);
}

bool
cluster_policy_newest(struct cluster *cluster, uint64_t *version, char digest[CLUSTER_DIGEST_MAX])
{
	pthread_mutex_lock(&cluster->lock);
	*version = cluster->state == CLUSTER_FOLLOWING && !cluster->batches.count &&
				   cluster->revision >= cluster->head
			   ? cluster->policy_head
			   : 0;
	snprintf(digest, CLUSTER_DIGEST_MAX, "%s", cluster->policy_digest);
	pthread_mutex_unlock(&cluster->lock);
	return *version > 0;
}

/* Where the content of a file belongs, whichever version's. */
static struct seal_place
place_of(const char *name)
{
	struct seal_place place = { .what = SEAL_SHARED_POLICY };
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)name, strlen(name), hash);
	memcpy(&place.row, hash, sizeof place.row);
	place.row = be64toh(place.row);
	return place;
}

static void
wipe(uint8_t *bytes, size_t len)
{
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
}

/* ---- who made a version ---- */

static void
copy_text(char *to, size_t max, const PGresult *result, int column)
{
	snprintf(to, max, "%.*s", PQgetlength(result, 0, column), PQgetvalue(result, 0, column));
}

/* The newest one; 0: there is none. */
static int
read_head(struct database *database, struct cluster_policy_head *head,
	  char error[CLUSTER_ERROR_MAX])
{
	PGresult *result;
	int code = database_query(
		database,
		"SELECT r.policy, p.digest, p.member, p.who, p.what, p.why, p.member_name,"
		" CAST(EXTRACT(EPOCH FROM p.made_at) * 1000 AS BIGINT) FROM cradle_rev r"
		" JOIN cradle_policy p ON p.version = r.policy WHERE r.one = 1",
		NULL, &result, error);

	*head = (struct cluster_policy_head){ 0 };
	if (code < 0)
		return code;
	if (PQntuples(result)) {
		head->version = database_number(result, 0, 0);
		copy_text(head->digest, sizeof head->digest, result, 1);
		head->member = (uint32_t)database_number(result, 0, 2);
		copy_text(head->who, sizeof head->who, result, 3);
		copy_text(head->what, sizeof head->what, result, 4);
		copy_text(head->why, sizeof head->why, result, 5);
		copy_text(head->member_name, sizeof head->member_name, result, 6);
		head->at_ms = database_number(result, 0, 7);
	}
	PQclear(result);
	return 0;
}

static void
say_when(uint64_t at_ms, char text[32])
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm broken;

	if (!gmtime_r(&seconds, &broken) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &broken))
		snprintf(text, 32, "?");
}

/* ---- down ---- */

struct fetch_job {
	struct cluster_job job;
	uint64_t have;
	struct cluster_policy policy;
	struct fetched_seal {
		uint8_t *kek; /* NULL: plain */
		size_t kek_len;
	} * seals; /* of its files */
	int failed;
};

void
cluster_policy_fini(struct cluster_policy *policy)
{
	for (size_t i = 0; i < policy->n; i++) {
		wipe(policy->files[i].bytes, policy->files[i].len);
		free(policy->files[i].name);
	}
	free(policy->files);
	*policy = (struct cluster_policy){ 0 };
}

static void
fetch_free(struct cluster_job *job)
{
	struct fetch_job *fetch = (struct fetch_job *)job;

	for (size_t i = 0; i < fetch->policy.n; i++)
		free(fetch->seals[i].kek);
	free(fetch->seals);
	cluster_policy_fini(&fetch->policy);
	free(fetch);
}

static int
make_room(struct fetch_job *fetch)
{
	struct cluster_policy *policy = &fetch->policy;
	size_t capacity = policy->capacity ? 2 * policy->capacity : 16;
	struct cluster_policy_file *files;
	struct fetched_seal *seals;

	if (policy->n < policy->capacity)
		return 0;
	files = realloc(policy->files, capacity * sizeof *files);
	if (!files)
		return -ENOMEM;
	policy->files = files;
	seals = realloc(fetch->seals, capacity * sizeof *seals);
	if (!seals)
		return -ENOMEM;
	fetch->seals = seals;
	policy->capacity = capacity;
	return 0;
}

/* A copy, with a NUL behind it. NULL: out of memory. */
static uint8_t *
copy_of(const PGresult *row, int column, size_t *len)
{
	uint8_t *copy;

	*len = (size_t)PQgetlength(row, 0, column);
	copy = malloc(*len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, PQgetvalue(row, 0, column), *len);
	copy[*len] = 0;
	return copy;
}

static bool
take_file(void *ctx, const PGresult *row)
{
	struct fetch_job *fetch = ctx;
	struct cluster_policy_file *file;
	struct fetched_seal *seal;
	size_t ignored;

	fetch->failed = make_room(fetch);
	if (fetch->failed)
		return false;
	file = &fetch->policy.files[fetch->policy.n];
	seal = &fetch->seals[fetch->policy.n++];
	*file = (struct cluster_policy_file){ .name = (char *)copy_of(row, 0, &ignored) };
	*seal = (struct fetched_seal){ 0 };
	if (!PQgetisnull(row, 0, 1))
		file->bytes = copy_of(row, 1, &file->len);
	if (!PQgetisnull(row, 0, 2))
		seal->kek = copy_of(row, 2, &seal->kek_len);
	if (!file->name || (!PQgetisnull(row, 0, 1) && !file->bytes) ||
	    (!PQgetisnull(row, 0, 2) && !seal->kek))
		fetch->failed = -ENOMEM;
	return fetch->failed == 0;
}

static const char files_sql[] =
	"SELECT f.name, CASE WHEN f.version > $2 THEN f.bytes END, f.kek FROM cradle_policy_file f"
	" JOIN (SELECT name, max(version) AS version FROM cradle_policy_file WHERE version <= $1"
	" GROUP BY name) newest ON newest.name = f.name AND newest.version = f.version"
	" WHERE f.gone = 0 ORDER BY f.name";

static int
fetch_run(struct cluster *cluster, struct cluster_job *job, struct database *database,
	  char error[CLUSTER_ERROR_MAX])
{
	struct fetch_job *fetch = (struct fetch_job *)job;
	struct cluster_policy *policy = &fetch->policy;
	struct database_parameters parameters = { 0 };
	int code = read_head(database, &policy->head, error);

	if (code < 0)
		return code;
	if (!policy->head.version) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the cluster has no policy yet: `cradlectl cluster policy push` on one "
			 "member makes its own the cluster's");
		return -ENOENT;
	}
	if (fetch->have > policy->head.version) /* of a database of which this is an older copy */
		fetch->have = 0;
	database_add_number(&parameters, policy->head.version);
	database_add_number(&parameters, fetch->have);
	code = database_each(database, files_sql, &parameters, take_file, fetch, error);
	if (fetch->failed)
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
	return fetch->failed ? fetch->failed : code;
}

/* The control thread, whose sealer it is. */
static int
open_file(struct cluster *cluster, struct cluster_policy_file *file,
	  const struct fetched_seal *seal, char error[CLUSTER_ERROR_MAX])
{
	const struct seal_place place = place_of(file->name);
	int key = -1, code = -EBADMSG;
	uint8_t *plain = NULL;

	if (!file->bytes || !seal->kek)
		return 0;
	if (cluster->sealer)
		key = sealer_find(cluster->sealer, seal->kek, seal->kek_len);
	if (key >= 0 && file->len >= SEAL_OVERHEAD)
		plain = malloc(file->len - SEAL_OVERHEAD + 1);
	if (plain)
		code = sealer_open(cluster->sealer, (unsigned)key, &place, file->bytes, file->len,
				   plain);
	if (code < 0) {
		free(plain);
		snprintf(error, CLUSTER_ERROR_MAX, "%.200s of the cluster's policy %s", file->name,
			 key < 0 ? "is sealed under a key that is not in `kek` here: give all "
				   "members the same keys"
				 : "cannot be opened: it is damaged, or memory is out");
		return code;
	}
	wipe(file->bytes, file->len);
	file->bytes = plain;
	file->len -= SEAL_OVERHEAD;
	plain[file->len] = 0;
	return 0;
}

int
cluster_policy_fetch(struct cluster *cluster, uint64_t have, const struct pump *pump,
		     struct cluster_policy *policy, char error[CLUSTER_ERROR_MAX])
{
	struct fetch_job *fetch = calloc(1, sizeof *fetch);
	int code;

	*policy = (struct cluster_policy){ 0 };
	if (!fetch) {
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	fetch->job = (struct cluster_job){ .run = fetch_run, .free = fetch_free };
	fetch->have = have;
	code = cluster_job_run(cluster, &fetch->job, WAIT_MS, pump, error);
	if (code == -ETIMEDOUT)
		return code;
	for (size_t i = 0; code == 0 && i < fetch->policy.n; i++)
		code = open_file(cluster, &fetch->policy.files[i], &fetch->seals[i], error);
	if (code == 0) {
		*policy = fetch->policy;
		for (size_t i = 0; i < policy->n; i++)
			free(fetch->seals[i].kek);
		fetch->policy = (struct cluster_policy){ 0 };
	}
	fetch_free(&fetch->job);
	return code;
}

/* ---- up ---- */

struct push_file {
	char *name;
	uint8_t *bytes; /* as they go up; NULL: the file is gone */
	size_t len;
	bool sealed;
};

struct cluster_push {
	struct cluster_job job;
	struct cluster *cluster;
	struct cluster_policy_head head;
	struct cluster_push_place place;
	uint8_t kek[KEK_ID_LEN];
	uint64_t txn;
	bool in_doubt; /* it may be there: nobody heard of its end */
	struct push_file *files;
	size_t n, capacity, bytes;
};

static void
push_free(struct cluster_job *job)
{
	struct cluster_push *push = (struct cluster_push *)job;

	for (size_t i = 0; i < push->n; i++) {
		wipe(push->files[i].bytes, push->files[i].len);
		free(push->files[i].name);
	}
	free(push->files);
	free(push);
}

void
cluster_push_free(struct cluster_push *push)
{
	if (push)
		push_free(&push->job);
}

static int
insert_head(struct cluster_push *push, struct database *database)
{
	struct database_parameters parameters = { 0 };

	database_add_number(&parameters, push->place.base + 1);
	database_add_number(&parameters, push->txn);
	database_add_number(&parameters, push->cluster->member);
	database_add_text(&parameters, push->cluster->member_name);
	database_add_text(&parameters, push->head.digest);
	database_add_text(&parameters, push->head.who);
	database_add_text(&parameters, push->head.what);
	database_add_text(&parameters, push->head.why);
	return database_query(database,
			      "INSERT INTO cradle_policy (version, txn, member, member_name, "
			      "digest, who, what, why)"
			      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			      &parameters, NULL, push->job.error);
}

static int
insert_file(struct cluster_push *push, const struct push_file *file, struct database *database)
{
	struct database_parameters parameters = { 0 };

	database_add_number(&parameters, push->place.base + 1);
	database_add_bytes(&parameters, file->name, strlen(file->name));
	database_add_bytes(&parameters, file->bytes, file->len);
	database_add_bytes(&parameters, file->sealed ? push->kek : NULL,
			   file->sealed ? KEK_ID_LEN : 0);
	database_add_number(&parameters, file->bytes == NULL);
	return database_query(database,
			      "INSERT INTO cradle_policy_file (version, name, bytes, kek, gone)"
			      " VALUES ($1, $2, $3, $4, $5)",
			      &parameters, NULL, push->job.error);
}

/* What is too old: versions, and rows of files that a newer row replaces up to the oldest that is kept. */
static int
prune(struct cluster_push *push, struct database *database)
{
	static const char *const sql[] = {
		"DELETE FROM cradle_policy WHERE version < $1",
		"DELETE FROM cradle_policy_file WHERE version < $1 AND EXISTS (SELECT 1 FROM"
		" cradle_policy_file newer WHERE newer.name = cradle_policy_file.name AND"
		" newer.version > cradle_policy_file.version AND newer.version <= $1)",
	};
	struct database_parameters parameters = { 0 };
	int code = 0;

	if (push->place.base < CLUSTER_POLICIES_KEPT)
		return 0;
	database_add_number(&parameters, push->place.base + 2 - CLUSTER_POLICIES_KEPT);
	for (unsigned i = 0; code == 0 && i < 2; i++)
		code = database_query(database, sql[i], &parameters, NULL, push->job.error);
	return code;
}

/* DATABASE_TAKEN: another version is the newest. */
static int
become_newest(struct cluster_push *push, struct database *database)
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	bool done;
	int code;

	database_add_number(&parameters, push->place.base);
	code = database_query(database,
			      "UPDATE cradle_rev SET policy = $1 + 1 WHERE one = 1 AND policy = $1"
			      " RETURNING policy",
			      &parameters, &result, push->job.error);
	if (code < 0)
		return code;
	done = PQntuples(result) == 1;
	PQclear(result);
	return done ? 0 : DATABASE_TAKEN;
}

/* The cluster is being made: what was pushed by an attempt that was cut off is nobody's base. */
static int
read_base(struct cluster_push *push, struct database *database)
{
	struct cluster_policy_head head;
	int code = 0;

	if (!push->place.any)
		return 0;
	code = read_head(database, &head, push->job.error);
	push->place.base = head.version;
	if (code == 0)
		code = database_execute(database, "DELETE FROM cradle_policy_file",
					push->job.error);
	return code;
}

/* All but the commit. */
static int
write_all(struct cluster_push *push, struct database *database)
{
	int code =
		database_execute(database, "BEGIN ISOLATION LEVEL READ COMMITTED", push->job.error);

	if (code == 0)
		code = read_base(push, database);
	if (code == 0)
		code = insert_head(push, database);
	for (size_t i = 0; code == 0 && i < push->n; i++)
		code = insert_file(push, &push->files[i], database);
	if (code == 0)
		code = prune(push, database);
	return code == 0 ? become_newest(push, database) : code;
}

/* The connection was lost before the commit was confirmed: 0, DATABASE_AGAIN (it is not there), or away still. */
static int
look_for_it(struct cluster_push *push, struct database *database)
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code = database_connect(database, push->job.error);
	bool found;

	database_add_number(&parameters, push->txn);
	if (code == 0)
		code = database_query(database, "SELECT version FROM cradle_policy WHERE txn = $1",
				      &parameters, &result, push->job.error);
	push->in_doubt = code < 0;
	if (code < 0)
		return code;
	found = PQntuples(result);
	PQclear(result);
	return found ? 0 : DATABASE_AGAIN;
}

static int
try_once(struct cluster_push *push, struct database *database)
{
	int code = database_connect(database, push->job.error);

	if (code == 0)
		code = write_all(push, database);
	if (code == DATABASE_AWAY && database_connect(database, push->job.error) == 0)
		return DATABASE_AGAIN; /* it came back, or another host took over: nothing was committed */
	if (code == 0) {
		code = database_execute(database, "COMMIT", push->job.error);
		if (code == DATABASE_AWAY)
			code = look_for_it(push, database);
	}
	database_rollback(database);
	return code;
}

/* Somebody else was quicker: 0 where he pushed the very same, else who it was. */
static int
tell_conflict(struct cluster_push *push, struct database *database)
{
	struct cluster_policy_head head;
	char at[32];
	int code = read_head(database, &head, push->job.error);

	if (code < 0)
		return code;
	if (head.version && strcmp(head.digest, push->head.digest) == 0) {
		push->head.version = head.version;
		return 0;
	}
	say_when(head.at_ms, at);
	if (head.version < push->place.base)
		snprintf(push->job.error, CLUSTER_ERROR_MAX,
			 "the database has version %llu of the policy as its newest, an older copy "
			 "than here: `cradlectl cluster policy pull` takes it over",
			 (unsigned long long)head.version);
	else
		snprintf(push->job.error, CLUSTER_ERROR_MAX,
			 "this is based on version %llu of the cluster's policy, but the newest is "
			 "%llu, by member %u (%.40s, %.60s) at %s with `%.60s`: look at it with "
			 "`cluster policy diff`, take it over with `cluster policy pull` "
			 "(--discard: though files were changed by hand), and try again",
			 (unsigned long long)push->place.base, (unsigned long long)head.version,
			 head.member, head.member_name, head.who, at, head.what);
	return DATABASE_REFUSED;
}

static int
push_run(struct cluster *cluster, struct cluster_job *job, struct database *database,
	 char error[CLUSTER_ERROR_MAX])
{
	struct cluster_push *push = (struct cluster_push *)job;
	int code = DATABASE_AGAIN;

	for (unsigned i = 0; i < PUSH_TRIES && code == DATABASE_AGAIN; i++)
		code = try_once(push, database);
	if (code == 0)
		push->head.version = push->place.base + 1;
	else if (code == DATABASE_TAKEN)
		code = tell_conflict(push, database);
	cluster_say_end(code, push->in_doubt, error);
	return code;
}

struct cluster_push *
cluster_push_new(struct cluster *cluster, const struct cluster_policy_head *head)
{
	struct cluster_push *push = calloc(1, sizeof *push);

	if (!push)
		return NULL;
	push->job = (struct cluster_job){ .run = push_run, .free = push_free };
	push->cluster = cluster;
	push->head = *head;
	push->txn = cluster_random();
	if (cluster->sealer && sealer_id(cluster->sealer))
		memcpy(push->kek, sealer_id(cluster->sealer), KEK_ID_LEN);
	return push;
}

/* The bytes as they go up. */
static int
seal(const struct cluster_push *push, struct push_file *file, const void *bytes, size_t len)
{
	const struct seal_place place = place_of(file->name);
	struct sealer *sealer = push->cluster->sealer;

	file->sealed = sealer && sealer_id(sealer);
	file->len = len + (file->sealed ? SEAL_OVERHEAD : 0);
	file->bytes = malloc(file->len + 1);
	if (!file->bytes)
		return -ENOMEM;
	if (file->sealed)
		return sealer_seal(sealer, &place, bytes, len, file->bytes);
	memcpy(file->bytes, bytes, len);
	return 0;
}

int
cluster_push_put(struct cluster_push *push, const char *name, const void *bytes, size_t len,
		 char error[CLUSTER_ERROR_MAX])
{
	size_t capacity = push->capacity ? 2 * push->capacity : 16;
	struct push_file *file;
	int code = 0;

	snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
	push->bytes += len;
	if (push->bytes > CLUSTER_POLICY_MAX) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the policy's files have more than %d MB: what is that large belongs on a "
			 "server of its own, not into resources/",
			 CLUSTER_POLICY_MAX >> 20);
		return -EFBIG;
	}
	if (push->n == push->capacity) {
		file = realloc(push->files, capacity * sizeof *file);
		if (!file)
			return -ENOMEM;
		push->files = file;
		push->capacity = capacity;
	}
	file = &push->files[push->n++];
	*file = (struct push_file){ .name = strdup(name) };
	if (!file->name)
		return -ENOMEM;
	if (bytes)
		code = seal(push, file, bytes, len);
	if (code == -EIO)
		snprintf(error, CLUSTER_ERROR_MAX, "%.200s could not be sealed", name);
	return code;
}

int
cluster_push_commit(struct cluster_push *push, const struct cluster_push_place *place,
		    const struct pump *pump, uint64_t *version, char error[CLUSTER_ERROR_MAX])
{
	struct cluster *cluster = push->cluster;
	int code;

	push->place = *place;
	code = cluster_job_run(cluster, &push->job, WAIT_MS, pump, error);
	if (code == -ETIMEDOUT)
		return code;
	*version = push->head.version;
	cluster_push_free(push);
	return code;
}
