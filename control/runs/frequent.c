#include "control/runs/frequent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 2 * FREQUENT_SLOTS, MASK = PLACES - 1 };

int
frequent_init(struct frequent *frequent)
{
	*frequent = (struct frequent){ .items = calloc(PLACES, sizeof *frequent->items) };
	return frequent->items ? 0 : -ENOMEM;
}

void
frequent_fini(struct frequent *frequent)
{
	free(frequent->items);
	*frequent = (struct frequent){ 0 };
}

static struct frequent_item *
find(const struct frequent *frequent, uint64_t hash)
{
	/* FNV's lower bits are poor where one byte differs: the upper ones are folded in. */
	size_t at = (size_t)(hash ^ hash >> 32) & MASK;

	while (frequent->items[at].count && frequent->items[at].hash != hash)
		at = (at + 1) & MASK;
	return &frequent->items[at];
}

/* One less of each, and those that are used up go. As many were put as are taken here: it costs each a little. */
static void
thin_out(struct frequent *frequent)
{
	struct frequent_item *old = frequent->items;
	struct frequent_item *kept = malloc(FREQUENT_SLOTS * sizeof *kept);
	uint32_t n = 0;

	if (!kept)
		return; /* what comes is not counted: less than it may be */
	for (size_t i = 0; i < PLACES; i++)
		if (old[i].count > 1) {
			kept[n] = old[i];
			kept[n++].count--;
		}
	memset(old, 0, PLACES * sizeof *old);
	for (uint32_t i = 0; i < n; i++)
		*find(frequent, kept[i].hash) = kept[i];
	frequent->used = n;
	free(kept);
}

void
frequent_put(struct frequent *frequent, uint64_t hash, uint32_t tag)
{
	struct frequent_item *item = find(frequent, hash);

	if (item->count) {
		item->count++;
		return;
	}
	if (frequent->used == FREQUENT_SLOTS) {
		thin_out(frequent);
		return; /* it is taken off against one of each */
	}
	*item = (struct frequent_item){ hash, 1, tag };
	frequent->used++;
	assert(frequent->used <= FREQUENT_SLOTS);
}

size_t
frequent_top(const struct frequent *frequent, struct frequent_item *out, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < PLACES; i++) {
		const struct frequent_item *item = &frequent->items[i];
		size_t at;

		if (!item->count || (found == n && item->count <= out[n - 1].count))
			continue;
		at = found < n ? found++ : n - 1;
		for (; at > 0 && out[at - 1].count < item->count; at--)
			out[at] = out[at - 1];
		out[at] = *item;
	}
	return found;
}
