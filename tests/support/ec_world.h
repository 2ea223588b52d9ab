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
	struct ec_job job, late; /* `late`: what was answered last */
	uint32_t serial;         /* of the handshake that has `ec` */
	bool is_taken, is_offered;
	bool stopped;         /* the helper does nothing */
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

	if (world->is_taken)
		return NULL;
	memset(&world->ec, 0, sizeof world->ec);
	world->is_taken = true;
	world->serial++;
	return &world->ec;
}

static inline void
ec_world_release(void *ctx, struct dtls_ec *ec)
{
	struct ec_world *world = ctx;

	crypto_wipe(ec, sizeof *ec);
	world->is_taken = false;
	world->serial++;
}

static inline struct ec_job *
ec_world_job(void *ctx, const struct dtls_ec *ec)
{
	struct ec_world *world = ctx;

	if (world->is_offered || (world->refuse_jobs && world->refuse_jobs--))
		return NULL;
	memset(&world->job, 0, sizeof world->job);
	world->job.serial = world->serial;
	return &world->job;
}

static inline void
ec_world_offer(void *ctx, struct ec_job *job)
{
	((struct ec_world *)ctx)->is_offered = true;
}

static inline bool
ec_world_find_pinned(void *ctx, uint8_t type, const uint8_t fingerprint[DTLS_HASH],
		     struct dtls_identity *found)
{
	struct ec_world *world = ctx;

	found->device = 7;
	found->hash = 77;
	return world->has_pinned && memcmp(world->pinned, fingerprint, DTLS_HASH) == 0;
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
		ec_engine_work(world->engine, world->trust, &world->job, CERT_NOW);
		world->jobs[world->job.kind]++;
		world->last_verdict = world->job.verdict;
		world->is_offered = false;
		world->late = world->job;
		if (world->late.serial == world->serial)
			net_reply(net, reply,
				  dtls_world_answered(&net->world, &world->late, reply));
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
		.job = ec_world_job,
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
