/* Jobs of elliptic curves go by their address: what becomes of the place of a handshake that ends while its job
 * is away, and what is left in it. */
#include <criterion/criterion.h>

#include "dataplane/ec/ec_engine.h"
#include "tests/unit/certified_stack.h"

enum { PLACES = 2, CLIENTS = 4, SECOND = 1000000 };

static struct certified_stack stack;
static struct ec_engine *engine;
static struct ec_job *away[PLACES];
static unsigned n_away, room;
static uint8_t hello[DTLS_WORLD_DATAGRAM];

static bool
offer(void *ctx, struct ec_job *job)
{
	if (n_away == room)
		return false;
	away[n_away++] = job;
	return true;
}

static void
setup(void)
{
	const struct world_options options = { .ec_offer = offer, .certificates = PLACES };

	engine = ec_engine_new();
	certified_init(&stack, &options, CLIENTS);
	n_away = 0;
	room = PLACES;
}

static void
teardown(void)
{
	certified_fini(&stack);
	ec_engine_free(engine);
}

TestSuite(secured_ec, .init = setup, .fini = teardown);

/* The oldest job is done and comes back. */
static void
help(void)
{
	struct ec_job *job = away[0];

	cr_assert_neq(n_away, 0);
	away[0] = away[--n_away];
	ec_engine_work(engine, stack.trust, job, CERT_NOW);
	certified_answer(&stack, job);
}

static uint64_t
counted(enum counter counter)
{
	return world_count(stack.world, counter);
}

static void
shake_hands(unsigned client)
{
	(void)certified_hello(&stack, client, hello);
	help();
	cr_assert(stack.clients[client].server_done);
	certified_flight(&stack, client, true);
	help();
	cr_assert(stack.clients[client].dtls.finished);
}

static void
let_end(void)
{
	for (unsigned i = 0; i < 70; i++)
		world_tick(stack.world, SECOND);
}

/* Secrets are in `secrets` alone, which is wiped. */
static void
assert_wiped(const struct ec_job *job)
{
	static const struct ec_secrets none;

	cr_assert_arr_eq((const uint8_t *)&job->secrets, (const uint8_t *)&none, sizeof none);
}

Test(secured_ec, a_handshake_gives_its_place_back_wiped)
{
	const struct ec_job *job = &stack.world->stack->secured->ecs[0].dtls.job;

	shake_hands(0);
	cr_assert_eq(counted(COUNTER_dtls_finished), 1);
	cr_assert_eq(certified_free_places(&stack), PLACES);
	assert_wiped(job);
}

Test(secured_ec, a_place_whose_job_is_away_is_nobody_elses)
{
	struct ec_job *job;

	room = 1;
	(void)certified_hello(&stack, 0, hello);
	job = away[0];
	let_end();
	cr_assert_eq(counted(COUNTER_dtls_failed_timeout), 1);
	cr_assert_eq(certified_free_places(&stack), PLACES - 1);
	/* Another one has the other place, and a third finds none. */
	room = 2;
	(void)certified_hello(&stack, 1, hello);
	cr_assert_neq(away[1], job);
	(void)certified_hello(&stack, 2, hello);
	cr_assert_eq(counted(COUNTER_dtls_certificates_full), 1);
	help(); /* of the one that is over */
	cr_assert_eq(counted(COUNTER_dtls_ec_late), 1);
	cr_assert_eq(certified_free_places(&stack), 1);
	assert_wiped(job);
	help();
	cr_assert(stack.clients[1].server_done);
}

Test(secured_ec, a_client_that_begins_anew_leaves_its_job_behind)
{
	(void)certified_hello(&stack, 0, hello);
	certified_begin(&stack, 0);
	(void)certified_hello(&stack, 0, hello);
	cr_assert_eq(n_away, 2);
	help();
	cr_assert_eq(counted(COUNTER_dtls_ec_late), 1);
	cr_assert_not(stack.clients[0].server_done);
	help();
	cr_assert(stack.clients[0].server_done);
	certified_flight(&stack, 0, true);
	help();
	cr_assert(stack.clients[0].dtls.finished);
	cr_assert_eq(certified_free_places(&stack), PLACES);
}

Test(secured_ec, one_that_is_over_while_its_verdict_is_made_leaves_nothing)
{
	struct ec_job *job;

	(void)certified_hello(&stack, 0, hello);
	help();
	certified_flight(&stack, 0, true);
	job = away[0];
	let_end();
	help();
	cr_assert_eq(counted(COUNTER_dtls_ec_late), 1);
	cr_assert_eq(counted(COUNTER_dtls_finished), 0);
	assert_wiped(job);
	cr_assert_eq(certified_free_places(&stack), PLACES);
}

Test(secured_ec, a_full_ring_is_counted_and_the_place_is_free_again)
{
	room = 0;
	(void)certified_hello(&stack, 0, hello);
	cr_assert_eq(counted(COUNTER_dtls_ec_full), 1);
	cr_assert_eq(certified_free_places(&stack), PLACES);
	/* The client says its hello again. */
	room = 1;
	certified_begin(&stack, 0);
	shake_hands(0);
	cr_assert_eq(counted(COUNTER_dtls_finished), 1);
}

Test(secured_ec, the_flight_is_repeated_while_the_verdict_is_made)
{
	size_t len = certified_hello(&stack, 0, hello);

	help();
	certified_flight(&stack, 0, false);
	cr_assert_eq(n_away, 1);
	certified_send(&stack, 0, hello, len);
	cr_assert_eq(counted(COUNTER_dtls_flight_again), 1);
	help();
	cr_assert_eq(certified_free_places(&stack), PLACES, "the verdict was good");
}
