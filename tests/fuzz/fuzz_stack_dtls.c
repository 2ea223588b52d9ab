/*
 * The stack over DTLS: handshakes that are spoiled on their way, sealed messages of any bytes, moves to other
 * addresses, ends, the slow lane's answers, traces, time, in any order. Input: records of
 *
 *	+------------------------------------------+-----+-------------+
 *	| 0 client, 1 moved, 2..7 what it is       | len | len bytes   |
 *	+------------------------------------------+-----+-------------+
 *
 * Client 0 has a connection id and AES-128-CCM-8; client 1 has none and AES-128-CBC-SHA256, whose handshake the lane leads:
 * when the lane establishes it, both sides have the same keys. The generator gives zeros.
 */
#include "dataplane/core/dtls/dtls_cbc.h"
#include "dataplane/core/sessions/association.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSIONS = 4, ITEMS = 8, CLIENTS = 2, PSK_LISTENER = 1, MOVED = 100, SECOND_US = 1000000 };

enum what {
	FUZZ_SHAKE,
	FUZZ_SEALED,
	FUZZ_RAW,
	FUZZ_CLOSE,
	FUZZ_TIME,
	FUZZ_LANE,
	FUZZ_COMMAND,
	FUZZ_RING,
	FUZZ_AGAIN,
	FUZZ_WHATS
};

/* Where a client is in its handshake. */
struct fuzz_client {
	struct test_client dtls;
	struct dtls_cbc cbc;
	unsigned step;
};

struct fuzz {
	struct world *world;
	struct fuzz_client clients[CLIENTS];
	struct slow_lane_item items[ITEMS], *free_items[ITEMS];
	unsigned n_free;
	struct slow_lane_item asked[ITEMS]; /* who waits for the lane, the last first */
	unsigned n_asked;
};

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static struct slow_lane_item *
give_item(void *ctx)
{
	struct fuzz *fuzz = ctx;

	return fuzz->n_free ? fuzz->free_items[--fuzz->n_free] : NULL;
}

/* The lane copies what it needs, and gives the item back at once. */
static void
take_item(void *ctx, struct slow_lane_item *item)
{
	struct fuzz *fuzz = ctx;

	require(item->kind == SLOW_LANE_END || item->len <= SLOW_LANE_DATAGRAM_MAX);
	memmove(fuzz->asked + 1, fuzz->asked, (ITEMS - 1) * sizeof *fuzz->asked);
	fuzz->asked[0] = *item;
	fuzz->n_asked += fuzz->n_asked < ITEMS;
	require(fuzz->n_free < ITEMS);
	fuzz->free_items[fuzz->n_free++] = item;
}

static void
begin_clients(struct fuzz *fuzz)
{
	static const struct dtls_world_credential who = { "dev", 3, "0123456789abcdef", 16 };
	static const uint8_t cbc_suite[2] = { 0x00, 0xae };

	for (unsigned i = 0; i < CLIENTS; i++)
		client_init(&fuzz->clients[i].dtls, crypto_select(), &who);
	fuzz->clients[0].dtls.offer_cid = true;
	fuzz->clients[1].dtls.suites = cbc_suite;
	fuzz->clients[1].dtls.suites_len = sizeof cbc_suite;
}

/* A device that asks is written to: "dev", with its key. */
static void
begin_device(struct world *world, const struct batch *batch)
{
	struct device_entry *entry = device_entry_new(1000, "dev", 3, NULL, 0, "0123456789abcdef", 16);
	struct device_entry *old;
	struct directory_retired retired;

	require(entry && directory_put(world->directory, entry, &old, &retired) == 0);
	atomic_store(&entry->batch, batch);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
	world->entries[world->n_entries++] = entry;
}

static void
begin(struct fuzz *fuzz)
{
	const struct world_options options = { .zero_random = true, .answer_bytes = 2000 };
	struct world *world = world_new_options(SESSIONS, &options);

	memset(fuzz, 0, sizeof *fuzz);
	fuzz->world = world;
	for (; fuzz->n_free < ITEMS; fuzz->n_free++)
		fuzz->free_items[fuzz->n_free] = &fuzz->items[fuzz->n_free];
	stack_fini(world->stack);
	free(world->memory);
	world->config.lane_item = give_item;
	world->config.lane_offer = take_item;
	world->config.emit_ctx = world;
	world->config.lane_ctx = fuzz;
	world->memory = aligned_alloc(64, (stack_size(&world->config) + 63) / 64 * 64);
	require(world->memory != NULL);
	memset(world->memory, 0, stack_size(&world->config));
	world->stack = stack_init(world->memory, &world->config, world->now);
	begin_device(world, world_batch(world, 11542, 1500));
	world_batch_of(world, 11542, "ww?fw!+f+");
	begin_clients(fuzz);
}

/* What the stack sent goes to whose port it is for, and every record of it must be sound. */
static void
deliver(struct fuzz *fuzz)
{
	struct world *world = fuzz->world;

	require(stack_gauges(world->stack).sessions <= SESSIONS);
	require(world_count(world, COUNTER_bs_illegal) == 0);
	for (unsigned i = 0; i < world->out.used; i++)
		client_take(&fuzz->clients[world->slots[i].peer.port % CLIENTS].dtls, world->slots[i].data,
			    world->slots[i].len);
	world_clear(world);
}

static void
send(struct fuzz *fuzz, uint8_t head, const uint8_t *bytes, size_t len)
{
	unsigned which = head % CLIENTS;
	struct peer peer = world_peer((uint16_t)(4000 + which + (head & 2 ? MOVED : 0)));

	peer.listener = PSK_LISTENER;
	world_feed_at(fuzz->world, peer, bytes, len);
	require(fuzz->world->out.used <= STACK_REPLIES_PER_RX);
	deliver(fuzz);
}

/* Two bytes of the input each: where, and what is turned over there. */
static void
spoil(uint8_t *datagram, size_t len, struct reader *body)
{
	while (len && reader_left(body) >= 2) {
		size_t at = reader_u8(body);

		datagram[at % len] ^= reader_u8(body);
	}
}

/* The next flight; a spoiled one counts as sent. A client that is through begins anew. */
static void
shake(struct fuzz *fuzz, uint8_t head, struct reader *body)
{
	struct fuzz_client *client = &fuzz->clients[head % CLIENTS];
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;

	if (client->step++ < 2) {
		len = client_hello(&client->dtls, datagram);
		spoil(datagram, len, body);
		send(fuzz, head, datagram, len);
		return;
	}
	len = client_exchange(&client->dtls, datagram);
	spoil(datagram, len, body);
	send(fuzz, head, datagram, len);
	len = client_change_cipher_spec(&client->dtls, datagram);
	send(fuzz, head, datagram, len);
	len = client_finished(&client->dtls, datagram);
	spoil(datagram, len, body);
	send(fuzz, head, datagram, len);
	client->step = 0;
}

static void
send_sealed(struct fuzz *fuzz, uint8_t head, uint8_t type, struct reader *body)
{
	struct fuzz_client *client = &fuzz->clients[head % CLIENTS];
	uint8_t datagram[DTLS_WORLD_DATAGRAM], content[256];
	size_t len = reader_left(body);

	reader_copy(body, content, len);
	len = client_seal(&client->dtls, type, content, len, datagram);
	send(fuzz, head, datagram, len);
}

/* What the lane says to one that asked: as it would be, or of anybody. Established: with keys that client 1 has, too. */
static void
answer_from_lane(struct fuzz *fuzz, struct reader *body)
{
	struct fuzz_client *client = &fuzz->clients[1];
	struct slow_lane_item item = fuzz->asked[fuzz->n_asked ? reader_u8(body) % fuzz->n_asked : 0];
	struct slow_lane_keys mirrored;
	uint8_t how = reader_u8(body);

	item.kind = how % 3;
	item.cause = how / 3 % 4;
	item.slot += reader_u8(body);
	item.serial += reader_u8(body);
	if (item.kind == SLOW_LANE_ESTABLISHED) {
		memset(&item.keys, 0, sizeof item.keys);
		item.keys.encrypt_then_mac = how & 0x80;
		item.keys.device = 1000;
		item.keys.write_sequence = 1;
		memset(item.keys.client_mac, 1, sizeof item.keys.client_mac);
		memset(item.keys.client_key, 2, sizeof item.keys.client_key);
		mirrored = item.keys;
		memcpy(mirrored.client_mac, item.keys.server_mac, sizeof mirrored.client_mac);
		memcpy(mirrored.server_mac, item.keys.client_mac, sizeof mirrored.server_mac);
		memcpy(mirrored.client_key, item.keys.server_key, sizeof mirrored.client_key);
		memcpy(mirrored.server_key, item.keys.client_key, sizeof mirrored.server_key);
		dtls_cbc_establish(client->dtls.ops, &mirrored, &client->cbc, &client->dtls.session);
	} else {
		item.len = (uint16_t)(reader_left(body) + DTLS_RECORD_HEADER);
		memset(item.datagram, 0, DTLS_RECORD_HEADER);
		reader_copy(body, item.datagram + DTLS_RECORD_HEADER, reader_left(body));
	}
	world_clear(fuzz->world);
	stack_lane(fuzz->world->stack, fuzz->world->now, &item, &fuzz->world->out);
	require(fuzz->world->out.used <= 1);
	world_clear(fuzz->world); /* the lane's bytes are no record: no client reads them */
	deliver(fuzz);
}

static void
give_command(struct fuzz *fuzz, struct reader *body)
{
	struct stack_command command = { .kind = reader_u8(body) % (STACK_TRACE + 1) };

	command.session.slot = reader_u8(body);
	command.session.serial = 101u + reader_u8(body);
	command.on = reader_u8(body) & 1;
	command.device = 1000 + reader_u8(body) % 3;
	if (command.kind == STACK_BATCH && reader_u8(body) & 1) {
		command.batch = fuzz->world->batches[1];
		command.from = reader_u8(body);
		batch_hold(command.batch);
	}
	world_clear(fuzz->world);
	stack_command(fuzz->world->stack, fuzz->world->now, &command, &fuzz->world->out);
	deliver(fuzz);
}

static void
tick(struct fuzz *fuzz, uint64_t later_us)
{
	world_tick(fuzz->world, later_us);
	deliver(fuzz);
}

static void
take_record(struct fuzz *fuzz, struct reader *input)
{
	uint8_t head = reader_u8(input);
	struct reader body = reader_vector_u8(input);
	uint8_t alert[] = { reader_left(&body) ? *body.at : 1, 0 };

	switch ((enum what)((head >> 2) % FUZZ_WHATS)) {
	case FUZZ_SHAKE:
		shake(fuzz, head, &body);
		return;
	case FUZZ_SEALED:
		send_sealed(fuzz, head, DTLS_APPLICATION_DATA, &body);
		return;
	case FUZZ_RAW:
		send(fuzz, head, body.at, reader_left(&body));
		return;
	case FUZZ_CLOSE:
		body = reader_init(alert, sizeof alert);
		send_sealed(fuzz, head, DTLS_ALERT_RECORD, &body);
		return;
	case FUZZ_TIME:
		tick(fuzz, (uint64_t)reader_u16(&body) * 10000);
		return;
	case FUZZ_LANE:
		answer_from_lane(fuzz, &body);
		return;
	case FUZZ_COMMAND:
		give_command(fuzz, &body);
		return;
	case FUZZ_RING:
		fuzz->world->n_events = fuzz->world->n_traces = 0;
		fuzz->world->event_room = reader_u8(&body);
		return;
	case FUZZ_AGAIN: /* the client forgets where it was */
		fuzz->clients[head % CLIENTS].step = reader_u8(&body) % 3;
		return;
	case FUZZ_WHATS:
		return;
	}
}

/* Time ends everything: no session, no keys and no item of the lane stay behind. */
static void
end(struct fuzz *fuzz)
{
	const struct secured *secured = fuzz->world->stack->secured;
	uint32_t n = 0;

	for (int i = 0; i < 500; i++) {
		fuzz->world->n_events = 0;
		fuzz->world->event_room = WORLD_EVENTS;
		tick(fuzz, SECOND_US);
	}
	require(stack_gauges(fuzz->world->stack).sessions == 0);
	for (uint32_t i = secured->free_cbc; i; i = secured->cbc[i - 1].next_free)
		n++;
	require(n == secured->n_cbc && fuzz->n_free == ITEMS);
	stack_fini(fuzz->world->stack);
	fuzz->world->stack = NULL;
	for (unsigned b = 0; b < fuzz->world->n_batches; b++)
		require(atomic_load(&fuzz->world->batches[b]->holders) == 0);
	world_free(fuzz->world);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	struct reader input = reader_init(data, size);

	begin(&fuzz);
	while (reader_left(&input))
		take_record(&fuzz, &input);
	end(&fuzz);
	return 0;
}
