#include "control/store/store_rows.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/buffer.h"
#include "control/guard/thread_guard.h"
#include "control/inventory/setting_values.h"

enum {
	BATCH_ROWS = 512, /* some milliseconds of any side: nobody waits for a single row */
	BATCHES = 6,      /* one is filled, some are opened, one is read */
	OPENERS = 2,      /* what one of them takes a row is less than the reader does */
};

/* Columns of `device`. */
enum { COLUMN_KEY = 3, COLUMN_SETTINGS = 7, COLUMN_KEK = 11 };

/* What a column holds, in its batch's bytes, which move while the batch grows. */
struct stored {
	bool any; /* else it is NULL */
	size_t at, len;
};

struct row {
	struct store_device device;
	struct stored endpoint, identity, domain, groups, key, values;
	struct secrets_row sealed;
};

struct row_batch {
	struct row rows[BATCH_ROWS];
	unsigned n;
	struct buffer bytes;
	bool last;   /* nothing follows it */
	bool opened; /* its rows are whole; under the lock */
	int result;  /* behind its rows reading failed: -errno, and a sentence */
	char error[STORE_ERROR_MAX];
};

struct opener {
	struct device_rows *rows;
	struct sealer *sealer; /* its own */
	pthread_t thread;
};

struct device_rows {
	struct store *store;
	sqlite3_stmt *stmt;
	pthread_t reader;
	struct opener openers[OPENERS];
	unsigned n_openers; /* none: nothing is sealed */
	struct row_batch batches[BATCHES];
	uint64_t plain, former; /* the reader's until the end */

	/* The caller's. */
	unsigned reading, at;
	bool holds;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned filled, opening, taken; /* batches so far; under the lock, as what follows */
	bool ended;                      /* no more are filled */
	bool stop;                       /* the caller has enough */
};

/* ---- a row, as it is stored ---- */

static int
lost_key(struct device_rows *rows, struct row_batch *batch)
{
	char id[KEK_ID_TEXT_MAX] = "(none)";

	if (sqlite3_column_bytes(rows->stmt, COLUMN_KEK) == KEK_ID_LEN)
		kek_id_text(sqlite3_column_blob(rows->stmt, COLUMN_KEK), id);
	snprintf(batch->error, STORE_ERROR_MAX,
		 "%s: its secrets are sealed under the key %s, which the setting `kek` does not "
		 "lead "
		 "to: put that key back",
		 rows->store->path, id);
	return -ENOKEY;
}

static int
is_corrupt(struct device_rows *rows, struct row_batch *batch)
{
	return store_file_error(&rows->store->inventory, SQLITE_CORRUPT, "read a device",
				batch->error);
}

/* Bytes of a column, with a NUL behind. 0 or -ENOMEM. */
static int
keep(struct row_batch *batch, sqlite3_stmt *stmt, int column, struct stored *stored)
{
	bool is_secret = column == COLUMN_KEY || column == COLUMN_SETTINGS;
	const void *bytes = is_secret ? sqlite3_column_blob(stmt, column)
				      : (const void *)sqlite3_column_text(stmt, column);

	*stored = (struct stored){ bytes != NULL, buffer_left(&batch->bytes),
				   (size_t)sqlite3_column_bytes(stmt, column) };
	if (!bytes)
		return 0;
	return buffer_put(&batch->bytes, bytes, stored->len) || buffer_put(&batch->bytes, "", 1)
		       ? -ENOMEM
		       : 0;
}

/* 0, or -errno: -EINVAL: the row is none that this program wrote. */
static int
read_columns(struct row_batch *batch, struct row *row, sqlite3_stmt *stmt)
{
	struct device_spec *spec = &row->device.spec;

	row->device.id = (uint32_t)sqlite3_column_int64(stmt, 0);
	row->device.last_bootstrap_ms = (uint64_t)sqlite3_column_int64(stmt, 9);
	row->device.format = (uint16_t)sqlite3_column_int(stmt, 10);
	spec->key_is_hex = sqlite3_column_int(stmt, 4);
	spec->created_ms = (uint64_t)sqlite3_column_int64(stmt, 8);
	spec->nosec = sqlite3_column_int(stmt, 12);
	if (keep(batch, stmt, 1, &row->endpoint) || keep(batch, stmt, 2, &row->identity) ||
	    keep(batch, stmt, 5, &row->domain) || keep(batch, stmt, 6, &row->groups) ||
	    keep(batch, stmt, COLUMN_KEY, &row->key) ||
	    keep(batch, stmt, COLUMN_SETTINGS, &row->values))
		return -ENOMEM;
	if (!row->endpoint.any || row->identity.len > DTLS_IDENTITY_MAX)
		return -EINVAL;
	spec->identity_len = (uint8_t)row->identity.len;
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
		return is_corrupt(rows, batch);
	if (result == -ENOMEM)
		return store_file_error(&rows->store->inventory, SQLITE_NOMEM, "read it",
					batch->error);
	row->sealed = secrets_of_row(rows->store->sealer, rows->stmt, COLUMN_KEK);
	if (row->sealed.kind == SECRETS_LOST)
		return lost_key(rows, batch);
	rows->plain += row->sealed.kind == SECRETS_PLAIN && (row->key.len || row->values.any);
	rows->former += row->sealed.kind == SECRETS_FORMER;
	batch->n++;
	return 0;
}

/* ---- a row, as it is meant ---- */

/* What the column says, opened where it lies. 0 or -EBADMSG. */
static int
open_secret(struct sealer *sealer, const struct row *row, enum seal_what what, uint8_t *bytes,
	    struct stored *stored)
{
	const struct seal_place place = { what, row->device.id };
	uint8_t *sealed = bytes + stored->at;
	int result;

	if (!stored->any || row->sealed.kind == SECRETS_PLAIN)
		return 0;
	if (stored->len < SEAL_OVERHEAD)
		return -EBADMSG;
	assert(sealer);
	result = sealer_open(sealer, row->sealed.number, &place, sealed, stored->len,
			     sealed + SEAL_NONCE_LEN);
	stored->at += SEAL_NONCE_LEN;
	stored->len -= SEAL_OVERHEAD;
	return result;
}

static int
take_secrets(struct device_rows *rows, struct row_batch *batch, struct row *row)
{
	struct device_spec *spec = &row->device.spec;
	const uint8_t *bytes = buffer_front(&batch->bytes);

	if (row->key.len > DTLS_KEY_MAX ||
	    (row->values.any && !setting_values_check(bytes + row->values.at, row->values.len)))
		return is_corrupt(rows, batch);
	if (row->key.any)
		memcpy(spec->key, bytes + row->key.at, row->key.len);
	spec->key_len = (uint8_t)row->key.len;
	spec->values = row->values.any ? bytes + row->values.at : NULL;
	return 0;
}

static const char *
text_at(const struct row_batch *batch, const struct stored *stored)
{
	return stored->any ? (const char *)buffer_front(&batch->bytes) + stored->at : NULL;
}

static int
open_row(struct device_rows *rows, struct sealer *sealer, struct row_batch *batch, struct row *row)
{
	struct device_spec *spec = &row->device.spec;
	uint8_t *bytes = buffer_front(&batch->bytes);

	spec->endpoint = text_at(batch, &row->endpoint);
	spec->identity = text_at(batch, &row->identity);
	spec->domain = text_at(batch, &row->domain);
	spec->groups = text_at(batch, &row->groups);
	if (open_secret(sealer, row, SEAL_KEY, bytes, &row->key) == 0 &&
	    open_secret(sealer, row, SEAL_SETTINGS, bytes, &row->values) == 0)
		return take_secrets(rows, batch, row);
	snprintf(batch->error, STORE_ERROR_MAX,
		 "%s: what is sealed of device %s does not open: damaged, or of another device; "
		 "put back a copy",
		 rows->store->path, spec->endpoint);
	return -EBADMSG;
}

/* Rows behind one that is no good are not told. */
static void
open_batch(struct device_rows *rows, struct sealer *sealer, struct row_batch *batch)
{
	int result = 0;

	for (unsigned i = 0; i < batch->n; i++) {
		result = open_row(rows, sealer, batch, &batch->rows[i]);
		if (!result)
			continue;
		explicit_bzero(&batch->rows[i], (batch->n - i) * sizeof batch->rows[0]);
		batch->n = i;
		batch->last = true;
		batch->result = result;
	}
}

/* ---- a batch ---- */

static void
empty(struct row_batch *batch)
{
	explicit_bzero(batch->rows, batch->n * sizeof batch->rows[0]);
	batch->n = 0;
	buffer_take(&batch->bytes, buffer_left(&batch->bytes));
}

static void
fill(struct device_rows *rows, struct row_batch *batch)
{
	int code = SQLITE_ROW;

	while (batch->n < BATCH_ROWS && !batch->result &&
	       (code = sqlite3_step(rows->stmt)) == SQLITE_ROW)
		batch->result = read_row(rows, batch);
	batch->last = batch->result || code != SQLITE_ROW;
	if (!batch->result && batch->last && code != SQLITE_DONE)
		batch->result =
			store_file_error(&rows->store->inventory, code, "read it", batch->error);
}

/* ---- the threads ---- */

static void *
read_batches(void *arg)
{
	struct device_rows *rows = arg;

	thread_guard_enter(THREAD_STORE);
	pthread_mutex_lock(&rows->lock);
	while (!rows->stop && !rows->ended) {
		struct row_batch *batch = &rows->batches[rows->filled % BATCHES];

		if (rows->filled - rows->taken == BATCHES) {
			pthread_cond_wait(&rows->changed, &rows->lock);
			continue;
		}
		pthread_mutex_unlock(&rows->lock);
		empty(batch);
		fill(rows, batch);
		if (!rows->n_openers)
			open_batch(rows, NULL, batch);
		pthread_mutex_lock(&rows->lock);
		batch->opened = !rows->n_openers;
		rows->ended = batch->last;
		rows->filled++;
		pthread_cond_broadcast(&rows->changed);
	}
	pthread_mutex_unlock(&rows->lock);
	return NULL;
}

static void *
open_batches(void *arg)
{
	struct opener *opener = arg;
	struct device_rows *rows = opener->rows;

	thread_guard_enter(THREAD_STORE);
	pthread_mutex_lock(&rows->lock);
	while (!rows->stop && !(rows->ended && rows->opening == rows->filled)) {
		struct row_batch *batch = &rows->batches[rows->opening % BATCHES];

		if (rows->opening == rows->filled) {
			pthread_cond_wait(&rows->changed, &rows->lock);
			continue;
		}
		rows->opening++;
		pthread_mutex_unlock(&rows->lock);
		open_batch(rows, opener->sealer, batch);
		pthread_mutex_lock(&rows->lock);
		batch->opened = true;
		pthread_cond_broadcast(&rows->changed);
	}
	pthread_mutex_unlock(&rows->lock);
	return NULL;
}

/* ---- the caller ---- */

static void
release(struct device_rows *rows)
{
	for (unsigned i = 0; i < BATCHES; i++) {
		empty(&rows->batches[i]);
		buffer_fini(&rows->batches[i].bytes);
	}
	for (unsigned i = 0; i < OPENERS; i++)
		sealer_free(rows->openers[i].sealer);
	pthread_cond_destroy(&rows->changed);
	pthread_mutex_destroy(&rows->lock);
	free(rows);
}

static void
stop(struct device_rows *rows)
{
	pthread_mutex_lock(&rows->lock);
	rows->stop = true;
	pthread_cond_broadcast(&rows->changed);
	pthread_mutex_unlock(&rows->lock);
}

/* One will do. */
static bool
start_openers(struct device_rows *rows)
{
	const struct sealer *sealer = rows->store->sealer;

	for (unsigned i = 0; i < OPENERS; i++) {
		struct opener *opener = &rows->openers[i];

		opener->rows = rows;
		opener->sealer = sealer_copy(sealer);
		if (!opener->sealer ||
		    pthread_create(&opener->thread, NULL, open_batches, opener) != 0)
			break;
		rows->n_openers++;
	}
	return rows->n_openers;
}

static void
join_openers(struct device_rows *rows)
{
	for (unsigned i = 0; i < rows->n_openers; i++)
		pthread_join(rows->openers[i].thread, NULL);
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
	if ((!store->sealer || start_openers(rows)) &&
	    pthread_create(&rows->reader, NULL, read_batches, rows) == 0)
		return rows;
	stop(rows);
	join_openers(rows);
	release(rows);
	return NULL;
}

static struct row_batch *
await_batch(struct device_rows *rows)
{
	struct row_batch *batch = &rows->batches[rows->reading % BATCHES];

	pthread_mutex_lock(&rows->lock);
	while (rows->filled == rows->reading || !batch->opened)
		pthread_cond_wait(&rows->changed, &rows->lock);
	pthread_mutex_unlock(&rows->lock);
	rows->holds = true;
	rows->at = 0;
	return batch;
}

static void
give_back(struct device_rows *rows, struct row_batch *batch)
{
	pthread_mutex_lock(&rows->lock);
	batch->opened = false;
	rows->taken++;
	pthread_cond_broadcast(&rows->changed);
	pthread_mutex_unlock(&rows->lock);
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
		give_back(rows, batch);
		batch = await_batch(rows);
	}
	return &batch->rows[rows->at++].device;
}

int
device_rows_end(struct device_rows *rows, char error[STORE_ERROR_MAX])
{
	const struct row_batch *batch = &rows->batches[rows->reading % BATCHES];
	int result = 0;

	stop(rows);
	pthread_join(rows->reader, NULL);
	join_openers(rows);
	if (rows->holds && batch->last && rows->at == batch->n)
		result = batch->result;
	if (result)
		memcpy(error, batch->error, STORE_ERROR_MAX);
	rows->store->plain = rows->plain;
	rows->store->former = rows->former;
	release(rows);
	return result;
}
