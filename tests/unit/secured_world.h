/*
 * secured_world.h - a stack with a listener of pre-shared keys, and devices with a key: they shake hands, ask and accept.
 *
 * For the tests of the stack over DTLS; each file is a program of its own, with a world for each test (SECURED_SUITE).
 */
#pragma once

#include <criterion/criterion.h>

#include "dataplane/core/secured/secured.h"
#include "dataplane/core/sessions/association.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

#define SECURED_SUITE(name) TestSuite(name, .init = setup, .fini = teardown)

enum { MESSAGES = 24, PSK_LISTENER = 1, SECOND = 1000000 };

/* A device: a client, where it is, and the CoAP messages that came with the last datagram. */
struct device {
	struct test_client client;
	struct peer peer;
	struct {
		uint8_t bytes[DTLS_WORLD_DATAGRAM];
		size_t len;
	} messages[MESSAGES];
	unsigned n;
};

static const struct world_credential {
	const char *name, *identity, *key;
} known[] = {
	{ "dev", "dev", "0123456789abcdef" },
	{ "name", "identity", "0123456789ABCDEF" },
};

static struct world *world;
static struct device device, other;
static uint8_t buffer[DTLS_WORLD_DATAGRAM];

static inline void
add_known(unsigned i, size_t payload_len)
{
	const struct world_credential *c = &known[i];
	struct device_entry *entry, *old;
	struct directory_retired retired;

	entry = device_entry_new(1000 + i, c->name, strlen(c->name), c->identity,
				 strlen(c->identity), c->key, strlen(c->key));
	atomic_store(&entry->batch, world_batch(world, 11542, payload_len));
	cr_assert_eq(directory_put(world->directory, entry, &old, &retired), 0);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
	world->entries[world->n_entries++] = entry;
}

static inline void
device_init(struct device *it, unsigned i, uint16_t port)
{
	const struct dtls_world_credential who = { known[i].identity, strlen(known[i].identity),
						   known[i].key, strlen(known[i].key) };

	memset(it, 0, sizeof *it);
	client_init(&it->client, crypto_select(), &who);
	it->client.random[1] = (uint8_t)port;
	it->peer = world_peer(port);
	it->peer.listener = PSK_LISTENER;
}

static inline void
begin(unsigned sessions, size_t payload_len)
{
	world = world_new(sessions);
	add_known(0, payload_len);
	add_known(1, payload_len);
	device_init(&device, 0, 4000);
	device_init(&other, 1, 4001);
}

static inline void
setup(void)
{
	begin(8, 40);
}

static inline void
teardown(void)
{
	world_free(world);
}

/* What the stack sent to this device is opened and kept. */
static inline void
device_take(struct device *it)
{
	it->n = 0;
	for (unsigned i = 0; i < world->out.used; i++) {
		struct dgram_out *out = &world->slots[i];

		cr_assert_geq(out->data[0], 20, "plaintext");
		cr_assert_leq(out->data[0], 25, "plaintext");
		if (!peer_equal(&out->peer, &it->peer))
			continue;
		it->client.data_len = 0;
		client_take(&it->client, out->data, out->len);
		if (!it->client.data_len)
			continue;
		cr_assert_lt(it->n, MESSAGES);
		memcpy(it->messages[it->n].bytes, it->client.data, it->client.data_len);
		it->messages[it->n++].len = it->client.data_len;
	}
}

static inline void
device_send(struct device *it, const uint8_t *datagram, size_t len)
{
	world_feed_at(world, it->peer, datagram, len);
	device_take(it);
}

static inline void
device_hello(struct device *it)
{
	device_send(it, buffer, client_hello(&it->client, buffer));
}

static inline void
device_handshake(struct device *it)
{
	device_hello(it);
	device_hello(it);
	device_send(it, buffer, client_last_flight(&it->client, buffer));
}

static inline void
device_say(struct device *it, const void *message, size_t len)
{
	device_send(it, buffer,
		    client_seal(&it->client, DTLS_APPLICATION_DATA, message, len, buffer));
}

/* A Bootstrap-Request; `ep` may be NULL. */
static inline void
device_ask(struct device *it, uint16_t mid, const char *ep)
{
	uint8_t message[64];
	struct writer out = writer_init(message, sizeof message);

	writer_bytes(&out, "\x44\x02", 2);
	writer_u16(&out, mid);
	writer_bytes(&out,
		     "tokn\xb2"
		     "bs",
		     7);
	if (ep) {
		writer_u8(&out, (uint8_t)(0x43 + strlen(ep)));
		writer_bytes(&out, "ep=", 3);
		writer_bytes(&out, ep, strlen(ep));
	}
	device_say(it, message, writer_len(&out));
}

/* Answers the newest request of the server with 2.04. */
static inline void
device_accept(struct device *it)
{
	const uint8_t *request = it->messages[it->n - 1].bytes;
	uint8_t answer[12] = { 0x68, 0x44 };

	cr_assert_gt(it->n, 0);
	cr_assert_eq(request[0], 0x48);
	memcpy(answer + 2, request + 2, 10);
	device_say(it, answer, sizeof answer);
}

static inline uint64_t
counted(enum counter counter)
{
	return world_count(world, counter);
}

static inline const struct session_event *
last_event(void)
{
	cr_assert_gt(world->n_events, 0);
	return &world->events[world->n_events - 1];
}

/* The answer to a request: one message with this code. */
static inline void
assert_answer(const struct device *it, uint8_t code)
{
	cr_assert_geq(it->n, 1);
	cr_assert_eq(it->messages[0].bytes[1], code, "%u.%02u", it->messages[0].bytes[1] >> 5,
		     it->messages[0].bytes[1] & 31);
}

static inline void
device_bootstrap(struct device *it, const char *ep)
{
	device_ask(it, 77, ep);
	assert_answer(it, 0x44);
	for (int step = 0; step < 3; step++)
		device_accept(it);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
}

/* After all time has passed nothing is left, and every handshake of the pool can be had again. */
static inline void
assert_nothing_leaks(void)
{
	struct secured *secured = world->stack->secured;
	uint32_t free_ones = 0;

	for (int i = 0; i < 400; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	for (uint32_t i = secured->free_handshake; i; i = secured->handshakes[i - 1].slot)
		free_ones++;
	cr_assert_eq(free_ones, secured->n_handshakes);
	for (unsigned i = 0; i < world->config.sessions; i++)
		cr_assert_not(secured->associations[i].established);
}

static inline void
device_close(struct device *it)
{
	device_send(it, buffer, client_seal(&it->client, DTLS_ALERT_RECORD, "\1\0", 2, buffer));
}

/* Of a client that shows no key the verdict comes when it had time to repeat its Finished. */
static inline void
await_verdict(struct device *it)
{
	cr_assert_eq(it->client.alert, -1);
	it->n = 0;
	for (int i = 0; i < 14 && it->client.alert == -1; i++) {
		world_tick(world, SECOND);
		for (unsigned o = 0; o < world->out.used; o++)
			if (peer_equal(&world->slots[o].peer, &it->peer))
				client_take(&it->client, world->slots[o].data,
					    world->slots[o].len);
	}
}
