/*
 * The stack over DTLS: bursts with several handshakes in them, whose keys are made in step. Nothing but
 * time may depend on it, whatever else is in the burst.
 */
#include "tests/unit/secured_world.h"

SECURED_SUITE(secured_bursts);

/* ---- bursts ---- */

static struct burst {
	struct dgram_in in[STACK_BURST];
	uint8_t bytes[STACK_BURST][DTLS_WORLD_DATAGRAM];
	unsigned n;
} burst;

static void
put(const struct device *it, const uint8_t *datagram, size_t len)
{
	cr_assert_lt(burst.n, STACK_BURST);
	memcpy(burst.bytes[burst.n], datagram, len);
	burst.in[burst.n] = (struct dgram_in){ .peer = it->peer,
					       .link = world_link(),
					       .data = burst.bytes[burst.n],
					       .len = (uint16_t)len };
	burst.n++;
}

static void
receive(struct device *const *devices, unsigned n)
{
	world_clear(world);
	stack_receive(world->stack, world->now, burst.in, burst.n, &world->out);
	burst.n = 0;
	for (unsigned i = 0; i < n; i++)
		device_take(devices[i]);
}

static void
receive_both(void)
{
	receive((struct device *const[]){ &device, &other }, 2);
}

static void
greet(struct device *it)
{
	device_hello(it);
	device_hello(it);
	cr_assert_eq(it->client.hellos_done, 1);
}

static void
put_last_flight(struct device *it)
{
	put(it, buffer, client_last_flight(&it->client, buffer));
}

static void
greet_both(void)
{
	greet(&device);
	greet(&other);
}

/* A key exchange as somebody between the device and us would write it. */
static size_t
forged_exchange(const struct device *it, uint8_t *datagram)
{
	struct test_client forger = it->client;

	forger.who.identity = "name";
	forger.who.identity_len = 4;
	return client_exchange(&forger, datagram);
}

/* Secrets of handshakes that ended, or went on with other keys, must not stay behind. */
static void
assert_forgotten(void)
{
	const struct dtls_ahead *ahead = &world->stack->secured->ahead;
	const uint8_t *bytes = (const uint8_t *)ahead->made;

	cr_assert_eq(ahead->n_notes, 0);
	for (size_t i = 0; i < sizeof ahead->made; i++)
		cr_assert_eq(bytes[i], 0, "byte %zu", i);
}

static void
assert_served(struct device *it, const char *name)
{
	cr_assert_eq(it->client.finished, 1);
	device_bootstrap(it, name);
}

/* ---- two and more ---- */

Test(secured_bursts, two_handshakes_of_a_burst_are_made_in_step)
{
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	assert_forgotten();
	assert_served(&device, "dev");
	assert_served(&other, "name");
	assert_nothing_leaks();
}

Test(secured_bursts, one_that_comes_alone_is_made_alone)
{
	greet_both();
	put_last_flight(&device);
	/* Of a pair, the other is no handshake's. */
	put(&other, (const uint8_t *)"\x17\xfe\xfd", 3);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 0);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 0);
	assert_served(&device, "dev");
	assert_served(&other, "name");
}

Test(secured_bursts, of_an_odd_number_one_is_made_alone)
{
	static struct device third;

	device_init(&third, 0, 4002);
	greet_both();
	greet(&third);
	put_last_flight(&device);
	put_last_flight(&other);
	put_last_flight(&third);
	/* Whose handshake is over by then. */
	put(&other, burst.bytes[1], burst.in[1].len);
	receive((struct device *const[]){ &device, &other, &third }, 3);
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	assert_served(&device, "dev");
	assert_served(&other, "name");
	cr_assert_eq(third.client.finished, 1);
}

Test(secured_bursts, where_it_gains_nothing_each_is_made_alone)
{
	world->stack->secured->server.ahead = NULL; /* as of stack_config.handshakes_alone */
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 0);
	assert_served(&device, "dev");
	assert_served(&other, "name");
}

/* RFC 5246 8.1's master secret beside RFC 7627's, a suite with CBC beside the usual one, a connection id. */
Test(secured_bursts, handshakes_of_different_kinds_go_in_step)
{
	static const uint8_t cbc[] = { 0x00, 0xae };

	device.client.extended = false;
	device.client.suites = cbc;
	device.client.suites_len = sizeof cbc;
	other.client.offer_cid = true;
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	assert_served(&device, "dev");
	assert_served(&other, "name");
	assert_nothing_leaks();
}

/* Some clients send each message of their last flight in a datagram of its own. */
Test(secured_bursts, flights_of_several_datagrams_go_in_step)
{
	struct device *const both[] = { &device, &other };

	greet_both();
	for (unsigned i = 0; i < 2; i++)
		put(both[i], buffer, client_exchange(&both[i]->client, buffer));
	for (unsigned i = 0; i < 2; i++)
		put(both[i], buffer, client_change_cipher_spec(&both[i]->client, buffer));
	for (unsigned i = 0; i < 2; i++)
		put(both[i], buffer, client_finished(&both[i]->client, buffer));
	receive(both, 2);
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	assert_served(&device, "dev");
	assert_served(&other, "name");
}

/* The keys outlive the burst, what our Finished says does not. */
Test(secured_bursts, a_finished_that_comes_in_the_next_burst_finds_the_keys)
{
	greet_both();
	put(&device, buffer, client_exchange(&device.client, buffer));
	put(&other, buffer, client_exchange(&other.client, buffer));
	receive_both();
	assert_forgotten();
	put(&device, buffer, client_change_cipher_spec(&device.client, buffer));
	put(&device, buffer, client_finished(&device.client, buffer));
	put(&other, buffer, client_change_cipher_spec(&other.client, buffer));
	put(&other, buffer, client_finished(&other.client, buffer));
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	assert_served(&device, "dev");
	assert_served(&other, "name");
}

/* ---- what one of them does is not the other's ---- */

Test(secured_bursts, a_bad_finished_does_not_touch_its_neighbour)
{
	for (unsigned first = 0; first < 2; first++) {
		struct device *bad = first ? &other : &device, *good = first ? &device : &other;

		teardown();
		setup();
		greet_both();
		put_last_flight(&device);
		put_last_flight(&other);
		burst.bytes[first][burst.in[first].len - 1] ^= 1;
		receive_both();
		cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
		cr_assert_eq(bad->client.finished, 0);
		assert_served(good, first ? "dev" : "name");
		await_verdict(bad);
		cr_assert_eq(bad->client.alert, DTLS_DECRYPT_ERROR);
	}
	assert_nothing_leaks();
}

Test(secured_bursts, a_wrong_key_is_told_and_does_not_touch_its_neighbour)
{
	device.client.who.key = "0123456789abcdeX";
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	assert_served(&other, "name");
	await_verdict(&device);
	cr_assert_eq(device.client.alert, DTLS_DECRYPT_ERROR);
	cr_assert_eq(counted(COUNTER_dtls_failed_key), 1);
	cr_assert_eq(last_event()->kind, SESSION_REJECTED);
	cr_assert_eq(last_event()->device, 1000);
	assert_nothing_leaks();
}

Test(secured_bursts, an_unknown_identity_is_told_once_beside_a_known_one)
{
	device.client.who.identity = "unlisted";
	device.client.who.identity_len = 8;
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	cr_assert_eq(world->n_events, 1);
	cr_assert_eq(last_event()->kind, SESSION_UNKNOWN);
	cr_assert_eq(last_event()->name_len, 8);
	cr_assert(peer_equal(&last_event()->peer, &device.peer));
	assert_served(&other, "name");
	await_verdict(&device);
	cr_assert_eq(device.client.alert, DTLS_DECRYPT_ERROR);
	assert_nothing_leaks();
}

Test(secured_bursts, one_identity_may_shake_hands_twice_in_a_burst)
{
	device_init(&other, 0, 4001);
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	cr_assert_eq(device.client.finished, 1);
	cr_assert_eq(other.client.finished, 1);
	cr_assert_eq(counted(COUNTER_dtls_finished), 2);
	assert_served(&other, "dev");
}

/* ---- the same handshake more than once ---- */

Test(secured_bursts, a_copy_of_a_flight_is_no_second_handshake)
{
	greet_both();
	put_last_flight(&device);
	put(&device, burst.bytes[0], burst.in[0].len);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 0, "with itself none goes in step");
	cr_assert_eq(counted(COUNTER_dtls_finished), 1);
	cr_assert_eq(counted(COUNTER_dtls_rx_replayed), 1);
	assert_served(&device, "dev");
}

Test(secured_bursts, a_flight_between_the_copies_of_another_goes_in_step)
{
	greet_both();
	put_last_flight(&device);
	put_last_flight(&other);
	put(&device, burst.bytes[0], burst.in[0].len);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	cr_assert_eq(counted(COUNTER_dtls_finished), 2);
	assert_served(&device, "dev");
	assert_served(&other, "name");
	assert_nothing_leaks();
}

/* The hello is sent again beside the flight that answers our first one. */
Test(secured_bursts, a_retransmitted_hello_does_not_disturb_the_flight_behind_it)
{
	uint8_t hello[DTLS_WORLD_DATAGRAM];
	size_t len;

	device_hello(&device);
	len = client_hello(&device.client, hello);
	device_send(&device, hello, len);
	greet(&other);
	put(&device, hello, len);
	put_last_flight(&device);
	put_last_flight(&other);
	receive((struct device *const[]){ &other }, 1);
	cr_assert_eq(counted(COUNTER_dtls_flight_again), 1);
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2);
	cr_assert_eq(counted(COUNTER_dtls_finished), 2);
	assert_served(&other, "name");
}

/* Its client forgot the old run: what was made ahead is of a handshake that is no more. */
Test(secured_bursts, keys_of_a_handshake_that_is_begun_anew_are_not_used)
{
	uint8_t old[DTLS_WORLD_DATAGRAM];
	size_t len;

	greet_both();
	len = client_last_flight(&device.client, old);
	device_init(&device, 0, 4000);
	device.client.random[2] ^= 1;
	device_hello(&device); /* no state: it is asked for its cookie */
	put_last_flight(&other);
	put(&device, buffer, client_hello(&device.client, buffer));
	put(&device, old, len);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_in_step), 1, "the other's");
	cr_assert_eq(device.client.hellos_done, 1);
	cr_assert_eq(counted(COUNTER_dtls_finished), 1);
	assert_served(&other, "name");
	/* The old key exchange came first; the new one is its rival (RFC 6347 4.1.2.7). */
	device_send(&device, buffer, client_last_flight(&device.client, buffer));
	assert_served(&device, "dev");
	assert_forgotten();
}

/* ---- forged ones in between ---- */

Test(secured_bursts, a_forged_exchange_ahead_of_the_true_one_delays_nothing)
{
	size_t forged;

	greet_both();
	forged = forged_exchange(&device, buffer);
	put(&device, buffer, forged);
	put_last_flight(&device);
	put_last_flight(&other);
	receive_both();
	cr_assert_eq(counted(COUNTER_dtls_exchange_rival), 1);
	cr_assert_eq(counted(COUNTER_dtls_in_step), 2, "the forged one, which was there first");
	assert_served(&device, "dev");
	assert_served(&other, "name");
}

Test(secured_bursts, a_forged_exchange_behind_the_true_one_changes_nothing)
{
	uint8_t exchange[DTLS_WORLD_DATAGRAM];
	size_t forged;

	greet_both();
	forged = forged_exchange(&device, buffer);
	put(&other, exchange, client_exchange(&other.client, exchange));
	put(&device, exchange, client_exchange(&device.client, exchange));
	put(&device, buffer, forged);
	put(&device, buffer, client_change_cipher_spec(&device.client, buffer));
	put(&device, buffer, client_finished(&device.client, buffer));
	receive_both();
	assert_served(&device, "dev");
}

/* Only what will be accepted is noted, so that a forger cannot have keys made again and again. */
Test(secured_bursts, what_will_not_be_accepted_is_not_made)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t with;
	} cases[] = {
		{ "another type of record", 0, DTLS_ALERT_RECORD },
		{ "another protocol", 1, 3 },
		{ "a later epoch", 4, 1 },
		{ "a record beyond its datagram", 11, 0xff },
		{ "another message", 13, DTLS_CERTIFICATE_VERIFY },
		{ "a message beyond its record", 16, 0xff },
		{ "a message out of its turn", 18, 9 },
		{ "a fragment", 24, 2 },
		{ "an identity beyond its message", 26, 99 },
		{ "bytes behind the identity", 26, 1 },
	};

	greet_both();
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct dtls_ahead *ahead = &world->stack->secured->ahead;
		struct test_client forger = device.client;
		size_t len = client_exchange(&forger, buffer);

		dtls_ahead_note(ahead, &world->stack->secured->handshakes[0].dtls, buffer, len);
		cr_assert_eq(ahead->n_notes, 1, "as it is");
		dtls_ahead_forget(ahead);
		buffer[cases[i].at] = cases[i].with;
		for (size_t n = 0; n <= len; n++)
			dtls_ahead_note(ahead, &world->stack->secured->handshakes[0].dtls, buffer,
					n);
		cr_expect_eq(ahead->n_notes, 0, "%s", cases[i].what);
		dtls_ahead_forget(ahead);
	}
}

/* ---- in step or not: all that anybody sees is the same ---- */

enum { CLIENTS = 12, ROUNDS = 3000, POOL = 5, PATIENCE = 8 };

/* What a client waits for, by the first bytes of the datagram that brings it. */
enum phase { GREETING, ASKING, PROVING, SERVED };

static struct chaos {
	struct world *worlds[2]; /* in step, and each alone */
	uint64_t state;          /* of the dice */
	unsigned joined;
	struct chaotic {
		struct device device;
		enum phase phase;
		unsigned waited;
		uint8_t next[DTLS_WORLD_DATAGRAM], old[DTLS_WORLD_DATAGRAM];
		size_t next_len, old_len;
	} clients[CLIENTS];
} chaos;

static unsigned
dice(unsigned sides)
{
	chaos.state ^= chaos.state << 13;
	chaos.state ^= chaos.state >> 7;
	chaos.state ^= chaos.state << 17;
	return (unsigned)(chaos.state >> 33) % sides;
}

/* One of every kind: also with a wrong key, or with an identity that nobody has. */
static void
join(struct chaotic *it)
{
	static const uint8_t cbc[] = { 0x00, 0xae };
	unsigned port =
		it->device.peer.port ? it->device.peer.port : 5000 + (unsigned)(it - chaos.clients);

	device_init(&it->device, dice(2), (uint16_t)port);
	chaos.joined++;
	memcpy(it->device.client.random + 4, &chaos.joined, sizeof chaos.joined);
	it->device.client.extended = dice(4) != 0;
	it->device.client.offer_cid = dice(4) == 0;
	if (dice(5) == 0) {
		it->device.client.suites = cbc;
		it->device.client.suites_len = sizeof cbc;
	}
	if (dice(6) == 0)
		it->device.client.who.key = "fedcba9876543210";
	if (dice(8) == 0) {
		it->device.client.who.identity = "unlisted";
		it->device.client.who.identity_len = 8;
	}
	it->phase = GREETING;
	it->waited = 0;
	it->next_len = client_hello(&it->device.client, it->next);
}

static void
say(struct chaotic *it, const uint8_t *datagram, size_t len)
{
	if (burst.n < STACK_BURST)
		put(&it->device, datagram, len);
}

/* What the network, or somebody on it, makes of a datagram. */
static void
send_somehow(struct chaotic *it)
{
	uint8_t spoilt[DTLS_WORLD_DATAGRAM];

	switch (dice(12)) {
	case 0: /* lost */
		return;
	case 1: /* twice */
		say(it, it->next, it->next_len);
		break;
	case 2: /* behind another that somebody wrote */
	case 3:
		memcpy(spoilt, it->next, it->next_len);
		spoilt[dice((unsigned)it->next_len)] ^= (uint8_t)(1 + dice(255));
		say(it, spoilt, it->next_len);
		break;
	case 4: /* behind an old one */
		say(it, it->old, it->old_len);
		break;
	}
	say(it, it->next, it->next_len);
}

static void
send_all(void)
{
	unsigned first = dice(CLIENTS), n = 1 + dice(CLIENTS);

	for (unsigned i = 0; i < n; i++) {
		struct chaotic *it = &chaos.clients[(first + i) % CLIENTS];

		if (it->waited++ == PATIENCE)
			join(it);
		send_somehow(it);
	}
}

static void
go_on(struct chaotic *it, enum phase phase)
{
	it->phase = phase;
	it->waited = 0;
	memcpy(it->old, it->next, it->next_len);
	it->old_len = it->next_len;
	if (phase == ASKING)
		it->next_len = client_hello(&it->device.client, it->next);
	else if (phase == PROVING)
		it->next_len = client_last_flight(&it->device.client, it->next);
	else
		it->next_len = client_seal(&it->device.client, DTLS_APPLICATION_DATA, "\x40\0\0\1",
					   4, it->next);
}

static void
take_answer(struct chaotic *it, const struct dgram_out *out)
{
	struct test_client *client = &it->device.client;
	uint8_t copy[DTLS_WORLD_DATAGRAM];
	bool verify = out->data[0] == DTLS_HANDSHAKE && out->data[13] == DTLS_HELLO_VERIFY_REQUEST;
	bool hello = out->data[0] == DTLS_HANDSHAKE && out->data[13] == DTLS_SERVER_HELLO;

	if (!(it->phase == GREETING && verify) && !(it->phase == ASKING && hello) &&
	    !(it->phase == PROVING && out->data[0] == DTLS_CHANGE_CIPHER_SPEC))
		return;
	memcpy(copy, out->data, out->len);
	client_take(client, copy, out->len);
	if (verify || client->hellos_done == 1)
		go_on(it, it->phase + 1);
}

static void
assert_same_outbox(void)
{
	const struct world *one = chaos.worlds[0], *two = chaos.worlds[1];

	cr_assert_eq(one->out.used, two->out.used);
	for (unsigned i = 0; i < one->out.used; i++) {
		cr_assert(peer_equal(&one->slots[i].peer, &two->slots[i].peer));
		cr_assert_eq(one->slots[i].len, two->slots[i].len);
		cr_assert_arr_eq(one->slots[i].data, two->slots[i].data, one->slots[i].len);
	}
}

static void
assert_same_rest(void)
{
	struct world *one = chaos.worlds[0], *two = chaos.worlds[1];

	cr_assert_eq(one->n_events, two->n_events);
	for (unsigned i = 0; i < one->n_events; i++) {
		cr_assert_eq(one->events[i].kind, two->events[i].kind);
		cr_assert_eq(one->events[i].device, two->events[i].device);
		cr_assert(peer_equal(&one->events[i].peer, &two->events[i].peer));
	}
	one->n_events = two->n_events = 0;
	for (unsigned i = 0; i < COUNTERS; i++)
		if (i != COUNTER_dtls_in_step)
			cr_assert_eq(world_count(one, i), world_count(two, i), "%s",
				     counter_infos[i].name);
}

static void
receive_in_both(void)
{
	static struct burst copies;

	copies = burst;
	for (unsigned i = 0; i < burst.n; i++)
		copies.in[i].data = copies.bytes[i];
	for (unsigned w = 0; w < 2; w++) {
		struct burst *datagrams = w ? &copies : &burst;

		world_clear(chaos.worlds[w]);
		stack_receive(chaos.worlds[w]->stack, chaos.worlds[w]->now, datagrams->in,
			      datagrams->n, &chaos.worlds[w]->out);
	}
	burst.n = 0;
}

/* Of the first world: the other one said the same. */
static void
take_answers(void)
{
	const struct world *one = chaos.worlds[0];

	for (unsigned i = 0; i < one->out.used; i++)
		for (unsigned c = 0; c < CLIENTS; c++)
			if (peer_equal(&one->slots[i].peer, &chaos.clients[c].device.peer))
				take_answer(&chaos.clients[c], &one->slots[i]);
}

static struct world *
chaotic_world(bool alone)
{
	world = world_new_options(
		CLIENTS, &(struct world_options){ .handshakes = POOL, .handshakes_alone = alone });
	add_known(0, 40);
	add_known(1, 40);
	return world;
}

Test(secured_chaos, in_step_or_alone_all_that_is_seen_is_the_same)
{
	chaos.state = 0x9e3779b97f4a7c15;
	for (unsigned w = 0; w < 2; w++)
		chaos.worlds[w] = chaotic_world(w == 1);
	for (unsigned c = 0; c < CLIENTS; c++)
		join(&chaos.clients[c]);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t later_us = dice(4) ? 1000 : dice(6 * SECOND);

		send_all();
		receive_in_both();
		assert_same_outbox();
		take_answers();
		for (unsigned w = 0; w < 2; w++)
			world_tick(chaos.worlds[w], later_us);
		assert_same_outbox();
		assert_same_rest();
	}
	for (unsigned w = 0; w < 2; w++) {
		world = chaos.worlds[w];
		cr_assert_gt(counted(COUNTER_dtls_finished), 500);
		cr_assert_gt(counted(COUNTER_dtls_failed_key), 10);
		cr_assert_gt(counted(COUNTER_dtls_exchange_rival), 10);
		cr_assert_gt(counted(COUNTER_dtls_handshakes_displaced), 10);
		cr_assert_eq(counted(COUNTER_dtls_in_step) > 300, w == 0);
		world_free(world);
	}
}
