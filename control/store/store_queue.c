/* News on its way to the writer's thread: put by the control thread, bounded. */
#include <string.h>
#include <time.h>

#include "control/store/store_writer.h"

static bool
may_be_lost(const struct journal_entry *entry)
{
	return !entry->needed && (entry->kind == JOURNAL_REPORT || entry->kind == JOURNAL_VISIT ||
				  entry->kind == JOURNAL_UNKNOWN || entry->kind == JOURNAL_NOTE);
}

/* ---- what is written ---- */

bool
store_writer_has_settled(struct store_writer *writer, uint64_t until)
{
	store_writer_note_settled(writer);
	return writer->settled >= until;
}

/* ---- a full queue ---- */

static size_t
size_to_keep(const struct records *records)
{
	struct records_at at = { 0 };
	const struct journal_entry *entry;
	size_t size = 0;

	while ((entry = records_next(records, &at)))
		if (!may_be_lost(entry))
			size += entry->record.size;
	return size;
}

/* Makes room by the oldest of the queue; what may not be lost moves to `kept`: without memory for that, all of it. */
static void
lose_oldest(struct store_writer *writer)
{
	struct records oldest = { 0 };
	struct records_at at = { 0 };
	const struct journal_entry *entry;

	store_writer_note_settled(writer);
	records_move(&oldest, &writer->queue, 1);
	if (!records_reserve(&writer->kept, size_to_keep(&oldest))) {
		records_move(&writer->kept, &oldest, SIZE_MAX);
		return;
	}
	while ((entry = records_next(&oldest, &at))) {
		if (may_be_lost(entry))
			writer->lost++;
		else
			memcpy(records_add(&writer->kept, entry->record.size), entry,
			       entry->record.size);
	}
	records_clear(&oldest);
}

/* ---- what belongs together ---- */

/* Whether a message was put: then all that is one transaction with it stays, too. */
static bool
is_needed(struct store_writer *writer, const struct journal_entry *entry)
{
	struct records_at at = writer->group_at;
	struct journal_entry *before;

	if (!writer->gathering || writer->group_needed)
		return writer->gathering;
	if (entry->kind != JOURNAL_MESSAGE)
		return false;
	while (writer->joins && (before = records_next(&writer->queue, &at)))
		before->needed = true;
	writer->group_needed = true;
	return true;
}

bool
store_writer_put(struct store_writer *writer, const struct journal_entry *entry,
		 const struct journal_text *text)
{
	size_t more_len = text->more ? strlen(text->more) : 0;
	size_t size = sizeof *entry + text->name_len + 1 + more_len + 1;
	struct record record;
	struct journal_entry *copy;
	bool first, needed;

	pthread_mutex_lock(&writer->lock);
	/* In the middle of what belongs together, its beginning has to stay where it is. */
	if (writer->queue.count >= writer->queue_max && !(writer->gathering && writer->joins))
		lose_oldest(writer);
	if (!writer->joins)
		writer->group_at = records_end(&writer->queue);
	needed = is_needed(writer, entry);
	first = !writer->queue.count;
	copy = records_add(&writer->queue, size);
	if (!copy) {
		writer->lost++;
		pthread_mutex_unlock(&writer->lock);
		return false;
	}
	writer->put++;
	record = copy->record;
	*copy = *entry;
	copy->record = record;
	copy->joins = writer->gathering && writer->joins;
	copy->needed = needed;
	writer->joins = writer->gathering;
	copy->name_len = (uint32_t)text->name_len;
	copy->more_len = (uint32_t)more_len;
	copy->has_more = text->more;
	if (text->name_len)
		memcpy(copy->text, text->name, text->name_len);
	copy->text[text->name_len] = 0;
	if (more_len)
		memcpy(copy->text + text->name_len + 1, text->more, more_len);
	copy->text[text->name_len + 1 + more_len] = 0;
	if (first)
		writer->first_ms = store_now_ms();
	pthread_mutex_unlock(&writer->lock);
	if (first)
		pthread_cond_signal(&writer->wake);
	return true;
}

void
store_writer_use(struct store_writer *writer, struct sealer *sealer)
{
	pthread_mutex_lock(&writer->lock);
	sealer_free(writer->next_sealer);
	writer->next_sealer = sealer;
	writer->has_next_sealer = true;
	pthread_mutex_unlock(&writer->lock);
}

uint64_t
store_writer_hurry(struct store_writer *writer)
{
	uint64_t until;

	pthread_mutex_lock(&writer->lock);
	until = writer->put;
	writer->urgent = !store_writer_has_settled(writer, until);
	if (writer->retry_ms)
		writer->retry_ms = 1; /* now: somebody waits */
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
	return until;
}

bool
store_writer_wait(struct store_writer *writer, uint64_t until)
{
	struct timespec ts;
	bool done;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&writer->lock);
	if (!store_writer_has_settled(writer, until))
		pthread_cond_timedwait(&writer->done, &writer->lock, &ts);
	done = store_writer_has_settled(writer, until);
	pthread_mutex_unlock(&writer->lock);
	return done;
}
