/*
 * coap_msg.h - one CoAP message from bytes, and to bytes (RFC 7252 3).
 *
 * Parsing copies the header and the token and borrows the rest: options and payload point into the
 * datagram. Every datagram has one outcome; whatever was known of type and message id is kept for a
 * Reset. Encoding writes through a writer: header, options in order, payload; ask writer_finish()
 * once at the end.
 *
 * Pure functions of their arguments: any thread; nothing allocates or blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/cursor.h"

struct coap_header {
	uint8_t type; /* enum coap_type */
	uint8_t code; /* enum coap_code, or any other that the peer made up */
	uint16_t mid;
	uint8_t token_len;
	uint8_t token[COAP_TOKEN_MAX]; /* bytes beyond token_len are 0 */
};

/* A parsed message: borrows from the datagram. */
struct coap_msg {
	struct coap_header header;
	const uint8_t *options; /* checked: coap_option_next() walks them without error */
	size_t options_len;
	const uint8_t *payload; /* NULL when there is none */
	size_t payload_len;
};

/*
 * What a datagram is. The first five are sound; then those without a usable header, to be ignored
 * always; the rest are message format errors (RFC 7252 3, 4.2, 4.3), whose type and message id are
 * known: coap_wants_reset().
 */
enum coap_parsed {
	COAP_IS_REQUEST,  /* CON or NON, class 0; maybe a method nobody knows: 4.05 */
	COAP_IS_RESPONSE, /* piggybacked in an ACK, or separate in a CON or NON */
	COAP_IS_ACK,      /* empty */
	COAP_IS_RESET,    /* empty */
	COAP_IS_PING,     /* empty CON: answered with Reset (RFC 7252 4.3) */

	COAP_IS_TOO_SHORT,     /* below four bytes */
	COAP_IS_OTHER_VERSION, /* not version 1: MUST be silently ignored (RFC 7252 3) */

	COAP_BAD_TOKEN_LENGTH,     /* 9 to 15 */
	COAP_BAD_TOKEN_CUT,        /* the datagram ends within the token */
	COAP_BAD_EMPTY_WITH_BYTES, /* code 0.00 with token, options or payload (RFC 7252 4.1) */
	COAP_BAD_EMPTY_NON,        /* a NON must not be empty (RFC 7252 4.3) */
	COAP_BAD_CLASS,            /* reserved: 1, 6, 7 */
	COAP_BAD_ACK_REQUEST,      /* an ACK carries a response or nothing (RFC 7252 4.2) */
	COAP_BAD_RESET_NOT_EMPTY,  /* a Reset must be empty (RFC 7252 4.2) */
	COAP_BAD_OPTION_RESERVED,  /* nibble 15 in an option that is no payload marker */
	COAP_BAD_OPTION_CUT,       /* the datagram ends within an option */
	COAP_BAD_OPTION_NUMBER,    /* deltas add up to more than 65535 */
	COAP_BAD_PAYLOAD_EMPTY,    /* a payload marker and nothing behind it */
};

/*
 * Parses a whole datagram. For COAP_IS_TOO_SHORT and COAP_IS_OTHER_VERSION *msg is all zero; for
 * COAP_BAD_* its header's type, code and mid are set, the rest may be partial and must not be used.
 */
enum coap_parsed coap_parse(const uint8_t *bytes, size_t len, struct coap_msg *msg)
	__attribute__((warn_unused_result));

static inline bool
coap_is_malformed(enum coap_parsed parsed)
{
	return parsed >= COAP_BAD_TOKEN_LENGTH;
}

/* A malformed CON and a ping are answered with Reset; a malformed NON, ACK or Reset is ignored (RFC
 * 7252 4.2, 4.3). */
static inline bool
coap_wants_reset(enum coap_parsed parsed, const struct coap_msg *msg)
{
	return parsed == COAP_IS_PING ||
	       (coap_is_malformed(parsed) && msg->header.type == COAP_CON);
}

static inline unsigned
coap_code_class(uint8_t code)
{
	return code >> 5;
}

static inline bool
coap_token_equal(const struct coap_header *a, const struct coap_header *b)
{
	return a->token_len == b->token_len && memcmp(a->token, b->token, a->token_len) == 0;
}

/* ---- options ---- */

struct coap_option {
	uint16_t number;
	uint32_t len;
	const uint8_t *value;
};

struct coap_option_iter {
	struct reader reader;
	uint16_t number;
};

/* Over the options of a message that coap_parse() found sound, in the order of their numbers. */
struct coap_option_iter coap_options(const struct coap_msg *msg);
/* False: there are no more. */
bool coap_option_next(struct coap_option_iter *iter, struct coap_option *option);

/* An option of format uint (RFC 7252 3.2): leading zeros are accepted; 0xffffffff above four
 * significant bytes. */
uint32_t coap_option_uint(const struct coap_option *option);

/* Options that occur at most once, and what they said. */
enum coap_option_bit {
	COAP_HAS_CONTENT_FORMAT = 1 << 0,
	COAP_HAS_ACCEPT = 1 << 1,
	COAP_HAS_BLOCK1 = 1 << 2,
	COAP_HAS_BLOCK2 = 1 << 3,
	COAP_HAS_SIZE1 = 1 << 4,
	COAP_HAS_SIZE2 = 1 << 5,
	COAP_HAS_MAX_AGE = 1 << 6,
	COAP_HAS_OBSERVE = 1 << 7,
	COAP_HAS_ETAG = 1 << 8,
};

struct coap_options_seen {
	uint16_t has; /* COAP_HAS_*: only then its value below counts */
	uint16_t content_format, accept;
	uint16_t refused; /* the option that made the verdict, else 0 */
	uint32_t block1, block2, size1, size2, max_age, observe;
	struct coap_option etag; /* the first one; borrowed */
};

enum coap_options_verdict {
	COAP_OPTIONS_FINE,
	/* A critical option is unknown, repeated or of a wrong length (RFC 7252 5.4.1, 5.4.3, 5.4.5):
	 * CON request: 4.02; NON request and response: rejected. */
	COAP_OPTIONS_BAD,
	/* Proxy-Uri or Proxy-Scheme, everything else being fine: 5.05 (RFC 7252 5.10.2). */
	COAP_OPTIONS_PROXY,
};

/*
 * Holds every option against the table of what we understand (RFC 7252 5.10, RFC 7959 2.1).
 * Elective options that are unknown, of a wrong length or supernumerary are ignored. Conditional
 * requests are not understood: If-Match and If-None-Match count as unknown critical options.
 */
enum coap_options_verdict coap_options_check(const struct coap_msg *msg,
					     struct coap_options_seen *seen)
	__attribute__((warn_unused_result));

/* True when the Uri-Path options, joined by '/', are exactly `path` ("bs", "a/b/bs"); "" is the
 * root. A segment that holds a '/' itself matches nothing. */
bool coap_path_is(const struct coap_msg *msg, const char *path);

struct coap_block {
	uint32_t num;
	uint8_t more; /* 0 or 1 */
	uint8_t szx;
};

/* 0; -EINVAL when SZX is 7, which is reserved: 4.00 (RFC 7959 2.2). */
int coap_block_decode(uint32_t value, struct coap_block *block) __attribute__((warn_unused_result));
uint32_t coap_block_encode(const struct coap_block *block);

static inline uint32_t
coap_block_size(uint8_t szx)
{
	return 16u << szx;
}

/* ---- writing ---- */

/* The four bytes and the token. A token_len above 8 fails the writer. */
void coap_write_header(struct writer *writer, const struct coap_header *header);

/*
 * Appends an option. *last is the number of the option before, 0 at the beginning, and is moved on;
 * a number below it fails the writer: the wire has no way to say it.
 */
void coap_write_option(struct writer *writer, uint16_t *last, const struct coap_option *option);
void coap_write_option_uint(struct writer *writer, uint16_t *last, uint16_t number, uint32_t value);
void coap_write_option_text(struct writer *writer, uint16_t *last, uint16_t number,
			    const char *text);

/* The marker and `len` bytes; nothing at all when `len` is 0 (RFC 7252 3). */
void coap_write_payload(struct writer *writer, const void *payload, size_t len);

/* An empty message of four bytes: ACK, Reset (pong) or, as a CON, a ping. */
void coap_write_empty(struct writer *writer, enum coap_type type, uint16_t mid);
