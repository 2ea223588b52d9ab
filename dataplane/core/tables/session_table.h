/*
 * session_table.h - a fixed pool of sessions, found by peer.
 *
 * The table knows of a session only that it begins with a struct session_node; the rest belongs to
 * the caller. Every operation is O(1): peers are hashed with SipHash (siphash.h says why), so
 * chains stay short whatever addresses an attacker picks.
 *
 * Layout, in one block of the caller's memory:
 *
 *	+-------+----------------------------------+--------------------------------------+
 *	| table | heads: 32-bit index of the first | elements, each a multiple of 64 bytes |
 *	|       | session of a chain               | beginning with its session_node      |
 *	+-------+----------------------------------+--------------------------------------+
 *
 * There are at least twice as many heads as sessions (8 to 16 bytes a session), so that a chain has
 * 1.25 sessions where one is found and less than 0.5 where none is. Open addressing with tags would
 * save part of that second miss, at the price of tombstones or shifting; chains through the
 * elements cost nothing to delete from, and a session found must be fetched anyway.
 *
 * A burst is looked up in three steps with some work between them: hash and prefetch the heads,
 * prefetch the first sessions of the chains, find.
 *
 * A session is pinned from its opening on; unpinned ones (finished, lingering) stand in a list by
 * the time of unpinning and are the caller's choice to evict when the pool is full. The table
 * itself evicts nothing.
 *
 * Owner: the caller, of the memory and of counting. One thread. Nothing allocates or blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/peer.h"

enum session_node_state { SESSION_FREE, SESSION_PINNED, SESSION_UNPINNED };

/* First member of the caller's element. Only the table writes it. Links are slot + 1, 0 for
 * none. */
struct session_node {
	struct peer peer;
	uint32_t hash;         /* low half of the peer's hash */
	uint32_t next;         /* of the chain; of the free list while free */
	uint32_t newer, older; /* among the unpinned */
	uint32_t serial; /* how often this slot was opened: tells a session from its successor */
	uint32_t state;  /* enum session_node_state */
};

struct session_table;

struct session_table_config {
	uint32_t capacity;     /* sessions, 1 to 2^30 */
	uint32_t element_size; /* bytes of the caller's element; rounded up to 64 */
	uint8_t seed[16];      /* of the hash; secret */
};

/* Bytes of memory for session_table_init(); alignment 64. */
size_t session_table_size(const struct session_table_config *config);
/* `memory` is zeroed. Touches the table's first lines alone, not every session. */
struct session_table *session_table_init(void *memory, const struct session_table_config *config);
/* Wipes every element that was ever in use, and the key. */
void session_table_fini(struct session_table *table);

/* ---- looking up ---- */

uint64_t session_table_hash(const struct session_table *table, const struct peer *peer);
/* Fetches the head of the peer's chain. */
void session_table_prefetch(const struct session_table *table, uint64_t hash);
/* Fetches the first session of the chain: reads the head, so do it once that has arrived. */
void session_table_prefetch_session(const struct session_table *table, uint64_t hash);
/* NULL: no session of this peer. */
struct session_node *session_table_find(const struct session_table *table, uint64_t hash,
					const struct peer *peer);

/* NULL when the slot is free or there is no such slot. */
struct session_node *session_table_at(const struct session_table *table, uint32_t slot);
uint32_t session_table_slot(const struct session_table *table, const struct session_node *node);
/* Element 0, free or not, and the bytes from one element to the next: for what links sessions by
 * slot. */
void *session_table_elements(const struct session_table *table, size_t *stride);

/* ---- opening and closing ---- */

/*
 * Takes a free slot for a peer that has no session; NULL when the pool is full. The session is
 * pinned, its serial is new, and everything behind the node is zero.
 */
struct session_node *session_table_open(struct session_table *table, uint64_t hash,
					const struct peer *peer);

/*
 * The same with this slot: for sessions that another process left, by rising slots, in a table that was
 * just made. NULL: there is no such slot, one above it was taken already, or the peer has a session.
 */
struct session_node *session_table_open_at(struct session_table *table, uint32_t slot, uint64_t hash,
					   const struct peer *peer);

/*
 * Gives the slot back and wipes everything behind the node. The trap: whatever else links to the
 * session (its timer) must be unlinked before.
 */
void session_table_close(struct session_table *table, struct session_node *node);

/*
 * The session goes on under another peer address (RFC 9146 6). 0; -EEXIST when that peer has a
 * session already, which the caller must close first: nothing is changed then.
 */
int session_table_rekey(struct session_table *table, struct session_node *node, uint64_t hash,
			const struct peer *peer) __attribute__((warn_unused_result));

/* May be evicted from now on; the newest of those that may. No effect, also on its place, when it
 * is unpinned. */
void session_table_unpin(struct session_table *table, struct session_node *node);
/* Must not be evicted any more. No effect when it is pinned. */
void session_table_pin(struct session_table *table, struct session_node *node);
/* The session unpinned longest ago, or NULL. */
struct session_node *session_table_oldest_unpinned(const struct session_table *table);
/* The one unpinned next after this one, or NULL. */
struct session_node *session_table_newer(const struct session_table *table,
					 const struct session_node *node);

bool session_table_full(const struct session_table *table);
uint32_t session_table_count(const struct session_table *table);    /* pinned and unpinned */
uint32_t session_table_unpinned(const struct session_table *table); /* of these */
