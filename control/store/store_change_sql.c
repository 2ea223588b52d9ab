/* An operator's change as SQL: the transaction, and what its operations do in it. */
#include "control/store/store_change_internal.h"
#include "control/store/store_secrets.h"

static const char *const texts[SQL_CHANGE_COUNT] = {
	[SQL_PUT_DEVICE] = "INSERT OR REPLACE INTO device"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[SQL_REMOVE_DEVICE] = "DELETE FROM device WHERE id = ?1",
	[SQL_PUT_NEXT] = "UPDATE meta SET value = max(value, ?1) WHERE name = 'next_device'",
	[SQL_PUT_SERIAL] = "INSERT OR REPLACE INTO meta VALUES ('serial', ?1)",
	[SQL_PUT_CLUSTER] = "INSERT OR REPLACE INTO meta VALUES ('cluster', ?1)",
	[SQL_PUT_CLUSTER_REVISION] = "INSERT OR REPLACE INTO meta VALUES ('cluster_revision', ?1)",
	[SQL_LEAVE_CLUSTER] = "DELETE FROM meta WHERE name IN ('cluster', 'cluster_revision')",
	/* Where there is nothing to seal, a row is under no key. */
	[SQL_FIND_TO_RESEAL] = "SELECT id, key, settings, kek FROM device WHERE id >= ?1"
			       " AND kek IS NOT ?2 AND (key IS NOT NULL OR settings IS NOT NULL)"
			       " ORDER BY id LIMIT ?3",
	[SQL_RESEAL] = "UPDATE device SET key = ?2, settings = ?3, kek = ?4 WHERE id = ?1",
	[SQL_PUT_VERSION] = "INSERT OR REPLACE INTO policy_version VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_NEXT_POLICY_FILE] = "SELECT coalesce(max(id), 0) + 1 FROM policy_file",
	[SQL_PUT_POLICY_FILE] = "INSERT INTO policy_file VALUES (?1, ?2, ?3, ?4, ?5)",
	/* What a version that stays says otherwise, up to the oldest that does. */
	[SQL_DROP_POLICY_FILES] =
		"DELETE FROM policy_file WHERE EXISTS (SELECT 1 FROM policy_file AS later"
		" WHERE later.name = policy_file.name AND later.version > policy_file.version"
		" AND later.version <= ?1)",
	[SQL_DROP_VERSIONS] = "DELETE FROM policy_version WHERE number < ?1",
	[SQL_FIND_FILES_TO_RESEAL] = "SELECT id, bytes, kek FROM policy_file"
				     " WHERE kek IS NOT ?1 AND bytes IS NOT NULL LIMIT 1",
	[SQL_RESEAL_FILE] = "UPDATE policy_file SET bytes = ?2, kek = ?3 WHERE id = ?1",
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

/* SQLite's result. */
static int
bind_text(struct store_change *change, const struct change_op *op, unsigned text, int parameter,
	  const uint8_t *bytes)
{
	const struct seal_place place = { text == TEXT_KEY ? SEAL_KEY : SEAL_SETTINGS, op->id };
	sqlite3_stmt *stmt = change->sql[SQL_PUT_DEVICE];

	if (text == TEXT_KEY || text == TEXT_SETTINGS)
		return secrets_bind(change->sealer, stmt, parameter, &place, bytes, op->len[text]);
	return sqlite3_bind_text(stmt, parameter, (const char *)bytes, (int)op->len[text],
				 SQLITE_STATIC);
}

static int
put_device(struct store_change *change, const struct change_op *op)
{
	sqlite3_stmt *stmt = change->sql[SQL_PUT_DEVICE];
	/* Parameters in the order of enum device_text; key_is_hex stands behind the key. */
	static const int at[TEXT_COUNT] = { 2, 3, 4, 6, 7, 8 };
	const uint8_t *bytes = op->bytes;
	int code = SQLITE_OK;

	sqlite3_bind_int64(stmt, 1, op->id);
	for (unsigned i = 0; i < TEXT_COUNT && code == SQLITE_OK; i++) {
		if (op->len[i] == NO_TEXT) {
			sqlite3_bind_null(stmt, at[i]);
			continue;
		}
		code = bind_text(change, op, i, at[i], bytes);
		bytes += op->len[i];
	}
	sqlite3_bind_int(stmt, 5, op->key_is_hex);
	sqlite3_bind_int64(stmt, 9, (int64_t)op->created_ms);
	sqlite3_bind_int64(stmt, 10, (int64_t)op->last_bootstrap_ms);
	sqlite3_bind_int(stmt, 11, op->format);
	if (op->len[TEXT_KEY] == NO_TEXT && op->len[TEXT_SETTINGS] == NO_TEXT)
		sqlite3_bind_null(stmt, 12);
	else
		secrets_bind_kek(change->sealer, stmt, 12);
	sqlite3_bind_int(stmt, 13, op->nosec);
	if (code == SQLITE_OK)
		code = store_file_run(stmt);
	sqlite3_clear_bindings(stmt); /* what was sealed for it */
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

static int
follow(struct store_change *change, const struct change_op *op)
{
	sqlite3_stmt *name = change->sql[SQL_PUT_CLUSTER],
		     *revision = change->sql[SQL_PUT_CLUSTER_REVISION];
	int code;

	if (op->len[TEXT_ENDPOINT] == NO_TEXT)
		return store_file_run(change->sql[SQL_LEAVE_CLUSTER]);
	sqlite3_bind_text(name, 1, (const char *)op->bytes, (int)op->len[TEXT_ENDPOINT],
			  SQLITE_STATIC);
	sqlite3_bind_int64(revision, 1, (int64_t)op->revision);
	code = store_file_run(name);
	sqlite3_clear_bindings(name);
	return code == SQLITE_OK ? store_file_run(revision) : code;
}

static int
execute(struct store_change *change, const struct change_op *op)
{
	switch ((enum op_kind)op->kind) {
	case OP_PUT:
		return put_device(change, op);
	case OP_REMOVE:
		return remove_device(change, op);
	case OP_FOLLOW:
		return follow(change, op);
	case OP_RESEAL:
		return change_sql_reseal(change, op->id);
	case OP_VERSION:
	case OP_POLICY_FILE:
	case OP_DROP_VERSIONS:
		break;
	}
	return change_sql_policy(change, op);
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
		code = execute(change, op);
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
