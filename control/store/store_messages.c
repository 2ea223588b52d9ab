#include "control/store/store_messages.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/store/store_private.h"

int64_t
store_message_id(struct store *store)
{
	return ++store->writer.last_message;
}

bool
store_put_message(struct store *store, const struct store_message *message)
{
	struct journal_entry entry = {
		.kind = JOURNAL_MESSAGE,
		.status = (uint8_t)message->state,
		.format = message->what,
		.device = message->device,
		.task = message->account,
		.started_ms = message->created_ms,
		.finished_ms = message->due_ms,
		.count = (uint64_t)message->id,
	};
	char more[MESSAGE_KEY_MAX + MESSAGE_TARGET_MAX + MESSAGE_SUBJECT_MAX];
	struct journal_text text = { message->bytes, message->len, more };

	assert(message->id && !strchr(message->key, ' ') && !strchr(message->target, ' '));
	snprintf(more, sizeof more, "%s %s %s", message->key, message->target, message->subject);
	return store_writer_put(&store->writer, &entry, &text);
}

void
store_begin_together(struct store *store)
{
	struct store_writer *writer = &store->writer;

	pthread_mutex_lock(&writer->lock);
	assert(!writer->gathering);
	writer->gathering = true;
	writer->joins = writer->group_needed = false;
	pthread_mutex_unlock(&writer->lock);
}

void
store_end_together(struct store *store)
{
	struct store_writer *writer = &store->writer;

	pthread_mutex_lock(&writer->lock);
	assert(writer->gathering);
	writer->gathering = writer->joins = false;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}

uint64_t
store_put_so_far(struct store *store)
{
	uint64_t put;

	pthread_mutex_lock(&store->writer.lock);
	put = store->writer.put;
	pthread_mutex_unlock(&store->writer.lock);
	return put;
}

uint64_t
store_hurry(struct store *store)
{
	return store_writer_hurry(&store->writer);
}

bool
store_is_written(struct store *store, uint64_t until)
{
	bool done;

	pthread_mutex_lock(&store->writer.lock);
	done = store_writer_has_settled(&store->writer, until);
	pthread_mutex_unlock(&store->writer.lock);
	return done;
}

static bool
put_change(struct store *store, const struct journal_entry *entry, const char *error)
{
	struct journal_text text = { error, error ? strlen(error) : 0, NULL };

	return store_writer_put(&store->writer, entry, &text);
}

bool
store_release_message(struct store *store, int64_t id)
{
	return put_change(
		store,
		&(struct journal_entry){ .kind = JOURNAL_MESSAGE_RELEASED, .count = (uint64_t)id },
		NULL);
}

void
store_drop_message(struct store *store, int64_t id)
{
	put_change(
		store,
		&(struct journal_entry){ .kind = JOURNAL_MESSAGE_DROPPED, .count = (uint64_t)id },
		NULL);
}

void
store_postpone_message(struct store *store, int64_t id, const struct store_message *as)
{
	put_change(store,
		   &(struct journal_entry){ .kind = JOURNAL_MESSAGE_POSTPONED,
					    .status = (uint8_t)as->state,
					    .task = as->attempts,
					    .finished_ms = as->due_ms,
					    .count = (uint64_t)id },
		   as->error);
}

void
store_retry_message(struct store *store, int64_t id, uint64_t now_ms)
{
	put_change(store,
		   &(struct journal_entry){ .kind = JOURNAL_MESSAGE_RETRIED,
					    .finished_ms = now_ms,
					    .count = (uint64_t)id },
		   NULL);
}

void
store_count_messages(struct store *store, uint64_t counts[MESSAGE_STATES])
{
	pthread_mutex_lock(&store->writer.lock);
	for (unsigned i = 0; i < MESSAGE_STATES; i++)
		counts[i] = (uint64_t)store->writer.messages[i];
	pthread_mutex_unlock(&store->writer.lock);
}

void
store_on_messages(struct store *store, void (*written)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&store->writer.lock);
	store->writer.on_messages = written;
	store->writer.on_messages_ctx = ctx;
	pthread_mutex_unlock(&store->writer.lock);
}
