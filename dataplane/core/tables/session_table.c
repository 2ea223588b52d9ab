#include "dataplane/core/tables/session_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { LINE = 64 };

struct session_table {
	/* Read by every look-up. */
	struct siphash_key key;
	uint32_t *heads;
	uint8_t *elements;
	size_t stride;
	uint32_t heads_mask;
	uint32_t capacity;
	uint32_t fresh; /* slots from here on were never in use */
	uint32_t free;  /* first of the free list */

	/* Changed when sessions come and go. */
	uint32_t count, unpinned;
	uint32_t newest, oldest; /* unpinned */
};

_Static_assert(offsetof(struct session_table, count) <= LINE,
	       "a look-up touches one line of the table");

/* ---- memory ---- */

static size_t
round_up(size_t bytes)
{
	return (bytes + LINE - 1) / LINE * LINE;
}

static uint32_t
heads_for(uint32_t capacity)
{
	uint32_t heads = 2;

	while (heads < 2 * capacity)
		heads *= 2;
	return heads;
}

size_t
session_table_size(const struct session_table_config *config)
{
	return round_up(sizeof(struct session_table)) +
	       round_up(heads_for(config->capacity) * sizeof(uint32_t)) +
	       config->capacity * round_up(config->element_size);
}

struct session_table *
session_table_init(void *memory, const struct session_table_config *config)
{
	struct session_table *table = memory;
	uint32_t heads = heads_for(config->capacity);
	uint8_t *at = memory;

	assert((uintptr_t)memory % LINE == 0);
	assert(config->capacity >= 1 && config->capacity <= 1u << 30);
	assert(config->element_size >= sizeof(struct session_node));
	at += round_up(sizeof *table);
	*table = (struct session_table){
		.key = siphash_key(config->seed),
		.heads = (uint32_t *)(void *)at,
		.elements = at + round_up(heads * sizeof(uint32_t)),
		.stride = round_up(config->element_size),
		.heads_mask = heads - 1,
		.capacity = config->capacity,
	};
	return table;
}

void
session_table_fini(struct session_table *table)
{
	explicit_bzero(table->elements, table->fresh * table->stride);
	explicit_bzero(&table->key, sizeof table->key);
}

static struct session_node *
node_at(const struct session_table *table, uint32_t slot)
{
	return (struct session_node *)(void *)(table->elements + slot * table->stride);
}

uint32_t
session_table_slot(const struct session_table *table, const struct session_node *node)
{
	return (uint32_t)((size_t)((const uint8_t *)node - table->elements) / table->stride);
}

void *
session_table_elements(const struct session_table *table, size_t *stride)
{
	*stride = table->stride;
	return table->elements;
}

static uint32_t
link_to(const struct session_table *table, const struct session_node *node)
{
	return session_table_slot(table, node) + 1;
}

/* ---- looking up ---- */

uint64_t
session_table_hash(const struct session_table *table, const struct peer *peer)
{
	return siphash13(&table->key, peer, sizeof *peer);
}

/* The chain is chosen by the upper half of the hash; the lower half tells the sessions of a chain
 * apart. */
static uint32_t *
head_of(const struct session_table *table, uint64_t hash)
{
	return &table->heads[hash >> 32 & table->heads_mask];
}

void
session_table_prefetch(const struct session_table *table, uint64_t hash)
{
	__builtin_prefetch(head_of(table, hash));
}

void
session_table_prefetch_session(const struct session_table *table, uint64_t hash)
{
	uint32_t link = *head_of(table, hash);

	if (link)
		__builtin_prefetch(node_at(table, link - 1));
}

struct session_node *
session_table_find(const struct session_table *table, uint64_t hash, const struct peer *peer)
{
	uint32_t link = *head_of(table, hash);

	while (link) {
		struct session_node *node = node_at(table, link - 1);

		if (node->hash == (uint32_t)hash && peer_equal(&node->peer, peer))
			return node;
		link = node->next;
	}
	return NULL;
}

struct session_node *
session_table_at(const struct session_table *table, uint32_t slot)
{
	struct session_node *node;

	if (slot >= table->fresh)
		return NULL;
	node = node_at(table, slot);
	return node->state == SESSION_FREE ? NULL : node;
}

/* ---- chains ---- */

/*
 * The upper half of the hash is not stored: leaving the chain hashes the peer again. That costs 12
 * ns at a session's end, and 4 bytes less in the line that every look-up fetches.
 */
static void
leave_chain(struct session_table *table, struct session_node *node)
{
	uint32_t *link = head_of(table, session_table_hash(table, &node->peer));
	uint32_t self = link_to(table, node);

	while (*link != self) {
		assert(*link);
		link = &node_at(table, *link - 1)->next;
	}
	*link = node->next;
}

static void
join_chain(struct session_table *table, struct session_node *node, uint64_t hash,
	   const struct peer *peer)
{
	uint32_t *head = head_of(table, hash);

	node->peer = *peer;
	node->hash = (uint32_t)hash;
	node->next = *head;
	*head = link_to(table, node);
}

/* ---- the unpinned ---- */

/* Where the link of `link`'s neighbour towards the older or newer side is kept: in it, or at the
 * list's end. */
static uint32_t *
older_link(struct session_table *table, uint32_t link)
{
	return link ? &node_at(table, link - 1)->older : &table->newest;
}

static uint32_t *
newer_link(struct session_table *table, uint32_t link)
{
	return link ? &node_at(table, link - 1)->newer : &table->oldest;
}

void
session_table_unpin(struct session_table *table, struct session_node *node)
{
	uint32_t self = link_to(table, node), former = table->newest;

	if (node->state != SESSION_PINNED)
		return;
	node->state = SESSION_UNPINNED;
	node->newer = 0;
	node->older = former;
	*newer_link(table, former) = self;
	table->newest = self;
	table->unpinned++;
}

void
session_table_pin(struct session_table *table, struct session_node *node)
{
	if (node->state != SESSION_UNPINNED)
		return;
	node->state = SESSION_PINNED;
	*older_link(table, node->newer) = node->older;
	*newer_link(table, node->older) = node->newer;
	table->unpinned--;
}

struct session_node *
session_table_oldest_unpinned(const struct session_table *table)
{
	return table->oldest ? node_at(table, table->oldest - 1) : NULL;
}

struct session_node *
session_table_newer(const struct session_table *table, const struct session_node *node)
{
	return node->newer ? node_at(table, node->newer - 1) : NULL;
}

/* ---- opening and closing ---- */

static struct session_node *
take_slot(struct session_table *table)
{
	struct session_node *node = NULL;

	if (table->free) {
		node = node_at(table, table->free - 1);
		table->free = node->next;
	} else if (table->fresh < table->capacity) {
		node = node_at(table, table->fresh++);
	}
	return node;
}

static struct session_node *
enter(struct session_table *table, struct session_node *node, uint64_t hash,
      const struct peer *peer)
{
	join_chain(table, node, hash, peer);
	node->state = SESSION_PINNED;
	node->serial++;
	table->count++;
	return node;
}

struct session_node *
session_table_open(struct session_table *table, uint64_t hash, const struct peer *peer)
{
	struct session_node *node = take_slot(table);

	return node ? enter(table, node, hash, peer) : NULL;
}

struct session_node *
session_table_open_at(struct session_table *table, uint32_t slot, uint64_t hash,
		      const struct peer *peer)
{
	if (slot >= table->capacity || slot < table->fresh || session_table_find(table, hash, peer))
		return NULL;
	/* Those below it are free. */
	while (table->fresh < slot) {
		node_at(table, table->fresh)->next = table->free;
		table->free = ++table->fresh;
	}
	return enter(table, node_at(table, table->fresh++), hash, peer);
}

void
session_table_close(struct session_table *table, struct session_node *node)
{
	assert(node->state != SESSION_FREE);
	session_table_pin(table, node);
	leave_chain(table, node);
	explicit_bzero(node + 1, table->stride - sizeof *node);
	memset(&node->peer, 0, sizeof node->peer);
	node->state = SESSION_FREE;
	node->next = table->free;
	table->free = link_to(table, node);
	table->count--;
}

int
session_table_rekey(struct session_table *table, struct session_node *node, uint64_t hash,
		    const struct peer *peer)
{
	struct session_node *other = session_table_find(table, hash, peer);

	if (other && other != node)
		return -EEXIST;
	leave_chain(table, node);
	join_chain(table, node, hash, peer);
	return 0;
}

bool
session_table_full(const struct session_table *table)
{
	return table->count == table->capacity;
}

uint32_t
session_table_count(const struct session_table *table)
{
	return table->count;
}

uint32_t
session_table_unpinned(const struct session_table *table)
{
	return table->unpinned;
}
