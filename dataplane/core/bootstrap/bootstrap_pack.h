/*
 * bootstrap_pack.h - a Bootstrap-Pack goes out in blocks: RFC 7959 as a server, Block2.
 *
 * The pack is the payload of its batch's only step, made once for a run and held until the session
 * is over: so every block is cut from the same bytes, and the ETag, the run's number, names them.
 * The device asks for one block at a time, each with a message id and a token of its own, in any
 * order and in any size up to what its records take; nothing is stored but the place of the block
 * that was sent last, for a copy of its request.
 *
 * Source: OMA LwM2M Core TS 6.1.7.2, Transport TS 6.4.3; RFC 7959 2.4 (early negotiation), 4 (Size2).
 * Pure, nothing allocated, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_block.h"
#include "dataplane/core/coap/coap_msg.h"
#include "tasks/batch.h"

/* What is asked for, and which block of it. */
struct pack_request {
	const uint8_t *accounts; /* parameter `acc`, borrowed; NULL: none */
	uint8_t accounts_len;
	uint16_t format;         /* of Accept, or the default */
	struct coap_block block; /* 0/0/1024 where none is named */
	uint64_t digest;         /* same for every block of the same representation */
};

static inline const struct batch_step *
pack_step(const struct batch *batch)
{
	return batch->steps[0];
}

/* Whether a batch can be served as a pack. */
static inline bool
pack_is_sound(const struct batch *batch)
{
	return batch->pack && batch->n_steps == 1 && pack_step(batch)->payload_len > 0;
}

/*
 * Where the block lies that is asked for, no larger than the blocks of `size_max` (an SZX). False:
 * beyond the end, and the place is unchanged.
 */
bool pack_seek(struct block_place *place, const struct batch *batch, const struct coap_block *block,
	       uint8_t size_max);

/* Nothing is left behind the block at this place. */
bool pack_at_end(const struct block_place *place, const struct batch *batch);

/* The block at this place, as a reply to the request of this header. */
void pack_write(struct writer *writer, const struct coap_header *request, const struct batch *batch,
		const struct block_place *place, uint32_t etag);
