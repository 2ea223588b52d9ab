#include "control/unknowns.h"

#include <string.h>

static uint32_t
name_hash(const uint8_t *name, size_t len)
{
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ name[i]) * 16777619;
	return hash;
}

static unsigned
longest_silent(const struct unknowns *unknowns)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < UNKNOWNS_MAX; i++)
		if (unknowns->items[i].last_ms < unknowns->items[oldest].last_ms)
			oldest = i;
	return oldest;
}

static struct unknown *
find_or_make(struct unknowns *unknowns, const uint8_t *name, size_t len, uint64_t now_ms)
{
	uint32_t hash = name_hash(name, len);
	unsigned at;

	for (unsigned i = 0; i < unknowns->count; i++)
		if (unknowns->hashes[i] == hash && unknowns->items[i].name_len == len &&
		    memcmp(unknowns->items[i].name, name, len) == 0)
			return &unknowns->items[i];
	at = unknowns->count < UNKNOWNS_MAX ? unknowns->count++ : longest_silent(unknowns);
	unknowns->hashes[at] = hash;
	unknowns->items[at] = (struct unknown){ .name_len = (uint8_t)len, .first_ms = now_ms };
	memcpy(unknowns->items[at].name, name, len);
	return &unknowns->items[at];
}

void
unknowns_see(struct unknowns *unknowns, const struct session_event *event, uint64_t now_ms)
{
	size_t len = event->name_len < sizeof event->name ? event->name_len : sizeof event->name;
	struct unknown *unknown = find_or_make(unknowns, event->name, len, now_ms);

	unknown->peer = event->peer;
	unknown->last_ms = now_ms;
	unknown->count++;
}
