/*
 * coap_block1.h - our large requests go out in blocks: RFC 7959 as a client, Block1.
 *
 * Nothing of a transfer is stored but its place, since a batch's step is immutable and any block
 * can be cut from it again. The block size that a device asks for is kept for its later steps.
 *
 *	size  16 << szx
 *	num   offset / size      (a smaller size in a reply rescales it: RFC 7959 2.5)
 *
 * Owner: the session. Pure, nothing allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_block.h"
#include "dataplane/core/coap/coap_msg.h"
#include "tasks/batch.h"

enum block1_verdict {
	BLOCK1_FINAL,   /* the reply is about the whole step: judge its code */
	BLOCK1_AGAIN,   /* send the block at the (new) offset */
	BLOCK1_REFUSED, /* the reply makes no sense for a block: the step failed */
};

/* Whether the step goes out in blocks, and the block that is due. */
static inline bool
block1_needed(const struct block_place *block, const struct batch_step *step)
{
	return step->payload_len > coap_block_size(block->szx);
}

/*
 * For a device that answers nothing: smaller blocks from where the transfer stands, down to 256 bytes. Its buffer may be
 * too small for what is out, which it then never sees. False: that is small already.
 */
bool block1_shrink(struct block_place *block, const struct batch_step *step);

struct coap_block block1_due(const struct block_place *block, const struct batch_step *step);
/* Payload bytes of the block that is due; the whole payload where none are needed. */
uint32_t block1_len(const struct block_place *block, const struct batch_step *step);

/* Takes the reply to the block (or whole step) that is out, and moves on. `accepted`: its code is
 * one that the step accepts in the end. */
enum block1_verdict block1_reply(struct block_place *block, const struct batch_step *step,
				 uint8_t code, bool accepted, const struct coap_options_seen *seen);
