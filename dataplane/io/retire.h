/*
 * retire.h - what workers may still be reading waits here until all of them have passed a quiescent
 * point.
 *
 * First in, first out: each entry holds a token of rte_rcu_qsbr, and tokens grow, so only the
 * oldest is looked at. Owner: the control thread. Bounded: 16,384 entries of 32 bytes; a full queue
 * waits for its oldest entry, which takes as long as a worker's turn. Allocates nothing.
 */
#pragma once

#include <rte_rcu_qsbr.h>

enum { RETIRE_MAX = 16384 };

struct retired {
	void (*release)(void *ctx, void *what);
	void *ctx, *what;
	uint64_t token;
};

struct retire {
	struct rte_rcu_qsbr *qsbr;
	unsigned first, n;
	struct retired entries[RETIRE_MAX];
};

void retire_put(struct retire *retire, void (*release)(void *ctx, void *what), void *ctx,
		void *what);
/* Releases what is due; returns what is still pending. */
unsigned retire_reap(struct retire *retire);
