/*
 * What another process left, as records, into a stack; then time passes, and its devices send something. Input: the
 * records of a worker's file, without its head: a checksum is none against who may write here.
 */
#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/core/record_kinds.h"
#include "dataplane/core/stack_pass.h"
#include "tests/unit/stack_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSIONS = 8, BATCHES = 3, ROUNDS = 4, ROUND_US = 20 * 1000 * 1000, JOBS = 4 };

static struct ec_job *away[JOBS];
static unsigned n_away;

static bool
offer(void *ctx, struct ec_job *job)
{
	if (n_away == JOBS)
		return false;
	away[n_away++] = job;
	return true;
}

/* What handshakes with certificates asked for comes back, with another verdict each round. */
static void
answer_jobs(struct world *world, unsigned round)
{
	while (n_away) {
		struct ec_job *job = away[--n_away];

		job->verdict = (uint8_t)((round + n_away) % EC_VERDICTS);
		world_clear(world);
		stack_ec(world->stack, world->now, job, &world->out);
	}
}

static const struct batch *
batch_of(void *ctx, uint32_t number)
{
	const struct world *world = ctx;

	return number >= 1 && number <= BATCHES ? world->batches[number - 1] : NULL;
}

static bool
load(struct world *world, const uint8_t *data, size_t size)
{
	uint8_t listeners[LISTENERS_MAX];
	const struct stack_loading loading = {
		.batch = batch_of, .ctx = world, .listeners = listeners, .now_us = world->now
	};
	struct record_reader reader = { .at = data, .end = data + size, .shift_us = 5 };
	struct stack_passed passed = { 0 };

	memset(listeners, STACK_NO_LISTENER, sizeof listeners);
	listeners[0] = 0;
	listeners[1] = 1;
	while (record_next(&reader))
		if (!stack_load(world->stack, &reader, &loading, &passed))
			return false;
	return !reader.malformed;
}

static void
send_from_all(struct world *world)
{
	static const uint8_t messages[][8] = {
		{ 0x60, 0x44, 0, 1 },           /* an answer */
		{ 0x70, 0, 0, 1 },              /* a Reset */
		{ 0x40, 0x02, 0, 7, 0xb2, 'b', 's' }, /* a request */
	};

	for (unsigned m = 0; m < sizeof messages / sizeof messages[0]; m++)
		for (uint16_t port = 4000; port < 4004; port++)
			for (uint8_t listener = 0; listener < 2; listener++) {
				struct peer peer = world_peer(port);

				peer.listener = listener;
				world_feed_at(world, peer, messages[m], m == 2 ? 7 : 4);
			}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct world_options options = { .ec_offer = offer, .certificates = JOBS };
	struct world *world = world_new_options(SESSIONS, &options);

	n_away = 0;
	(void)world_batch(world, 11542, 98);
	(void)world_pack(world, 112, 3000);
	(void)world_batch_of(world, 11542, "drwf");
	world_device(world, "dev", world->batches[0], 0);
	if (load(world, data, size))
		for (unsigned i = 0; i < ROUNDS; i++) {
			answer_jobs(world, i);
			send_from_all(world);
			world_tick(world, ROUND_US);
			world->n_events = 0;
		}
	world_free(world);
	return 0;
}
