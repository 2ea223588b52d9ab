#include "control/cluster/cluster_report.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster_private.h"
#include "control/guard/thread_guard.h"

enum { TEXTS = 4, COLUMNS = 10, REPORTS_AT_ONCE = 20000, PRUNE_EVERY = 64 };

/* ---- records ---- */

static void
texts_of(const struct cluster_report *report, const char *texts[TEXTS])
{
	texts[0] = report->endpoint;
	texts[1] = report->group;
	texts[2] = report->task;
	texts[3] = report->summary;
}

bool
cluster_report_add(struct records *to, const struct cluster_report *report)
{
	const char *texts[TEXTS];
	struct report_record *copy;
	struct record record;
	size_t size = sizeof *copy;
	char *at;

	texts_of(report, texts);
	for (unsigned i = 0; i < TEXTS; i++) {
		if (strlen(texts[i]) > CLUSTER_REPORT_TEXT_MAX)
			return false;
		size += strlen(texts[i]) + 1;
	}
	copy = records_add(to, size);
	if (!copy)
		return false;
	record = copy->record;
	*copy = (struct report_record){
		.record = record,
		.status = report->status,
		.member = report->member,
		.started_ms = report->started_ms,
		.finished_ms = report->finished_ms,
		.at_ms = report->at_ms,
	};
	at = copy->bytes;
	for (unsigned i = 0; i < TEXTS; i++) {
		copy->len[i] = (uint32_t)strlen(texts[i]);
		memcpy(at, texts[i], copy->len[i] + 1);
		at += copy->len[i] + 1;
	}
	return true;
}

void
cluster_report_of(const struct report_record *record, struct cluster_report *report)
{
	const char *texts[TEXTS], *at = record->bytes;

	for (unsigned i = 0; i < TEXTS; i++) {
		texts[i] = at;
		at += record->len[i] + 1;
	}
	*report = (struct cluster_report){
		.endpoint = texts[0],
		.group = texts[1],
		.task = texts[2],
		.summary = texts[3],
		.status = record->status,
		.member = record->member,
		.started_ms = record->started_ms,
		.finished_ms = record->finished_ms,
		.at_ms = record->at_ms,
	};
}

static size_t
count_claims(const struct records *records)
{
	struct records_at at = { 0 };
	const struct report_record *record;
	size_t n = 0;

	while ((record = records_next(records, &at)))
		n += cluster_report_is_claim(record);
	return n;
}

/* ---- the control thread ---- */

void
cluster_put_report(struct cluster *cluster, const struct cluster_report *report)
{
	struct reporting *reporting;

	if (!cluster || !cluster->joined || !cluster->name)
		return;
	reporting = &cluster->reporting;
	pthread_mutex_lock(&reporting->lock);
	if (reporting->queue.count >= CLUSTER_REPORTS_MAX) {
		struct records oldest = { 0 };

		records_move(&oldest, &reporting->queue, 1);
		reporting->lost += oldest.count - count_claims(&oldest);
		reporting->claims -= count_claims(&oldest);
		records_clear(&oldest);
	}
	if (!cluster_report_add(&reporting->queue, report))
		reporting->lost++;
	else if (!*report->task && !*report->group)
		reporting->claims++;
	pthread_mutex_unlock(&reporting->lock);
}

/* ---- the thread ---- */

struct reporter {
	struct cluster *cluster;
	struct database *database;
	struct reporting *reporting;
	unsigned turns;
	struct buffer rows;
	bool has_once, has_over; /* claims among them, and ends of such */
	char error[CLUSTER_ERROR_MAX];
};

static int
put_bytes(struct buffer *out, const void *bytes, size_t len)
{
	uint32_t head = htobe32((uint32_t)len);
	int code = buffer_put(out, &head, sizeof head);

	return code == 0 && len ? buffer_put(out, bytes, len) : code;
}

static int
put_number(struct buffer *out, uint64_t number)
{
	number = htobe64(number);
	return put_bytes(out, &number, sizeof number);
}

static int
put_row(struct reporter *reporter, uint64_t seq, const struct report_record *record)
{
	const uint16_t fields = htobe16(COLUMNS);
	struct buffer *out = &reporter->rows;
	const char *at = record->bytes;
	int code = buffer_put(out, &fields, sizeof fields);

	code = code ? code : put_number(out, reporter->cluster->member);
	code = code ? code : put_number(out, seq);
	for (unsigned i = 0; i < TEXTS && code == 0; i++) {
		code = put_bytes(out, at, record->len[i]);
		at += record->len[i] + 1;
	}
	code = code ? code : put_number(out, record->status);
	code = code ? code : put_number(out, record->started_ms);
	code = code ? code : put_number(out, record->finished_ms);
	return code ? code : put_number(out, record->at_ms);
}

#define REPORT_COLUMNS                                                                             \
	"endpoint, task_group, task_name, summary, status, started_ms, finished_ms, at_ms"

/* When a run ended, or when that was said which is of none; of two at the same time the higher member's counts. */
#define ENDED(table)                                                                               \
	"(CASE WHEN " table ".finished_ms > 0 THEN " table ".finished_ms ELSE " table              \
	".at_ms END, " table ".member)"

/*
 * Of two reports of a pair in one batch the later counts, and of those of two members the one whose run ended later, though
 * it may have come before (runs/member_reports.c). What is of no task is a claim (runs/member_claims.h).
 */
static const char last_sql[] =
	"INSERT INTO cradle_last_report (member, " REPORT_COLUMNS ")"
	" SELECT DISTINCT ON (endpoint, task_group, task_name) member, " REPORT_COLUMNS
	" FROM cradle_report WHERE member = $1 AND seq > $2 AND task_name <> ''"
	" ORDER BY endpoint, task_group, task_name, seq DESC"
	" ON CONFLICT (endpoint, task_group, task_name) DO UPDATE SET member = excluded.member,"
	" summary = excluded.summary, status = excluded.status, started_ms = excluded.started_ms,"
	" finished_ms = excluded.finished_ms, at_ms = excluded.at_ms"
	" WHERE " ENDED("excluded") " >= " ENDED("cradle_last_report");

/* Claims of runs that did not wait for them, each device once; and those of runs that are over, behind their reports. */
static const char claim_sql[] =
	"INSERT INTO cradle_claim (endpoint, member, started_ms)"
	" SELECT endpoint, member, max(started_ms) FROM cradle_report WHERE member = $1 AND seq > "
	"$2"
	" AND task_name = '' AND summary = '" CLUSTER_CLAIM_ONCE "' GROUP BY endpoint, member"
	" ORDER BY endpoint ON CONFLICT (endpoint) DO UPDATE SET started_ms = excluded.started_ms,"
	" made_at = excluded.made_at WHERE cradle_claim.member = excluded.member";
static const char over_sql[] =
	"DELETE FROM cradle_claim WHERE member = $1 AND EXISTS (SELECT 1 FROM cradle_report r"
	" WHERE r.member = $1 AND r.seq > $2 AND r.task_name = ''"
	" AND r.summary = '" CLUSTER_CLAIM_OVER "' AND r.endpoint = cradle_claim.endpoint"
	" AND r.started_ms >= cradle_claim.started_ms)";

static int
run_sql(struct reporter *reporter, const char *sql, uint64_t number, PGresult **result)
{
	struct database_parameters parameters = { 0 };

	database_add_number(&parameters, reporter->cluster->member);
	if (strstr(sql, "$2"))
		database_add_number(&parameters, number);
	return database_query(reporter->database, sql, &parameters, result, reporter->error);
}

/* Which of this member's reports are there. */
static int
read_seq(struct reporter *reporter)
{
	PGresult *result;
	int code = run_sql(reporter, "SELECT report_seq FROM cradle_member WHERE number = $1", 0,
			   &result);

	if (code < 0)
		return code;
	reporter->reporting->known = PQntuples(result);
	reporter->reporting->seq = reporter->reporting->known ? database_number(result, 0, 0) : 0;
	PQclear(result);
	if (reporter->reporting->known)
		return 0;
	snprintf(reporter->error, sizeof reporter->error, "the database does not know this member");
	return DATABASE_REFUSED;
}

/* What a former process sent is looked at before anything is: as long as no number is known. */
static int
begin(struct reporter *reporter)
{
	struct reporting *reporting = reporter->reporting;
	struct sent_reports there = { 0 };
	int code = database_connect(reporter->database, reporter->error);

	if (code == 0)
		code = read_seq(reporter);
	if (code == 0)
		code = cluster_unsent_read(&there, reporter->database, reporter->cluster->member,
					   reporting->seq, reporter->error);
	/* The number is known with them, or not at all. */
	reporting->known = code == 0;
	if (code < 0)
		return code;
	pthread_mutex_lock(&reporting->lock);
	reporting->there = there;
	pthread_mutex_unlock(&reporting->lock);
	return 0;
}

static int
write_slice(struct reporter *reporter, uint64_t last)
{
	int code = database_execute(reporter->database, "BEGIN ISOLATION LEVEL READ COMMITTED",
				    reporter->error);

	if (code == 0)
		code = database_copy(reporter->database,
				     "COPY cradle_report (member, seq, " REPORT_COLUMNS
				     ") FROM STDIN (FORMAT binary)",
				     buffer_front(&reporter->rows), buffer_left(&reporter->rows),
				     reporter->error);
	if (code == 0)
		code = run_sql(reporter, last_sql, reporter->reporting->seq, NULL);
	if (code == 0 && reporter->has_once)
		code = run_sql(reporter, claim_sql, reporter->reporting->seq, NULL);
	if (code == 0 && reporter->has_over)
		code = run_sql(reporter, over_sql, reporter->reporting->seq, NULL);
	if (code == 0 && reporter->turns++ % PRUNE_EVERY == 0 && last > CLUSTER_REPORTS_KEPT)
		code = run_sql(reporter,
			       "DELETE FROM cradle_report WHERE member = $1 AND seq <= $2",
			       last - CLUSTER_REPORTS_KEPT, NULL);
	if (code == 0)
		code = run_sql(reporter,
			       "UPDATE cradle_member SET report_seq = $2 WHERE number = $1", last,
			       NULL);
	if (code == 0)
		code = database_execute(reporter->database, "COMMIT", reporter->error);
	database_rollback(reporter->database);
	return code;
}

static void
note_claim(struct reporter *reporter, const struct report_record *record)
{
	struct cluster_report report;

	if (!cluster_report_is_claim(record))
		return;
	cluster_report_of(record, &report);
	reporter->has_once |= strcmp(report.summary, CLUSTER_CLAIM_ONCE) == 0;
	reporter->has_over |= strcmp(report.summary, CLUSTER_CLAIM_OVER) == 0;
}

static int
encode(struct reporter *reporter)
{
	struct records_at at = { 0 };
	const struct report_record *record;
	uint64_t seq = reporter->reporting->seq;
	int code = 0;

	buffer_take(&reporter->rows, buffer_left(&reporter->rows));
	reporter->has_once = reporter->has_over = false;
	while (code == 0 && (record = records_next(&reporter->reporting->slice, &at))) {
		code = put_row(reporter, ++seq, record);
		note_claim(reporter, record);
	}
	if (code < 0)
		snprintf(reporter->error, sizeof reporter->error, "out of memory");
	return code;
}

/*
 * A commit whose confirmation was lost shows by the number that is there: then the slice is, too, for it goes as a whole.
 */
static int
send_slice(struct reporter *reporter)
{
	uint64_t before = reporter->reporting->seq, last;
	bool tried = reporter->reporting->known;
	int code = tried ? database_connect(reporter->database, reporter->error) : begin(reporter);

	if (code == 0)
		code = read_seq(reporter);
	if (code < 0)
		return code;
	last = reporter->reporting->seq + reporter->reporting->slice.count;
	if (tried && reporter->reporting->seq == before + reporter->reporting->slice.count)
		return 0;
	code = encode(reporter);
	if (code == 0)
		code = write_slice(reporter, last);
	if (code == 0)
		reporter->reporting->seq = last;
	return code;
}

/* Under the reports' lock. */
static void
note(struct reporting *reporting, const struct reporter *reporter, int code)
{
	snprintf(reporting->error, sizeof reporting->error, "%s", code < 0 ? reporter->error : "");
	if (code == 0) {
		size_t claims = count_claims(&reporter->reporting->slice);

		reporting->sent += reporter->reporting->slice.count - claims;
		reporting->claims -= claims;
	}
	reporting->waiting_slice = code == 0 ? 0 : reporter->reporting->slice.count;
}

static bool
is_following(struct cluster *cluster)
{
	bool following;

	pthread_mutex_lock(&cluster->lock);
	following = cluster->following;
	pthread_mutex_unlock(&cluster->lock);
	return following;
}

static void
one_turn(struct reporter *reporter, int *code)
{
	struct reporting *reporting = &reporter->cluster->reporting;

	*code = 0;
	pthread_mutex_lock(&reporting->lock);
	if (!reporter->reporting->slice.count)
		records_move(&reporter->reporting->slice, &reporting->queue, REPORTS_AT_ONCE);
	reporting->waiting_slice = reporter->reporting->slice.count;
	pthread_mutex_unlock(&reporting->lock);
	if (reporter->reporting->slice.count)
		*code = send_slice(reporter);
	else if (!reporting->known && is_following(reporter->cluster))
		*code = begin(reporter);
	else
		return;
	pthread_mutex_lock(&reporting->lock);
	note(reporting, reporter, *code);
	pthread_mutex_unlock(&reporting->lock);
	if (*code == 0)
		records_clear(&reporter->reporting->slice);
}

static bool
has_more(struct reporting *reporting)
{
	bool more;

	pthread_mutex_lock(&reporting->lock);
	more = reporting->queue.count >= REPORTS_AT_ONCE;
	pthread_mutex_unlock(&reporting->lock);
	return more;
}

/* As long as it is to rest. Whether it rests at the end of the program, too. Under the lock. */
static bool
rest(struct cluster *cluster)
{
	while (cluster->sending_rests && !cluster->ending) {
		cluster->reporter_rests = true;
		pthread_cond_broadcast(&cluster->told);
		pthread_cond_wait(&cluster->report, &cluster->lock);
	}
	cluster->reporter_rests = false;
	return cluster->sending_rests;
}

void *
cluster_report_thread(void *arg)
{
	struct cluster *cluster = arg;
	struct reporter reporter = { .cluster = cluster,
				     .database = cluster->report_database,
				     .reporting = &cluster->reporting };
	bool last_turn = false, rests;
	int code = 0;

	thread_guard_enter(THREAD_NETWORK);
	while (!last_turn) {
		pthread_mutex_lock(&cluster->lock);
		if (!cluster->ending && (code < 0 || !has_more(&cluster->reporting)))
			cluster_wait(cluster, &cluster->report,
				     code < 0 ? FOLLOW_RETRY_MS : CLUSTER_REPORTS_MS);
		rests = rest(cluster);
		last_turn = cluster->ending;
		pthread_mutex_unlock(&cluster->lock);
		/* Where it ends at rest, what is left is another process's. */
		if (!rests)
			one_turn(&reporter, &code);
	}
	buffer_fini(&reporter.rows);
	return NULL;
}
