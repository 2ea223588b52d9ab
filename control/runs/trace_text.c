#include "control/runs/trace_text.h"

#include <string.h>

#include "control/address.h"
#include "control/runs/rejected_devices.h"
#include "tasks/content/encode.h"

enum { HEX_MAX = 64 }; /* bytes */

struct name {
	unsigned number;
	const char *name;
};

static const char *
find_name(const struct name *names, size_t n, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

static void
put_code(uint8_t code, struct text *out)
{
	static const struct name names[] = {
		{ COAP_GET, "GET" },
		{ COAP_POST, "POST" },
		{ COAP_PUT, "PUT" },
		{ COAP_DELETE, "DELETE" },
		{ COAP_CREATED, "2.01 Created" },
		{ COAP_DELETED, "2.02 Deleted" },
		{ COAP_VALID, "2.03 Valid" },
		{ COAP_CHANGED, "2.04 Changed" },
		{ COAP_CONTENT, "2.05 Content" },
		{ COAP_CONTINUE, "2.31 Continue" },
		{ COAP_BAD_REQUEST, "4.00 Bad Request" },
		{ COAP_UNAUTHORIZED, "4.01 Unauthorized" },
		{ COAP_BAD_OPTION, "4.02 Bad Option" },
		{ COAP_FORBIDDEN, "4.03 Forbidden" },
		{ COAP_NOT_FOUND, "4.04 Not Found" },
		{ COAP_METHOD_NOT_ALLOWED, "4.05 Method Not Allowed" },
		{ COAP_NOT_ACCEPTABLE, "4.06 Not Acceptable" },
		{ COAP_REQUEST_ENTITY_INCOMPLETE, "4.08 Request Entity Incomplete" },
		{ COAP_PRECONDITION_FAILED, "4.12 Precondition Failed" },
		{ COAP_REQUEST_ENTITY_TOO_LARGE, "4.13 Request Entity Too Large" },
		{ COAP_UNSUPPORTED_CONTENT_FORMAT, "4.15 Unsupported Content-Format" },
		{ COAP_TOO_MANY_REQUESTS, "4.29 Too Many Requests" },
		{ COAP_INTERNAL_SERVER_ERROR, "5.00 Internal Server Error" },
		{ COAP_NOT_IMPLEMENTED, "5.01 Not Implemented" },
		{ COAP_BAD_GATEWAY, "5.02 Bad Gateway" },
		{ COAP_SERVICE_UNAVAILABLE, "5.03 Service Unavailable" },
		{ COAP_GATEWAY_TIMEOUT, "5.04 Gateway Timeout" },
		{ COAP_PROXYING_NOT_SUPPORTED, "5.05 Proxying Not Supported" },
	};
	const char *name = find_name(names, sizeof names / sizeof names[0], code);

	if (name)
		text_printf(out, " %s", name);
	else
		text_printf(out, " %u.%02u", code >> 5, code & 31U);
}

static const char *
format_name(unsigned format)
{
	static const struct name names[] = {
		{ FORMAT_TEXT, "text" },
		{ FORMAT_LINK, "link-format" },
		{ FORMAT_OPAQUE, "opaque" },
		{ FORMAT_CBOR, "CBOR" },
		{ FORMAT_SENML_JSON, "SenML JSON" },
		{ FORMAT_SENML_CBOR, "SenML CBOR" },
		{ FORMAT_TLV, "TLV" },
		{ FORMAT_LWM2M_CBOR, "LwM2M CBOR" },
	};
	const char *name = find_name(names, sizeof names / sizeof names[0], format);

	return name ? name : "unknown";
}

/* What the options say, taken apart: path and query come first in a line, the others behind. */
struct decoded {
	struct text path, query, others;
	int format;
};

static void
put_block(const char *name, uint32_t value, struct text *out)
{
	struct coap_block block;

	if (coap_block_decode(value, &block) == 0)
		text_printf(out, ", %s %u%s of %u bytes", name, block.num, block.more ? "+" : "",
			    coap_block_size(block.szx));
	else
		text_printf(out, ", %s malformed", name);
}

static void
put_hex(const uint8_t *bytes, size_t len, struct text *out)
{
	for (size_t i = 0; i < len; i++)
		text_printf(out, "%02x", bytes[i]);
}

static void
put_option(struct decoded *decoded, const struct coap_option *option)
{
	uint32_t number = coap_option_uint(option);

	switch (option->number) {
	case COAP_OPTION_URI_PATH:
		text_put(&decoded->path, "/", 1);
		text_put_untrusted(&decoded->path, option->value, option->len);
		break;
	case COAP_OPTION_URI_QUERY:
		text_put(&decoded->query, decoded->query.len ? "&" : "?", 1);
		text_put_untrusted(&decoded->query, option->value, option->len);
		break;
	case COAP_OPTION_CONTENT_FORMAT:
		decoded->format = number <= UINT16_MAX ? (int)number : -1;
		text_printf(&decoded->others, ", format %u (%s)", number, format_name(number));
		break;
	case COAP_OPTION_ACCEPT:
		text_printf(&decoded->others, ", accept %u (%s)", number, format_name(number));
		break;
	case COAP_OPTION_BLOCK1:
		put_block("block1", number, &decoded->others);
		break;
	case COAP_OPTION_BLOCK2:
		put_block("block2", number, &decoded->others);
		break;
	case COAP_OPTION_SIZE1:
	case COAP_OPTION_SIZE2:
		text_printf(&decoded->others, ", size%u %u",
			    option->number == COAP_OPTION_SIZE1 ? 1U : 2U, number);
		break;
	case COAP_OPTION_ETAG:
		text_printf(&decoded->others, ", etag ");
		put_hex(option->value, option->len, &decoded->others);
		break;
	case COAP_OPTION_MAX_AGE:
		text_printf(&decoded->others, ", max-age %u s", number);
		break;
	default:
		text_printf(&decoded->others, ", option %u of %u bytes", option->number,
			    option->len);
	}
}

static void
decode(const struct coap_msg *msg, struct decoded *decoded)
{
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;

	*decoded = (struct decoded){ .format = -1 };
	text_init(&decoded->path);
	text_init(&decoded->query);
	text_init(&decoded->others);
	while (coap_option_next(&iter, &option))
		put_option(decoded, &option);
	if (!decoded->path.len && coap_code_class(msg->header.code) == COAP_CLASS_METHOD &&
	    msg->header.code != COAP_EMPTY)
		text_put(&decoded->path, "/", 1);
}

/*
 * What is made for people to read, or holds paths alone, is shown as it is: the links of a Discover,
 * and why a device refuses (RFC 7252 5.5.2).
 */
static bool
is_text(const struct trace_payload *payload)
{
	return payload->format == FORMAT_LINK ||
	       (payload->format < 0 && coap_code_class(payload->code) >= 4);
}

static void
put_payload(const struct trace_record *record, const struct coap_msg *msg,
	    const struct decoded *decoded, trace_payload_formatter *formatter, void *ctx,
	    struct text *out)
{
	size_t missing = record->len > TRACE_BYTES ? (size_t)(record->len - TRACE_BYTES) : 0;
	const struct trace_payload payload = {
		.device = record->device,
		.code = msg->header.code,
		.path = text_str(&decoded->path),
		.step = record->step,
		.format = decoded->format,
		.bytes = msg->payload,
		.len = msg->payload_len,
		.whole = msg->payload_len + missing,
	};

	if (!msg->payload)
		return;
	text_printf(out, ", ");
	if (is_text(&payload)) {
		text_printf(out, "payload %zu bytes: ", payload.whole);
		text_put_untrusted(out, payload.bytes, payload.len);
	} else if (formatter) {
		formatter(ctx, &payload, out);
	} else {
		text_printf(out, "payload %zu bytes", payload.whole);
	}
}

static void
put_header(const struct coap_msg *msg, const struct decoded *decoded, struct text *out)
{
	static const char *const types[] = { "CON", "NON", "ACK", "RST" };
	const struct coap_header *header = &msg->header;

	text_printf(out, " %s", types[header->type & 3]);
	if (header->code != COAP_EMPTY)
		put_code(header->code, out);
	if (decoded->path.len)
		text_printf(out, " %s%s", text_str(&decoded->path), text_str(&decoded->query));
	text_printf(out, ", mid 0x%04x", header->mid);
	for (unsigned i = 0; i < header->token_len; i++)
		text_printf(out, i ? "%02x" : ", token %02x", header->token[i]);
	text_printf(out, "%s", text_str(&decoded->others));
}

/* Of ours every request belongs to a step, of the device's every answer. */
static bool
is_of_step(const struct trace_record *record, const struct coap_msg *msg)
{
	bool request = coap_code_class(msg->header.code) == COAP_CLASS_METHOD &&
		       msg->header.code != COAP_EMPTY;

	return record->step != TRACE_NO_STEP && request == (record->kind == TRACE_SENT);
}

static void
put_message(const struct trace_record *record, trace_payload_formatter *formatter, void *ctx,
	    struct text *out)
{
	size_t len = record->len < TRACE_BYTES ? record->len : TRACE_BYTES;
	struct decoded decoded;
	struct coap_msg msg;
	enum coap_parsed parsed = coap_parse(record->bytes, len, &msg);

	text_printf(out, record->kind == TRACE_RECEIVED ? " ->" : " <-");
	if (parsed > COAP_IS_PING) {
		text_printf(out, " %u bytes that are no CoAP message%s", record->len,
			    record->len > TRACE_BYTES ? ", as far as they are kept" : "");
		if (len)
			text_printf(out, ": ");
		put_hex(record->bytes, len < HEX_MAX ? len : HEX_MAX, out);
		if (len > HEX_MAX)
			text_printf(out, "...");
		return;
	}
	decode(&msg, &decoded);
	put_header(&msg, &decoded, out);
	if (is_of_step(record, &msg))
		text_printf(out, ", step %u", record->step + 1U);
	put_payload(record, &msg, &decoded, formatter, ctx, out);
	text_fini(&decoded.path);
	text_fini(&decoded.query);
	text_fini(&decoded.others);
}

/* As IANA registers them (TLS Cipher Suites). */
static const char *
suite_name(unsigned suite)
{
	static const struct name names[] = {
		{ 0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256" },
		{ 0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8" },
		{ 0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" },
		{ 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
		{ 0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" },
		{ 0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" },
	};
	const char *name = find_name(names, sizeof names / sizeof names[0], suite);

	return name ? name : "an unknown suite";
}

static void
put_associated(const struct trace_record *record, struct text *out)
{
	text_printf(out, " -- DTLS handshake finished");
	if (record->len == 2)
		text_printf(out, ", %s", suite_name(record->bytes[0] * 256U + record->bytes[1]));
}

void
trace_text_put(const struct trace_record *record, trace_payload_formatter *formatter, void *ctx,
	       struct text *out)
{
	char peer[ADDRESS_TEXT_MAX];

	address_format_peer(&record->peer, peer);
	text_printf(out, "%s", peer);
	switch ((enum trace_kind)record->kind) {
	case TRACE_RECEIVED:
	case TRACE_SENT:
		put_message(record, formatter, ctx, out);
		return;
	case TRACE_HANDSHAKE_FAILED:
		text_printf(out,
			    " -- DTLS handshake failed: its key is another one, or it fell silent");
		return;
	case TRACE_HANDSHAKE_REFUSED:
		text_printf(out, " -- DTLS handshake refused: %s; %s",
			    rejected_verdict(record->bytes[0]),
			    rejected_verdict_remedy(record->bytes[0]));
		return;
	case TRACE_ASSOCIATED:
		put_associated(record, out);
		return;
	case TRACE_ASSOCIATION_ENDED:
		text_printf(out, " -- DTLS association ended by the device");
		return;
	case TRACE_DATAGRAM_IN:
	case TRACE_DATAGRAM_OUT:
	case TRACE_SECRET:
		return; /* for a file, not for eyes (capture_file.h) */
	}
}
