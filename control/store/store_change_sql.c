/* An operator's change as SQL: the transaction, and what its operations do in it. */
#include "control/store/store_change_internal.h"

static const char *const texts[SQL_CHANGE_COUNT] = {
	[SQL_PUT_DEVICE] = "INSERT OR REPLACE INTO device"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[SQL_REMOVE_DEVICE] = "DELETE FROM device WHERE id = ?1",
	[SQL_PUT_NEXT] = "UPDATE meta SET value = max(value, ?1) WHERE name = 'next_device'",
	[SQL_PUT_SERIAL] = "INSERT OR REPLACE INTO meta VALUES ('serial', ?1)",
};

int
change_sql_prepare(struct store_change *change, char error[STORE_ERROR_MAX])
{
	int code = 0;

	for (unsigned i = 0; i < SQL_CHANGE_COUNT && code == 0; i++) {
		change->sql[i] = store_file_prepare(change->file, texts[i]);
		if (!change->sql[i])
			code = store_file_error(change->file,
						sqlite3_extended_errcode(change->file->db),
						"read it", error);
	}
	return code;
}

static int
put_device(struct store_change *change, const struct change_op *op)
{
	sqlite3_stmt *stmt = change->sql[SQL_PUT_DEVICE];
	/* Parameters in the order of enum device_text; key_is_hex stands behind the key. */
	static const int at[TEXT_COUNT] = { 2, 3, 4, 6, 7, 8 };
	const uint8_t *bytes = op->bytes;
	int code;

	sqlite3_bind_int64(stmt, 1, op->id);
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		if (op->len[i] == NO_TEXT) {
			sqlite3_bind_null(stmt, at[i]);
			continue;
		}
		if (i == TEXT_KEY || i == TEXT_SETTINGS)
			sqlite3_bind_blob(stmt, at[i], bytes, (int)op->len[i], SQLITE_STATIC);
		else
			sqlite3_bind_text(stmt, at[i], (const char *)bytes, (int)op->len[i],
					  SQLITE_STATIC);
		bytes += op->len[i];
	}
	sqlite3_bind_int(stmt, 5, op->key_is_hex);
	sqlite3_bind_int64(stmt, 9, (int64_t)op->created_ms);
	sqlite3_bind_int64(stmt, 10, (int64_t)op->last_bootstrap_ms);
	sqlite3_bind_int(stmt, 11, op->format);
	code = store_file_run(stmt);
	if (op->id >= change->above)
		change->above = op->id + 1;
	return code;
}

static int
remove_device(struct store_change *change, const struct change_op *op)
{
	sqlite3_bind_int64(change->sql[SQL_REMOVE_DEVICE], 1, op->id);
	return store_file_run(change->sql[SQL_REMOVE_DEVICE]);
}

/* Waits for another process's lock, unless nobody waits for the change any more. */
static int
begin(struct store_change *change)
{
	uint64_t end = store_now_ms() + CHANGE_BUSY_MS;
	bool cancel;
	int code;

	do {
		code = store_file_exec(change->file, "BEGIN IMMEDIATE");
		pthread_mutex_lock(&change->lock);
		cancel = change->cancel;
		pthread_mutex_unlock(&change->lock);
	} while ((code & 0xff) == SQLITE_BUSY && !cancel && store_now_ms() < end);
	change->begun = code == SQLITE_OK;
	change->above = 0;
	return code;
}

int
change_sql_execute(struct store_change *change, const struct records *records)
{
	struct records_at at = { 0 };
	const struct change_op *op;
	int code = change->begun ? SQLITE_OK : begin(change);

	while (code == SQLITE_OK && (op = records_next(records, &at)))
		code = op->kind == OP_PUT ? put_device(change, op) : remove_device(change, op);
	return code;
}

void
change_sql_roll_back(struct store_change *change)
{
	if (!sqlite3_get_autocommit(change->file->db))
		store_file_exec(change->file, "ROLLBACK");
	change->begun = false;
}

int
change_sql_commit(struct store_change *change)
{
	int code = change->begun ? SQLITE_OK : begin(change);

	sqlite3_bind_int64(change->sql[SQL_PUT_NEXT], 1, change->above);
	if (code == SQLITE_OK)
		code = store_file_run(change->sql[SQL_PUT_NEXT]);
	sqlite3_bind_int64(change->sql[SQL_PUT_SERIAL], 1, (int64_t)change->serial + 1);
	if (code == SQLITE_OK)
		code = store_file_run(change->sql[SQL_PUT_SERIAL]);
	if (code == SQLITE_OK)
		code = store_file_exec(change->file, "COMMIT");
	return code;
}
