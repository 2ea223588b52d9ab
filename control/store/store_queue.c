/* News on its way to the writer's thread: put by the control thread, bounded. */
#include <string.h>
#include <time.h>

#include "control/store/store_writer.h"

static bool
may_be_lost(const struct journal_entry *entry)
{
	return entry->kind == JOURNAL_REPORT || entry->kind == JOURNAL_VISIT ||
	       entry->kind == JOURNAL_UNKNOWN || entry->kind == JOURNAL_NOTE;
}

/* Makes room by the oldest of the queue; what may not be lost moves to `kept`. */
static void
lose_oldest(struct store_writer *writer)
{
	struct records oldest = { 0 };
	struct records_at at = { 0 };
	const struct journal_entry *entry;

	records_move(&oldest, &writer->queue, 1);
	while ((entry = records_next(&oldest, &at))) {
		void *copy =
			may_be_lost(entry) ? NULL : records_add(&writer->kept, entry->record.size);

		if (copy)
			memcpy(copy, entry, entry->record.size);
		else
			writer->lost++;
	}
	records_clear(&oldest);
}

void
store_writer_put(struct store_writer *writer, const struct journal_entry *entry,
		 const struct journal_text *text)
{
	size_t more_len = text->more ? strlen(text->more) : 0;
	size_t size = sizeof *entry + text->name_len + 1 + more_len + 1;
	struct record record;
	struct journal_entry *copy;
	bool first;

	pthread_mutex_lock(&writer->lock);
	if (writer->queue.count >= writer->queue_max)
		lose_oldest(writer);
	first = !writer->queue.count;
	writer->put++;
	copy = records_add(&writer->queue, size);
	if (!copy) {
		writer->lost++;
		pthread_mutex_unlock(&writer->lock);
		return;
	}
	record = copy->record;
	*copy = *entry;
	copy->record = record;
	copy->joins = writer->gathering && writer->joins;
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
	writer->urgent = writer->written + writer->lost < until;
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
	if (writer->written + writer->lost < until)
		pthread_cond_timedwait(&writer->done, &writer->lock, &ts);
	done = writer->written + writer->lost >= until;
	pthread_mutex_unlock(&writer->lock);
	return done;
}
