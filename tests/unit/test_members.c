/* Connection ids that say which member of a cluster gave them out, and datagrams that go from one member to another. */
#include <criterion/criterion.h>

#include "dataplane/core/dtls/dtls_members.h"
#include "dataplane/core/secured/secured_forward.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

enum { SECOND = 1000000, FORWARD_LISTENER = 2, PSK_LISTENER = 1, FORWARD_PORT = 5685 };

#define HOUR_US (3600ull * SECOND)

/* ---- ids ---- */

static const struct member_sharing shared = {
	.number = 1,
	.on = true,
	.member = 5,
	.secret = "of all members",
	.wall_us = 1700000000ll * SECOND,
};

static struct dtls_members
members_at(const struct member_sharing *sharing, uint64_t now_us)
{
	struct dtls_members members = { 0 };

	dtls_members_follow(&members, crypto_select(), sharing, now_us);
	return members;
}

Test(members, each_reads_the_ids_of_the_others)
{
	for (unsigned number = 1; number <= MEMBER_NUMBER_MAX; number += 409) {
		uint8_t cid[DTLS_CID] = { 3, 0, 1, 2, (uint8_t)number, (uint8_t)(number >> 8) };
		struct member_sharing sharing = shared;
		struct dtls_members maker, reader = members_at(&shared, SECOND);

		sharing.member = (uint16_t)number;
		maker = members_at(&sharing, SECOND);
		dtls_members_mark(&maker, cid);
		cr_assert_eq(dtls_members_owner(&reader, cid), number);
		cr_assert_eq(dtls_members_owner(&maker, cid), number);
	}
}

/* Whatever minute it is, also of one whose clock is an hour ahead. */
Test(members, an_id_is_read_for_six_hours)
{
	for (uint64_t made_us = 0; made_us < 9 * HOUR_US; made_us += HOUR_US / 4) {
		uint8_t cid[DTLS_CID] = { 1, 2, 3, 4, 5, 6 };
		struct dtls_members maker = members_at(&shared, made_us + HOUR_US), reader;

		dtls_members_mark(&maker, cid);
		for (uint64_t at_us = made_us; at_us <= made_us + 7 * HOUR_US; at_us += HOUR_US / 4) {
			reader = members_at(&shared, at_us);
			cr_assert_eq(dtls_members_owner(&reader, cid), shared.member);
		}
	}
}

Test(members, keys_change_with_the_hour)
{
	struct dtls_members members = members_at(&shared, SECOND);
	struct siphash_key keys[DTLS_MEMBER_KEYS];
	uint64_t due_us = members.due_us;
	unsigned same = 0;

	memcpy(keys, members.keys, sizeof keys);
	dtls_members_follow(&members, crypto_select(), &shared, due_us - 1);
	cr_assert_arr_eq(keys, members.keys, sizeof keys, "not before it is over");
	dtls_members_follow(&members, crypto_select(), &shared, due_us);
	for (unsigned i = 0; i < DTLS_MEMBER_KEYS; i++)
		same += memcmp(&keys[i], &members.keys[i], sizeof keys[i]) == 0;
	cr_assert_eq(same, DTLS_MEMBER_KEYS - 1);
}

/* One mask for all ids would tell who has the same member, and one member's for another's. */
Test(members, who_does_not_know_the_secret_reads_nothing)
{
	struct dtls_members members = members_at(&shared, SECOND), other;
	struct member_sharing wrong = shared;
	unsigned read = 0, alike = 0;
	uint16_t first = 0;

	wrong.secret[0] ^= 1;
	other = members_at(&wrong, SECOND);
	for (unsigned i = 0; i < 256; i++) {
		uint8_t cid[DTLS_CID] = { 1, 0, 0, 7, (uint8_t)i, 9 };
		uint16_t mark;

		dtls_members_mark(&members, cid);
		mark = (uint16_t)(cid[6] << 8 | cid[7]);
		if (i == 0)
			first = mark;
		alike += mark == first;
		read += dtls_members_owner(&other, cid) == shared.member;
	}
	cr_assert_leq(alike, 3);
	cr_assert_leq(read, 3);
}

Test(members, another_publication_is_taken_over)
{
	struct dtls_members members = members_at(&shared, SECOND);
	struct member_sharing changed = shared;
	const struct member_sharing none = { .number = 3 };

	changed.number = 2;
	changed.member = 9;
	dtls_members_follow(&members, crypto_select(), &changed, SECOND);
	cr_assert_eq(members.member, 9);
	dtls_members_follow(&members, crypto_select(), &none, SECOND);
	cr_assert_not(members.on);
}

/* ---- two members and a device ---- */

struct member {
	struct world *world;
	uint8_t address;
};

static struct member a, b;
static struct test_client client;
static struct peer place; /* of the device */
static uint8_t buffer[DTLS_WORLD_DATAGRAM];
static unsigned answers; /* that the device understood */

static struct peer
member_peer(uint8_t address)
{
	return (struct peer){ .addr = { [10] = 0xff, 0xff, 192, 0, 2, address },
			      .port = FORWARD_PORT,
			      .listener = FORWARD_LISTENER };
}

static void
member_init(struct member *member, uint16_t number, bool forwards)
{
	static const char key[] = "0123456789abcdef";
	struct world *world = world_new(8);
	struct member_sharing *sharing = &world->limits.members;

	stack_fini(world->stack);
	memset(world->memory, 0, stack_size(&world->config));
	world->config.listener_security[FORWARD_LISTENER] = LISTENER_FORWARD;
	world->config.n_listeners = 3;
	world->config.worker = (uint8_t)number;
	memset(world->config.forward_from, forwards ? FORWARD_LISTENER : LISTENER_NONE, LISTENERS_MAX);
	*sharing = shared;
	sharing->member = number;
	for (uint16_t other = 1; forwards && other <= 3; other++) {
		struct peer peer = member_peer((uint8_t)other);
		struct member_route *route = &sharing->routes[sharing->n_routes];

		if (other == number)
			continue;
		*route = (struct member_route){ .member = other, .port = peer.port };
		memcpy(route->addr, peer.addr, sizeof route->addr);
		sharing->n_routes++;
	}
	world->stack = stack_init(world->memory, &world->config, world->now);
	world_device_with(world, "dev", "dev", key, world_batch(world, 11542, 40), 0);
	*member = (struct member){ world, (uint8_t)number };
}

static void
begin(bool forwards)
{
	static const struct dtls_world_credential who = { "dev", 3, "0123456789abcdef", 16 };

	member_init(&a, 1, forwards);
	member_init(&b, 2, forwards);
	client_init(&client, crypto_select(), &who);
	client.offer_cid = true;
	place = world_peer(4000);
	place.listener = PSK_LISTENER;
	answers = 0;
}

static void
setup(void)
{
	begin(true);
}

static void
teardown(void)
{
	world_free(a.world);
	world_free(b.world);
}

TestSuite(forward, .init = setup, .fini = teardown);

/* What this member sent to the device now. */
static void
take_answers(struct member *member)
{
	for (unsigned i = 0; i < member->world->out.used; i++) {
		struct dgram_out *out = &member->world->slots[i];

		if (!peer_equal(&out->peer, &place))
			continue;
		client.data_len = 0;
		client_take(&client, out->data, out->len);
		answers += client.data_len != 0;
	}
}

static void
send_to(struct member *member, const uint8_t *datagram, size_t len)
{
	world_feed_at(member->world, place, datagram, len);
	take_answers(member);
}

static void
shake_hands(void)
{
	send_to(&a, buffer, client_hello(&client, buffer));
	send_to(&a, buffer, client_hello(&client, buffer));
	send_to(&a, buffer, client_last_flight(&client, buffer));
	cr_assert_eq(world_count(a.world, COUNTER_dtls_finished), 1);
	cr_assert_eq(client.session.peer_cid_len, DTLS_CID);
}

static size_t
ping(uint8_t mid)
{
	const uint8_t message[] = { 0x40, 0, 0, mid };

	return client_seal(&client, DTLS_APPLICATION_DATA, message, sizeof message, buffer);
}

/* The one datagram that the member sent to another, copied; its length. */
static size_t
forwarded(const struct member *from, uint8_t to, uint8_t datagram[DTLS_WORLD_DATAGRAM])
{
	const struct dgram_out *out = &from->world->slots[0];
	struct peer peer = member_peer(to);

	cr_assert_eq(from->world->out.used, 1);
	cr_assert(peer_equal(&out->peer, &peer));
	memcpy(datagram, out->data, out->len);
	return out->len;
}

/* As it arrives: from the member that sent it. */
static void
deliver(struct member *to, const uint8_t *datagram, size_t len)
{
	struct peer peer = member_peer(99);

	peer.port = 5685;
	world_feed_at(to->world, peer, datagram, len);
	take_answers(to);
}

Test(forward, records_of_another_member_reach_it_and_are_answered_by_it)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;

	shake_hands();
	len = ping(1);
	send_to(&b, buffer, len);
	cr_assert_eq(world_count(b.world, COUNTER_dtls_rx_foreign), 1);
	cr_assert_eq(world_count(b.world, COUNTER_forward_sent), 1);
	cr_assert_eq(forwarded(&b, 1, datagram), len + FORWARD_HEADER);
	deliver(&a, datagram, len + FORWARD_HEADER);
	cr_assert_eq(world_count(a.world, COUNTER_forward_received), 1);
	cr_assert_eq(answers, 1);
}

/* The device moved, too: the answer goes to its new address, by the way that the owner knows. */
Test(forward, a_device_that_moved_to_another_member_is_answered_where_it_is)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	struct link link = world_link();

	shake_hands();
	place.port = 4999;
	send_to(&b, buffer, ping(1));
	deliver(&a, datagram, forwarded(&b, 1, datagram));
	cr_assert_eq(answers, 1);
	cr_assert_eq(world_count(a.world, COUNTER_dtls_moved), 1);
	cr_assert_arr_eq(a.world->slots[0].link.mac, link.mac, sizeof link.mac);
	send_to(&a, buffer, ping(2));
	cr_assert_eq(answers, 2);
}

Test(forward, the_worker_that_has_the_association_is_found_by_the_datagram)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	shake_hands();
	send_to(&b, buffer, ping(1));
	cr_assert_eq(dtls_named_worker(datagram, forwarded(&b, 1, datagram)), 1);
}

Test(forward, a_copy_is_answered_by_nobody)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;

	shake_hands();
	send_to(&b, buffer, ping(1));
	len = forwarded(&b, 1, datagram);
	deliver(&a, datagram, len);
	memcpy(buffer, datagram, len);
	deliver(&a, buffer, len);
	cr_assert_eq(a.world->out.used, 0);
	cr_assert_eq(answers, 1);
}

Test(forward, what_no_member_sent_is_dropped)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM], changed[DTLS_WORLD_DATAGRAM];
	size_t len;

	shake_hands();
	send_to(&b, buffer, ping(1));
	len = forwarded(&b, 1, datagram);
	for (size_t i = 0; i < len; i++) {
		memcpy(changed, datagram, len);
		changed[i] ^= 0x20;
		deliver(&a, changed, len);
		cr_assert_eq(a.world->out.used, 0, "byte %zu", i);
	}
	for (size_t cut = 0; cut < len; cut++)
		deliver(&a, datagram, cut);
	cr_assert_eq(answers, 0);
	cr_assert_eq(world_count(a.world, COUNTER_forward_rejected), 2 * len);
	cr_assert_eq(world_count(a.world, COUNTER_forward_received), 0);
}

/* Another listener's number would let a member reach what devices cannot: NoSec, and this door itself. */
Test(forward, only_listeners_with_dtls_are_reached)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;

	shake_hands();
	send_to(&b, buffer, ping(200));
	for (unsigned listener = 0; listener < LISTENERS_MAX; listener++) {
		if (listener == PSK_LISTENER)
			continue;
		/* As a member would that has other listeners. */
		struct peer before = place;
		struct arrival arrival = { .in = &(struct dgram_in){ .data = buffer, .link = world_link() } };

		len = ping((uint8_t)listener);
		place.listener = (uint8_t)listener;
		arrival.in->peer = place;
		arrival.in->len = (uint16_t)len;
		arrival.record.header = buffer;
		world_clear(b.world);
		cr_assert(forward_foreign(b.world->stack, &arrival));
		deliver(&a, datagram, forwarded(&b, 1, datagram));
		place = before;
	}
	cr_assert_eq(world_count(a.world, COUNTER_forward_rejected), LISTENERS_MAX - 1);
	cr_assert_eq(answers, 0);
}

Test(forward, an_id_that_is_made_up_goes_to_nobody_or_is_dropped_there)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	unsigned sent = 0;

	shake_hands();
	for (unsigned i = 0; i < 20000; i++) {
		const uint8_t *cid = client.session.peer_cid;
		size_t len = ping(1);

		if ((i & 255) == cid[4] && i >> 8 == cid[5])
			continue;
		buffer[11 + 4] = (uint8_t)i;
		buffer[11 + 5] = (uint8_t)(i >> 8);
		client.session.write_sequence = 1;
		world_feed_at(b.world, place, buffer, len);
		cr_assert_leq(b.world->out.used, 1);
		if (!b.world->out.used)
			continue;
		cr_assert_leq(b.world->slots[0].len, len + FORWARD_HEADER);
		sent++;
		if (b.world->slots[0].peer.addr[15] == 1)
			deliver(&a, datagram, forwarded(&b, 1, datagram));
	}
	/* Two members of 8192 numbers: five are expected of 20,000. */
	cr_assert_leq(sent, 40);
	cr_assert_eq(answers, 0);
}

/* An outdated route: nothing goes round between members. */
Test(forward, what_was_forwarded_is_not_forwarded_again)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	struct member c;
	size_t len;

	shake_hands();
	member_init(&c, 3, true);
	send_to(&b, buffer, ping(1));
	len = forwarded(&b, 1, datagram);
	deliver(&c, datagram, len);
	cr_assert_eq(c.world->out.used, 0);
	cr_assert_eq(world_count(c.world, COUNTER_forward_stray), 1);
	world_free(c.world);
}

Test(forward, an_id_of_its_own_that_is_over_is_no_foreign_one)
{
	shake_hands();
	world_tick(a.world, 61ull * SECOND);
	send_to(&a, buffer, ping(1));
	cr_assert_eq(world_count(a.world, COUNTER_dtls_rx_foreign), 0);
	cr_assert_eq(world_count(a.world, COUNTER_dtls_rx_no_session), 1);
}

Test(forward, a_datagram_goes_once_however_many_records_it_has)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM], both[DTLS_WORLD_DATAGRAM];
	size_t first, second;
	uint64_t before;

	shake_hands();
	before = world_count(a.world, COUNTER_dtls_rx_opened);
	first = ping(1);
	memcpy(both, buffer, first);
	second = ping(2);
	memcpy(both + first, buffer, second);
	send_to(&b, both, first + second);
	cr_assert_eq(world_count(b.world, COUNTER_dtls_rx_foreign), 2);
	deliver(&a, datagram, forwarded(&b, 1, datagram));
	cr_assert_eq(world_count(a.world, COUNTER_dtls_rx_opened), before + 2);
}

Test(forward, what_does_not_fit_is_counted)
{
	static const uint8_t long_message[DATAGRAM_MAX - 60] = { 0x40, 0, 0, 1 };

	shake_hands();
	send_to(&b, buffer,
		client_seal(&client, DTLS_APPLICATION_DATA, long_message, sizeof long_message, buffer));
	cr_assert_eq(b.world->out.used, 0);
	cr_assert_eq(world_count(b.world, COUNTER_forward_size), 1);
	/* As short as a record may be, and without content. */
	send_to(&b, buffer, client_seal(&client, DTLS_APPLICATION_DATA, "", 0, buffer) - 1);
	cr_assert_eq(b.world->out.used, 0);
}

Test(forward, a_flood_is_limited)
{
	shake_hands();
	for (unsigned i = 0; i < 20100; i++) {
		size_t len = ping(1);

		world_feed_at(b.world, place, buffer, len);
	}
	cr_assert_eq(world_count(b.world, COUNTER_forward_limited), 100);
	world_tick(b.world, SECOND);
	send_to(&b, buffer, ping(1));
	cr_assert_eq(b.world->out.used, 1);
}

Test(members, a_member_that_forwards_nothing_counts_what_is_foreign)
{
	begin(false);
	shake_hands();
	send_to(&b, buffer, ping(1));
	cr_assert_eq(b.world->out.used, 0);
	cr_assert_eq(world_count(b.world, COUNTER_dtls_rx_foreign), 1);
	cr_assert_eq(world_count(b.world, COUNTER_forward_unknown), 1);
	teardown();
}

/* Alone, no id is anybody's. */
Test(members, without_a_cluster_nothing_is_foreign)
{
	begin(false);
	b.world->limits.members = (struct member_sharing){ .number = 2 };
	shake_hands();
	send_to(&b, buffer, ping(1));
	cr_assert_eq(world_count(b.world, COUNTER_dtls_rx_foreign), 0);
	cr_assert_eq(world_count(b.world, COUNTER_dtls_rx_no_session), 1);
	deliver(&b, buffer, ping(1));
	cr_assert_eq(world_count(b.world, COUNTER_forward_rejected), 1);
	teardown();
}
