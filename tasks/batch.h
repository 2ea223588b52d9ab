/*
 * batch.h - what one bootstrap run of one device sends, already encoded.
 *
 * The only thing that passes from tasks/ to the dataplane. A batch is an ordered list of steps; each
 * step holds everything of a CoAP request but its header, message id and token: those belong to the
 * exchange. The dataplane includes this header and knows no XML and no LwM2M types.
 *
 * Owner:    the control side builds batches (batch_build.h), publishes them in the directory and
 *           frees them, once they are unpublished, a grace period has passed and `holders` is 0.
 * Threads:  everything but `holders` is immutable once published. A worker that starts a run calls
 *           batch_hold() before it passes its quiescent point, and batch_release() when the run is over.
 *           So a session finishes on the generation it began with.
 * Memory:   nothing here allocates. A step that depends on no device is shared between batches.
 *
 *	batch                      step (bytes[] below)
 *	+---------------------+    +------+--------+------+--------+-------------+-------------+
 *	| holders  generation |    | code | expect | task | number | options_len | payload_len |
 *	| format   n_steps    |    +------+--------+------+--------+-------------+-------------+
 *	| steps[0] -----------|--->| options, delta-encoded (RFC 7252 3.1)  | payload            |
 *	| steps[1] ...        |    +----------------------------------------------------------------+
 *	+---------------------+
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which replies a step accepts (OMA TS Core 6.1.7, Transport 6.4.3; 2.01 for writes: Leshan-era clients). */
enum batch_expect {
	BATCH_EXPECT_WRITE,    /* 2.04, 2.01 */
	BATCH_EXPECT_DELETE,   /* 2.02 */
	BATCH_EXPECT_FINISH,   /* 2.04 */
	BATCH_EXPECT_DISCOVER, /* 2.05 */
	BATCH_EXPECT_READ,     /* 2.05 */
};

/* What becomes of the run when a step is answered otherwise than it expects. */
enum batch_on_error {
	BATCH_ABORT,    /* it ends without Finish, so the device keeps nothing of it */
	BATCH_CONTINUE, /* the next step is sent all the same */
	BATCH_FINISH,   /* the steps before the next Finish are left out */
};

/* Limits that both sides rely on. */
enum {
	BATCH_STEPS_MAX = 1024,
	BATCH_OPTIONS_MAX = 64, /* a step's encoded options: path, format, Block1 fit with room */
	BATCH_PAYLOAD_MAX = 65535, /* above the block size a step goes out block-wise (RFC 7959) */
};

struct batch_step {
	uint8_t code;   /* request code, RFC 7252 12.1.1: 1 GET, 2 POST, 3 PUT, 4 DELETE */
	uint8_t expect; /* enum batch_expect */
	uint8_t task;   /* which task of the run this step belongs to, from 0 */
	uint8_t last_option; /* number of the last option in bytes[], 0 if none: later options chain on */
	uint16_t number;        /* step number within its task, from 1: "write #5" in reports */
	uint8_t options_len;    /* bytes of encoded options */
	uint8_t on_error : 2;   /* enum batch_on_error */
	uint8_t correction : 1; /* sent only when the Finish before it was answered 4.06 */
	uint8_t credential : 1; /* holds an account's key that this run made: the account's server wants it, too */
	uint32_t payload_len;   /* bytes of payload behind them; no payload marker is stored */
	uint8_t bytes[];
};

struct batch {
	_Atomic uint32_t holders; /* runs in progress on this batch, all workers together */
	uint32_t generation;      /* policy generation it was compiled from */
	uint32_t plan;   /* the control side's number of what it is: events bring it back */
	uint16_t format; /* Content-Format its writes are encoded in */
	uint16_t n_steps;
	bool continues : 1; /* the answer to the last step (Discover, Read), or the server that waits for a
			     * credential, decides what follows: the control side makes the rest when it
			     * is there */
	bool pack : 1; /* steps[0].payload is a Bootstrap-Pack (OMA Core TS 6.1.7.2), nothing is sent */
	uint8_t rest_wait_s; /* how long the rest may take; 0: what the setting says */
	uint16_t block_bytes; /* of the largest block, either way; 0: what the setting says */
	uint32_t size; /* bytes of this allocation, shared steps not counted */
	const struct batch_step *steps[];
};

static inline const uint8_t *
batch_step_options(const struct batch_step *step)
{
	return step->bytes;
}

static inline const uint8_t *
batch_step_payload(const struct batch_step *step)
{
	return step->bytes + step->options_len;
}

/* Relaxed is enough: the hold happens between two quiescent points, and the grace period orders it
 * before the control side's look at `holders`. */
static inline void
batch_hold(const struct batch *batch)
{
	atomic_fetch_add_explicit(&((struct batch *)(uintptr_t)batch)->holders, 1,
				  memory_order_relaxed);
}

/* Release: every read of the batch by this run is over before the control side sees the count fall. */
static inline void
batch_release(const struct batch *batch)
{
	atomic_fetch_sub_explicit(&((struct batch *)(uintptr_t)batch)->holders, 1,
				  memory_order_release);
}
