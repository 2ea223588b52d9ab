/*
 * ec_fuzz.h - a helper without curves for the fuzz target of handshakes with certificates: what it
 * answers is canned, so that every input replays, and quickly.
 */
#pragma once

#include "dataplane/core/dtls/dtls_ec.h"
#include "tests/support/dtls_fuzz.h"

struct ec_fuzz {
	struct dtls_ec ec;
	bool is_taken, is_offered;
	uint8_t verdict; /* of the second job */
};

static inline struct dtls_ec *
ec_fuzz_take(void *ctx, const struct dtls_handshake *hs)
{
	struct ec_fuzz *fuzz = ctx;

	if (fuzz->is_taken)
		abort(); /* one handshake has one */
	if (fuzz->is_offered)
		return NULL; /* of one that ended */
	memset(&fuzz->ec, 0xa5, sizeof fuzz->ec);
	memset(&fuzz->ec, 0, offsetof(struct dtls_ec, job));
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
}

/* All messages are where they are said to be. */
static inline void
ec_fuzz_check(const struct ec_job *job)
{
	const uint8_t *end = ec_job_verify(job) + job->verify_len;

	if (job->flight_len > sizeof job->bytes)
		abort();
	if (job->kind == EC_FINISH &&
	    (end > job->bytes + sizeof job->bytes ||
	     ec_job_chain(job)[-DTLS_HANDSHAKE_HEADER] != DTLS_CERTIFICATE ||
	     ec_job_share(job)[-DTLS_HANDSHAKE_HEADER] != DTLS_CLIENT_KEY_EXCHANGE ||
	     ec_job_verify(job)[-DTLS_HANDSHAKE_HEADER] != DTLS_CERTIFICATE_VERIFY))
		abort();
}

static inline bool
ec_fuzz_offer(void *ctx, struct dtls_ec *ec)
{
	struct ec_fuzz *fuzz = ctx;

	if (fuzz->is_offered)
		abort(); /* it is away already */
	ec_fuzz_check(&ec->job);
	fuzz->is_offered = true;
	return true;
}

static inline bool
ec_fuzz_find_pinned(void *ctx, uint8_t type, const struct dtls_bytes *der,
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

static inline void
ec_fuzz_begin(struct ec_job *job)
{
	static const uint8_t point[DTLS_POINT] = { DTLS_POINT_UNCOMPRESSED };
	static uint8_t certificate[2500], signature[DTLS_SIGNATURE_MAX]; /* several datagrams */

	if (!dtls_flight_complete(job, &(struct dtls_bytes){ certificate, sizeof certificate },
				  point, &(struct dtls_bytes){ signature, sizeof signature }))
		abort();
	memset(&job->secrets, 1, sizeof job->secrets);
	job->verdict = EC_GOOD;
}

static inline void
ec_fuzz_finish(struct ec_job *job, uint8_t verdict)
{
	job->finish.trust = 0;
	job->finish.anchor = 0;
	job->verdict = verdict;
}

/* The answer to the job that waits; returns the length of what it leads to. */
static inline size_t
ec_fuzz_help(struct ec_fuzz *fuzz, struct dtls_world *world, uint8_t reply[DTLS_WORLD_DATAGRAM])
{
	struct ec_job *job = &fuzz->ec.job;

	if (!fuzz->is_offered)
		return 0;
	fuzz->is_offered = false;
	if (job->kind == EC_BEGIN)
		ec_fuzz_begin(job);
	else
		ec_fuzz_finish(job, fuzz->verdict);
	return fuzz->is_taken ? dtls_world_answered(world, reply) : 0;
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
		.offer = ec_fuzz_offer,
		.find_pinned = ec_fuzz_find_pinned,
		.find_endpoint = ec_fuzz_find_endpoint,
	};
}
