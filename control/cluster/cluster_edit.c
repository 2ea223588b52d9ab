/*
 * Edits: rows are encoded as they are put, and go up as one transaction.
 *
 *	BEGIN
 *	COPY cradle_staging                       the rows, with the transaction's own number
 *	INSERT .. ON CONFLICT DO UPDATE           into their places; each row keeps the number that it had
 *	DELETE cradle_staging
 *	UPDATE cradle_rev .. RETURNING rev        last: from here to the commit others wait
 *	INSERT cradle_change
 *	SELECT count(*)                           rows that another member had changed, which is not applied here yet
 *	COMMIT
 *
 * All of it is done again when it met another transaction. When the connection is lost at the commit, the next one is
 * asked whether cradle_change has the transaction's number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster_private.h"

enum { EDIT_TRIES = 8 };

struct cluster_edit {
	struct cluster_job job;
	struct cluster *cluster;
	enum cluster_edit_kind kind;
	struct buffer rows; /* tuples of COPY */
	uint64_t txn, n;
	uint64_t known;    /* the revision that is applied here */
	uint64_t revision; /* that it got */
	bool removes;
	uint64_t gave_way; /* effects that another member's change stands in the way of */
	int failed;
	bool in_doubt; /* it may be there: nobody heard of its end */
};

static void
edit_free(struct cluster_job *job)
{
	struct cluster_edit *edit = (struct cluster_edit *)job;

	buffer_fini(&edit->rows);
	free(edit);
}

/* ---- the transaction: the job thread ---- */

#define COPY_COLUMNS CLUSTER_DEVICE_COLUMNS ", txn"

static const char merge_sql[] =
	"INSERT INTO cradle_device (" COPY_COLUMNS ") SELECT " COPY_COLUMNS
	" FROM cradle_staging WHERE txn = $1 ON CONFLICT (endpoint) DO UPDATE SET"
	" ident = excluded.ident, identity = excluded.identity, device_key = excluded.device_key,"
	" key_is_hex = excluded.key_is_hex, device_domain = excluded.device_domain,"
	" device_groups = excluded.device_groups, settings = excluded.settings,"
	" created_ms = excluded.created_ms, nosec = excluded.nosec, kek = excluded.kek,"
	" dead = excluded.dead, txn = excluded.txn, old_txn = cradle_device.txn";

/* What became of tasks goes with the device: one that is added under its name has done nothing. */
static const char forget_sql[] =
	"DELETE FROM cradle_last_report WHERE endpoint IN"
	" (SELECT endpoint FROM cradle_staging WHERE txn = $1 AND dead = 1)";

static const char upload_sql[] = "INSERT INTO cradle_device (" COPY_COLUMNS ") SELECT " COPY_COLUMNS
				 " FROM cradle_staging WHERE txn = $1 ON CONFLICT DO NOTHING";

/* What another member changed and is not applied here: whoever changes it, too, has not seen what he changes. */
static const char foreign_sql[] =
	"SELECT count(*) FROM cradle_device d JOIN cradle_change c ON c.txn = d.old_txn"
	" WHERE d.txn = $1 AND c.rev > $2 AND c.member <> $3";

static const char give_way_sql[] =
	"DELETE FROM cradle_staging WHERE txn = $1 AND endpoint IN (SELECT d.endpoint"
	" FROM cradle_staging s JOIN cradle_device d ON d.endpoint = s.endpoint"
	" JOIN cradle_change c ON c.txn = d.txn"
	" WHERE s.txn = $1 AND c.rev > $2 AND c.member <> $3)";

static int
run_sql(struct cluster_edit *edit, struct database *database, const char *sql, unsigned n,
	PGresult **result)
{
	struct database_parameters parameters = { 0 };

	database_add_number(&parameters, edit->txn);
	if (n > 1)
		database_add_number(&parameters, edit->known);
	if (n > 2)
		database_add_number(&parameters, edit->cluster->member);
	return database_query(database, sql, &parameters, result, edit->job.error);
}

/* The next revision becomes this transaction's. */
static int
take_revision(struct cluster_edit *edit, struct database *database)
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code = database_query(database,
				  "UPDATE cradle_rev SET rev = rev + 1 WHERE one = 1 RETURNING rev",
				  NULL, &result, edit->job.error);

	if (code < 0)
		return code;
	edit->revision = PQntuples(result) ? database_number(result, 0, 0) : 0;
	PQclear(result);
	database_add_number(&parameters, edit->revision);
	database_add_number(&parameters, edit->txn);
	database_add_number(&parameters, edit->cluster->member);
	database_add_number(&parameters, edit->n);
	return database_query(
		database,
		"INSERT INTO cradle_change (rev, txn, member, devices) VALUES ($1, $2, $3, $4)",
		&parameters, NULL, edit->job.error);
}

/* With the counter's lock: whoever wrote these rows before has committed, with its revision. */
static int
check_foreign(struct cluster_edit *edit, struct database *database)
{
	PGresult *result;
	uint64_t n;
	int code = run_sql(edit, database, foreign_sql, 3, &result);

	if (code < 0)
		return code;
	n = database_number(result, 0, 0);
	PQclear(result);
	if (!n)
		return 0;
	if (edit->kind == CLUSTER_EFFECT)
		return DATABASE_AGAIN; /* they give way at the next try */
	snprintf(edit->job.error, CLUSTER_ERROR_MAX,
		 "another member changed %llu of these devices at the same time: look at them and "
		 "try again",
		 (unsigned long long)n);
	return DATABASE_REFUSED;
}

static int
give_way(struct cluster_edit *edit, struct database *database)
{
	PGresult *result;
	int code;

	if (edit->kind != CLUSTER_EFFECT)
		return 0;
	code = run_sql(edit, database, give_way_sql, 3, &result);
	if (code < 0)
		return code;
	edit->gave_way = strtoull(PQcmdTuples(result), NULL, 10);
	PQclear(result);
	return 0;
}

/* All but the commit. */
static int
write_all(struct cluster_edit *edit, struct database *database)
{
	int code =
		database_execute(database, "BEGIN ISOLATION LEVEL READ COMMITTED", edit->job.error);

	if (code == 0)
		code = database_copy(
			database,
			"COPY cradle_staging (" COPY_COLUMNS ") FROM STDIN (FORMAT binary)",
			buffer_front(&edit->rows), buffer_left(&edit->rows), edit->job.error);
	if (code == 0)
		code = give_way(edit, database);
	if (code == 0)
		code = run_sql(edit, database,
			       edit->kind == CLUSTER_UPLOAD ? upload_sql : merge_sql, 1, NULL);
	if (code == 0 && edit->removes)
		code = run_sql(edit, database, forget_sql, 1, NULL);
	if (code == 0)
		code = run_sql(edit, database, "DELETE FROM cradle_staging WHERE txn = $1", 1,
			       NULL);
	if (code == 0)
		code = take_revision(edit, database);
	if (code == 0 && edit->kind != CLUSTER_UPLOAD)
		code = check_foreign(edit, database);
	return code;
}

/* The connection was lost before the commit was confirmed: 0, DATABASE_AGAIN (it is not there), or away still. */
static int
look_for_it(struct cluster_edit *edit, struct database *database)
{
	PGresult *result;
	int code = database_connect(database, edit->job.error);
	bool found;

	if (code == 0)
		code = run_sql(edit, database, "SELECT rev FROM cradle_change WHERE txn = $1", 1,
			       &result);
	edit->in_doubt = code < 0;
	if (code < 0)
		return code;
	found = PQntuples(result);
	PQclear(result);
	return found ? 0 : DATABASE_AGAIN;
}

static int
try_once(struct cluster_edit *edit, struct database *database)
{
	int code = database_connect(database, edit->job.error);

	if (code == 0)
		code = write_all(edit, database);
	if (code == DATABASE_AWAY && database_connect(database, edit->job.error) == 0)
		return DATABASE_AGAIN; /* it came back, or another host took over: nothing was committed */
	if (code == 0) {
		code = database_execute(database, "COMMIT", edit->job.error);
		if (code == DATABASE_AWAY)
			code = look_for_it(edit, database);
	}
	database_rollback(database);
	return code;
}

static int
edit_run(struct cluster *cluster, struct cluster_job *job, struct database *database,
	 char error[CLUSTER_ERROR_MAX])
{
	struct cluster_edit *edit = (struct cluster_edit *)job;
	int code = DATABASE_AGAIN;

	for (unsigned i = 0; i < EDIT_TRIES && code == DATABASE_AGAIN; i++)
		code = try_once(edit, database);
	cluster_say_end(code, edit->in_doubt, error);
	if (code == DATABASE_TAKEN && !edit->in_doubt)
		snprintf(error, CLUSTER_ERROR_MAX,
			 "an identity in it belongs to another device of the cluster, which is not "
			 "here yet: "
			 "`device list` shows it soon");
	if (code == 0 && edit->gave_way) {
		pthread_mutex_lock(&cluster->lock);
		cluster->effects_lost += edit->gave_way;
		pthread_mutex_unlock(&cluster->lock);
	}
	return code;
}

/* ---- the control thread ---- */

/* Why nothing can be changed now; 0: it can. */
static int
may_edit(struct cluster *cluster, enum cluster_edit_kind kind, char error[CLUSTER_ERROR_MAX])
{
	enum cluster_state state;
	int code = -EAGAIN;

	if (!cluster->name) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the store is a replica of the cluster \"%s\", which is not configured: "
			 "set `cluster` again, or "
			 "`cradlectl cluster promote-local` makes this appliance stand alone",
			 cluster->joined_name);
		return -EPERM;
	}
	pthread_mutex_lock(&cluster->lock);
	state = cluster->state;
	if (state == CLUSTER_AWAY) {
		snprintf(error, CLUSTER_ERROR_MAX, "%s", cluster->trouble);
		cluster_say_away(error);
	} else if (state == CLUSTER_SYNCING)
		snprintf(error, CLUSTER_ERROR_MAX,
			 "devices are still being fetched from the cluster: try again when "
			 "`cluster status` says "
			 "\"following\"");
	else
		code = 0;
	pthread_mutex_unlock(&cluster->lock);
	return kind == CLUSTER_EDIT ? code : 0;
}

int
cluster_may_edit(struct cluster *cluster, char error[CLUSTER_ERROR_MAX])
{
	return may_edit(cluster, CLUSTER_EDIT, error);
}

static struct cluster_edit *
edit_new(struct cluster *cluster, enum cluster_edit_kind kind)
{
	struct cluster_edit *edit = calloc(1, sizeof *edit);

	if (!edit)
		return NULL;
	edit->job = (struct cluster_job){ .run = edit_run, .free = edit_free };
	edit->cluster = cluster;
	edit->kind = kind;
	edit->txn = cluster_random();
	pthread_mutex_lock(&cluster->lock);
	edit->known = cluster->revision;
	pthread_mutex_unlock(&cluster->lock);
	return edit;
}

int
cluster_edit_begin(struct cluster *cluster, enum cluster_edit_kind kind, struct cluster_edit **edit,
		   char error[CLUSTER_ERROR_MAX])
{
	int code;

	*edit = NULL;
	if (!cluster || (!cluster->joined && kind != CLUSTER_UPLOAD))
		return 0;
	code = may_edit(cluster, kind, error);
	if (code < 0)
		return code;
	*edit = edit_new(cluster, kind);
	if (*edit)
		return 0;
	snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
	return -ENOMEM;
}

static void
put(struct cluster_edit *edit, const char *endpoint, const struct device_spec *spec)
{
	int code;

	if (!edit || edit->failed)
		return;
	code = cluster_rows_put(&edit->rows, edit->cluster->sealer, edit->txn, endpoint, spec);
	if (code < 0)
		edit->failed = code;
	edit->n++;
}

void
cluster_edit_put(struct cluster_edit *edit, const struct device_spec *spec)
{
	put(edit, spec->endpoint, spec);
}

void
cluster_edit_remove(struct cluster_edit *edit, const char *endpoint)
{
	put(edit, endpoint, NULL);
	if (edit)
		edit->removes = true;
}

void
cluster_edit_abandon(struct cluster_edit *edit)
{
	if (edit)
		edit_free(&edit->job);
}

bool
cluster_remember_own(struct cluster *cluster, uint64_t txn, uint64_t revision)
{
	if (cluster->n_own == cluster->own_capacity) {
		size_t capacity = cluster->own_capacity ? 2 * cluster->own_capacity : 64;
		struct own_edit *own = realloc(cluster->own, capacity * sizeof *own);

		if (!own)
			return false;
		cluster->own = own;
		cluster->own_capacity = capacity;
	}
	cluster->own[cluster->n_own++] = (struct own_edit){ txn, revision };
	return true;
}

/* Without memory its rows are applied once more, which may take back what came after it for a moment. */
static void
remember_own(struct cluster *cluster, const struct cluster_edit *edit)
{
	(void)cluster_remember_own(cluster, edit->txn, edit->revision);
}

void
cluster_forget_own(struct cluster *cluster)
{
	size_t kept = 0;

	for (size_t i = 0; i < cluster->n_own; i++)
		if (cluster->own[i].revision > cluster->revision)
			cluster->own[kept++] = cluster->own[i];
	cluster->n_own = kept;
}

bool
cluster_is_own(const struct cluster *cluster, const struct cluster_row *row)
{
	if (!row->txn)
		return false;
	for (size_t i = cluster->n_own; i > 0; i--)
		if (cluster->own[i - 1].txn == row->txn)
			return true;
	return cluster->sent && cluster->sent_txn == row->txn;
}

void
cluster_edit_not_kept(struct cluster *cluster)
{
	if (cluster && cluster->n_own)
		cluster->n_own--;
}

static int
failed(struct cluster_edit *edit, char error[CLUSTER_ERROR_MAX])
{
	int code = edit->failed;

	snprintf(error, CLUSTER_ERROR_MAX, "%s",
		 code == -ENOMEM ? "out of memory; change less at once"
				 : "a key could not be sealed");
	edit_free(&edit->job);
	return code;
}

int
cluster_edit_commit(struct cluster_edit *edit, unsigned wait_ms, const struct pump *pump,
		    char error[CLUSTER_ERROR_MAX])
{
	struct cluster *cluster;
	int code;

	if (!edit)
		return 0;
	if (edit->failed)
		return failed(edit, error);
	if (!edit->n) {
		edit_free(&edit->job);
		return 0;
	}
	cluster = edit->cluster;
	code = cluster_job_run(cluster, &edit->job, wait_ms, pump, error);
	if (code == 0)
		remember_own(cluster, edit);
	if (code != -ETIMEDOUT)
		edit_free(&edit->job);
	return code;
}

int
cluster_edit_send(struct cluster_edit *edit)
{
	struct cluster *cluster = edit->cluster;
	int code = edit->failed;

	if (code == 0)
		code = cluster->sent ? -EBUSY : cluster_job_post(cluster, &edit->job);
	if (code < 0)
		edit_free(&edit->job);
	else
		cluster->sent = &edit->job;
	cluster->sent_txn = code == 0 ? edit->txn : cluster->sent_txn;
	return code;
}

int
cluster_edit_sent(struct cluster *cluster, char error[CLUSTER_ERROR_MAX])
{
	struct cluster_job *job = cluster->sent;
	int code;

	if (!job)
		return 0;
	if (!cluster_job_is_done(cluster, job))
		return -EINPROGRESS;
	code = job->result;
	if (code < 0)
		snprintf(error, CLUSTER_ERROR_MAX, "%s", job->error);
	else
		remember_own(cluster, (struct cluster_edit *)job);
	cluster->sent = NULL;
	job->free(job);
	return code;
}
