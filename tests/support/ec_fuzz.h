/*
 * ec_fuzz.h - a helper without curves for the fuzz target of handshakes with certificates: what it
 * answers is canned, so that every input replays, and quickly.
 */
#pragma once

#include "dataplane/core/dtls/dtls_ec.h"
#include "tests/support/dtls_fuzz.h"

struct ec_fuzz {
	struct dtls_ec ec;
	struct ec_job job;
	bool is_taken, is_offered;
	uint8_t verdict; /* of the second job */
};

static inline struct dtls_ec *
ec_fuzz_take(void *ctx, const struct dtls_handshake *hs)
{
	struct ec_fuzz *fuzz = ctx;

	if (fuzz->is_taken)
		abort(); /* one handshake has one */
	memset(&fuzz->ec, 0, sizeof fuzz->ec);
	fuzz->is_taken = true;
	return &fuzz->ec;
}

static inline void
ec_fuzz_release(void *ctx, struct dtls_ec *ec)
{
	struct ec_fuzz *fuzz = ctx;

	if (!fuzz->is_taken || ec != &fuzz->ec)
		abort();
	fuzz->is_taken = false;
	fuzz->is_offered = false; /* its answer would be ignored */
}

static inline struct ec_job *
ec_fuzz_job(void *ctx, const struct dtls_ec *ec)
{
	struct ec_fuzz *fuzz = ctx;

	if (fuzz->is_offered)
		return NULL;
	memset(&fuzz->job, 0, sizeof fuzz->job);
	return &fuzz->job;
}

static inline void
ec_fuzz_offer(void *ctx, struct ec_job *job)
{
	((struct ec_fuzz *)ctx)->is_offered = true;
	if (job->len > sizeof job->bytes)
		abort();
}

static inline bool
ec_fuzz_find_pinned(void *ctx, uint8_t type, const uint8_t fingerprint[DTLS_HASH],
		    struct dtls_identity *found)
{
	found->device = 1;
	found->hash = 2;
	return type == DTLS_RAW_PUBLIC_KEY;
}

static inline bool
ec_fuzz_find_endpoint(void *ctx, const struct ec_finish *finish, struct dtls_identity *found)
{
	found->device = 3;
	found->hash = 4;
	return true;
}

/* The answer to the job that waits; returns the length of what it leads to. */
static inline size_t
ec_fuzz_help(struct ec_fuzz *fuzz, struct dtls_world *world, uint8_t reply[DTLS_WORLD_DATAGRAM])
{
	struct ec_job job = fuzz->job;

	if (!fuzz->is_offered)
		return 0;
	fuzz->is_offered = false;
	job.verdict = job.kind == EC_BEGIN ? EC_GOOD : fuzz->verdict;
	if (job.kind == EC_BEGIN) {
		job.begin.point[0] = DTLS_POINT_UNCOMPRESSED;
		job.begin.signature_len = DTLS_SIGNATURE_MAX;
		job.len = 2500; /* several datagrams */
		memset(job.bytes, 'c', job.len);
	}
	return dtls_world_answered(world, &job, reply);
}

static inline void
ec_fuzz_init(struct ec_fuzz *fuzz, struct dtls_world *world)
{
	memset(fuzz, 0, sizeof *fuzz);
	world->server.abilities = DTLS_OWN_CERTIFICATE | DTLS_OWN_RAW_KEY | DTLS_PEER_CERTIFICATES |
				  DTLS_PEER_RAW_KEYS;
	world->server.ec_ctx = fuzz;
	world->server.ec = (struct dtls_ec_way){
		.take = ec_fuzz_take,
		.release = ec_fuzz_release,
		.job = ec_fuzz_job,
		.offer = ec_fuzz_offer,
		.find_pinned = ec_fuzz_find_pinned,
		.find_endpoint = ec_fuzz_find_endpoint,
	};
}
