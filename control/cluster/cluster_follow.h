/*
 * cluster_follow.h - the inside of the thread that follows, for the files that it is made of:
 *
 *	cluster_follow.c         its turns
 *	cluster_fetch.c          devices: what changed, or all
 *	cluster_fetch_reports.c  reports of other members
 *	cluster_beat.c           signs of life, and who else is there
 *
 * All of it is the thread's. Results are 0, or as database.h and a sentence in follower->error; -ECANCELED: what was fetched is
 * out of date, or the program ends.
 */
#pragma once

#include <stdio.h>

#include "control/cluster/cluster_private.h"

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

/* The batch that is being filled; NULL: out of memory. */
struct cluster_batch *follower_batch(struct follower *follower);
void follower_drop_batch(struct follower *follower);
/* Waits for room. False: it is out of date, or the program ends; then it is dropped. */
bool follower_hand_over(struct follower *follower);
/* Devices, up to revision `head`. */
int follower_fetch_changes(struct follower *follower, uint64_t head);
int follower_fetch_all(struct follower *follower, uint64_t head);
/* Where it is time. Devices first: reports are of devices that are here. */
int follower_fetch_reports(struct follower *follower);
/* Where it is time: writes that this member is there, and reads who else is. */
int follower_show_life(struct follower *follower);

/* A column's text, cut. */
static inline void
follower_copy_text(char *to, size_t max, const PGresult *result, int row, int column)
{
	snprintf(to, max, "%.*s", PQgetlength(result, row, column),
		 PQgetvalue(result, row, column));
}
