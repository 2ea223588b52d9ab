/*
 * device.h - one simulated device, and the fleet of them.
 *
 * A device bootstraps as a real one does: handshake, Bootstrap-Request with retransmission
 * (RFC 7252 4.2), an answer to every operation, duplicates recognised, every write checked. Nothing
 * it sends is kept: what must go again is written again. A network's delay is simulated by sending
 * answers later.
 *
 * Pure: bytes in, datagrams out, time injected. Owner of all memory: the caller. One thread.
 * Life: fleet_init() -> { fleet_start(), fleet_receive(), fleet_tick() }*
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/tables/timer_wheel.h"
#include "tools/storm/expect.h"
#include "tools/storm/helpers.h"
#include "tools/storm/histogram.h"
#include "tools/storm/identities.h"
#include "tools/storm/lesson.h"
#include "tools/storm/misbehave.h"
#include "tools/storm/mix.h"
#include "tools/storm/names.h"
#include "tools/storm/storm_dtls_client.h"

/* ---- what came of a run ---- */

enum outcome {
	OUTCOME_DONE,        /* bootstrapped, every write as expected */
	OUTCOME_INTENDED,    /* misbehaved as told, and ended where that leads */
	OUTCOME_WRONG_WRITE, /* a write or delete was not as expected */
	OUTCOME_MISSING,     /* Finish came before every expected operation */
	OUTCOME_REFUSED,     /* an error reply to the Bootstrap-Request */
	OUTCOME_RESET,       /* a Reset to it */
	OUTCOME_ALERT,       /* a fatal DTLS alert */
	OUTCOME_FORGED,      /* the server's handshake is wrong */
	OUTCOME_SILENT,      /* no answer after the last retransmission, or no further operation */
	OUTCOME_UNFINISHED,  /* still running when the time was over */
	OUTCOMES
};

extern const char *const outcome_names[OUTCOMES];

enum phase {
	PHASE_COOKIE,    /* intended start to HelloVerifyRequest */
	PHASE_HANDSHAKE, /* to the server's Finished */
	PHASE_BOOTSTRAP, /* first Bootstrap-Request to the Finish's answer */
	PHASE_WHOLE,     /* intended start to the Finish's answer */
	PHASES
};

extern const char *const phase_names[PHASES];

struct tally {
	uint64_t started, outcomes[OUTCOMES];
	uint64_t refused_code; /* the last error code that refused a device */
	uint64_t busy;         /* 5.03 taken, and waited for */
	uint64_t retried;      /* begun anew after silence */
	uint64_t retransmitted, duplicates, operations, blocks, ignored;
	uint64_t packs; /* fetched whole */
	uint64_t datagrams_sent, datagrams_received;
	uint64_t stale;          /* records of a device's association before this one */
	struct counters records; /* of DTLS records that came: bad tags, replays */
	struct histogram phases[PHASES];
};

/* ---- one device ---- */

enum device_state {
	DEVICE_IDLE,        /* never started, or ended: the last exchange is still answered */
	DEVICE_HANDSHAKING, /* in the handshake: storm_dtls tells where */
	DEVICE_ASKING,      /* the Bootstrap-Request is out */
	DEVICE_ASKED,       /* its empty ACK came: the response will come on its own */
	DEVICE_SERVED,      /* waits for operations */
	DEVICE_ENDING,      /* the last answer waits to be sent */
};

/* What to send next. All of it can be written from the device's state. */
enum device_message {
	MESSAGE_NONE,
	MESSAGE_HELLO,
	MESSAGE_LAST_FLIGHT,
	MESSAGE_FLIGHT_REST, /* of one that is too long to go at once */
	MESSAGE_REQUEST,
	MESSAGE_REPLY,
	MESSAGE_ACK
};

enum { DEVICE_REMEMBERS = 4 };

/* An answer as it will be written. */
struct device_reply {
	uint16_t mid;
	uint8_t type, code;
	uint8_t token_len, token[COAP_TOKEN_MAX];
	bool has_block, has_links;
	uint32_t block1;
};

struct device {
	struct timer_node timer;
	uint64_t resend_gap_us;
	/* The earliest of these is armed; 0: none. */
	uint64_t send_us;   /* `later` goes out: the network's delay */
	uint64_t resend_us; /* `again` goes out once more */
	uint64_t give_up_us;
	uint64_t intended_us, phase_us; /* start as planned; begin of the phase */
	uint64_t busy_us;               /* when it was first told that the server is busy */
	uint64_t ended_us;              /* of the last run */
	uint8_t state;                  /* enum device_state */
	uint8_t later, again;           /* enum device_message */
	uint8_t resent;
	uint8_t outcome; /* enum outcome, once ENDING, and of the last run once IDLE */
	uint8_t retried;
	bool misbehaved, rebound, wrong;
	bool told_busy; /* in this run */
	bool heard;     /* of the server, in this run: what goes out now are answers */
	uint16_t mid, ack_mid;
	uint8_t token[4];
	uint32_t runs, finished;
	/* Operations: done so far, and where in which a block-wise one is. */
	uint64_t seen;
	uint32_t block_at;
	int16_t block_line;
	uint8_t n_answered;
	uint8_t answered_code[DEVICE_REMEMBERS];
	/* Of a pack: the size of its blocks, and which representation they are of. */
	uint8_t pack_szx, etag_len, etag[8];
	uint16_t answered_mid[DEVICE_REMEMBERS];
	struct device_reply reply;
	struct storm_dtls dtls;
};

_Static_assert(sizeof(struct device) <= 512, "hundreds of thousands of devices must fit in memory");

/* ---- the fleet ---- */

/* What an operation is answered that comes before the reply to the device's request. */
enum early_operation {
	EARLY_TAKEN, /* it is carried out: it proves that the request arrived */
	EARLY_BUSY,  /* 5.03 */
	EARLY_RESET,
};

struct fleet_settings {
	enum security security;
	enum security certified; /* of MIX_CERTIFIED in place of it */
	struct mix mix;
	uint8_t block_szx; /* what devices of MIX_BLOCK take in a message, as SZX */
	bool offer_cid;
	enum early_operation early;
	bool in_order;      /* devices start by their numbers, else at random */
	bool split_flights; /* each record of a flight in its own datagram, out of order */
	int32_t format;     /* pct, or -1 */
	enum misbehave misbehave;
	/* RFC 7252 4.8; a handshake's first time-out is half of it (RFC 6347 4.2.4.1: 1 s). */
	uint64_t ack_timeout_us;
	uint8_t max_retransmit;         /* RFC 7252 4.8, of Bootstrap-Requests */
	uint64_t give_up_us;            /* without any progress; 5.03 is none */
	uint8_t retries;                /* how often it begins anew after that */
	uint64_t rtt_us, rtt_spread_us; /* answers go out rtt +- spread late */
	uint64_t slow_ack_us;
};

/* Where a device's datagrams go: the caller provides slots; a call uses STORM_OUT_MAX at most. */
enum {
	STORM_OUT_MAX = 8,
	STORM_DATAGRAM_MAX =
		1232, /* what every IPv6 network takes: 1280 (RFC 8200 5), less headers */
};

struct storm_slot {
	uint8_t *data; /* STORM_DATAGRAM_MAX writable bytes */
	uint16_t len;
	bool rebound; /* from the device's other port */
};

struct storm_out {
	struct storm_slot slots[STORM_OUT_MAX];
	unsigned n;
};

struct fleet {
	struct fleet_settings settings;
	struct device *devices;
	uint32_t first,
		stride; /* device i is number first + i * stride of the names; stride 0: 1 */
	uint32_t n, running;
	uint32_t *idle; /* ring of n: the longest idle one starts next */
	uint32_t idle_head, n_idle;
	uint64_t now_us, random, fresh;
	struct timer_wheel wheel;
	struct storm_dtls_env dtls;
	struct rng rng;
	const struct names *names;
	const struct expect *expect;
	const struct identities *identities; /* of certificates and raw keys; else NULL */
	struct server_identity server;       /* what devices hold against it; fleet_fini() */
	struct helpers *helpers;             /* compute for it; NULL: it computes itself */
	struct lesson *lesson;               /* NULL: nobody writes down what devices are told */
	struct tally tally;
};

/*
 * Set before: `n` zeroed devices, `idle` with room for n, names, expect, identities and helpers
 * (borrowed), now_us.
 * `seed` makes times and losses, `fresh` what must differ in every run: message ids, tokens,
 * randoms.
 */
void fleet_init(struct fleet *fleet, const struct fleet_settings *settings,
		const struct crypto_ops *ops, uint64_t seed, uint64_t fresh);

/* The time for all that follows. */
static inline void
fleet_set_time(struct fleet *fleet, uint64_t now_us)
{
	fleet->now_us = now_us;
}

/* Starts the device that was idle longest; its number, or -1 when all are running. */
int64_t fleet_start(struct fleet *fleet, uint64_t intended_us, struct storm_out *out);
/* A datagram for device `index`; opened in place. */
void fleet_receive(struct fleet *fleet, uint32_t index, uint8_t *data, size_t len,
		   struct storm_out *out);
/* Runs one due timer; false when there is none. *index is whose. */
bool fleet_tick(struct fleet *fleet, uint32_t *index, struct storm_out *out);
/* Goes on with one device whose certificate's curves the helpers have computed; false when there is
 * none. *index is whose. */
bool fleet_collect(struct fleet *fleet, uint32_t *index, struct storm_out *out);
/* Ends what still runs as unfinished. */
void fleet_stop(struct fleet *fleet);
/* Once stopped, and once no helper works any more. */
void fleet_fini(struct fleet *fleet);
