/* The stack over DTLS: whole bootstraps, who owns an endpoint name, and associations that live,
 * move and end. */
#include <criterion/criterion.h>

#include "dataplane/core/secured/secured.h"
#include "dataplane/core/sessions/association.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

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

static void
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

static void
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

static void
begin(unsigned sessions, size_t payload_len)
{
	world = world_new(sessions);
	add_known(0, payload_len);
	add_known(1, payload_len);
	device_init(&device, 0, 4000);
	device_init(&other, 1, 4001);
}

static void
setup(void)
{
	begin(8, 40);
}

static void
teardown(void)
{
	world_free(world);
}

TestSuite(secured, .init = setup, .fini = teardown);

/* What the stack sent to this device is opened and kept. */
static void
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

static void
device_send(struct device *it, const uint8_t *datagram, size_t len)
{
	world_feed_at(world, it->peer, datagram, len);
	device_take(it);
}

static void
device_hello(struct device *it)
{
	device_send(it, buffer, client_hello(&it->client, buffer));
}

static void
device_handshake(struct device *it)
{
	device_hello(it);
	device_hello(it);
	device_send(it, buffer, client_last_flight(&it->client, buffer));
}

static void
device_say(struct device *it, const void *message, size_t len)
{
	device_send(it, buffer,
		    client_seal(&it->client, DTLS_APPLICATION_DATA, message, len, buffer));
}

/* A Bootstrap-Request; `ep` may be NULL. */
static void
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
static void
device_accept(struct device *it)
{
	const uint8_t *request = it->messages[it->n - 1].bytes;
	uint8_t answer[12] = { 0x68, 0x44 };

	cr_assert_gt(it->n, 0);
	cr_assert_eq(request[0], 0x48);
	memcpy(answer + 2, request + 2, 10);
	device_say(it, answer, sizeof answer);
}

static uint64_t
counted(enum counter counter)
{
	return world_count(world, counter);
}

static const struct session_event *
last_event(void)
{
	cr_assert_gt(world->n_events, 0);
	return &world->events[world->n_events - 1];
}

/* The answer to a request: one message with this code. */
static void
assert_answer(const struct device *it, uint8_t code)
{
	cr_assert_geq(it->n, 1);
	cr_assert_eq(it->messages[0].bytes[1], code, "%u.%02u", it->messages[0].bytes[1] >> 5,
		     it->messages[0].bytes[1] & 31);
}

static void
device_bootstrap(struct device *it, const char *ep)
{
	device_ask(it, 77, ep);
	assert_answer(it, 0x44);
	for (int step = 0; step < 3; step++)
		device_accept(it);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
}

/* After all time has passed nothing is left, and every handshake of the pool can be had again. */
static void
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

/* ---- who may ---- */

Test(secured, hellos_without_a_cookie_leave_nothing_behind)
{
	for (unsigned i = 0; i < 5000; i++) {
		struct peer peer = { .addr = { [10] = 0xff, 0xff, 10, 1 },
				     .port = 1,
				     .listener = PSK_LISTENER };
		size_t len;

		memcpy(peer.addr + 14, &i, 2);
		client_init(&device.client, crypto_select(), &device.client.who);
		len = client_hello(&device.client, buffer);
		world_feed_at(world, peer, buffer, len);
		cr_assert_eq(world->out.used, 1);
		cr_assert_leq(world->slots[0].len, len);
	}
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(counted(COUNTER_dtls_hello_verify), 5000);
	cr_assert_eq(counted(COUNTER_dtls_started), 0);
}

Test(secured, plaintext_coap_gets_no_answer)
{
	static const uint8_t request[] = "\x44\x02\x00\x07tokn\xb2"
					 "bs\x46"
					 "ep=dev";

	device_send(&device, request, sizeof request - 1);
	cr_assert_eq(world->out.used, 0);
	device_handshake(&device);
	device_send(&device, request, sizeof request - 1);
	cr_assert_eq(world->out.used, 0);
	cr_assert_eq(counted(COUNTER_coap_rx), 0);
}

/* Of a client that shows no key the verdict comes when it had time to repeat its Finished. */
static void
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

Test(secured, an_unknown_identity_is_refused_and_told)
{
	device.client.who.identity = "unlisted";
	device.client.who.identity_len = 8;
	device_handshake(&device);
	await_verdict(&device);
	cr_assert_eq(device.client.alert, DTLS_DECRYPT_ERROR);
	cr_assert_eq(last_event()->kind, SESSION_UNKNOWN);
	cr_assert_eq(last_event()->name_len, 8);
	cr_assert_arr_eq(last_event()->name, "unlisted", 8);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	assert_nothing_leaks();
}

static void
assert_unserved(enum session_cause cause, const void *offered, size_t len)
{
	const struct session_event *event = last_event();

	cr_assert_eq(event->kind, SESSION_UNSERVED);
	cr_assert_eq(event->cause, cause);
	cr_assert(peer_equal(&event->peer, &device.peer));
	cr_assert_eq(event->name_len, len);
	cr_assert_arr_eq(event->name, offered, len);
}

Test(secured, who_has_no_suite_in_common_is_told_with_its_suites)
{
	static const uint8_t none[] = { 0x00, 0x2f, 0x13, 0x01, 0xd0, 0x01 };

	device.client.suites = none;
	device.client.suites_len = sizeof none;
	device_handshake(&device);
	cr_assert_eq(device.client.alert, DTLS_HANDSHAKE_FAILURE);
	assert_unserved(CAUSE_SUITES, none, sizeof none);
	cr_expect_eq(last_event()->whole_len, sizeof none);
	assert_nothing_leaks();
}

/* One of 128 bytes is the longest that must be known (OMA TS Transport 5.2.8). */
Test(secured, an_identity_that_is_too_long_is_told_once_a_handshake)
{
	char identity[129];
	unsigned told;

	memset(identity, 'i', sizeof identity);
	device.client.who.identity = identity;
	device.client.who.identity_len = sizeof identity;
	device_handshake(&device);
	assert_unserved(CAUSE_NAME, identity, sizeof last_event()->name);
	cr_expect_eq(last_event()->whole_len, sizeof identity);
	told = world->n_events;
	await_verdict(&device);
	cr_expect_eq(world->n_events, told);
	cr_assert_eq(device.client.alert, DTLS_DECRYPT_ERROR);
	assert_nothing_leaks();
}

/* What a flood of strangers offers must not fill the ring that sessions need. */
Test(secured, who_is_not_served_is_told_at_a_bounded_rate)
{
	static const uint8_t none[] = { 0x00, 0x2f };
	unsigned told;

	device.client.suites = none;
	device.client.suites_len = sizeof none;
	for (unsigned i = 0; i < 3000; i++) {
		device_init(&device, 0, (uint16_t)(10000 + i));
		device.client.suites = none;
		device.client.suites_len = sizeof none;
		device_handshake(&device);
		world->n_events = 0;
	}
	told = 3000 - (unsigned)world_count(world, COUNTER_bs_unserved_unreported);
	cr_expect_lt(told, 3000);
	cr_expect_eq(world_count(world, COUNTER_bs_rejected_unreported), 0);
}

static void
assert_rejected(enum session_cause cause, const char *name)
{
	const struct session_event *event = last_event();

	cr_assert_eq(event->kind, SESSION_REJECTED);
	cr_assert_eq(event->cause, cause);
	cr_assert_eq(event->device, 1000);
	cr_assert(peer_equal(&event->peer, &device.peer));
	cr_assert_eq(event->name_len, strlen(name));
	cr_assert_arr_eq(event->name, name, strlen(name));
}

Test(secured, a_wrong_key_is_refused_and_told)
{
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	await_verdict(&device);
	cr_assert_eq(device.client.alert, DTLS_DECRYPT_ERROR);
	cr_assert_eq(counted(COUNTER_dtls_failed_key), 1);
	assert_rejected(CAUSE_KEY, "");
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	assert_nothing_leaks();
}

Test(secured, a_handshake_that_falls_silent_is_no_wrong_key)
{
	size_t first;
	unsigned told;

	device_hello(&device);
	device_hello(&device);
	(void)client_last_flight(&device.client, buffer);
	first = DTLS_RECORD_HEADER + ((size_t)buffer[11] << 8 | buffer[12]);
	device_send(&device, buffer, first); /* its identity, and no Finished */
	told = world->n_events;
	for (int i = 0; i < 400; i++)
		world_tick(world, SECOND);
	cr_assert_eq(counted(COUNTER_dtls_failed_timeout), 1);
	cr_assert_eq(world->n_events, told);
}

/* Whoever guesses keys must not fill the ring that sessions need. */
Test(secured, wrong_keys_are_told_at_a_bounded_rate)
{
	enum { GUESSES = 1100 };
	uint64_t unreported;

	teardown();
	begin(5 * GUESSES, 40);
	for (unsigned i = 0; i < GUESSES; i++) {
		device_init(&device, 0, (uint16_t)(4000 + i));
		device.client.who.key = "0123456789abcdeF";
		device_handshake(&device);
	}
	for (int turn = 0; turn < 14 * 40; turn++) {
		world->n_events = 0;
		world_tick(world, SECOND / 40);
	}
	cr_assert_eq(counted(COUNTER_dtls_failed_key), GUESSES);
	unreported = counted(COUNTER_bs_rejected_unreported);
	cr_assert(unreported > 0 && unreported <= GUESSES - 1000, "%lu", (unsigned long)unreported);
}

Test(secured, an_endpoint_name_of_another_identity_is_refused)
{
	device_handshake(&device);
	device_ask(&device, 1, "name");
	assert_answer(&device, 0x80);
	cr_assert_eq(counted(COUNTER_bs_refused_identity), 1);
	assert_rejected(CAUSE_IDENTITY, "name");
	device_ask(&device, 2, "nobody");
	assert_answer(&device, 0x80);
	cr_assert_eq(counted(COUNTER_bs_refused_unknown), 1);
	assert_rejected(CAUSE_IDENTITY, "nobody");
	device_bootstrap(&device, "dev"); /* and its own is served after that */
}

/* ---- whole bootstraps ---- */

Test(secured, a_device_bootstraps)
{
	device_handshake(&device);
	device_bootstrap(&device, "dev");
	cr_assert_eq(last_event()->device, 1000);
	cr_assert_eq(counted(COUNTER_bs_finished), 1);
	assert_nothing_leaks();
}

/* From the hello that proved its address to the end: what the client took for its last flight. */
Test(secured, a_handshake_is_as_long_as_its_client_took)
{
	const struct delays *delays = &stack_delays(world->stack)[RUN_PHASE_HANDSHAKE];

	device_hello(&device);
	device_hello(&device);
	cr_assert_eq(delays->sum, 0);
	world->now += 300000;
	device_send(&device, buffer, client_last_flight(&device.client, buffer));
	cr_assert_eq(counted(COUNTER_dtls_finished), 1);
	cr_expect_eq(delays->sum, 300000);
	cr_expect_eq(delays->counts[delay_bucket(300000)], 1);
}

Test(secured, a_missing_endpoint_name_is_the_identitys)
{
	device_handshake(&other);
	device_bootstrap(&other, NULL);
	cr_assert_eq(last_event()->device, 1001);
}

Test(secured, an_identity_of_another_name_owns_its_endpoint)
{
	device_handshake(&other);
	device_bootstrap(&other, "name");
	cr_assert_eq(last_event()->device, 1001);
}

Test(secured, a_device_bootstraps_again_on_its_association)
{
	device_handshake(&device);
	device_bootstrap(&device, "dev");
	device_ask(&device, 78, "dev");
	assert_answer(&device, 0x44);
	device_ask(&device, 78, "dev"); /* a copy gets the same answer and starts nothing */
	assert_answer(&device, 0x44);
	cr_assert_eq(counted(COUNTER_coap_rx_duplicate), 1);
	cr_assert_eq(counted(COUNTER_bs_started), 2);
}

Test(secured, blocks_fit_the_records_that_a_device_takes)
{
	unsigned blocks = 0;

	teardown();
	begin(8, 700);
	device.client.max_fragment = DTLS_MAX_FRAGMENT_512;
	device_handshake(&device);
	device_ask(&device, 1, "dev");
	while (device.messages[device.n - 1].bytes[1] == 3 &&
	       device.messages[device.n - 1].len > 200) {
		const uint8_t *request = device.messages[device.n - 1].bytes;
		/* 2.31 with the request's Block1: the last option before the payload. */
		uint8_t answer[16] = { 0x68, 0x5f };

		cr_assert_leq(device.messages[device.n - 1].len, 512);
		memcpy(answer + 2, request + 2, 10);
		answer[12] = 0xd1;
		answer[13] = 27 - 13;
		answer[14] = (uint8_t)(blocks << 4 | 8 | 4);
		blocks++;
		if (blocks == 3)
			break;
		device_say(&device, answer, 15);
	}
	cr_assert_eq(blocks, 3, "700 bytes in blocks of 256: %u", blocks);
}

Test(secured, several_records_of_a_datagram_are_all_served)
{
	static const uint8_t ping[] = { 0x40, 0, 0, 1 };
	size_t len = 0;

	device_handshake(&device);
	for (int i = 0; i < 3; i++)
		len += client_seal(&device.client, DTLS_APPLICATION_DATA, ping, sizeof ping,
				   buffer + len);
	device_send(&device, buffer, len);
	cr_assert_eq(device.n, 3);
	len = 0;
	for (int i = 0; i < 20; i++)
		len += client_seal(&device.client, DTLS_APPLICATION_DATA, ping, sizeof ping,
				   buffer + len);
	device_send(&device, buffer, len);
	cr_assert_eq(device.n, 20);
}

/* RFC 6347 4.1.1: as small clients write it, one fragment a record. */
Test(secured, a_last_flight_in_twelve_records_of_one_datagram_completes)
{
	uint8_t body[64];
	size_t len, datagram = 0;

	device_hello(&device);
	device_hello(&device);
	len = client_exchange_body(&device.client, body, sizeof body);
	cr_assert_eq(len, 5);
	for (size_t at = 0; at < len; at++)
		datagram += client_fragment(&device.client, DTLS_CLIENT_KEY_EXCHANGE, body, len, at,
					    at + 1, buffer + datagram);
	client_hash(&device.client, DTLS_CLIENT_KEY_EXCHANGE, device.client.message++, body, len);
	client_derive(&device.client);
	datagram += client_change_cipher_spec(&device.client, buffer + datagram);
	for (size_t at = 0; at < DTLS_VERIFY_DATA; at += 2)
		datagram += client_finished_part(&device.client, at, at + 2, buffer + datagram);
	device_send(&device, buffer, datagram);
	cr_assert_eq(device.client.finished, 1);
	device_bootstrap(&device, "dev");
}

Test(secured, hellos_that_share_a_datagram_get_one_answer)
{
	size_t len = 0;

	for (unsigned i = 0; i < 8; i++)
		len += client_hello(&device.client, buffer + len);
	device_send(&device, buffer, len);
	cr_assert_eq(world->out.used, 1);
	cr_assert_eq(counted(COUNTER_dtls_rx_crowded), 7);
}

/* A burst of all devices at once, so that records are opened and sealed together. */
Test(secured, a_burst_of_records_of_many_peers_is_served)
{
	enum { PEERS = 8 };
	static struct device devices[PEERS];
	struct dgram_in in[PEERS];
	static uint8_t bytes[PEERS][DTLS_WORLD_DATAGRAM];
	static const uint8_t ping[] = { 0x40, 0, 0, 1 };

	for (unsigned i = 0; i < PEERS; i++) {
		device_init(&devices[i], i & 1, (uint16_t)(5000 + i));
		device_handshake(&devices[i]);
	}
	for (unsigned i = 0; i < PEERS; i++)
		in[i] = (struct dgram_in){
			.peer = devices[i].peer,
			.link = world_link(),
			.data = bytes[i],
			.len = (uint16_t)client_seal(&devices[i].client, DTLS_APPLICATION_DATA,
						     ping, sizeof ping, bytes[i]),
		};
	world_clear(world);
	stack_receive(world->stack, world->now, in, PEERS, &world->out);
	cr_assert_eq(world->out.used, PEERS);
	for (unsigned i = 0; i < PEERS; i++) {
		device_take(&devices[i]);
		cr_assert_eq(devices[i].n, 1);
		cr_assert_arr_eq(devices[i].messages[0].bytes, "\x70\x00\x00\x01", 4);
	}
}

enum { PINGING = 4, PINGS = 8, DATAGRAMS = 40 };
static struct device pinging[PINGING];
static unsigned flushes;

/* What the outbox holds goes to the devices, which open it, and it is empty. */
static void
deliver(struct outbox *out)
{
	for (unsigned i = 0; i < out->used; i++)
		for (unsigned d = 0; d < PINGING; d++)
			if (peer_equal(&out->slots[i].peer, &pinging[d].peer)) {
				pinging[d].client.data_len = 0;
				client_take(&pinging[d].client, out->slots[i].data,
					    out->slots[i].len);
				pinging[d].n += pinging[d].client.data_len == 4;
			}
	out->used = 0;
	flushes++;
}

/* 8 pings a datagram are 8 answers, and a burst has 32 datagrams: more than the outbox's 64 slots. */
Test(secured, every_answer_of_a_burst_leaves_though_they_do_not_fit_the_outbox)
{
	static const uint8_t ping[] = { 0x40, 0, 0, 1 };
	static uint8_t bytes[STACK_BURST][DTLS_WORLD_DATAGRAM];
	struct dgram_in in[STACK_BURST];
	unsigned answered = 0;

	for (unsigned d = 0; d < PINGING; d++) {
		device_init(&pinging[d], d & 1, (uint16_t)(5000 + d));
		device_handshake(&pinging[d]);
		pinging[d].n = 0;
	}
	world->out.flush = deliver;
	for (unsigned sent = 0; sent < DATAGRAMS;) {
		unsigned n = 0;

		for (; n < STACK_BURST && sent < DATAGRAMS; n++, sent++) {
			struct device *it = &pinging[sent % PINGING];
			size_t len = 0;

			for (unsigned i = 0; i < PINGS; i++)
				len += client_seal(&it->client, DTLS_APPLICATION_DATA, ping,
						   sizeof ping, bytes[n] + len);
			in[n] = (struct dgram_in){ .peer = it->peer,
						   .link = world_link(),
						   .data = bytes[n],
						   .len = (uint16_t)len };
		}
		world_clear(world);
		stack_receive(world->stack, world->now, in, n, &world->out);
		deliver(&world->out);
	}
	for (unsigned d = 0; d < PINGING; d++)
		answered += pinging[d].n;
	cr_expect_eq(answered, DATAGRAMS * PINGS);
	cr_expect_gt(flushes, 2);
	cr_expect_eq(counted(COUNTER_coap_tx_no_room), 0);
}

/* ---- a second handshake ---- */

Test(secured, an_association_serves_until_the_next_handshake_has_finished)
{
	struct device again;

	device_handshake(&device);
	device_ask(&device, 1, "dev");
	device_init(&again, 0, 4000); /* the device rebooted: same address and port */
	again.client.random[0] ^= 0x55;
	device_hello(&again);
	device_hello(&again);
	cr_assert_eq(again.client.hellos_done, 1);
	device_accept(&device); /* the old one goes on */
	cr_assert_eq(device.messages[0].bytes[1], 3);
	device_send(&again, buffer, client_last_flight(&again.client, buffer));
	cr_assert_eq(again.client.finished, 1);
	cr_assert_eq(last_event()->kind, SESSION_FAILED);
	cr_assert_eq(last_event()->cause, CAUSE_CLOSED);
	cr_assert_eq(counted(COUNTER_dtls_replaced), 1);
	device_accept(&device); /* its keys are gone */
	cr_assert_eq(counted(COUNTER_dtls_rx_replayed) + counted(COUNTER_dtls_rx_bad_tag), 1);
	device_ask(&again, 1, "dev"); /* the same message id and token: no copy */
	assert_answer(&again, 0x44);
	cr_assert_eq(counted(COUNTER_bs_started), 2);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
}

Test(secured, a_second_handshake_that_fails_changes_nothing)
{
	struct device again;

	device_handshake(&device);
	device_ask(&device, 1, "dev");
	device_init(&again, 0, 4000);
	again.client.random[0] ^= 0x55;
	again.client.who.key = "0123456789abcdeF";
	device_handshake(&again);
	cr_assert_eq(again.client.finished, 0);
	for (int step = 0; step < 3; step++)
		device_accept(&device);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
	assert_nothing_leaks();
}

Test(secured, a_second_handshake_that_is_given_up_changes_nothing)
{
	struct device again;

	device_handshake(&device);
	device_init(&again, 0, 4000);
	again.client.random[0] ^= 0x55;
	device_hello(&again);
	device_hello(&again);
	for (int i = 0; i < 59; i++)
		world_tick(world, SECOND);
	device_bootstrap(&device, "dev");
	assert_nothing_leaks();
	cr_assert_eq(counted(COUNTER_dtls_failed_timeout), 1);
}

/* ---- ends ---- */

static void
device_close(struct device *it)
{
	device_send(it, buffer, client_seal(&it->client, DTLS_ALERT_RECORD, "\1\0", 2, buffer));
}

Test(secured, close_notify_frees_the_session_at_once)
{
	device_handshake(&device);
	device_bootstrap(&device, "dev");
	device_close(&device);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(world->out.used, 1);
	cr_assert_eq(device.client.alert, DTLS_CLOSE_NOTIFY, "answered (RFC 5246 7.2.1)");
}

Test(secured, a_fatal_alert_ends_the_association_without_an_answer)
{
	device_handshake(&device);
	device_send(&device, buffer,
		    client_seal(&device.client, DTLS_ALERT_RECORD, "\2\x28", 2, buffer));
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(world->out.used, 0);
}

/* Neither in plaintext, nor under other keys, nor a copy of one that was taken. */
Test(secured, a_forged_close_notify_gets_no_answer_and_ends_nothing)
{
	static const uint8_t plain[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0 };
	uint8_t forged[DTLS_WORLD_DATAGRAM];
	size_t len;

	device_handshake(&device);
	device_send(&device, plain, sizeof plain);
	cr_assert_eq(world->out.used, 0);
	len = client_seal(&device.client, DTLS_ALERT_RECORD, "\1\0", 2, forged);
	forged[len - 1] ^= 1;
	device_send(&device, forged, len);
	cr_assert_eq(world->out.used, 0);
	cr_assert_eq(counted(COUNTER_dtls_rx_bad_tag), 1);
	device_bootstrap(&device, "dev");
	cr_assert_eq(counted(COUNTER_dtls_close_sent), 0);
}

Test(secured, an_association_that_idles_out_is_told_so)
{
	device_handshake(&device);
	for (int i = 0; i < 61 && device.client.alert < 0; i++) {
		world_tick(world, SECOND);
		device_take(&device);
	}
	cr_assert_eq(device.client.alert, DTLS_CLOSE_NOTIFY);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(counted(COUNTER_dtls_close_sent), 1);
}

Test(secured, an_evicted_association_is_told_so_and_the_newcomer_served)
{
	teardown();
	begin(1, 40);
	device_handshake(&device);
	device_bootstrap(&device, "dev");
	device_hello(&other);
	world_feed_at(world, other.peer, buffer, client_hello(&other.client, buffer));
	cr_assert_eq(world->out.used, 2);
	device.client.data_len = 0;
	client_take(&device.client, world->slots[0].data, world->slots[0].len);
	cr_assert_eq(device.client.alert, DTLS_CLOSE_NOTIFY);
	client_take(&other.client, world->slots[1].data, world->slots[1].len);
	device_send(&other, buffer, client_last_flight(&other.client, buffer));
	device_bootstrap(&other, "name");
}

/* As many a call as the outbox takes; what a full one does not take is not lost, but said in the next. */
Test(secured, a_stack_that_ends_tells_all_its_associations)
{
	device_handshake(&device);
	device_handshake(&other);
	device_ask(&other, 1, "name");
	world_clear(world);
	world->out.size = 1;
	cr_assert(stack_farewell(world->stack, world->now, &world->out));
	device_take(&device);
	cr_assert_eq(device.client.alert, DTLS_CLOSE_NOTIFY);
	world_clear(world);
	cr_assert_not(stack_farewell(world->stack, world->now, &world->out));
	device_take(&other);
	cr_assert_eq(other.client.alert, DTLS_CLOSE_NOTIFY);
	world->out.size = STACK_TX_MAX;
}

/* ---- told to come back ---- */

/* Max-Age is 60 s, clients add up to half of it, and repeat their request for 45 s. */
Test(secured, a_device_that_was_told_to_come_back_finds_its_association)
{
	struct stack_command drain = { .kind = STACK_DRAIN, .on = true };

	device_handshake(&device);
	stack_command(world->stack, world->now, &drain, &world->out);
	device_ask(&device, 1, "dev");
	assert_answer(&device, 0xa3);
	for (int i = 0; i < 60; i++)
		world_tick(world, SECOND);
	device_say(&device, "\x40\0\0\1", 4); /* a ping in between does not shorten it */
	for (int i = 60; i < 134; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	drain.on = false;
	stack_command(world->stack, world->now, &drain, &world->out);
	device_bootstrap(&device, "dev");
	assert_nothing_leaks();
}

Test(secured, a_device_that_never_comes_back_is_let_go)
{
	struct stack_command drain = { .kind = STACK_DRAIN, .on = true };

	device_handshake(&device);
	stack_command(world->stack, world->now, &drain, &world->out);
	device_ask(&device, 1, "dev");
	for (int i = 0; i < 137; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(counted(COUNTER_dtls_idle), 1);
}

Test(secured, close_notify_ends_a_run)
{
	device_handshake(&device);
	device_ask(&device, 1, "dev");
	device_close(&device);
	cr_assert_eq(last_event()->kind, SESSION_FAILED);
	cr_assert_eq(last_event()->cause, CAUSE_CLOSED);
	cr_assert_eq(counted(COUNTER_bs_failed_closed), 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	assert_nothing_leaks();
}

Test(secured, an_end_that_could_not_be_told_keeps_its_session_and_says_nothing_more)
{
	device_handshake(&device);
	device_ask(&device, 1, "dev");
	world->event_room = 0;
	device_close(&device);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	device_say(&device, "\x40\0\0\1", 4);
	cr_assert_eq(world->out.used, 0, "neither under old keys nor in plaintext");
	world->event_room = UINT32_MAX;
	world_tick(world, SECOND);
	cr_assert_eq(last_event()->cause, CAUSE_CLOSED);
	assert_nothing_leaks();
}

Test(secured, a_warning_ends_nothing)
{
	device_handshake(&device);
	device_send(&device, buffer,
		    client_seal(&device.client, DTLS_ALERT_RECORD, "\1\x5a", 2, buffer));
	device_bootstrap(&device, "dev");
}

Test(secured, an_association_without_a_request_is_closed)
{
	device_handshake(&device);
	for (int i = 0; i < 50; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	device_say(&device, "\x40\0\0\1", 4); /* a ping keeps it */
	for (int i = 0; i < 50; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	for (int i = 0; i < 11; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(counted(COUNTER_dtls_idle), 1);
	assert_nothing_leaks();
}

Test(secured, a_handshake_that_goes_silent_is_given_up)
{
	device_hello(&device);
	device_hello(&device);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	for (int i = 0; i < 62; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(counted(COUNTER_dtls_flight_again), 2);
	cr_assert_eq(counted(COUNTER_dtls_failed_timeout), 1);
	assert_nothing_leaks();
}

Test(secured, retransmissions_are_fresh_records)
{
	unsigned came = 0;

	device_handshake(&device);
	device_ask(&device, 1, "dev");
	for (int i = 0; i < 100; i++) {
		world_tick(world, SECOND);
		device_take(&device);
		came += device.n;
	}
	cr_assert_eq(came, 4);
	cr_assert_eq(last_event()->cause, CAUSE_TIMEOUT);
	assert_nothing_leaks();
}

/* ---- connection ids (RFC 9146) ---- */

Test(secured, a_device_that_moves_goes_on_with_its_run)
{
	device.client.offer_cid = true;
	device_handshake(&device);
	device_ask(&device, 1, "dev");
	device.peer.port = 4999;
	device_accept(&device);
	cr_assert_eq(device.n, 1, "the next step went to the new address");
	device_accept(&device);
	device_accept(&device);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
	cr_assert_eq(counted(COUNTER_dtls_moved), 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	assert_nothing_leaks();
}

Test(secured, only_the_newest_authentic_record_moves_an_association)
{
	uint8_t older[DTLS_WORLD_DATAGRAM], newer[DTLS_WORLD_DATAGRAM];
	size_t older_len, newer_len;
	struct peer home;

	device.client.offer_cid = true;
	device_handshake(&device);
	home = device.peer;
	older_len = client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\1", 4, older);
	newer_len = client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\2", 4, newer);
	device_send(&device, newer, newer_len);
	device.peer.port = 4999;
	device_send(&device, newer, newer_len); /* a copy from elsewhere */
	cr_assert_eq(counted(COUNTER_dtls_rx_replayed), 1);
	older[older_len - 1] ^= 1;
	device_send(&device, older, older_len); /* a forgery from elsewhere */
	cr_assert_eq(counted(COUNTER_dtls_rx_bad_tag), 1);
	older[older_len - 1] ^= 1;
	device_send(&device, older, older_len); /* authentic, but overtaken */
	cr_assert_eq(world->out.used, 1);
	cr_assert(peer_equal(&world->slots[0].peer, &home), "the answer goes home");
	cr_assert_eq(counted(COUNTER_dtls_moved), 0);
}

Test(secured, each_newer_record_of_a_datagram_moves_an_association)
{
	size_t len;

	device.client.offer_cid = true;
	device_handshake(&device);
	len = client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\1", 4, buffer);
	len += client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\2", 4, buffer + len);
	device.peer.port = 4999;
	device_send(&device, buffer, len);
	cr_assert_eq(device.n, 2, "both answers go to the new address");
	cr_assert_eq(counted(COUNTER_dtls_moved), 1);
}

/* Its own address: a record that is older than the one that moved it is answered where it is now. */
Test(secured, an_older_record_behind_a_newer_one_of_a_burst_moves_nobody_back)
{
	static uint8_t bytes[2][DTLS_WORLD_DATAGRAM];
	struct dgram_in in[2];

	device.client.offer_cid = true;
	device_handshake(&device);
	for (unsigned i = 0; i < 2; i++)
		in[1 - i] = (struct dgram_in){
			.peer = device.peer,
			.link = world_link(),
			.data = bytes[i],
			.len = (uint16_t)client_seal(&device.client, DTLS_APPLICATION_DATA,
						     "\x40\0\0\1", 4, bytes[i]),
		};
	in[0].peer.port = 4999; /* the newer one, first */
	world_clear(world);
	stack_receive(world->stack, world->now, in, 2, &world->out);
	cr_assert_eq(world->out.used, 2);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(world->slots[i].peer.port, 4999);
	cr_assert_eq(counted(COUNTER_dtls_moved), 1);
}

Test(secured, without_a_connection_id_nobody_moves)
{
	device_handshake(&device);
	device.peer.port = 4999;
	device_ask(&device, 1, "dev");
	cr_assert_eq(world->out.used, 0);
	cr_assert_eq(counted(COUNTER_dtls_rx_no_session), 1);
}

/* What it leaves behind is remembered for copies of its request alone. */
Test(secured, a_device_may_move_to_an_address_that_another_left)
{
	device.client.offer_cid = true;
	device_handshake(&device);
	device_handshake(&other);
	device_ask(&other, 1, "name");
	world->event_room = 0;
	device_close(&other);
	cr_assert_eq(stack_gauges(world->stack).sessions, 2);
	world->event_room = UINT32_MAX;
	world_tick(world, SECOND);
	device.peer = other.peer;
	device_bootstrap(&device, "dev");
	cr_assert_eq(counted(COUNTER_dtls_moved), 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1);
	assert_nothing_leaks();
}

/* A source address is whatever its sender writes: it proves nothing about another device. */
Test(secured, a_move_does_not_end_what_another_device_has_at_that_address)
{
	struct peer home;

	device.client.offer_cid = true;
	device_handshake(&device);
	home = device.peer;
	device_handshake(&other);
	device_ask(&other, 1, "name");
	device.peer = other.peer;
	device_say(&device, "\x40\0\0\1", 4);
	cr_assert_eq(world->out.used, 1);
	cr_assert(peer_equal(&world->slots[0].peer, &home), "the answer goes home");
	cr_assert_eq(counted(COUNTER_dtls_move_refused), 1);
	cr_assert_eq(counted(COUNTER_dtls_moved), 0);
	cr_assert_eq(stack_gauges(world->stack).sessions, 2);
	for (int step = 0; step < 3; step++)
		device_accept(&other);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
}

Test(secured, a_move_does_not_end_a_handshake_at_that_address)
{
	device.client.offer_cid = true;
	device_handshake(&device);
	device_hello(&other);
	device_hello(&other);
	device.peer = other.peer;
	device_say(&device, "\x40\0\0\1", 4);
	cr_assert_eq(counted(COUNTER_dtls_move_refused), 1);
	device_send(&other, buffer, client_last_flight(&other.client, buffer));
	device_bootstrap(&other, "name");
}

/* ---- hellos in fragments (RFC 6347 4.2.3) ---- */

/* The hello that stands, cut at `cuts`, its pieces in `order`; together: in one datagram. */
static void
send_hello_pieces(struct device *it, const size_t *cuts, const uint8_t *order, unsigned n,
		  bool together)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len = client_hello_body(&it->client, body, sizeof body), datagram = 0;

	crypto_sha256_init(&it->client.transcript);
	client_hash(&it->client, DTLS_CLIENT_HELLO, it->client.message, body, len);
	for (unsigned i = 0; i < n; i++) {
		size_t from = cuts[order[i]], to = cuts[order[i] + 1];

		datagram += client_fragment(&it->client, DTLS_CLIENT_HELLO, body, len, from,
					    to < len ? to : len, buffer + datagram);
		if (together && i + 1 < n)
			continue;
		device_send(it, buffer, datagram);
		datagram = 0;
	}
	it->client.message++;
}

Test(secured, hellos_in_fragments_of_any_cut_and_order_are_served)
{
	static const size_t cuts[][4] = { { 0, 10, 40, 999 },  { 0, 36, 50, 999 },
					  { 0, 40, 45, 999 },  { 0, 20, 21, 999 },
					  { 0, 34, 35, 999 } };
	static const uint8_t orders[][4] = { { 0, 1, 2, 2 }, { 0, 2, 1, 1 }, { 1, 0, 2, 0 },
					     { 1, 2, 0, 0 }, { 2, 0, 1, 1 }, { 2, 1, 0, 0 },
					     { 2, 2, 1, 0 } };

	for (unsigned cut = 0; cut < 5; cut++) {
		for (unsigned order = 0; order < 7; order++) {
			for (int together = 0; together < 2; together++) {
				teardown();
				setup();
				device_hello(&device);
				cr_assert_eq(device.client.verify_requests, 1);
				send_hello_pieces(&device, cuts[cut], orders[order], 4, together);
				cr_assert_geq(device.client.hellos_done, 1,
					      "cut %u, order %u, together %d", cut, order,
					      together);
				device_send(&device, buffer,
					    client_last_flight(&device.client, buffer));
				device_bootstrap(&device, "dev");
			}
		}
	}
}

Test(secured, fragments_without_a_cookie_are_kept_for_two_seconds_and_64_at_most)
{
	static const size_t cuts[] = { 0, 10, 999 };
	static const uint8_t first[] = { 0 }, second[] = { 1 };

	device_hello(&device);
	send_hello_pieces(&device, cuts, first, 1, false);
	device.client.message--;
	world->now += 2 * SECOND;
	send_hello_pieces(&device, cuts, second, 1, false);
	cr_assert_eq(device.client.hellos_done, 0, "too late");
	device.client.message--;
	for (unsigned i = 0; i < DTLS_STORED_HELLOS; i++) {
		struct device flood;

		device_init(&flood, 0, (uint16_t)(6000 + i));
		world->now++;
		send_hello_pieces(&flood, cuts, first, 1, false);
		cr_assert_eq(world->out.used, 0);
	}
	send_hello_pieces(&device, cuts, first, 1, false);
	cr_assert_eq(device.client.hellos_done, 0, "the oldest went");
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	device.client.message--;
	send_hello_pieces(&device, cuts, second, 1, false);
	cr_assert_eq(device.client.hellos_done, 1);
}

/* ---- floods and full pools ---- */

Test(secured, peers_with_a_session_are_served_while_new_ones_are_limited)
{
	struct device late;

	device_handshake(&device);
	world->limits.hellos_per_s = 10;
	for (unsigned i = 0; i < 100; i++) {
		struct device flood;

		device_init(&flood, 0, (uint16_t)(6000 + i));
		device_hello(&flood);
	}
	cr_assert_eq(counted(COUNTER_dtls_hello_limited), 90);
	device_init(&late, 1, 7000);
	device_hello(&late);
	cr_assert_eq(late.client.verify_requests, 0);
	device_bootstrap(&device, "dev");
	device.client.random[0] ^= 1; /* a new handshake of a known peer is no new peer either */
	device.client.cookie_len = 0;
	device.client.verify_requests = 0;
	device_hello(&device);
	cr_assert_eq(device.client.verify_requests, 1);
	world->now += SECOND;
	device_hello(&late);
	cr_assert_eq(late.client.verify_requests, 1, "a second later there is room again");
}

Test(secured, handshakes_are_limited_by_worker_and_by_prefix)
{
	struct device late;

	world->limits.handshakes_per_prefix_per_s = 1;
	device_handshake(&device);
	device_hello(&other);
	device_hello(&other);
	cr_assert_eq(other.client.server_hellos, 0);
	cr_assert_eq(counted(COUNTER_dtls_start_limited), 1);
	device_init(&late, 1, 4002);
	late.peer.addr[13] = 99; /* another /24 */
	device_hello(&late);
	device_hello(&late);
	cr_assert_eq(late.client.server_hellos, 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 2);
}

enum { POOL = 64 }; /* the least there is */

/* Both hellos and nothing more, from `prefix`.x. */
static void
leave_half_open(uint8_t prefix, uint16_t port)
{
	struct device half;

	device_init(&half, 0, port);
	half.peer.addr[13] = prefix;
	device_hello(&half);
	device_hello(&half);
}

Test(secured, in_a_full_pool_the_oldest_handshake_makes_way)
{
	struct device late;

	teardown();
	begin(100, 40);
	device_hello(&device); /* the oldest */
	device_hello(&device);
	for (unsigned i = 1; i < POOL; i++)
		leave_half_open(1, (uint16_t)(6000 + i));
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 0);
	device_init(&late, 1, 7000);
	device_handshake(&late);
	device_bootstrap(&late, "name");
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 1);
	cr_assert_eq(counted(COUNTER_dtls_handshakes_full), 0);
	device_send(&device, buffer, client_last_flight(&device.client, buffer));
	cr_assert_eq(device.client.finished, 1, "its prefix has one only");
	assert_nothing_leaks();
}

/* As after an outage: who is refused repeats its hello, who is displaced would not. */
Test(secured, devices_of_a_prefix_that_come_at_once_do_not_displace_each_other)
{
	struct device late;

	teardown();
	begin(100, 40);
	device_hello(&device);
	device_hello(&device);
	for (unsigned i = 1; i < POOL; i++)
		leave_half_open(device.peer.addr[13], (uint16_t)(6000 + i));
	device_init(&late, 1, 7000);
	device_hello(&late);
	device_hello(&late);
	cr_assert_eq(late.client.server_hellos, 0);
	cr_assert_eq(counted(COUNTER_dtls_handshakes_full), 1);
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 0);
	device_send(&device, buffer, client_last_flight(&device.client, buffer));
	cr_assert_eq(device.client.finished, 1);
	for (int i = 0; i < 5; i++)
		world_tick(world, SECOND);
	leave_half_open(device.peer.addr[13], 8000);
	device_init(&late, 1, 7000); /* they had their time, so the oldest makes way */
	device_handshake(&late);
	device_bootstrap(&late, "name");
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 1);
	assert_nothing_leaks();
}

Test(secured, one_prefix_displaces_its_own_handshakes_alone)
{
	teardown();
	begin(100, 40);
	device_hello(&device);
	device_hello(&device);
	for (unsigned i = 0; i < 20 * POOL; i++) {
		leave_half_open(1, (uint16_t)(6000 + i));
		world_tick(world, SECOND / 20);
	}
	cr_assert_gt(counted(COUNTER_dtls_handshakes_displaced), 4 * POOL);
	device_send(&device, buffer, client_last_flight(&device.client, buffer));
	cr_assert_eq(device.client.finished, 0, "a minute is long enough");
	device_hello(&other);
	device_hello(&other);
	for (unsigned i = 0; i < 3 * POOL; i++)
		leave_half_open(1, (uint16_t)(6000 + i));
	device_send(&other, buffer, client_last_flight(&other.client, buffer));
	device_bootstrap(&other, "name");
	assert_nothing_leaks();
}

/* 10,000 a second of 100 prefixes, a pool of a fifth of that, and devices a quarter of a second away. */
Test(secured, devices_finish_beside_a_flood_of_half_open_handshakes)
{
	enum { PREFIXES = 100, A_TURN = 10, TURNS = 1000, EVERY = 50, DELAY = 250 };
	static struct device devices[TURNS / EVERY];
	unsigned n = 0, finished = 0;

	teardown();
	begin(8000, 40);
	for (unsigned turn = 0; turn < TURNS + DELAY; turn++) {
		if (turn < TURNS && turn % EVERY == 0) {
			device_init(&devices[n], n & 1, (uint16_t)(4000 + n));
			devices[n].peer.addr[13] = (uint8_t)(150 + n);
			device_hello(&devices[n]);
			device_hello(&devices[n++]);
		}
		for (unsigned i = 0; i < A_TURN; i++)
			leave_half_open((uint8_t)((turn * A_TURN + i) % PREFIXES),
					(uint16_t)(turn * A_TURN + i));
		if (turn >= DELAY && (turn - DELAY) % EVERY == 0) {
			struct device *it = &devices[(turn - DELAY) / EVERY];

			device_send(it, buffer, client_last_flight(&it->client, buffer));
			finished += it->client.finished;
		}
		world_tick(world, 1000);
	}
	cr_assert_gt(counted(COUNTER_dtls_handshakes_displaced), 0);
	cr_assert_eq(finished, n);
}

/* One turn of a millisecond of a flood of 20 prefixes, which fills a pool of 200 places in a fifth of a second. */
static void
flood_for_a_turn(unsigned turn)
{
	leave_half_open((uint8_t)(turn % 20), (uint16_t)turn);
	world_tick(world, 1000);
}

static void
hello_from(struct device *it, uint8_t prefix, unsigned i)
{
	device_init(it, i & 1, (uint16_t)(4000 + i));
	it->peer.addr[13] = prefix;
	device_hello(it);
	device_hello(it);
}

static unsigned
count_finished(struct device *devices, unsigned n)
{
	unsigned finished = 0;

	for (unsigned i = 0; i < n; i++) {
		device_send(&devices[i], buffer, client_last_flight(&devices[i].client, buffer));
		finished += devices[i].client.finished;
	}
	return finished;
}

/* They hold more of the pool than any prefix of the flood does; that of a minute has left its debts. */
Test(secured, devices_of_one_network_finish_at_once_beside_a_flood_of_many)
{
	enum { TOGETHER = 20, PREFIXES = 20, PLACES = 100, FILLING = 6000, DELAY = 50, TURN = SECOND / 100 };
	static struct device devices[TOGETHER];
	unsigned turn = 0;

	teardown();
	begin(4 * PLACES, 40);
	for (; turn < FILLING + DELAY; turn++) {
		for (unsigned i = 0; turn == FILLING && i < TOGETHER; i++)
			hello_from(&devices[i], 150, i);
		for (unsigned i = 0; i < 2; i++)
			leave_half_open((uint8_t)((turn * 2 + i) % PREFIXES), (uint16_t)(turn * 2 + i));
		world_tick(world, TURN);
	}
	cr_assert_eq(count_finished(devices, TOGETHER), TOGETHER);
}

/* Slow devices stay, and so are the oldest before long: others find somebody to displace all the same. */
Test(secured, slow_devices_keep_their_place_and_nobody_out)
{
	enum { SLOW = 20, FILLING = 1000, DELAY = 3500 };
	static struct device slow[SLOW], late[SLOW];
	unsigned turn = 0;

	teardown();
	begin(800, 40);
	while (turn < FILLING)
		flood_for_a_turn(turn++);
	for (unsigned i = 0; i < SLOW; i++)
		hello_from(&slow[i], (uint8_t)(110 + i), i);
	while (turn < FILLING + DELAY)
		flood_for_a_turn(turn++);
	for (unsigned i = 0; i < SLOW; i++)
		hello_from(&late[i], (uint8_t)(160 + i), 1000 + i);
	cr_assert_eq(count_finished(late, SLOW), SLOW);
	cr_assert_eq(count_finished(slow, SLOW), SLOW);
}

/* As after an outage, with no flood: each network is owed the same, so nobody is given up for another. */
Test(secured, devices_of_many_networks_that_come_at_once_do_not_displace_each_other)
{
	static struct device devices[POOL];

	teardown();
	begin(100, 40);
	for (unsigned i = 0; i < POOL; i++)
		hello_from(&devices[i], (uint8_t)i, i);
	for (unsigned i = 0; i < POOL; i++)
		leave_half_open((uint8_t)(100 + i), 7000);
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 0);
	cr_assert_eq(counted(COUNTER_dtls_handshakes_full), POOL);
	cr_assert_eq(count_finished(devices, POOL), POOL);
}

/* Devices that finish leave no debt: their network is as good as new afterwards. */
Test(secured, a_network_whose_devices_finish_owes_nothing)
{
	static struct device devices[3 * POOL];
	const struct prefix_debts *debts;
	struct prefix_places places;

	teardown();
	begin(400, 40);
	for (unsigned i = 0; i < 3 * POOL; i++) {
		hello_from(&devices[i], 1, i);
		cr_assert_eq(count_finished(&devices[i], 1), 1);
	}
	debts = &world->stack->secured->debts;
	places = prefix_debts_find(debts, devices[0].peer.addr);
	cr_assert_eq(prefix_debts_of(debts, &places), 0);
	leave_half_open(1, 9000);
	cr_assert_eq(prefix_debts_of(debts, &places), PREFIX_DEBT_UNIT);
}

Test(secured, the_fuller_the_pool_the_shorter_handshakes_live)
{
	teardown();
	begin(100, 40);
	for (unsigned i = 0; i < POOL; i++)
		leave_half_open(1, (uint16_t)(6000 + i));
	for (int i = 0; i < 20; i++)
		world_tick(world, SECOND);
	cr_assert_gt(counted(COUNTER_dtls_failed_timeout), POOL / 8);
	cr_assert_lt(counted(COUNTER_dtls_failed_timeout), POOL / 2, "the first ones live on");
	assert_nothing_leaks();
	cr_assert_eq(counted(COUNTER_dtls_failed_timeout), POOL);
}

Test(secured, half_open_handshakes_make_way_in_a_full_table_too)
{
	for (unsigned i = 0; i < 8; i++)
		leave_half_open(1, (uint16_t)(6000 + i));
	cr_assert_eq(stack_gauges(world->stack).sessions, 8);
	device_handshake(&other);
	device_bootstrap(&other, "name");
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 1);
	cr_assert_eq(counted(COUNTER_sessions_full), 0);
	assert_nothing_leaks();
}

/* The association of who shakes hands anew stays, whoever displaces the handshake. */
Test(secured, a_displaced_handshake_leaves_its_association_alone)
{
	struct device again;

	teardown();
	begin(100, 40);
	device_handshake(&device);
	device_init(&again, 0, 4000);
	again.client.random[0] ^= 0x55;
	device_hello(&again);
	device_hello(&again);
	cr_assert_eq(again.client.hellos_done, 1);
	for (int i = 0; i < 5; i++)
		world_tick(world, SECOND);
	for (unsigned i = 0; i < POOL; i++)
		leave_half_open((uint8_t)i, 6000);
	cr_assert_eq(counted(COUNTER_dtls_handshakes_displaced), 1);
	device_bootstrap(&device, "dev");
	assert_nothing_leaks();
}

Test(secured, a_full_table_gives_a_finished_session_for_a_new_handshake)
{
	teardown();
	begin(1, 40);
	device_handshake(&device);
	device_hello(&other);
	device_hello(&other);
	cr_assert_eq(counted(COUNTER_sessions_full), 1, "one that has not run yet stays");
	device_bootstrap(&device, "dev");
	device_init(&other, 1, 4001);
	device_handshake(&other);
	cr_assert_eq(counted(COUNTER_sessions_evicted), 1);
	device_bootstrap(&other, "name");
	assert_nothing_leaks();
}

Test(secured, a_draining_stack_starts_no_handshake)
{
	static const struct stack_command drain = { .kind = STACK_DRAIN, .on = true };

	device_handshake(&device);
	device_ask(&device, 1, "dev");
	stack_command(world->stack, world->now, &drain, &world->out);
	device_hello(&other);
	device_hello(&other);
	cr_assert_eq(other.client.server_hellos, 0);
	cr_assert_eq(counted(COUNTER_dtls_start_draining), 1);
	for (int step = 0; step < 3; step++)
		device_accept(&device);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
}

/* A batch that comes while the device waits is sent in records, too: stack_command() seals. */
Test(secured, commands_send_sealed_datagrams)
{
	struct stack_command batch = { .kind = STACK_BATCH };

	device_handshake(&device);
	world->entries[0]->flags = DEVICE_PER_SESSION;
	device_ask(&device, 1, "dev");
	cr_assert_eq(last_event()->kind, SESSION_NEEDS_BATCH);
	batch.session = last_event()->session;
	batch.batch = world_batch(world, 11542, 40);
	batch_hold(batch.batch);
	world_clear(world);
	stack_command(world->stack, world->now, &batch, &world->out);
	device_take(&device);
	cr_assert_eq(device.n, 2, "2.04 and the first step");
	assert_answer(&device, 0x44);
}

/* ---- Bootstrap-Packs ---- */

/* GET /bspack, Accept 112; `ep` may be NULL. */
static void
device_ask_pack(struct device *it, uint16_t mid, const char *ep)
{
	uint8_t message[64];
	struct writer out = writer_init(message, sizeof message);

	writer_bytes(&out, "\x44\x01", 2);
	writer_u16(&out, mid);
	writer_bytes(&out,
		     "tokn\xb6"
		     "bspack",
		     11);
	if (ep) {
		writer_u8(&out, (uint8_t)(0x43 + strlen(ep)));
		writer_bytes(&out, "ep=", 3);
		writer_bytes(&out, ep, strlen(ep));
		writer_bytes(&out, "\x21\x70", 2);
	} else {
		writer_bytes(&out, "\x61\x70", 2);
	}
	device_say(it, message, writer_len(&out));
}

/* The control side makes a pack for whoever asked last. */
static struct batch *
give_pack(struct device *it, size_t len)
{
	struct stack_command command = { .kind = STACK_BATCH,
					 .session = last_event()->session,
					 .batch = world_pack(world, 112, len) };

	cr_assert_eq(last_event()->ask, ASK_PACK);
	batch_hold(command.batch);
	world_clear(world);
	stack_command(world->stack, world->now, &command, &world->out);
	device_take(it);
	return world->batches[world->n_batches - 1];
}

Test(secured, the_identity_rules_of_bs_are_those_of_bspack)
{
	device_handshake(&device);
	device_ask_pack(&device, 1, "name");
	assert_answer(&device, 0x80);
	cr_assert_eq(counted(COUNTER_bs_refused_identity), 1);
	device_ask_pack(&device, 2, "nobody");
	assert_answer(&device, 0x80);
	cr_assert_eq(counted(COUNTER_bs_refused_unknown), 1);
	device_ask_pack(&device, 3, NULL);
	cr_assert_eq(last_event()->device, 1000);
	give_pack(&device, 40);
	assert_answer(&device, 0x45);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
	assert_nothing_leaks();
}

Test(secured, blocks_of_a_pack_fit_the_records_that_a_device_takes)
{
	device.client.max_fragment = DTLS_MAX_FRAGMENT_512;
	device_handshake(&device);
	device_ask_pack(&device, 1, "dev");
	give_pack(&device, 700);
	assert_answer(&device, 0x45);
	cr_assert_leq(device.messages[0].len, 512);
	cr_assert_gt(device.messages[0].len, 256);
}

/* Another identity on the same address, and the very same request: nothing of the former's pack. */
Test(secured, a_pack_is_served_to_the_association_that_asked_alone)
{
	struct device thief;
	struct batch *pack;

	device_handshake(&device);
	device_ask_pack(&device, 1, NULL);
	pack = give_pack(&device, 40);
	assert_answer(&device, 0x45);
	cr_assert_eq(atomic_load(&pack->holders), 1);
	device_init(&thief, 1, 4000);
	thief.client.random[0] ^= 0x55;
	device_handshake(&thief);
	cr_assert_eq(thief.client.finished, 1);
	cr_assert_eq(atomic_load(&pack->holders), 0);
	for (uint16_t mid = 1; mid <= 2; mid++) {
		device_ask_pack(&thief, mid, NULL);
		cr_assert_eq(thief.n, 0);
		cr_assert_eq(last_event()->ask, ASK_PACK);
		cr_assert_eq(last_event()->device, 1001);
	}
}

Test(secured, sizes_are_as_promised)
{
	cr_assert_leq(stack_handshake_bytes(), 736);
	cr_assert_leq(stack_session_bytes(), 512);
	cr_assert_leq(secured_association_bytes(), 256);
}

/* ---- traced ---- */

static void
trace_device(uint32_t id)
{
	const struct stack_command command = { .kind = STACK_TRACE, .on = true, .device = id };

	stack_command(world->stack, world->now, &command, &world->out);
}

Test(secured, a_trace_shows_messages_in_the_clear_and_the_association)
{
	static const enum trace_kind kinds[] = { TRACE_ASSOCIATED, TRACE_RECEIVED, TRACE_SENT,
						 TRACE_SENT, TRACE_RECEIVED };

	trace_device(1000);
	device_handshake(&device);
	device_handshake(&other);
	device_bootstrap(&device, "dev");
	device_send(&device, buffer,
		    client_seal(&device.client, DTLS_ALERT_RECORD, "\x01\x00", 2, buffer));
	cr_assert_eq(world->n_traces, 10);
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		cr_expect_eq(world->traces[i].kind, kinds[i], "record %u", i);
	cr_expect_eq(world->traces[9].kind, TRACE_ASSOCIATION_ENDED);
	cr_expect_eq(world->traces[9].len, 0);
	cr_expect_eq(world->traces[0].len, 2);
	cr_expect_arr_eq(world->traces[0].bytes, "\xc0\xa8", 2, "its suite");
	cr_expect(world->traces[1].secured);
	cr_expect_arr_eq(world->traces[1].bytes, "\x44\x02\x00\x4dtokn", 8);
	cr_expect_eq(world->traces[3].bytes[1], 0x03);
	cr_expect_eq(world->traces[3].step, 0);
}

Test(secured, a_trace_shows_a_wrong_key)
{
	trace_device(1000);
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	await_verdict(&device);
	cr_assert_eq(world->n_traces, 1);
	cr_expect_eq(world->traces[0].kind, TRACE_HANDSHAKE_FAILED);
	cr_expect_eq(world->traces[0].device, 1000);
}

/* ---- captured (capture.h) ---- */

static void
capture_device(uint32_t id, bool on)
{
	const struct stack_command command = {
		.kind = STACK_TRACE, .on = on, .datagrams = on, .device = id
	};

	stack_command(world->stack, world->now, &command, &world->out);
}

/* How many records of the kind there are, and the first one; -1: none. */
static unsigned
n_records(enum trace_kind kind, int *first)
{
	unsigned n = 0;

	*first = -1;
	for (unsigned i = 0; i < world->n_traces; i++)
		if (world->traces[i].kind == kind) {
			*first = n++ ? *first : (int)i;
			cr_expect_eq(world->traces[i].device, 1000, "of nobody else");
		}
	return n;
}

Test(secured, a_capture_has_the_secret_first_then_the_whole_handshake_and_all_records)
{
	int secret, in, out;

	capture_device(1000, true);
	device_handshake(&other);
	device_handshake(&device);
	device_bootstrap(&other, "name");
	device_bootstrap(&device, "dev");
	cr_assert_eq(n_records(TRACE_SECRET, &secret), 1);
	cr_assert_geq(n_records(TRACE_DATAGRAM_IN, &in), 4);
	cr_assert_geq(n_records(TRACE_DATAGRAM_OUT, &out), 4);
	cr_expect(secret < in && in < out);
	cr_expect_eq(world->traces[secret].len, TRACE_RANDOM_BYTES + TRACE_MASTER_BYTES);
	/* The verified ClientHello: epoch 0, with the random of the secret. */
	cr_expect_eq(world->traces[in].bytes[0], DTLS_HANDSHAKE);
	cr_expect_eq(world->traces[in].bytes[DTLS_RECORD_HEADER], DTLS_CLIENT_HELLO);
	cr_expect_arr_eq(world->traces[in].bytes + DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER + 2,
			 world->traces[secret].bytes, TRACE_RANDOM_BYTES);
	cr_expect(world->traces[in].secured);
}

Test(secured, a_capture_of_a_wrong_key_has_its_handshake)
{
	int secret, in;

	capture_device(1000, true);
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	cr_expect_eq(n_records(TRACE_DATAGRAM_IN, &in), 0, "it is not over yet");
	await_verdict(&device);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
	cr_expect_eq(n_records(TRACE_SECRET, &secret), 1);
}

Test(secured, a_capture_that_ends_tells_what_it_holds)
{
	int in;

	capture_device(1000, true);
	device.client.who.key = "0123456789abcdeF";
	device_handshake(&device);
	capture_device(1000, false);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
	world->n_traces = 0;
	device_handshake(&device);
	cr_expect_eq(world->n_traces, 0, "no more");
}

Test(secured, a_capture_of_an_association_that_was_there_has_records_without_secret)
{
	int secret, in;

	device_handshake(&device);
	capture_device(1000, true);
	device_bootstrap(&device, "dev");
	cr_expect_eq(n_records(TRACE_SECRET, &secret), 0);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 3);
	cr_expect_eq(world->traces[in].bytes[4], 1, "epoch 1");
}

Test(secured, a_capture_waits_for_room_in_the_ring_of_the_control_side)
{
	int in;

	capture_device(1000, true);
	world->trace_room = 0;
	device_handshake(&device);
	world->trace_room = WORLD_TRACES;
	world_tick(world, 1);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
}

/* Handshakes beyond the ring's bytes overwrite the oldest, whose place is not used any more. */
Test(secured, a_capture_holds_as_many_handshakes_as_its_ring_has_room_for)
{
	int in;

	capture_device(1000, true);
	for (unsigned i = 0; i < 400; i++) {
		device_init(&other, 1, (uint16_t)(6000 + i));
		device_handshake(&other);
		world_tick(world, 10 * SECOND); /* idle sessions make way */
	}
	cr_expect_eq(n_records(TRACE_DATAGRAM_IN, &in), 0);
	device_handshake(&device);
	cr_expect_geq(n_records(TRACE_DATAGRAM_IN, &in), 2);
	cr_expect_eq(world->traces[in].bytes[DTLS_RECORD_HEADER], DTLS_CLIENT_HELLO);
}
