/*
 * Whole handshakes with mbedTLS's client: options, credentials, and each fault of the network on
 * each datagram.
 */
#include <criterion/criterion.h>

#include "tests/support/dtls_mbedtls.h"

static const uint8_t key16[16] = "0123456789abcdef";
static const uint8_t key32[32] = "0123456789abcdef0123456789ABCDEF";
static const uint8_t long_identity[128] = { [0 ... 127] = 'i' };

static const struct dtls_world_credential known[] = {
	{ "urn:dev:one", 11, key16, sizeof key16 },
	{ "urn:dev:two", 11, key32, sizeof key32 },
	{ long_identity, sizeof long_identity, key16, sizeof key16 },
	{ "nul\0x", 5, key16, sizeof key16 },
	{ "keyless", 7, key16, 0 },
	{ "short", 5, "k", 1 },
};

static struct net net;
static struct mbed_client client;

static void
setup(const struct dtls_world_credential *credential)
{
	memset(&net, 0, sizeof net);
	dtls_world_init(&net.world, crypto_select(), known, sizeof known / sizeof known[0]);
	mbed_init(&client, &net, credential);
}

static uint64_t
counted(enum counter counter)
{
	return net.world.counters.value[counter];
}

/* Data flows both ways. */
static void
assert_data_flows(void)
{
	static const uint8_t hello[] = "hello, server", answer[] = "hello, client";
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	cr_assert_eq(mbedtls_ssl_write(&client.ssl, hello, sizeof hello), (int)sizeof hello);
	net_serve(&net);
	cr_assert_eq(net.world.received_len, sizeof hello);
	cr_assert_arr_eq(net.world.received, hello, sizeof hello);
	net_send(&net, NET_TO_CLIENT, datagram,
		 dtls_world_send(&net.world, answer, sizeof answer, datagram));
	cr_assert_eq(mbedtls_ssl_read(&client.ssl, datagram, sizeof datagram), (int)sizeof answer);
	cr_assert_arr_eq(datagram, answer, sizeof answer);
}

static void
assert_works(const struct dtls_world_credential *credential)
{
	int result = mbed_handshake(&client);

	cr_assert_eq(result, 0, "mbedTLS says -0x%04x", (unsigned)-result);
	cr_assert(net.world.has_session);
	cr_assert_not(net.world.has_handshake);
	cr_assert_eq(net.world.session.device, 100 + (uint32_t)(credential - known));
	assert_data_flows();
}

Test(dtls_interop, serves_every_identity_and_key_length)
{
	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (known[i].key_len == 0)
			continue;
		setup(&known[i]);
		mbed_start(&client);
		assert_works(&known[i]);
		mbed_fini(&client);
	}
}

Test(dtls_interop, serves_with_and_without_extended_master_secret)
{
	for (int ems = 0; ems < 2; ems++) {
		setup(&known[0]);
		mbedtls_ssl_conf_extended_master_secret(&client.config, ems);
		mbed_start(&client);
		assert_works(&known[0]);
		mbed_fini(&client);
	}
}

Test(dtls_interop, picks_our_suite_among_others)
{
	setup(&known[0]);
	client.suites[0] = MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256;
	client.suites[1] = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8;
	mbed_start(&client);
	assert_works(&known[0]);
	mbed_fini(&client);
}

/* With and without RFC 7366 and RFC 7627: our peers of the CBC suite differ in both. */
Test(dtls_interop, serves_the_cbc_suite_in_every_form)
{
	for (int form = 0; form < 4; form++) {
		setup(&known[form % 2 ? 0 : 2]);
		client.suites[0] = MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256;
		mbedtls_ssl_conf_encrypt_then_mac(&client.config, form & 1);
		mbedtls_ssl_conf_extended_master_secret(&client.config, form >> 1);
		mbed_start(&client);
		assert_works(&known[form % 2 ? 0 : 2]);
		cr_assert_eq(net.world.session.protection, DTLS_CBC);
		cr_assert_eq(net.world.session.cbc->client.encrypt_then_mac, form & 1);
		mbed_fini(&client);
	}
}

Test(dtls_interop, serves_every_fragment_length)
{
	for (unsigned char code = MBEDTLS_SSL_MAX_FRAG_LEN_512;
	     code <= MBEDTLS_SSL_MAX_FRAG_LEN_4096; code++) {
		setup(&known[0]);
		mbedtls_ssl_conf_max_frag_len(&client.config, code);
		mbed_start(&client);
		assert_works(&known[0]);
		cr_assert_eq(dtls_session_plaintext_max(&net.world.session), 256u << code);
		mbed_fini(&client);
	}
}

Test(dtls_interop, serves_hellos_and_key_exchanges_in_fragments)
{
	/* mbedTLS fragments what exceeds the MTU; the long identity makes a long key exchange. */
	for (uint16_t mtu = 100; mtu <= 1500; mtu = (uint16_t)(mtu + (mtu < 300 ? 7 : 300))) {
		setup(&known[2]);
		mbed_start(&client);
		mbedtls_ssl_set_mtu(&client.ssl, mtu);
		assert_works(&known[2]);
		mbed_fini(&client);
	}
}

/* ---- refusals ---- */

static void
assert_refused(const struct dtls_world_credential *wrong, enum counter counter)
{
	int result;

	setup(wrong);
	mbed_start(&client);
	result = mbed_handshake(&client);
	cr_assert_eq(result, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, "-0x%04x", (unsigned)-result);
	cr_assert_eq(client.ssl.in_msg[1], DTLS_DECRYPT_ERROR);
	cr_assert_eq(counted(counter), 1);
	cr_assert_eq(counted(COUNTER_dtls_alert_sent), 1);
	cr_assert_not(net.world.has_session);
	cr_assert_not(net.world.has_handshake);
	mbed_fini(&client);
}

Test(dtls_interop, answers_wrong_key_and_unknown_identity_alike)
{
	static const struct dtls_world_credential wrong_key = { "urn:dev:one", 11,
								"0123456789abcdeF", 16 };
	static const struct dtls_world_credential unknown = { "urn:dev:noone", 13,
							      "0123456789abcdef", 16 };
	unsigned sent[2];

	assert_refused(&wrong_key, COUNTER_dtls_failed_key);
	sent[0] = net.sent[NET_TO_CLIENT];
	assert_refused(&unknown, COUNTER_dtls_failed_identity);
	sent[1] = net.sent[NET_TO_CLIENT];
	cr_assert_eq(sent[0], sent[1], "both fail at the same point");
}

Test(dtls_interop, compares_identities_by_length_and_bytes)
{
	static const struct dtls_world_credential prefix = { "nul", 3, "0123456789abcdef", 16 };
	static const struct dtls_world_credential other = { "nul\0y", 5, "0123456789abcdef", 16 };
	static const struct dtls_world_credential keyless = { "keyless", 7, "0123456789abcdef",
							      16 };

	assert_refused(&prefix, COUNTER_dtls_failed_identity);
	assert_refused(&other, COUNTER_dtls_failed_identity);
	assert_refused(&keyless, COUNTER_dtls_failed_identity);
}

Test(dtls_interop, refuses_identities_longer_than_128_bytes)
{
	static const uint8_t identity[129] = { [0 ... 128] = 'i' };
	const struct dtls_world_credential oversized = { identity, sizeof identity, key16,
							 sizeof key16 };

	assert_refused(&oversized, COUNTER_dtls_failed_identity);
}

/* ---- faults ---- */

/* One handshake with one fault: completes with working data, or ends in an alert with nothing
 * left behind. */
static bool
try_fault(enum net_fault fault, enum net_direction direction, unsigned index, size_t offset)
{
	int result;

	setup(&known[1]);
	net.fault = fault;
	net.direction = direction;
	net.index = index;
	net.offset = offset;
	mbed_start(&client);
	result = mbed_handshake(&client);
	/*
	 * Numbers of plaintext records are not protected, and the hello's are copied into the
	 * answer (RFC 6347 4.2.1): one that jumps ahead makes the client take all that follows for
	 * old, until it gives up itself.
	 */
	if (!net.hit_number)
		cr_assert_neq(result, MBEDTLS_ERR_SSL_TIMEOUT,
			      "fault %d direction %d datagram %u offset %zu hangs", fault,
			      direction, index, offset);
	net_serve(&net);
	if (result == 0) {
		cr_assert(net.world.has_session);
		assert_data_flows();
	}
	/* Whatever is left of a failed one goes with time. */
	for (int i = 0; i < 70; i++)
		net_advance(&net, 1000000);
	cr_assert_not(net.world.has_handshake);
	mbed_fini(&client);
	return result == 0;
}

/* Datagrams of each direction in a handshake without faults. */
static void
measure(unsigned sent[2])
{
	setup(&known[1]);
	net.index = UINT32_MAX;
	mbed_start(&client);
	cr_assert_eq(mbed_handshake(&client), 0);
	sent[0] = net.sent[0];
	sent[1] = net.sent[1];
	mbed_fini(&client);
}

Test(dtls_interop, survives_loss_repetition_and_reordering_of_every_datagram)
{
	static const enum net_fault faults[] = { NET_LOSE, NET_REPEAT, NET_HOLD };
	unsigned sent[2];

	measure(sent);
	for (unsigned f = 0; f < 3; f++)
		for (int d = 0; d < 2; d++)
			for (unsigned i = 0; i < sent[d]; i++)
				cr_assert(try_fault(faults[f], d, i, 0),
					  "fault %d direction %d datagram %u", faults[f], d, i);
}

Test(dtls_interop, survives_truncation_of_every_datagram)
{
	unsigned sent[2];

	measure(sent);
	for (int d = 0; d < 2; d++)
		for (unsigned i = 0; i < sent[d]; i++)
			for (size_t left = 0; left < 150; left += 3)
				try_fault(NET_CUT, d, i, left);
}

Test(dtls_interop, ends_well_whichever_byte_is_damaged, .timeout = 120)
{
	unsigned sent[2];

	measure(sent);
	for (int d = 0; d < 2; d++)
		for (unsigned i = 0; i < sent[d]; i++)
			for (size_t offset = 0; offset < 160; offset++)
				try_fault(NET_DAMAGE, d, i, offset);
}

/* ---- afterwards ---- */

Test(dtls_interop, a_new_handshake_replaces_an_association_only_when_finished)
{
	static const struct dtls_world_credential wrong_key = { "urn:dev:one", 11,
								"0123456789abcdeF", 16 };
	struct dtls_session before;
	struct mbed_client second;

	setup(&known[0]);
	mbed_start(&client);
	assert_works(&known[0]);
	before = net.world.session;
	mbed_init(&second, &net, &wrong_key);
	mbed_start(&second);
	cr_assert_eq(mbed_handshake(&second), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
	cr_assert_arr_eq(&net.world.session.keys, &before.keys, sizeof before.keys);
	assert_data_flows(); /* the first one still works */
	mbed_fini(&second);
	mbed_init(&second, &net, &known[1]);
	mbed_start(&second);
	cr_assert_eq(mbed_handshake(&second), 0);
	cr_assert_arr_neq(&net.world.session.keys, &before.keys, sizeof before.keys);
	cr_assert_eq(net.world.session.device, 101);
	mbed_fini(&second);
	mbed_fini(&client);
}

Test(dtls_interop, close_notify_ends_an_association)
{
	setup(&known[0]);
	mbed_start(&client);
	assert_works(&known[0]);
	cr_assert_eq(mbedtls_ssl_close_notify(&client.ssl), 0);
	net_serve(&net);
	cr_assert(net.world.closed);
	mbed_fini(&client);
}

Test(dtls_interop, renegotiation_is_refused_and_harms_nothing)
{
	setup(&known[0]);
	mbedtls_ssl_conf_renegotiation(&client.config, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
	mbed_start(&client);
	assert_works(&known[0]);
	cr_assert_neq(mbedtls_ssl_renegotiate(&client.ssl), 0);
	net_serve(&net);
	cr_assert_geq(counted(COUNTER_dtls_no_renegotiation), 1);
	cr_assert(net.world.has_session);
	mbed_fini(&client);
}
