/*
 * What another member of the cluster forwards: a header of any bytes before a datagram of any bytes, with the right tag, and
 * of a device whose association is here. Input: records of
 *
 *	+-------------------------------------------+-----+-------------+
 *	| bit 0: header given; bit 1: sealed datagram | len | len bytes |
 *	+-------------------------------------------+-----+-------------+
 *
 * where `bytes` are 32 of a header, if given, and then the datagram's or a sealed message's. The generator gives zeros.
 */
#include "dataplane/core/secured/secured_forward.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PSK_LISTENER = 1, DOOR = 2, SESSIONS = 4, HEAD = FORWARD_HEADER - FORWARD_TAG };

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static struct world *
begin(struct world_memory *memory, struct test_client *client)
{
	static const struct dtls_world_credential who = { "dev", 3, "0123456789abcdef", 16 };
	const struct world_options options = { .zero_random = true, .memory = memory, .handshakes = 4 };
	struct world *world = world_new_options(SESSIONS, &options);

	stack_fini(world->stack);
	world->config.listener_security[DOOR] = LISTENER_FORWARD;
	world->config.n_listeners = 3;
	memset(world->config.forward_from, DOOR, LISTENERS_MAX);
	world->limits.members = (struct member_sharing){ .number = 1, .on = true, .member = 1, .n_routes = 1 };
	world->limits.members.routes[0] = (struct member_route){ .member = 2, .port = 5685 };
	memset(world->memory, 0, stack_size(&world->config));
	world->stack = stack_init(world->memory, &world->config, world->now);
	world_device_with(world, "dev", "dev", "0123456789abcdef", world_batch(world, 11542, 40), 0);
	client_init(client, crypto_select(), &who);
	client->offer_cid = true;
	return world;
}

static void
give(struct world *world, struct test_client *client, struct peer peer, const uint8_t *bytes, size_t len)
{
	world_feed_at(world, peer, bytes, len);
	require(world->out.used <= STACK_REPLIES_PER_RX);
	for (unsigned i = 0; i < world->out.used; i++)
		if (peer_equal(&world->slots[i].peer, &peer))
			client_take(client, world->slots[i].data, world->slots[i].len);
}

static void
shake_hands(struct world *world, struct test_client *client, struct peer peer)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	for (int i = 0; i < 2; i++)
		give(world, client, peer, datagram, client_hello(client, datagram));
	give(world, client, peer, datagram, client_last_flight(client, datagram));
	require(client->session.peer_cid_len == DTLS_CID);
}

static void
take_record(struct world *world, struct test_client *client, struct peer device, struct reader *input)
{
	uint8_t how = reader_u8(input), datagram[DTLS_WORLD_DATAGRAM], tag[CRYPTO_HASH_LEN];
	struct reader body = reader_vector_u8(input);
	struct writer out = writer_init(datagram, sizeof datagram);
	struct crypto_piece pieces[2] = { { datagram, HEAD }, { datagram + FORWARD_HEADER, 0 } };
	struct peer door = { .port = 5685, .listener = DOOR };
	uint8_t given[HEAD] = { DTLS_TLS12_CID, FORWARD_VERSION, 0, 2, [12] = PSK_LISTENER };

	cursor_store(given + 14, device.port, 2);
	memcpy(given + 16, device.addr, sizeof device.addr);
	if (how & 1)
		reader_copy(&body, given, HEAD);
	writer_bytes(&out, given, HEAD);
	memset(tag, 0, sizeof tag);
	writer_bytes(&out, tag, FORWARD_TAG);
	if (how & 2)
		dtls_write_sealed(client->ops, &client->session, DTLS_APPLICATION_DATA, body.at,
				  reader_left(&body), &out);
	else
		writer_bytes(&out, body.at, reader_left(&body));
	pieces[1].len = writer_len(&out) - FORWARD_HEADER;
	crypto_hmac(client->ops, &world->stack->secured->server.members.forward, pieces, 2, tag);
	memcpy(datagram + HEAD, tag, FORWARD_TAG);
	give(world, client, door, datagram, writer_len(&out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world_memory memory;
	struct reader input = reader_init(data, size);
	struct peer device = world_peer(4000);
	struct test_client client;
	struct world *world = begin(&memory, &client);

	device.listener = PSK_LISTENER;
	shake_hands(world, &client, device);
	while (reader_left(&input))
		take_record(world, &client, device, &input);
	require(stack_gauges(world->stack).sessions <= SESSIONS);
	world_free(world);
	return 0;
}
