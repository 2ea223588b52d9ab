/* Joining and leaving, as jobs of the job thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster_private.h"
#include "control/cluster/cluster_schema.h"

enum { MEMBER_WAIT_MS = 60000 };

/* Heap: a job that is given up for lack of time goes on without who asked. */
struct member_job {
	struct cluster_job job;
	struct cluster_joining joining;
};

static void
member_free(struct cluster_job *job)
{
	free(job);
}

/* ---- what members must have in common ---- */

static const char *
kek_of(const struct cluster *cluster, char text[KEK_ID_TEXT_MAX])
{
	return cluster->keyring.n ? kek_id_text(cluster->keyring.keks[0].id, text) : "";
}

static int
set_common(struct cluster *cluster, struct database *database, char error[CLUSTER_ERROR_MAX])
{
	char proof[CLUSTER_PROOF_TEXT_MAX], kek[KEK_ID_TEXT_MAX];
	int code;

	cluster_secret_proof(&cluster->secret, cluster->name, proof);
	code = cluster_schema_set_meta(database, "name", cluster->name, error);
	if (code == 0)
		code = cluster_schema_set_meta(database, "proof", proof, error);
	if (code == 0)
		code = cluster_schema_set_meta(database, "kek", kek_of(cluster, kek), error);
	return code;
}

static bool
has_kek(const struct cluster *cluster, const char *wanted)
{
	char id[KEK_ID_TEXT_MAX];

	for (unsigned i = 0; i < cluster->keyring.n; i++)
		if (strcmp(kek_id_text(cluster->keyring.keks[i].id, id), wanted) == 0)
			return true;
	return !*wanted && !cluster->keyring.n;
}

static int
check_kek(struct cluster *cluster, struct database *database, char error[CLUSTER_ERROR_MAX])
{
	char wanted[DATABASE_ERROR_MAX];
	int code = cluster_schema_meta(database, "kek", wanted, error);

	if (code < 0 || has_kek(cluster, wanted))
		return code;
	if (*wanted)
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the cluster's keys are sealed under %.32s, which is not in `kek` here: "
			 "give all members the same "
			 "keys",
			 wanted);
	else
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the cluster's keys are plain, and a `kek` is set here: what this member "
			 "wrote, the others could "
			 "not read; give all members the same `kek`, or none");
	return DATABASE_REFUSED;
}

static int
check_common(struct cluster *cluster, struct database *database, char error[CLUSTER_ERROR_MAX])
{
	char name[DATABASE_ERROR_MAX], proof[DATABASE_ERROR_MAX], ours[CLUSTER_PROOF_TEXT_MAX];
	int code = cluster_schema_meta(database, "name", name, error);

	if (code == 0)
		code = cluster_schema_meta(database, "proof", proof, error);
	if (code < 0)
		return code;
	if (strcmp(name, cluster->name) != 0) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the database has the cluster \"%.64s\", cluster.name here is \"%s\": "
			 "name the right one",
			 name, cluster->name);
		return DATABASE_REFUSED;
	}
	cluster_secret_proof(&cluster->secret, cluster->name, ours);
	if (strcmp(proof, ours) != 0) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the file cluster.secret is not that of the other members: copy theirs");
		return DATABASE_REFUSED;
	}
	return check_kek(cluster, database, error);
}

/* ---- the member's row ---- */

static int
check_number(struct cluster *cluster, struct database *database, char error[CLUSTER_ERROR_MAX])
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code;

	database_add_number(&parameters, cluster->member);
	database_add_number(&parameters, cluster->instance);
	database_add_number(&parameters, CLUSTER_MEMBER_SILENT_MS / 1000);
	code = database_query(database,
			      "SELECT name FROM cradle_member WHERE number = $1 AND instance <> $2"
			      " AND seen_at > now() - $3 * INTERVAL '1 second'",
			      &parameters, &result, error);
	if (code < 0)
		return code;
	if (PQntuples(result)) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "member %u is %.*s, which is there: set another number as cluster.member",
			 cluster->member, PQgetlength(result, 0, 0), PQgetvalue(result, 0, 0));
		code = DATABASE_REFUSED;
	}
	PQclear(result);
	return code;
}

static int
put_member(struct cluster *cluster, struct database *database, char error[CLUSTER_ERROR_MAX])
{
	/* It numbers its reports from the beginning: those of one who left, or of another of its number, are in the way. */
	static const char reports_sql[] =
		"DELETE FROM cradle_report WHERE member = $1"
		" AND NOT EXISTS (SELECT 1 FROM cradle_member WHERE number = $1)";
	struct database_parameters parameters = { 0 };
	int code;

	database_add_number(&parameters, cluster->member);
	code = database_query(database, reports_sql, &parameters, NULL, error);
	if (code < 0)
		return code;
	database_add_text(&parameters, cluster->member_name);
	database_add_number(&parameters, cluster->instance);
	return database_query(
		database,
		"INSERT INTO cradle_member (number, name, instance, rev, digest, note)"
		" VALUES ($1, $2, $3, 0, '', '') ON CONFLICT (number) DO UPDATE SET"
		" name = excluded.name, instance = excluded.instance, rev = 0, digest = '', note = "
		"'',"
		" joined_at = now(), seen_at = now()",
		&parameters, NULL, error);
}

/* ---- making and joining ---- */

/* The cluster is there already: is it this member's own that was not finished? */
static int
take_up(struct cluster *cluster, struct database *database, struct member_job *job)
{
	char uploading[DATABASE_ERROR_MAX];
	int code = check_common(cluster, database, job->job.error);

	if (code == 0)
		code = cluster_schema_meta(database, "uploading", uploading, job->job.error);
	if (code < 0)
		return code;
	if (strtoul(uploading, NULL, 10) == cluster->member) {
		job->joining.resumed = true;
		return 0;
	}
	snprintf(job->job.error, CLUSTER_ERROR_MAX,
		 "the database has the cluster \"%s\" already: `cradlectl cluster join`",
		 cluster->name);
	return DATABASE_REFUSED;
}

static int
make_fresh(struct cluster *cluster, struct database *database, struct member_job *job)
{
	char name[DATABASE_ERROR_MAX], number[16];
	int code = cluster_schema_migrate(database, job->job.error);

	if (code == 0)
		code = cluster_schema_meta(database, "name", name, job->job.error);
	if (code < 0)
		return code;
	if (*name)
		return take_up(cluster, database, job);
	code = database_execute(database, "BEGIN", job->job.error);
	if (code == 0)
		code = set_common(cluster, database, job->job.error);
	snprintf(number, sizeof number, "%u", cluster->member);
	if (code == 0)
		code = cluster_schema_set_meta(database, "uploading", number, job->job.error);
	if (code == 0)
		code = put_member(cluster, database, job->job.error);
	return code == 0 ? database_execute(database, "COMMIT", job->job.error) : code;
}

static int
join_present(struct cluster *cluster, struct database *database, struct member_job *job)
{
	char uploading[DATABASE_ERROR_MAX] = "", ignored[DATABASE_ERROR_MAX];
	int code = check_common(cluster, database, job->job.error);

	if (code == DATABASE_NO_TABLE)
		snprintf(job->job.error, CLUSTER_ERROR_MAX,
			 "the database has no cluster: `cradlectl cluster init` on one appliance "
			 "makes it");
	if (code == 0)
		code = cluster_schema_meta(database, "uploading", uploading, job->job.error);
	if (code == 0 && *uploading) {
		snprintf(job->job.error, CLUSTER_ERROR_MAX,
			 "member %.8s still makes the cluster: `cradlectl cluster init` there has "
			 "to end first",
			 uploading);
		code = DATABASE_REFUSED;
	}
	job->joining.migrated = code == 0 && cluster_schema_check(database, ignored) < 0;
	if (code == 0)
		code = cluster_schema_migrate(database, job->job.error);
	if (code < 0 || job->joining.tables_only)
		return code;
	if (code == 0)
		code = check_number(cluster, database, job->job.error);
	return code == 0 ? put_member(cluster, database, job->job.error) : code;
}

static int
join_run(struct cluster *cluster, struct cluster_job *job, struct database *database,
	 char error[CLUSTER_ERROR_MAX])
{
	struct member_job *joining = (struct member_job *)job;

	return joining->joining.fresh ? make_fresh(cluster, database, joining)
				      : join_present(cluster, database, joining);
}

static int
uploaded_run(struct cluster *cluster, struct cluster_job *job, struct database *database,
	     char error[CLUSTER_ERROR_MAX])
{
	return database_execute(database, "DELETE FROM cradle_meta WHERE name = 'uploading'",
				error);
}

static int
leave_run(struct cluster *cluster, struct cluster_job *job, struct database *database,
	  char error[CLUSTER_ERROR_MAX])
{
	struct database_parameters parameters = { 0 };

	database_add_number(&parameters, cluster->member);
	database_add_number(&parameters, cluster->instance);
	return database_query(database,
			      "DELETE FROM cradle_member WHERE number = $1 AND instance = $2",
			      &parameters, NULL, error);
}

static struct member_job *
member_job_new(int (*run)(struct cluster *, struct cluster_job *, struct database *, char *),
	       char error[CLUSTER_ERROR_MAX])
{
	struct member_job *job = calloc(1, sizeof *job);

	if (job)
		job->job = (struct cluster_job){ .run = run, .free = member_free };
	else
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
	return job;
}

/* What the job found out outlives it only where it ended in time. */
static int
run_and_free(struct cluster *cluster, struct member_job *job, const struct pump *pump,
	     struct cluster_joining *joining, char error[CLUSTER_ERROR_MAX])
{
	int code = cluster_job_run(cluster, &job->job, MEMBER_WAIT_MS, pump, error);

	if (code == -ETIMEDOUT)
		return code;
	if (joining)
		*joining = job->joining;
	member_free(&job->job);
	return code;
}

int
cluster_join(struct cluster *cluster, struct cluster_joining *joining, const struct pump *pump,
	     char error[CLUSTER_ERROR_MAX])
{
	struct member_job *job = member_job_new(join_run, error);

	if (!job)
		return -ENOMEM;
	job->joining = *joining;
	return run_and_free(cluster, job, pump, joining, error);
}

int
cluster_uploaded(struct cluster *cluster, const struct pump *pump, char error[CLUSTER_ERROR_MAX])
{
	struct member_job *job = member_job_new(uploaded_run, error);

	return job ? run_and_free(cluster, job, pump, NULL, error) : -ENOMEM;
}

int
cluster_leave(struct cluster *cluster, const struct pump *pump, char error[CLUSTER_ERROR_MAX])
{
	struct member_job *job = member_job_new(leave_run, error);

	return job ? run_and_free(cluster, job, pump, NULL, error) : -ENOMEM;
}
