/*
 * session_event.h - what a stack reports to the control side, and what that commands.
 *
 * Plain data that crosses the thread's border by copy, but for batches, which are held, and for
 * answers, which are lent (ASK_REST).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/peer.h"

struct batch;

/* Names one run of one session for good: slots are reused, serials are not. */
struct session_ref {
	uint32_t slot;
	uint32_t serial;
};

/* How far a run is. */
struct session_progress {
	bool running;            /* else it is over, and its end is on its way */
	uint8_t phase;           /* enum run_phase */
	uint16_t step;           /* index into the batch's steps */
	uint16_t received, sent; /* messages so far */
	uint8_t retransmitted;   /* of those sent */
	uint32_t silent_ms;      /* since the device's last message */
};

enum session_event_kind {
	SESSION_STARTED,     /* a dialogue began; the control side cancels an older one of this
			       * device elsewhere */
	SESSION_NEEDS_BATCH, /* a batch in `format` must be made: answer with STACK_BATCH. STARTED
			       * follows then, or
			       * REFUSED, or FAILED */
	SESSION_FINISHED, /* every step accepted, but for `refused_steps`; of a Bootstrap-Pack: its
			       * last block was sent. Nobody acknowledges that one, so whether it
			       * arrived and was taken shows at the device's next server only */
	SESSION_FAILED,   /* see `cause`, `step`, `code` */
	SESSION_REFUSED,  /* nothing to send to a known device (also after STACK_BATCH without a
			       * batch, which ends
			       * that run): the control side reports why */
	SESSION_UNKNOWN,  /* nobody knows this endpoint name or identity, which is `name`. Sent at
			       * a bounded rate */
	SESSION_REJECTED, /* someone came as this device and was rejected: CAUSE_KEY,
			       * CAUSE_IDENTITY, CAUSE_CERTIFICATE or CAUSE_NOSEC. Sent at a bounded
			       * rate */
	SESSION_UNSERVED, /* someone, perhaps no device of ours, asked for what is not served:
			       * CAUSE_SUITES, CAUSE_NAME or CAUSE_REQUEST. Sent at a bounded rate */
	SESSION_DIAGNOSTIC, /* in words, `name`, why the device answered `code` to step `step` (RFC
			       * 7252 5.5.2). Comes before what that leads to, or not at all */
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

/* What somebody unknown came over, and so what `name` is. */
enum unknown_over {
	UNKNOWN_OVER_UNTOLD, /* a version that did not say so */
	UNKNOWN_OVER_NOSEC,
	UNKNOWN_OVER_PSK,         /* the identity that a handshake showed */
	UNKNOWN_OVER_RAW_KEY,     /* the identity that its raw public key would have */
	UNKNOWN_OVER_CERTIFICATE, /* the name that its certificate is of */
	UNKNOWN_OVER_DEVICE,      /* another name that a known device, `device`, asked as */
	UNKNOWN_OVERS,
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
	CAUSE_CERTIFICATE, /* its certificate was refused: `code` is an enum ec_verdict */
	CAUSE_SUITES,     /* no cipher suite in common: `name` is those offered, two bytes each */
	CAUSE_NAME,       /* an identity of `whole_len` bytes, which is more than any may have */
	CAUSE_REQUEST,    /* a Bootstrap-Request that `reason` refuses; `name` is its parameters,
			   * with '&' between them */
	CAUSE_SILENT,     /* the device acknowledged step `step`, and did not answer it */
	CAUSE_UNCONFIRMED, /* CAUSE_TIMEOUT of a Finish: everything before was accepted, and the
			    * device may have finished */
	CAUSE_PACK_LEFT,  /* the device did not ask for the next block of its pack */
	CAUSE_NOSEC,      /* it has a key or a certificate, and somebody asked as it over NoSec */
	CAUSES,
};

/* One event to the control side; fits a cache line but for a name. */
struct session_event {
	uint8_t kind;  /* enum session_event_kind */
	uint8_t cause; /* enum session_cause */
	uint8_t code;  /* CoAP code of the reply that failed, or of the answer; CAUSE_CERTIFICATE:
			* enum ec_verdict */
	uint8_t name_len;
	uint8_t ask; /* enum session_ask */
	uint8_t anchor; /* SESSION_UNKNOWN: number of the authority that vouches for it; 0: none */
	uint8_t refused_code; /* of the first step that was refused on the way, see `refused_steps` */
	uint16_t step;   /* index into the batch's steps */
	uint16_t reason; /* CAUSE_REQUEST: the enum counter that it moved */
	uint16_t whole_len; /* SESSION_UNSERVED: of what is in `name`, before it was cut */
	uint16_t format; /* Content-Format wanted or used; of the answer in ASK_REST */
	uint16_t refused_steps; /* so many were refused so far, and the run went on
				 * (batch_step.on_error, a corrected Finish) ... */
	uint16_t refused_step;  /* ... this one first: index into the batch it was of */
	uint8_t over;           /* SESSION_UNKNOWN: enum unknown_over */
	uint32_t device; /* device_entry.id; in SESSION_UNKNOWN of UNKNOWN_OVER_DEVICE alone */
	uint32_t generation; /* of the batch; with an anchor: of the trust that it is one of */
	uint32_t plan; /* of the batch, 0 where there was none yet */
	uint16_t received, sent; /* messages of the run so far */
	uint8_t retransmitted;   /* of those sent */
	struct session_ref session;
	struct peer peer;
	uint64_t time_us;     /* of the event, clock of stack_receive() */
	uint64_t started_us;  /* of the dialogue */
	const uint8_t *answer; /* ASK_REST: the payload, `answer_len` bytes */
	uint32_t answer_len;
	uint8_t name[96];     /* SESSION_UNKNOWN, CAUSE_IDENTITY, CAUSE_CERTIFICATE: endpoint name
			       * or identity, cut; SESSION_DIAGNOSTIC: what the device said, cut;
			       * SESSION_UNSERVED: what it offered, cut */
};

/* Traces of a device's dialogue: what was sent, received or happened, as it was (trace.h). */
enum trace_kind {
	TRACE_RECEIVED,           /* a CoAP message, decrypted where it was protected */
	TRACE_SENT,               /* a CoAP message, before it is sealed */
	TRACE_HANDSHAKE_FAILED,   /* the device's identity, and not its key; or it fell silent */
	TRACE_HANDSHAKE_REFUSED,  /* its certificate is: an enum ec_verdict, in one byte */
	TRACE_ASSOCIATED,         /* a DTLS handshake has finished: the suite, in two bytes */
	TRACE_ASSOCIATION_ENDED,  /* the device ended its association */
	/* Of a captured device (capture.h). */
	TRACE_DATAGRAM_IN,  /* a piece of a datagram as it came; `step`: where in it the piece is */
	TRACE_DATAGRAM_OUT, /* as it left */
	TRACE_SECRET,       /* of a handshake: the client's random, then the master secret */
};

enum {
	TRACED_MAX = 4,  /* devices at a time */
	TRACE_BYTES = 256,
	TRACE_NO_STEP = UINT16_MAX,
	TRACE_RANDOM_BYTES = 32,
	TRACE_MASTER_BYTES = 48,
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
	STACK_TRACE,  /* on: records of `device` from now on, `datagrams`: and those of its datagrams;
		       * off: no more */
};

struct stack_command {
	uint8_t kind; /* enum stack_command_kind */
	bool on, datagrams;
	uint8_t code;  /* STACK_BATCH without a batch: CoAP code of the refusal, 0 is 4.00 */
	uint16_t from; /* STACK_BATCH after ASK_REST: the run goes on with this step of the batch;
			* n_steps: nothing follows, the run is finished */
	struct session_ref session;
	const struct batch *batch;
	uint32_t device; /* STACK_TRACE */
};
