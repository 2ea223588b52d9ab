/*
 * dtls_kept.h - the record numbers of an association, in memory that the process does not take with it when it
 * dies (sessions/kept_slots.h).
 *
 * A number that is sent twice under one key gives away what both records hold (RFC 5288 3, RFC 6655 3), and a
 * record that is taken twice is a replay (RFC 6347 4.1.2.6). So the record layer writes each number here where it
 * changes: the next one to send before a record is sealed, the highest one received before anybody sees what
 * its record holds. What a signal interrupts has made all stores that stand before in the program, as the
 * next process sees them: it needs no guess of how far the one before had come.
 *
 *	 63      48 47                                0
 *	+----------+-----------------------------------+
 *	| check    | number                            |	one aligned word, written in one store
 *	+----------+-----------------------------------+
 *
 * The check depends on the number and on the keys: neither half a write nor the number of another association is
 * taken for one. It is against accidents; who writes here on purpose can read the keys beside it.
 *
 * Owner: the worker. Neither allocates nor blocks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { DTLS_KEPT_BITS = 48 }; /* of a record number */

#define DTLS_KEPT_MAX ((UINT64_C(1) << DTLS_KEPT_BITS) - 1)

struct dtls_kept {
	_Atomic uint64_t sent;     /* the next record number of ours */
	_Atomic uint64_t received; /* the highest one of the device; this and all below are not taken any more */
	uint64_t salt;             /* of both checks, from the keys */
};

static inline uint64_t
dtls_kept_word(uint64_t salt, uint64_t number)
{
	/* Used up is used up: one more than fits reads as the last one, which nobody goes on from. */
	uint64_t low = number <= DTLS_KEPT_MAX ? number : DTLS_KEPT_MAX;

	return ((low ^ salt) * UINT64_C(0x9e3779b97f4a7c15) & ~DTLS_KEPT_MAX) | low;
}

/* False: this is no number of an association with these keys. */
static inline bool
dtls_kept_number(uint64_t salt, uint64_t word, uint64_t *number)
{
	*number = word & DTLS_KEPT_MAX;
	return dtls_kept_word(salt, *number) == word;
}

/* The word is there before whatever follows in the program: only the compiler could change that. */
static inline void
dtls_kept_store(_Atomic uint64_t *place, uint64_t word)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(place, word, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* `next` is about to become the number of the next record of ours. */
static inline void
dtls_kept_sent(struct dtls_kept *kept, uint64_t next)
{
	dtls_kept_store(&kept->sent, dtls_kept_word(kept->salt, next));
}

/* The other direction has a salt of its own: its number is none of this one. */
static inline void
dtls_kept_received(struct dtls_kept *kept, uint64_t top)
{
	dtls_kept_store(&kept->received, dtls_kept_word(~kept->salt, top));
}
