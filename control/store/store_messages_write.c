/* Messages of the outbox as the writer's thread writes them; each returns SQLite's result. */
#include <string.h>

#include "control/store/store_messages.h"
#include "control/store/store_writer.h"

enum { RESEAL_MESSAGES = 500 };

/* What a transaction changes of the counts: added once it went through. */
static void
tally(struct store_writer *writer, unsigned state, int by)
{
	if (state < MESSAGE_STATES)
		writer->messages_change[state] += by;
	writer->messages_changed = true;
}

/* The state of a message; MESSAGE_STATES: there is none. */
static int
state_of(struct store_writer *writer, int64_t id, unsigned *state)
{
	sqlite3_stmt *stmt = writer->sql[SQL_FIND_MESSAGE];
	int code;

	*state = MESSAGE_STATES;
	sqlite3_bind_int64(stmt, 1, id);
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*state = (unsigned)sqlite3_column_int(stmt, 0);
	sqlite3_reset(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Dead letters that a newer one makes void: their receiver must not get an old key after the new one. */
static int
replace_dead(struct store_writer *writer, int64_t id)
{
	sqlite3_stmt *stmt = writer->sql[SQL_REPLACE_MESSAGES];
	int code;

	sqlite3_bind_int64(stmt, 1, id);
	code = store_file_run(stmt);
	if (code == SQLITE_OK)
		tally(writer, MESSAGE_DEAD, -sqlite3_changes(writer->file->db));
	return code;
}

int
store_write_message(struct store_writer *writer, const struct journal_entry *entry)
{
	const struct seal_place place = { SEAL_MESSAGE, entry->count };
	sqlite3_stmt *stmt = writer->sql[SQL_PUT_MESSAGE];
	const char *key = entry->text + entry->name_len + 1;
	const char *target = strchr(key, ' ') + 1, *subject = strchr(target, ' ') + 1;
	int code;

	sqlite3_bind_int64(stmt, 1, (int64_t)entry->count);
	sqlite3_bind_int(stmt, 2, entry->status);
	sqlite3_bind_int(stmt, 3, entry->format);
	sqlite3_bind_int64(stmt, 4, entry->device);
	sqlite3_bind_int64(stmt, 5, entry->task);
	sqlite3_bind_int64(stmt, 6, (int64_t)entry->started_ms);
	sqlite3_bind_int64(stmt, 7, (int64_t)entry->finished_ms);
	sqlite3_bind_text(stmt, 8, key, (int)(target - key) - 1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 9, target, (int)(subject - target) - 1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 10, subject, -1, SQLITE_STATIC);
	secrets_bind_kek(writer->sealer, stmt, 12);
	code = secrets_bind(writer->sealer, stmt, 11, &place, entry->text, entry->name_len);
	if (code == SQLITE_OK)
		code = store_file_run(stmt);
	sqlite3_clear_bindings(stmt);
	if (code != SQLITE_OK)
		return code;
	tally(writer, entry->status, 1);
	return entry->status == MESSAGE_DUE ? replace_dead(writer, (int64_t)entry->count) : code;
}

static int
set_state(struct store_writer *writer, const struct journal_entry *entry, unsigned state,
	  unsigned former)
{
	sqlite3_stmt *stmt = writer->sql[SQL_SET_MESSAGE];
	int code;

	sqlite3_bind_int64(stmt, 1, (int64_t)entry->count);
	sqlite3_bind_int64(stmt, 2, state);
	sqlite3_bind_int64(stmt, 3, (int64_t)entry->finished_ms);
	sqlite3_bind_int64(stmt, 4, entry->task);
	if (entry->name_len)
		sqlite3_bind_text(stmt, 5, entry->text, (int)entry->name_len, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, 5);
	code = store_file_run(stmt);
	if (code != SQLITE_OK)
		return code;
	tally(writer, former, -1);
	tally(writer, state, 1);
	return SQLITE_OK;
}

static int
drop(struct store_writer *writer, int64_t id, unsigned state)
{
	sqlite3_stmt *wipe = writer->sql[SQL_WIPE_MESSAGE], *stmt = writer->sql[SQL_DROP_MESSAGE];
	int code;

	/* In place: what is plain does not stay behind in a free page. */
	sqlite3_bind_int64(wipe, 1, id);
	code = store_file_run(wipe);
	sqlite3_bind_int64(stmt, 1, id);
	if (code == SQLITE_OK)
		code = store_file_run(stmt);
	if (code == SQLITE_OK)
		tally(writer, state, -1);
	return code;
}

static int
retry_all(struct store_writer *writer, uint64_t now_ms)
{
	sqlite3_stmt *stmt = writer->sql[SQL_RETRY_MESSAGES];
	int code, n;

	sqlite3_bind_int64(stmt, 1, (int64_t)now_ms);
	code = store_file_run(stmt);
	if (code != SQLITE_OK)
		return code;
	n = sqlite3_changes(writer->file->db);
	tally(writer, MESSAGE_DEAD, -n);
	tally(writer, MESSAGE_DUE, n);
	return SQLITE_OK;
}

int
store_change_message(struct store_writer *writer, const struct journal_entry *entry)
{
	const int64_t id = (int64_t)entry->count;
	unsigned state;
	int code;

	if (entry->kind == JOURNAL_MESSAGE_RETRIED && !id)
		return retry_all(writer, entry->finished_ms);
	code = state_of(writer, id, &state);
	/* Dropped meanwhile: nothing is left to be changed. */
	if (code != SQLITE_OK || state == MESSAGE_STATES)
		return code;
	switch (entry->kind) {
	case JOURNAL_MESSAGE_DROPPED:
		return drop(writer, id, state);
	case JOURNAL_MESSAGE_RELEASED:
		if (state != MESSAGE_HELD)
			return SQLITE_OK;
		code = set_state(writer, entry, MESSAGE_DUE, state);
		return code == SQLITE_OK ? replace_dead(writer, id) : code;
	case JOURNAL_MESSAGE_RETRIED:
		return state == MESSAGE_DEAD ? set_state(writer, entry, MESSAGE_DUE, state)
					     : SQLITE_OK;
	default:
		return set_state(writer, entry, entry->status, state);
	}
}

void
store_accept_messages(struct store_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	for (unsigned i = 0; i < MESSAGE_STATES; i++)
		writer->messages[i] += writer->messages_change[i];
	writer->messages_tell = true;
	pthread_mutex_unlock(&writer->lock);
	store_forget_messages(writer);
}

void
store_forget_messages(struct store_writer *writer)
{
	memset(writer->messages_change, 0, sizeof writer->messages_change);
	writer->messages_changed = false;
}

int
store_restore_messages(struct store_writer *writer)
{
	sqlite3_stmt *counts = store_file_prepare(
		writer->file, "SELECT state, count(*), max(id) FROM outbox GROUP BY state");
	int code = counts ? SQLITE_OK : sqlite3_extended_errcode(writer->file->db);

	while (code == SQLITE_OK && (code = sqlite3_step(counts)) == SQLITE_ROW) {
		unsigned state = (unsigned)sqlite3_column_int(counts, 0);
		int64_t last = sqlite3_column_int64(counts, 2);

		if (state < MESSAGE_STATES)
			writer->messages[state] += sqlite3_column_int64(counts, 1);
		if (last > writer->last_message)
			writer->last_message = last;
		code = SQLITE_OK;
	}
	sqlite3_finalize(counts);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
store_release_all_held(struct store_writer *writer)
{
	int code;

	if (!writer->messages[MESSAGE_HELD])
		return SQLITE_OK;
	code = store_file_exec(writer->file, "UPDATE outbox SET state = 1 WHERE state = 0");
	if (code != SQLITE_OK)
		return code;
	writer->messages[MESSAGE_DUE] += writer->messages[MESSAGE_HELD];
	writer->messages[MESSAGE_HELD] = 0;
	return SQLITE_OK;
}

int
store_reseal_messages(struct store_writer *writer, bool *more)
{
	sqlite3_stmt *rows = writer->sql[SQL_FIND_MESSAGES_TO_RESEAL];
	sqlite3_stmt *to = writer->sql[SQL_RESEAL_MESSAGE];
	int code = SQLITE_OK, step = SQLITE_DONE;
	unsigned n = 0;

	secrets_bind_kek(writer->sealer, rows, 1);
	sqlite3_bind_int(rows, 2, RESEAL_MESSAGES);
	sqlite3_bind_int64(rows, 3, writer->messages_resealed);
	while (code == SQLITE_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
		const struct seal_place place = { SEAL_MESSAGE,
						  (uint64_t)sqlite3_column_int64(rows, 0) };
		const struct secrets_row row = secrets_of_row(writer->sealer, rows, 2);

		n++;
		writer->messages_resealed = (int64_t)place.row;
		code = secrets_reseal(writer->sealer, rows, &row, &place, to, 1);
		sqlite3_bind_int64(to, 1, (int64_t)place.row);
		secrets_bind_kek(writer->sealer, to, 3);
		if (code == SQLITE_OK)
			code = store_file_run(to);
		else if (code == SQLITE_CORRUPT) /* as it is: nobody can open it */
			code = SQLITE_OK;
		sqlite3_clear_bindings(to);
	}
	sqlite3_reset(rows);
	*more = n == RESEAL_MESSAGES;
	if (!*more)
		writer->messages_resealed = 0;
	return code != SQLITE_OK || step == SQLITE_DONE || step == SQLITE_ROW ? code : step;
}
