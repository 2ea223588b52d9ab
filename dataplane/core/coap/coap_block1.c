#include "dataplane/core/coap/coap_block1.h"

enum { SZX_SMALL_DEVICE = 4 };

struct coap_block
block1_due(const struct block_place *block, const struct batch_step *step)
{
	uint32_t size = coap_block_size(block->szx);

	return (struct coap_block){
		.num = block->offset / size,
		.more = step->payload_len - block->offset > size,
		.szx = block->szx,
	};
}

uint32_t
block1_len(const struct block_place *block, const struct batch_step *step)
{
	uint32_t left = step->payload_len - block->offset;
	uint32_t size = coap_block_size(block->szx);

	return left < size ? left : size;
}

bool
block1_shrink(struct block_place *block, const struct batch_step *step)
{
	uint32_t out = block1_len(block, step);
	uint8_t szx = block->szx;

	while (szx > SZX_SMALL_DEVICE && coap_block_size(szx) >= out)
		szx--;
	if (coap_block_size(szx) >= out)
		return false;
	block->szx = szx;
	return true;
}

/* The option of the reply; false when there is none that can be read. */
static bool
reply_block(const struct coap_options_seen *seen, struct coap_block *answer)
{
	return (seen->has & COAP_HAS_BLOCK1) && coap_block_decode(seen->block1, answer) == 0;
}

/*
 * The device can't take that much at once. Its hint counts where it would cut this payload. Without
 * one, 4.13 to a request that went whole is a hint to try blocks (RFC 7959 2.9.3): of 256 bytes,
 * which small devices are built for, or of less where that cuts nothing; unless Size1 says that the
 * whole is too much in any case.
 */
static bool
smaller_size(const struct block_place *block, const struct batch_step *step,
	     const struct coap_options_seen *seen, uint8_t *szx)
{
	struct coap_block hint;

	if (seen->has & COAP_HAS_BLOCK1) {
		*szx = reply_block(seen, &hint) ? hint.szx : COAP_SZX_MAX;
	} else if (block1_needed(block, step) ||
		   ((seen->has & COAP_HAS_SIZE1) && seen->size1 < step->payload_len)) {
		return false;
	} else {
		*szx = SZX_SMALL_DEVICE;
		while (*szx && coap_block_size(*szx) >= step->payload_len)
			(*szx)--;
	}
	return *szx < block->szx && coap_block_size(*szx) < step->payload_len;
}

/* 4.13: from the start in smaller blocks. Each time the size falls, so this ends. */
static enum block1_verdict
restart_smaller(struct block_place *block, const struct batch_step *step,
		const struct coap_options_seen *seen)
{
	uint8_t szx;

	if (!smaller_size(block, step, seen, &szx))
		return BLOCK1_FINAL;
	block->szx = szx;
	block->offset = 0;
	return BLOCK1_AGAIN;
}

/* 4.08: a block is missing on the device's side (RFC 7959 2.9.2). Once may be loss, twice is no
 * accident. */
static enum block1_verdict
restart_once(struct block_place *block)
{
	if (block->restarted)
		return BLOCK1_FINAL;
	block->restarted = true;
	block->offset = 0;
	return BLOCK1_AGAIN;
}

/*
 * A block that is not the last was taken. The number must be that of our block, in our size or in
 * the one the device chose; a larger size is not ours to use (RFC 7959 2.5). 2.31 without the
 * option is taken as agreement.
 */
static enum block1_verdict
advance(struct block_place *block, const struct coap_options_seen *seen)
{
	uint32_t size = coap_block_size(block->szx);
	struct coap_block answer;

	if (reply_block(seen, &answer)) {
		if (answer.num != block->offset / size &&
		    (uint64_t)answer.num * coap_block_size(answer.szx) != block->offset)
			return BLOCK1_REFUSED;
		if (answer.szx < block->szx)
			block->szx = answer.szx;
	} else if (seen->has & COAP_HAS_BLOCK1) {
		return BLOCK1_REFUSED;
	}
	block->offset += size;
	return BLOCK1_AGAIN;
}

enum block1_verdict
block1_reply(struct block_place *block, const struct batch_step *step, uint8_t code, bool accepted,
	     const struct coap_options_seen *seen)
{
	bool more = block1_needed(block, step) && block1_due(block, step).more;

	if (code == COAP_REQUEST_ENTITY_TOO_LARGE)
		return restart_smaller(block, step, seen);
	if (code == COAP_REQUEST_ENTITY_INCOMPLETE && block1_needed(block, step))
		return restart_once(block);
	if (!more)
		return BLOCK1_FINAL;
	/* A device that acts on each block by itself answers its final code with the option (RFC
	 * 7959 2.3). */
	if (code == COAP_CONTINUE || (accepted && (seen->has & COAP_HAS_BLOCK1)))
		return advance(block, seen);
	return coap_code_class(code) == COAP_CLASS_SUCCESS ? BLOCK1_REFUSED : BLOCK1_FINAL;
}
