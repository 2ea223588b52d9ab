#include "dataplane/core/coap/coap_block2.h"

#include <string.h>

struct coap_block
block2_due(const struct block_place *place)
{
	return (struct coap_block){
		.num = place->offset / coap_block_size(place->answer_szx),
		.szx = place->answer_szx,
	};
}

static void
start_over(struct block_place *place, struct answer *answer)
{
	place->offset = 0;
	place->restarted = true;
	answer->len = 0;
}

/* The place stays where it is, or goes back to the start; the second mistake ends it. */
static enum block2_verdict
forgive(struct block_place *place, struct answer *answer, bool from_start)
{
	if (place->restarted)
		return BLOCK2_BROKEN;
	place->restarted = true;
	if (from_start)
		start_over(place, answer);
	return BLOCK2_AGAIN;
}

static void
remember_first(struct answer *answer, const struct coap_options_seen *seen)
{
	answer->len = 0;
	answer->format = seen->has & COAP_HAS_CONTENT_FORMAT ? seen->content_format
							     : (uint16_t)COAP_FORMAT_NONE;
	answer->etag_len = seen->has & COAP_HAS_ETAG ? (uint8_t)seen->etag.len : 0;
	if (answer->etag_len)
		memcpy(answer->etag, seen->etag.value, answer->etag_len);
}

/* Devices that send an ETag with the first block only are taken at their word. */
static bool
same_representation(const struct answer *answer, const struct coap_options_seen *seen)
{
	if (!(seen->has & COAP_HAS_ETAG) || answer->etag_len == 0)
		return true;
	return seen->etag.len == answer->etag_len &&
	       memcmp(answer->etag, seen->etag.value, answer->etag_len) == 0;
}

static bool
append(struct answer *answer, uint32_t capacity, const struct coap_msg *msg)
{
	if (msg->payload_len > capacity - answer->len)
		return false;
	if (msg->payload_len)
		memcpy(answer->bytes + answer->len, msg->payload, msg->payload_len);
	answer->len += (uint32_t)msg->payload_len;
	return true;
}

/* A reply without the option is the whole representation, whatever was asked for (RFC 7959 2.4). */
static enum block2_verdict
take_whole(struct block_place *place, struct answer *answer, uint32_t capacity,
	   const struct coap_msg *msg, const struct coap_options_seen *seen)
{
	place->offset = 0;
	remember_first(answer, seen);
	return append(answer, capacity, msg) ? BLOCK2_WHOLE : BLOCK2_TOO_LONG;
}

/* The block that was asked for. All but the last are full (RFC 7959 2.2). */
static enum block2_verdict
take_block(struct block_place *place, struct answer *answer, uint32_t capacity,
	   const struct coap_msg *msg, const struct coap_block *block)
{
	uint32_t size = coap_block_size(block->szx);

	if (block->more ? msg->payload_len != size : msg->payload_len > size)
		return BLOCK2_BROKEN;
	if (!append(answer, capacity, msg))
		return BLOCK2_TOO_LONG;
	place->offset = answer->len;
	if (block->szx < place->answer_szx)
		place->answer_szx = block->szx;
	return block->more ? BLOCK2_AGAIN : BLOCK2_WHOLE;
}

enum block2_verdict
block2_take(struct block_place *place, struct answer *answer, uint32_t capacity,
	    const struct coap_msg *msg, const struct coap_options_seen *seen)
{
	struct coap_block block;

	if (!(seen->has & COAP_HAS_BLOCK2))
		return take_whole(place, answer, capacity, msg, seen);
	if (coap_block_decode(seen->block2, &block) != 0)
		return BLOCK2_BROKEN;
	if ((uint64_t)block.num * coap_block_size(block.szx) != place->offset)
		return forgive(place, answer, false);
	if (place->offset == 0)
		remember_first(answer, seen);
	else if (!same_representation(answer, seen))
		return forgive(place, answer, true);
	if ((seen->has & COAP_HAS_SIZE2) && seen->size2 > capacity)
		return BLOCK2_TOO_LONG;
	return take_block(place, answer, capacity, msg, &block);
}

bool
block2_lost(struct block_place *place, struct answer *answer, uint8_t code)
{
	if (code != COAP_REQUEST_ENTITY_INCOMPLETE || place->restarted)
		return false;
	start_over(place, answer);
	return true;
}
