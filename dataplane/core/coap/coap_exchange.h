/*
 * coap_exchange.h - one request of ours and its reply over lost, doubled and reordered datagrams
 * (RFC 7252 4, 5.2, 5.3).
 *
 * The server of a bootstrap is the client of its steps: it has one request outstanding (NSTART 1),
 * which is encoded anew from the batch's immutable step, a message id and a token each time it is
 * sent, so nothing of it is stored. The other direction needs one memory: the peer's last request,
 * to answer a copy of it as the original.
 *
 *	exchange_open()  when a session begins
 *	{ exchange_begin(), exchange_write(),
 *	  { exchange_back_off(), exchange_write() }*, exchange_match() }*
 *
 * Owner: the session. One thread. Neither allocates nor blocks; randomness and time are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_block.h"
#include "dataplane/core/coap/coap_msg.h"
#include "tasks/batch.h"

enum {
	/* RFC 7252 5.3.1: at least 32 random bits without DTLS. */
	EXCHANGE_TOKEN_LEN = 8,
	/* A copy of a separate response may come after later ones; devices have one or two in
	 * flight. */
	EXCHANGE_ACKED = 4,
	/* Random bytes of exchange_begin(): token and jitter. */
	EXCHANGE_RANDOM_LEN = EXCHANGE_TOKEN_LEN + 4,
};

struct exchange {
	uint8_t token[EXCHANGE_TOKEN_LEN];
	uint32_t timeout_us; /* the wait that runs now */
	uint16_t mid;        /* of the request that is out, or was last */
	uint8_t retransmits_left;
	uint8_t n_acked;
	uint16_t acked[EXCHANGE_ACKED]; /* message ids of the peer's last separate responses, newest
					 * first */
	struct block_place block;
};

/* The peer's request that this session answered or is about to: what a copy is compared with. */
struct exchange_request {
	uint64_t digest; /* keyed hash of the whole datagram */
	uint8_t token[COAP_TOKEN_MAX];
	uint16_t mid;
	uint8_t token_len;
	uint8_t reply_code; /* COAP_EMPTY: not answered yet */
} __attribute__((packed, aligned(4))); /* sessions have no room for gaps */

/* RFC 7252 4.8, as published by the control side. */
struct exchange_timing {
	uint32_t ack_timeout_us;
	uint32_t ack_random_percent; /* 150: the first wait is 1 to 1.5 times the timeout */
	uint32_t max_retransmit;
};

enum exchange_match {
	EXCHANGE_NONE, /* no request of ours is meant */
	EXCHANGE_ACK,  /* empty ACK: the response comes separately */
	EXCHANGE_RESET,
	EXCHANGE_REPLY, /* the response; a CON must be acknowledged */
	EXCHANGE_COPY,  /* a separate response taken before: acknowledge it again, nothing else (RFC
			 * 7252 4.2) */
};

/* MAX_TRANSMIT_WAIT (RFC 7252 4.8.2): from the first transmission until nothing is expected any more. */
static inline uint64_t
exchange_transmit_wait_us(uint32_t ack_timeout_us, uint32_t ack_random_percent,
			  uint32_t max_retransmit)
{
	uint32_t doublings = max_retransmit < 31 ? max_retransmit : 31;

	return (uint64_t)ack_timeout_us * ((UINT64_C(2) << doublings) - 1) / 100 *
	       ack_random_percent;
}

/* Forgets everything; message ids begin at `mid`, a random number. */
void exchange_open(struct exchange *exchange, uint16_t mid);
/* For a run of a device that may have rebooted: forgets what the peer's message ids meant, keeps
 * ours counting. */
void exchange_restart(struct exchange *exchange);

/* A new request: next message id, fresh token, first wait. */
void exchange_begin(struct exchange *exchange, const struct exchange_timing *timing,
		    const uint8_t random[EXCHANGE_RANDOM_LEN]);
/* One wait is over without ACK or reply and a retransmission is due: doubles the wait. Trap: only
 * while retransmits_left is not 0. */
void exchange_back_off(struct exchange *exchange);

/* The request that is out, as bytes: the step's, or the block of it, or of its answer, that is due.
 * Byte-equal each time. */
void exchange_write(const struct exchange *exchange, const struct batch_step *step,
		    struct writer *writer);

/* What an ACK, Reset or response means; `outstanding` tells whether a request is out. A CON
 * response that matches is remembered. */
enum exchange_match exchange_match(struct exchange *exchange, bool outstanding,
				   enum coap_parsed parsed, const struct coap_header *header);

/* A reply without content to the request of this header: piggybacked for a CON; for a NON, a NON
 * with message id `non_mid`. `max_age_s` is written with 5.03 (RFC 7252 5.9.3.4), else ignored. */
void exchange_write_reply(struct writer *writer, const struct coap_header *request, uint8_t code,
			  uint32_t max_age_s, uint16_t non_mid);
