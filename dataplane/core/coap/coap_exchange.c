#include "dataplane/core/coap/coap_exchange.h"

#include <string.h>

#include "dataplane/core/coap/coap_block1.h"
#include "dataplane/core/coap/coap_block2.h"

void
exchange_open(struct exchange *exchange, uint16_t mid)
{
	*exchange = (struct exchange){ .mid = mid };
	block_init(&exchange->block);
}

void
exchange_restart(struct exchange *exchange)
{
	exchange->n_acked = 0;
	block_init(&exchange->block);
}

/* ACK_TIMEOUT times a factor between 1 and ACK_RANDOM_FACTOR (RFC 7252 4.2); saturates. */
static uint32_t
first_wait(const struct exchange_timing *timing, uint32_t random)
{
	uint32_t percent = timing->ack_random_percent > 100 ? timing->ack_random_percent - 100 : 0;
	uint64_t spread = (uint64_t)timing->ack_timeout_us * percent / 100;
	uint64_t wait;

	if (spread > UINT32_MAX)
		spread = UINT32_MAX;
	wait = timing->ack_timeout_us + (spread * random >> 32);
	return wait > UINT32_MAX ? UINT32_MAX : (uint32_t)wait;
}

void
exchange_begin(struct exchange *exchange, const struct exchange_timing *timing,
	       const uint8_t random[EXCHANGE_RANDOM_LEN])
{
	uint32_t jitter;

	memcpy(exchange->token, random, EXCHANGE_TOKEN_LEN);
	memcpy(&jitter, random + EXCHANGE_TOKEN_LEN, sizeof jitter);
	exchange->mid++;
	exchange->retransmits_left =
		(uint8_t)(timing->max_retransmit < UINT8_MAX ? timing->max_retransmit : UINT8_MAX);
	exchange->timeout_us = first_wait(timing, jitter);
}

void
exchange_back_off(struct exchange *exchange)
{
	exchange->retransmits_left--;
	exchange->timeout_us =
		exchange->timeout_us > UINT32_MAX / 2 ? UINT32_MAX : exchange->timeout_us * 2;
}

void
exchange_write(const struct exchange *exchange, const struct batch_step *step,
	       struct writer *writer)
{
	struct coap_header header = { .type = COAP_CON,
				      .code = step->code,
				      .mid = exchange->mid,
				      .token_len = EXCHANGE_TOKEN_LEN };
	uint16_t last = step->last_option;
	uint32_t offset = 0;

	memcpy(header.token, exchange->token, EXCHANGE_TOKEN_LEN);
	coap_write_header(writer, &header);
	writer_bytes(writer, batch_step_options(step), step->options_len);
	if (block2_wanted(&exchange->block, step)) {
		struct coap_block due = block2_due(&exchange->block);

		/* The place is one in the answer: nothing of the step's own stands there. */
		coap_write_option_uint(writer, &last, COAP_OPTION_BLOCK2, coap_block_encode(&due));
		return;
	}
	if (block1_needed(&exchange->block, step)) {
		struct coap_block due = block1_due(&exchange->block, step);

		offset = exchange->block.offset;
		coap_write_option_uint(writer, &last, COAP_OPTION_BLOCK1, coap_block_encode(&due));
	}
	coap_write_payload(writer, batch_step_payload(step) + offset,
			   block1_len(&exchange->block, step));
}

static bool
token_is_ours(const struct exchange *exchange, const struct coap_header *header)
{
	return header->token_len == EXCHANGE_TOKEN_LEN &&
	       memcmp(header->token, exchange->token, EXCHANGE_TOKEN_LEN) == 0;
}

static bool
acked_before(const struct exchange *exchange, uint16_t mid)
{
	for (unsigned i = 0; i < exchange->n_acked; i++)
		if (exchange->acked[i] == mid)
			return true;
	return false;
}

static void
remember_acked(struct exchange *exchange, uint16_t mid)
{
	memmove(exchange->acked + 1, exchange->acked,
		sizeof exchange->acked - sizeof exchange->acked[0]);
	exchange->acked[0] = mid;
	if (exchange->n_acked < EXCHANGE_ACKED)
		exchange->n_acked++;
}

/* Piggybacked: message id and token must both be ours. Separate: the token alone tells (RFC 7252
 * 5.3.2), and it may come before the empty ACK, for which it then stands (5.2.2). */
static enum exchange_match
match_response(struct exchange *exchange, bool outstanding, const struct coap_header *header)
{
	if (outstanding && token_is_ours(exchange, header)) {
		if (header->type == COAP_ACK && header->mid != exchange->mid)
			return EXCHANGE_NONE;
		if (header->type == COAP_CON)
			remember_acked(exchange, header->mid);
		return EXCHANGE_REPLY;
	}
	if (header->type == COAP_CON && acked_before(exchange, header->mid))
		return EXCHANGE_COPY;
	return EXCHANGE_NONE;
}

enum exchange_match
exchange_match(struct exchange *exchange, bool outstanding, enum coap_parsed parsed,
	       const struct coap_header *header)
{
	if (parsed == COAP_IS_RESPONSE)
		return match_response(exchange, outstanding, header);
	if (!outstanding || header->mid != exchange->mid)
		return EXCHANGE_NONE;
	if (parsed == COAP_IS_ACK)
		return EXCHANGE_ACK;
	return parsed == COAP_IS_RESET ? EXCHANGE_RESET : EXCHANGE_NONE;
}

void
exchange_write_reply(struct writer *writer, const struct coap_header *request, uint8_t code,
		     uint32_t max_age_s, uint16_t non_mid)
{
	struct coap_header header = *request;
	uint16_t last = 0;

	header.type = request->type == COAP_CON ? COAP_ACK : COAP_NON;
	header.mid = request->type == COAP_CON ? request->mid : non_mid;
	header.code = code;
	coap_write_header(writer, &header);
	if (code == COAP_SERVICE_UNAVAILABLE)
		coap_write_option_uint(writer, &last, COAP_OPTION_MAX_AGE, max_age_s);
}
