#include "control/inventory/import_names.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1024 };

static int
allocate(struct import_names *names, size_t slots)
{
	names->slots = calloc(slots, sizeof *names->slots);
	names->mask = slots - 1;
	return names->slots ? 0 : -ENOMEM;
}

int
import_names_init(struct import_names *names, uint64_t seed)
{
	*names = (struct import_names){ .seed = seed };
	return allocate(names, FIRST_SLOTS);
}

int
import_names_copy(struct import_names *names, const struct import_names *other)
{
	*names = *other;
	if (allocate(names, other->mask + 1)) {
		*names = (struct import_names){ 0 };
		return -ENOMEM;
	}
	memcpy(names->slots, other->slots, (other->mask + 1) * sizeof *names->slots);
	return 0;
}

void
import_names_fini(struct import_names *names)
{
	free(names->slots);
	*names = (struct import_names){ 0 };
}

static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Never 0. Seeded, as names come from elsewhere; not siphash, as whoever imports a file that floods
 * this table keeps nobody waiting but himself. */
static uint64_t
hash_of(const struct import_names *names, const char *name, size_t len)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = mix(names->seed ^ len, odd), word;

	for (; len >= sizeof word; name += sizeof word, len -= sizeof word) {
		memcpy(&word, name, sizeof word);
		hash = mix(hash ^ word, odd ^ names->seed);
	}
	word = 0;
	memcpy(&word, name, len);
	hash = mix(mix(hash ^ word, odd ^ names->seed), odd);
	return hash ? hash : 1;
}

static uint64_t
hash_at(const struct import_name *slot)
{
	return (uint64_t)slot->hash[1] << 32 | slot->hash[0];
}

/* The slot that has this hash, or the free one where it belongs. */
static struct import_name *
find(const struct import_names *names, uint64_t hash)
{
	size_t at = hash & names->mask;

	while (hash_at(&names->slots[at]) && hash_at(&names->slots[at]) != hash)
		at = (at + 1) & names->mask;
	return &names->slots[at];
}

static int
grow(struct import_names *names)
{
	struct import_names larger = *names;

	if (allocate(&larger, (names->mask + 1) * 2))
		return -ENOMEM;
	for (size_t i = 0; i <= names->mask; i++)
		if (hash_at(&names->slots[i]))
			*find(&larger, hash_at(&names->slots[i])) = names->slots[i];
	free(names->slots);
	*names = larger;
	return 0;
}

int
import_names_add(struct import_names *names, const char *name, size_t len, uint32_t line,
		 uint32_t *first)
{
	uint64_t hash = hash_of(names, name, len);
	struct import_name *slot;

	if (names->used >= (names->mask + 1) / 4 * 3 && grow(names))
		return -ENOMEM;
	assert(names->used <= names->mask); /* a free slot ends the look-up */
	slot = find(names, hash);
	if (hash_at(slot)) {
		*first = slot->line;
		return 1;
	}
	*slot = (struct import_name){ { (uint32_t)hash, (uint32_t)(hash >> 32) }, line };
	names->used++;
	return 0;
}
