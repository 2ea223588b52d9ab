/* Which member ran what a report is of: its log is there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster_private.h"

enum { WHERE_WAIT_MS = 2000 };

struct where_job {
	struct cluster_job job;
	uint32_t member; /* 0: nobody reported it */
	char *endpoint, *group, *task;
};

static void
where_free(struct cluster_job *base)
{
	struct where_job *job = (struct where_job *)base;

	free(job->endpoint);
	free(job->group);
	free(job->task);
	free(job);
}

static int
where_run(struct cluster *cluster, struct cluster_job *base, struct database *database,
	  char error[CLUSTER_ERROR_MAX])
{
	struct where_job *job = (struct where_job *)base;
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code;

	(void)cluster;
	database_add_bytes(&parameters, job->endpoint, strlen(job->endpoint));
	database_add_bytes(&parameters, job->group, strlen(job->group));
	database_add_bytes(&parameters, job->task, strlen(job->task));
	code = database_query(database,
			      "SELECT member FROM cradle_last_report"
			      " WHERE endpoint = $1 AND task_group = $2 AND task_name = $3",
			      &parameters, &result, error);
	if (code < 0)
		return code;
	job->member = PQntuples(result) ? (uint32_t)database_number(result, 0, 0) : 0;
	PQclear(result);
	return 0;
}

static struct where_job *
where_new(const struct cluster_report *report)
{
	struct where_job *job = calloc(1, sizeof *job);

	if (!job)
		return NULL;
	job->job = (struct cluster_job){ .run = where_run, .free = where_free };
	job->endpoint = strdup(report->endpoint);
	job->group = strdup(report->group);
	job->task = strdup(report->task);
	if (job->endpoint && job->group && job->task)
		return job;
	where_free(&job->job);
	return NULL;
}

int
cluster_report_member(struct cluster *cluster, const struct cluster_report *report,
		      const struct pump *pump, uint32_t *member, char error[CLUSTER_ERROR_MAX])
{
	struct where_job *job;
	int code;

	*member = 0;
	if (!cluster || !cluster->joined || !cluster->name)
		return 0;
	job = where_new(report);
	if (!job) {
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	code = cluster_job_run(cluster, &job->job, WHERE_WAIT_MS, pump, error);
	if (code == -ETIMEDOUT)
		return code;
	*member = code == 0 ? job->member : 0;
	where_free(&job->job);
	return code;
}
