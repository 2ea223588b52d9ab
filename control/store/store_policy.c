/*
 * Versions of the policy: written within an operator's change, read by the control thread.
 *
 * A version holds what differs from the one before, file by file; what a file said at some version is its newest row up to
 * that one. So a version that is dropped takes along only rows that a kept one replaces.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/store/store_change_internal.h"
#include "control/store/store_secrets.h"

/* ---- the control thread: into a change ---- */

/* Texts of an operation, in the place of a device's. */
enum { TEXT_WHO, TEXT_WHAT, TEXT_WHY, VERSION_TEXTS };
enum { TEXT_NAME, TEXT_BYTES, FILE_TEXTS };

static void
put_texts(struct store_change *change, const struct change_op *like, const void *const *at,
	  const size_t *len, unsigned n)
{
	struct record record;
	struct change_op *op;
	size_t size = 0, used = 0;

	for (unsigned i = 0; i < n; i++)
		size += at[i] ? len[i] : 0;
	op = change_op_add(change, sizeof *op + size);
	if (!op)
		return;
	record = op->record;
	*op = *like;
	op->record = record;
	for (unsigned i = 0; i < n; i++) {
		op->len[i] = at[i] ? (uint32_t)len[i] : NO_TEXT;
		if (!at[i])
			continue;
		memcpy(op->bytes + used, at[i], len[i]);
		used += len[i];
	}
	change_op_added(change);
}

void
store_change_put_version(struct store_change *change, const struct store_version *version)
{
	const void *at[VERSION_TEXTS] = { version->who, version->what, version->why };
	const size_t len[VERSION_TEXTS] = { strlen(version->who), strlen(version->what),
					    strlen(version->why) };

	put_texts(change,
		  &(struct change_op){
			  .kind = OP_VERSION, .id = version->number, .created_ms = version->at_ms },
		  at, len, VERSION_TEXTS);
}

void
store_change_put_policy_file(struct store_change *change, uint32_t version,
			     const struct store_policy_file *file)
{
	const void *at[FILE_TEXTS] = { file->name, file->bytes };
	const size_t len[FILE_TEXTS] = { strlen(file->name), file->len };

	put_texts(change, &(struct change_op){ .kind = OP_POLICY_FILE, .id = version }, at, len,
		  FILE_TEXTS);
}

void
store_change_drop_versions(struct store_change *change, uint32_t oldest)
{
	put_texts(change, &(struct change_op){ .kind = OP_DROP_VERSIONS, .id = oldest }, NULL, NULL,
		  0);
}

/* ---- the change's thread: to the file ---- */

static int
put_version(struct store_change *change, const struct change_op *op)
{
	sqlite3_stmt *stmt = change->sql[SQL_PUT_VERSION];
	const char *at = (const char *)op->bytes;

	sqlite3_bind_int64(stmt, 1, op->id);
	sqlite3_bind_int64(stmt, 2, (int64_t)op->created_ms);
	for (unsigned i = 0; i < VERSION_TEXTS; i++) {
		sqlite3_bind_text(stmt, (int)i + 3, at, (int)op->len[i], SQLITE_STATIC);
		at += op->len[i];
	}
	return store_file_run(stmt);
}

/* The row's number stands in what is sealed, so it is known before. */
static int
next_row(struct store_change *change, uint64_t *row)
{
	sqlite3_stmt *stmt = change->sql[SQL_NEXT_POLICY_FILE];
	int code = sqlite3_step(stmt);

	*row = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

static int
put_file(struct store_change *change, const struct change_op *op)
{
	sqlite3_stmt *stmt = change->sql[SQL_PUT_POLICY_FILE];
	const uint8_t *bytes = op->bytes + op->len[TEXT_NAME];
	struct seal_place place = { .what = SEAL_POLICY };
	int code = next_row(change, &place.row);

	sqlite3_bind_int64(stmt, 1, (int64_t)place.row);
	sqlite3_bind_int64(stmt, 2, op->id);
	sqlite3_bind_text(stmt, 3, (const char *)op->bytes, (int)op->len[TEXT_NAME], SQLITE_STATIC);
	sqlite3_bind_null(stmt, 4);
	sqlite3_bind_null(stmt, 5);
	if (code == SQLITE_OK && op->len[TEXT_BYTES] != NO_TEXT) {
		code = secrets_bind(change->sealer, stmt, 4, &place, bytes, op->len[TEXT_BYTES]);
		secrets_bind_kek(change->sealer, stmt, 5);
	}
	if (code == SQLITE_OK)
		code = store_file_run(stmt);
	sqlite3_clear_bindings(stmt);
	return code;
}

static int
drop_versions(struct store_change *change, const struct change_op *op)
{
	static const enum change_sql statements[] = { SQL_DROP_POLICY_FILES, SQL_DROP_VERSIONS };
	int code = SQLITE_OK;

	for (unsigned i = 0; i < 2 && code == SQLITE_OK; i++) {
		sqlite3_bind_int64(change->sql[statements[i]], 1, op->id);
		code = store_file_run(change->sql[statements[i]]);
	}
	return code;
}

int
change_sql_policy(struct store_change *change, const struct change_op *op)
{
	return op->kind == OP_VERSION       ? put_version(change, op)
	       : op->kind == OP_POLICY_FILE ? put_file(change, op)
					    : drop_versions(change, op);
}

/* ---- reading ---- */

static sqlite3_stmt *
prepare(struct store *store, const char *sql, char error[STORE_ERROR_MAX])
{
	sqlite3_stmt *stmt = NULL;
	int code = SQLITE_OK;

	/* A connection of its own: a change's may be in the middle of something. */
	if (!store->policy_reader)
		code = sqlite3_open_v2(store->path, &store->policy_reader,
				       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(store->policy_reader, sql, -1, &stmt, NULL);
	if (code != SQLITE_OK)
		snprintf(error, STORE_ERROR_MAX, "%s: cannot read versions of the policy: %s",
			 store->path, sqlite3_errmsg(store->policy_reader));
	return stmt;
}

static const char *
text_at(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text ? (const char *)text : "";
}

static int
ended(struct store *store, int code, char error[STORE_ERROR_MAX])
{
	if (code == SQLITE_DONE || code == SQLITE_ROW)
		return 0;
	snprintf(error, STORE_ERROR_MAX, "%s: cannot read versions of the policy: %s", store->path,
		 sqlite3_errmsg(store->policy_reader));
	return -EIO;
}

int
store_read_versions(struct store *store, uint32_t from,
		    bool (*each)(void *ctx, const struct store_version *), void *ctx,
		    char error[STORE_ERROR_MAX])
{
	sqlite3_stmt *stmt = prepare(store,
				     "SELECT number, at_ms, who, what, why FROM policy_version"
				     " WHERE number >= ?1 ORDER BY number",
				     error);
	int code = SQLITE_DONE, result;

	if (!stmt)
		return -EIO;
	sqlite3_bind_int64(stmt, 1, from);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		const struct store_version version = {
			.number = (uint32_t)sqlite3_column_int64(stmt, 0),
			.at_ms = (uint64_t)sqlite3_column_int64(stmt, 1),
			.who = text_at(stmt, 2),
			.what = text_at(stmt, 3),
			.why = text_at(stmt, 4),
		};

		if (!each(ctx, &version))
			break;
	}
	result = ended(store, code, error);
	sqlite3_finalize(stmt);
	return result;
}

/* False: it cannot be opened, or `each` wants no more. */
static bool
give_file(struct store *store, sqlite3_stmt *stmt,
	  bool (*each)(void *ctx, const struct store_policy_file *), void *ctx,
	  char error[STORE_ERROR_MAX])
{
	const struct seal_place place = { SEAL_POLICY, (uint64_t)sqlite3_column_int64(stmt, 0) };
	const struct secrets_row row = secrets_of_row(store->sealer, stmt, 3);
	struct store_policy_file file = { .name = text_at(stmt, 1) };
	int result;
	uint8_t *bytes = secrets_read(store->sealer, &row, stmt, 2, &place, &file.len, &result);
	bool more;

	if (result < 0) {
		snprintf(error, STORE_ERROR_MAX,
			 "%s: %s of a version of the policy cannot be opened: the key that sealed "
			 "it "
			 "is not among those of `kek`",
			 store->path, file.name);
		return false;
	}
	file.bytes = bytes;
	more = each(ctx, &file);
	secrets_free(bytes, file.len);
	return more;
}

int
store_read_policy(struct store *store, uint32_t version,
		  bool (*each)(void *ctx, const struct store_policy_file *), void *ctx,
		  char error[STORE_ERROR_MAX])
{
	sqlite3_stmt *stmt = prepare(
		store,
		"SELECT id, name, bytes, kek FROM policy_file AS f WHERE version ="
		" (SELECT max(version) FROM policy_file WHERE name = f.name AND version <= ?1)"
		" AND bytes IS NOT NULL ORDER BY name",
		error);
	int code = SQLITE_DONE, result;

	if (!stmt)
		return -EIO;
	error[0] = '\0';
	sqlite3_bind_int64(stmt, 1, version);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
		if (!give_file(store, stmt, each, ctx, error))
			break;
	result = error[0] ? -EBADMSG : ended(store, code, error);
	sqlite3_finalize(stmt);
	return result;
}
