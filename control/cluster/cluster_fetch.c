#include "control/cluster/cluster_follow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- batches ---- */

void
follower_drop_batch(struct follower *follower)
{
	if (follower->batch) {
		records_clear(&follower->batch->rows);
		records_clear(&follower->batch->reports);
	}
	free(follower->batch);
	follower->batch = NULL;
}

struct cluster_batch *
follower_batch(struct follower *follower)
{
	if (!follower->batch)
		follower->batch = calloc(1, sizeof *follower->batch);
	return follower->batch;
}

/* Waits for room. False: it is out of date, or the program ends; then it is dropped. */
bool
follower_hand_over(struct follower *follower)
{
	struct cluster *cluster = follower->cluster;
	struct batch_queue *queue = &cluster->batches;
	bool wanted;

	pthread_mutex_lock(&cluster->lock);
	while (!cluster->ending && cluster->epoch == follower->epoch &&
	       queue->count == FOLLOW_BATCHES_MAX)
		pthread_cond_wait(&cluster->told, &cluster->lock);
	wanted = !cluster->ending && cluster->epoch == follower->epoch;
	if (wanted) {
		queue->items[(queue->first + queue->count++) % FOLLOW_BATCHES_MAX] =
			follower->batch;
		follower->batch = NULL;
	}
	pthread_mutex_unlock(&cluster->lock);
	follower_drop_batch(follower);
	return wanted;
}

static int
take_row(struct follower *follower, const PGresult *row, uint64_t txn)
{
	struct cluster_batch *batch = follower_batch(follower);

	if (!batch) {
		snprintf(follower->error, sizeof follower->error, "out of memory");
		return -ENOMEM;
	}
	follower->n_rows++;
	return cluster_rows_take(&batch->rows, follower->cluster->follow_sealer, row, txn,
				 follower->error);
}

/* ---- changes ---- */

static const char changes_sql[] =
	"SELECT " CLUSTER_DEVICE_COLUMNS
	", c.rev, c.txn FROM cradle_change c JOIN cradle_device d ON d.txn = c.txn"
	" WHERE c.rev > $1 AND c.rev <= $2 ORDER BY c.rev, d.endpoint";

static bool
take_change(void *ctx, const PGresult *row)
{
	struct follower *follower = ctx;

	follower->row_revision = database_number(row, 0, CLUSTER_COLUMNS);
	follower->failed = take_row(follower, row, database_number(row, 0, CLUSTER_COLUMNS + 1));
	if (follower->failed)
		return false;
	if (follower->batch->rows.count < CLUSTER_BATCH_ROWS)
		return true;
	/* More of the same revision may follow. */
	follower->batch->revision = follower->row_revision - 1;
	if (follower_hand_over(follower))
		return true;
	follower->failed = -ECANCELED;
	return false;
}

static int
end_of_stream(struct follower *follower, uint64_t head, bool resync)
{
	struct cluster_batch *batch = follower_batch(follower);

	if (!batch)
		return -ENOMEM;
	batch->revision = head;
	batch->end = true;
	batch->resync = batch->last = resync;
	batch->first = resync && follower->first_page;
	follower->fetched = head;
	follower->fetched_txn = follower->head_txn;
	return follower_hand_over(follower) ? 0 : -ECANCELED;
}

int
follower_fetch_changes(struct follower *follower, uint64_t head)
{
	struct database_parameters parameters = { 0 };
	int code;

	database_add_number(&parameters, follower->fetched);
	database_add_number(&parameters, head);
	follower->failed = 0;
	code = database_each(follower->database, changes_sql, &parameters, take_change, follower,
			     follower->error);
	if (follower->failed)
		code = follower->failed;
	return code < 0 ? code : end_of_stream(follower, head, false);
}

/* ---- all of it ---- */

static const char page_sql[] = "SELECT " CLUSTER_DEVICE_COLUMNS " FROM cradle_device"
			       " WHERE dead = 0 AND endpoint > $1 ORDER BY endpoint LIMIT $2";

static bool
take_page_row(void *ctx, const PGresult *row)
{
	struct follower *follower = ctx;

	follower->failed = take_row(follower, row, 0);
	if (follower->failed)
		return false;
	follower->last_len = (size_t)PQgetlength(row, 0, 0);
	assert(follower->last_len <= sizeof follower->last); /* cluster_rows_take() */
	memcpy(follower->last, PQgetvalue(row, 0, 0), follower->last_len);
	return true;
}

static int
fetch_page(struct follower *follower)
{
	struct database_parameters parameters = { 0 };
	int code;

	database_add_bytes(&parameters, follower->last, follower->last_len);
	database_add_number(&parameters, CLUSTER_BATCH_ROWS);
	follower->n_rows = 0;
	follower->failed = 0;
	code = database_each(follower->database, page_sql, &parameters, take_page_row, follower,
			     follower->error);
	return follower->failed ? follower->failed : code;
}

/* What changes meanwhile has a revision above `head`, and is fetched after it. */
int
follower_fetch_all(struct follower *follower, uint64_t head)
{
	int code;

	follower->last_len = 0;
	follower->first_page = true;
	while ((code = fetch_page(follower)) == 0 && follower->n_rows == CLUSTER_BATCH_ROWS) {
		follower->batch->resync = true;
		follower->batch->first = follower->first_page;
		follower->first_page = false;
		if (!follower_hand_over(follower))
			return -ECANCELED;
	}
	if (code == 0)
		code = end_of_stream(follower, head, true);
	if (code == 0)
		follower->resync = false;
	return code;
}
