#include "control/cluster/cluster_claim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/cluster/cluster_pass.h"
#include "control/cluster/cluster_private.h"
#include "control/guard/thread_guard.h"

enum {
	AGAIN_MS = 20, /* between two questions for a claim that another member has */
	AT_ONCE = 6,   /* two parameters each, of DATABASE_PARAMETERS_MAX */
	SQL_MAX = 1024,
};

/* Of the claims that wait some are asked for together: each device once. */
struct asking {
	struct cluster *cluster;
	struct database *database;
	size_t n;
	struct cluster_claimed *work; /* CLUSTER_CLAIMS_MAX; in the order in which they came */
	unsigned n_some;
	struct cluster_claimed *some[AT_ONCE];
	char error[CLUSTER_ERROR_MAX];
};

/* ---- the control thread ---- */

bool
cluster_claim_ask(struct cluster *cluster, const struct cluster_claim *claim)
{
	struct claiming *claiming;
	bool asked = false;

	if (!cluster || !cluster->joined || !cluster->name || cluster_rests(cluster))
		return false;
	claiming = &cluster->claiming;
	pthread_mutex_lock(&cluster->lock);
	if (claiming->outstanding < CLUSTER_CLAIMS_MAX && cluster->state != CLUSTER_AWAY) {
		assert(claiming->n_asked < CLUSTER_CLAIMS_MAX);
		claiming->asked[claiming->n_asked++] = *claim;
		claiming->outstanding++;
		asked = true;
		pthread_cond_signal(&cluster->claim);
	}
	pthread_mutex_unlock(&cluster->lock);
	return asked;
}

bool
cluster_claim_take(struct cluster *cluster, struct cluster_claimed *claimed)
{
	struct claiming *claiming = &cluster->claiming;
	bool any;

	pthread_mutex_lock(&cluster->lock);
	any = claiming->n_ends > 0;
	if (any) {
		*claimed = claiming->ends[--claiming->n_ends];
		assert(claiming->outstanding);
		claiming->outstanding--;
	}
	pthread_mutex_unlock(&cluster->lock);
	return any;
}

/* ---- the thread ---- */

static void
end_claim(struct asking *asking, size_t i)
{
	struct cluster *cluster = asking->cluster;
	struct claiming *claiming = &cluster->claiming;

	pthread_mutex_lock(&cluster->lock);
	assert(claiming->n_ends < CLUSTER_CLAIMS_MAX);
	claiming->ends[claiming->n_ends++] = asking->work[i];
	pthread_mutex_unlock(&cluster->lock);
	asking->n--;
	memmove(&asking->work[i], &asking->work[i + 1], (asking->n - i) * sizeof asking->work[0]);
}

static bool
is_among(const struct asking *asking, const char *endpoint)
{
	for (unsigned i = 0; i < asking->n_some; i++)
		if (strcmp(asking->some[i]->claim.endpoint, endpoint) == 0)
			return true;
	return false;
}

/* Members ask in the same order, so that they do not wait for each other in a circle. */
static int
by_endpoint(const void *left, const void *right)
{
	const struct cluster_claimed *const *a = left, *const *b = right;

	return strcmp((*a)->claim.endpoint, (*b)->claim.endpoint);
}

/* From work[*at] on; *at is behind what was looked at. */
static void
choose(struct asking *asking, size_t *at)
{
	asking->n_some = 0;
	for (; *at < asking->n && asking->n_some < AT_ONCE; ++*at)
		if (!is_among(asking, asking->work[*at].claim.endpoint))
			asking->some[asking->n_some++] = &asking->work[*at];
	qsort(asking->some, asking->n_some, sizeof asking->some[0], by_endpoint);
}

/* What all statements have: the member, two ages, devices, when their runs began. */
enum { FIRST_DEVICE = 4 };

static void
put_parameters(const struct asking *asking, struct database_parameters *parameters)
{
	database_add_number(parameters, asking->cluster->member);
	database_add_number(parameters, CLUSTER_CLAIM_OLD_S);
	database_add_number(parameters, CLUSTER_MEMBER_SILENT_MS / 1000);
	for (unsigned i = 0; i < asking->n_some; i++)
		database_add_bytes(parameters, asking->some[i]->claim.endpoint,
				   strlen(asking->some[i]->claim.endpoint));
	for (unsigned i = 0; i < asking->n_some; i++)
		database_add_number(parameters, asking->some[i]->claim.started_ms);
}

/* `sql`, and "($4, $5, $6)" where it has devices. */
static int
query_devices(struct asking *asking, const char *sql, PGresult **result)
{
	struct database_parameters parameters = { 0 };
	char whole[SQL_MAX];
	size_t len = (size_t)snprintf(whole, sizeof whole, "%s", sql);

	for (unsigned i = 0; i < asking->n_some; i++)
		len += (size_t)snprintf(whole + len, sizeof whole - len, "%s$%u", i ? ", " : " (",
					FIRST_DEVICE + i);
	snprintf(whole + len, sizeof whole - len, ")");
	put_parameters(asking, &parameters);
	return database_query(asking->database, whole, &parameters, result, asking->error);
}

/* Claims of members that are not there any more, and those that were forgotten. */
static int
free_old(struct asking *asking)
{
	return query_devices(asking,
			     "DELETE FROM cradle_claim WHERE member <> $1"
			     " AND (made_at < now() - $2 * INTERVAL '1 second'"
			     " OR member NOT IN (SELECT number FROM cradle_member"
			     " WHERE seen_at > now() - $3 * INTERVAL '1 second')) AND endpoint IN",
			     NULL);
}

/* One of an earlier run on this member is this run's now. */
static int
insert(struct asking *asking)
{
	struct database_parameters parameters = { 0 };
	char sql[SQL_MAX];
	size_t len = (size_t)snprintf(
		sql, sizeof sql, "INSERT INTO cradle_claim (endpoint, member, started_ms) VALUES");

	for (unsigned i = 0; i < asking->n_some; i++)
		len += (size_t)snprintf(sql + len, sizeof sql - len, "%s ($%u, $1, $%u)",
					i ? "," : "", FIRST_DEVICE + i,
					FIRST_DEVICE + asking->n_some + i);
	snprintf(sql + len, sizeof sql - len,
		 " ON CONFLICT (endpoint) DO UPDATE SET started_ms = excluded.started_ms,"
		 " made_at = excluded.made_at WHERE cradle_claim.member = excluded.member");
	put_parameters(asking, &parameters);
	return database_query(asking->database, sql, &parameters, NULL, asking->error);
}

enum {
	COLUMN_ENDPOINT,
	COLUMN_GROUP,
	COLUMN_TASK,
	COLUMN_SUMMARY,
	COLUMN_STATUS,
	COLUMN_STARTED,
	COLUMN_FINISHED,
	COLUMN_AT,
	COLUMN_MEMBER
};

static struct cluster_claimed *
find(const struct asking *asking, const PGresult *result, int row)
{
	size_t len = (size_t)PQgetlength(result, row, COLUMN_ENDPOINT);

	for (unsigned i = 0; i < asking->n_some; i++) {
		const char *endpoint = asking->some[i]->claim.endpoint;

		if (strlen(endpoint) == len &&
		    memcmp(endpoint, PQgetvalue(result, row, COLUMN_ENDPOINT), len) == 0)
			return asking->some[i];
	}
	return NULL;
}

/* False: a text of it is none of ours. */
static bool
read_text(const PGresult *result, int row, int column, char text[CLUSTER_REPORT_TEXT_MAX + 1])
{
	size_t len = (size_t)PQgetlength(result, row, column);

	if (len > CLUSTER_REPORT_TEXT_MAX || memchr(PQgetvalue(result, row, column), 0, len))
		return false;
	memcpy(text, PQgetvalue(result, row, column), len);
	text[len] = '\0';
	return true;
}

/* What there is no memory for comes again as news. */
static void
take_report(const struct asking *asking, struct cluster_claimed *claimed, const PGresult *result,
	    int row)
{
	char texts[COLUMN_SUMMARY + 1][CLUSTER_REPORT_TEXT_MAX + 1];
	const struct cluster_report report = {
		.endpoint = texts[COLUMN_ENDPOINT],
		.group = texts[COLUMN_GROUP],
		.task = texts[COLUMN_TASK],
		.summary = texts[COLUMN_SUMMARY],
		.status = (uint8_t)database_number(result, row, COLUMN_STATUS),
		.started_ms = database_number(result, row, COLUMN_STARTED),
		.finished_ms = database_number(result, row, COLUMN_FINISHED),
		.at_ms = database_number(result, row, COLUMN_AT),
		.member = (uint32_t)database_number(result, row, COLUMN_MEMBER),
	};

	if (PQgetisnull(result, row, COLUMN_MEMBER) || report.member == asking->cluster->member)
		return;
	for (int i = COLUMN_ENDPOINT; i <= COLUMN_SUMMARY; i++)
		if (!read_text(result, row, i, texts[i]))
			return;
	(void)cluster_report_add(&claimed->reports, &report);
}

/* Those that this member has now, each with its reports: they are read behind the claim, so none is missed. */
static int
read_granted(struct asking *asking)
{
	PGresult *result;
	int code =
		query_devices(asking,
			      "SELECT c.endpoint, r.task_group, r.task_name, r.summary, r.status,"
			      " r.started_ms, r.finished_ms, r.at_ms, r.member FROM cradle_claim c"
			      " LEFT JOIN cradle_last_report r ON r.endpoint = c.endpoint"
			      " WHERE c.member = $1 AND c.endpoint IN",
			      &result);

	if (code < 0)
		return code;
	for (int row = 0; row < PQntuples(result); row++) {
		struct cluster_claimed *claimed = find(asking, result, row);

		if (!claimed)
			continue;
		claimed->granted = true;
		take_report(asking, claimed, result, row);
	}
	PQclear(result);
	return 0;
}

static int
ask_some(struct asking *asking)
{
	int code = free_old(asking);

	if (code == 0)
		code = insert(asking);
	return code == 0 ? read_granted(asking) : code;
}

static int
ask_all(struct asking *asking)
{
	int code = asking->n ? database_connect(asking->database, asking->error) : 0;

	for (size_t at = 0; code == 0 && at < asking->n;) {
		choose(asking, &at);
		code = ask_some(asking);
	}
	return code;
}

/* Those that are granted, and those that nobody waits for any more; all, where there is nobody to ask. */
static void
end_some(struct asking *asking, bool all)
{
	uint64_t now_us = clock_now_us();

	for (size_t i = 0; i < asking->n;)
		if (all || asking->work[i].granted || asking->work[i].claim.end_us <= now_us)
			end_claim(asking, i);
		else
			i++;
}

/* Under the lock. */
static void
take_asked(struct asking *asking)
{
	struct claiming *claiming = &asking->cluster->claiming;

	assert(asking->n + claiming->n_asked <= CLUSTER_CLAIMS_MAX);
	for (size_t i = 0; i < claiming->n_asked; i++)
		asking->work[asking->n++] = (struct cluster_claimed){ .claim = claiming->asked[i] };
	claiming->n_asked = 0;
}

static void
one_turn(struct asking *asking)
{
	int code = ask_all(asking);

	/* Two that met each other ask again. */
	end_some(asking, code < 0 && code != DATABASE_AGAIN);
}

void *
cluster_claim_thread(void *arg)
{
	struct cluster *cluster = arg;
	struct asking asking = { .cluster = cluster,
				 .database = cluster->claim_database,
				 .work = cluster->claiming.work };

	thread_guard_enter(THREAD_NETWORK);
	pthread_mutex_lock(&cluster->lock);
	while (!cluster->ending) {
		if (!asking.n && !cluster->claiming.n_asked) {
			pthread_cond_wait(&cluster->claim, &cluster->lock);
			continue;
		}
		take_asked(&asking);
		pthread_mutex_unlock(&cluster->lock);
		one_turn(&asking);
		pthread_mutex_lock(&cluster->lock);
		if (asking.n && !cluster->ending)
			cluster_wait(cluster, &cluster->claim, AGAIN_MS);
	}
	pthread_mutex_unlock(&cluster->lock);
	end_some(&asking, true);
	return NULL;
}

/* ---- life ---- */

int
cluster_claim_init(struct claiming *claiming)
{
	claiming->asked = calloc(CLUSTER_CLAIMS_MAX, sizeof *claiming->asked);
	claiming->work = calloc(CLUSTER_CLAIMS_MAX, sizeof *claiming->work);
	claiming->ends = calloc(CLUSTER_CLAIMS_MAX, sizeof *claiming->ends);
	return claiming->asked && claiming->work && claiming->ends ? 0 : -ENOMEM;
}

void
cluster_claim_fini(struct claiming *claiming)
{
	for (size_t i = 0; i < claiming->n_ends; i++)
		records_clear(&claiming->ends[i].reports);
	free(claiming->asked);
	free(claiming->work);
	free(claiming->ends);
	*claiming = (struct claiming){ 0 };
}
