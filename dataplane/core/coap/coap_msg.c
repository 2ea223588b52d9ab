#include "dataplane/core/coap/coap_msg.h"

#include <errno.h>

/* ---- parsing ---- */

/*
 * An option's delta or length: the nibble and the bytes it announces (RFC 7252 3.1). The caller has
 * refused nibble 15. At most 65535 + 269, so that neither sums nor comparisons can wrap in 32 bits.
 */
static uint32_t
read_extended(struct reader *reader, unsigned nibble)
{
	if (nibble == COAP_OPTION_EXT8)
		return COAP_OPTION_EXT8 + reader_u8(reader);
	if (nibble == COAP_OPTION_EXT16)
		return COAP_OPTION_EXT16_BASE + (uint32_t)reader_u16(reader);
	return nibble;
}

/* One option: true when it is sound, else *fault says why not. */
static bool
check_option(struct reader *reader, uint32_t *number, enum coap_parsed *fault)
{
	uint8_t first = reader_u8(reader);
	unsigned delta = first >> 4, len = first & 15;

	if (delta == COAP_OPTION_EXT_RESERVED || len == COAP_OPTION_EXT_RESERVED) {
		*fault = COAP_BAD_OPTION_RESERVED;
		return false;
	}
	*number += read_extended(reader, delta);
	reader_skip(reader, read_extended(reader, len));
	*fault = reader_ok(reader) ? COAP_BAD_OPTION_NUMBER : COAP_BAD_OPTION_CUT;
	return reader_ok(reader) && *number <= COAP_OPTION_NUMBER_MAX;
}

/* Options and payload: true when they are sound and msg has them, else *fault says why not. */
static bool
parse_body(struct reader *reader, struct coap_msg *msg, enum coap_parsed *fault)
{
	uint32_t number = 0;

	msg->options = reader->at;
	while (reader_left(reader) && reader_peek_u8(reader) != COAP_PAYLOAD_MARKER)
		if (!check_option(reader, &number, fault))
			return false;
	msg->options_len = (size_t)(reader->at - msg->options);
	if (!reader_left(reader))
		return true;
	reader_skip(reader, 1);
	msg->payload_len = reader_left(reader);
	msg->payload = reader_bytes(reader, msg->payload_len);
	*fault = COAP_BAD_PAYLOAD_EMPTY;
	return msg->payload_len > 0;
}

/* Code 0.00: nothing may follow the header (RFC 7252 4.1). */
static enum coap_parsed
parse_empty(const struct reader *reader, const struct coap_msg *msg)
{
	static const enum coap_parsed by_type[] = {
		[COAP_CON] = COAP_IS_PING,
		[COAP_NON] = COAP_BAD_EMPTY_NON,
		[COAP_ACK] = COAP_IS_ACK,
		[COAP_RST] = COAP_IS_RESET,
	};

	if (msg->header.token_len || reader_left(reader))
		return COAP_BAD_EMPTY_WITH_BYTES;
	return by_type[msg->header.type];
}

/* Which codes a type may carry (RFC 7252 4.2, 4.3), and which there are at all: 2.00 to 5.31 are
 * responses, class 3 too (12.1). */
static enum coap_parsed
check_code(const struct coap_header *header)
{
	unsigned class = coap_code_class(header->code);

	if (class == 1 || class > COAP_CLASS_SERVER_ERROR)
		return COAP_BAD_CLASS;
	if (header->type == COAP_RST)
		return COAP_BAD_RESET_NOT_EMPTY;
	if (class != COAP_CLASS_METHOD)
		return COAP_IS_RESPONSE;
	return header->type == COAP_ACK ? COAP_BAD_ACK_REQUEST : COAP_IS_REQUEST;
}

static enum coap_parsed
parse_full(struct reader *reader, struct coap_msg *msg)
{
	enum coap_parsed kind = check_code(&msg->header), fault;

	if (coap_is_malformed(kind))
		return kind;
	reader_copy(reader, msg->header.token, msg->header.token_len);
	if (!reader_ok(reader))
		return COAP_BAD_TOKEN_CUT;
	return parse_body(reader, msg, &fault) ? kind : fault;
}

enum coap_parsed
coap_parse(const uint8_t *bytes, size_t len, struct coap_msg *msg)
{
	struct reader reader = reader_init(bytes, len);
	uint8_t first;

	memset(msg, 0, sizeof *msg);
	if (len < COAP_HEADER_LEN)
		return COAP_IS_TOO_SHORT;
	first = reader_u8(&reader);
	if (first >> 6 != COAP_VERSION)
		return COAP_IS_OTHER_VERSION;
	msg->header.type = first >> 4 & 3;
	msg->header.code = reader_u8(&reader);
	msg->header.mid = reader_u16(&reader);
	if ((first & 15) > COAP_TOKEN_MAX)
		return COAP_BAD_TOKEN_LENGTH;
	msg->header.token_len = first & 15;
	return msg->header.code == COAP_EMPTY ? parse_empty(&reader, msg)
					      : parse_full(&reader, msg);
}

/* ---- options ---- */

struct coap_option_iter
coap_options(const struct coap_msg *msg)
{
	return (struct coap_option_iter){ .reader = reader_init(msg->options, msg->options_len) };
}

bool
coap_option_next(struct coap_option_iter *iter, struct coap_option *option)
{
	uint8_t first;
	uint32_t len;

	if (!reader_left(&iter->reader))
		return false;
	first = reader_u8(&iter->reader);
	iter->number += (uint16_t)read_extended(&iter->reader, first >> 4);
	len = read_extended(&iter->reader, first & 15);
	option->number = iter->number;
	option->len = len;
	option->value = reader_bytes(&iter->reader, len);
	return reader_ok(&iter->reader);
}

uint32_t
coap_option_uint(const struct coap_option *option)
{
	uint64_t value = 0;

	for (size_t i = 0; i < option->len; i++) {
		value = value << 8 | option->value[i];
		if (value > UINT32_MAX)
			return UINT32_MAX;
	}
	return (uint32_t)value;
}

enum rule_flag {
	RULE_REPEATABLE = 1,
	RULE_PROXY = 2,
};

struct option_rule {
	uint8_t flags;
	uint16_t min, max; /* bytes */
	bool known;
};

/* RFC 7252 5.10 table 4; RFC 7959 2.1 table 1 and 4; RFC 7641 2. What is not here is not
 * understood. */
enum { RULES = COAP_OPTION_SIZE1 + 1 };

static const struct option_rule rules[RULES] = {
	[COAP_OPTION_URI_HOST] = { 0, 1, 255, true },
	[COAP_OPTION_ETAG] = { RULE_REPEATABLE, 1, 8, true },
	[COAP_OPTION_OBSERVE] = { 0, 0, 3, true },
	[COAP_OPTION_URI_PORT] = { 0, 0, 2, true },
	[COAP_OPTION_LOCATION_PATH] = { RULE_REPEATABLE, 0, 255, true },
	[COAP_OPTION_URI_PATH] = { RULE_REPEATABLE, 0, 255, true },
	[COAP_OPTION_CONTENT_FORMAT] = { 0, 0, 2, true },
	[COAP_OPTION_MAX_AGE] = { 0, 0, 4, true },
	[COAP_OPTION_URI_QUERY] = { RULE_REPEATABLE, 0, 255, true },
	[COAP_OPTION_ACCEPT] = { 0, 0, 2, true },
	[COAP_OPTION_LOCATION_QUERY] = { RULE_REPEATABLE, 0, 255, true },
	[COAP_OPTION_BLOCK2] = { 0, 0, 3, true },
	[COAP_OPTION_BLOCK1] = { 0, 0, 3, true },
	[COAP_OPTION_SIZE2] = { 0, 0, 4, true },
	[COAP_OPTION_PROXY_URI] = { RULE_PROXY, 1, 1034, true },
	[COAP_OPTION_PROXY_SCHEME] = { RULE_PROXY, 1, 255, true },
	[COAP_OPTION_SIZE1] = { 0, 0, 4, true },
};

static const struct option_rule *
rule_of(uint16_t number)
{
	return number < RULES && rules[number].known ? &rules[number] : NULL;
}

/* Understood: known, of a fitting length, and not repeated where it may not be (RFC 7252 5.4.1, 5.4.3, 5.4.5). */
static bool
is_understood(const struct option_rule *rule, const struct coap_option *option, uint16_t previous)
{
	if (!rule || option->len < rule->min || option->len > rule->max)
		return false;
	return option->number != previous || rule->flags & RULE_REPEATABLE;
}

static void
note_option(struct coap_options_seen *seen, const struct coap_option *option)
{
	switch (option->number) {
	case COAP_OPTION_CONTENT_FORMAT:
		seen->content_format = (uint16_t)coap_option_uint(option);
		seen->has |= COAP_HAS_CONTENT_FORMAT;
		break;
	case COAP_OPTION_ACCEPT:
		seen->accept = (uint16_t)coap_option_uint(option);
		seen->has |= COAP_HAS_ACCEPT;
		break;
	case COAP_OPTION_BLOCK1:
		seen->block1 = coap_option_uint(option);
		seen->has |= COAP_HAS_BLOCK1;
		break;
	case COAP_OPTION_BLOCK2:
		seen->block2 = coap_option_uint(option);
		seen->has |= COAP_HAS_BLOCK2;
		break;
	case COAP_OPTION_SIZE1:
		seen->size1 = coap_option_uint(option);
		seen->has |= COAP_HAS_SIZE1;
		break;
	case COAP_OPTION_SIZE2:
		seen->size2 = coap_option_uint(option);
		seen->has |= COAP_HAS_SIZE2;
		break;
	case COAP_OPTION_MAX_AGE:
		seen->max_age = coap_option_uint(option);
		seen->has |= COAP_HAS_MAX_AGE;
		break;
	case COAP_OPTION_OBSERVE:
		seen->observe = coap_option_uint(option);
		seen->has |= COAP_HAS_OBSERVE;
		break;
	case COAP_OPTION_ETAG:
		if (!(seen->has & COAP_HAS_ETAG))
			seen->etag = *option;
		seen->has |= COAP_HAS_ETAG;
		break;
	default:
		break;
	}
}

enum coap_options_verdict
coap_options_check(const struct coap_msg *msg, struct coap_options_seen *seen)
{
	enum coap_options_verdict verdict = COAP_OPTIONS_FINE;
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;
	uint16_t previous = 0;

	memset(seen, 0, sizeof *seen);
	while (coap_option_next(&iter, &option)) {
		const struct option_rule *rule = rule_of(option.number);

		if (is_understood(rule, &option, previous)) {
			note_option(seen, &option);
			if (rule->flags & RULE_PROXY) {
				verdict = COAP_OPTIONS_PROXY;
				seen->refused = option.number;
			}
		} else if (option.number & 1) { /* critical: RFC 7252 5.4.6 */
			seen->refused = option.number;
			return COAP_OPTIONS_BAD;
		}
		previous = option.number;
	}
	return verdict;
}

bool
coap_path_is(const struct coap_msg *msg, const char *path)
{
	struct coap_option_iter iter = coap_options(msg);
	struct reader expected = reader_init(path, strlen(path));
	struct coap_option option;
	bool first = true;

	while (coap_option_next(&iter, &option)) {
		const uint8_t *segment;

		if (option.number != COAP_OPTION_URI_PATH)
			continue;
		if (!first && reader_u8(&expected) != '/')
			return false;
		segment = reader_bytes(&expected, option.len);
		if (!segment || memcmp(segment, option.value, option.len) != 0 ||
		    memchr(segment, '/', option.len))
			return false;
		first = false;
	}
	return reader_done(&expected) && first == (*path == '\0');
}

int
coap_block_decode(uint32_t value, struct coap_block *block)
{
	block->num = value >> 4;
	block->more = value >> 3 & 1;
	block->szx = value & 7;
	return block->szx <= COAP_SZX_MAX ? 0 : -EINVAL;
}

uint32_t
coap_block_encode(const struct coap_block *block)
{
	return block->num << 4 | (uint32_t)(block->more & 1) << 3 | (block->szx & 7);
}

/* ---- writing ---- */

void
coap_write_header(struct writer *writer, const struct coap_header *header)
{
	if (header->token_len > COAP_TOKEN_MAX) {
		writer_fail(writer);
		return;
	}
	writer_u8(writer, (uint8_t)(COAP_VERSION << 6 | header->type << 4 | header->token_len));
	writer_u8(writer, header->code);
	writer_u16(writer, header->mid);
	writer_bytes(writer, header->token, header->token_len);
}

static unsigned
extended_nibble(uint32_t value)
{
	if (value < COAP_OPTION_EXT8)
		return value;
	return value < COAP_OPTION_EXT16_BASE ? COAP_OPTION_EXT8 : COAP_OPTION_EXT16;
}

static void
write_extended(struct writer *writer, uint32_t value)
{
	if (value >= COAP_OPTION_EXT16_BASE)
		writer_u16(writer, (uint16_t)(value - COAP_OPTION_EXT16_BASE));
	else if (value >= COAP_OPTION_EXT8)
		writer_u8(writer, (uint8_t)(value - COAP_OPTION_EXT8));
}

void
coap_write_option(struct writer *writer, uint16_t *last, const struct coap_option *option)
{
	uint32_t delta = (uint32_t)option->number - *last;

	if (option->number < *last || option->len > COAP_OPTION_LEN_MAX) {
		writer_fail(writer);
		return;
	}
	writer_u8(writer, (uint8_t)(extended_nibble(delta) << 4 | extended_nibble(option->len)));
	write_extended(writer, delta);
	write_extended(writer, option->len);
	writer_bytes(writer, option->value, option->len);
	*last = option->number;
}

/* The shortest form: 0 is no byte at all (RFC 7252 3.2). */
void
coap_write_option_uint(struct writer *writer, uint16_t *last, uint16_t number, uint32_t value)
{
	uint8_t bytes[4];
	unsigned width = 0;

	while (width < sizeof bytes && value >> (8 * width))
		width++;
	cursor_store(bytes, value, width);
	coap_write_option(writer, last, &(struct coap_option){ number, width, bytes });
}

void
coap_write_option_text(struct writer *writer, uint16_t *last, uint16_t number, const char *text)
{
	struct coap_option option = { number, (uint32_t)strlen(text), (const uint8_t *)text };

	coap_write_option(writer, last, &option);
}

void
coap_write_payload(struct writer *writer, const void *payload, size_t len)
{
	if (!len)
		return;
	writer_u8(writer, COAP_PAYLOAD_MARKER);
	writer_bytes(writer, payload, len);
}

void
coap_write_empty(struct writer *writer, enum coap_type type, uint16_t mid)
{
	coap_write_header(writer, &(struct coap_header){ .type = type, .mid = mid });
}
