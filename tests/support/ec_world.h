/*
 * ec_world.h - a dtls_world that takes certificates: one place of a handshake, one job, and a helper
 * that works when the test lets it.
 */
#pragma once

#include "dataplane/core/dtls/dtls_ec.h"
#include "dataplane/ec/ec_engine.h"
#include "tests/support/dtls_net.h"
#include "tests/support/ec_certs.h"

struct ec_world {
	struct dtls_world *world;
	struct ec_engine *engine;
	struct ec_trust *trust;
	struct dtls_ec ec;
	bool is_taken, is_offered; /* by a handshake; its job, which stays when that ends */
	unsigned late;             /* jobs whose handshake had ended */
	bool stopped;              /* the helper does nothing */
	bool leaves_rest; /* of the handshake before, as a pool does: else something that would be
			       * seen */
	unsigned refuse_jobs; /* so many times there is no free job */
	unsigned jobs[2];     /* done, by kind */
	uint8_t last_verdict;
	const char *known;         /* the endpoint that inventory has: device 7 */
	uint8_t pinned[DTLS_HASH]; /* ... or its key or certificate */
	bool has_pinned;
};

static inline struct dtls_ec *
ec_world_take(void *ctx, const struct dtls_handshake *hs)
{
	struct ec_world *world = ctx;

	if (world->is_taken || world->is_offered)
		return NULL;
	if (!world->leaves_rest)
		memset(&world->ec, 0xa5, sizeof world->ec);
	memset(&world->ec, 0, offsetof(struct dtls_ec, job));
	world->is_taken = true;
	return &world->ec;
}

static inline void
ec_world_release(void *ctx, struct dtls_ec *ec)
{
	struct ec_world *world = ctx;

	world->is_taken = false;
}

static inline bool
ec_world_offer(void *ctx, struct dtls_ec *ec)
{
	struct ec_world *world = ctx;

	if (world->is_offered || (world->refuse_jobs && world->refuse_jobs--))
		return false;
	world->is_offered = true;
	return true;
}

static inline bool
ec_world_find_pinned(void *ctx, uint8_t type, const struct dtls_bytes *der,
		     struct dtls_identity *found)
{
	struct ec_world *world = ctx;
	uint8_t fingerprint[DTLS_HASH];

	found->device = 7;
	found->hash = 77;
	if (!world->has_pinned)
		return false;
	crypto_sha256(world->world->server.ops, der->at, der->len, fingerprint);
	return memcmp(world->pinned, fingerprint, DTLS_HASH) == 0;
}

static inline bool
ec_world_find_endpoint(void *ctx, const struct ec_finish *finish, struct dtls_identity *found)
{
	struct ec_world *world = ctx;

	found->device = 7;
	found->hash = 77;
	return world->known && strlen(world->known) == finish->name_len &&
	       memcmp(world->known, finish->name, finish->name_len) == 0;
}

/* The helper: does the job that waits, unless its handshake has ended meanwhile. */
static inline void
ec_world_help(void *ctx, struct net *net)
{
	struct ec_world *world = ctx;
	uint8_t reply[DTLS_WORLD_DATAGRAM];

	while (world->is_offered && !world->stopped) {
		ec_engine_work(world->engine, world->trust, &world->ec.job, CERT_NOW);
		world->jobs[world->ec.job.kind]++;
		world->last_verdict = world->ec.job.verdict;
		world->is_offered = false;
		if (world->is_taken)
			net_reply(net, reply, dtls_world_answered(&net->world, reply));
		else
			world->late++;
	}
}

static inline void
ec_world_init(struct ec_world *world, struct net *net)
{
	memset(world, 0, sizeof *world);
	world->world = &net->world;
	world->engine = ec_engine_new();
	world->trust = ec_trust_new();
	net->help = ec_world_help;
	net->help_ctx = world;
	net->world.server.ec_ctx = world;
	net->world.server.ec = (struct dtls_ec_way){
		.take = ec_world_take,
		.release = ec_world_release,
		.offer = ec_world_offer,
		.find_pinned = ec_world_find_pinned,
		.find_endpoint = ec_world_find_endpoint,
	};
}

static inline void
ec_world_fini(struct ec_world *world)
{
	if (world->world->has_handshake)
		dtls_world_end_handshake(world->world);
	ec_engine_free(world->engine);
	ec_trust_release(world->trust);
}
