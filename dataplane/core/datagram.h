/*
 * datagram.h - datagrams of a burst on their way in, and slots for those on their way out.
 *
 * Owner: the caller of the stack, of all memory; valid during one call.
 */
#pragma once

#include <stdint.h>

#include "dataplane/core/peer.h"

enum {
	STACK_BURST = 32,         /* datagrams of one stack_receive() */
	STACK_REPLIES_PER_RX = 2, /* datagrams that a message received causes at most: a reply and
				      * the next request. A datagram of several DTLS records has as
				      * many messages: see flush */
	STACK_TX_MAX = STACK_BURST * STACK_REPLIES_PER_RX,
	DATAGRAM_MAX = 1280, /* UDP payload we send at most: IPv6 minimum MTU bounds it
				      * further by 48 */
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

/* Output slots. The caller provides at least STACK_TX_MAX free slots with DATAGRAM_MAX bytes each. */
struct outbox {
	struct dgram_out *slots;
	unsigned used, size;
	/* Called when all are used and one more is wanted: sends what is there and makes room, as far
	 * as it can. NULL: what finds no slot is dropped, and counted. */
	void (*flush)(struct outbox *out);
};
