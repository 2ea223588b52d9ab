#include "control/runs/feed.h"

#include <assert.h>
#include <stdlib.h>

void
feed_fini(struct feed *feed)
{
	assert(!feed->readers);
	for (unsigned i = 0; i < FEED_KINDS; i++)
		free(feed->rings[i]);
	*feed = (struct feed){ 0 };
}

bool
feed_open(struct feed *feed, struct feed_reader *reader, unsigned kinds)
{
	*reader = (struct feed_reader){ .kinds = kinds };
	for (unsigned i = 0; i < FEED_KINDS; i++) {
		if (!feed->rings[i])
			feed->rings[i] = calloc(FEED_KEPT, sizeof *feed->rings[i]);
		if (!feed->rings[i])
			return false;
		reader->next[i] = feed->next[i];
	}
	feed->readers++;
	return true;
}

void
feed_close(struct feed *feed, struct feed_reader *reader)
{
	assert(feed->readers);
	feed->readers--;
	*reader = (struct feed_reader){ 0 };
}

/* All but the newest `kept` of the kind are missed. */
static void
skip(const struct feed *feed, struct feed_reader *reader, unsigned kind, unsigned kept,
     uint64_t *missed)
{
	uint64_t first = feed->next[kind] > kept ? feed->next[kind] - kept : 0;

	if (reader->next[kind] >= first)
		return;
	*missed += first - reader->next[kind];
	reader->next[kind] = first;
}

const struct feed_event *
feed_read(const struct feed *feed, struct feed_reader *reader, uint64_t *missed)
{
	const struct feed_event *oldest = NULL;

	for (unsigned kind = 0; kind < FEED_KINDS; kind++) {
		const struct feed_event *event;

		if (!(reader->kinds & 1u << kind))
			continue;
		skip(feed, reader, kind, FEED_KEPT, missed); /* the ring has no more */
		if (reader->next[kind] == feed->next[kind])
			continue;
		event = &feed->rings[kind][reader->next[kind] % FEED_KEPT];
		if (!oldest || event->order < oldest->order)
			oldest = event;
	}
	if (oldest)
		reader->next[oldest->kind]++;
	return oldest;
}

bool
feed_has_news(const struct feed *feed, const struct feed_reader *reader)
{
	for (unsigned kind = 0; kind < FEED_KINDS; kind++)
		if (reader->kinds & 1u << kind && reader->next[kind] != feed->next[kind])
			return true;
	return false;
}

void
feed_skip(const struct feed *feed, struct feed_reader *reader, unsigned kept, uint64_t *missed)
{
	for (unsigned kind = 0; kind < FEED_KINDS; kind++)
		if (reader->kinds & 1u << kind)
			skip(feed, reader, kind, kept, missed);
}

void
feed_put(struct feed *feed, const struct feed_event *event)
{
	struct feed_event *place;

	assert(event->kind < FEED_KINDS && event->name_len <= sizeof event->name);
	if (!feed->readers)
		return;
	place = &feed->rings[event->kind][feed->next[event->kind]++ % FEED_KEPT];
	*place = *event;
	place->order = feed->order++;
}
