/* Reading the outbox, by a connection and a sealer of the reader's own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/store/store_messages.h"
#include "control/store/store_private.h"

enum { BUSY_MS = 2000 };

enum reader_sql { READ_DUE, READ_NEXT, READ_ONE, READ_LIST, READ_COUNT };

#define COLUMNS                                                                                    \
	"id, state, what, device, account, attempts, created_ms, due_ms, key, target, subject, "   \
	"error"

static const char *const texts[READ_COUNT] = {
	[READ_DUE] = "SELECT id FROM outbox AS o WHERE state = 1 AND target = ?1 AND due_ms <= ?2"
		     " AND NOT (device > 0 AND EXISTS (SELECT 1 FROM outbox AS e WHERE e.device = "
		     "o.device"
		     " AND e.target = o.target AND e.id < o.id AND e.state < 2))"
		     " ORDER BY due_ms LIMIT ?3",
	[READ_NEXT] = "SELECT due_ms FROM outbox AS o WHERE state = 1 AND target = ?1"
		      " AND NOT (device > 0 AND EXISTS (SELECT 1 FROM outbox AS e WHERE e.device = "
		      "o.device"
		      " AND e.target = o.target AND e.id < o.id AND e.state < 2))"
		      " ORDER BY due_ms LIMIT 1",
	[READ_ONE] = "SELECT " COLUMNS ", payload, kek FROM outbox WHERE id = ?1",
	[READ_LIST] = "SELECT " COLUMNS " FROM outbox WHERE id >= ?1 ORDER BY id",
};

struct message_reader {
	struct store *store;
	sqlite3 *db;
	sqlite3_stmt *sql[READ_COUNT];
	struct sealer *sealer;
	struct sealer *next_sealer; /* under the store's writer's lock; NULL: none is new */
	struct store_message message; /* the last one, in what follows */
	char key[MESSAGE_KEY_MAX], target[MESSAGE_TARGET_MAX], subject[MESSAGE_SUBJECT_MAX],
		error[MESSAGE_ERROR_MAX];
	void *bytes; /* opened; wiped with the next */
	size_t len;
};

int
message_readers_use(struct store *store, const struct keyring *keyring)
{
	struct sealer *sealers[MESSAGE_READERS_MAX] = { NULL };

	for (unsigned i = 0; i < MESSAGE_READERS_MAX; i++)
		if (store->readers[i] && !(sealers[i] = sealer_new(keyring))) {
			while (i)
				sealer_free(sealers[--i]);
			return -ENOMEM;
		}
	pthread_mutex_lock(&store->writer.lock);
	for (unsigned i = 0; i < MESSAGE_READERS_MAX; i++)
		if (store->readers[i]) {
			sealer_free(store->readers[i]->next_sealer);
			store->readers[i]->next_sealer = sealers[i];
		}
	pthread_mutex_unlock(&store->writer.lock);
	return 0;
}

static void
take_sealer(struct message_reader *reader)
{
	pthread_mutex_lock(&reader->store->writer.lock);
	if (reader->next_sealer) {
		sealer_free(reader->sealer);
		reader->sealer = reader->next_sealer;
		reader->next_sealer = NULL;
	}
	pthread_mutex_unlock(&reader->store->writer.lock);
}

/* Among those that get new keys. False: there is no place, or no memory. */
static bool
enlist(struct store *store, struct message_reader *reader)
{
	unsigned i = 0;

	while (i < MESSAGE_READERS_MAX && store->readers[i])
		i++;
	if (i == MESSAGE_READERS_MAX)
		return false;
	if (store->sealer && !(reader->sealer = sealer_copy(store->sealer)))
		return false;
	reader->store = store;
	store->readers[i] = reader;
	return true;
}

struct message_reader *
message_reader_new(struct store *store)
{
	struct message_reader *reader = calloc(1, sizeof *reader);
	int code;

	if (!reader)
		return NULL;
	code = sqlite3_open_v2(store->reports_path, &reader->db,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		sqlite3_busy_timeout(reader->db, BUSY_MS);
	for (unsigned i = 0; code == SQLITE_OK && i < READ_COUNT; i++)
		code = sqlite3_prepare_v3(reader->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					  &reader->sql[i], NULL);
	if (code == SQLITE_OK && enlist(store, reader))
		return reader;
	message_reader_free(reader);
	return NULL;
}

static void
forget(struct message_reader *reader)
{
	secrets_free(reader->bytes, reader->len);
	reader->bytes = NULL;
	reader->len = 0;
}

void
message_reader_free(struct message_reader *reader)
{
	if (!reader)
		return;
	forget(reader);
	for (unsigned i = 0; i < READ_COUNT; i++)
		sqlite3_finalize(reader->sql[i]);
	sqlite3_close(reader->db);
	for (unsigned i = 0; reader->store && i < MESSAGE_READERS_MAX; i++)
		if (reader->store->readers[i] == reader)
			reader->store->readers[i] = NULL;
	sealer_free(reader->sealer);
	sealer_free(reader->next_sealer);
	free(reader);
}

int
message_reader_due(struct message_reader *reader, const char *target, uint64_t now_ms, int64_t *ids,
		   unsigned n)
{
	sqlite3_stmt *stmt = reader->sql[READ_DUE];
	unsigned found = 0;
	int code;

	sqlite3_bind_text(stmt, 1, target, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)now_ms);
	sqlite3_bind_int64(stmt, 3, n);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW && found < n)
		ids[found++] = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ? (int)found : -EIO;
}

uint64_t
message_reader_next(struct message_reader *reader, const char *target)
{
	sqlite3_stmt *stmt = reader->sql[READ_NEXT];
	uint64_t due_ms = UINT64_MAX;

	sqlite3_bind_text(stmt, 1, target, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		due_ms = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return due_ms;
}

static const char *
text_of(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

static void
read_row(sqlite3_stmt *stmt, struct store_message *message)
{
	*message = (struct store_message){
		.id = sqlite3_column_int64(stmt, 0),
		.state = (enum message_state)sqlite3_column_int(stmt, 1),
		.what = (uint8_t)sqlite3_column_int(stmt, 2),
		.device = (uint32_t)sqlite3_column_int64(stmt, 3),
		.account = (uint32_t)sqlite3_column_int64(stmt, 4),
		.attempts = (uint32_t)sqlite3_column_int64(stmt, 5),
		.created_ms = (uint64_t)sqlite3_column_int64(stmt, 6),
		.due_ms = (uint64_t)sqlite3_column_int64(stmt, 7),
		.key = text_of(stmt, 8),
		.target = text_of(stmt, 9),
		.subject = text_of(stmt, 10),
		.error = (const char *)sqlite3_column_text(stmt, 11),
	};
}

static const char *
keep(char *room, size_t size, const char *text)
{
	snprintf(room, size, "%s", text ? text : "");
	return room;
}

/* Copied, for a row that is kept open would keep the file as it was for all that is read later. */
static void
keep_row(struct message_reader *reader, sqlite3_stmt *stmt)
{
	struct store_message *message = &reader->message;

	read_row(stmt, message);
	message->key = keep(reader->key, sizeof reader->key, message->key);
	message->target = keep(reader->target, sizeof reader->target, message->target);
	message->subject = keep(reader->subject, sizeof reader->subject, message->subject);
	if (message->error)
		message->error = keep(reader->error, sizeof reader->error, message->error);
}

const struct store_message *
message_reader_get(struct message_reader *reader, int64_t id, int *error)
{
	const struct seal_place place = { SEAL_MESSAGE, (uint64_t)id };
	sqlite3_stmt *stmt = reader->sql[READ_ONE];
	struct secrets_row row;
	bool found;

	forget(reader);
	take_sealer(reader);
	*error = 0;
	sqlite3_bind_int64(stmt, 1, id);
	found = sqlite3_step(stmt) == SQLITE_ROW;
	if (found) {
		keep_row(reader, stmt);
		row = secrets_of_row(reader->sealer, stmt, 13);
		reader->bytes =
			secrets_read(reader->sealer, &row, stmt, 12, &place, &reader->len, error);
		reader->message.bytes = reader->bytes;
		reader->message.len = reader->bytes ? reader->len : 0;
	}
	sqlite3_reset(stmt);
	return found ? &reader->message : NULL;
}

bool
message_reader_list(struct message_reader *reader, int64_t from,
		    bool (*each)(void *ctx, const struct store_message *), void *ctx)
{
	sqlite3_stmt *stmt = reader->sql[READ_LIST];
	struct store_message message;
	bool more = true;

	sqlite3_bind_int64(stmt, 1, from);
	while (more && sqlite3_step(stmt) == SQLITE_ROW) {
		read_row(stmt, &message);
		more = each(ctx, &message);
	}
	sqlite3_reset(stmt);
	return more;
}
