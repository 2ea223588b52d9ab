/*
 * coap_defs.h - the constants of CoAP: RFC 7252 and what a bootstrap server needs of RFC 7959 and
 * RFC 7641.
 */
#pragma once

#include <stdint.h>

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

/* Codes as they go over the wire: class in the upper three bits, detail below (RFC 7252 12.1). */
#define COAP_CODE(class_, detail) ((class_) << 5 | (detail))

enum coap_code {
	COAP_EMPTY = COAP_CODE(0, 0),

	/* RFC 7252 12.1.1 */
	COAP_GET = COAP_CODE(0, 1),
	COAP_POST = COAP_CODE(0, 2),
	COAP_PUT = COAP_CODE(0, 3),
	COAP_DELETE = COAP_CODE(0, 4),

	/* RFC 7252 12.1.2 */
	COAP_CREATED = COAP_CODE(2, 1),
	COAP_DELETED = COAP_CODE(2, 2),
	COAP_VALID = COAP_CODE(2, 3),
	COAP_CHANGED = COAP_CODE(2, 4),
	COAP_CONTENT = COAP_CODE(2, 5),
	COAP_CONTINUE = COAP_CODE(2, 31), /* RFC 7959 2.9.1 */
	COAP_BAD_REQUEST = COAP_CODE(4, 0),
	COAP_UNAUTHORIZED = COAP_CODE(4, 1),
	COAP_BAD_OPTION = COAP_CODE(4, 2),
	COAP_FORBIDDEN = COAP_CODE(4, 3),
	COAP_NOT_FOUND = COAP_CODE(4, 4),
	COAP_METHOD_NOT_ALLOWED = COAP_CODE(4, 5),
	COAP_NOT_ACCEPTABLE = COAP_CODE(4, 6),
	COAP_REQUEST_ENTITY_INCOMPLETE = COAP_CODE(4, 8), /* RFC 7959 2.9.2 */
	COAP_PRECONDITION_FAILED = COAP_CODE(4, 12),
	COAP_REQUEST_ENTITY_TOO_LARGE = COAP_CODE(4, 13),
	COAP_UNSUPPORTED_CONTENT_FORMAT = COAP_CODE(4, 15),
	COAP_TOO_MANY_REQUESTS = COAP_CODE(4, 29), /* RFC 8516 */
	COAP_INTERNAL_SERVER_ERROR = COAP_CODE(5, 0),
	COAP_NOT_IMPLEMENTED = COAP_CODE(5, 1),
	COAP_BAD_GATEWAY = COAP_CODE(5, 2),
	COAP_SERVICE_UNAVAILABLE = COAP_CODE(5, 3),
	COAP_GATEWAY_TIMEOUT = COAP_CODE(5, 4),
	COAP_PROXYING_NOT_SUPPORTED = COAP_CODE(5, 5),
};

enum coap_class {
	COAP_CLASS_METHOD = 0,
	COAP_CLASS_SUCCESS = 2,
	COAP_CLASS_CLIENT_ERROR = 4,
	COAP_CLASS_SERVER_ERROR = 5,
	/* 1, 6 and 7 are reserved (RFC 7252 3) */
};

/* Option numbers (RFC 7252 12.2). Odd numbers are critical (5.4.6). */
enum coap_option_number {
	COAP_OPTION_IF_MATCH = 1,
	COAP_OPTION_URI_HOST = 3,
	COAP_OPTION_ETAG = 4,
	COAP_OPTION_IF_NONE_MATCH = 5,
	COAP_OPTION_OBSERVE = 6, /* RFC 7641 2 */
	COAP_OPTION_URI_PORT = 7,
	COAP_OPTION_LOCATION_PATH = 8,
	COAP_OPTION_URI_PATH = 11,
	COAP_OPTION_CONTENT_FORMAT = 12,
	COAP_OPTION_MAX_AGE = 14,
	COAP_OPTION_URI_QUERY = 15,
	COAP_OPTION_ACCEPT = 17,
	COAP_OPTION_LOCATION_QUERY = 20,
	COAP_OPTION_BLOCK2 = 23, /* RFC 7959 2.1 */
	COAP_OPTION_BLOCK1 = 27, /* RFC 7959 2.1 */
	COAP_OPTION_SIZE2 = 28,  /* RFC 7959 4 */
	COAP_OPTION_PROXY_URI = 35,
	COAP_OPTION_PROXY_SCHEME = 39,
	COAP_OPTION_SIZE1 = 60,
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
