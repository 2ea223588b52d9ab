/*
 * secured_state.h - the inside of the stack's DTLS, shared by secured*.c alone.
 */
#pragma once

#include <assert.h>

#include "dataplane/core/dtls/dtls_handshake.h"
#include "dataplane/core/secured/secured.h"
#include "dataplane/core/tables/ratelimit.h"
#include "dataplane/core/tables/timer_wheel.h"

enum {
	SECURED_PREFIXES =
		4096, /* buckets: 64 KB, and with 40 prefixes over their rate an innocent one meets
				  * one of them with a probability of 1 % */
	/* A full flight of fragments has fewer; more is a waste of other peers' room in the
	 * outbox. */
	SECURED_RECORDS_PER_DATAGRAM = 8,
};

/* By slot of the session table. */
struct association {
	struct dtls_session dtls; /* of meaning when established */
	uint32_t handshake;       /* index + 1 of the one that runs for this peer; 0: none */
	bool established;
	bool lane;            /* an attempt waits in the slow lane ... */
	uint32_t lane_serial; /* ... this one ... */
	uint32_t lane_random; /* ... for the hello that begins so */
} __attribute__((aligned(64)));

static_assert(sizeof(struct association) == 192, "three cache lines");

struct secured_handshake {
	struct timer_node timer;
	uint32_t slot; /* of the session it is for; of a free one: index + 1 of the next free one */
	struct dtls_handshake dtls;
};

static_assert(sizeof(struct secured_handshake) <= 512, "a handshake, with all that belongs to it");

/* Keys of a session that the slow lane led; a free one holds the index + 1 of the next free one. */
struct secured_cbc {
	struct dtls_cbc keys; /* first: sessions point at it */
	uint32_t next_free;
};

static_assert(offsetof(struct secured_cbc, keys) == 0,
	      "a session's keys are its place in the pool");

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
	uint32_t n_handshakes, free_handshake; /* the latter as index + 1 */
	struct timer_wheel wheel;              /* of handshakes */
	struct secured_cbc *cbc;
	uint32_t n_cbc, free_cbc;  /* the latter as index + 1 */
	uint32_t lane_serial;      /* of the newest attempt in the slow lane */
	const struct peer *asking; /* whose identity is being looked up */

	struct ratelimit hellos, starts;
	struct ratelimit_prefixes prefixes;

	unsigned n_openings, n_sealings;
	struct dtls_opening openings[DTLS_BURST];
	struct secured_pending pending[DTLS_BURST];
	struct dtls_sealing sealings[DTLS_BURST];
	struct dgram_out *sealed[DTLS_BURST];

	struct ratelimit_bucket buckets[SECURED_PREFIXES];
};

/* One record on its way, and the datagram it came in. */
struct arrival {
	struct dgram_in *in;
	uint64_t hash; /* of in->peer */
	struct dtls_record record;
};

static inline struct association *
association_at(const struct stack *stack, const struct session *session)
{
	return &stack->secured->associations[session_slot(stack, session)];
}

/* ---- secured_handshake.c ---- */

/* All handshakes are free. */
void handshakes_init(struct stack *stack);
/* A ClientHello or a fragment of one. */
void handshakes_hello(struct stack *stack, struct arrival *arrival);
/* Any other record for the handshake that runs for this session. */
void handshakes_advance(struct stack *stack, struct session *session, struct arrival *arrival);
/* Gives the session's handshake back, if one runs. */
void handshakes_release(struct stack *stack, struct association *association);

/* A handshake of this session ended without success: closes the session if that is all it was
 * for. */
void secured_abandon(struct stack *stack, struct session *session);

/* ---- secured_lane.c ---- */

/* All keys are free. */
void lane_init(struct secured *secured);
/* Gives the keys of a session that has some back, wiped. */
void lane_release_keys(struct secured *secured, struct dtls_session *dtls);
/* Whether there is a lane that can lead the handshake of this verified hello. */
bool lane_takes(const struct stack *stack, const struct dtls_record *hello);
/* Hands a verified hello to the lane. */
void lane_hello(struct stack *stack, struct session *session, const struct arrival *arrival);
/* Hands a further record of a session in the lane on. */
void lane_record(struct stack *stack, struct session *session, const struct arrival *arrival);
/* The session's attempt, if one waits in the lane, is given up. */
void lane_leave(struct stack *stack, struct session *session);

/* ---- secured_receive.c ---- */

/* The session of the peer that the datagram came from, or NULL. */
struct session *secured_session_of(const struct stack *stack, const struct arrival *arrival);

/* ---- secured.c ---- */

/* A handshake has finished: its association replaces what the session had. */
void secured_associate(struct stack *stack, struct session *session, const struct link *link,
		       const struct dtls_session *fresh);

/* The device ended its association: its session is over too, unless something waits to be told. */
void secured_end_association(struct stack *stack, struct session *session);
/* A session without a run is closed when nothing comes for a while from now. */
void secured_wait_idle(struct stack *stack, struct session *session);

/* A datagram without CoAP on its way out, like outgoing.h's. */
struct flight {
	struct writer writer;
	struct dgram_out *slot;
};

struct flight flight_begin(struct stack *stack, const struct peer *peer, const struct link *link);
/* Sends what was written, if anything was and all of it found room. */
void flight_end(struct stack *stack, struct flight *flight);
