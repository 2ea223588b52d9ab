/*
 * sender.h - the thread that delivers what is due in the outbox (store_messages.h), over HTTP by libcurl.
 *
 * The store is its memory: it keeps no list of what waits, only what is on its way now. A message is gone from the store
 * once its target has answered 2xx, so whatever ends in between, it is sent again, with the same Idempotency-Key.
 * Connections are kept, a few requests a target are on their way at once, those about one device one after the other.
 *
 * Life: sender_new() -> sender_use() -> { ... } -> sender_free(), before the store is closed. Functions are the control
 * thread's. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/delivery/delivery_conf.h"
#include "control/store/store_messages.h"

enum {
	SENDER_WAITED =
		0x80, /* of store_message.what, beside the event: sender_take() tells its end */
	SENDER_EVENT = 0x7f,
	SENDER_ENDS_MAX = 64,
};

struct sender;

/* `told` is called by the sender's thread when sender_take() has something; may be NULL. NULL: no memory or thread. */
struct sender *sender_new(struct store *store, void (*told)(void *ctx), void *ctx);
/* Ends what is on its way: it will be sent again. NULL: nothing. */
void sender_free(struct sender *sender);
/* Who is delivered to, from now on. NULL: nobody. Holds it. */
void sender_use(struct sender *sender, struct delivery_conf *conf);
/* Something is due that was not, or a target is to be tried at once. */
void sender_wake(struct sender *sender, bool at_once);

/* What became of a message that somebody waits for. */
struct sender_end {
	int64_t id;
	bool delivered; /* else it is a dead letter */
};
unsigned sender_take(struct sender *sender, struct sender_end ends[SENDER_ENDS_MAX]);

enum sender_counter {
	SENDER_SENT,      /* requests */
	SENDER_DELIVERED, /* messages */
	SENDER_REFUSED,   /* answers that said no to a message */
	SENDER_AWAY,      /* requests to a target that was away, busy, or did not know us */
	SENDER_DEAD,      /* messages given up */
	SENDER_COUNTERS,
};

struct sender_target {
	char name[MESSAGE_TARGET_MAX];
	uint64_t counters[SENDER_COUNTERS];
	unsigned on_their_way;
	uint64_t away_since_ms, rests_until_ms; /* wall clock; 0: it is not away */
	char error[MESSAGE_ERROR_MAX];          /* the last one while it is away */
};
/* The n-th target; false: there are no more. */
bool sender_target(struct sender *sender, unsigned n, struct sender_target *target);
