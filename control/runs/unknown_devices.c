#include "control/runs/unknown_devices.h"

#include <stdio.h>
#include <string.h>

#include "control/store/store.h"
#include "tasks/hash.h"

static unsigned
longest_silent(const struct unknown_devices *unknowns)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < UNKNOWN_DEVICES_MAX; i++)
		if (unknowns->items[i].last_ms < unknowns->items[oldest].last_ms)
			oldest = i;
	return oldest;
}

/*
 * Past 4 KB of hashes, one after the other: an index (hash_index.h) would save little, as making
 * room goes past all items anyway, and would have to follow those that move into a gap.
 */
static unsigned
index_of(const struct unknown_devices *unknowns, const void *name, size_t len)
{
	uint32_t hash = hash32_bytes(HASH32_EMPTY, name, len);
	unsigned i = 0;

	while (i < unknowns->count &&
	       (unknowns->hashes[i] != hash || unknowns->items[i].name_len != len ||
		memcmp(unknowns->items[i].name, name, len) != 0))
		i++;
	return i;
}

static struct unknown *
find_or_make(struct unknown_devices *unknowns, const uint8_t *name, size_t len, uint64_t now_ms)
{
	unsigned at = index_of(unknowns, name, len);

	if (at < unknowns->count)
		return &unknowns->items[at];
	at = unknowns->count < UNKNOWN_DEVICES_MAX ? unknowns->count++ : longest_silent(unknowns);
	unknowns->hashes[at] = hash32_bytes(HASH32_EMPTY, name, len);
	unknowns->items[at] = (struct unknown){ .name_len = (uint8_t)len,
						.first_ms = now_ms,
						.serial = ++unknowns->serial };
	memcpy(unknowns->items[at].name, name, len);
	return &unknowns->items[at];
}

static size_t
cut(size_t len)
{
	return len < sizeof(((struct unknown *)0)->name) ? len
							 : sizeof(((struct unknown *)0)->name);
}

void
unknown_devices_see(struct unknown_devices *unknowns, const struct session_event *event,
		    uint64_t now_ms)
{
	struct unknown *unknown = find_or_make(unknowns, event->name, cut(event->name_len), now_ms);

	address_format_peer(&event->peer, unknown->address);
	unknown->over = event->over;
	unknown->device = event->device;
	unknown->last_ms = now_ms;
	unknown->count++;
	unknown->unsaved = true;
}

void
unknown_devices_load(struct unknown_devices *unknowns, const struct store_unknown *kept)
{
	struct unknown *unknown =
		find_or_make(unknowns, kept->name, cut(kept->name_len), kept->first_ms);

	snprintf(unknown->address, sizeof unknown->address, "%s", kept->address);
	unknown->over = kept->over < UNKNOWN_OVERS ? kept->over : UNKNOWN_OVER_UNTOLD;
	unknown->device = kept->device;
	unknown->last_ms = kept->last_ms;
	unknown->count = kept->count;
}

const struct unknown *
unknown_devices_find(const struct unknown_devices *unknowns, const void *name, size_t len)
{
	unsigned at = index_of(unknowns, name, cut(len));

	return at < unknowns->count ? &unknowns->items[at] : NULL;
}

void
unknown_devices_remove(struct unknown_devices *unknowns, const void *name, size_t len)
{
	unsigned at = index_of(unknowns, name, cut(len));

	if (at == unknowns->count)
		return;
	unknowns->count--;
	unknowns->items[at] = unknowns->items[unknowns->count];
	unknowns->hashes[at] = unknowns->hashes[unknowns->count];
}

void
unknown_devices_save(struct unknown_devices *unknowns, struct store *store, uint64_t now_ms)
{
	bool any = false;

	if (!store || !unknowns || now_ms - unknowns->saved_ms < UNKNOWNS_SAVE_MS)
		return;
	unknowns->saved_ms = now_ms;
	for (unsigned i = 0; i < unknowns->count; i++) {
		struct unknown *unknown = &unknowns->items[i];
		struct store_unknown kept = {
			.name = unknown->name,
			.name_len = unknown->name_len,
			.address = unknown->address,
			.over = unknown->over,
			.device = unknown->device,
			.first_ms = unknown->first_ms,
			.last_ms = unknown->last_ms,
			.count = unknown->count,
		};

		if (unknown->unsaved)
			store_put_unknown(store, &kept);
		any |= unknown->unsaved;
		unknown->unsaved = false;
	}
	if (any)
		store_keep_unknowns(store, UNKNOWN_DEVICES_MAX);
}
