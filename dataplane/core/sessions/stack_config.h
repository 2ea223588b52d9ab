/*
 * stack_config.h - what a stack is made with, and the limits that may change while it runs.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/cookie_sharing.h"
#include "dataplane/core/crypto/rng.h"
#include "dataplane/core/member_sharing.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/session_event.h"

struct crypto_ops;
struct directory;
struct ec_job;

/* Published, immutable settings that may change while running; read once a burst. */
struct stack_limits {
	uint32_t ack_timeout_us;     /* RFC 7252 4.8: 2 s */
	uint32_t ack_random_percent; /* ACK_RANDOM_FACTOR 1.5 is 150 */
	uint32_t max_retransmit;     /* 4 */
	uint32_t linger_us;          /* a finished session remembers its last exchange this long:
				      * EXCHANGE_LIFETIME 247 s */
	uint32_t batch_wait_us;      /* the longest a request waits for the control side: below the
				      * client's ACK_TIMEOUT */
	uint32_t busy_max_age_s;     /* Max-Age of 5.03 */
	uint32_t block_bytes;        /* of the largest block, either way; 0: 1024 */
	/* DTLS; 0 stands for the default of secured.c in each. Rates are a worker's. */
	uint32_t idle_us;            /* an association without a run is closed after so long */
	uint32_t hellos_per_s;       /* ClientHellos of new peers that are looked at */
	uint32_t handshakes_per_s;   /* of new peers that proved their address ... */
	uint32_t handshakes_per_prefix_per_s; /* ... and of one /24 or /56 */
	uint32_t certificates_per_s; /* ... and of those the ones with certificates */
	uint32_t certificates_per_prefix_per_s; /* ... of one /24 or /56 */
	uint32_t abilities;          /* enum dtls_ability: what certificates and keys there are */
	uint32_t trust;              /* what was judged by a trust of a lower number is judged anew */
	bool certificates_cbc;       /* the suite of certificates with CBC is served, too */
	struct cookie_sharing cookies; /* with other appliances */
	struct member_sharing members; /* the same ones */
};

struct stack_config {
	unsigned sessions;                              /* capacity of the pool */
	uint8_t listener_security[LISTENERS_MAX];       /* enum listener_security */
	bool listener_serves_keyed[LISTENERS_MAX];      /* NoSec: devices with a key, too */
	/* By which a datagram of each leaves for another member; LISTENER_NONE: by none. */
	uint8_t forward_from[LISTENERS_MAX];
	unsigned n_listeners;
	uint32_t serial_base;                           /* first serial of a run; lets several
							 * stacks differ */
	uint8_t hash_seed[16];
	uint8_t worker;                                 /* goes into connection ids: they find
							 * their worker by it */
	unsigned handshakes;                            /* DTLS handshakes at a time; 0: a
							 * quarter of the sessions */
	unsigned answers;                               /* buffers for answers that decide what
							 * follows; 0: one for eight sessions, 4096
							 * at most */
	uint32_t answer_bytes;                          /* of each; 0: 8192 */
	const struct crypto_ops *crypto;                /* NULL: crypto_select() */
	bool handshakes_alone;                          /* two in step gain nothing with these:
							 * crypto_step_percent() */
	struct rng rng;
	/* The way to the threads that compute with elliptic curves: a job, which is theirs until
	 * stack_ec(); false: they have too many. NULL: there are none, and no certificates. */
	bool (*ec_offer)(void *ctx, struct ec_job *job);
	void *ec_ctx;
	unsigned certificates; /* handshakes with certificates at a time; 0: one for sixteen
				* sessions, 4096 at most */
	uint32_t capture_bytes; /* of datagrams of handshakes, while devices are captured; 0: none
				 * can be */
	/* Takes one event; false: full, the stack keeps the session's slot and tries again at the
	 * next tick. */
	bool (*emit)(void *ctx, const struct session_event *event);
	/* Takes one record of a traced device, of the same ctx; false: full, it is lost and counted. NULL: as if full. */
	bool (*trace)(void *ctx, const struct trace_record *record);
	void *emit_ctx;
	const struct stack_limits *_Atomic *limits;     /* where the newest limits are published */
	struct directory *_Atomic *directory;           /* where the newest directory is published;
							 * NULL inside: empty */
};
