#include "control/cluster/cluster_follow.h"

#include <errno.h>
#include <string.h>

#include "control/clock.h"

enum { REPORTS_EVERY_MS = 200 };

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
	struct cluster_batch *batch = follower_batch(follower);
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
		if (!follower_hand_over(follower))
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
	return !follower->batch || follower_hand_over(follower) ? 0 : -ECANCELED;
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
int
follower_fetch_reports(struct follower *follower)
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
