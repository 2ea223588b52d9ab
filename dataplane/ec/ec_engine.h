/*
 * ec_engine.h - elliptic curves for one helper thread: key pairs and nonces made ahead, signatures,
 * chains, and the cache of those that were verified.
 *
 * What is made ahead is used once and wiped: a nonce that signs twice gives our private key away.
 * It lives in libcrypto's locked heap, is never written anywhere and never handed over; a child
 * process must not go on with it.
 *
 * Owner: the thread. Allocation: heap and libcrypto's, for every job. Errors: a job's verdict.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/ec/ec_trust.h"

struct ec_engine;

/* NULL: out of memory. */
struct ec_engine *ec_engine_new(void);
void ec_engine_free(struct ec_engine *engine); /* wipes */

/* Does the job in its place. `wall_s`: seconds since 1970, for validity. */
void ec_engine_work(struct ec_engine *engine, const struct ec_trust *trust, struct ec_job *job,
		    int64_t wall_s);

/* Makes one key pair and one nonce ahead; false: the pool is full, there is nothing to do. */
bool ec_engine_prepare(struct ec_engine *engine);

struct ec_stats {
	uint64_t made_ahead, made_waiting; /* key pairs with nonces: taken from the pool, or not */
	uint64_t chains_cached, chains_verified;
};
const struct ec_stats *ec_engine_stats(const struct ec_engine *engine);
