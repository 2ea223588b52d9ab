/* What a device sends, and how it spoils that when told to. */
#include <string.h>

#include "dataplane/core/coap/coap_msg.h"
#include "tools/storm/device_internal.h"
#include "tools/storm/device_pack.h"
#include "tools/storm/random.h"

enum {
	MESSAGE_BYTES = 256,
	RECORD_CUT = 5, /* bytes missing from a truncated record */
	FRAGMENT_SPLIT = 200,
};

/* ---- datagrams ---- */

static struct storm_slot *
next_slot(struct storm_out *out)
{
	return out->n < STORM_OUT_MAX ? &out->slots[out->n++] : NULL;
}

static void
add_datagram(struct fleet *fleet, const struct device *device, const void *bytes, size_t len,
	     struct storm_out *out)
{
	struct storm_slot *slot = len && len <= STORM_DATAGRAM_MAX ? next_slot(out) : NULL;

	if (!slot)
		return;
	memcpy(slot->data, bytes, len);
	slot->len = (uint16_t)len;
	slot->rebound = device->rebound;
	fleet->tally.datagrams_sent++;
}

/* The datagram, and the forgeries of it that the misbehaviour wants before or behind. */
static void
add_spoilt(struct fleet *fleet, const struct device *device, uint8_t *bytes, size_t len,
	   struct storm_out *out)
{
	switch (fleet->settings.misbehave) {
	case MISBEHAVE_TRUNCATE:
		add_datagram(fleet, device, bytes, len - RECORD_CUT, out);
		break;
	case MISBEHAVE_CORRUPT_RECORD:
		bytes[len - 1] ^= 1;
		add_datagram(fleet, device, bytes, len, out);
		bytes[len - 1] ^= 1;
		break;
	case MISBEHAVE_REPLAY:
		add_datagram(fleet, device, bytes, len, out);
		break;
	default:
		break;
	}
	add_datagram(fleet, device, bytes, len, out);
}

/* A CoAP message, as it is or in a record. */
static void
add_message(struct fleet *fleet, struct device *device, uint8_t *message, size_t len,
	    struct storm_out *out)
{
	uint8_t record[STORM_DATAGRAM_MAX];
	struct writer writer = writer_init(record, sizeof record);

	if (!fleet->settings.security) {
		add_spoilt(fleet, device, message, len, out);
		return;
	}
	if (!storm_dtls_is_keyed(&device->dtls))
		return;
	storm_dtls_write_data(&device->dtls, &fleet->dtls, message, len, &writer);
	add_spoilt(fleet, device, record, writer_finish(&writer), out);
}

/* ---- handshake ---- */

struct storm_dtls_who
device_who(const struct fleet *fleet, const struct device *device, struct credential *credential)
{
	names_get(fleet->names, device_number(fleet, device), credential);
	if (fleet->settings.misbehave == MISBEHAVE_WRONG_KEY && credential->key_len)
		credential->key[0] ^= 0x55;
	if (fleet->settings.misbehave == MISBEHAVE_UNKNOWN_IDENTITY)
		credential->identity[0] = '?';
	return (struct storm_dtls_who){ .identity = credential->identity,
					.identity_len = credential->identity_len,
					.key = credential->key,
					.key_len = credential->key_len };
}

static void
write_hello(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	uint8_t flight[STORM_FLIGHT_MAX];
	struct writer writer = writer_init(flight, sizeof flight);

	storm_dtls_write_hello(&device->dtls, &fleet->dtls, &writer);
	add_datagram(fleet, device, flight, writer_finish(&writer), out);
}

/* As many datagrams as go at once; the rest follows by the device's timer. */
static void
write_certified_flight(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	const bool tiny = fleet->settings.misbehave == MISBEHAVE_ONE_BYTE_FRAGMENTS;
	const struct storm_cert_cut cut = { .fragment_max = tiny ? 1
							    : fleet->settings.split_flights
								    ? FRAGMENT_SPLIT
								    : STORM_DATAGRAM_MAX,
					    .apart = fleet->settings.split_flights };
	bool more = device->dtls.cert != NULL;

	while (more && out->n < STORM_OUT_MAX) {
		uint8_t datagram[STORM_DATAGRAM_MAX];
		struct writer writer = writer_init(datagram, sizeof datagram);

		more = storm_dtls_write_last_part(&device->dtls, &fleet->dtls, &cut, &writer);
		add_datagram(fleet, device, datagram, writer_finish(&writer), out);
	}
	if (more) {
		device->later = MESSAGE_FLIGHT_REST;
		device->send_us = fleet->now_us + 1;
	}
}

/*
 * A network that reorders gets something to reorder: three datagrams, beginning with any of them.
 */
static void
write_last_flight(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	uint8_t flight[STORM_FLIGHT_MAX];
	struct writer writer = writer_init(flight, sizeof flight);
	struct credential credential;
	struct storm_dtls_who who = device_who(fleet, device, &credential);
	size_t parts[STORM_FLIGHT_PARTS];
	unsigned first;

	storm_dtls_write_last(&device->dtls, &fleet->dtls, &who, &writer, parts);
	if (!fleet->settings.split_flights || !writer_ok(&writer)) {
		add_datagram(fleet, device, flight, writer_finish(&writer), out);
		return;
	}
	first = (unsigned)random_below(&fleet->random, STORM_FLIGHT_PARTS);
	for (unsigned i = 0; i < STORM_FLIGHT_PARTS; i++) {
		unsigned part = (first + i) % STORM_FLIGHT_PARTS;
		size_t begin = part ? parts[part - 1] : 0;

		add_datagram(fleet, device, flight + begin, parts[part] - begin, out);
	}
}

/* ---- CoAP ---- */

static void
write_query_number(struct writer *out, uint16_t *last, const char *key, uint32_t number)
{
	char text[24], digits[10];
	size_t len = strlen(key), n = 0;

	memcpy(text, key, len);
	do
		digits[n++] = (char)('0' + number % 10);
	while (number /= 10);
	while (n)
		text[len++] = digits[--n];
	coap_write_option(
		out, last,
		&(struct coap_option){ COAP_OPTION_URI_QUERY, (uint32_t)len, (uint8_t *)text });
}

static void
write_request_options(const struct fleet *fleet, const struct coap_option *name, struct writer *out)
{
	uint16_t last = 0;

	coap_write_option_text(out, &last, COAP_OPTION_URI_PATH, "bs");
	coap_write_option(out, &last, name);
	if (fleet->settings.format >= 0)
		write_query_number(out, &last, "pct=", (uint32_t)fleet->settings.format);
}

/* POST /bs?ep=...&pct=..., or GET /bspack?ep=... (OMA TS Transport 6.4.3). */
static size_t
request(const struct fleet *fleet, const struct device *device, uint8_t message[MESSAGE_BYTES])
{
	struct writer out = writer_init(message, MESSAGE_BYTES);
	const bool pack = device_wants_pack(fleet, device);
	struct coap_header header = { .type = COAP_CON,
				      .code = pack ? COAP_GET : COAP_POST,
				      .mid = device->mid,
				      .token_len = sizeof device->token };
	char query[3 + NAMES_ENDPOINT_MAX] = "ep=";
	uint32_t number = device_number(fleet, device);
	struct coap_option name = { .number = COAP_OPTION_URI_QUERY, .value = (uint8_t *)query };

	if (fleet->settings.misbehave == MISBEHAVE_NAME_OF_ANOTHER)
		number = number ? number - 1 : 1;
	name.len = 3 + (uint32_t)names_endpoint(fleet->names, number, query + 3);
	memcpy(header.token, device->token, sizeof device->token);
	coap_write_header(&out, &header);
	if (pack)
		device_pack_write_options(fleet, device, &name, &out);
	else
		write_request_options(fleet, &name, &out);
	return writer_finish(&out);
}

/* A token of nine bytes: reserved (RFC 7252 3). */
static void
write_malformed(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	uint8_t message[] = { 0x49,
			      COAP_POST,
			      (uint8_t)(device->mid >> 8),
			      (uint8_t)(device->mid ^ 0x80),
			      1,
			      2,
			      3,
			      4,
			      5,
			      6,
			      7,
			      8,
			      9 };

	add_message(fleet, device, message, sizeof message, out);
}

static void
write_request(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	uint8_t message[MESSAGE_BYTES];

	if (fleet->settings.misbehave == MISBEHAVE_MALFORMED)
		write_malformed(fleet, device, out);
	add_message(fleet, device, message, request(fleet, device, message), out);
}

static void
write_reply(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	static const char links[] = "</>;lwm2m=1.1,</0>,</1>,</3/0>";
	const struct device_reply *reply = &device->reply;
	struct coap_header header = { .type = reply->type,
				      .code = reply->code,
				      .mid = reply->mid,
				      .token_len = reply->token_len };
	uint8_t message[MESSAGE_BYTES];
	struct writer writer = writer_init(message, sizeof message);
	uint16_t last = 0;

	if (reply->type == COAP_RST) {
		coap_write_empty(&writer, COAP_RST, reply->mid);
		add_message(fleet, device, message, writer_finish(&writer), out);
		return;
	}
	if (reply->type == COAP_NON)
		header.mid = ++device->mid;
	memcpy(header.token, reply->token, sizeof header.token);
	coap_write_header(&writer, &header);
	if (reply->has_links)
		coap_write_option_uint(&writer, &last, COAP_OPTION_CONTENT_FORMAT, FORMAT_LINK);
	if (reply->has_block)
		coap_write_option_uint(&writer, &last, COAP_OPTION_BLOCK1, reply->block1);
	if (reply->has_links)
		coap_write_payload(&writer, links, sizeof links - 1);
	add_message(fleet, device, message, writer_finish(&writer), out);
}

static void
write_ack(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	uint8_t message[COAP_HEADER_LEN];
	struct writer writer = writer_init(message, sizeof message);

	coap_write_empty(&writer, COAP_ACK, device->ack_mid);
	add_message(fleet, device, message, writer_finish(&writer), out);
}

void
device_write(struct fleet *fleet, struct device *device, enum device_message message,
	     struct storm_out *out)
{
	switch (message) {
	case MESSAGE_NONE:
		return;
	case MESSAGE_HELLO:
		write_hello(fleet, device, out);
		return;
	case MESSAGE_LAST_FLIGHT:
		if (device_security(fleet, device) == SECURITY_PSK) {
			write_last_flight(fleet, device, out);
			return;
		}
		if (device->dtls.cert)
			storm_cert_rewind(device->dtls.cert);
		write_certified_flight(fleet, device, out);
		return;
	case MESSAGE_FLIGHT_REST:
		write_certified_flight(fleet, device, out);
		return;
	case MESSAGE_REQUEST:
		write_request(fleet, device, out);
		return;
	case MESSAGE_REPLY:
		write_reply(fleet, device, out);
		return;
	case MESSAGE_ACK:
		write_ack(fleet, device, out);
		return;
	}
}
