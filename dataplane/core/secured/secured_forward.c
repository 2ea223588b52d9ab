#include "dataplane/core/secured/secured_forward.h"

#include <string.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/sessions/flight.h"

enum {
	CID_AT = 11, /* of a record: its connection id (RFC 9146 4) */
	TAG_AT = FORWARD_HEADER - FORWARD_TAG,
	/* A protected record that holds something: below that nothing is worth a datagram. */
	DATAGRAM_MIN = DTLS_RECORD_HEADER + DTLS_CID + DTLS_EXPLICIT_NONCE + DTLS_TAG + 1,
};

/* ---- out ---- */

static const struct member_route *
find_route(const struct member_sharing *sharing, uint16_t member)
{
	for (unsigned i = 0; i < sharing->n_routes; i++)
		if (sharing->routes[i].member == member)
			return &sharing->routes[i];
	return NULL;
}

static void
make_tag(const struct secured *secured, const uint8_t *header, const uint8_t *datagram, size_t len,
	 uint8_t tag[CRYPTO_HASH_LEN])
{
	const struct crypto_piece pieces[] = { { header, TAG_AT }, { datagram, len } };

	crypto_hmac(secured->server.ops, &secured->server.members.forward, pieces, 2, tag);
}

static void
write_forward(const struct secured *secured, const struct dgram_in *in, struct writer *out)
{
	static const uint8_t nothing[CID_AT - 4];
	uint8_t header[TAG_AT], tag[CRYPTO_HASH_LEN];
	struct writer writer = writer_init(header, sizeof header);

	writer_u8(&writer, DTLS_TLS12_CID);
	writer_u8(&writer, FORWARD_VERSION);
	writer_u16(&writer, secured->server.members.member);
	writer_bytes(&writer, nothing, sizeof nothing);
	writer_u8(&writer, in->data[CID_AT]);
	writer_u8(&writer, in->peer.listener);
	writer_u8(&writer, 0);
	writer_u16(&writer, in->peer.port);
	writer_bytes(&writer, in->peer.addr, sizeof in->peer.addr);
	make_tag(secured, header, in->data, in->len, tag);
	writer_bytes(out, header, sizeof header);
	writer_bytes(out, tag, FORWARD_TAG);
	writer_bytes(out, in->data, in->len);
}

static enum counter
send_on(struct stack *stack, const struct dgram_in *in, const struct member_route *route)
{
	struct peer peer = { .port = route->port,
			     .listener = stack->config.forward_from[in->peer.listener] };
	struct flight flight;

	if (in->len < DATAGRAM_MIN)
		return COUNTER_forward_size;
	if (!ratelimit_take(&stack->secured->forwards, stack->now_us))
		return COUNTER_forward_limited;
	memcpy(peer.addr, route->addr, sizeof peer.addr);
	flight = flight_begin(stack, &peer, &in->link);
	if (flight.slot && flight.slot->cap < FORWARD_HEADER + in->len)
		return COUNTER_forward_size;
	write_forward(stack->secured, in, &flight.writer);
	flight_end(stack, &flight);
	return flight.slot ? COUNTER_forward_sent : COUNTER_dtls_tx_room;
}

bool
forward_foreign(struct stack *stack, struct arrival *arrival)
{
	const struct dtls_members *members = &stack->secured->server.members;
	const struct dgram_in *in = arrival->in;
	const struct member_route *route;
	uint16_t owner;

	if (!members->on)
		return false;
	owner = dtls_members_owner(members, arrival->record.header + CID_AT);
	if (owner == members->member)
		return false;
	count(&stack->counters, COUNTER_dtls_rx_foreign);
	/* The datagram went with its first record, or stays with it. */
	if (arrival->record.header != in->data)
		return true;
	route = stack->config.forward_from[in->peer.listener] == LISTENER_NONE
			? NULL
			: find_route(&stack->limits->members, owner);
	count(&stack->counters, route ? send_on(stack, in, route) : COUNTER_forward_unknown);
	return true;
}

/* ---- in ---- */

static bool
is_authentic(const struct stack *stack, const struct dgram_in *in)
{
	const struct secured *secured = stack->secured;
	uint8_t tag[CRYPTO_HASH_LEN];

	if (!secured || !secured->server.members.on || in->len < FORWARD_HEADER + DATAGRAM_MIN ||
	    in->data[1] != FORWARD_VERSION)
		return false;
	make_tag(secured, in->data, in->data + FORWARD_HEADER, in->len - FORWARD_HEADER, tag);
	return crypto_equal(tag, in->data + TAG_AT, FORWARD_TAG);
}

/* The device's address and the listener it wrote to, as the member says. */
static bool
read_peer(const struct stack *stack, const uint8_t *data, struct peer *peer)
{
	struct reader reader = reader_init(data, FORWARD_HEADER);

	*peer = (struct peer){ 0 };
	reader_skip(&reader, CID_AT + 1);
	peer->listener = reader_u8(&reader);
	reader_skip(&reader, 1);
	peer->port = reader_u16(&reader);
	reader_copy(&reader, peer->addr, sizeof peer->addr);
	return peer->listener < stack->config.n_listeners &&
	       stack->config.listener_security[peer->listener] == LISTENER_PSK;
}

bool
forward_take(struct stack *stack, struct dgram_in *in, uint64_t *hash)
{
	const struct session *session = NULL;
	struct peer peer;

	if (!is_authentic(stack, in) || !read_peer(stack, in->data, &peer)) {
		count(&stack->counters, COUNTER_forward_rejected);
		return false;
	}
	count(&stack->counters, COUNTER_forward_received);
	in->data += FORWARD_HEADER;
	in->len = (uint16_t)(in->len - FORWARD_HEADER);
	if (in->data[0] == DTLS_TLS12_CID)
		session = association_session_of_cid(stack, in->data + CID_AT);
	if (!session) {
		count(&stack->counters, COUNTER_forward_stray);
		return false;
	}
	in->peer = peer;
	in->link = session->link; /* answers go the device's own way, not the member's */
	*hash = session_table_hash(stack->table, &peer);
	return true;
}
