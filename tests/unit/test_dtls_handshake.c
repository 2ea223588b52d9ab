/*
 * The server's state machine against a client that misbehaves on request (RFC 6347 4.2). Whole
 * handshakes with a client that is not ours are in test_dtls_interop.c.
 */
#include <criterion/criterion.h>

#include "dataplane/core/dtls/dtls_step.h"
#include "tests/support/dtls_client.h"

static const struct dtls_world_credential known[] = {
	{ "urn:dev:one", 11, "0123456789abcdef", 16 },
	{ "urn:dev:two", 11, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	  64 },
};

static struct dtls_world world;
static struct test_client client;
static uint8_t datagram[DTLS_WORLD_DATAGRAM];

static void
setup(void)
{
	dtls_world_init(&world, crypto_select(), known, 2);
	client_init(&client, crypto_select(), &known[0]);
}

TestSuite(dtls_handshake, .init = setup);

static uint64_t
counted(enum counter counter)
{
	return world.counters.value[counter];
}

static void
assert_established(void)
{
	cr_assert(world.has_session);
	cr_assert_not(world.has_handshake);
	cr_assert(client.server_changed);
	cr_assert_geq(client.finished, 1);
	cr_assert_eq(client.alert, -1);
	world.echo = true;
	client_ask(&client, &world, datagram,
		   client_seal(&client, DTLS_APPLICATION_DATA, "ping", 4, datagram));
	cr_assert_eq(client.data_len, 4);
	cr_assert_arr_eq(client.data, "ping", 4);
}

static void
assert_failed(int alert, enum counter counter)
{
	cr_assert_eq(client.alert, alert, "alert %d, wanted %d", client.alert, alert);
	cr_assert_eq(counted(counter), 1, "%s", counter_infos[counter].name);
	cr_assert_not(world.has_handshake);
	cr_assert_not(world.has_session);
}

/* What only the client's silence makes certain: the verdict comes when the handshake's life is over. */
static void
assert_judged(int alert, enum counter counter)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];

	cr_assert(world.has_handshake, "one datagram ended it");
	cr_assert_eq(client.alert, -1);
	world.now_us = step_last_us(&world.handshake);
	client_take(&client, reply, dtls_world_tick(&world, reply));
	assert_failed(alert, counter);
}

/* ---- refused hellos ---- */

Test(dtls_handshake, spoofed_hello_gets_nothing_kept_and_no_alert)
{
	static const uint8_t none[] = { 0x00, 0x2f };

	client.suites = none; /* nothing in common, and still no alert before the cookie */
	client.suites_len = sizeof none;
	size_t len = client_hello(&client, datagram);
	size_t answer = client_ask(&client, &world, datagram, len);

	cr_assert_eq(client.verify_requests, 1);
	cr_assert_eq(client.alert, -1);
	cr_assert_leq(answer, len);
	cr_assert_not(world.has_handshake);
}

Test(dtls_handshake, no_suite_in_common_is_handshake_failure)
{
	static const uint8_t none[] = { 0x00, 0x2f, 0x13, 0x01, 0xd0, 0x01 };

	client.suites = none;
	client.suites_len = sizeof none;
	client_greet(&client, &world);
	assert_failed(DTLS_HANDSHAKE_FAILURE, COUNTER_dtls_failed_suite);
}

Test(dtls_handshake, old_version_is_protocol_version)
{
	client.version = DTLS_1_0;
	client_greet(&client, &world);
	assert_failed(DTLS_PROTOCOL_VERSION, COUNTER_dtls_failed_version);
}

Test(dtls_handshake, newer_versions_get_ours)
{
	client.version = 0xfefc;
	client_handshake(&client, &world);
	assert_established();
}

Test(dtls_handshake, bad_extensions_end_in_their_alert)
{
	static const struct {
		const char *bytes;
		size_t len;
		int alert;
	} cases[] = {
		{ "\x00\x01\x00\x01\x00", 5, DTLS_ILLEGAL_PARAMETER }, /* max_fragment_length 0 */
		{ "\x00\x01\x00\x01\x05", 5, DTLS_ILLEGAL_PARAMETER }, /* 5 */
		{ "\x00\x01\x00\x02\x01\x01", 6, DTLS_DECODE_ERROR },  /* two bytes */
		{ "\x00\x17\x00\x01\x00", 5,
		  DTLS_ILLEGAL_PARAMETER }, /* the client's own 23 stands before */
		{ "\x00\x36\x00\x02\x05\x01", 6,
		  DTLS_DECODE_ERROR }, /* connection_id shorter than it says */
		{ "\x00\x36\x00\x00", 4, DTLS_DECODE_ERROR }, /* connection_id without a length */
		{ "\x00\x99\x00\x05\x00", 5, DTLS_DECODE_ERROR }, /* an extension beyond the end */
		{ "\x00\x36\x00\x01\x00\x00\x36\x00\x01\x00", 10,
		  DTLS_ILLEGAL_PARAMETER }, /* twice */
		{ "\xff\x01\x00\x02\x01\x00", 6,
		  DTLS_HANDSHAKE_FAILURE }, /* RFC 5746 3.6: not empty */
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		setup();
		client.extra = (const uint8_t *)cases[i].bytes;
		client.extra_len = cases[i].len;
		client_greet(&client, &world);
		cr_assert_eq(client.alert, cases[i].alert, "case %u: alert %d", i, client.alert);
		cr_assert_not(world.has_handshake);
	}
}

Test(dtls_handshake, unknown_extensions_and_suites_are_skipped)
{
	static const uint8_t suites[] = { 0xd0, 0x01, 0x0a, 0x0a, 0xc0, 0xa8, 0x00, 0xff };
	/* server_name, an unknown one twice, and the drafts' connection ids 53 and 254. */
	static const uint8_t extra[] = "\x00\x00\x00\x06\x00\x04\x00\x00\x01x"
				       "\xfa\xfa\x00\x00\xfa\xfa\x00\x01\x07"
				       "\x00\x35\x00\x01\x00\x00\xfe\x00\x01\x00";

	client.suites = suites;
	client.suites_len = sizeof suites;
	client.extra = extra;
	client.extra_len = sizeof extra - 1;
	client_handshake(&client, &world);
	assert_established();
	cr_assert_not(client.server_cid);
	cr_assert(client.server_renegotiation, "the SCSV is answered (RFC 5746 3.6)");
}

/* ---- options ---- */

Test(dtls_handshake, extensions_are_answered_only_when_offered)
{
	for (unsigned mask = 0; mask < 16; mask++) {
		setup();
		client.extended = mask & 1;
		client.signal_renegotiation = mask & 2;
		client.max_fragment = mask & 4 ? 2 : 0;
		client.offer_cid = mask & 8;
		client_handshake(&client, &world);
		cr_assert_eq(client.server_extended, (mask & 1) != 0);
		cr_assert_eq(client.server_renegotiation, (mask & 2) != 0);
		cr_assert_eq(client.server_max_fragment, mask & 4 ? 2 : 0);
		cr_assert_eq(client.server_cid, (mask & 8) != 0);
		assert_established();
	}
}

Test(dtls_handshake, every_record_version_of_a_hello_is_taken)
{
	static const uint16_t versions[] = { 0xfeff, 0xfefd, 0xfe00, 0xfefc };

	for (unsigned i = 0; i < 4; i++) {
		setup();
		client.record_version = versions[i];
		client_greet(&client, &world);
		cr_assert_eq(client.hellos_done, 1, "record version %04x", versions[i]);
	}
}

Test(dtls_handshake, a_key_of_64_bytes_works)
{
	client.who = known[1];
	client_handshake(&client, &world);
	assert_established();
	cr_assert_eq(world.session.device, 101);
	cr_assert_eq(world.session.identity_hash, 0x1122334455667789);
}

Test(dtls_handshake, numbers_follow_the_hello)
{
	client.sequence = 0x123456789abc;
	client.message = 3;
	client_ask(&client, &world, datagram, client_hello(&client, datagram));
	cr_assert_eq(client.server_sequence, 0x123456789abc,
		     "HelloVerifyRequest takes the hello's number");
	cr_assert_eq(client.server_message, 3);
	client_ask(&client, &world, datagram, client_hello(&client, datagram));
	cr_assert_eq(client.server_sequence, 0x123456789abd);
	cr_assert_eq(client.server_message, 4);
	client_ask(&client, &world, datagram, client_last_flight(&client, datagram));
	assert_established();
}

/* ---- connection ids (RFC 9146) ---- */

static void
handshake_with_cid(uint8_t own_len)
{
	client.offer_cid = true;
	client.own_cid_len = own_len;
	memcpy(client.own_cid, "CLIENTID", DTLS_CID);
	client_handshake(&client, &world);
	assert_established();
}

Test(dtls_handshake, connection_ids_of_both_sides_work)
{
	handshake_with_cid(0);
	cr_assert_eq(world.session.cid[0], 7, "the worker");
	cr_assert_arr_eq(world.session.cid + 1, "\x01\x02\x03", 3, "the slot");
	setup();
	handshake_with_cid(DTLS_CID);
}

Test(dtls_handshake, a_record_without_its_connection_id_is_dropped)
{
	uint8_t cid_len;

	handshake_with_cid(0);
	cid_len = client.session.peer_cid_len;
	client.data_len = 0;
	client.session.peer_cid_len = 0;
	client_ask(&client, &world, datagram,
		   client_seal(&client, DTLS_APPLICATION_DATA, "bare", 4, datagram));
	cr_assert_eq(client.data_len, 0);
	cr_assert_eq(counted(COUNTER_dtls_rx_cid), 1);
	client.session.peer_cid_len = cid_len;
	client.session.peer_cid[4] ^= 1;
	client_ask(&client, &world, datagram,
		   client_seal(&client, DTLS_APPLICATION_DATA, "other", 5, datagram));
	cr_assert_eq(client.data_len, 0);
	cr_assert_eq(counted(COUNTER_dtls_rx_cid), 2);
}

Test(dtls_handshake, too_long_connection_ids_are_not_negotiated)
{
	uint8_t extra[5 + DTLS_PEER_CID_MAX + 1] = { 0x00, 0x36, 0x00, DTLS_PEER_CID_MAX + 2,
						     DTLS_PEER_CID_MAX + 1 };

	client.extra = extra;
	client.extra_len = sizeof extra;
	client_handshake(&client, &world);
	assert_established();
	cr_assert_not(client.server_cid);
}

/* ---- order, fragments, copies ---- */

/* Sends a hello in fragments of `size` bytes, in order. */
static void
send_hello_in_fragments(size_t size)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len = client_hello_body(&client, body, sizeof body);

	crypto_sha256_init(&client.transcript);
	client_hash(&client, DTLS_CLIENT_HELLO, client.message, body, len);
	for (size_t from = 0; from < len; from += size) {
		size_t to = from + size < len ? from + size : len;

		client_ask(
			&client, &world, datagram,
			client_fragment(&client, DTLS_CLIENT_HELLO, body, len, from, to, datagram));
	}
	client.message++;
}

Test(dtls_handshake, hellos_in_fragments_are_served)
{
	static uint8_t padding[204] = { 0xfa, 0xfa, 0x00, 200 };

	for (size_t size = 60; size < 320; size += 13) {
		setup();
		client.extra = padding;
		client.extra_len = sizeof padding;
		send_hello_in_fragments(size);
		cr_assert_eq(client.verify_requests, 1, "size %zu", size);
		cr_assert_not(world.has_handshake, "nothing is kept before the cookie");
		send_hello_in_fragments(size);
		/* Also where the first hello was whole and the cookie made the second one too
		 * long. */
		cr_assert_eq(client.verify_requests, 1, "size %zu", size);
		cr_assert_eq(client.hellos_done, 1, "size %zu", size);
		client_ask(&client, &world, datagram, client_last_flight(&client, datagram));
		assert_established();
	}
}

Test(dtls_handshake, a_hello_too_large_to_put_together_is_refused)
{
	static uint8_t padding[504] = { 0xfa, 0xfa, 500 >> 8, 500 & 255 };

	client.extra = padding;
	client.extra_len = sizeof padding;
	send_hello_in_fragments(200);
	send_hello_in_fragments(200);
	assert_failed(DTLS_HANDSHAKE_FAILURE, COUNTER_dtls_hello_size);
	setup(); /* and the same one whole is fine */
	client.extra = padding;
	client.extra_len = sizeof padding;
	client_handshake(&client, &world);
	assert_established();
}

Test(dtls_handshake, first_fragments_without_the_cookie_field_are_dropped)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len = client_hello_body(&client, body, sizeof body);

	for (size_t size = 1; size < 36; size++)
		cr_assert_eq(client_ask(&client, &world, datagram,
					client_fragment(&client, DTLS_CLIENT_HELLO, body, len, 0,
							size, datagram)),
			     0);
	cr_assert_eq(counted(COUNTER_dtls_hello_fragment), 35);
}

Test(dtls_handshake, key_exchange_in_fragments_of_any_order_is_served)
{
	uint8_t body[64];
	size_t len;

	for (int order = 0; order < 3; order++) {
		static const uint8_t cuts[3][3][2] = {
			{ { 0, 5 }, { 5, 9 }, { 9, 13 } },
			{ { 9, 13 }, { 0, 5 }, { 5, 9 } },
			{ { 4, 13 }, { 2, 8 }, { 0, 3 } }, /* overlapping */
		};

		setup();
		client_greet(&client, &world);
		len = client_exchange_body(&client, body, sizeof body);
		cr_assert_eq(len, 13);
		for (int i = 0; i < 3; i++)
			client_ask(&client, &world, datagram,
				   client_fragment(&client, DTLS_CLIENT_KEY_EXCHANGE, body, len,
						   cuts[order][i][0], cuts[order][i][1], datagram));
		client_hash(&client, DTLS_CLIENT_KEY_EXCHANGE, client.message++, body, len);
		client_derive(&client);
		client_ask(&client, &world, datagram, client_change_cipher_spec(&client, datagram));
		client_ask(&client, &world, datagram,
			   client_finished_part(&client, 5, 12, datagram));
		client_ask(&client, &world, datagram,
			   client_finished_part(&client, 0, 6, datagram));
		assert_established();
	}
}

/* The three datagrams of the last flight in each of the six orders: no order needs a
 * retransmission. */
Test(dtls_handshake, the_last_flight_may_come_in_any_order)
{
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (int cid = 0; cid < 2; cid++) {
		for (int order = 0; order < 6; order++) {
			uint8_t parts[3][DTLS_WORLD_DATAGRAM];
			size_t lens[3];

			setup();
			client.offer_cid = cid;
			client_greet(&client, &world);
			lens[0] = client_exchange(&client, parts[0]);
			lens[1] = client_change_cipher_spec(&client, parts[1]);
			lens[2] = client_finished(&client, parts[2]);
			for (int i = 0; i < 3; i++)
				client_ask(&client, &world, parts[orders[order][i]],
					   lens[orders[order][i]]);
			assert_established();
		}
	}
}

Test(dtls_handshake, copies_of_everything_change_nothing)
{
	uint8_t flight[DTLS_WORLD_DATAGRAM];
	size_t len;

	len = client_hello(&client, flight);
	client_ask(&client, &world, flight, len);
	len = client_hello(&client, flight);
	client_ask(&client, &world, flight, len);
	client_ask(&client, &world, flight, len);
	cr_assert_eq(client.server_hellos, 2, "the flight came again");
	cr_assert_eq(counted(COUNTER_dtls_flight_again), 1);
	cr_assert_eq(counted(COUNTER_dtls_started), 1);
	len = client_exchange(&client, flight);
	client_ask(&client, &world, flight, len);
	client_ask(&client, &world, flight, len);
	cr_assert_eq(counted(COUNTER_dtls_message_outdated), 1);
	len = client_change_cipher_spec(&client, flight);
	client_ask(&client, &world, flight, len);
	client_ask(&client, &world, flight, len);
	client_ask(&client, &world, flight, client_finished(&client, flight));
	assert_established();
}

Test(dtls_handshake, a_client_that_lost_our_last_flight_gets_it_again)
{
	uint8_t flight[DTLS_WORLD_DATAGRAM], reply[DTLS_WORLD_DATAGRAM];

	client_greet(&client, &world);
	cr_assert_neq(
		dtls_world_receive(&world, flight, client_last_flight(&client, flight), reply), 0);
	for (int i = 0; i < 3; i++) { /* lost; Finished comes again under new numbers */
		client.finished = 0;
		client_ask(&client, &world, datagram, client_finished(&client, datagram));
		cr_assert_eq(client.finished, 1);
	}
	assert_established();
	cr_assert_eq(world.established, 1);
}

Test(dtls_handshake, a_client_that_begins_anew_is_served)
{
	client_greet(&client, &world);
	client.random[0] ^= 1; /* it rebooted: another hello, with a cookie of its own */
	client.cookie_len = 0;
	client.message = 0;
	client.server_hellos = client.hellos_done = 0;
	client_handshake(&client, &world);
	assert_established();
	cr_assert_eq(counted(COUNTER_dtls_started), 2);
}

/* ---- messages out of place ---- */

/* Up to the state in which ClientKeyExchange, ChangeCipherSpec or Finished is expected. */
static void
advance(unsigned steps)
{
	client_greet(&client, &world);
	if (steps > 0)
		client_ask(&client, &world, datagram, client_exchange(&client, datagram));
	if (steps > 1)
		client_ask(&client, &world, datagram, client_change_cipher_spec(&client, datagram));
}

/* Anybody can send one: it is answered neither at once nor when the timer ends the handshake (RFC 6347 4.1.2.7). */
Test(dtls_handshake, a_plaintext_message_out_of_place_is_never_answered)
{
	static const uint8_t types[] = {
		DTLS_HELLO_REQUEST,     DTLS_SERVER_HELLO,        DTLS_HELLO_VERIFY_REQUEST,
		DTLS_CERTIFICATE,       DTLS_SERVER_KEY_EXCHANGE, DTLS_CERTIFICATE_REQUEST,
		DTLS_SERVER_HELLO_DONE, DTLS_CERTIFICATE_VERIFY,  DTLS_FINISHED
	};
	static const uint8_t body[DTLS_VERIFY_DATA];

	for (unsigned steps = 0; steps < 3; steps++)
		for (unsigned i = 0; i < sizeof types; i++) {
			size_t len;

			setup();
			advance(steps);
			len = client_fragment(&client, types[i], body, sizeof body, 0, sizeof body,
					      datagram);
			cr_assert_eq(client_ask(&client, &world, datagram, len), 0);
			cr_assert_eq(counted(COUNTER_dtls_message_unexpected), 1, "type %u",
				     types[i]);
			assert_judged(-1, COUNTER_dtls_failed_message);
			cr_assert_eq(counted(COUNTER_dtls_alert_sent), 0);
		}
}

Test(dtls_handshake, messages_ahead_of_their_turn_wait_for_the_client_to_repeat_them)
{
	client_greet(&client, &world);
	client.message += 5;
	client_ask(&client, &world, datagram,
		   client_fragment(&client, 11, (const uint8_t *)"\0\0\0", 3, 0, 3, datagram));
	client.message -= 5;
	cr_assert_eq(counted(COUNTER_dtls_message_ahead), 1);
	client_ask(&client, &world, datagram, client_last_flight(&client, datagram));
	assert_established();
}

Test(dtls_handshake, malformed_key_exchanges_are_dropped)
{
	static const struct {
		const char *body;
		size_t len;
	} cases[] = { { "", 0 }, { "\0", 1 }, { "\0\5abcd", 6 }, { "\0\3abcd", 6 } };

	for (unsigned i = 0; i < 4; i++) {
		setup();
		client_greet(&client, &world);
		client_ask(&client, &world, datagram,
			   client_fragment(&client, DTLS_CLIENT_KEY_EXCHANGE,
					   (const uint8_t *)cases[i].body, cases[i].len, 0,
					   cases[i].len, datagram));
		cr_assert_eq(counted(COUNTER_dtls_message_malformed), 1);
		client_ask(&client, &world, datagram, client_last_flight(&client, datagram));
		assert_established();
	}
}

Test(dtls_handshake, a_malformed_key_exchange_alone_ends_in_silence)
{
	client_greet(&client, &world);
	client_ask(&client, &world, datagram,
		   client_fragment(&client, DTLS_CLIENT_KEY_EXCHANGE, (const uint8_t *)"\0", 1, 0,
				   1, datagram));
	assert_judged(-1, COUNTER_dtls_failed_message);
}

Test(dtls_handshake, an_empty_identity_is_unknown)
{
	client.who.identity_len = 0;
	client_handshake(&client, &world);
	assert_judged(DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_identity);
}

Test(dtls_handshake, a_wrong_verify_data_is_decrypt_error)
{
	client_greet(&client, &world);
	client_ask(&client, &world, datagram, client_exchange(&client, datagram));
	client_ask(&client, &world, datagram, client_change_cipher_spec(&client, datagram));
	client.session.flight_verify[3] ^= 1;
	client_ask(&client, &world, datagram, client_finished(&client, datagram));
	assert_failed(DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_key);
}

Test(dtls_handshake, data_before_finished_is_not_taken)
{
	client_greet(&client, &world);
	client_ask(&client, &world, datagram, client_exchange(&client, datagram));
	client_ask(&client, &world, datagram, client_change_cipher_spec(&client, datagram));
	client_ask(&client, &world, datagram,
		   client_seal(&client, DTLS_APPLICATION_DATA, "early", 5, datagram));
	cr_assert_eq(world.received_len, 0);
	client_ask(&client, &world, datagram, client_finished(&client, datagram));
	assert_established();
}

Test(dtls_handshake, the_clients_fatal_alert_ends_it_and_a_warning_does_not)
{
	static const uint8_t warning[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 90, 0, 2, 1, 90 };
	static const uint8_t fatal[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 91, 0, 2, 2, 40 };

	client_greet(&client, &world);
	client_ask(&client, &world, warning, sizeof warning);
	cr_assert_eq(world.handshake.doubt, DTLS_NO_DOUBT);
	client_ask(&client, &world, fatal, sizeof fatal);
	assert_judged(-1, COUNTER_dtls_failed_alert);
}

/* ---- datagrams that anybody can send (RFC 6347 4.1.2.7) ---- */

static const uint8_t forged_alert[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 91, 0, 2, 2, 40 };

/* As long as a real one. */
static size_t
forge_finished(uint8_t *record)
{
	static const uint8_t header[] = { 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 40 };

	memcpy(record, header, sizeof header);
	memset(record + sizeof header, 0x5a, 40);
	return sizeof header + 40;
}

/* A key exchange for another identity, under the number of the client's own. */
static size_t
forge_exchange(uint16_t message, size_t from, size_t to, uint8_t *record)
{
	static const uint8_t body[] = "\0\7forgery";
	struct test_client forger = client;

	forger.message = message;
	return client_fragment(&forger, DTLS_CLIENT_KEY_EXCHANGE, body, 9, from, to, record);
}

Test(dtls_handshake, a_forged_alert_ends_no_handshake)
{
	client_greet(&client, &world);
	client_ask(&client, &world, forged_alert, sizeof forged_alert);
	client_ask(&client, &world, datagram, client_exchange(&client, datagram));
	client_ask(&client, &world, forged_alert, sizeof forged_alert);
	client_ask(&client, &world, datagram, client_change_cipher_spec(&client, datagram));
	client_ask(&client, &world, forged_alert, sizeof forged_alert);
	client_ask(&client, &world, datagram, client_finished(&client, datagram));
	assert_established();
	cr_assert_eq(counted(COUNTER_dtls_alert_received), 3);
}

Test(dtls_handshake, a_forged_finished_ends_no_handshake)
{
	uint8_t forged[64];

	client_greet(&client, &world);
	client_ask(&client, &world, datagram, client_exchange(&client, datagram));
	client_ask(&client, &world, forged, forge_finished(forged));
	client_ask(&client, &world, datagram, client_change_cipher_spec(&client, datagram));
	client_ask(&client, &world, forged, forge_finished(forged));
	client_ask(&client, &world, datagram, client_finished(&client, datagram));
	assert_established();
	cr_assert_eq(counted(COUNTER_dtls_rx_bad_tag), 2);
	cr_assert_eq(counted(COUNTER_dtls_failed_key), 0);
}

/* One, before, between and after what is the client's own; whole, in part, and of another length. */
Test(dtls_handshake, a_forged_key_exchange_ends_no_handshake)
{
	static const size_t parts[][2] = { { 0, 9 }, { 0, 3 }, { 4, 9 } };

	for (unsigned part = 0; part < 3; part++) {
		for (int place = 0; place < 3; place++) {
			const size_t from = parts[part][0], to = parts[part][1];
			uint16_t message;
			uint8_t forged[64];

			setup();
			client_greet(&client, &world);
			message = client.message;
			if (place == 0)
				client_ask(&client, &world, forged,
					   forge_exchange(message, from, to, forged));
			client_ask(&client, &world, datagram, client_exchange(&client, datagram));
			if (place == 1)
				client_ask(&client, &world, forged,
					   forge_exchange(message, from, to, forged));
			client_ask(&client, &world, datagram,
				   client_change_cipher_spec(&client, datagram));
			if (place == 2)
				client_ask(&client, &world, forged,
					   forge_exchange(message, from, to, forged));
			client_ask(&client, &world, datagram, client_finished(&client, datagram));
			cr_assert(world.has_session, "part %u, place %d", part, place);
			assert_established();
			cr_assert_eq(world.session.device, 100);
		}
	}
}

/* However many: a repeated flight is the newest rival. */
Test(dtls_handshake, a_client_among_forgeries_comes_through_by_repetition)
{
	uint8_t forged[64];
	uint16_t message;

	client_greet(&client, &world);
	message = client.message;
	for (int i = 0; i < 3; i++) {
		client_ask(&client, &world, forged, forge_exchange(message, 0, 9, forged));
		client_ask(&client, &world, forged, forge_finished(forged));
	}
	client_ask(&client, &world, datagram, client_last_flight(&client, datagram));
	assert_established();
}

/* Derivations cost time: their number is bounded, and grows with the life of the handshake. */
Test(dtls_handshake, rivals_are_tried_a_bounded_number_of_times)
{
	uint8_t forged[64];
	uint16_t message;

	client_greet(&client, &world);
	message = client.message;
	client_ask(&client, &world, datagram, client_exchange(&client, datagram));
	for (unsigned i = 0; i < 100; i++) {
		uint8_t copy[DTLS_WORLD_DATAGRAM];
		size_t len = forge_exchange(message, 0, 9, copy);

		copy[len - 1] = (uint8_t)i;
		client_ask(&client, &world, copy, len);
		client_ask(&client, &world, forged, forge_finished(forged));
	}
	cr_assert_eq(world.handshake.rivals, DTLS_RIVALS);
	world.now_us += 1000000;
	client_ask(&client, &world, datagram, forge_exchange(message, 0, 9, datagram));
	client_ask(&client, &world, forged, forge_finished(forged));
	cr_assert_eq(world.handshake.rivals, DTLS_RIVALS + 1);
}

Test(dtls_handshake, a_wrong_key_is_judged_when_its_client_had_time_to_repeat)
{
	client.who.key = "0123456789abcdeF";
	client_handshake(&client, &world);
	cr_assert(world.has_handshake);
	cr_assert_eq(step_last_us(&world.handshake), world.now_us + DTLS_JUDGE_US);
	cr_assert_leq(world.handshake.due_us, step_last_us(&world.handshake));
	assert_judged(DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_key);
}

Test(dtls_handshake, an_identity_too_long_to_be_known_is_judged_like_an_unknown_one)
{
	static const char long_one[129] = "a";

	client.who.identity = long_one;
	client.who.identity_len = sizeof long_one;
	client_handshake(&client, &world);
	cr_assert_eq(counted(COUNTER_dtls_identity_long), 1);
	assert_judged(DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_identity);
}

/* ---- an association under attack ---- */

/* libcoap on OpenSSL lost its session to these. */
Test(dtls_handshake, short_plaintext_records_of_epoch_1_harm_nothing)
{
	client_handshake(&client, &world);
	for (uint8_t type = 20; type <= 25; type++) {
		for (uint8_t len = 0; len <= 16; len++) {
			uint8_t record[64] = { type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, len, 0, len };

			cr_assert_eq(client_ask(&client, &world, record, 13u + len), 0);
		}
	}
	assert_established();
}

Test(dtls_handshake, forged_records_of_every_epoch_harm_nothing)
{
	client_handshake(&client, &world);
	for (uint8_t epoch = 0; epoch < 4; epoch++) {
		for (uint8_t type = 20; type <= 23; type++) {
			uint8_t record[64] = { type, 0xfe, 0xfd, 0, epoch, 0, 0, 0,
					       0,    2,    type, 0, 2,     2, 40 };

			cr_assert_eq(client_ask(&client, &world, record, 15), 0);
		}
	}
	assert_established();
}

Test(dtls_handshake, replayed_and_tampered_records_are_dropped)
{
	uint8_t copy[DTLS_WORLD_DATAGRAM];
	size_t len;

	client_handshake(&client, &world);
	len = client_seal(&client, DTLS_APPLICATION_DATA, "once", 4, datagram);
	for (size_t i = 13; i < len; i++) {
		memcpy(copy, datagram, len);
		copy[i] ^= 0x80;
		client_ask(&client, &world, copy, len);
	}
	cr_assert_eq(counted(COUNTER_dtls_rx_bad_tag), len - 13);
	cr_assert_eq(world.received_len, 0);
	client_ask(&client, &world, datagram, len);
	cr_assert_eq(world.received_len, 4);
	client_ask(&client, &world, datagram, len);
	cr_assert_eq(counted(COUNTER_dtls_rx_replayed), 1);
	assert_established();
}

/* libcoap read the first one alone. */
Test(dtls_handshake, several_records_of_a_datagram_are_all_read)
{
	size_t len;

	client_handshake(&client, &world);
	len = client_seal(&client, DTLS_APPLICATION_DATA, "first", 5, datagram);
	datagram[len + 0] = 99; /* an unknown type between them is skipped */
	memcpy(datagram + len + 1, "\xfe\xfd\0\1\0\0\0\0\0\0\0\2xx", 14);
	len += 15;
	len += client_seal(&client, DTLS_APPLICATION_DATA, "second", 6, datagram + len);
	client_ask(&client, &world, datagram, len);
	cr_assert_eq(world.received_len, 6);
	cr_assert_eq(counted(COUNTER_dtls_rx_type), 1);
}

Test(dtls_handshake, renegotiation_is_answered_with_a_warning)
{
	client_handshake(&client, &world);
	client_ask(&client, &world, datagram,
		   client_seal(&client, DTLS_HANDSHAKE, "\1\0\0\0\0\5\0\0\0\0\0\0", 12, datagram));
	cr_assert_eq(client.alert, DTLS_NO_RENEGOTIATION);
	client.alert = -1;
	assert_established();
}

/* ---- time ---- */

Test(dtls_handshake, our_flight_is_repeated_by_timer_and_then_given_up)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	unsigned repeated = 0;

	client_greet(&client, &world);
	cr_assert_eq(dtls_world_tick(&world, reply), 0);
	for (int second = 0; second < 59; second++) {
		world.now_us += 1000000;
		repeated += dtls_world_tick(&world, reply) != 0;
	}
	cr_assert_eq(repeated, 2, "after 9 and 27 s");
	cr_assert(world.has_handshake);
	world.now_us += 1000000;
	cr_assert_eq(dtls_world_tick(&world, reply), 0);
	assert_failed(-1, COUNTER_dtls_failed_timeout);
}

Test(dtls_handshake, a_repeated_flight_completes)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	size_t len;

	client_ask(&client, &world, datagram, client_hello(&client, datagram));
	cr_assert_neq(dtls_world_receive(&world, datagram, client_hello(&client, datagram), reply),
		      0);
	world.now_us += DTLS_RETRANSMIT_US; /* the first one was lost */
	len = dtls_world_tick(&world, reply);
	client_take(&client, reply, len);
	client_ask(&client, &world, datagram, client_last_flight(&client, datagram));
	assert_established();
}

Test(dtls_handshake, due_times_never_pass_the_end)
{
	client_greet(&client, &world);
	for (int i = 0; i < 10 && world.has_handshake; i++) {
		uint8_t reply[DTLS_WORLD_DATAGRAM];

		cr_assert_gt(world.handshake.due_us, world.now_us);
		world.now_us = world.handshake.due_us;
		dtls_world_tick(&world, reply);
	}
	cr_assert_not(world.has_handshake);
}

Test(dtls_handshake, sizes_are_as_promised)
{
	cr_assert_leq(sizeof(struct dtls_handshake), 704);
	cr_assert_leq(sizeof(struct dtls_session), 168);
}
