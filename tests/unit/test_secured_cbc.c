/* TLS_PSK_WITH_AES_128_CBC_SHA256 through the whole stack: who gets an association, where its keys lie, and that
 * nothing stays behind. */
#include <criterion/criterion.h>

#include "dataplane/core/sessions/association.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

enum { PSK_LISTENER = 1, SESSIONS = 4, SECOND = 1000000 };

static const uint8_t cbc_suite[2] = { 0x00, 0xae };

static struct world *world;
static struct test_client client;
static struct peer peer;
static uint8_t buffer[DTLS_WORLD_DATAGRAM];

/* "dev" is a device, with this key. */
static void
add_device(void)
{
	struct device_entry *entry =
		device_entry_new(1000, "dev", 3, NULL, 0, "0123456789abcdef", 16);
	struct device_entry *old;
	struct directory_retired retired;

	cr_assert_eq(directory_put(world->directory, entry, &old, &retired), 0);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
	world->entries[world->n_entries++] = entry;
}

static void
begin_client(const char *key)
{
	const struct dtls_world_credential who = { "dev", 3, key, strlen(key) };

	client_init(&client, crypto_select(), &who);
	client.suites = cbc_suite;
	client.suites_len = sizeof cbc_suite;
	client.encrypt_then_mac = true;
}

static void
setup(void)
{
	world = world_new(SESSIONS);
	add_device();
	begin_client("0123456789abcdef");
	peer = world_peer(4000);
	peer.listener = PSK_LISTENER;
}

static void
teardown(void)
{
	world_free(world);
}

TestSuite(secured_cbc, .init = setup, .fini = teardown);

static void
take_answers(void)
{
	for (unsigned i = 0; i < world->out.used; i++)
		client_take(&client, world->slots[i].data, world->slots[i].len);
}

static void
send(size_t len)
{
	world_feed_at(world, peer, buffer, len);
	take_answers();
}

static void
greet(void)
{
	send(client_hello(&client, buffer));
	send(client_hello(&client, buffer));
	cr_assert_eq(client.server_suite, DTLS_PSK_AES_128_CBC_SHA256);
}

static void
shake_hands(void)
{
	greet();
	send(client_last_flight(&client, buffer));
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
	for (int i = 0; i < 400; i++) {
		world->n_events = 0;
		world_tick(world, SECOND);
	}
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc);
}

/* A CoAP ping (RFC 7252 4.3) under the new keys. */
static void
assert_answers(void)
{
	send(client_seal(&client, DTLS_APPLICATION_DATA, "\x40\x00\x0a\x0b", 4, buffer));
	cr_assert_eq(client.data_len, 4);
	cr_assert_arr_eq(client.data, "\x70\x00\x0a\x0b", 4);
}

Test(secured_cbc, a_wrong_key_is_answered_as_with_other_suites_and_reported)
{
	begin_client("another-key");
	shake_hands();
	world_tick(world, DTLS_JUDGE_US + SECOND);
	take_answers();
	cr_assert_eq(client.alert, DTLS_DECRYPT_ERROR);
	cr_assert_eq(world_count(world, COUNTER_dtls_failed_key), 1);
	cr_assert_eq(world->n_events, 1);
	cr_assert_eq(world->events[0].kind, SESSION_REJECTED);
	cr_assert_eq(world->events[0].cause, CAUSE_KEY);
	cr_assert_eq(world->events[0].device, 1000);
	assert_nothing_stays();
}

Test(secured_cbc, handshakes_that_never_finish_take_no_keys)
{
	greet();
	send(client_exchange(&client, buffer));
	send(client_change_cipher_spec(&client, buffer));
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc);
	cr_assert_eq(world_count(world, COUNTER_dtls_cbc), 1);
	assert_nothing_stays();
}

/* Counted, and as if the Finished had been lost: the client repeats its flight (RFC 6347 4.2.4). */
Test(secured_cbc, without_room_for_keys_the_client_gets_in_once_there_is_some)
{
	struct secured *secured = world->stack->secured;
	uint32_t all = secured->free_cbc;

	secured->free_cbc = 0;
	shake_hands();
	cr_assert_eq(client.finished, 0);
	cr_assert_eq(client.alert, -1);
	cr_assert_eq(world_count(world, COUNTER_dtls_cbc_full), 1);
	secured->free_cbc = all;
	send(client_finished(&client, buffer));
	cr_assert_eq(client.finished, 1);
	assert_answers();
	assert_nothing_stays();
}

Test(secured_cbc, keys_go_back_with_their_association)
{
	shake_hands();
	cr_assert(client.server_etm);
	cr_assert_eq(client.finished, 1);
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc - 1);
	assert_answers();
	assert_nothing_stays();
}

Test(secured_cbc, a_new_handshake_replaces_the_association_and_its_keys)
{
	shake_hands();
	begin_client("0123456789abcdef");
	client.random[0] ^= 1;
	client.encrypt_then_mac = false;
	shake_hands();
	cr_assert_eq(client.finished, 1);
	cr_assert_not(client.server_etm);
	cr_assert_eq(world_count(world, COUNTER_dtls_replaced), 1);
	cr_assert_eq(free_keys(), world->stack->secured->n_cbc - 1);
	assert_answers();
	assert_nothing_stays();
}

/* RFC 9146 5: the block ciphers' form of connection ids, both ways. */
Test(secured_cbc, connection_ids_follow_a_device_to_another_address)
{
	client.offer_cid = true;
	client.own_cid_len = DTLS_CID;
	memset(client.own_cid, 0x77, DTLS_CID);
	shake_hands();
	cr_assert(client.server_cid);
	cr_assert_eq(client.finished, 1);
	peer = world_peer(4001);
	peer.listener = PSK_LISTENER;
	assert_answers();
	cr_assert_eq(world_count(world, COUNTER_dtls_moved), 1);
	assert_nothing_stays();
}

/* As OpenSSL writes it at an MTU of 256. */
Test(secured_cbc, a_hello_in_fragments_is_served)
{
	static uint8_t padding[204] = { 0xfa, 0xfa, 0x00, 200 };
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len;

	client.extra = padding;
	client.extra_len = sizeof padding;
	send(client_hello(&client, buffer));
	len = client_hello_body(&client, body, sizeof body);
	crypto_sha256_init(&client.transcript);
	client_hash(&client, DTLS_CLIENT_HELLO, client.message, body, len);
	for (size_t at = 0; at < len; at += 90)
		send(client_fragment(&client, DTLS_CLIENT_HELLO, body, len, at,
				     at + 90 < len ? at + 90 : len, buffer));
	client.message++;
	send(client_last_flight(&client, buffer));
	cr_assert_eq(client.finished, 1);
}

Test(secured_cbc, an_early_finished_with_a_connection_id_is_kept)
{
	uint8_t exchange[DTLS_WORLD_DATAGRAM];
	size_t len;

	client.offer_cid = true;
	greet();
	len = client_exchange(&client, exchange);
	send(client_finished(&client, buffer));
	cr_assert_eq(world_count(world, COUNTER_dtls_message_kept), 1);
	memcpy(buffer, exchange, len);
	send(len);
	cr_assert_eq(client.finished, 1);
	assert_answers();
}

/* RFC 7366 3: not with another kind of suite. */
Test(secured_cbc, encrypt_then_mac_is_not_answered_with_ccm)
{
	client.suites = NULL;
	send(client_hello(&client, buffer));
	send(client_hello(&client, buffer));
	cr_assert_eq(client.server_suite, DTLS_PSK_AES_128_CCM_8);
	cr_assert_not(client.server_etm);
	send(client_last_flight(&client, buffer));
	cr_assert_eq(client.finished, 1);
}
