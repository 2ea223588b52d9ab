/*
 * coap_defs.h - the constants of CoAP: RFC 7252 and what a bootstrap server needs of RFC 7959 and
 * RFC 7641. The numbers that go into a batch, too, stand in coap_numbers.h.
 */
#pragma once

#include <stdint.h>

#include "tasks/coap_numbers.h"

/*
 * A message (RFC 7252 3):
 *
 *	 0                   1                   2                   3
 *	+---+---+-------+---------------+-------------------------------+
 *	|Ver| T |  TKL  |      Code     |          Message ID           |
 *	+---+---+-------+---------------+-------------------------------+
 *	| Token (TKL bytes) ...
 *	| Options, delta-encoded ...
 *	|1 1 1 1 1 1 1 1| Payload (at least one byte) ...
 */
enum {
	COAP_VERSION = 1,
	COAP_HEADER_LEN = 4,
	COAP_TOKEN_MAX = 8,
	COAP_PAYLOAD_MARKER = 0xff,
	COAP_OPTION_EXT8 = 13,  /* nibble: one byte follows, value - 13 (RFC 7252 3.1) */
	COAP_OPTION_EXT16 = 14, /* nibble: two bytes follow, value - 269 */
	COAP_OPTION_EXT_RESERVED = 15,
	COAP_OPTION_EXT16_BASE = 269,
	COAP_OPTION_NUMBER_MAX = 65535,
	COAP_OPTION_LEN_MAX = 65535 + COAP_OPTION_EXT16_BASE, /* the most that the wire can say */
};

enum coap_type { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

enum coap_class {
	COAP_CLASS_METHOD = 0,
	COAP_CLASS_SUCCESS = 2,
	COAP_CLASS_CLIENT_ERROR = 4,
	COAP_CLASS_SERVER_ERROR = 5,
	/* 1, 6 and 7 are reserved (RFC 7252 3) */
};

/* No Content-Format: 65000 to 65535 are for experiments (RFC 7252 12.3), nobody sends this one. */
enum { COAP_FORMAT_NONE = 0xffff };

/* Block-wise transfer (RFC 7959 2.2). */
enum {
	COAP_SZX_MAX = 6,             /* 7 is reserved */
	COAP_BLOCK_MAX = 1024,        /* 2^(6 + 4) */
	COAP_BLOCK_NUM_MAX = 1048575, /* 20 bits */
};

/* Transmission parameters and the times derived from them (RFC 7252 4.8, 4.8.2). */
enum {
	COAP_ACK_TIMEOUT_MS = 2000,
	COAP_ACK_RANDOM_FACTOR_PERCENT = 150,
	COAP_MAX_RETRANSMIT = 4,
	COAP_NSTART = 1,
	COAP_DEFAULT_LEISURE_MS = 5000,
	COAP_PROBING_RATE = 1, /* byte a second */
	COAP_MAX_TRANSMIT_SPAN_MS = 45000,
	COAP_MAX_TRANSMIT_WAIT_MS = 93000,
	COAP_MAX_LATENCY_MS = 100000,
	COAP_PROCESSING_DELAY_MS = 2000,
	COAP_MAX_RTT_MS = 202000,
	COAP_EXCHANGE_LIFETIME_MS = 247000,
	COAP_NON_LIFETIME_MS = 145000,
};
