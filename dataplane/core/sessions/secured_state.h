/*
 * secured_state.h - the memory of the stack's DTLS: pools, and what waits within a burst.
 */
#pragma once

#include <assert.h>

#include "dataplane/core/datagram.h"
#include "dataplane/core/dtls/dtls_ahead.h"
#include "dataplane/core/dtls/dtls_cbc.h"
#include "dataplane/core/dtls/dtls_ec.h"
#include "dataplane/core/dtls/dtls_handshake.h"
#include "dataplane/core/dtls/dtls_hello_store.h"
#include "dataplane/core/tables/prefix_debts.h"
#include "dataplane/core/tables/ratelimit.h"
#include "dataplane/core/tables/timer_wheel.h"

enum {
	SECURED_PREFIXES =
		4096, /* buckets: 64 KB, and with 40 prefixes over their rate an innocent one meets
				  * one of them with a probability of 1 % */
};

/* By slot of the session table. */
struct association {
	struct dtls_session dtls; /* of meaning when established */
	uint32_t handshake;       /* index + 1 of the one that runs for this peer; 0: none */
	bool established;
	uint64_t keep_us;         /* its device was told to come back: not idle before */
} __attribute__((aligned(64)));

static_assert(sizeof(struct association) == 192, "three cache lines");

struct secured_handshake {
	struct timer_node timer;
	uint32_t slot; /* of the session it is for; of a free one: index + 1 of the next free one */
	uint32_t older, newer; /* index + 1 of its neighbours in the order of taking; 0: none */
	struct prefix_charge charge; /* of its peer's prefix, in secured.debts */
	bool in_use;
	struct dtls_handshake dtls;
};

static_assert(sizeof(struct secured_handshake) <= 736, "a handshake, with all that belongs to it");

/* Keys of a session under DTLS_CBC; a free one holds the index + 1 of the next free one. */
struct secured_cbc {
	struct dtls_cbc keys; /* first: sessions point at it */
	uint32_t next_free;
};

static_assert(offsetof(struct secured_cbc, keys) == 0,
	      "a session's keys are its place in the pool");

/* What a handshake with certificates has beside: a pool of its own. */
struct secured_ec {
	struct dtls_ec dtls; /* first: handshakes point at it */
	uint32_t handshake;  /* index + 1 of the one that has it; 0: none, it is free or waits for its
			      * job */
	uint32_t next_free;  /* index + 1 */
	bool is_away;        /* its job is a helper's: free once that comes back */
};

static_assert(sizeof(struct secured_ec) <= 8192, "a handshake with certificates stays bounded");

/* What a record that waits to be opened belongs to. */
struct secured_pending {
	const struct dgram_in *in;
	uint64_t hash;   /* of the peer it came from */
	uint32_t slot;   /* of its session ... */
	uint32_t serial; /* ... and which of that slot's sessions */
};

struct secured {
	struct dtls_server server;
	struct association *associations;
	struct secured_handshake *handshakes;
	uint32_t n_handshakes, free_handshake;     /* the latter as index + 1 */
	uint32_t oldest_handshake, newest_handshake; /* of those in use, as index + 1 */
	uint32_t n_in_use;
	uint32_t next_candidate; /* where the places that are looked at begin next time */
	struct timer_wheel wheel;              /* of handshakes */
	struct secured_cbc *cbc;
	uint32_t n_cbc, free_cbc;  /* the latter as index + 1 */
	struct secured_ec *ecs;
	uint32_t n_ecs, free_ec;   /* the latter as index + 1 */
	const struct peer *asking; /* whose identity is being looked up */

	struct ratelimit hellos, starts, certificates, forwards;
	struct ratelimit_prefixes prefixes, certificate_prefixes;

	unsigned n_openings, n_sealings;
	struct dtls_opening openings[DTLS_BURST];
	struct secured_pending pending[DTLS_BURST];
	struct dtls_sealing sealings[DTLS_BURST];
	struct dgram_out *sealed[DTLS_BURST];
	/* Of associations that ended while records of theirs wait in `sealings`. */
	unsigned n_detached;
	struct dtls_session detached[DTLS_BURST];

	struct dtls_ahead ahead; /* of the burst's handshakes */

	struct ratelimit_bucket buckets[SECURED_PREFIXES];
	struct ratelimit_bucket certificate_buckets[SECURED_PREFIXES];
	struct prefix_debts debts; /* handshakes that a prefix did not finish */
	struct dtls_hello_store hello_store;
};
