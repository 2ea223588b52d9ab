/*
 * stack.h - the straight line: datagrams in, outcomes and datagrams out.
 *
 *	session_table -> (dtls_record) -> coap_msg -> coap_exchange -> bootstrap
 *		      -> coap_msg -> (dtls_record)
 *
 * One stack holds all protocol state of one worker. Pure: bytes, time and a context in; counters,
 * events and datagrams out. No I/O, no allocation, no clock. A burst goes through stage by stage,
 * so that look-ups can be prefetched and records opened and sealed together.
 *
 * Life: stack_size() -> stack_init() in the caller's memory -> { stack_receive(), stack_tick(),
 * stack_command() }*
 *       -> stack_fini(), which wipes.
 * Threads: one stack, one thread. Only the directory is shared, and it is read under the caller's
 * quiescent points.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/counters.h"
#include "dataplane/core/crypto/rng.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/slow_lane.h"
#include "dataplane/core/tables/directory.h"

enum {
	STACK_BURST = 32,            /* datagrams of one stack_receive() */
	STACK_REPLIES_PER_RX = 2,    /* most datagrams that one received can cause: a reply and the
				      * next request */
	STACK_TX_MAX = STACK_BURST * STACK_REPLIES_PER_RX,
	DATAGRAM_MAX = 1280,         /* UDP payload we send at most: IPv6 minimum MTU bounds it
				      * further by 48 */
	COAP_MESSAGE_MAX = 1152,     /* RFC 7252 4.6 */
};

struct dgram_in {
	struct peer peer;
	struct link link;
	uint16_t len;
	uint8_t *data; /* UDP payload; may be decrypted in place */
};

struct dgram_out {
	struct peer peer;
	struct link link;
	uint16_t len;
	uint8_t *data; /* set by the caller: `cap` writable bytes */
	uint16_t cap;
};

/* Output slots. The caller provides at least STACK_TX_MAX free slots with DATAGRAM_MAX bytes each.
 * */
struct outbox {
	struct dgram_out *slots;
	unsigned used, size;
};

/* Names one run of one session for good: slots are reused, serials are not. */
struct session_ref {
	uint32_t slot;
	uint32_t serial;
};

enum session_event_kind {
	SESSION_STARTED,      /* a dialogue began; the control side cancels an older one of this
			       * device elsewhere */
	SESSION_NEEDS_BATCH,  /* a batch in `format` must be made: answer with STACK_BATCH. STARTED
			       * follows then, or
			       * REFUSED, or FAILED */
	SESSION_FINISHED,     /* every step accepted, but for `refused_steps`; of a Bootstrap-Pack: its
			       * last block was sent. Nobody acknowledges that one, so whether it
			       * arrived and was taken shows at the device's next server only */
	SESSION_FAILED,       /* see `cause`, `step`, `code` */
	SESSION_REFUSED,      /* nothing to send to a known device (also after STACK_BATCH without a
			       * batch, which ends
			       * that run): the control side reports why */
	SESSION_UNKNOWN,      /* nobody knows this endpoint name or identity: `name` tells. Sent at
			       * a bounded rate */
	SESSION_TURNED_AWAY,  /* someone came as this device and got no further: CAUSE_KEY or
			       * CAUSE_IDENTITY. Sent at a bounded rate */
};

/* What SESSION_NEEDS_BATCH asks for. */
enum session_ask {
	ASK_RUN,  /* the whole run: nothing was sent yet */
	ASK_REST, /* what follows the last step of a batch that `continues`: `code`, `format` and
		   * `answer` are the device's reply to step `step`; a refused one has no payload. The
		   * bytes stay until STACK_BATCH for this session, which must come, even if the run is
		   * over by then */
	ASK_PACK, /* a Bootstrap-Pack in `format`: `name` holds the parameter acc as it came */
};

/* session_event.format of an answer that names none. */
enum { SESSION_NO_FORMAT = 0xffff };

enum session_cause {
	CAUSE_NONE,
	CAUSE_REPLY,      /* the device answered `code` to step `step` */
	CAUSE_TIMEOUT,    /* no reply after the last retransmission of step `step` */
	CAUSE_RESET,      /* the device answered step `step` with Reset */
	CAUSE_SUPERSEDED, /* the device asked again */
	CAUSE_CANCELLED,  /* STACK_CANCEL, or the stack ends */
	CAUSE_NO_BATCH,   /* the control side made none in time */
	CAUSE_CLOSED,     /* the device ended its DTLS association, or replaced it */
	CAUSE_BLOCKS,     /* the reply `code` makes no sense in the block-wise transfer of step
			   * `step` */
	CAUSE_TOO_LONG,   /* the answer to step `step` is longer than stack_config.answer_bytes */
	CAUSE_NO_ROOM,    /* no buffer was free for the answer to step `step` */
	CAUSE_KEY,        /* the identity without its key: the DTLS handshake failed */
	CAUSE_IDENTITY,   /* over DTLS it asked as `name`, which is another's or nobody's */
};

/* One event to the control side; fits a cache line but for a name. */
struct session_event {
	uint8_t kind;  /* enum session_event_kind */
	uint8_t cause; /* enum session_cause */
	uint8_t code;  /* CoAP code of the reply that failed, or of the answer */
	uint8_t name_len;
	uint8_t ask; /* enum session_ask */
	uint8_t refused_code; /* of the first step that was refused on the way, see `refused_steps` */
	uint16_t step;   /* index into the batch's steps */
	uint16_t format; /* Content-Format wanted or used; of the answer in ASK_REST */
	uint16_t refused_steps; /* so many were refused so far, and the run went on
				 * (batch_step.on_error, a corrected Finish) ... */
	uint16_t refused_step;  /* ... this one first: index into the batch it was of */
	uint32_t device; /* device_entry.id; of no meaning in SESSION_UNKNOWN */
	uint32_t generation;
	uint32_t plan; /* of the batch, 0 where there was none yet */
	struct session_ref session;
	struct peer peer;
	uint64_t time_us;     /* of the event, clock of stack_receive() */
	uint64_t started_us;  /* of the dialogue */
	const uint8_t *answer; /* ASK_REST: the payload, `answer_len` bytes */
	uint32_t answer_len;
	uint8_t name[64];     /* SESSION_UNKNOWN, CAUSE_IDENTITY: endpoint name or identity, cut */
};

/* Traces of a device's dialogue: what was sent, received or happened, as it was (trace.h). */
enum trace_kind {
	TRACE_RECEIVED,           /* a CoAP message, decrypted where it was protected */
	TRACE_SENT,               /* a CoAP message, before it is sealed */
	TRACE_HANDSHAKE_FAILED,   /* the device's identity, and not its key; or it fell silent */
	TRACE_ASSOCIATED,         /* a DTLS handshake has finished */
	TRACE_ASSOCIATION_ENDED,  /* the device ended its association */
};

enum {
	TRACED_MAX = 4,  /* devices at a time */
	TRACE_BYTES = 256,
	TRACE_NO_STEP = UINT16_MAX,
};

struct trace_record {
	uint64_t time_us; /* clock of stack_receive() */
	uint32_t device;
	uint8_t kind;  /* enum trace_kind */
	bool secured;
	uint16_t step; /* the one that was out; TRACE_NO_STEP: no run */
	struct peer peer;
	uint16_t len;  /* of the message; TRACE_BYTES of it are here at most */
	uint8_t bytes[TRACE_BYTES]; /* may hold keys: wipe it after use */
};

enum stack_command_kind {
	STACK_BATCH,  /* here is the batch that SESSION_NEEDS_BATCH asked for, already held once;
		       * NULL: there is none, and the request is answered `code` */
	STACK_CANCEL, /* end this run: its device started another one elsewhere, or an operator says
		       * so */
	STACK_DRAIN,  /* on: answer new Bootstrap-Requests 5.03; sessions that run are finished */
	STACK_TRACE,  /* on: records of `device` from now on; off: no more */
};

struct stack_command {
	uint8_t kind; /* enum stack_command_kind */
	bool on;
	uint8_t code;  /* STACK_BATCH without a batch: CoAP code of the refusal, 0 is 4.00 */
	uint16_t from; /* STACK_BATCH after ASK_REST: the run goes on with this step of the batch;
			* n_steps: nothing follows, the run is finished */
	struct session_ref session;
	const struct batch *batch;
	uint32_t device; /* STACK_TRACE */
};

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
	/* DTLS; 0 stands for the default of secured.c in each. Rates are a worker's. */
	uint32_t idle_us;            /* an association without a run is closed after so long */
	uint32_t hellos_per_s;       /* ClientHellos of new peers that are looked at */
	uint32_t handshakes_per_s;   /* of new peers that proved their address ... */
	uint32_t handshakes_per_prefix_per_s; /* ... and of one /24 or /56 */
};

struct crypto_ops;

struct stack_config {
	unsigned sessions;                              /* capacity of the pool */
	uint8_t listener_security[LISTENERS_MAX];       /* enum listener_security */
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
	struct rng rng;
	/* The way to the slow lane: a free item, or NULL; and one filled in, which is the lane's from then on. NULL: there
	 * is no lane, and who needs it is refused. */
	struct slow_lane_item *(*lane_item)(void *ctx);
	void (*lane_offer)(void *ctx, struct slow_lane_item *item);
	void *lane_ctx;
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

struct stack;

/* Bytes and alignment (64) of a stack of this capacity. */
size_t stack_size(const struct stack_config *config);
/* Bytes that one session costs, tables included, rounded up: printed at start. */
size_t stack_session_bytes(void);
/* Bytes of one running DTLS handshake: the same. */
size_t stack_handshake_bytes(void);

/* `memory` is stack_size() zeroed bytes aligned to 64; `now_us` starts the clock. */
struct stack *stack_init(void *memory, const struct stack_config *config, uint64_t now_us);
void stack_fini(struct stack *stack);

/* Takes up to STACK_BURST datagrams. Outcomes are counters; answers are appended to `out`. */
void stack_receive(struct stack *stack, uint64_t now_us, struct dgram_in *in, unsigned n,
		   struct outbox *out);

/* Runs due timers and repeats events that found no room; stops when `out` has no slot left. Call it
 * every turn: it costs one comparison when nothing is due. */
void stack_tick(struct stack *stack, uint64_t now_us, struct outbox *out);

/* One command from the control side; may append two datagrams: leave as many slots. A command for a
 * run that is over changes nothing; its batch is released. */
void stack_command(struct stack *stack, uint64_t now_us, const struct stack_command *command,
		   struct outbox *out);

/* One item that came back from the slow lane; may append one datagram. The item stays the caller's. */
void stack_lane(struct stack *stack, uint64_t now_us, const struct slow_lane_item *item,
		struct outbox *out);

const struct counters *stack_counters(const struct stack *stack);
struct counters *stack_counters_writable(struct stack *stack); /* for the I/O around it, same thread
							        * */

/* Gauges: sessions in use (running, lingering), of capacity. Readable from any thread, approximate.
 * */
struct stack_gauges {
	uint32_t sessions, running, lingering, capacity;
};
struct stack_gauges stack_gauges(const struct stack *stack);
