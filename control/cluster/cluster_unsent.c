#include "control/cluster/cluster_unsent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster_private.h"
#include "tasks/hash.h"

/* ---- the reporter ---- */

static uint64_t
id_of(const char *const names[3], const size_t lens[3], uint64_t started_ms, uint64_t finished_ms)
{
	const uint64_t times[] = { started_ms, finished_ms };
	uint64_t hash = hash64_bytes(0, times, sizeof times);

	for (unsigned i = 0; i < 3; i++) {
		hash = hash64_bytes(hash, &lens[i], sizeof lens[i]);
		hash = hash64_bytes(hash, names[i], lens[i]);
	}
	return hash;
}

static uint64_t
id_of_row(const PGresult *rows, int row)
{
	const char *names[3];
	size_t lens[3];

	for (int i = 0; i < 3; i++) {
		names[i] = PQgetvalue(rows, row, i);
		lens[i] = (size_t)PQgetlength(rows, row, i);
	}
	return id_of(names, lens, database_number(rows, row, 3), database_number(rows, row, 4));
}

static int
by_number(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Where there are none, this member has sent nothing since it joined. */
static int
read_joined(struct sent_reports *sent, struct database *database, uint32_t member,
	    char error[CLUSTER_ERROR_MAX])
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code;

	database_add_number(&parameters, member);
	code = database_query(database,
			      "SELECT CAST(EXTRACT(EPOCH FROM joined_at) * 1000 AS BIGINT)"
			      " FROM cradle_member WHERE number = $1",
			      &parameters, &result, error);
	if (code < 0)
		return code;
	sent->from_ms = PQntuples(result) ? database_number(result, 0, 0) : UINT64_MAX;
	sent->known = true;
	PQclear(result);
	return 0;
}

int
cluster_unsent_read(struct sent_reports *sent, struct database *database, uint32_t member,
		    uint64_t seq, char error[CLUSTER_ERROR_MAX])
{
	struct database_parameters parameters = { 0 };
	PGresult *rows;
	int code;

	if (!seq)
		return read_joined(sent, database, member, error);
	database_add_number(&parameters, member);
	database_add_number(&parameters, seq > CLUSTER_UNSENT_LOOK ? seq - CLUSTER_UNSENT_LOOK : 0);
	database_add_number(&parameters, seq);
	code = database_query(database,
			      "SELECT endpoint, task_group, task_name, started_ms, finished_ms,"
			      " at_ms FROM cradle_report WHERE member = $1 AND seq > $2"
			      " AND seq <= $3 ORDER BY seq",
			      &parameters, &rows, error);
	if (code < 0)
		return code;
	sent->n = (size_t)PQntuples(rows);
	sent->ids = malloc((sent->n + 1) * sizeof *sent->ids);
	sent->from_ms = UINT64_MAX;
	for (size_t i = 0; sent->ids && i < sent->n; i++) {
		uint64_t at_ms = database_number(rows, (int)i, 5);

		sent->ids[i] = id_of_row(rows, (int)i);
		sent->from_ms = at_ms < sent->from_ms ? at_ms : sent->from_ms;
	}
	PQclear(rows);
	if (!sent->ids) {
		snprintf(error, CLUSTER_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	qsort(sent->ids, sent->n, sizeof *sent->ids, by_number);
	sent->known = true;
	return 0;
}

/* ---- the control thread ---- */

bool
cluster_unsent(struct cluster *cluster, uint64_t *from_ms, uint64_t *to_ms)
{
	struct reporting *reporting = &cluster->reporting;
	bool known;

	pthread_mutex_lock(&reporting->lock);
	known = reporting->there.known;
	*from_ms = reporting->there.from_ms;
	pthread_mutex_unlock(&reporting->lock);
	*to_ms = cluster->began_ms;
	return known;
}

bool
cluster_was_sent(const struct cluster *cluster, const struct cluster_report *report)
{
	/* Known, so the reporter changes nothing of it any more. */
	const struct sent_reports *there = &cluster->reporting.there;
	const char *const names[3] = { report->endpoint, report->group, report->task };
	const size_t lens[3] = { strlen(names[0]), strlen(names[1]), strlen(names[2]) };
	uint64_t id = id_of(names, lens, report->started_ms, report->finished_ms);

	return there->n && bsearch(&id, there->ids, there->n, sizeof id, by_number);
}

void
cluster_unsent_end(struct cluster *cluster)
{
	struct reporting *reporting = &cluster->reporting;

	pthread_mutex_lock(&reporting->lock);
	free(reporting->there.ids);
	reporting->there = (struct sent_reports){ 0 };
	pthread_mutex_unlock(&reporting->lock);
}
