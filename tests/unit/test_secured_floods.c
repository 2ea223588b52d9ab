/* The stack over DTLS under floods of handshakes, and in full pools: who makes way for whom. */
#include "tests/unit/secured_world.h"

SECURED_SUITE(secured_floods);

/* ---- floods and full pools ---- */

Test(secured_floods, peers_with_a_session_are_served_while_new_ones_are_limited)
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

Test(secured_floods, handshakes_are_limited_by_worker_and_by_prefix)
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

Test(secured_floods, in_a_full_pool_the_oldest_handshake_makes_way)
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
Test(secured_floods, devices_of_a_prefix_that_come_at_once_do_not_displace_each_other)
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

Test(secured_floods, one_prefix_displaces_its_own_handshakes_alone)
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
Test(secured_floods, devices_finish_beside_a_flood_of_half_open_handshakes)
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
Test(secured_floods, devices_of_one_network_finish_at_once_beside_a_flood_of_many)
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
Test(secured_floods, slow_devices_keep_their_place_and_nobody_out)
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
Test(secured_floods, devices_of_many_networks_that_come_at_once_do_not_displace_each_other)
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
Test(secured_floods, a_network_whose_devices_finish_owes_nothing)
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

Test(secured_floods, the_fuller_the_pool_the_shorter_handshakes_live)
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

Test(secured_floods, half_open_handshakes_make_way_in_a_full_table_too)
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
Test(secured_floods, a_displaced_handshake_leaves_its_association_alone)
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

Test(secured_floods, a_full_table_gives_a_finished_session_for_a_new_handshake)
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

Test(secured_floods, a_draining_stack_starts_no_handshake)
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
Test(secured_floods, commands_send_sealed_datagrams)
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
