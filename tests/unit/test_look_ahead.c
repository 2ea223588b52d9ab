/* Looking ahead: what is no guess first, then which messages make which. */
#include <criterion/criterion.h>

/* To see guesses, which have no outcome. */
#include "dataplane/core/sessions/look_ahead.c"
#include "tests/unit/stack_world.h"

enum { PSK_LISTENER = 1 };

static struct world *world;
static struct wish wish;

static void
setup(void)
{
	world = world_new(4);
	world->stack->directory = world->directory;
	wish = (struct wish){ 0 };
}

static void
teardown(void)
{
	world_free(world);
}

TestSuite(look_ahead, .init = setup, .fini = teardown);

/* Exactly these bytes, so that sanitizers see the first one read beyond. */
static bool
wishes(uint8_t listener, const struct session *session, const void *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct dgram_in in = { .peer = world_peer(4000), .len = (uint16_t)len, .data = exact };
	bool wanted;

	memcpy(exact, bytes, len);
	in.peer.listener = listener;
	wanted = wish_of(world->stack, &in, session, &wish);
	free(exact);
	return wanted;
}

static const char request[] = "\x44\x02\x12\x34tokn\xb2"
			      "bs\x46"
			      "ep=dev";

Test(look_ahead, messages_without_an_endpoint_name_ask_for_nothing)
{
	static const char no_query[] = "\x44\x02\x12\x34tokn\xb2"
				       "bs";
	static const char reply[] = "\x64\x44\x12\x34tokn";

	cr_expect_not(wishes(0, NULL, "", 0));
	cr_expect_not(wishes(0, NULL, no_query, sizeof no_query - 1));
	cr_expect_not(wishes(0, NULL, reply, sizeof reply - 1));
	for (size_t len = 0; len < sizeof request - 1; len++) /* "ep" cut anywhere */
		if (wishes(0, NULL, request, len))
			cr_expect_gt(len, 14);
}

Test(look_ahead, a_request_asks_for_its_endpoint_name)
{
	cr_assert(wishes(0, NULL, request, sizeof request - 1));
	cr_expect_not(wish.by_identity);
	cr_expect_eq(wish.hash, directory_hash(world->directory, "dev", 3));
}

/* A record of epoch 0 with a ClientKeyExchange of identity "dev", or one that says it is longer. */
static size_t
key_exchange(uint8_t bytes[64], uint16_t identity_len)
{
	struct writer out = writer_init(bytes, 64);

	writer_u8(&out, DTLS_HANDSHAKE);
	writer_u16(&out, DTLS_1_2);
	writer_u64(&out, 3);
	writer_u16(&out, DTLS_HANDSHAKE_HEADER + 5);
	writer_u8(&out, DTLS_CLIENT_KEY_EXCHANGE);
	writer_u24(&out, 5);
	writer_u16(&out, 2);
	writer_u24(&out, 0);
	writer_u24(&out, 5);
	writer_u16(&out, identity_len);
	writer_bytes(&out, "dev", 3);
	return writer_len(&out);
}

Test(look_ahead, a_key_exchange_asks_for_its_identity)
{
	size_t stride, len;
	struct session *known;
	uint8_t bytes[64];

	/* Associations lie beside the table's sessions: one of those is needed. */
	known = session_table_elements(world->stack->table, &stride);
	len = key_exchange(bytes, 3);
	cr_expect_not(wishes(PSK_LISTENER, NULL, bytes, len), "a peer without a handshake");
	cr_assert(wishes(PSK_LISTENER, known, bytes, len));
	cr_expect(wish.by_identity);
	cr_expect_eq(wish.hash, directory_hash(world->directory, "dev", 3));
	for (size_t cut = 0; cut < len; cut++)
		cr_expect_not(wishes(PSK_LISTENER, known, bytes, cut));
	len = key_exchange(bytes, 4);
	cr_expect_not(wishes(PSK_LISTENER, known, bytes, len), "an identity beyond the record");
}

Test(look_ahead, a_session_that_runs_asks_for_nothing)
{
	struct session session = { .state = BOOTSTRAP_STEP };

	session.batch = world_batch(world, 11542, 40);
	for (session.step = 0; session.step < 3; session.step++)
		cr_expect_not(wishes(0, &session, request, sizeof request - 1));
	session.batch = NULL; /* waits for the control side's */
	session.step = 0;
	cr_expect_not(wishes(0, &session, request, sizeof request - 1));
}

Test(look_ahead, nothing_is_fetched_without_a_directory)
{
	struct session *none = NULL;
	struct dgram_in in = { .data = (uint8_t *)(uintptr_t)request, .len = sizeof request - 1 };

	world->stack->directory = NULL;
	look_ahead(world->stack, &in, &none, 1);
}

Test(look_ahead, guesses_lead_to_devices_with_and_without_batches)
{
	struct session *none[2] = { NULL, NULL };
	struct dgram_in in[2];

	for (unsigned i = 0; i < 2; i++)
		in[i] = (struct dgram_in){ .data = (uint8_t *)(uintptr_t)request,
					   .len = sizeof request - 1 };
	look_ahead(world->stack, in, none, 2);
	world_device(world, "dev", NULL, 0);
	look_ahead(world->stack, in, none, 2);
	atomic_store(&world->entries[0]->batch, world_batch(world, 11542, 40));
	look_ahead(world->stack, in, none, 2);
	cr_expect_eq(world_count(world, COUNTER_bs_requests), 0, "looking is not taking");
}
