/*
 * The stack over DTLS: handshakes that are spoiled on their way, sealed messages of any bytes, moves to other
 * addresses, ends, forged plaintext, traces, time, in any order. Input: records of
 *
 *	+------------------------------------------+-----+-------------+
 *	| 0 client, 1 moved, 2..7 what it is       | len | len bytes   |
 *	+------------------------------------------+-----+-------------+
 *
 * Client 0 has a connection id and AES-128-CCM-8; client 1 has none, AES-128-CBC-SHA256 and encrypt-then-MAC. The
 * generator gives zeros.
 */
#include "dataplane/core/sessions/association.h"
#include "tests/support/dtls_client.h"
#include "tests/unit/stack_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SESSIONS = 4,
	/* Pools as small as can be: they are zeroed twice for every input. */
	HANDSHAKES = 4,
	CAPTURE_BYTES = 8192,
	CLIENTS = 2,
	PSK_LISTENER = 1,
	MOVED = 100,
	SECOND_US = 1000000,
};

enum what {
	FUZZ_SHAKE,
	FUZZ_SEALED,
	FUZZ_RAW,
	FUZZ_CLOSE,
	FUZZ_TIME,
	FUZZ_FORGED,
	FUZZ_COMMAND,
	FUZZ_RING,
	FUZZ_AGAIN,
	FUZZ_WHATS
};

/* Where a client is in its handshake. */
struct fuzz_client {
	struct test_client dtls;
	unsigned step;
};

struct fuzz {
	struct world *world;
	struct fuzz_client clients[CLIENTS];
};

static void
require(bool holds)
{
	if (!holds)
		abort();
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
	fuzz->clients[1].dtls.encrypt_then_mac = true;
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
	static struct world_memory memory;
	const struct world_options options = { .zero_random = true,
					       .memory = &memory,
					       .answer_bytes = 2000,
					       .handshakes = HANDSHAKES,
					       .capture_bytes = CAPTURE_BYTES };
	struct world *world = world_new_options(SESSIONS, &options);

	memset(fuzz, 0, sizeof *fuzz);
	fuzz->world = world;
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

/* A message in plaintext that looks like the next of the client's: type, then body. */
static void
forge(struct fuzz *fuzz, uint8_t head, struct reader *body)
{
	struct test_client forger = fuzz->clients[head % CLIENTS].dtls;
	uint8_t datagram[DTLS_WORLD_DATAGRAM], type = reader_u8(body);
	size_t len = reader_left(body);

	len = client_fragment(&forger, type, body->at, len, 0, len, datagram);
	send(fuzz, head, datagram, len);
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
	case FUZZ_FORGED:
		forge(fuzz, head, &body);
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

/* Time ends everything: no session and no keys stay behind. */
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
	require(n == secured->n_cbc);
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
