/* The stack's end of the slow lane: what goes there, what comes back, what comes too late, and that nothing stays behind. */
#include <criterion/criterion.h>

#include "dataplane/core/sessions/association.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

enum { PSK_LISTENER = 1, SESSIONS = 4, ITEMS = 16, SECOND = 1000000 };

static const uint8_t cbc_suite[2] = { 0x00, 0xae };

static struct world *world;
static struct test_client client;
static struct peer peer;
static uint8_t buffer[DTLS_WORLD_DATAGRAM];
static struct slow_lane_item items[ITEMS];
static unsigned n_free, n_offered;
static struct slow_lane_item *offered[64];

static struct slow_lane_item *
give_item(void *ctx)
{
	return n_free ? &items[--n_free] : NULL;
}

static void
take_item(void *ctx, struct slow_lane_item *item)
{
	offered[n_offered++] = item;
}

static void
start(bool with_lane)
{
	const struct dtls_world_credential who = { "dev", 3, "0123456789abcdef", 16 };

	world = world_new(SESSIONS);
	stack_fini(world->stack);
	free(world->memory);
	world->config.lane_item = with_lane ? give_item : NULL;
	world->config.lane_offer = take_item;
	world->memory = aligned_alloc(64, (stack_size(&world->config) + 63) / 64 * 64);
	memset(world->memory, 0, stack_size(&world->config));
	world->stack = stack_init(world->memory, &world->config, world->now);
	client_init(&client, crypto_select(), &who);
	client.suites = cbc_suite;
	client.suites_len = sizeof cbc_suite;
	peer = world_peer(4000);
	peer.listener = PSK_LISTENER;
	n_free = ITEMS;
	n_offered = 0;
}

static void
setup(void)
{
	start(true);
}

static void
teardown(void)
{
	world_free(world);
}

TestSuite(secured_lane, .init = setup, .fini = teardown);

static void
send(size_t len)
{
	world_feed_at(world, peer, buffer, len);
	for (unsigned i = 0; i < world->out.used; i++)
		client_take(&client, world->slots[i].data, world->slots[i].len);
}

/* Both hellos, the second with the cookie: the session waits in the lane. */
static void
enter(void)
{
	send(client_hello(&client, buffer));
	send(client_hello(&client, buffer));
}

static void
come_back(const struct slow_lane_item *item)
{
	world->out.used = 0;
	stack_lane(world->stack, world->now, item, &world->out);
}

static struct slow_lane_item
answer(uint8_t kind)
{
	return (struct slow_lane_item){ .kind = kind,
					.slot = offered[0]->slot,
					.serial = offered[n_offered - 1]->serial };
}

static struct slow_lane_item
established(void)
{
	struct slow_lane_item item = answer(SLOW_LANE_ESTABLISHED);

	memset(item.keys.client_mac, 1, sizeof item.keys.client_mac);
	memset(item.keys.client_key, 2, sizeof item.keys.client_key);
	item.keys.encrypt_then_mac = true;
	item.keys.write_sequence = 1;
	return item;
}

static unsigned
free_keys(void)
{
	const struct secured *secured = world->stack->secured;
	unsigned n = 0;

	for (uint32_t i = secured->free_cbc; i; i = secured->cbc[i - 1].next_free)
		n++;
	return n;
}

static void
assert_nothing_stays(void)
{
	for (int i = 0; i < 400; i++)
		world_tick(world, SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc);
}

Test(secured_lane, without_a_lane_the_hello_is_refused_at_once)
{
	teardown();
	start(false);
	enter();
	cr_assert_eq(client.alert, DTLS_HANDSHAKE_FAILURE);
	cr_assert_eq(world_count(world, COUNTER_dtls_failed_suite), 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
}

Test(secured_lane, no_item_is_counted_and_leaves_no_session_for_good)
{
	n_free = 0;
	enter();
	cr_assert_eq(n_offered, 0);
	cr_assert_eq(world_count(world, COUNTER_dtls_slow_lane_full), 1);
	assert_nothing_stays();
}

/* As OpenSSL writes it at an MTU of 256. */
Test(secured_lane, a_hello_in_fragments_is_handed_on_whole)
{
	static uint8_t padding[204] = { 0xfa, 0xfa, 0x00, 200 };
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len;

	client.extra = padding;
	client.extra_len = sizeof padding;
	send(client_hello(&client, buffer));
	len = client_hello_body(&client, body, sizeof body);
	for (size_t at = 0; at < len; at += 90)
		send(client_fragment(&client, DTLS_CLIENT_HELLO, body, len, at,
				     at + 90 < len ? at + 90 : len, buffer));
	cr_assert_eq(client.alert, -1);
	cr_assert_eq(n_offered, 1);
	cr_assert_eq(offered[0]->len, DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER + len);
	cr_assert_arr_eq(offered[0]->datagram + DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER, body,
			 len);
	cr_assert_arr_eq(offered[0]->datagram + DTLS_RECORD_HEADER + 6, "\0\0\0", 3);
}

Test(secured_lane, a_hello_without_cookie_goes_nowhere)
{
	send(client_hello(&client, buffer));
	cr_assert_eq(n_offered, 0);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
}

Test(secured_lane, records_go_there_as_they_came_and_answers_come_back)
{
	struct slow_lane_item item;
	size_t len;

	enter();
	cr_assert_eq(n_offered, 1);
	cr_assert_eq(offered[0]->kind, SLOW_LANE_DATAGRAM);
	cr_assert_eq(offered[0]->datagram[DTLS_RECORD_HEADER], DTLS_CLIENT_HELLO);
	len = client_change_cipher_spec(&client, buffer);
	send(len);
	cr_assert_eq(n_offered, 2);
	cr_assert_eq(offered[1]->len, len);
	cr_assert_eq(offered[1]->serial, offered[0]->serial);
	item = answer(SLOW_LANE_DATAGRAM);
	item.len = 3;
	memcpy(item.datagram, "abc", 3);
	come_back(&item);
	cr_assert_eq(world->out.used, 1);
	cr_assert(peer_equal(&world->slots[0].peer, &peer));
	cr_assert_arr_eq(world->slots[0].data, "abc", 3);
	assert_nothing_stays();
}

Test(secured_lane, keys_make_an_association_whose_records_open)
{
	struct slow_lane_item item;
	struct session *session;
	struct dtls_session *dtls;

	enter();
	item = established();
	come_back(&item);
	session = session_at(world->stack, item.slot);
	dtls = association_of(world->stack, session);
	cr_assert_not_null(dtls);
	cr_assert_not_null(dtls->cbc);
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc - 1);
	assert_nothing_stays();
}

Test(secured_lane, a_failed_attempt_closes_its_session)
{
	struct slow_lane_item item;

	enter();
	item = answer(SLOW_LANE_END);
	item.cause = SLOW_LANE_FAILED;
	come_back(&item);
	cr_assert_eq(world_count(world, COUNTER_dtls_slow_lane_failed), 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
}

Test(secured_lane, a_displaced_attempt_is_counted_and_closes_its_session)
{
	struct slow_lane_item item;

	enter();
	cr_assert_eq(offered[0]->prefix, ratelimit_prefixes_index(&world->stack->secured->prefixes,
								  peer.addr));
	item = answer(SLOW_LANE_END);
	item.cause = SLOW_LANE_DISPLACED;
	come_back(&item);
	cr_assert_eq(world_count(world, COUNTER_dtls_handshakes_displaced), 1);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
}

/* The library would end the handshake for them (RFC 6347 4.1.2.7). */
Test(secured_lane, forged_plaintext_does_not_reach_the_lane)
{
	static const uint8_t alert[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40 };
	static const uint8_t data[] = { 23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 7 };
	size_t len;

	enter();
	memcpy(buffer, alert, sizeof alert);
	send(sizeof alert);
	memcpy(buffer, data, sizeof data);
	send(sizeof data);
	len = client_fragment(&client, DTLS_FINISHED, (const uint8_t *)"forged12byte", 12, 0, 12,
			      buffer);
	send(len);
	cr_assert_eq(n_offered, 1, "the hello alone");
	cr_assert_eq(world_count(world, COUNTER_dtls_message_unexpected), 3);
	send(client_change_cipher_spec(&client, buffer));
	cr_assert_eq(n_offered, 2);
}

Test(secured_lane, a_wrong_key_is_reported)
{
	struct slow_lane_item item;

	enter();
	item = answer(SLOW_LANE_END);
	item.cause = SLOW_LANE_WRONG_KEY;
	item.keys.device = 1000;
	come_back(&item);
	cr_assert_eq(world_count(world, COUNTER_dtls_failed_key), 1);
	cr_assert_eq(world->n_events, 1);
	cr_assert_eq(world->events[0].kind, SESSION_REJECTED);
	cr_assert_eq(world->events[0].cause, CAUSE_KEY);
	cr_assert_eq(world->events[0].device, 1000);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
}

Test(secured_lane, a_device_that_began_anew_has_a_new_attempt_and_late_keys_are_not_taken)
{
	struct slow_lane_item late;

	enter();
	late = established();
	client.random[0] ^= 1;
	client.cookie_len = 0;
	client.message = 0;
	enter();
	cr_assert_eq(offered[1]->kind, SLOW_LANE_END);
	cr_assert_eq(offered[1]->serial, late.serial);
	cr_assert_eq(offered[2]->kind, SLOW_LANE_DATAGRAM);
	cr_assert_neq(offered[2]->serial, late.serial);
	come_back(&late);
	cr_assert_null(association_of(world->stack, session_at(world->stack, late.slot)));
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc);
	assert_nothing_stays();
}

Test(secured_lane, a_lane_that_never_answers_is_left)
{
	enter();
	assert_nothing_stays();
	cr_assert_eq(offered[n_offered - 1]->kind, SLOW_LANE_END);
}

Test(secured_lane, items_for_nobody_are_ignored)
{
	struct slow_lane_item item = { .kind = SLOW_LANE_ESTABLISHED, .slot = 3, .serial = 9 };

	come_back(&item);
	item.slot = UINT32_MAX;
	come_back(&item);
	item.kind = SLOW_LANE_DATAGRAM;
	come_back(&item);
	cr_assert_eq(world->out.used, 0);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
}
