/*
 * stack_state.h - the inside of a stack, shared by what it is made of.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/counters.h"
#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/datagram.h"
#include "dataplane/core/delays.h"
#include "dataplane/core/sessions/session.h"
#include "dataplane/core/sessions/stack_config.h"
#include "dataplane/core/tables/answer_pool.h"
#include "dataplane/core/tables/directory.h"
#include "dataplane/core/tables/ratelimit.h"

enum { NO_SLOT = UINT32_MAX };

struct secured;
struct kept_slot;

/* Where associations outlive the process (kept_slots.h); all zero: nowhere. */
struct kept_memory {
	_Atomic uint64_t *tags;  /* by slot of the session table ... */
	struct kept_slot *slots; /* ... as these are */
	struct siphash_key key;  /* of the tags */
};

/* What is traced, and the message that is being processed (trace.h). */
struct stack_trace {
	uint8_t n; /* 0: nothing */
	bool is_known; /* whose the message is: device */
	uint32_t devices[TRACED_MAX];
	uint32_t device;
	const uint8_t *data; /* NULL: it has been recorded, or there is none */
	size_t len;
};

enum { CAPTURE_PEERS = 16 };

/* Whose datagrams are copied, and those of handshakes meanwhile (capture.h). */
struct stack_capture {
	uint8_t n;              /* 0: nobody's */
	bool is_due;            /* what is held may have to be told */
	bool is_wrapped;        /* the newest stand before the oldest, which end at `end` */
	uint32_t devices[TRACED_MAX];
	const struct dgram_in *now; /* the datagram at hand; NULL: it is held, or there is none */
	unsigned n_peers, next_peer;
	struct {
		struct peer peer;
		uint32_t device;
	} peers[CAPTURE_PEERS]; /* where captured devices speak from */
	uint8_t *ring;
	uint32_t size, first, next, end;
};

struct stack {
	/* The present call: set by stack_begin(), of no meaning between calls. */
	uint64_t now_us;
	struct outbox *out; /* NULL: nothing can be sent (stack_fini) */
	const struct stack_limits *limits;
	struct directory *directory;

	/* Sessions. */
	struct session_table *table;
	struct timer_wheel wheel;
	uint64_t membership; /* grows when a session is opened or closed: pointers looked up before
			      * may be stale */
	struct siphash_key digest_key;
	uint32_t pending_head, pending_tail; /* slots of sessions with pending events, oldest first */
	struct answer_pool answers;            /* those that decide what follows in a run */
	uint32_t serial;                   /* of the newest run */
	uint16_t non_mid;                  /* message ids of NON replies, all peers together */
	bool draining;
	uint32_t farewell;                 /* the next slot of stack_farewell() */
	struct stack_trace trace;
	struct stack_capture capture;

	/* Read by other threads, relaxed: each is right by itself, not against the others. */
	_Atomic uint32_t gauge_sessions, gauge_running;

	struct secured *secured; /* DTLS; NULL: no listener wants it */
	struct kept_memory kept;
	struct ratelimit unknown_rate;  /* events about unknown devices */
	struct ratelimit rejected_rate; /* ... about rejected ones */
	struct ratelimit unserved_rate; /* ... and about those who ask for what is not served */
	struct stack_config config;
	struct counters counters;
	struct delays delays[RUN_PHASES]; /* in microseconds */
};

/* Who a datagram is from, and where an answer goes. */
struct sender {
	const struct peer *peer;
	const struct link *link;
	struct session *session; /* NULL: none */
	uint64_t hash;           /* of the peer */
};

/* One CoAP message on its way out: written through `writer`, between outgoing_begin() and
 * outgoing_end(). */
struct outgoing {
	struct writer writer;
	struct dtls_session *association; /* NULL: plaintext, over NoSec */
	struct session *session;          /* NULL: none */
	struct dgram_out *slot;
};

/* NULL when the slot is free. */
static inline struct session *
session_at(const struct stack *stack, uint32_t slot)
{
	return (struct session *)session_table_at(stack->table, slot);
}

static inline uint32_t
session_slot(const struct stack *stack, const struct session *session)
{
	return session_table_slot(stack->table, &session->node);
}
