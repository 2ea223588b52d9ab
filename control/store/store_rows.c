#include "control/store/store_rows.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/buffer.h"
#include "control/guard/thread_guard.h"
#include "control/inventory/setting_values.h"

enum {
	BATCH_ROWS = 512, /* some milliseconds of either side: nobody waits for a single row */
	BATCHES = 2,      /* one is filled while the other is read */
};

/* Columns of `device`. */
enum { COLUMN_KEY = 3, COLUMN_SETTINGS = 7, COLUMN_KEK = 11 };

/* Where a row's texts are in its batch's bytes; these move while the batch grows. */
struct row {
	struct store_device device;
	size_t endpoint, identity, domain, groups;
	bool has_identity, has_domain, has_groups;
	void *values;
	size_t values_len;
};

struct row_batch {
	struct row rows[BATCH_ROWS];
	unsigned n;
	struct buffer texts;
	bool last; /* nothing follows it */
};

struct device_rows {
	struct store *store;
	sqlite3_stmt *stmt;
	pthread_t thread;
	struct row_batch batches[BATCHES];

	/* The thread's until the end. */
	uint64_t plain, former;
	int result;
	char error[STORE_ERROR_MAX];

	/* The caller's. */
	unsigned reading, at;
	bool holds;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned filled, taken; /* batches so far; under the lock */
	bool stop;              /* under the lock */
};

/* ---- a row ---- */

static int
lost_key(struct device_rows *rows)
{
	char id[KEK_ID_TEXT_MAX] = "(none)";

	if (sqlite3_column_bytes(rows->stmt, COLUMN_KEK) == KEK_ID_LEN)
		kek_id_text(sqlite3_column_blob(rows->stmt, COLUMN_KEK), id);
	snprintf(rows->error, STORE_ERROR_MAX,
		 "%s: its secrets are sealed under the key %s, which the setting `kek` does not "
		 "lead "
		 "to: put that key back",
		 rows->store->path, id);
	return -ENOKEY;
}

static int
not_opened(struct device_rows *rows)
{
	snprintf(
		rows->error, STORE_ERROR_MAX,
		"%s: what is sealed of device %s does not open: damaged, or of another device; put "
		"back a copy",
		rows->store->path, (const char *)sqlite3_column_text(rows->stmt, 1));
	return -EBADMSG;
}

static int
is_corrupt(struct device_rows *rows)
{
	return store_file_error(&rows->store->inventory, SQLITE_CORRUPT, "read a device",
				rows->error);
}

static int
read_secrets(struct device_rows *rows, struct row *row)
{
	struct store *store = rows->store;
	const struct secrets_row sealed = secrets_of_row(store->sealer, rows->stmt, COLUMN_KEK);
	const struct seal_place key_place = { SEAL_KEY, row->device.id };
	const struct seal_place values_place = { SEAL_SETTINGS, row->device.id };
	struct device_spec *spec = &row->device.spec;
	size_t key_len;
	int result;
	void *key;

	if (sealed.kind == SECRETS_LOST)
		return lost_key(rows);
	key = secrets_read(store->sealer, &sealed, rows->stmt, COLUMN_KEY, &key_place, &key_len,
			   &result);
	if (key && key_len <= DTLS_KEY_MAX)
		memcpy(spec->key, key, key_len);
	spec->key_len = (uint8_t)key_len;
	secrets_free(key, key_len);
	if (!result)
		row->values = secrets_read(store->sealer, &sealed, rows->stmt, COLUMN_SETTINGS,
					   &values_place, &row->values_len, &result);
	spec->values = row->values;
	rows->plain += sealed.kind == SECRETS_PLAIN && (key_len || row->values);
	rows->former += sealed.kind == SECRETS_FORMER;
	if (result == -EBADMSG)
		return not_opened(rows);
	if (!result && (key_len > DTLS_KEY_MAX ||
			(row->values && !setting_values_check(row->values, row->values_len))))
		result = is_corrupt(rows);
	return result;
}

/* A text or bytes of a column, with a NUL behind. 0 or -ENOMEM. */
static int
keep_text(struct row_batch *batch, sqlite3_stmt *stmt, int column, size_t *place, bool *any)
{
	const void *text = sqlite3_column_text(stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);

	*any = text != NULL;
	*place = buffer_left(&batch->texts);
	if (!text)
		return 0;
	return buffer_put(&batch->texts, text, len) || buffer_put(&batch->texts, "", 1) ? -ENOMEM
											: 0;
}

/* 0, or -errno: -EINVAL: the row is none that this program wrote. */
static int
read_columns(struct row_batch *batch, struct row *row, sqlite3_stmt *stmt)
{
	struct device_spec *spec = &row->device.spec;
	bool has_endpoint;

	row->device.id = (uint32_t)sqlite3_column_int64(stmt, 0);
	row->device.last_bootstrap_ms = (uint64_t)sqlite3_column_int64(stmt, 9);
	row->device.format = (uint16_t)sqlite3_column_int(stmt, 10);
	spec->key_is_hex = sqlite3_column_int(stmt, 4);
	spec->created_ms = (uint64_t)sqlite3_column_int64(stmt, 8);
	spec->nosec = sqlite3_column_int(stmt, 12);
	if (keep_text(batch, stmt, 1, &row->endpoint, &has_endpoint) ||
	    keep_text(batch, stmt, 2, &row->identity, &row->has_identity) ||
	    keep_text(batch, stmt, 5, &row->domain, &row->has_domain) ||
	    keep_text(batch, stmt, 6, &row->groups, &row->has_groups))
		return -ENOMEM;
	if (!has_endpoint || sqlite3_column_bytes(stmt, 2) > DTLS_IDENTITY_MAX)
		return -EINVAL;
	spec->identity_len = (uint8_t)sqlite3_column_bytes(stmt, 2);
	return 0;
}

static int
read_row(struct device_rows *rows, struct row_batch *batch)
{
	struct row *row = &batch->rows[batch->n];
	int result;

	*row = (struct row){ 0 };
	result = read_columns(batch, row, rows->stmt);
	if (result == -EINVAL)
		return is_corrupt(rows);
	if (result == -ENOMEM)
		return store_file_error(&rows->store->inventory, SQLITE_NOMEM, "read it",
					rows->error);
	result = read_secrets(rows, row);
	if (result) {
		secrets_free(row->values, row->values_len);
		explicit_bzero(row, sizeof *row);
	} else {
		batch->n++;
	}
	return result;
}

/* ---- a batch ---- */

static void
empty(struct row_batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++)
		secrets_free(batch->rows[i].values, batch->rows[i].values_len);
	explicit_bzero(batch->rows, batch->n * sizeof batch->rows[0]);
	batch->n = 0;
	buffer_take(&batch->texts, buffer_left(&batch->texts));
}

/* The texts stand still now. */
static void
settle(struct row_batch *batch)
{
	const char *texts = (const char *)buffer_front(&batch->texts);

	for (unsigned i = 0; i < batch->n; i++) {
		struct row *row = &batch->rows[i];
		struct device_spec *spec = &row->device.spec;

		spec->endpoint = texts + row->endpoint;
		spec->identity = row->has_identity ? texts + row->identity : NULL;
		spec->domain = row->has_domain ? texts + row->domain : NULL;
		spec->groups = row->has_groups ? texts + row->groups : NULL;
	}
}

static void
fill(struct device_rows *rows, struct row_batch *batch)
{
	int code = SQLITE_ROW;

	while (batch->n < BATCH_ROWS && !rows->result &&
	       (code = sqlite3_step(rows->stmt)) == SQLITE_ROW)
		rows->result = read_row(rows, batch);
	batch->last = rows->result || code != SQLITE_ROW;
	if (!rows->result && batch->last && code != SQLITE_DONE)
		rows->result =
			store_file_error(&rows->store->inventory, code, "read it", rows->error);
	settle(batch);
}

/* ---- the thread ---- */

/* False: the caller has enough. */
static bool
await_room(struct device_rows *rows)
{
	bool stop;

	pthread_mutex_lock(&rows->lock);
	while (rows->filled - rows->taken == BATCHES && !rows->stop)
		pthread_cond_wait(&rows->changed, &rows->lock);
	stop = rows->stop;
	pthread_mutex_unlock(&rows->lock);
	return !stop;
}

static void
advance(struct device_rows *rows, unsigned *count)
{
	pthread_mutex_lock(&rows->lock);
	(*count)++;
	pthread_mutex_unlock(&rows->lock);
	pthread_cond_signal(&rows->changed);
}

static void *
run(void *arg)
{
	struct device_rows *rows = arg;
	struct row_batch *batch;
	bool last;

	thread_guard_enter(THREAD_STORE);
	for (unsigned i = 0; await_room(rows); i++) {
		batch = &rows->batches[i % BATCHES];
		empty(batch);
		fill(rows, batch);
		last = batch->last; /* it is the caller's from now on */
		advance(rows, &rows->filled);
		if (last)
			break;
	}
	return NULL;
}

/* ---- the caller ---- */

static void
release(struct device_rows *rows)
{
	for (unsigned i = 0; i < BATCHES; i++) {
		empty(&rows->batches[i]);
		buffer_fini(&rows->batches[i].texts);
	}
	pthread_cond_destroy(&rows->changed);
	pthread_mutex_destroy(&rows->lock);
	free(rows);
}

struct device_rows *
device_rows_begin(struct store *store, sqlite3_stmt *stmt)
{
	struct device_rows *rows = calloc(1, sizeof *rows);

	if (!rows)
		return NULL;
	rows->store = store;
	rows->stmt = stmt;
	pthread_mutex_init(&rows->lock, NULL);
	pthread_cond_init(&rows->changed, NULL);
	if (pthread_create(&rows->thread, NULL, run, rows) == 0)
		return rows;
	release(rows);
	return NULL;
}

static struct row_batch *
await_batch(struct device_rows *rows)
{
	pthread_mutex_lock(&rows->lock);
	while (rows->filled == rows->reading)
		pthread_cond_wait(&rows->changed, &rows->lock);
	pthread_mutex_unlock(&rows->lock);
	rows->holds = true;
	rows->at = 0;
	return &rows->batches[rows->reading % BATCHES];
}

struct store_device *
device_rows_next(struct device_rows *rows)
{
	struct row_batch *batch =
		rows->holds ? &rows->batches[rows->reading % BATCHES] : await_batch(rows);

	while (rows->at == batch->n) {
		if (batch->last)
			return NULL;
		rows->reading++;
		advance(rows, &rows->taken);
		batch = await_batch(rows);
	}
	return &batch->rows[rows->at++].device;
}

int
device_rows_end(struct device_rows *rows, char error[STORE_ERROR_MAX])
{
	int result;

	pthread_mutex_lock(&rows->lock);
	rows->stop = true;
	pthread_mutex_unlock(&rows->lock);
	pthread_cond_signal(&rows->changed);
	pthread_join(rows->thread, NULL);
	result = rows->result;
	if (result)
		memcpy(error, rows->error, STORE_ERROR_MAX);
	rows->store->plain = rows->plain;
	rows->store->former = rows->former;
	release(rows);
	return result;
}
