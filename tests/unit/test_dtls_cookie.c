/* Stateless cookies (RFC 6347 4.2.1). */
#include <criterion/criterion.h>

#include "tests/support/dtls_client.h"

static struct dtls_world world;
static struct test_client client;
static uint8_t datagram[DTLS_WORLD_DATAGRAM];

static void
setup(void)
{
	static const struct dtls_world_credential who = { "d", 1, "k", 1 };

	dtls_world_init(&world, crypto_select(), &who, 1);
	client_init(&client, crypto_select(), &who);
}

TestSuite(dtls_cookie, .init = setup);

/* Whether the present hello is let in. */
static bool
is_let_in(void)
{
	unsigned before = client.server_hellos;

	client_ask(&client, &world, datagram, client_hello(&client, datagram));
	dtls_world_end_handshake(&world);
	return client.server_hellos > before;
}

static void
get_cookie(void)
{
	client.cookie_len = 0;
	cr_assert_not(is_let_in());
	cr_assert_eq(client.cookie_len, DTLS_COOKIE);
}

Test(dtls_cookie, is_bound_to_address_port_and_listener)
{
	uint8_t cookie[DTLS_COOKIE];
	struct peer peer = world.peer;

	get_cookie();
	memcpy(cookie, client.cookie, sizeof cookie);
	for (size_t i = 0; i < offsetof(struct peer, pad); i++) {
		((uint8_t *)&world.peer)[i] ^= 1;
		cr_assert_not(is_let_in(), "byte %zu of the peer", i);
		memcpy(client.cookie, cookie, sizeof cookie);
		world.peer = peer;
	}
	cr_assert(is_let_in());
}

Test(dtls_cookie, is_bound_to_the_hello)
{
	static const uint8_t suites[] = { 0xc0, 0xa8, 0x00, 0xff };
	struct test_client before;

	get_cookie();
	before = client;
	client.random[31] ^= 1;
	cr_assert_not(is_let_in());
	client = before;
	client.version = 0xfefc;
	cr_assert_not(is_let_in());
	client = before;
	client.suites = suites;
	client.suites_len = sizeof suites;
	cr_assert_not(is_let_in());
	client = before;
	client.extended = false;
	cr_assert_not(is_let_in());
	client = before;
	cr_assert(is_let_in());
}

Test(dtls_cookie, every_other_value_is_refused)
{
	struct test_client before;

	get_cookie();
	before = client;
	for (unsigned bit = 0; bit < 8 * DTLS_COOKIE; bit++) {
		client.cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_not(is_let_in(), "bit %u", bit);
		client = before;
	}
	client.cookie_len--;
	cr_assert_not(is_let_in());
	client = before;
	client.cookie_len++;
	cr_assert_not(is_let_in());
	cr_assert_eq(world.counters.value[COUNTER_dtls_hello_cookie], 8 * DTLS_COOKIE + 2);
}

Test(dtls_cookie, lives_one_to_two_periods)
{
	struct test_client before;

	get_cookie();
	before = client;
	world.now_us += DTLS_COOKIE_LIFE_US;
	cr_assert(is_let_in(), "after one period");
	client = before;
	world.now_us += DTLS_COOKIE_LIFE_US;
	cr_assert_not(is_let_in(), "after two");
	get_cookie();
	before = client;
	world.now_us += 10 * (uint64_t)DTLS_COOKIE_LIFE_US;
	cr_assert_not(is_let_in(), "after a long silence");
}

Test(dtls_cookie, the_answer_is_never_longer_than_the_question)
{
	size_t len;

	client.extended = false; /* the shortest hello there is */
	len = client_hello(&client, datagram);
	cr_assert_eq(client_ask(&client, &world, datagram, len), 44);
	cr_assert_geq(len, 44);
}

Test(dtls_cookie, record_version_of_the_answer_suits_the_client)
{
	client.record_version = DTLS_1_2;
	client_ask(&client, &world, datagram, client_hello(&client, datagram));
	cr_assert_eq(client.server_version, DTLS_1_2);
	client.cookie_len = 0;
	client.record_version = 0xfe00;
	client_ask(&client, &world, datagram, client_hello(&client, datagram));
	cr_assert_eq(client.server_version, DTLS_1_0);
}

/* Two workers' secrets differ, and so do two starts'. */
Test(dtls_cookie, secrets_come_from_the_generator)
{
	struct dtls_cookies a, b;

	dtls_cookies_init(&a, &world.server.rng, 0);
	dtls_cookies_init(&b, &world.server.rng, 0);
	cr_assert_arr_neq(a.wholes, b.wholes, sizeof a.wholes);
	cr_assert_arr_neq(a.heads, b.heads, sizeof a.heads);
}

/* ---- appliances that share a secret ---- */

enum { SECOND_US = 1000 * 1000, MINUTE_US = 60 * SECOND_US };

static const struct cookie_sharing shared = { .on = true, .secret = "of all members", .wall_us = 1700000000ll * SECOND_US };

static void
follow(struct dtls_cookies *cookies, const struct cookie_sharing *sharing, uint64_t now_us)
{
	dtls_cookies_follow(cookies, crypto_select(), &world.server.rng, sharing, now_us);
}

static bool
has_same(const struct dtls_cookies *made, const struct dtls_cookies *checked)
{
	unsigned i = made->newest;

	return memcmp(&made->heads[i], &checked->heads[i], sizeof made->heads[i]) == 0 &&
	       memcmp(&made->wholes[i], &checked->wholes[i], sizeof made->wholes[i]) == 0;
}

/* Whatever second of the minute it is, whichever clock is ahead. */
Test(dtls_cookie, members_take_each_others_with_clocks_apart)
{
	struct dtls_cookies a = { 0 }, b = { 0 };

	for (int apart = -29; apart <= 29; apart++)
		for (uint64_t s = 100; s < 340; s++) {
			a.shared = b.shared = false;
			follow(&a, &shared, s * SECOND_US);
			follow(&b, &shared, (uint64_t)((int64_t)s + apart) * SECOND_US);
			cr_assert(has_same(&a, &b), "second %u, %d apart", (unsigned)s, apart);
		}
}

Test(dtls_cookie, a_shared_one_ends_within_two_minutes)
{
	struct dtls_cookies a = { 0 }, b = { 0 };

	for (uint64_t s = 100; s < 220; s++) {
		follow(&a, &shared, s * SECOND_US);
		follow(&b, &shared, s * SECOND_US + 2 * (uint64_t)MINUTE_US);
		cr_assert_not(has_same(&a, &b), "second %u", (unsigned)s);
	}
}

Test(dtls_cookie, another_secret_makes_others)
{
	struct cookie_sharing other = shared;
	struct dtls_cookies a = { 0 }, b = { 0 };

	other.secret[0] ^= 1;
	follow(&a, &shared, MINUTE_US);
	follow(&b, &other, MINUTE_US);
	cr_assert_not(has_same(&a, &b));
}

/* Who leaves a cluster takes none of its cookies any more. */
Test(dtls_cookie, own_secrets_come_back_when_sharing_ends)
{
	const struct cookie_sharing none = { 0 };
	struct dtls_cookies a = { 0 }, before;

	follow(&a, &shared, MINUTE_US);
	before = a;
	follow(&a, &none, MINUTE_US + 1);
	cr_assert_not(has_same(&before, &a));
	cr_assert_not(a.shared);
}

/* A hello that was answered by one member is let in by another. */
Test(dtls_cookie, a_device_is_let_in_by_another_member)
{
	follow(&world.server.cookies, &shared, world.now_us);
	get_cookie();
	dtls_cookies_init(&world.server.cookies, &world.server.rng, world.now_us);
	follow(&world.server.cookies, &shared, world.now_us + 5 * SECOND_US);
	cr_assert(is_let_in());
}
