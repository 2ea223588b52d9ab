#include "control/inventory/names.h"

#include <stdlib.h>
#include <string.h>

#include "tasks/hash.h"

enum { NAMES_START = 16 };

void
names_init(struct names *names)
{
	*names = (struct names){ 0 };
}

void
names_fini(struct names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	free(names->buckets);
	names_init(names);
}

/* The bucket that holds the text, or the free one where it belongs. */
static uint32_t *
bucket_of(const struct names *names, const char *text)
{
	uint32_t mask = names->n_buckets - 1;
	uint32_t at = hash32_bytes(HASH32_EMPTY, text, strlen(text)) & mask;

	while (names->buckets[at] && strcmp(names->items[names->buckets[at] - 1], text) != 0)
		at = (at + 1) & mask;
	return &names->buckets[at];
}

static int
grow(struct names *names)
{
	uint32_t capacity = names->capacity ? names->capacity * 2 : NAMES_START;
	char **items = realloc(names->items, capacity * sizeof *items);
	uint32_t *buckets;

	if (!items)
		return -1;
	names->items = items;
	buckets = calloc((size_t)capacity * 2, sizeof *buckets);
	if (!buckets)
		return -1;
	free(names->buckets);
	names->buckets = buckets;
	names->n_buckets = capacity * 2;
	names->capacity = capacity;
	for (uint32_t i = 0; i < names->count; i++)
		*bucket_of(names, items[i]) = i + 1;
	return 0;
}

uint32_t
names_find(const struct names *names, const char *text)
{
	return names->n_buckets ? *bucket_of(names, text) - 1 : NAMES_NONE;
}

uint32_t
names_add(struct names *names, const char *text)
{
	uint32_t number = names_find(names, text);
	char *copy;

	if (number != NAMES_NONE)
		return number;
	if (names->count == names->capacity && grow(names) < 0)
		return NAMES_NONE;
	copy = strdup(text);
	if (!copy)
		return NAMES_NONE;
	names->items[names->count] = copy;
	*bucket_of(names, text) = names->count + 1;
	return names->count++;
}

const char *
names_text(const struct names *names, uint32_t number)
{
	return names->items[number];
}
