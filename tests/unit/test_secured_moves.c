/* The stack over DTLS: devices that move to another address, and hellos that come in fragments. */
#include "tests/unit/secured_world.h"

SECURED_SUITE(secured_moves);

/* ---- connection ids (RFC 9146) ---- */

Test(secured_moves, a_device_that_moves_goes_on_with_its_run)
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

Test(secured_moves, only_the_newest_authentic_record_moves_an_association)
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

Test(secured_moves, each_newer_record_of_a_datagram_moves_an_association)
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
Test(secured_moves, an_older_record_behind_a_newer_one_of_a_burst_moves_nobody_back)
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

Test(secured_moves, without_a_connection_id_nobody_moves)
{
	device_handshake(&device);
	device.peer.port = 4999;
	device_ask(&device, 1, "dev");
	cr_assert_eq(world->out.used, 0);
	cr_assert_eq(counted(COUNTER_dtls_rx_no_session), 1);
}

/* What it leaves behind is remembered for copies of its request alone. */
Test(secured_moves, a_device_may_move_to_an_address_that_another_left)
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
Test(secured_moves, a_move_does_not_end_what_another_device_has_at_that_address)
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

Test(secured_moves, a_move_does_not_end_a_handshake_at_that_address)
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

Test(secured_moves, hellos_in_fragments_of_any_cut_and_order_are_served)
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

Test(secured_moves, fragments_without_a_cookie_are_kept_for_two_seconds_and_64_at_most)
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
