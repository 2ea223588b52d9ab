/*
 * coap_block.h - where a block-wise transfer stands (RFC 7959), whichever way it goes.
 *
 * One exchange is out at a time (NSTART 1), so one place is enough: for a request of ours that goes
 * out in blocks (coap_block1.h), for an answer that comes in blocks (coap_block2.h), or for a
 * Bootstrap-Pack that the device fetches in blocks (bootstrap_pack.h).
 *
 * Owner: the session. Pure, nothing allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/coap/coap_msg.h"

struct block_place {
	uint32_t offset;    /* where the block begins that is out, or asked for */
	uint8_t szx;        /* of our blocks: what the device is known to take */
	uint8_t answer_szx; /* of the device's: a device that sends small ones may take large ones */
	bool restarted;     /* one mistake of the device was forgiven in this step */
};

/* For a new run: the largest blocks. */
static inline void
block_init(struct block_place *place)
{
	*place = (struct block_place){ .szx = COAP_SZX_MAX, .answer_szx = COAP_SZX_MAX };
}

/* No block of more than so many bytes, either way: some devices take no larger datagram. */
static inline void
block_limit(struct block_place *place, uint32_t bytes)
{
	while (place->szx && coap_block_size(place->szx) > bytes)
		place->szx--;
	while (place->answer_szx && coap_block_size(place->answer_szx) > bytes)
		place->answer_szx--;
}

/* For a new step: from its start, in the sizes that the device is known to use. */
static inline void
block_rewind(struct block_place *place)
{
	place->offset = 0;
	place->restarted = false;
}
