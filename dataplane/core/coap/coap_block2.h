/*
 * coap_block2.h - an answer that comes in blocks is put together: RFC 7959 as a client, Block2.
 *
 * Only for the steps whose answer matters, that is the last one of a batch that `continues`. The
 * answer of any other Discover or Read is accepted with its first block: a GET changes nothing in
 * the device, and nobody would read the rest (RFC 7959 leaves the device no duty to be relieved
 * of).
 *
 * The first request asks for no block unless records are small; then each further one names the
 * next block in the size that the device chose, and the device may choose a smaller one at any
 * time. One mistake a step is forgiven: a block that was not asked for is asked for again, and a
 * representation that changed (ETag, 4.08) is fetched from its start again.
 *
 * Owner: the session. Pure, nothing allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_block.h"
#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/tables/answer_pool.h"
#include "tasks/batch.h"

enum block2_verdict {
	BLOCK2_WHOLE,    /* the answer is complete */
	BLOCK2_AGAIN,    /* ask for the block at the (new) offset */
	BLOCK2_BROKEN,   /* the reply makes no sense in this transfer */
	BLOCK2_TOO_LONG, /* longer than `capacity` */
};

/* Whether the request of this step names a block. */
static inline bool
block2_wanted(const struct block_place *place, const struct batch_step *step)
{
	return step->code == COAP_GET &&
	       (place->offset || place->restarted || place->answer_szx < COAP_SZX_MAX);
}

struct coap_block block2_due(const struct block_place *place);

/* Takes a 2.05 to the request that is out: appends its block to `answer`, which holds at most
 * `capacity` bytes, and moves on. */
enum block2_verdict block2_take(struct block_place *place, struct answer *answer, uint32_t capacity,
				const struct coap_msg *msg, const struct coap_options_seen *seen);

/* Takes any other reply; true: the device has lost the transfer, which starts over, once. */
bool block2_lost(struct block_place *place, struct answer *answer, uint8_t code);
