#include "control/inventory/names.h"

#include <assert.h>
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
	hash_index_fini(&names->by_text);
	names_init(names);
}

static uint32_t
hash_of(const char *text)
{
	return hash32_bytes(HASH32_EMPTY, text, strlen(text));
}

static uint32_t
find(const struct names *names, const char *text, uint32_t hash)
{
	const struct hash_index *index = &names->by_text;
	uint32_t at, number = hash_index_first(index, hash, &at);

	while (number != NAMES_NONE && strcmp(names->items[number], text) != 0)
		number = hash_index_next(index, hash, &at);
	return number;
}

static int
grow(struct names *names)
{
	uint32_t capacity = names->capacity ? names->capacity * 2 : NAMES_START;
	char **items = realloc(names->items, capacity * sizeof *items);

	if (!items)
		return -1;
	names->items = items;
	names->capacity = capacity;
	return 0;
}

uint32_t
names_find(const struct names *names, const char *text)
{
	return find(names, text, hash_of(text));
}

uint32_t
names_add(struct names *names, const char *text)
{
	uint32_t hash = hash_of(text), number = find(names, text, hash);
	char *copy;

	if (number != NAMES_NONE)
		return number;
	if (names->count == names->capacity && grow(names) < 0)
		return NAMES_NONE;
	if (hash_index_reserve(&names->by_text, 1) < 0)
		return NAMES_NONE;
	copy = strdup(text);
	if (!copy)
		return NAMES_NONE;
	assert(names->count < names->capacity);
	names->items[names->count] = copy;
	hash_index_add(&names->by_text, hash, names->count);
	return names->count++;
}

const char *
names_text(const struct names *names, uint32_t number)
{
	assert(number < names->count);
	return names->items[number];
}
