#include "dataplane/core/bootstrap/bootstrap_pack.h"

bool
pack_seek(struct block_place *place, const struct batch *batch, const struct coap_block *block,
	  uint8_t size_max)
{
	uint64_t offset = (uint64_t)block->num * coap_block_size(block->szx);

	if (offset >= pack_step(batch)->payload_len)
		return false;
	place->offset = (uint32_t)offset;
	place->answer_szx = block->szx < size_max ? block->szx : size_max;
	return true;
}

static uint32_t
bytes_from(const struct block_place *place, const struct batch *batch)
{
	return pack_step(batch)->payload_len - place->offset;
}

bool
pack_at_end(const struct block_place *place, const struct batch *batch)
{
	return bytes_from(place, batch) <= coap_block_size(place->answer_szx);
}

/* A pack that fits goes whole, without Block2, even if a block was named: the option in a request
 * for the first one is a hint (RFC 7959 2.4). Size2 comes once, with the first. */
static void
write_block_options(struct writer *writer, uint16_t last, const struct block_place *place,
		    const struct batch *batch)
{
	uint32_t size = coap_block_size(place->answer_szx);
	struct coap_block block = {
		.num = place->offset / size,
		.more = !pack_at_end(place, batch),
		.szx = place->answer_szx,
	};

	if (block.num == 0 && !block.more)
		return;
	coap_write_option_uint(writer, &last, COAP_OPTION_BLOCK2, coap_block_encode(&block));
	if (block.num == 0)
		coap_write_option_uint(writer, &last, COAP_OPTION_SIZE2,
				       pack_step(batch)->payload_len);
}

void
pack_write(struct writer *writer, const struct coap_header *request, const struct batch *batch,
	   const struct block_place *place, uint32_t etag)
{
	uint32_t size = coap_block_size(place->answer_szx), left = bytes_from(place, batch);
	struct coap_header reply = *request;
	uint8_t tag[sizeof etag];
	uint16_t last = 0;

	reply.type = COAP_ACK;
	reply.code = COAP_CONTENT;
	cursor_store(tag, etag, sizeof tag);
	coap_write_header(writer, &reply);
	coap_write_option(writer, &last,
			  &(struct coap_option){ COAP_OPTION_ETAG, sizeof tag, tag });
	coap_write_option_uint(writer, &last, COAP_OPTION_CONTENT_FORMAT, batch->format);
	write_block_options(writer, last, place, batch);
	coap_write_payload(writer, batch_step_payload(pack_step(batch)) + place->offset,
			   left < size ? left : size);
}
