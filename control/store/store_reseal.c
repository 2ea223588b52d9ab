/*
 * Rows that are plain or under a former key, sealed under the first one: some devices in a change, some logs in an entry of
 * the journal. Both files' statements answer a row's number and its key's id; what cannot be opened fails for devices,
 * and is left as it is for logs.
 */
#include "control/store/store_change_internal.h"
#include "control/store/store_secrets.h"

enum {
	RESEAL_DEVICES = 2000, /* of a change: 10 ms of the disk's time, about */
	RESEAL_LOGS = 1000,    /* of an entry */
};

/* A row of one secret: its number, the secret, its key's id; `to` takes them in this order. */
static int
reseal_row(struct sealer *sealer, enum seal_what what, sqlite3_stmt *from, sqlite3_stmt *to)
{
	const struct seal_place place = { what, (uint64_t)sqlite3_column_int64(from, 0) };
	const struct secrets_row row = secrets_of_row(sealer, from, 2);
	int code = secrets_reseal(sealer, from, &row, &place, to, 1);

	sqlite3_bind_int64(to, 1, (int64_t)place.row);
	secrets_bind_kek(sealer, to, 3);
	if (code == SQLITE_OK)
		code = store_file_run(to);
	sqlite3_clear_bindings(to);
	return code;
}

/* ---- devices: the change's thread ---- */

static int
reseal_device(struct store_change *change, sqlite3_stmt *from)
{
	const uint64_t id = (uint64_t)sqlite3_column_int64(from, 0);
	const struct secrets_row row = secrets_of_row(change->sealer, from, 3);
	sqlite3_stmt *to = change->sql[SQL_RESEAL];
	int code = secrets_reseal(change->sealer, from, &row, &(struct seal_place){ SEAL_KEY, id }, to, 1);

	if (code == SQLITE_OK)
		code = secrets_reseal(change->sealer, from, &row,
				     &(struct seal_place){ SEAL_SETTINGS, id }, to, 2);
	sqlite3_bind_int64(to, 1, (int64_t)id);
	secrets_bind_kek(change->sealer, to, 4);
	if (code == SQLITE_OK)
		code = store_file_run(to);
	sqlite3_clear_bindings(to);
	return code;
}


/* Files of the policy's versions: some hundreds, so all at once. */
static int
reseal_files(struct store_change *change)
{
	sqlite3_stmt *rows = change->sql[SQL_FIND_FILES_TO_RESEAL];
	int code = SQLITE_OK, step = SQLITE_ROW;

	secrets_bind_kek(change->sealer, rows, 1);
	while (code == SQLITE_OK && step == SQLITE_ROW) {
		step = sqlite3_step(rows);
		if (step == SQLITE_ROW)
			code = reseal_row(change->sealer, SEAL_POLICY, rows,
					  change->sql[SQL_RESEAL_FILE]);
		sqlite3_reset(rows); /* what was resealed is found no more */
	}
	return code != SQLITE_OK || step == SQLITE_DONE ? code : step;
}

int
change_sql_reseal(struct store_change *change, uint32_t from)
{
	sqlite3_stmt *rows = change->sql[SQL_FIND_TO_RESEAL];
	int code = SQLITE_OK, step = SQLITE_DONE;

	change->n_resealed = 0;
	sqlite3_bind_int64(rows, 1, from);
	secrets_bind_kek(change->sealer, rows, 2);
	sqlite3_bind_int(rows, 3, RESEAL_DEVICES);
	while (code == SQLITE_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
		change->reseal_next = (uint32_t)sqlite3_column_int64(rows, 0) + 1;
		change->n_resealed++;
		code = reseal_device(change, rows);
	}
	sqlite3_reset(rows);
	if (change->n_resealed < RESEAL_DEVICES)
		change->reseal_next = STORE_RESEALED_ALL;
	if (code == SQLITE_OK && change->n_resealed < RESEAL_DEVICES)
		return reseal_files(change);
	return code != SQLITE_OK || step == SQLITE_DONE || step == SQLITE_ROW ? code : step;
}

/* ---- logs: the writer's thread ---- */

static int
reseal_log(struct store_writer *writer, sqlite3_stmt *from)
{
	int code = reseal_row(writer->sealer, SEAL_LOG, from, writer->sql[SQL_RESEAL_LOG]);

	return code == SQLITE_CORRUPT ? SQLITE_OK : code;
}

int
store_reseal_some_logs(struct store_writer *writer, int64_t from)
{
	sqlite3_stmt *rows = writer->sql[SQL_FIND_LOGS_TO_RESEAL];
	int code, step = SQLITE_DONE;
	bool more = false;
	unsigned n = 0;

	code = store_reseal_messages(writer, &more);
	sqlite3_bind_int64(rows, 1, from);
	secrets_bind_kek(writer->sealer, rows, 2);
	sqlite3_bind_int(rows, 3, RESEAL_LOGS);
	while (code == SQLITE_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
		from = sqlite3_column_int64(rows, 0) + 1;
		n++;
		code = reseal_log(writer, rows);
	}
	sqlite3_reset(rows);
	pthread_mutex_lock(&writer->lock);
	writer->reseal_next = n < RESEAL_LOGS && !more ? -1 : from;
	pthread_mutex_unlock(&writer->lock);
	return code != SQLITE_OK || step == SQLITE_DONE || step == SQLITE_ROW ? code : step;
}
