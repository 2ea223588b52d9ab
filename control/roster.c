#include "control/roster.h"

#include <stdlib.h>
#include <string.h>

#include "tasks/encode.h"

void
roster_init(struct roster *roster)
{
	*roster = (struct roster){ 0 };
}

void
roster_fini(struct roster *roster)
{
	for (uint32_t i = 0; i < roster->count; i++) {
		free(roster->slots[i]->endpoint);
		free(roster->slots[i]);
	}
	free(roster->slots);
	free(roster->buckets);
	roster_init(roster);
}

static uint32_t
name_hash(const char *name)
{
	uint32_t hash = 2166136261; /* FNV-1a: names come from the operator's own file */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619;
	return hash;
}

/* The bucket that holds the name, or the free one where it belongs. */
static uint32_t *
bucket_of(const struct roster *roster, const char *endpoint)
{
	uint32_t mask = roster->n_buckets - 1;
	uint32_t at = name_hash(endpoint) & mask;

	while (roster->buckets[at] &&
	       strcmp(roster->slots[roster->buckets[at] - 1]->endpoint, endpoint) != 0)
		at = (at + 1) & mask;
	return &roster->buckets[at];
}

static int
grow(struct roster *roster)
{
	uint32_t capacity = roster->capacity ? roster->capacity * 2 : 64;
	struct roster_slot **slots = realloc(roster->slots, capacity * sizeof *slots);
	uint32_t *buckets;

	if (!slots)
		return -1;
	roster->slots = slots;
	buckets = calloc((size_t)capacity * 2, sizeof *buckets);
	if (!buckets)
		return -1;
	free(roster->buckets);
	roster->buckets = buckets;
	roster->n_buckets = capacity * 2;
	roster->capacity = capacity;
	for (uint32_t i = 0; i < roster->count; i++)
		*bucket_of(roster, slots[i]->endpoint) = i + 1;
	return 0;
}

struct roster_slot *
roster_add(struct roster *roster, const char *endpoint)
{
	struct roster_slot *slot = roster_find(roster, endpoint);

	if (slot)
		return slot;
	if (roster->count == roster->capacity && grow(roster) < 0)
		return NULL;
	slot = calloc(1, sizeof *slot);
	if (!slot)
		return NULL;
	slot->endpoint = strdup(endpoint);
	if (!slot->endpoint) {
		free(slot);
		return NULL;
	}
	slot->id = roster->count;
	slot->format = FORMAT_TLV;
	slot->refused = (struct session_ref){ UINT32_MAX, UINT32_MAX };
	*bucket_of(roster, endpoint) = slot->id + 1;
	roster->slots[roster->count++] = slot;
	return slot;
}

struct roster_slot *
roster_find(const struct roster *roster, const char *endpoint)
{
	uint32_t found = roster->n_buckets ? *bucket_of(roster, endpoint) : 0;

	return found ? roster->slots[found - 1] : NULL;
}

struct roster_slot *
roster_slot(const struct roster *roster, uint32_t id)
{
	return id < roster->count ? roster->slots[id] : NULL;
}
