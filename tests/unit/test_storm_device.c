/* Devices against the appliance's own stack, in memory, through a network that the test bends. */
#include <limits.h>

#include <criterion/criterion.h>

#include "tests/unit/stack_world.h"
#include "tools/storm/device.h"
#include "tools/storm/random.h"

enum {
	SWARM = 8,
	PORT = 40000,
	REBOUND = 100, /* ports further */
	WIRE = 256,
	TURN_US = 20000,
};

/* A datagram under way. */
struct flying {
	bool to_server;
	uint16_t port, len;
	uint8_t bytes[DATAGRAM_MAX];
};

struct swarm {
	struct world *world;
	struct fleet fleet;
	struct names names;
	struct expect expect;
	struct storm_out out;
	uint8_t slots[STORM_OUT_MAX][STORM_DATAGRAM_MAX];
	struct flying wire[WIRE];
	unsigned n_wire;
	double loss, duplicate;
	bool reverse;             /* what is under way arrives in the wrong order */
	const struct batch *pack; /* what the control side makes for who asks for one */
	unsigned n_given;         /* of the world's events, those that were looked at */
	/* The one datagram that is disturbed, by its number in time. */
	enum disturbance { UNDISTURBED, LOST, DOUBLED, DELAYED } disturbance;
	unsigned disturbed, n_sent;
	unsigned delay; /* turns until `delayed` arrives; 0: there is none */
	struct flying delayed;
	uint64_t random;
};

enum { DELAY_TURNS = 125 }; /* 2.5 s: behind the first retransmissions of either side */

/* How often it arrives with the others. */
static unsigned
disturb(struct swarm *swarm, const struct flying *flying)
{
	if (swarm->disturbance == UNDISTURBED || swarm->n_sent++ != swarm->disturbed)
		return 1;
	if (swarm->disturbance == DELAYED) {
		swarm->delayed = *flying;
		swarm->delay = DELAY_TURNS;
	}
	return swarm->disturbance == DOUBLED ? 2 : 0;
}

static void
put_on_wire(struct swarm *swarm, bool to_server, uint16_t port, const void *bytes, size_t len)
{
	unsigned copies = random_percent(&swarm->random, swarm->loss) ? 0 : 1;
	struct flying sent = { .to_server = to_server, .port = port, .len = (uint16_t)len };

	memcpy(sent.bytes, bytes, len);
	copies += copies && random_percent(&swarm->random, swarm->duplicate);
	copies *= disturb(swarm, &sent);
	for (; copies && swarm->n_wire < WIRE; copies--) {
		swarm->wire[swarm->n_wire++] = sent;
	}
}

static void
take_from_device(struct swarm *swarm, uint32_t index)
{
	for (unsigned i = 0; i < swarm->out.n; i++)
		put_on_wire(swarm, true,
			    (uint16_t)(PORT + index + (swarm->out.slots[i].rebound ? REBOUND : 0)),
			    swarm->out.slots[i].data, swarm->out.slots[i].len);
	swarm->out.n = 0;
}

/* As the control side does: a pack is made when it is asked for. */
static void
give_packs(struct swarm *swarm)
{
	struct world *world = swarm->world;

	for (; swarm->pack && swarm->n_given < world->n_events; swarm->n_given++) {
		const struct session_event *event = &world->events[swarm->n_given];
		struct stack_command give = { .kind = STACK_BATCH,
					      .session = event->session,
					      .batch = swarm->pack };

		if (event->kind != SESSION_NEEDS_BATCH)
			continue;
		batch_hold(swarm->pack);
		stack_command(world->stack, world->now, &give, &world->out);
	}
}

static void
take_from_server(struct swarm *swarm)
{
	struct world *world = swarm->world;

	give_packs(swarm);

	for (unsigned i = 0; i < world->out.used; i++)
		put_on_wire(swarm, false, world->slots[i].peer.port, world->slots[i].data,
			    world->slots[i].len);
	world_clear(world);
}

/*
 * `settings` decide; every device has the name, identity and key of its number, and the reference
 * batch.
 */
static void
swarm_make(struct swarm *swarm, const struct fleet_settings *settings, size_t payload)
{
	char error[NAMES_ERROR_MAX];
	struct credential credential;
	const struct batch *batch;

	memset(swarm, 0, sizeof *swarm);
	swarm->world = world_new(4 * SWARM);
	swarm->random = random_seed(3);
	batch = world_batch(swarm->world, 11542, payload);
	cr_assert_eq(name_pattern_parse(&swarm->names.endpoint, "dev-%04u", error), 0);
	cr_assert_eq(name_pattern_parse(&swarm->names.identity, "identity-%u", error), 0);
	cr_assert_eq(name_pattern_parse(&swarm->names.key, "key-%u", error), 0);
	for (uint32_t i = 0; i < SWARM; i++) {
		struct device_entry *entry, *old;
		struct directory_retired retired;

		names_get(&swarm->names, i, &credential);
		entry = device_entry_new(i, credential.endpoint, credential.endpoint_len,
					 credential.identity, credential.identity_len,
					 credential.key, credential.key_len);
		entry->flags = DEVICE_NOSEC;
		atomic_store(&entry->batch, batch);
		cr_assert_eq(directory_put(swarm->world->directory, entry, &old, &retired), 0);
		free(retired.blocks[0]);
		free(retired.blocks[1]);
		swarm->world->entries[swarm->world->n_entries++] = entry;
	}
	for (unsigned i = 0; i < STORM_OUT_MAX; i++)
		swarm->out.slots[i].data = swarm->slots[i];
	swarm->fleet.devices = calloc(SWARM, sizeof *swarm->fleet.devices);
	swarm->fleet.idle = calloc(SWARM, sizeof *swarm->fleet.idle);
	swarm->fleet.n = SWARM;
	swarm->fleet.names = &swarm->names;
	swarm->fleet.expect = &swarm->expect;
	fleet_set_time(&swarm->fleet, swarm->world->now);
	fleet_init(&swarm->fleet, settings, crypto_select(), 1, 2);
}

static void
swarm_free(struct swarm *swarm)
{
	expect_free(&swarm->expect);
	world_free(swarm->world);
	free(swarm->fleet.devices);
	free(swarm->fleet.idle);
}

static void
expect_line(struct swarm *swarm, const char *line)
{
	char error[EXPECT_ERROR_MAX];

	cr_assert_eq(expect_parse(&swarm->expect, line, error), 0, "%s", error);
}

/* What was under way when the turn began arrives; timers run; time passes. */
static void
turn(struct swarm *swarm)
{
	static struct flying arriving[WIRE + 1];
	unsigned n = swarm->n_wire;
	uint32_t index;

	memcpy(arriving, swarm->wire, n * sizeof *arriving);
	swarm->n_wire = 0;
	if (swarm->delay && --swarm->delay == 0)
		arriving[n++] = swarm->delayed;
	for (unsigned i = 0; i < n; i++) {
		struct flying *flying = &arriving[swarm->reverse ? n - 1 - i : i];
		struct peer peer = world_peer(flying->port);

		peer.listener = swarm->fleet.settings.security == SECURITY_PSK;
		if (flying->to_server) {
			world_feed_at(swarm->world, peer, flying->bytes, flying->len);
			take_from_server(swarm);
		} else {
			index = (uint32_t)(flying->port - PORT) % REBOUND;
			fleet_receive(&swarm->fleet, index, flying->bytes, flying->len,
				      &swarm->out);
			take_from_device(swarm, index);
		}
	}
	world_tick(swarm->world, TURN_US);
	take_from_server(swarm);
	fleet_set_time(&swarm->fleet, swarm->world->now);
	while (fleet_tick(&swarm->fleet, &index, &swarm->out))
		take_from_device(swarm, index);
}

/* All devices once; until they have ended, 10 minutes at most. */
static void
bootstrap_all(struct swarm *swarm)
{
	for (unsigned i = 0; i < SWARM; i++)
		take_from_device(swarm, (uint32_t)fleet_start(&swarm->fleet, swarm->fleet.now_us,
							      &swarm->out));
	for (unsigned i = 0; i < 30000 && (swarm->fleet.running || swarm->n_wire); i++)
		turn(swarm);
	cr_assert_eq(swarm->fleet.running, 0);
}

static const struct fleet_settings defaults = { .format = -1,
						.ack_timeout_us = 2000000,
						.max_retransmit = 4,
						.give_up_us = 93000000,
						.slow_ack_us = 4000000 };

static struct fleet_settings
settings_for(bool psk)
{
	struct fleet_settings settings = defaults;

	settings.security = psk ? SECURITY_PSK : SECURITY_NOSEC;
	return settings;
}

static void
all_end(struct swarm *swarm, enum outcome outcome)
{
	for (int i = 0; i < OUTCOMES; i++)
		cr_assert_eq(swarm->fleet.tally.outcomes[i], i == (int)outcome ? SWARM : 0,
			     "%s: %llu", outcome_names[i],
			     (unsigned long long)swarm->fleet.tally.outcomes[i]);
}

Test(storm_device, bootstraps_with_every_write_as_expected)
{
	for (int psk = 0; psk < 2; psk++) {
		struct fleet_settings settings = settings_for(psk);
		struct swarm swarm;

		swarm_make(&swarm, &settings, 4);
		expect_line(&swarm, "/0/2=01020304");
		expect_line(&swarm, "/1/0=0102030405060708090a0b0c0d0e0f101112");
		bootstrap_all(&swarm);
		all_end(&swarm, OUTCOME_DONE);
		bootstrap_all(&swarm); /* again on the same ports: no message is taken for a copy */
		cr_assert_eq(swarm.fleet.tally.outcomes[OUTCOME_DONE], 2 * SWARM);
		cr_assert_eq(world_count(swarm.world, COUNTER_bs_finished), 2 * SWARM);
		cr_assert_eq(world_count(swarm.world, COUNTER_dtls_finished), psk ? 2 * SWARM : 0);
		cr_assert_eq(swarm.fleet.tally.retransmitted, 0);
		cr_assert_eq(swarm.fleet.tally.phases[PHASE_WHOLE].n, 2 * SWARM);
		swarm_free(&swarm);
	}
}

Test(storm_device, takes_a_write_in_blocks)
{
	for (int psk = 0; psk < 2; psk++) {
		struct fleet_settings settings = settings_for(psk);
		struct swarm swarm;
		char line[8 + 2 * 3000 + 1] = "/0/2=";

		swarm_make(&swarm, &settings, 3000);
		for (size_t i = 0; i < 3000; i++)
			snprintf(line + 5 + 2 * i, 3, "%02x", (unsigned)(uint8_t)(i + i / 256 + 1));
		expect_line(&swarm, line);
		expect_line(&swarm, "/1/0=*");
		bootstrap_all(&swarm);
		all_end(&swarm, OUTCOME_DONE);
		cr_assert(swarm.fleet.tally.blocks >= 3 * SWARM);
		swarm_free(&swarm);
	}
}

Test(storm_device, tells_wrong_missing_and_unwanted_writes)
{
	static const struct {
		const char *first, *second;
		enum outcome outcome;
	} cases[] = {
		{ "/0/2=01020305", "/1/0=*", OUTCOME_WRONG_WRITE },
		{ "/0/2=0102030405", "/1/0=*", OUTCOME_WRONG_WRITE },
		{ "/0/2=*", "/1/1=*", OUTCOME_WRONG_WRITE },
		{ "/0/2=*", "-/1/0", OUTCOME_WRONG_WRITE },
		{ "/0/2=*", NULL, OUTCOME_WRONG_WRITE },
	};
	struct fleet_settings settings = settings_for(false);
	struct swarm swarm;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		swarm_make(&swarm, &settings, 4);
		expect_line(&swarm, cases[i].first);
		if (cases[i].second)
			expect_line(&swarm, cases[i].second);
		bootstrap_all(&swarm);
		all_end(&swarm, cases[i].outcome);
		swarm_free(&swarm);
	}
	swarm_make(&swarm, &settings, 4);
	expect_line(&swarm, "/0/2=*");
	expect_line(&swarm, "/1/0=*");
	expect_line(&swarm, "/1/1=*");
	bootstrap_all(&swarm);
	all_end(&swarm, OUTCOME_MISSING);
	swarm_free(&swarm);
}

/* 20 % lost, 20 % twice, everything in the wrong order: retransmission mends it. */
Test(storm_device, survives_a_bad_network)
{
	for (int psk = 0; psk < 2; psk++) {
		struct fleet_settings settings = settings_for(psk);
		struct swarm swarm;

		settings.split_flights = true;
		settings.give_up_us = 600000000;
		swarm_make(&swarm, &settings, 4);
		expect_line(&swarm, "/0/2=01020304");
		expect_line(&swarm, "/1/0=*");
		swarm.loss = swarm.duplicate = 20;
		swarm.reverse = true;
		bootstrap_all(&swarm);
		all_end(&swarm, OUTCOME_DONE);
		cr_assert(swarm.fleet.tally.retransmitted > 0 && swarm.fleet.tally.duplicates > 0);
		swarm_free(&swarm);
	}
}

/* ---- the reference dialogue, each datagram of it disturbed by itself ---- */

/* One device, with one disturbance. Returns how many datagrams were sent. */
static unsigned
bootstrap_disturbed(const struct fleet_settings *settings, size_t payload,
		    enum disturbance disturbance, unsigned disturbed)
{
	static const char *const securities[] = { "NoSec", "PSK", "PSK with CID" };
	static const char *const names[] = { "undisturbed", "lost", "doubled", "delayed" };
	static const char *const early[] = { "taken", "busy", "reset" };
	struct swarm swarm;
	unsigned n;

	swarm_make(&swarm, settings, payload);
	expect_line(&swarm, "/0/2=*");
	expect_line(&swarm, "/1/0=*");
	swarm.disturbance = disturbance == UNDISTURBED ? LOST : disturbance;
	swarm.disturbed = disturbance == UNDISTURBED ? UINT_MAX : disturbed;
	take_from_device(&swarm,
			 (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us, &swarm.out));
	for (unsigned i = 0; i < 30000 && (swarm.fleet.running || swarm.n_wire); i++)
		turn(&swarm);
	cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_DONE], 1,
		     "%s, early operations %s, %zu bytes: datagram %u %s",
		     securities[settings->security + settings->offer_cid], early[settings->early],
		     payload, disturbed, names[disturbance]);
	n = swarm.n_sent;
	swarm_free(&swarm);
	return n;
}

Test(storm_device, the_reference_dialogue_survives_the_loss_doubling_and_delay_of_every_datagram)
{
	static const size_t payloads[] = { 4, 2000 };

	for (unsigned security = 0; security < 3; security++)
		for (unsigned early = EARLY_TAKEN; early <= EARLY_RESET; early++)
			for (unsigned p = 0; p < 2; p++) {
				struct fleet_settings settings = settings_for(security > 0);
				unsigned n;

				settings.offer_cid = security > 1;
				settings.early = (enum early_operation)early;
				settings.give_up_us = 247000000;
				n = bootstrap_disturbed(&settings, payloads[p], UNDISTURBED, 0);
				cr_assert_geq(n, 8);
				for (unsigned at = 0; at < n; at++)
					for (unsigned how = LOST; how <= DELAYED; how++)
						bootstrap_disturbed(&settings, payloads[p],
								    (enum disturbance)how, at);
			}
}

Test(storm_device, answers_late_on_a_slow_link)
{
	struct fleet_settings settings = settings_for(true);
	const struct histogram *whole;
	struct swarm swarm;

	settings.rtt_us = 5000000;
	settings.rtt_spread_us = 1000000;
	swarm_make(&swarm, &settings, 4);
	bootstrap_all(&swarm);
	all_end(&swarm, OUTCOME_DONE);
	whole = &swarm.fleet.tally.phases[PHASE_WHOLE];
	/* Hello, flight, request, two writes, Finish: six answers of 4 to 6 s. */
	cr_assert(histogram_percentile(whole, 1) >= 24000000);
	cr_assert(whole->max <= 38000000);
	swarm_free(&swarm);
}

Test(storm_device, gives_up_where_nobody_answers)
{
	for (int psk = 0; psk < 2; psk++) {
		struct fleet_settings settings = settings_for(psk);
		struct swarm swarm;

		swarm_make(&swarm, &settings, 4);
		swarm.loss = 100;
		bootstrap_all(&swarm);
		all_end(&swarm, OUTCOME_SILENT);
		/*
		 * RFC 7252 4.2: four retransmissions; RFC 6347 4.2.4.1: after 1, 2, 4, 8, 16, 32 s
		 * of 93.
		 */
		cr_assert_eq(swarm.fleet.tally.retransmitted, (psk ? 6 : 4) * SWARM);
		swarm_free(&swarm);
	}
}

/* Nobody answers from the first datagram on, or from the middle of the dialogue. */
Test(storm_device, begins_anew_where_nobody_answers_any_more)
{
	for (int psk = 0; psk < 2; psk++) {
		for (unsigned answered = 0; answered < 3; answered++) {
			struct fleet_settings settings = settings_for(psk);
			struct swarm swarm;

			settings.retries = 2;
			settings.rtt_us = 2 * TURN_US;
			swarm_make(&swarm, &settings, 4);
			for (unsigned i = 0; i < SWARM; i++)
				take_from_device(&swarm, (uint32_t)fleet_start(&swarm.fleet,
									       swarm.fleet.now_us,
									       &swarm.out));
			for (unsigned i = 0; i < 4 * answered; i++)
				turn(&swarm);
			cr_assert_eq(swarm.fleet.running, SWARM);
			swarm.loss = 100;
			for (unsigned i = 0; i < 30000 && swarm.fleet.tally.retried < SWARM; i++)
				turn(&swarm);
			swarm.loss = 0;
			for (unsigned i = 0; i < 30000 && swarm.fleet.running; i++)
				turn(&swarm);
			all_end(&swarm, OUTCOME_DONE);
			cr_assert_geq(swarm.fleet.tally.retried, SWARM);
			swarm_free(&swarm);
		}
	}
}

/* ---- devices that are not alike ---- */

/* Each a pack of `payload` bytes, in blocks of this size if it takes no larger ones. */
static struct fleet_settings
packs_for(bool psk, uint8_t szx)
{
	struct fleet_settings settings = settings_for(psk);

	settings.mix.percent[MIX_PACK] = settings.mix.percent[MIX_BLOCK] = 100;
	settings.block_szx = szx;
	return settings;
}

static void
make_with_pack(struct swarm *swarm, const struct fleet_settings *settings, size_t payload)
{
	swarm_make(swarm, settings, 4);
	swarm->pack = world_pack(swarm->world, FORMAT_SENML_CBOR, payload);
}

/* The line of the world's pack, with its last byte as it is or another. */
static void
expect_pack(struct swarm *swarm, bool right)
{
	const struct batch_step *step = swarm->pack->steps[0];
	char line[sizeof EXPECT_PACK + 2 * 3000 + 1] = EXPECT_PACK "=";
	size_t at = sizeof EXPECT_PACK;

	for (uint32_t i = 0; i < step->payload_len; i++)
		at += (size_t)snprintf(line + at, 3, "%02x",
				       (unsigned)(uint8_t)(batch_step_payload(step)[i] +
							   (!right && i + 1 == step->payload_len)));
	expect_line(swarm, line);
}

Test(storm_device, fetches_a_pack_whole_and_in_blocks)
{
	static const struct {
		size_t payload;
		uint8_t szx;
		unsigned blocks;
	} cases[] = {
		{ 200, COAP_SZX_MAX, 0 }, { 3000, COAP_SZX_MAX, 3 }, { 200, 1, 7 }, { 64, 2, 0 }
	};

	for (int psk = 0; psk < 2; psk++)
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
			struct fleet_settings settings = packs_for(psk, cases[i].szx);
			struct swarm swarm;

			make_with_pack(&swarm, &settings, cases[i].payload);
			expect_pack(&swarm, true);
			expect_line(&swarm, "/0/2=*"); /* is for others */
			bootstrap_all(&swarm);
			all_end(&swarm, OUTCOME_DONE);
			bootstrap_all(&swarm);
			cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_DONE], 2 * SWARM);
			cr_expect_eq(swarm.fleet.tally.packs, 2 * SWARM);
			cr_expect_eq(swarm.fleet.tally.blocks, 2 * SWARM * cases[i].blocks);
			cr_expect_eq(swarm.fleet.tally.operations, 0);
			cr_expect_eq(swarm.fleet.tally.retransmitted, 0);
			cr_expect_eq(world_count(swarm.world, COUNTER_bs_pack_requests), 2 * SWARM);
			swarm_free(&swarm);
		}
}

Test(storm_device, a_pack_that_is_wrong_or_not_expected_is_a_wrong_write)
{
	struct fleet_settings settings = packs_for(false, 1);
	struct swarm swarm;

	make_with_pack(&swarm, &settings, 200);
	expect_pack(&swarm, false);
	bootstrap_all(&swarm);
	all_end(&swarm, OUTCOME_WRONG_WRITE);
	swarm_free(&swarm);
	make_with_pack(&swarm, &settings, 200);
	expect_line(&swarm, "/0/2=*");
	bootstrap_all(&swarm);
	all_end(&swarm, OUTCOME_WRONG_WRITE);
	swarm_free(&swarm);
}

Test(storm_device, a_server_without_packs_refuses_who_asks_for_one)
{
	struct fleet_settings settings = packs_for(false, COAP_SZX_MAX);
	struct stack_command refuse = { .kind = STACK_BATCH, .code = COAP_NOT_IMPLEMENTED };
	struct swarm swarm;

	swarm_make(&swarm, &settings, 4);
	take_from_device(&swarm,
			 (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us, &swarm.out));
	while (!swarm.world->n_events)
		turn(&swarm);
	refuse.session = swarm.world->events[0].session;
	stack_command(swarm.world->stack, swarm.world->now, &refuse, &swarm.world->out);
	take_from_server(&swarm);
	turn(&swarm);
	cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_REFUSED], 1);
	cr_expect_eq(swarm.fleet.tally.refused_code, COAP_NOT_IMPLEMENTED);
	swarm_free(&swarm);
}

Test(storm_device, who_takes_little_at_once_is_written_to_in_blocks)
{
	for (int psk = 0; psk < 2; psk++) {
		struct fleet_settings settings = settings_for(psk);
		struct swarm swarm;

		settings.mix.percent[MIX_BLOCK] = 100;
		settings.block_szx = 0;
		swarm_make(&swarm, &settings, 4);
		expect_line(&swarm, "/0/2=01020304");
		expect_line(&swarm, "/1/0=0102030405060708090a0b0c0d0e0f101112");
		bootstrap_all(&swarm);
		all_end(&swarm, OUTCOME_DONE);
		/* 18 bytes: refused once, then two blocks of 16. */
		cr_expect_eq(swarm.fleet.tally.blocks, 2 * SWARM);
		cr_expect_eq(swarm.fleet.tally.operations, (1 + 1 + 2 + 1) * SWARM);
		swarm_free(&swarm);
	}
}

/* One device that fetches a pack in seven blocks; returns how many datagrams were sent. */
static unsigned
fetch_disturbed(bool psk, enum disturbance disturbance, unsigned disturbed)
{
	struct fleet_settings settings = packs_for(psk, 1);
	struct swarm swarm;
	unsigned n;

	make_with_pack(&swarm, &settings, 200);
	expect_pack(&swarm, true);
	swarm.disturbance = disturbance;
	swarm.disturbed = disturbed;
	take_from_device(&swarm,
			 (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us, &swarm.out));
	for (unsigned i = 0; i < 30000 && (swarm.fleet.running || swarm.n_wire); i++)
		turn(&swarm);
	cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_DONE], 1, "datagram %u, disturbance %u",
		     disturbed, disturbance);
	n = swarm.n_sent;
	swarm_free(&swarm);
	return n;
}

Test(storm_device, a_pack_survives_the_loss_doubling_and_delay_of_every_datagram)
{
	for (int psk = 0; psk < 2; psk++) {
		unsigned n = fetch_disturbed(psk, LOST, UINT_MAX);

		cr_assert_geq(n, 14);
		for (unsigned at = 0; at < n; at++)
			for (unsigned how = LOST; how <= DELAYED; how++)
				fetch_disturbed(psk, (enum disturbance)how, at);
	}
}

/* Each a share of every hundred, whatever the others have. */
Test(storm_device, shares_are_met_exactly_and_say_nothing_of_each_other)
{
	const struct mix mix = { .percent = { 25, 40, 10 } };
	unsigned both = 0;

	for (uint32_t hundred = 0; hundred < 100; hundred++)
		for (int kind = 0; kind < MIX_KINDS; kind++) {
			unsigned n = 0;

			for (uint32_t i = 0; i < 100; i++)
				n += mix_has(&mix, (enum mix_kind)kind, 100 * hundred + i);
			cr_expect_eq(n, mix.percent[kind]);
		}
	for (uint32_t i = 0; i < 10000; i++)
		both += mix_has(&mix, MIX_PACK, i) && mix_has(&mix, MIX_BLOCK, i);
	cr_expect(both > 900 && both < 1100, "%u", both);
	cr_expect_not(mix_has(&(struct mix){ 0 }, MIX_PACK, 0));
}

/* A sealed record that is on its way to a device, and whose device. */
static bool
sealed_on_wire(const struct swarm *swarm, struct flying *sealed)
{
	for (unsigned i = 0; i < swarm->n_wire; i++) {
		*sealed = swarm->wire[i];
		if (!sealed->to_server && sealed->bytes[0] == DTLS_APPLICATION_DATA)
			return true;
	}
	return false;
}

static void
hand_over(struct swarm *swarm, const struct flying *flying)
{
	struct flying copy = *flying; /* opened in place */

	fleet_receive(&swarm->fleet, (uint32_t)(copy.port - PORT) % REBOUND, copy.bytes, copy.len,
		      &swarm->out);
	swarm->out.n = 0;
}

/* Records that say something bad of the server or of the network. */
static uint64_t
blamed(const struct swarm *swarm)
{
	const uint64_t *records = swarm->fleet.tally.records.value;

	return records[COUNTER_dtls_rx_bad_tag] + records[COUNTER_dtls_rx_replayed];
}

/* A server repeats what it waits for, to a device that has begun anew since. */
Test(storm_device, a_record_of_the_association_before_is_stale_and_no_forgery)
{
	struct fleet_settings settings = settings_for(true);
	struct flying sealed;
	struct swarm swarm;

	swarm_make(&swarm, &settings, 4);
	for (unsigned i = 0; i < SWARM; i++)
		take_from_device(&swarm, (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us,
							       &swarm.out));
	while (!sealed_on_wire(&swarm, &sealed))
		turn(&swarm);
	while (swarm.fleet.running)
		turn(&swarm);
	bootstrap_all(&swarm);
	hand_over(&swarm, &sealed);
	cr_expect_eq(swarm.fleet.tally.stale, 1);
	cr_expect_eq(blamed(&swarm), 0);
	sealed.bytes[sealed.len - 1] ^= 1;
	hand_over(&swarm, &sealed);
	cr_expect_eq(swarm.fleet.tally.stale, 1);
	cr_expect_eq(blamed(&swarm), 1);
	sealed.bytes[sealed.len - 1] ^= 1;
	bootstrap_all(&swarm); /* two associations later nothing tells it from a forgery */
	hand_over(&swarm, &sealed);
	cr_expect_eq(swarm.fleet.tally.stale, 1);
	cr_expect_eq(blamed(&swarm), 2);
	swarm_free(&swarm);
}

Test(storm_device, waits_where_the_server_is_full)
{
	struct fleet_settings settings = settings_for(false);
	struct stack_command drain = { .kind = STACK_DRAIN, .on = true };
	struct swarm swarm;

	swarm_make(&swarm, &settings, 4);
	cr_assert_eq(swarm.fleet.n_idle, SWARM);
	stack_command(swarm.world->stack, swarm.world->now, &drain, &swarm.world->out);
	for (unsigned i = 0; i < SWARM; i++)
		take_from_device(&swarm, (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us,
							       &swarm.out));
	cr_assert_eq(fleet_start(&swarm.fleet, 0, &swarm.out), -1, "nobody is idle");
	for (unsigned i = 0; i < 100; i++)
		turn(&swarm);
	cr_assert_eq(swarm.fleet.tally.busy, SWARM);
	cr_assert_eq(swarm.fleet.running, SWARM);
	drain.on = false;
	stack_command(swarm.world->stack, swarm.world->now, &drain, &swarm.world->out);
	for (unsigned i = 0; i < 100 * 1000000 / TURN_US && swarm.fleet.running; i++)
		turn(&swarm);
	all_end(&swarm, OUTCOME_DONE);
	swarm_free(&swarm);
}

/* ---- several messages that wait for the network's delay ---- */

/* A message to the only device that runs. */
static void
say(struct swarm *swarm, uint32_t index, uint8_t *bytes, size_t len)
{
	fleet_receive(&swarm->fleet, index, bytes, len, &swarm->out);
}

/* 5.03 to the request, in its ACK or, if `confirmable`, on its own; to be asked again in `age` seconds. */
static void
say_busy_for(struct swarm *swarm, uint32_t index, bool confirmable, uint32_t age)
{
	const struct device *device = &swarm->fleet.devices[index];
	uint8_t busy[] = { confirmable ? 0x44 : 0x64,
			   COAP_SERVICE_UNAVAILABLE,
			   (uint8_t)(device->mid >> 8),
			   (uint8_t)device->mid,
			   0,
			   0,
			   0,
			   0,
			   0xd4,
			   1, /* option 13 + 1: Max-Age */
			   (uint8_t)(age >> 24),
			   (uint8_t)(age >> 16),
			   (uint8_t)(age >> 8),
			   (uint8_t)age };

	memcpy(busy + 4, device->token, sizeof device->token);
	say(swarm, index, busy, sizeof busy);
}

static void
say_busy(struct swarm *swarm, uint32_t index, bool confirmable)
{
	say_busy_for(swarm, index, confirmable, 1);
}

/* Lets `us` pass; how many datagrams of this first byte and code went out. */
static unsigned
count_sent(struct swarm *swarm, uint64_t us, uint8_t first, uint8_t code)
{
	unsigned n = 0;
	uint32_t index;

	for (uint64_t end = swarm->fleet.now_us + us; swarm->fleet.now_us < end;) {
		fleet_set_time(&swarm->fleet, swarm->fleet.now_us + TURN_US);
		while (fleet_tick(&swarm->fleet, &index, &swarm->out)) {
		}
		for (unsigned i = 0; i < swarm->out.n; i++)
			n += swarm->out.slots[i].data[0] == first &&
			     swarm->out.slots[i].data[1] == code;
		swarm->out.n = 0;
	}
	return n;
}

static uint32_t
start_with(struct swarm *swarm, const struct fleet_settings *settings)
{
	uint32_t index;

	swarm_make(swarm, settings, 4);
	index = (uint32_t)fleet_start(&swarm->fleet, swarm->fleet.now_us, &swarm->out);
	cr_assert_eq(swarm->out.n, 1);
	swarm->out.n = 0;
	return index;
}

static uint32_t
start_one(struct swarm *swarm, enum early_operation early)
{
	struct fleet_settings settings = settings_for(false);

	settings.rtt_us = 100000;
	settings.early = early;
	return start_with(swarm, &settings);
}

enum { ASKS = 0x44 /* CON, a token of 4 */, EMPTY_ACK = 0x60, SOON_US = 1800000 };

/* It would wait for an answer to what it never asked, until it gives up. */
Test(storm_device, an_answer_takes_no_waiting_requests_place)
{
	uint8_t put[] = { 0x40, COAP_PUT, 0x12, 0x34, 0xb1, '1', 0x01, '0', 0xff, 'x' };

	for (unsigned early = EARLY_BUSY; early <= EARLY_RESET; early++) {
		struct swarm swarm;
		uint32_t index = start_one(&swarm, (enum early_operation)early);

		say_busy(&swarm, index, false);
		say(&swarm, index, put, sizeof put);
		cr_expect_eq(swarm.out.n, 1, "the answer goes at once");
		swarm.out.n = 0;
		cr_expect_eq(count_sent(&swarm, SOON_US, ASKS, COAP_POST), 1);
		swarm_free(&swarm);
	}
}

Test(storm_device, a_waiting_request_takes_no_acknowledgements_place)
{
	struct swarm swarm;
	uint32_t index = start_one(&swarm, EARLY_TAKEN);

	say_busy(&swarm, index, true);
	cr_expect_eq(swarm.out.n, 1);
	cr_expect_eq(swarm.out.slots[0].data[0], EMPTY_ACK);
	swarm.out.n = 0;
	cr_expect_eq(count_sent(&swarm, SOON_US, ASKS, COAP_POST), 1);
	swarm_free(&swarm);
}

/* An operation proves that it is served: to ask again would begin the dialogue anew. */
Test(storm_device, who_is_served_asks_no_more)
{
	uint8_t put[] = { 0x40, COAP_PUT, 0x12, 0x34, 0xb1, '1', 0x01, '0', 0xff, 'x' };
	struct swarm swarm;
	uint32_t index = start_one(&swarm, EARLY_TAKEN);

	say_busy(&swarm, index, false);
	say(&swarm, index, put, sizeof put);
	cr_expect_eq(count_sent(&swarm, SOON_US, ASKS, COAP_POST), 0);
	cr_expect_eq(swarm.fleet.devices[index].state, DEVICE_SERVED);
	swarm_free(&swarm);
}

/* It asks again for as long as devices are patient: a run ends. */
Test(storm_device, is_refused_where_the_server_is_busy_for_ever)
{
	struct swarm swarm;
	uint32_t index = start_one(&swarm, EARLY_TAKEN);
	uint64_t began = swarm.fleet.now_us, give_up_us = swarm.fleet.settings.give_up_us;
	unsigned asked = 0;

	for (; swarm.fleet.running && asked < 1000; asked++) {
		say_busy(&swarm, index, asked % 2);
		swarm.out.n = 0;
		if (swarm.fleet.running)
			cr_assert_eq(count_sent(&swarm, SOON_US, ASKS, COAP_POST), 1);
	}
	cr_expect_eq(swarm.fleet.running, 0);
	cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_REFUSED], 1);
	cr_expect_eq(swarm.fleet.tally.refused_code, COAP_SERVICE_UNAVAILABLE);
	cr_expect_eq(swarm.fleet.tally.busy, asked);
	cr_expect_geq(swarm.fleet.now_us - began, give_up_us);
	cr_expect_leq(swarm.fleet.now_us - began, give_up_us + 2 * SOON_US);
	swarm_free(&swarm);
}

Test(storm_device, asks_a_busy_server_again_however_little_patience_it_has)
{
	struct fleet_settings settings = settings_for(false);
	struct swarm swarm;
	uint32_t index;

	settings.give_up_us = 1000;
	index = start_with(&swarm, &settings);
	say_busy(&swarm, index, false);
	cr_expect_eq(count_sent(&swarm, SOON_US, ASKS, COAP_POST), 1);
	swarm_free(&swarm);
}

Test(storm_device, waits_for_no_server_that_is_busy_for_years)
{
	static const struct {
		uint32_t age;
		bool waits;
	} ages[] = { { 86400, true }, { 86401, false }, { UINT32_MAX, false } };

	for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
		struct swarm swarm;
		uint32_t index = start_one(&swarm, EARLY_TAKEN);

		say_busy_for(&swarm, index, false, ages[i].age);
		cr_expect_eq(swarm.fleet.running, ages[i].waits, "%u s", (unsigned)ages[i].age);
		swarm_free(&swarm);
	}
}

/* ---- a pack from a server that answers in messages of its own ---- */

struct pack_block {
	uint8_t etag, value; /* Block2: num << 4 | more << 3 | szx */
	uint16_t format;
	size_t len;
};

/* 2.05 in a CON to the only device that runs, under the token of its request. */
static void
say_block(struct swarm *swarm, uint32_t index, const struct pack_block *block)
{
	const struct device *device = &swarm->fleet.devices[index];
	struct coap_header header = { .type = COAP_CON,
				      .code = COAP_CONTENT,
				      .mid = (uint16_t)(0x5000 + block->value),
				      .token_len = sizeof device->token };
	uint8_t message[128], payload[64] = { 0 };
	struct writer writer = writer_init(message, sizeof message);
	uint16_t last = 0;

	memcpy(header.token, device->token, sizeof device->token);
	coap_write_header(&writer, &header);
	coap_write_option(&writer, &last,
			  &(struct coap_option){ COAP_OPTION_ETAG, 1, &block->etag });
	coap_write_option_uint(&writer, &last, COAP_OPTION_CONTENT_FORMAT, block->format);
	coap_write_option_uint(&writer, &last, COAP_OPTION_BLOCK2, block->value);
	coap_write_payload(&writer, payload, block->len);
	say(swarm, index, message, writer_finish(&writer));
}

static uint32_t
start_pack(struct swarm *swarm)
{
	struct fleet_settings settings = packs_for(false, 0);
	uint32_t index;

	settings.rtt_us = 100000;
	swarm_make(swarm, &settings, 4);
	index = (uint32_t)fleet_start(&swarm->fleet, swarm->fleet.now_us, &swarm->out);
	cr_assert_eq(swarm->out.n, 1);
	swarm->out.n = 0;
	return index;
}

Test(storm_device, each_block_that_comes_on_its_own_is_acknowledged_also_the_last)
{
	const struct pack_block first = { 7, 0x08, FORMAT_SENML_CBOR, 16 },
				second = { 7, 0x10, FORMAT_SENML_CBOR, 5 };
	struct swarm swarm;
	uint32_t index = start_pack(&swarm);

	say_block(&swarm, index, &first);
	cr_expect_eq(swarm.out.n, 1);
	cr_expect_eq(swarm.out.slots[0].data[0], EMPTY_ACK);
	swarm.out.n = 0;
	cr_expect_eq(count_sent(&swarm, 200000, ASKS, COAP_GET), 1);
	say_block(&swarm, index, &second);
	cr_expect_eq(swarm.fleet.running, 1, "its ACK is under way");
	cr_expect_eq(count_sent(&swarm, 200000, EMPTY_ACK, COAP_EMPTY), 1);
	cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_DONE], 1);
	/* The ACK was lost: the server repeats its message (RFC 7252 4.5). */
	say_block(&swarm, index, &second);
	cr_expect_eq(count_sent(&swarm, 200000, EMPTY_ACK, COAP_EMPTY), 1);
	cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_DONE], 1);
	cr_expect_eq(swarm.fleet.tally.packs, 1);
	swarm_free(&swarm);
}

Test(storm_device, blocks_of_a_pack_that_do_not_fit_together_are_a_wrong_write)
{
	static const struct pack_block cases[] = {
		{ 8, 0x10, FORMAT_SENML_CBOR, 5 },  /* another representation */
		{ 7, 0x20, FORMAT_SENML_CBOR, 5 },  /* the block after the next */
		{ 7, 0x00, FORMAT_SENML_CBOR, 16 }, /* the first one again */
		{ 7, 0x11, FORMAT_SENML_CBOR, 5 },  /* of another size */
		{ 7, 0x10, FORMAT_SENML_JSON, 5 },
		{ 7, 0x18, FORMAT_SENML_CBOR, 5 },  /* not full, and more behind it */
		{ 7, 0x10, FORMAT_SENML_CBOR, 17 }, /* more than full */
		{ 7, 0x17, FORMAT_SENML_CBOR, 5 },  /* of the reserved size */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct pack_block first = { 7, 0x08, FORMAT_SENML_CBOR, 16 };
		struct swarm swarm;
		uint32_t index = start_pack(&swarm);

		say_block(&swarm, index, &first);
		count_sent(&swarm, 200000, ASKS, COAP_GET);
		say_block(&swarm, index, &cases[i]);
		count_sent(&swarm, 200000, EMPTY_ACK, COAP_EMPTY);
		cr_expect_eq(swarm.fleet.tally.outcomes[OUTCOME_WRONG_WRITE], 1, "case %zu", i);
		swarm_free(&swarm);
	}
}

enum { MINUTE_S = 60, HELLO = 22 /* a handshake record */, DTLS = 0xfe };

static unsigned
count_sent_in(struct swarm *swarm, unsigned minutes, bool psk)
{
	uint64_t us = (uint64_t)minutes * MINUTE_S * 1000000;

	return count_sent(swarm, us, psk ? HELLO : ASKS, psk ? DTLS : COAP_POST);
}

/* Each time-out of a request is twice the one before (RFC 7252 4.2); those of a handshake grow to a minute (RFC 6347
 * 4.2.4.1), and stay where they are if they begin above. */
Test(storm_device, repeats_after_times_of_any_length)
{
	struct fleet_settings settings = settings_for(false);
	struct swarm swarm;

	settings.ack_timeout_us = UINT64_C(40) * MINUTE_S * 1000000;
	settings.give_up_us = UINT64_C(86400) * 1000000;
	start_with(&swarm, &settings);
	cr_expect_eq(count_sent_in(&swarm, 39, false), 0);
	cr_expect_eq(count_sent_in(&swarm, 22, false), 1, "after 40 to 60 minutes");
	cr_expect_eq(count_sent_in(&swarm, 58, false), 0);
	cr_expect_eq(count_sent_in(&swarm, 62, false), 1, "after 80 to 120 more");
	swarm_free(&swarm);
	settings.security = SECURITY_PSK;
	start_with(&swarm, &settings);
	cr_expect_eq(count_sent_in(&swarm, 19, true), 0);
	cr_expect_eq(count_sent_in(&swarm, 2, true), 1);
	cr_expect_eq(count_sent_in(&swarm, 18, true), 0);
	cr_expect_eq(count_sent_in(&swarm, 2, true), 1);
	swarm_free(&swarm);
}

Test(storm_device, is_refused_where_nobody_knows_it)
{
	struct fleet_settings settings = settings_for(false);
	struct swarm swarm;

	swarm_make(&swarm, &settings, 4);
	swarm.names.first = 5000;
	bootstrap_all(&swarm);
	all_end(&swarm, OUTCOME_REFUSED);
	cr_assert_eq(swarm.fleet.tally.refused_code, COAP_BAD_REQUEST);
	swarm_free(&swarm);
}

static enum counter
counter_by_name(const char *name)
{
	for (unsigned i = 0; i < COUNTERS; i++)
		if (strcmp(counter_infos[i].name, name) == 0)
			return (enum counter)i;
	cr_assert(false, "there is no counter %s", name);
	return COUNTERS;
}

/* The table's promise, mode by mode: the counter moves, and devices end as it says. */
Test(storm_device, misbehaves_as_told)
{
	for (int mode = MISBEHAVE_NOT + 1; mode < MISBEHAVIOURS; mode++) {
		for (int psk = 0; psk < 2; psk++) {
			const struct misbehave_info *info = &misbehave_infos[mode];
			const char *counter = info->counters[psk ? SECURITY_PSK : SECURITY_NOSEC];
			struct fleet_settings settings = settings_for(psk);
			struct swarm swarm;

			if (!counter)
				continue;
			settings.misbehave = (enum misbehave)mode;
			swarm_make(&swarm, &settings, 4);
			bootstrap_all(&swarm);
			for (unsigned i = 0; i < 120 * 1000000 / TURN_US; i++)
				turn(&swarm); /* the server's own patience */
			all_end(&swarm,
				info->answer == ANSWER_SERVES ? OUTCOME_DONE : OUTCOME_INTENDED);
			cr_assert(world_count(swarm.world, counter_by_name(counter)) >= SWARM,
				  "%s, %s: %llu", info->name, counter,
				  (unsigned long long)world_count(swarm.world,
								  counter_by_name(counter)));
			swarm_free(&swarm);
		}
	}
}

Test(storm_device, is_found_by_its_connection_id)
{
	struct fleet_settings settings = settings_for(true);
	struct swarm swarm;

	settings.offer_cid = true;
	settings.misbehave = MISBEHAVE_REBIND;
	swarm_make(&swarm, &settings, 4);
	bootstrap_all(&swarm);
	all_end(&swarm, OUTCOME_DONE);
	swarm_free(&swarm);
}

Test(storm_device, what_is_cut_off_counts_as_unfinished)
{
	struct fleet_settings settings = settings_for(false);
	struct swarm swarm;

	swarm_make(&swarm, &settings, 4);
	take_from_device(&swarm,
			 (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us, &swarm.out));
	fleet_stop(&swarm.fleet);
	cr_assert_eq(swarm.fleet.tally.outcomes[OUTCOME_UNFINISHED], 1);
	cr_assert_eq(swarm.fleet.n_idle, SWARM);
	swarm_free(&swarm);
}

/* ---- a hostile server ---- */

/* A record of a handshake message's fragment, and what happens to lie behind the datagram. */
struct hostile {
	uint8_t bytes[DATAGRAM_MAX];
	size_t len;
};

static struct hostile
hostile_fragment(uint8_t type, uint32_t length, const uint8_t *fragment, uint32_t fragment_length)
{
	struct hostile hostile;
	struct writer out = writer_init(hostile.bytes, sizeof hostile.bytes);
	struct writer_mark mark;

	memset(hostile.bytes, 0x5a, sizeof hostile.bytes);
	mark = dtls_write_record(&out, DTLS_HANDSHAKE, DTLS_1_2, 0);
	writer_u8(&out, type);
	writer_u24(&out, length);
	writer_u16(&out, 0); /* message_seq */
	writer_u24(&out, 0); /* fragment_offset */
	writer_u24(&out, fragment_length);
	writer_bytes(&out, fragment, fragment_length);
	writer_close(&out, mark);
	hostile.len = writer_finish(&out);
	cr_assert_neq(hostile.len, 0);
	return hostile;
}

/* RFC 6347 4.2.3: a fragment says how long its message is; only the fragment is there to be read. */
Test(storm_device, never_reads_behind_a_fragment_of_a_plain_message)
{
	static const uint8_t types[] = { DTLS_HELLO_VERIFY_REQUEST, DTLS_SERVER_HELLO,
					 DTLS_SERVER_KEY_EXCHANGE, DTLS_SERVER_HELLO_DONE };
	static const uint8_t body[] = { 0xfe, 0xff, 32, 1, 2, 3 };
	struct fleet_settings settings = settings_for(true);

	for (unsigned t = 0; t < sizeof types; t++) {
		for (uint32_t have = 0; have < sizeof body; have++) {
			struct hostile hostile = hostile_fragment(types[t], 35, body, have);
			struct swarm swarm;
			struct device *device;
			uint32_t index;

			swarm_make(&swarm, &settings, 4);
			index = (uint32_t)fleet_start(&swarm.fleet, swarm.fleet.now_us, &swarm.out);
			device = &swarm.fleet.devices[index];
			swarm.out.n = 0;
			fleet_receive(&swarm.fleet, index, hostile.bytes, hostile.len, &swarm.out);
			cr_expect_eq(swarm.out.n, 0, "type %u, %u bytes", types[t], have);
			cr_expect_eq(device->state, DEVICE_HANDSHAKING);
			cr_expect_eq(device->dtls.step, STORM_DTLS_HELLO);
			cr_expect_eq(device->dtls.at.hello.cookie_len, 0);
			swarm_free(&swarm);
		}
	}
}
