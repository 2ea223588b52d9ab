/* The stack over DTLS: whole bootstraps, who owns an endpoint name, and associations that live and end. */
#include "tests/unit/secured_world.h"

SECURED_SUITE(secured);

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
